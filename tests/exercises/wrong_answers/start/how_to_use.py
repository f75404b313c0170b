"""Planted wrong answers of how to use this book: each must get its own hint."""

import torch


def ones(ids, n):
    return torch.nn.functional.one_hot(ids, n)


def nan_mean(vectors, mask):
    return vectors.masked_fill(~mask[..., None], float("nan")).nanmean(1)


WRONG = [
    ("start-1", "product", (8, 20, 16), "That is the product"),
    ("start-1", "keepdim", [8, 20, 1], "drops the axis"),
    ("start-1", "wrong axis", torch.tensor([8, 16]), "not over the films"),
    ("start-2", "mask unused", lambda v, m: v.mean(1), "count the padding"),
    ("start-2", "divisor", lambda v, m: (v * m[..., None]).mean(1), "still counted"),
    ("start-2", "sum", lambda v, m: (v * m[..., None]).sum(1), "That is the sum"),
    ("start-2", "empty", lambda v, m: (v * m[..., None]).sum(1) / m.sum(1, keepdim=True), "divides 0 by 0"),
    ("start-3", "uphill", -0.15, "up the hill"),
    ("start-3", "no x", 0.05, "factor x"),
    ("start-3", "no rate", torch.tensor(1.5), "learning rate"),
    ("start-4", "integers", lambda t, i: ones(i, len(t)) @ t, "wants one dtype"),
    ("start-4", "too narrow", lambda t, i: ones(i, int(i.max()) + 1).to(t.dtype) @ t, "how many rows"),
    ("start-4", "not multiplied", lambda t, i: ones(i, len(t)).to(t.dtype), "multiply it by the table"),
    ("start-5", "swapped", lambda s, x: bool((s(x)[0] - s(x[:1])[0]).abs() < 1e-6), "swapped"),
    ("start-5", "never", lambda s, x: False, "subtracts the batch mean"),
    ("start-5", "coarse", lambda s, x: bool((s(x)[0] - s(x[:1])[0]).abs() > 1e-2), "A dependence of 1e-4"),
    ("start-1", "shape of the first film", torch.Size([8, 1, 16]), "shape of `vectors[:, :1]`"),
    ("start-1", "matrix product", (8, 20, 20), "No matrix product"),
    ("start-2", "keepdim", lambda v, m: (v * m[..., None]).sum(1, keepdim=True), "without `keepdim`"),
    ("start-2", "all real vectors at once", lambda v, m: v[m].mean(0), "for the whole batch"),
    (
        "start-2",
        "plus one",
        lambda v, m: (v * m[..., None]).sum(1) / (m.sum(1, keepdim=True) + 1),
        "one too many",
    ),
    ("start-2", "nan mean", nan_mean, "divides 0 by 0"),
    ("start-3", "z for w", 0.45, "z after the step"),
    ("start-3", "probability for w", 0.5, "before the step"),
    ("start-3", "nothing to learn", 0, "Is the gradient zero"),
    ("start-4", "indexed", lambda t, i: t[i], "picks rows by index"),
    (
        "start-4",
        "embedding",
        lambda t, i: torch.nn.functional.embedding(i, t),
        "picks rows by index",
    ),
    (
        "start-4",
        "counted",
        lambda t, i: ones(i, len(t)).to(t.dtype).sum(0)[:, None] * t,
        "a row per row of the table",
    ),
    (
        "start-5",
        "batch axis lost",
        lambda s, x: bool((s(x)[0] - s(x[0])).abs() > 1e-6),
        "lost the batch axis",
    ),
    ("start-5", "one side only", lambda s, x: bool(s(x)[0] - s(x[:1])[0] > 1e-6), "absolute value"),
    ("start-5", "exactly equal", lambda s, x: bool(s(x)[0] != s(x[:1])[0]), "is rounding"),
    (
        "start-2",
        "padding in the sum",
        lambda v, m: v.sum(1) / m.sum(1, keepdim=True).clamp(min=1),
        "are in the sum",
    ),
    ("start-4", "turned round", lambda t, i: t @ ones(i, len(t)).to(t.dtype), "stands on the left"),
    ("start-4", "entry by entry", lambda t, i: ones(i, len(t)).to(t.dtype) * t, "is the matrix product"),
    (
        "start-5",
        "without the first",
        lambda s, x: bool((s(x)[0] - s(x[1:])[0]).abs() > 1e-6),
        "keep the first row",
    ),
    ("start-2", "largest", lambda v, m: torch.where(m[..., None], v, -1e9).max(1).values, "largest entry"),
    ("start-5", "allclose", lambda s, x: not torch.allclose(s(x)[:1], s(x[:1])), "large score hides"),
    (
        "start-5",
        "relative",
        lambda s, x: bool((1 - s(x[:1])[0] / s(x)[0]).abs() > 1e-6),
        "large score hides",
    ),
    (
        "start-2",
        "a little added",
        lambda v, m: (v * m[..., None]).sum(1) / (m.sum(1, keepdim=True) + 1e-2),
        "added to the divisor",
    ),
    (
        "start-4",
        "rows one by one",
        lambda t, i: torch.stack([list(t)[k] for k in i.tolist()]),
        "picks rows by index",
    ),
    (
        "start-4",
        "as lists",
        lambda t, i: torch.tensor([t.tolist()[k] for k in i.tolist()]),
        "picks rows by index",
    ),
    (
        "start-5",
        "first two",
        lambda s, x: bool((s(x)[0] - s(x[:2])[0]).abs() > 1e-6),
        "leave out all other rows",
    ),
]

WRONG += [
    (
        "start-2",
        "changed its input",
        lambda v, m: v.masked_fill_(~m[..., None], 0).sum(1) / m.sum(1, keepdim=True).clamp(min=1),
        "in place",
    ),
    ("start-1", "no shape", 160, "one for each axis"),
]
