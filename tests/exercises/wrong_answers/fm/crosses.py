"""Wrong answers to the exercises of chapter 3, and a part of the hint that each must get."""

from itertools import combinations

import torch
from torch.linalg import matrix_rank

V = torch.tensor([[1.0, 2], [0, 1], [2, 0], [-1, 1]])


def from_powers(a, pairs, cubes, divide):
    s = [(a**k).sum(0) for k in (1, 2, 3)]
    return float(((s[0] ** 3 - pairs * s[0] * s[1] + cubes * s[2]) / divide).sum())


def divided_by_zero(vectors, mask):
    return vectors[mask].mean(0)


def with_itself(v, x):
    return x[:, None] * (x[:, None] * v).sum(0, keepdim=True).expand_as(v)


def loops(v, x, scale=1.0, inner=True, outer=True):
    out = torch.zeros_like(v)
    for i in range(len(v)):
        for j in range(len(v)):
            if i != j:
                out[i] += scale * (x[i] if outer else 1) * (x[j] if inner else 1) * v[j]
    return out


def ranked(left):
    return lambda S: int(matrix_rank(left(S.double()), atol=1e-4))


WRONG = [
    ("fm-1", "no factor", ((V.sum(0) ** 2) - (V**2).sum(0)).sum(), "twice the pair sum"),
    ("fm-1", "diagonal kept", 0.5 * (V @ V.T).sum(), "did not take away"),
    ("fm-1", "square of the sum", (V.sum(0) ** 2).sum(), "That is the square"),
    ("fm-1", "half of the second only", 20 - 12 / 2, "belongs to both"),
    ("fm-1", "vector form", 0.5 * (V.sum(0) ** 2 - (V**2).sum(0)), "two coordinates"),
    ("fm-1", "added", 16, "not added"),
    ("fm-2", "padding counted in", lambda v, m: v.sum(0) / len(v), "Use the mask"),
    ("fm-2", "divided by places", lambda v, m: torch.where(m[:, None], v, 0).mean(0), "number of places"),
    ("fm-2", "sum", lambda v, m: v[m].sum(0), "louder"),
    ("fm-2", "root", lambda v, m: v[m].sum(0) / torch.sqrt(m.sum()), "root"),
    ("fm-2", "empty field", divided_by_zero, "divide by 0"),
    ("fm-3", "meets itself", with_itself, "does not meet itself"),
    ("fm-3", "no outer x", lambda v, x: loops(v, x, outer=False), "in front"),
    ("fm-3", "no inner x", lambda v, x: loops(v, x, inner=False), "comes with its"),
    ("fm-3", "no x", lambda v, x: v.sum(0) - v, "all of them"),
    ("fm-3", "twice", lambda v, x: loops(v, x, scale=2.0), "Twice"),
    ("fm-3", "half", lambda v, x: loops(v, x, scale=0.5), "kept the ½"),
    ("fm-4", "not divided", lambda a: from_powers(a, 3, 2, 1), "divide by 6"),
    ("fm-4", "divided by three", lambda a: from_powers(a, 3, 2, 3), "not three times"),
    ("fm-4", "cubes forgotten", lambda a: from_powers(a, 3, 0, 6), "give two back"),
    ("fm-4", "cubes once", lambda a: from_powers(a, 3, -1, 6), "the cubes are in it"),
    ("fm-4", "only cubes", lambda a: from_powers(a, 0, -1, 6), "cubes only"),
    (
        "fm-4",
        "columns apart",
        lambda a: sum(torch.stack(t).prod(0) for t in combinations(a, 3)),
        "columns up",
    ),
    ("fm-4", "columns first", lambda a: from_powers(a.sum(1)[:, None], 3, 2, 6), "before multiplying"),
    ("fm-5", "rank of the table", ranked(lambda S: S), "rank of S itself"),
    ("fm-5", "base only", ranked(lambda S: S - S.mean()), "w₀ only"),
    ("fm-5", "columns only", ranked(lambda S: S - S.mean(0, keepdim=True)), "columns' means"),
    ("fm-5", "rows only", ranked(lambda S: (S.T - S.mean(1)).T), "The rows' means"),
    ("fm-5", "mean twice", ranked(lambda S: S - S.mean(0) - S.mean(1)[:, None]), "add it back once"),
    ("fm-5", "as many as there are", lambda S: min(S.shape), "always suffice"),
    (
        "fm-3",
        "later partners",
        lambda v, x: x[:, None] * (torch.ones(len(v), len(v)).triu(1) @ (x[:, None] * v)),
        "j > i only",
    ),
    ("fm-4", "added", lambda a: from_powers(a, -3, 2, 6), "not asked for"),
    ("fm-4", "cube only", lambda a: from_powers(a, 0, 0, 6), "Take them away first"),
    ("fm-1", "squares", (V**2).sum(), "diagonal alone"),
    ("fm-1", "neighbours", (V[1:] * V[:-1]).sum(), "neighbours only"),
    ("fm-2", "one more", lambda v, m: v[m].sum(0) / (1 + int(m.sum())), "divide by n + 1"),
    ("fm-2", "length one", lambda v, m: v[m].sum(0) / v[m].sum(0).norm(), "one of length 1"),
    ("fm-2", "largest", lambda v, m: v.masked_fill(~m[:, None], -9).amax(0), "the largest of each"),
    (
        "fm-3",
        "earlier partners",
        lambda v, x: x[:, None] * (torch.ones(len(v), len(v)).tril(-1) @ (x[:, None] * v)),
        "j < i only",
    ),
    ("fm-3", "own vector left", lambda v, x: v * loops(v, x), "holds the partner"),
    ("fm-3", "own twice", lambda v, x: loops(v, x) - x[:, None] ** 2 * v, "Try n = 2"),
    ("fm-4", "one cube back", lambda a: from_powers(a, 3, 1, 6), "not one."),
    ("fm-4", "mean", lambda a: from_powers(a, 3, 2, 6) / 2, "average the columns"),
    ("fm-4", "pairs", lambda a: (a.sum(0) ** 2 - (a * a).sum(0)).sum() / 2, "over pairs"),
    ("fm-4", "two cubes taken", lambda a: from_powers(a, 3, -2, 6), "(1, 2, 3) makes 6"),
    ("fm-5", "corner twice", ranked(lambda S: S - S[:1] - S[:, :1]), "corner twice"),
    (
        "fm-5",
        "one more",
        lambda S: 1 + ranked(lambda T: T - T.mean(0) - T.mean(1)[:, None] + T.mean())(S),
        "needs no more",
    ),
]

