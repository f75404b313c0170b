"""Chapter 6, messages: the training loop of the source fails the properties that ours holds; and the layers' oracle."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch_geometric.nn import GCNConv, SAGEConv

import recbyhand as rbh
from recbyhand.layers import gcn_neighbours, mean_neighbours
from tests.errata import fails

USERS, FILMS = 10, 5


class Rows:
    """The source's data set, in our words: so many users, a row of the adjacency each, a target by number."""

    def __init__(self, adjacency):
        self.adjacency = adjacency

    def __len__(self):
        return USERS

    def __getitem__(self, user):
        return user, self.adjacency[user], int(user < 3)


def test_g06_users_have_a_table_of_their_own():
    def check(table):
        try:
            assert table(torch.arange(USERS)).shape == (USERS, 8)
        except IndexError as error:
            raise AssertionError(str(error)) from None

    check(nn.Embedding(USERS, 8))
    fails(check, nn.Embedding(FILMS, 8))


def test_g08_each_epoch_meets_every_user_and_the_same_graph():
    square, table = torch.ones(FILMS, FILMS), torch.ones(USERS, FILMS)

    def shadowed(adjacency):
        epochs = []
        for _ in range(2):
            before, users = tuple(adjacency.shape), 0
            for example in Rows(adjacency):
                _user, adjacency, _target = example  # the bug
                users += 1
            epochs.append((before, users))
        return epochs

    def named(adjacency):
        return [
            (tuple(adjacency.shape), sum(1 for _user, _row, _target in Rows(adjacency))) for _ in range(2)
        ]

    def check(loop, adjacency):
        epochs = loop(adjacency)
        assert epochs[0] == epochs[1]
        assert all(users == USERS for _, users in epochs)

    check(named, table)
    fails(check, shadowed, square)
    fails(check, named, square)  # five rows end the epoch after five users
    fails(check, shadowed, table)


def test_g09_as_many_float_labels_as_scores():
    u, v = torch.randn(USERS, 8), torch.randn(USERS, 8)

    def check(score, label):
        assert score.shape == label.shape
        assert label.is_floating_point()
        assert nn.BCEWithLogitsLoss()(score, label).isfinite()

    check((u * v).sum(1), torch.ones(USERS))
    fails(check, torch.randn(FILMS), torch.zeros(USERS, dtype=torch.long))
    with pytest.raises((ValueError, RuntimeError)):
        nn.BCEWithLogitsLoss()(torch.randn(FILMS), torch.zeros(USERS, dtype=torch.long))


def test_g10_what_learns_from_edges_notices_that_they_are_shuffled():
    """Two groups of people, each with films of its own; a film is held out for each person."""
    g = torch.Generator().manual_seed(0)
    group = torch.arange(40) % 2
    R = ((torch.rand(40, 20, generator=g) < 0.5) & (group[:, None] == torch.arange(20) % 2)).float()
    held = R.multinomial(1, generator=g)[:, 0]
    R[torch.arange(40), held] = 0

    def edges(R):
        user, film = R.nonzero().T
        return torch.cat([torch.stack([film + 40, user]), torch.stack([user, film + 40])], 1)

    def passed(R):  # who has heard of whom after two rounds
        h0 = h = torch.eye(60)
        for _ in range(2):
            h = gcn_neighbours(h, edges(R), self_loops=False)
            h0 = h0 + h
        return h0[:40] @ h0[40:].T  # (U, I)

    def by_number(R):  # the source's target: the first three users, whatever they like
        return (torch.arange(40) < 3).float()[:, None].expand(40, 20)

    def hits(score, R):
        order = score.masked_fill(R > 0, -torch.inf).argsort(dim=1, descending=True, stable=True)
        return (order[:, :5] == held[:, None]).any(1).float().mean()

    shuffled = R.flatten()[torch.randperm(R.numel(), generator=g)].view_as(R)

    def check(model):
        assert hits(model(R), R) > hits(model(shuffled), R) + 0.2

    check(passed)
    fails(check, by_number)


def test_gcn_and_sage_are_those_of_pytorch_geometric():
    """The whole layers of the lesson's table, with their matrices, in double precision."""
    torch.manual_seed(0)
    h = torch.randn(6, 4, dtype=torch.double)
    pairs = torch.tensor([(3, 0), (4, 0), (3, 1), (4, 2)]).T
    edges = torch.cat([pairs, pairs.flip(0)], 1)
    gcn, sage = GCNConv(4, 3).double(), SAGEConv(4, 3, aggr="mean").double()
    mine = gcn_neighbours(h, edges) @ gcn.lin.weight.T + gcn.bias
    torch.testing.assert_close(mine, gcn(h, edges), rtol=0, atol=1e-12)
    mine = sage.lin_r(h) + sage.lin_l(mean_neighbours(h, edges))
    torch.testing.assert_close(mine, sage(h, edges), rtol=0, atol=1e-12)


def test_untrained_messages_end_at_the_root_of_the_degree():
    world = rbh.data.planted("communities", users=60)
    graph = rbh.data.graph(rbh.data.ctr(world))
    degree = torch.cat(graph.degrees()).double()
    x = degree.sqrt()[:, None]
    torch.testing.assert_close(gcn_neighbours(x, graph.edges(), self_loops=False), x)
