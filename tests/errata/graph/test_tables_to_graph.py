"""Chapter 6, from tables to a graph: matrices of the wrong shape fail the properties that ours hold."""

from __future__ import annotations

import torch

from tests.errata import fails


def adjacency(R):
    """The block form that the lesson teaches."""
    U, M = R.shape
    return torch.cat([torch.cat([torch.zeros(U, U), R], dim=1), torch.cat([R.T, torch.zeros(M, M)], dim=1)])


def test_g07_likes_of_ten_users_and_five_items_are_ten_by_five():
    users, items = 10, 5
    g = torch.Generator().manual_seed(0)
    R = (torch.rand(users, items, generator=g) < 0.5).float()
    R[0, 0] = 1  # user 0 likes item 0
    square = torch.zeros(items, items)  # symmetric, its diagonal empty: a graph of items with items
    square[0, 1] = square[0, 2] = square[1, 3] = square[2, 3] = square[2, 4] = 1
    square += square.T.clone()

    def table(matrix):
        assert matrix.shape == (users, items)
        assert matrix[0, 0] == 1

    def graph(A):
        assert A.shape == (users + items, users + items)
        assert torch.equal(A, A.T)
        assert not A[:users, :users].any()  # no edge within a kind
        assert not A[users:, users:].any()

    table(R)
    fails(table, square)
    graph(adjacency(R))
    fails(graph, square)
    fails(graph, R)


def test_g12_edges_of_three_nodes_are_three_by_three():
    H = torch.tensor([[0.3, 0.1], [0.2, 0.5], [0.4, 0.2]])  # features (N, F)
    edges = torch.tensor([[0, 1, 1], [1, 0, 0], [1, 0, 0]]).float()  # (N, N)

    def check(A):
        assert A.shape == (len(H), len(H))
        assert set(A.unique().tolist()) <= {0.0, 1.0}
        assert torch.allclose((A @ H)[0], H[1] + H[2])  # node 0 hears nodes 1 and 2

    check(edges)
    fails(check, H)
