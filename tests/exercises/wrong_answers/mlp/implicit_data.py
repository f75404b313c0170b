"""Planted wrong answers of implicit data: each must get its own hint."""

import torch
from torch.linalg import solve


def liked_of(K):
    return (K > 0).float()


def lean(above=lambda a: 1 + a, inside=lambda a: a, always=1.0, ridge=torch.eye):
    def step(liked, V, alpha, lam):
        d = V.shape[1]
        rows = []
        for places in liked:
            X = V[places]
            A = always * V.T @ V + inside(alpha) * X.T @ X + lam * ridge(d)
            rows.append(solve(A, above(alpha) * X.sum(0)))
        return torch.stack(rows)

    return step


def looked_up(ids):
    return ids.unique().tolist()


WRONG = [
    ("impl-1", "counts for likes", lambda K, a: (K, 1 + a * K), "A preference is 1 or 0"),
    ("impl-1", "no counts", lambda K, a: (liked_of(K), 1 + a * liked_of(K)), "another alpha"),
    ("impl-1", "no 1", lambda K, a: (liked_of(K), a * K), "confidence 1, not 0"),
    ("impl-1", "exchanged", lambda K, a: (1 + a * K, liked_of(K)), "are exchanged"),
    ("impl-1", "one table", lambda K, a: 1 + a * K, "Return two tables"),
    ("impl-2", "no zeros", 9 / 16, "Below the bar all films count"),
    ("impl-2", "no weights", 3 / 7, "left the weights out"),
    ("impl-2", "alpha for c", 0.5, "not 2"),
    ("impl-2", "weight below only", 3 / 17, "above the bar, too"),
    ("impl-2", "not squared", torch.tensor(9 / 11), "v is squared"),
    ("impl-3", "no VtV", lean(always=0.0, inside=lambda a: 1 + a), "VᵀV is missing"),
    ("impl-3", "likes twice", lean(inside=lambda a: 1 + a), "are in VᵀV already"),
    ("impl-3", "no weight on the right", lean(above=lambda a: 1.0), "has its weight"),
    ("impl-3", "alpha on the right", lean(above=lambda a: a), "c is 1 + α"),
    ("impl-3", "ridge everywhere", lean(ridge=lambda d: torch.ones(d, d)), "Add λI"),
    (
        "impl-4",
        "moved",
        lambda b, a, ids: [i for i in looked_up(ids) if not torch.equal(b[i], a[i])],
        "that moved",
    ),
    (
        "impl-4",
        "whole table",
        lambda b, a, ids: (b == a).all(1).nonzero().flatten().tolist(),
        "the others may rest",
    ),
    ("impl-4", "any", lambda b, a, ids: [i for i in looked_up(ids) if (b[i] == a[i]).any()], "all, not any"),
    (
        "impl-4",
        "twice",
        lambda b, a, ids: [i for i in ids.flatten().tolist() if torch.equal(b[i], a[i])],
        "stands there twice",
    ),
    (
        "impl-4",
        "nearly",
        lambda b, a, ids: [i for i in looked_up(ids) if torch.allclose(b[i], a[i], atol=0.01)],
        "compare exactly",
    ),
    ("impl-5", "auc", {"a", "b", "d"}, "opposite directions"),
    ("impl-5", "alpha", "acd", "alpha = 10 and 40"),
    ("impl-5", "a alone", {"a"}, "told you which of them helped"),
    ("impl-5", "d alone", ["d"], "make every product 1"),
]

WRONG += [
    (
        "impl-4",
        "sums",
        lambda b, a, i: [k for k in i.unique().tolist() if b[k].sum() == a[k].sum()],
        "You compare sums",
    ),
]
