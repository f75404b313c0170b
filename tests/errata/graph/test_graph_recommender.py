"""Chapter 6, a graph attention recommender: the source's project and its promises fail where ours hold; two leaks."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

import recbyhand as rbh
from recbyhand.data import Graph
from recbyhand.layers import DotGraphAttention
from recbyhand.models import BST, GraphAttentionRecommender, LightGCN
from tests.errata import fails
from tests.factories import make_schema

ITEMS = 5
SCHEMA = make_schema(n_users=12, n_items=9)
GRAPH = Graph(
    torch.tensor([2, 2, 3, 3, 4]),
    torch.tensor([2, 3, 3, 4, 4]),
    torch.arange(5),
    SCHEMA.n_users,
    SCHEMA.n_items,
)


class Wrapper(Dataset):
    """The project's data set: a row of the matrix and a target."""

    def __init__(self, matrix, length):
        self.matrix, self.length = matrix, length

    def __len__(self):
        return self.length

    def __getitem__(self, i):
        return self.matrix[i], torch.tensor(float(i < 3))


def test_g19_a_node_without_edges_is_itself_and_nothing_more():
    model = GraphAttentionRecommender(SCHEMA, GRAPH).eval()
    h, start = model.nodes(), model.start()
    assert h.isfinite().all()
    alone = 7  # a user without edges
    torch.testing.assert_close(h[alone], start[alone])

    def check(softmax):
        assert softmax(torch.full((3,), float("-inf"))).isfinite().all()

    def bare(e):
        return e.softmax(0)

    def ours(e):
        return bare(e).nan_to_num()

    check(ours)
    fails(check, bare)  # a softmax of nothing
    fails(torch.testing.assert_close, h[2], start[2])  # whoever has edges does hear something


def test_g20_a_dynamic_model_notices_the_times():
    rbh.seed(0)
    batch = rbh.data.toy(4, history=[[2, 3, 4]] * 4, user=[2, 3, 4, 5], item=[5, 6, 5, 6])
    later = dataclasses.replace(batch, history_time=batch.history_time - 86_400 * torch.arange(5).flip(0))
    schema = batch.schema
    edges = Graph(
        torch.tensor([2, 3]), torch.tensor([3, 4]), torch.tensor([0, 1]), schema.n_users, schema.n_items
    )

    def check(model):
        assert not torch.equal(model(batch), model(later))

    check(BST(schema, dim=8, positions="time").eval())
    fails(check, GraphAttentionRecommender(schema, edges, dim=8).eval())
    fails(check, LightGCN(schema, edges).eval())


def test_g20_times_are_no_part_of_a_graph():
    task = rbh.data.ctr(rbh.data.planted("crosses", users=30))
    train = task.train
    turned = dataclasses.replace(train, time=train.time.flip(0))
    again = dataclasses.replace(task, train=turned)
    assert torch.equal(rbh.data.graph(task).edges(), rbh.data.graph(again).edges())


class Layer(nn.Module):
    """What the project's layer holds, whatever is said of it."""

    def __init__(self, d_in, d_out):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(d_in, d_out))
        self.attention = nn.Linear(2 * d_out, 1)


def test_g21_the_commentary_names_what_is_there():
    class Described(nn.Module):
        def __init__(self):
            super().__init__()
            self.E = nn.Embedding(ITEMS, 8)

    def check(layer):  # what the commentary says
        assert any(isinstance(part, nn.Embedding) for part in layer.modules())

    check(Described())
    fails(check, Layer(8, 8))
    assert [name for name, _ in Layer(8, 8).named_parameters()] == [
        "weight",
        "attention.weight",
        "attention.bias",
    ]

    def batched(rows):
        assert isinstance(rows, DataLoader)

    batched(DataLoader(Wrapper(torch.rand(10, 5), 10), batch_size=5))
    fails(batched, Wrapper(torch.rand(10, 5), 10))  # it loops over the data set itself


# ------------------------------------------------------------------------------------------------- two leaks


def test_a_graph_holds_no_edge_of_the_test():
    user, item = torch.tensor([4, 5]), torch.tensor([2, 3])  # liked in the test

    def check(graph):
        pairs = graph.user * graph.n_items + graph.item
        assert not torch.isin(user * graph.n_items + item, pairs).any()

    leaky = Graph(
        torch.cat([GRAPH.user, user]),
        torch.cat([GRAPH.item, item]),
        torch.arange(7),
        GRAPH.n_users,
        GRAPH.n_items,
    )
    check(GRAPH)
    fails(check, leaky)
    task = rbh.data.ctr(rbh.data.planted("factors", users=50))
    test = task.test
    graph = rbh.data.graph(task)
    assert len(graph) > 0
    assert not torch.isin(test.edge, graph.edge[graph.edge >= 0]).any()


@pytest.mark.parametrize("make", [LightGCN, GraphAttentionRecommender])
def test_a_training_row_does_not_read_its_own_edge(make):
    """The logit of each training row is that of a graph without its edge."""
    rows = rbh.data.toy(1, history=[[2]], user=[2], item=[2])

    def check(own_edges):
        for e in range(len(GRAPH)):
            batch = dataclasses.replace(
                rows, user=GRAPH.user[[e]], item=GRAPH.item[[e]], edge=torch.tensor([e])
            )
            logits = []
            for graph in (GRAPH, GRAPH.without([e])):
                rbh.seed(0)
                logits.append(make(SCHEMA, graph, own_edges=own_edges).train()(batch))
            torch.testing.assert_close(*logits)

    check(False)
    fails(check, True)


def test_the_layers_hear_a_sample_of_the_right_mean():
    """A uniform sample of neighbours has their mean on average; the first k do not."""
    g = torch.Generator().manual_seed(0)
    h = torch.randn(30, 4, generator=g)
    edges = torch.stack([torch.arange(1, 30), torch.zeros(29, dtype=torch.long)])
    whole = rbh.layers.mean_neighbours(h, edges)[0]

    def check(sample):
        means = [rbh.layers.mean_neighbours(h, sample(edges))[0] for _ in range(400)]
        torch.testing.assert_close(torch.stack(means).mean(0), whole, atol=0.12, rtol=0)

    from recbyhand.layers.graph import sample_neighbours

    check(lambda edges: sample_neighbours(edges, 30, 5, g))
    fails(check, lambda edges: edges[:, :5])
    assert DotGraphAttention(4, 4)(h, sample_neighbours(edges, 30, 5, g)).shape == (30, 4)
