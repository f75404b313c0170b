"""Wrong answers to the exercises of *FM feeds a network*, and a part of the hint that each must get."""

import torch


def rows(w, v):
    return [torch.cat([a[None], b]) for a, b in zip(w, v, strict=True)]


def loop(A, B, C, make):
    return len({tuple(make(a, b, c).tolist()) for a in A for b in B for c in C})


def pooled(a, b, c):
    s = a + b + c
    return (s * s - a * a - b * b - c * c) / 2


WRONG = [
    ("fnn-1", "no base", (5 * 9, 8), "one more number"),
    ("fnn-1", "vectors only", (5 * 8, 8), "takes the weights w too"),
    ("fnn-1", "no weights", (1 + 5 * 8, 8), "Each field also brings"),
    ("fnn-1", "NFM side by side", torch.tensor([46, 40]), "adds the products up"),
    ("fnn-1", "NFM with all pairs", [46, 80], "products of all 10 pairs"),
    ("fnn-1", "exchanged", (8, 46), "comes first"),
    (
        "fnn-2",
        "weights first",
        lambda w0, w, v: torch.cat([w0[None], w, v.reshape(-1)]),
        "All weights come first",
    ),
    ("fnn-2", "no base", lambda w0, w, v: torch.cat(rows(w, v)), "missing in front"),
    ("fnn-2", "base last", lambda w0, w, v: torch.cat([*rows(w, v), w0[None]]), "at the end"),
    (
        "fnn-2",
        "column by column",
        lambda w0, w, v: torch.cat([w0[None], torch.stack(rows(w, v), 1).reshape(-1)]),
        "column by column",
    ),
    ("fnn-2", "not flat", lambda w0, w, v: torch.stack(rows(w, v)), "now flatten"),
    ("fnn-3", "meets itself", lambda f, s, v: f - v * s, "does not meet itself"),
    ("fnn-3", "vector itself", lambda f, s, v: f - v, "not the vector"),
    ("fnn-3", "added", lambda f, s, v: f + v * (s - v), "second time"),
    ("fnn-3", "half", lambda f, s, v: f - v * (s - v) / 2, "No ½ here"),
    ("fnn-3", "the pairs only", lambda f, s, v: v * s - v**2, "pairs to take away"),
    ("fnn-3", "summed", lambda f, s, v: torch.sum(f - v * s + v**2), "Keep the vector"),
    ("fnn-4", "one unit", lambda d: (torch.ones(1, d), torch.zeros(1), torch.ones(1), 0.0), "need a unit"),
    (
        "fnn-4",
        "absolute value",
        lambda d: (torch.stack([torch.ones(d), -torch.ones(d)]), torch.zeros(2), torch.ones(2), 0.0),
        "weight -1",
    ),
    ("fnn-4", "one for each", lambda d: (torch.eye(d), torch.zeros(d), torch.ones(d), 0.0), "of its own"),
    (
        "fnn-4",
        "large bias",
        lambda d: (torch.ones(1, d), torch.full((1,), 1e3), torch.ones(1), -1e3),
        "moves the bend",
    ),
    (
        "fnn-4",
        "wrong shape",
        lambda d: (torch.ones(d, 2), torch.zeros(2), torch.ones(2), 0.0),
        "it takes d =",
    ),
    ("fnn-5", "all rows", lambda A, B, C: len(A) * len(B) * len(C), "number of rows"),
    ("fnn-5", "concatenation", lambda A, B, C: loop(A, B, C, lambda *r: torch.cat(r)), "concatenation tells"),
    ("fnn-5", "sum", lambda A, B, C: loop(A, B, C, lambda a, b, c: a + b + c), "adding the vectors"),
    (
        "fnn-5",
        "triple product",
        lambda A, B, C: loop(A, B, C, lambda a, b, c: a * b * c),
        "product of all three",
    ),
    (
        "fnn-5",
        "summed over d",
        lambda A, B, C: loop(A, B, C, lambda *r: pooled(*r).sum()[None]),
        "summed over d",
    ),
    ("fnn-1", "base for each field", (5 * (1 + 1 + 8), 8), "not once for each field"),
    ("fnn-2", "weights last", lambda w0, w, v: torch.cat([w0[None], v.reshape(-1), w]), "behind all vectors"),
    ("fnn-3", "all squares", lambda f, s, v: ((s - v) ** 2 - s**2) / 2 + f, "squares of ALL vectors"),
    ("fnn-3", "dot product", lambda f, s, v: f - v @ (s - v), "element by element"),
    (
        "fnn-4",
        "sizes",
        lambda d: (torch.cat([torch.eye(d), -torch.eye(d)]), torch.zeros(2 * d), torch.ones(2 * d), 0.0),
        "lose the signs",
    ),
    (
        "fnn-4",
        "constant",
        lambda d: (
            torch.stack([torch.ones(d), -torch.ones(d)]),
            torch.zeros(2),
            torch.tensor([1.0, -1.0]),
            1.0,
        ),
        "but for a constant",
    ),
    ("fnn-5", "square", lambda A, B, C: loop(A, B, C, lambda a, b, c: (a + b + c) ** 2), "holds the squares"),
    ("fnn-5", "lost", lambda A, B, C: len(A) * len(B) * len(C) - loop(A, B, C, pooled), "How many are left"),
    ("fnn-1", "pairs", (46, 10), "There are 10 pairs"),
    ("fnn-1", "fields", (46, 5), "5 is the number"),
    (
        "fnn-2",
        "base in each field",
        lambda w0, w, v: torch.cat([torch.cat([w0[None], row]) for row in rows(w, v)]),
        "before every field",
    ),
    (
        "fnn-2",
        "multiplied",
        lambda w0, w, v: torch.cat([w0[None], *[a * b for a, b in zip(w, v, strict=True)]]),
        "multiply each vector",
    ),
    ("fnn-2", "backwards", lambda w0, w, v: torch.cat([w0[None], *rows(w, v)[::-1]]), "For F = 2"),
    ("fnn-3", "own square", lambda f, s, v: f - v**2, "What v_k meets"),
    ("fnn-3", "not multiplied", lambda f, s, v: f - s + v, "product with v_k"),
    ("fnn-3", "sum times others", lambda f, s, v: f - s * (s - v), "it should be 2"),
    (
        "fnn-4",
        "negative only",
        lambda d: (-torch.ones(1, d), torch.zeros(1), -torch.ones(1), 0.0),
        "positive ones are lost",
    ),
    (
        "fnn-4",
        "two alike",
        lambda d: (torch.ones(2, d), torch.zeros(2), torch.tensor([1.0, -1.0]), 0.0),
        "the same of every f",
    ),
    (
        "fnn-5",
        "pairs apart",
        lambda A, B, C: loop(A, B, C, lambda a, b, c: torch.cat([a * b, a * c, b * c])),
        "side by side",
    ),
    (
        "fnn-5",
        "row by row",
        lambda A, B, C: len({tuple(pooled(*r).tolist()) for r in zip(A, B, C, strict=False)}),
        "first with the first",
    ),
    ("fnn-5", "two pairs", lambda A, B, C: loop(A, B, C, lambda a, b, c: b * (a + c)), "Two pairs of three"),
]

WRONG += [
    (
        "fnn-3",
        "a loop",
        lambda f, s, v: torch.stack([f[i] - v[i] * (s[i] - v[i]) for i in range(len(f))]),
        "loop over the coordinates",
    ),
]
