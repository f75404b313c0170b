"""Planted wrong answers of features: each must get its own hint."""

import math

import torch


def bucket(age, edges):
    return int(torch.bucketize(torch.tensor(age), torch.tensor(edges), right=True))


def loose(age, edges):
    return 1 if age is None else 2 + int(torch.bucketize(torch.tensor(age), torch.tensor(edges)))


def blocks(tables, ids, widths):
    return zip(tables, ids.split(widths, dim=1), strict=True)


def masked(i):
    return (i > 0).float()[..., None]


def stacked(mean):
    return lambda tables, ids, widths: torch.stack([mean(t, i) for t, i in blocks(tables, ids, widths)], 1)


def unseen(train, test):
    return (
        (test >= 2) & ~torch.stack([torch.isin(b, a) for a, b in zip(train.T, test.T, strict=True)], 1)
    ).float()


def entropy(p):
    return -p * math.log(p) - (1 - p) * math.log(1 - p)


def known(i):
    return (i > 1).float()[..., None]


def leading(table, i):
    rows = [table[row[: max(1, int((row > 0).sum()))]].mean(0) for row in i]
    return torch.stack(rows)


def real_from_the_left(table, i):
    n = (i > 0).sum(1, keepdim=True)
    left = (torch.arange(i.shape[1]) < n).float()[..., None]
    return (table[i] * left).sum(1) / n.clamp(min=1)


WRONG = [
    ("feat-1", "from 0", lambda age, edges: 1 if age is None else bucket(age, edges), "padding and unknown"),
    (
        "feat-1",
        "from 1",
        lambda age, edges: 0 if age is None else 1 + bucket(age, edges),
        "Id 1 is 'unknown'",
    ),
    ("feat-1", "edge on the left", loose, "which the edge opens"),
    (
        "feat-1",
        "missing is padding",
        lambda age, edges: 0 if age is None else 2 + bucket(age, edges),
        "Id 0 is padding",
    ),
    (
        "feat-1",
        "missing is a bucket",
        lambda age, edges: 2 if age is None else 2 + bucket(age, edges),
        "in no bucket",
    ),
    ("feat-2", "no offsets", (3, 2, 10, 4), "ids themselves"),
    ("feat-2", "offsets only", torch.tensor([0, 9, 13, 36]), "Add the ids"),
    ("feat-2", "cumsum", [12, 15, 46, 51], "its own size too"),
    ("feat-2", "without the first two", [3, 9, 19, 34], "take nothing off"),
    ("feat-2", "ids from 0", [1, 9, 21, 38], "with padding"),
    ("feat-2", "last size only", [3, 11, 14, 27], "not only of the one before"),
    ("feat-3", "plain mean", stacked(lambda t, i: t[i].mean(1)), "averaged in"),
    ("feat-3", "over the width", stacked(lambda t, i: (t[i] * masked(i)).mean(1)), "width of the field"),
    ("feat-3", "sum", stacked(lambda t, i: (t[i] * masked(i)).sum(1)), "That is the sum"),
    (
        "feat-3",
        "divided, not masked",
        stacked(lambda t, i: t[i].sum(1) / masked(i).sum(1).clamp(min=1)),
        "still in the sum",
    ),
    ("feat-3", "nan", stacked(lambda t, i: (t[i] * masked(i)).sum(1) / masked(i).sum(1)), "divides by 0"),
    ("feat-3", "first value", stacked(lambda t, i: t[i[:, 0]]), "first column"),
    (
        "feat-3",
        "flattened",
        lambda tables, ids, widths: torch.cat([t[i].mean(1) for t, i in blocks(tables, ids, widths)], 1),
        "flattened",
    ),
    ("feat-4", "blind", entropy(0.6), "Subtract"),
    ("feat-4", "with ids", (entropy(0.9) + entropy(0.3)) / 2, "difference is asked"),
    ("feat-4", "bits", (entropy(0.6) - (entropy(0.9) + entropy(0.3)) / 2) / math.log(2), "natural logarithm"),
    ("feat-4", "one half", torch.tensor(math.log(2) - (entropy(0.9) + entropy(0.3)) / 2), "say 0.6"),
    ("feat-4", "sum, not mean", entropy(0.6) - entropy(0.9) - entropy(0.3), "half of them are Ann's"),
    (
        "feat-5",
        "padding too",
        lambda a, b: [1 - torch.isin(y, x).float().mean() for x, y in zip(a.T, b.T, strict=True)],
        "no new values",
    ),
    (
        "feat-5",
        "all columns at once",
        lambda a, b: ((b >= 2) & ~torch.isin(b, a)).float().mean(0),
        "column with column",
    ),
    ("feat-5", "turned round", lambda a, b: unseen(b, a).mean(0), "other way round"),
    ("feat-5", "how many", lambda a, b: unseen(a, b).sum(0), "divide by"),
    ("feat-5", "known", lambda a, b: 1 - unseen(a, b).mean(0), "training knows"),
    (
        "feat-1",
        "nought is missing",
        lambda age, edges: 2 + bucket(age, edges) if age else 1,
        "Age 0 is an age",
    ),
    (
        "feat-1",
        "last edge",
        lambda age, edges: 1 if age is None else 2 + min(bucket(age, edges), len(edges) - 1),
        "one bucket more than edges",
    ),
    (
        "feat-1",
        "edges above",
        lambda age, edges: 1 if age is None else 2 + sum(edge > age for edge in edges),
        "lie above the age",
    ),
    ("feat-2", "own size", [12, 6, 33, 15], "each field's own size"),
    ("feat-2", "from the end", [3 + 38, 2 + 34, 10 + 11, 4], "in reverse order"),
    (
        "feat-3",
        "unknown left out",
        stacked(lambda t, i: (t[i] * known(i)).sum(1) / known(i).sum(1).clamp(min=1)),
        "unknown, is a value",
    ),
    ("feat-3", "padding at the end", stacked(leading), "take that many from the left"),
    (
        "feat-3",
        "plus one",
        stacked(lambda t, i: (t[i] * masked(i)).sum(1) / (masked(i).sum(1) + 1)),
        "one too many. Only an empty field",
    ),
    ("feat-4", "squared error", 0.24 - (0.09 + 0.21) / 2, "mean squared error"),
    (
        "feat-4",
        "likes only",
        -0.6 * math.log(0.6) + (0.9 * math.log(0.9) + 0.3 * math.log(0.3)) / 2,
        "Only the likes",
    ),
    ("feat-5", "not averaged", unseen, "for each row and column"),
    ("feat-5", "one share", lambda a, b: unseen(a, b).mean(), "One number for all columns"),
    ("feat-5", "of the real ids", lambda a, b: unseen(a, b).sum(0) / (b >= 2).sum(0), "with a real id"),
    ("feat-5", "beyond the largest", lambda a, b: (b > a.max(0).values).float().mean(0), "may be gaps"),
    ("feat-3", "a mask from the left", stacked(real_from_the_left), "take that many from the left"),
    ("feat-4", "sum over people", 2 * entropy(0.6) - entropy(0.9) - entropy(0.3), "sum over two people"),
]


def of_different_real_ids(train, test):
    cold = []
    for a, b in zip(train.T, test.T, strict=True):
        values = b[b >= 2].unique()
        cold.append((~torch.isin(values, a)).double().mean() if len(values) else torch.tensor(0.0))
    return torch.stack(cold)


WRONG += [("feat-5", "of different real ids", of_different_real_ids, "You count different values")]
