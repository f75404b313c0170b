"""Planted wrong answers of chapter 0: each must get its own hint."""

import math

import torch


def rows_at_the_end(time):
    mask = torch.zeros(len(time), dtype=torch.bool)
    mask[-round(len(time) / 10) :] = True
    return mask


def newest(time):
    mask = torch.zeros(len(time), dtype=torch.bool)
    mask[time.argsort(descending=True)[: round(len(time) / 10)]] = True
    return mask


def dcg(hits):
    return float((hits / torch.log2(torch.arange(len(hits)) + 2.0)).sum())


def best(n):
    return sum(1 / math.log2(1 + place) for place in range(1, n + 1))


def ones(ids, n):
    return torch.nn.functional.one_hot(ids, n)


WRONG = [
    ("start-1", "product", (8, 20, 16), "That is the product"),
    ("start-1", "keepdim", [8, 20, 1], "drops the axis"),
    ("start-1", "wrong axis", torch.tensor([8, 16]), "not over the films"),
    ("start-2", "mask unused", lambda v, m: v.mean(1), "count the padding"),
    ("start-2", "divisor", lambda v, m: (v * m[..., None]).mean(1), "still counted"),
    ("start-2", "sum", lambda v, m: (v * m[..., None]).sum(1), "That is the sum"),
    ("start-2", "empty", lambda v, m: (v * m[..., None]).sum(1) / m.sum(1, keepdim=True), "divides 0 by 0"),
    ("start-3", "uphill", -0.5, "up the hill"),
    ("start-3", "no x", 0.25, "factor x"),
    ("start-3", "no rate", torch.tensor(1.0), "learning rate"),
    ("start-4", "integers", lambda t, i: ones(i, len(t)) @ t, "wants one dtype"),
    ("start-4", "too narrow", lambda t, i: ones(i, int(i.max()) + 1).to(t.dtype) @ t, "how many rows"),
    ("start-4", "not multiplied", lambda t, i: ones(i, len(t)).to(t.dtype), "multiply it by the table"),
    ("start-5", "swapped", lambda s, x: bool((s(x)[0] - s(x[:1])[0]).abs() < 1e-6), "swapped"),
    ("start-5", "never", lambda s, x: False, "subtracts the batch mean"),
    ("start-5", "coarse", lambda s, x: bool((s(x)[0] - s(x[:1])[0]).abs() > 1e-2), "small dependence"),
    ("data-1", "no tie", 0.5, "left the tie out"),
    ("data-1", "tie as a win", 2 / 3, "full win"),
    ("data-1", "upside down", torch.tensor(1 - 3.5 / 6), "wrong order"),
    ("data-1", "not divided", 3.5, "divide by the number"),
    ("data-2", "training mask", lambda time: ~newest(time), "training rows"),
    ("data-2", "oldest", lambda time: newest(-time), "oldest rows"),
    ("data-2", "unsorted", rows_at_the_end, "end of the table"),
    ("data-2", "row numbers", lambda time: time.argsort()[-round(len(time) / 10) :], "not row numbers"),
    ("data-3", "dcg only", lambda hits, n: dcg(hits), "That is DCG"),
    ("data-3", "list without end", lambda hits, n: dcg(hits) / best(n) if n else 0.0, "longer than k"),
    (
        "data-3",
        "best of the hits",
        lambda hits, n: dcg(hits) / best(int(hits.sum())) if hits.any() else 0.0,
        "not only those that were hit",
    ),
    (
        "data-3",
        "recall",
        lambda hits, n: float(hits.sum()) / min(n, len(hits)) if n else 0.0,
        "without a discount",
    ),
    ("data-4", "ties forgotten", 0.64, "Ties count one half: two"),
    ("data-4", "perfect", 1, "Even the truth"),
    ("data-4", "ties as wins", 0.96, "not one"),
    ("data-5", "all but c", {"a", "b", "d"}, "Training rows all lie"),
    ("data-5", "labels only", set("d"), "One that leaks is missing"),
    ("data-5", "b and d", ["b", "d"], "validation is the past"),
]