WRONG += [
    (
        "fm-4",
        "three loops",
        lambda a: sum((a[i] * a[j] * a[k]).sum() for i in range(len(a)) for j in range(i) for k in range(j)),
        "not in linear time",
    ),
    (
        "fm-3",
        "pair by pair",
        lambda v, x: torch.stack(
            [sum(v[j] * x[i] * x[j] for j in range(len(x)) if j != i) for i in range(len(x))]
        ),
        "go through the pairs",
    ),
]


def thrown_together(a):
    s1, s2, s3 = a.sum(), (a**2).sum(), (a**3).sum()
    return (s1**3 - 3 * s1 * s2 + 2 * s3) / 6


def largest(vectors, mask):
    return vectors[mask].max(0).values if mask.any() else torch.zeros(vectors.shape[1])


WRONG += [
    ("fm-2", "maximum", largest, "the largest of each"),
    ("fm-3", "square of the sum", lambda v, x: 2 * x[:, None] * (x @ v), "square of the sum"),
    ("fm-4", "columns thrown together", thrown_together, "all columns together"),
]


def default_limit(S):
    return int(matrix_rank(S - S.mean(0, True) - S.mean(1, True) + S.mean()))


WRONG += [
    ("fm-2", "padding in the sum", lambda v, m: v.sum(0) / m.sum().clamp(min=1), "still in your sum"),
    (
        "fm-2",
        "mask inverted",
        lambda v, m: (v * ~m[:, None]).sum(0) / (~m).sum().clamp(min=1),
        "mean of the padding",
    ),
    ("fm-5", "no tolerance", default_limit, "near 1e-7 is a 0"),
]
