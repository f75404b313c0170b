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


WRONG = [
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
