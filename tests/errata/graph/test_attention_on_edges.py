"""Chapter 6, attention on edges: what the sources print and list fails the properties that ours holds."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch_geometric.nn import GATConv, GatedGraphConv, RGCNConv

from recbyhand.layers import DotGraphAttention, GATLayer
from recbyhand.layers.graph import scatter_softmax
from tests.errata import fails

A = torch.tensor([[0, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 1], [0, 0, 1, 0]], dtype=torch.bool)  # row i hears
EDGES = A.nonzero().T.flip(0)
LONE = torch.tensor([[1, 2], [0, 0]])  # nothing ends in 1, 2, 3


def nodes(d: int = 3) -> torch.Tensor:
    return torch.randn(4, d, generator=torch.Generator().manual_seed(0))


def ours(h, A, **how):
    torch.manual_seed(1)
    return GATLayer(h.shape[1], 5, **how)(h, A.nonzero().T.flip(0))


def unmasked(h, A):
    """The listing with its shapes mended: the softmax runs over all columns."""
    torch.manual_seed(1)
    layer = GATLayer(h.shape[1], 5)
    Wh = layer.linear(h)
    e = (Wh @ layer.a_target[0])[:, None] + (Wh @ layer.a_source[0])[None]
    return F.leaky_relu(e, 0.2).softmax(1) @ Wh


def test_g01_pairs_from_an_edge_list_have_a_shape():
    h = nodes()

    def check(pairs):
        try:
            assert pairs().shape[-1] == 6
        except (IndexError, RuntimeError) as error:
            raise AssertionError(str(error)) from None

    check(lambda: torch.cat([h[EDGES[1]], h[EDGES[0]]], 1))
    for kind in (torch.float, torch.long, torch.bool):
        fails(check, lambda kind=kind: torch.cat((h, h[A.to(kind)]), 2))


def test_g02_an_adjacency_is_no_list_of_neighbours():
    def check(layer):
        h = nodes().requires_grad_()
        layer(h)[3].sum().backward()
        heard = h.grad.abs().sum(1) > 0
        assert heard[2]
        assert not heard[0]
        assert not heard[1]

    check(lambda h: ours(h, A))
    fails(check, lambda h: h[A.long()].mean(1))  # 0 and 1 as row numbers


def test_g03_without_a_mask_all_graphs_are_alike():
    h = nodes()

    def check(layer):
        assert not torch.allclose(layer(h, torch.eye(4)), layer(h, torch.ones(4, 4)))

    check(ours)
    fails(check, unmasked)


def test_g04_parameters_start_somewhere():
    class Listing(nn.Module):
        def __init__(self):
            super().__init__()
            self.W = nn.Parameter(torch.Tensor(64, 64))
            self.W.data.fill_(1e30)  # what may lie in uninitialised memory

    def check(make):
        torch.manual_seed(0)
        first = [p.detach().clone() for p in make().parameters()]
        torch.manual_seed(0)
        for p, q in zip(first, make().parameters(), strict=True):
            assert torch.equal(p, q)
            assert p.isfinite().all()
            assert p.abs().max() < 2

    check(lambda: GATLayer(64, 64))
    fails(check, Listing)


def runs(code: str) -> None:
    try:
        exec(code, {"torch": torch, "x": nodes(), "linear": nn.Linear(3, 1)})
    except (NameError, TypeError, RuntimeError) as error:
        raise AssertionError(str(error)) from None


def test_g05_the_listings_name_what_they_import():
    runs("import torch.nn.functional as F; F.softmax(x, 1)")
    fails(runs, "F.softmax(x, 1)")


def test_g11_a_dot_product_is_one_number():
    def check(score):
        assert torch.as_tensor(score).shape == ()
        assert float(score) == pytest.approx(0.3 * 0.1 + 0.3 * 0.2)

    check(torch.tensor([0.3, 0.3]) @ torch.tensor([0.1, 0.2]))
    fails(check, torch.tensor([0.15, 0.15]))


def test_g12_three_nodes_need_three_columns():
    def check(A):
        assert A.shape == (3, 3)

    check(torch.tensor([[0, 1, 1], [1, 0, 0], [1, 0, 0]]))
    fails(check, torch.tensor([[0, 1], [1, 0], [1, 1]]))


def test_g13_one_and_one_is_two():
    values, scores = torch.ones(2, 2), torch.ones(2)

    def check(weights):
        assert weights.sum() == 1
        assert torch.equal(weights @ values, torch.ones(2))

    check(scores.softmax(0))
    fails(check, scores)


def test_g14_weights_do_not_grow_with_the_degree():
    def check(weigh):
        for n in (2, 1000):
            scores = torch.ones(n)
            assert weigh(scores, torch.zeros(n, dtype=torch.long)).sum() == pytest.approx(1, abs=1e-4)

    check(lambda e, target: scatter_softmax(e, target, 1))
    fails(check, lambda e, target: e)


def test_g15_an_embedding_is_a_row():
    E = nodes(4)

    def check(lookup):
        assert torch.equal(lookup(3), E[3])

    check(lambda i: E.T @ F.one_hot(torch.tensor(i), 4).float())
    fails(check, lambda i: (E * i).sum(1))  # E x, with the number itself for x


def test_g16_negative_scores_differ():
    """Behind ReLU all are alike; behind a sigmoid no weight is more than e times another."""

    def check(activation):
        a = activation(torch.tensor([-1.0, -9, 6])).softmax(0)
        assert a[0] > 1.5 * a[1]
        assert a.max() / a.min() > math.e + 0.01

    check(lambda e: F.leaky_relu(e, 0.2))
    fails(check, torch.relu)
    fails(check, torch.sigmoid)


def test_n01_weights_are_positive_and_shift_invariant():
    e = torch.tensor([0.5, -0.5, 0.3])

    def check(f):
        assert (f(e) >= 0).all()
        torch.testing.assert_close(f(e + 10), f(e))

    check(lambda e: e.softmax(0))
    fails(check, lambda e: e / e.sum())


def scored(score: str, keys, temperature=None):
    """Weights that node 0 at (1, 0) gives to nodes at `keys`, with q = k = h."""
    d, n = 2, len(keys)
    layer = DotGraphAttention(d, d, score=score, temperature=temperature, self_loops=False)
    with torch.no_grad():
        layer.query.weight.copy_(torch.eye(d))
        layer.key.weight.copy_(torch.eye(d))
        h = torch.cat([torch.tensor([[1.0, 0]]), torch.tensor(keys)])
        edges = torch.stack([torch.arange(1, n + 1), torch.zeros(n, dtype=torch.long)])
        return layer(h, edges, return_weights=True)[2][:, 0]


def test_n02_near_is_much():
    keys = [[1.0, 0], [-2.0, 4]]

    def check(a):
        assert a.argmax() == 0

    check(scored("distance", keys))
    fails(check, (torch.tensor([1.0, 0]) - torch.tensor(keys)).norm(dim=1).softmax(0))


def test_n03_a_cosine_needs_a_temperature():
    keys = [[2.0, 0]] + [[-1.0, 0]] * 9

    def check(a):
        assert a[0] > 0.9

    check(scored("cosine", keys))
    fails(check, scored("cosine", keys, temperature=1.0))


def test_n04_the_sum_runs_over_neighbours():
    h, e = nodes(), torch.zeros(4, 4)

    def check(weights):
        assert torch.equal(weights > 0, A)

    check(e.masked_fill(~A, -math.inf).softmax(1))
    fails(check, e.softmax(1))
    dense = (e.masked_fill(~A, -math.inf).softmax(1) @ h)[0]
    assert torch.allclose(dense, (h[1] + h[2]) / 2)


def test_n05_keys_may_be_shorter_than_values():
    h = nodes()

    def check(update):
        try:
            update(DotGraphAttention(3, 6, d_key=2), nn.Linear(6, 3))
        except RuntimeError as error:
            raise AssertionError(str(error)) from None

    check(lambda layer, W: layer(h + W(layer(h, EDGES)), EDGES))
    fails(check, lambda layer, W: layer.query(h) + layer(h, EDGES))


def test_n06_a_projection_multiplies():
    runs("linear(x)")
    fails(runs, "torch.mm(x, linear.weight)")


def test_n07_a_transpose_names_its_axes():
    runs("import math; x @ x.T / math.sqrt(3)")
    fails(runs, "x @ x.transpose()")
    fails(runs, "x @ x.T / math.sqrt(3)")


def second_listing(h, A):
    """Mended until it runs: one weight for query, key and value, a bare exponential, a sum over features."""
    q = k = v = h.sum(1, keepdim=True)
    e = torch.exp(q @ k.T)
    return (e * v).sum(1), e


def dot(h, A):
    torch.manual_seed(0)
    layer = DotGraphAttention(h.shape[1], h.shape[1], bias=False)
    out, edges, a = layer(h, A.nonzero().T.flip(0), return_weights=True)
    e = torch.zeros(len(h), len(h))
    e[edges[1], edges[0]] = a[:, 0]
    return out, e


def test_n08_attention_has_rows_that_sum_to_one():
    h = nodes()

    def shape(layer):
        assert layer(h, A)[0].shape == h.shape

    def rows(layer):
        torch.testing.assert_close(layer(h, A)[1].sum(1), torch.ones(4))

    def graph(layer):
        assert not torch.allclose(layer(h, A)[0], layer(h, torch.ones(4, 4))[0])

    def finite(layer):
        assert layer(100 * h, A)[1].isfinite().all()

    for check in (shape, rows, graph, finite):
        check(dot)
        fails(check, second_listing)


def test_n09_gat_has_a_vector_and_neighbours():
    """By the formula: two halves of a vector a, and no gradient from strangers."""

    class Listing(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 1)

        def forward(self, h, edges):
            return second_listing(self.linear(h), None)[0]

    def vector(layer):
        assert {"a_target", "a_source"} <= dict(layer.named_parameters()).keys()

    def neighbours(layer):
        h = nodes().requires_grad_()
        layer(h, EDGES)[3].sum().backward()
        assert h.grad[:2].abs().sum() == 0

    for check in (vector, neighbours):
        check(GATLayer(3, 5))
        fails(check, Listing())


def test_n10_attention_adds_sixteen_numbers():
    def count(module):
        return sum(p.numel() for p in module.parameters())

    def many(layer):  # the source's claim: far more than a convolution
        assert count(layer) > 2 * count(nn.Linear(16, 8))

    assert count(GATLayer(16, 8)) == count(GATConv(16, 8)) == 152
    fails(many, GATLayer(16, 8))


def duplicated(layer):
    """An attention does not notice that every edge is listed twice."""
    torch.testing.assert_close(layer(EDGES), layer(EDGES.repeat(1, 2)))


def test_q01_a_gated_graph_network_sums():
    torch.manual_seed(0)
    h = nodes()
    gated, gat = GatedGraphConv(3, 1), GATLayer(3, 3, self_loops=False)
    duplicated(lambda edges: gat(h, edges))
    fails(duplicated, lambda edges: gated(h, edges))
    assert {name.partition(".")[0] for name, _ in gated.named_parameters()} == {"weight", "rnn"}
    sent = h @ gated.weight[0]
    once, twice = (gated.propagate(e, x=sent, edge_weight=None) for e in (EDGES, EDGES.repeat(1, 2)))
    torch.testing.assert_close(2 * once, twice)


def test_q02_relations_have_no_attention():
    def scores(layer):
        assert any(name.startswith(("a_", "att")) for name, _ in layer.named_parameters())

    scores(GATLayer(3, 5))
    scores(GATConv(3, 5, heads=2))
    fails(scores, RGCNConv(3, 5, num_relations=2))


def test_q03_outputs_are_joined():
    h = nodes(4)
    layer = GATLayer(4, 8, heads=3, bias=False)
    with torch.no_grad():
        out, edges, a = layer(h, EDGES, return_weights=True)
        v = layer.split(layer.linear(h))  # (N, H, d)

        def check(weights):
            torch.testing.assert_close(
                torch.zeros(4).index_add(0, edges[1], weights), torch.ones(4), rtol=0, atol=1e-5
            )

        for head in range(3):
            check(a[:, head])
            mine = torch.zeros(4, 8).index_add(0, edges[1], a[:, head, None] * v[edges[0], head])
            torch.testing.assert_close(out[:, 8 * head : 8 * head + 8], mine)
        fails(check, a.sum(1))  # weights summed over the heads
    assert out.shape == GATConv(4, 8, heads=3)(h, EDGES).shape == (4, 24)
    assert GATLayer(4, 8, heads=3, concat=False)(h, EDGES).shape == (4, 8)


def test_q04_a_lone_node_is_finite():
    h = nodes()

    def without_itself(h, A):
        return torch.zeros(4, 4).masked_fill(~A.bool(), -math.inf).softmax(1) @ h

    alone = torch.zeros(4, 4)
    alone[LONE[1], LONE[0]] = 1

    def check(layer):
        assert layer(h, alone).isfinite().all()

    check(ours)
    check(lambda h, A: ours(h, A, self_loops=False))
    fails(check, without_itself)
    torch.manual_seed(1)
    layer = GATLayer(3, 5)
    torch.testing.assert_close(layer(h, LONE)[3], layer.linear(h)[3])  # it keeps its own vector


def test_q08_self_attention_hears_others():
    h = nodes()

    def check(layer):
        other = h.clone()
        other[2] += 1
        assert not torch.allclose(layer(h)[0], layer(other)[0])

    check(lambda h: ours(h, A))
    fails(check, lambda h: ours(h, torch.zeros(4, 4)))  # a node and its own features
