"""Wrong answers to the exercises of *Static and dynamic*, and a part of the hint that each must get."""

import torch
import torch.nn.functional as F

UP = torch.tensor([[1.0], [-1]])


def v2(h_t, h_s, W_t, W_s, a, bend=lambda x: F.leaky_relu(x, 0.2)):
    return bend((h_t @ W_t.T)[:, None] + (h_s @ W_s.T)) @ a


def gat(h_t, h_s, W_t, W_s, a):
    return F.leaky_relu((h_t @ W_t.T @ a)[:, None] + h_s @ W_s.T @ a, 0.2)


def count(a):
    return F.one_hot(a.argmax(-1), a.shape[-1]).amax(1).sum(-1).float()  # (T,)


WRONG = [
    ("static-1", "absolute", [2, 1, 2], "LeakyReLU keeps the sign"),
    ("static-1", "ReLU", [2, 0, 2], "A ReLU would"),
    ("static-1", "from one", [3, 3, 3], "counted from 0"),
    ("static-1", "smallest", [1, 1, 1], "the smallest s"),
    ("static-1", "a permutation", torch.tensor([2, 1, 0]), "along the row"),
    ("static-2", "GAT", gat, "That is GAT"),
    ("static-2", "no bend", lambda *x: v2(*x, bend=lambda y: y), "LeakyReLU is missing"),
    ("static-2", "default slope", lambda *x: v2(*x, bend=F.leaky_relu), "The slope is 0.2"),
    ("static-2", "relu", lambda *x: v2(*x, bend=torch.relu), "That is a ReLU"),
    ("static-2", "swapped", lambda t, s, W, V, a: v2(t, s, V, W, a), "W_t belongs"),
    ("static-2", "shared", lambda t, s, W, V, a: v2(t, s, W, W, a), "W_s is not used"),
    ("static-3", "0.8", lambda: (UP, -UP, torch.tensor([-1.0, -1])), "you have -0.8"),
    ("static-3", "sign", lambda: (UP, -UP, torch.tensor([1.25, 1.25])), "The sign"),
    ("static-3", "sum", lambda: (UP, UP, torch.tensor([-1.25, -1.25])), "opposite signs"),
    (
        "static-3",
        "one unit twice",
        lambda: (UP.abs(), -UP.abs(), torch.tensor([-1.25, -1.25])),
        "compute the same",
    ),
    ("static-3", "two tensors", lambda: (UP, -UP), "three tensors"),
    ("static-4", "favourites only", lambda e: e.argmax(1).unique().numel() == 1, "about the other two"),
    ("static-4", "equal scores", lambda e: bool((e == e[0]).all()), "other sizes"),
    ("static-4", "always", lambda e: True, "about the other two"),
    ("static-4", "equal orders", lambda e: bool((e.argsort(1) == e.argsort(1)[0]).all()), "A tie is no"),
    (
        "static-4",
        "first two rows",
        lambda e: len(e) < 2 or not bool(((e[0][:, None] - e[0]) * (e[1][:, None] - e[1]) < 0).any()),
        "compare all rows",
    ),
    ("static-5", "per table", count, "for each table"),
    ("static-5", "sum", lambda a: count(a).sum(), "the sum over the tables"),
    ("static-5", "share", lambda a: count(a).mean() / a.shape[1], "share of the queries"),
    ("static-5", "keys' favourites", lambda a: count(a.transpose(1, 2)).mean(), "Favourites of keys"),
    (
        "static-5",
        "together",
        lambda a: torch.tensor(float(a.argmax(-1).unique().numel())),
        "all tables together",
    ),
]

# Found by a second blind attack: answers of somebody who had seen neither the checks nor the solutions.


def neighbouring_keys(e):
    signs = (e[:, 1:] - e[:, :-1]).sign()
    return bool(((signs >= 0).all(0) | (signs <= 0).all(0)).all())


def neighbouring_rows(e):
    signs = (e[:, :, None] - e[:, None]).sign()
    return bool((signs[1:] * signs[:-1] >= 0).all())


WRONG += [
    ("static-4", "neighbouring keys", neighbouring_keys, "all pairs of keys"),
    ("static-4", "neighbouring rows", neighbouring_rows, "all pairs of rows"),
    (
        "static-4",
        "columns",
        lambda e: not ((e[:, None] > e).any(2) & (e[:, None] < e).any(2)).any(),
        "within a row",
    ),
    ("static-5", "least", lambda a: sum(len(t.argmin(-1).unique()) for t in a) / len(a), "least liked"),
    (
        "static-5",
        "whole",
        lambda a: sum(len(t.argmax(-1).unique()) for t in a) // len(a),
        "need not be whole",
    ),
    (
        "static-5",
        "rankings",
        lambda a: sum(len(t.argsort(-1).unique(dim=0)) for t in a) / len(a),
        "different rankings",
    ),
]

WRONG += [("static-5", "pooled", lambda a: len(a.argmax(-1).unique()) / len(a), "all tables together")]
