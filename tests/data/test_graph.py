"""The graph of a task: training likes, and nothing that validation or test would have to tell."""

import numpy as np
import pandas as pd
import pytest
import torch

import recbyhand as rbh
from recbyhand.data import Graph, ctr, from_frames, graph, planted


def data(rows):
    return from_frames(pd.DataFrame(rows, columns=["user", "item", "rating", "time"]))


@pytest.fixture(scope="module")
def ratings():
    rng = np.random.default_rng(0)
    n = 3000
    frame = pd.DataFrame(
        {
            "user": rng.integers(60, size=n),
            "item": rng.integers(80, size=n),
            "rating": rng.integers(1, 6, size=n),
            "time": rng.integers(10**6, size=n),
        }
    ).drop_duplicates(["user", "item"])
    return from_frames(frame)


@pytest.mark.parametrize("split", ["user", "global", "random"])
@pytest.mark.parametrize("history_of", ["liked", "all"])
def test_edges_are_the_liked_rows_of_training(ratings, split, history_of):
    task = ctr(ratings, split=split, history_of=history_of)
    g, train = graph(task), task.train
    assert len(g) == int(train.label.sum())
    assert (train.label[g.edge] == 1).all()
    assert torch.equal(train.user[g.edge], g.user)
    assert torch.equal(train.item[g.edge], g.item)
    assert len(g.edge.unique()) == len(g)


@pytest.mark.parametrize("split", ["user", "global"])
def test_no_edge_comes_from_validation_or_test(ratings, split):
    task = ctr(ratings, split=split)
    g = graph(task)
    pairs = set(zip(g.user.tolist(), g.item.tolist(), strict=True))
    for part in (task.valid, task.test):
        assert not pairs & set(zip(part.user.tolist(), part.item.tolist(), strict=True))


def test_a_pair_liked_twice_is_one_edge_with_the_number_of_the_first_row():
    rows = [(1, 5, 5, 10), (1, 6, 5, 20), (1, 5, 4, 30), (1, 7, 1, 40), (1, 7, 5, 50), (2, 5, 2, 60)]
    task = ctr(data(rows), valid=0, test=0)
    g = graph(task)
    pairs = [(g.user[i].item(), g.item[i].item()) for i in range(len(g))]
    assert pairs == [(2, 2), (2, 3), (2, 4)]
    assert task.train.time[g.edge].tolist() == [10, 20, 50]


@pytest.mark.parametrize("split", ["user", "global"])
def test_a_planted_world_gives_the_views_before_the_cut(split):
    task = ctr(planted("drift", users=80), split=split)
    g = graph(task)
    assert (g.edge == -1).all()
    views = task.dataset.views
    held_out = pd.concat(
        pd.DataFrame({"user": part.user - 2, "time": part.time}) for part in (task.valid, task.test)
    )
    users = task.dataset.users["user"].to_numpy()
    first = {users[u]: t for u, t in held_out.groupby("user")["time"].min().items()}
    if split == "global":
        first = dict.fromkeys(users, held_out["time"].min())
    known = {
        (u, i)
        for u, i, t in zip(views["user"], views["item"], views["time"], strict=True)
        if t < first.get(u, np.inf)
    }
    items = task.dataset.items["item"].to_numpy()
    got = {(users[u - 2], items[i - 2]) for u, i in zip(g.user.tolist(), g.item.tolist(), strict=True)}
    assert got == known
    assert len(g) == len(known)
    assert len(known) < len(views)


def test_the_graph_of_communities_has_every_view():
    """All 20 views come before the first impression, so that none is lost at the cut."""
    task = ctr(planted("communities", users=50))
    g = graph(task)
    assert len(g) == len(task.dataset.views.drop_duplicates(["user", "item"]))
    history = set(task.test[:].history[0].tolist())
    assert set(g.item[g.user == task.test.user[0]].tolist()) == history


def small(**how):
    columns = dict(user=[3, 2, 3], item=[2, 4, 3], edge=[7, 8, 9], n_users=5, n_items=6) | how
    return Graph(**{k: torch.tensor(v) if isinstance(v, list) else v for k, v in columns.items()})


def test_edges_are_sorted_and_numbered_for_the_layers():
    g = small()
    assert g.user.tolist() == [2, 3, 3]
    assert g.item.tolist() == [4, 2, 3]
    assert g.edge.tolist() == [8, 7, 9]
    assert (len(g), g.n_nodes) == (3, 11)
    assert g.edges().tolist() == [[9, 7, 8, 2, 3, 3], [2, 3, 3, 9, 7, 8]]  # item i is node 5 + i
    users, items = g.degrees()
    assert users.tolist() == [0, 0, 1, 2, 0]
    assert items.tolist() == [0, 0, 1, 1, 1, 0]
    assert "3 edges between 2 users and 3 items" in repr(g)


def test_without_takes_edges_out():
    g = small()
    for gone in (torch.tensor([1]), [1], torch.tensor([False, True, False])):
        rest = g.without(gone)
        assert rest.item.tolist() == [4, 3]
        assert rest.edge.tolist() == [8, 9]
        assert rest.n_items == 6
    assert len(g) == 3


def test_tensors_and_back():
    g = small()
    again = Graph.from_tensors(g.tensors())
    for name in ("user", "item", "edge"):
        assert torch.equal(getattr(again, name), getattr(g, name))
    assert (again.n_users, again.n_items) == (5, 6)
    assert all(isinstance(t, torch.Tensor) for t in g.tensors().values())


def test_a_graph_may_be_empty():
    g = Graph(*[torch.zeros(0, dtype=torch.long)] * 3, 5, 6)
    assert len(g) == 0
    assert g.edges().shape == (2, 0)
    assert Graph.from_tensors(g.tensors()).n_users == 5


def test_refusals(ratings):
    with pytest.raises(ValueError, match="user ids of edges are 2 to 4, not 1 to 3"):
        small(user=[3, 1, 3])
    with pytest.raises(ValueError, match="item ids of edges are 2 to 5"):
        small(item=[2, 6, 3])
    with pytest.raises(ValueError, match="differ in length: 3, 3 and 2"):
        small(edge=[1, 2])
    with pytest.raises(ValueError, match="whole numbers"):
        small(user=[2.0, 3.0, 3.0])
    with pytest.raises(TypeError, match=r"rbh\.data\.ctr\(data\) makes it, not Tables"):
        graph(ratings)
    with pytest.raises(ValueError, match="no liked item"):
        graph(ctr(data([(1, 5, 1, 10), (1, 6, 5, 20)]), valid=0, test=1))
    assert rbh.data.graph is graph
