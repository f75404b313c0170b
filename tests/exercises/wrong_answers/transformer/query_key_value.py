"""Wrong answers to the exercises of *Query, key, value*, and a part of the hint that each must get."""

import math

import torch


def attention(divide=True, masked="before", axis=1):
    def answer(q, k, v, mask):
        s = torch.einsum("id,jd->ij", q, k)
        s = s / math.sqrt(k.size(1)) if divide else s
        if masked == "before":
            s = torch.where(mask, s, torch.tensor(float("-inf")))
        if masked == "zero":
            s = s * mask
        a = torch.softmax(s, axis)
        if masked == "after":
            a = a * mask
        return torch.nan_to_num(a) @ v

    return answer


def by_columns(A):
    return torch.einsum("hij->j", A) / A.size(0)


WRONG = [
    ("qkv-1", "products only", [2, 0, -2], "These are the products"),
    ("qkv-1", "exponentials only", [math.e**2, 1.0, math.e**-2], "Divide each by their sum"),
    ("qkv-1", "divided by root 2", torch.softmax(torch.tensor([2, 0, -2]) / math.sqrt(2), 0), "root of 2"),
    ("qkv-1", "a hard choice", [1, 0, 0], "hard choice"),
    ("qkv-1", "wrong order", torch.softmax(torch.tensor([-2.0, 0, 2]), 0), "turned round"),
    ("qkv-2", "no root", attention(divide=False), "root of d_k is missing"),
    ("qkv-2", "mask forgotten", attention(masked=""), "not used"),
    ("qkv-2", "masked scores set to 0", attention(masked="zero"), "not *no weight*"),
    ("qkv-2", "masked after the softmax", attention(masked="after"), "Mask the scores"),
    ("qkv-2", "softmax over queries", attention(axis=0), "over the queries"),
    ("qkv-3", "adds spreads", lambda d, s, t: sum([s * t] * d), "variances do"),
    ("qkv-3", "variance", lambda d, s, t: d * (s * t) ** 2, "That is the variance"),
    ("qkv-3", "unit spreads only", lambda d, s, t: math.sqrt(d), "Both spreads count"),
    ("qkv-3", "divides", lambda d, s, t: s * t / math.sqrt(d), "do not divide"),
    ("qkv-4", "view at once", lambda x, H: x.view(x.size(0), H, x.size(1), x.size(2) // H), "mixed up"),
    (
        "qkv-4",
        "no exchange",
        lambda x, H: x.view(x.size(0), x.size(1), H, x.size(2) // H),
        "behind the positions",
    ),
    (
        "qkv-4",
        "every H-th column",
        lambda x, H: torch.stack([x[..., h::H] for h in range(H)], 1),
        "every H-th",
    ),
    ("qkv-4", "heads first", lambda x, H: torch.stack(x.chunk(H, -1), 0), "The batch comes first"),
    ("qkv-5", "with the diagonal", by_columns, "take the diagonal out"),
    ("qkv-5", "rows", lambda A: torch.einsum("hij->i", A) / A.size(0), "A row sums to 1"),
    (
        "qkv-5",
        "rows without the diagonal",
        lambda A: torch.stack([1 - A[:, i, i].mean() for i in range(A.size(1))]),
        "takes from others",
    ),
    (
        "qkv-5",
        "sum over heads",
        lambda A: (A * (1 - torch.eye(A.size(1)))).sum((0, 1)),
        "you added them up",
    ),
]

# Found by a second blind attack: answers of somebody who had seen neither the checks nor the solutions.
WRONG += [
    ("qkv-1", "query forgotten", torch.softmax(torch.tensor([1.0, 3.0, -1.0]), 0), "the query is missing"),
    ("qkv-1", "per cent", [86.7, 11.7, 1.6], "not per cent"),
    (
        "qkv-2",
        "queries, empty columns and all",
        lambda q, k, v, m: (q @ k.T / k.shape[1] ** 0.5).masked_fill(~m, -math.inf).softmax(0) @ v,
        "over the queries",
    ),
    (
        "qkv-2",
        "weights",
        lambda q, k, v, m: (q @ k.T / k.shape[1] ** 0.5).masked_fill(~m, -math.inf).softmax(-1),
        "These are the weights",
    ),
    ("qkv-4", "squeezed", lambda x, H: torch.stack(x.chunk(H, -1), 1).squeeze(), "batch of one"),
    (
        "qkv-5",
        "mean over all",
        lambda A: (A * (1 - torch.eye(A.shape[-1]))).mean(-2).mean(0),
        "divide it by T",
    ),
]

# Found by a student who worked through the chapter from the text alone.
WRONG += [
    (
        "qkv-2",
        "mask turned, -1e9",
        lambda q, k, v, m: (q @ k.T / k.shape[1] ** 0.5).masked_fill(m, -1e9).softmax(-1) @ v,
        "turned round",
    ),
    (
        "qkv-2",
        "over the queries, -1e9",
        lambda q, k, v, m: (q @ k.T / k.shape[1] ** 0.5).masked_fill(~m, -1e9).softmax(0) @ v,
        "over the queries",
    ),
]
