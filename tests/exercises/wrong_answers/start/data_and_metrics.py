"""Planted wrong answers of data, labels, splits and metrics: each must get its own hint."""

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


def rank_or_row(time):
    return time.argsort() >= len(time) - round(len(time) / 10)


def copied(time):
    mask = torch.zeros(len(time), dtype=torch.bool)
    mask[time.argsort()][-round(len(time) / 10) :] = True
    return mask


def rounded_down(time):
    mask = torch.zeros(len(time), dtype=torch.bool)
    mask[time.argsort()[len(time) - int(len(time) / 10) :]] = True
    return mask


def from_nought(hits, n):
    discount = 1 / torch.log2(torch.arange(len(hits)) + 1.0)
    return float((hits * discount).sum() / discount[: min(n, len(hits))].sum()) if n else 0.0


def by_place(hits, n):
    discount = 1 / torch.arange(1, len(hits) + 1)
    return float((hits * discount).sum() / discount[: min(n, len(hits))].sum()) if n else 0.0


def places_discounted(hits, n, best):
    discount = 1 / torch.log2(torch.arange(len(hits)) + 2.0)
    return float((hits * discount).sum() / discount[:best].sum()) if n else 0.0


def minus_nought(time):
    mask = torch.zeros(len(time), dtype=torch.bool)
    mask[time.argsort()[-round(len(time) / 10) :]] = True
    return mask


def one_at_least(time):
    mask = torch.zeros(len(time), dtype=torch.bool)
    mask[time.argsort(descending=True)[: max(1, round(len(time) / 10))]] = True
    return mask


def ceiling_of_a_tenth(time):
    return time >= time.sort().values[-math.ceil(len(time) / 10)]


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
    ("data-5", "all but c", {"a", "b", "d"}, "Training rows all lie"),
    ("data-5", "labels only", set("d"), "One that leaks is missing"),
    ("data-5", "b and d", ["b", "d"], "validation is the past"),
    ("data-1", "by films", 0.7, "by the five films"),
    ("data-1", "all ten pairs, no tie", 0.3, "Only pairs of a liked and another"),
    ("data-2", "argsort for rank", rank_or_row, "row numbers in order of time"),
    ("data-2", "written to a copy", copied, "changes a copy"),
    ("data-2", "rounded down", rounded_down, "You round down"),
    ("data-3", "places from 0", from_nought, "Count from 1"),
    ("data-3", "1 over place", by_place, "discount is 1/j"),
    ("data-5", "other people's rows", {"c"}, "rows of other people are fine"),
    ("data-5", "b and c", "bc", "strictly before each example"),
    ("data-2", "quantile", lambda time: time > time.float().quantile(0.9), "You round up"),
    ("data-1", "accuracy", 0.6, "side of one half"),
    ("data-1", "per cent", 58.3333, "per cent"),
    ("data-2", "rounded up", ceiling_of_a_tenth, "You round up"),
    ("data-3", "all places", lambda hits, n: places_discounted(hits, n, len(hits)), "at all k places"),
    ("data-3", "precision", lambda hits, n: float(hits.mean()) if n else 0.0, "share of hits. It minds"),
    ("data-2", "minus nought", minus_nought, "`[-0:]` takes them all"),
    ("data-2", "one at least", one_at_least, "You take at least one"),
    ("data-6", "probability times r", 0.1, "What shrinks by 0.2 are the odds"),
    ("data-6", "inverted", 5 / 6, "negatives were left out"),
    ("data-6", "logit", math.log(0.2), "That is the true logit"),
    ("data-6", "as trained", 0.5, "Add ln 0.2"),
    ("data-6", "four others", 0.25, "One in FIVE"),
]
