"""Wrong answers to the exercises of *From notebook to production*, and a part of the hint that each must get."""

import torch


def vectors(table, first, second):
    return torch.nn.functional.embedding(first, table), torch.nn.functional.embedding(second, table)


def z(p, y):
    return (y.sum() - p.sum()) / (p - p * p).sum().sqrt()


WRONG = [
    ("prod-1", "as said", 0.5, "what the model says"),
    ("prod-1", "times w", 0.025, "the odds that are multiplied"),
    ("prod-1", "odds", 0.05, "These are the odds"),
    ("prod-1", "the other way", 0.5 / (0.5 + 0.5 * 0.05), "the other way"),
    ("prod-2", "table alone", lambda rows, d: 4 * d * rows, "the table alone"),
    ("prod-2", "three of four", lambda rows, d: 3 * 4 * d * rows, "One of them is missing"),
    ("prod-2", "no Adam", lambda rows, d: 2 * 4 * d * rows, "Adam keeps two more"),
    ("prod-2", "8 bytes", lambda rows, d: 4 * 8 * d * rows, "not of 8"),
    ("prod-2", "numbers", lambda rows, d: d * rows, "Bytes are asked for"),
    ("prod-3", "twice", lambda t, a, b: sum(vectors(t, a, b)), "counts twice"),
    ("prod-3", "first alone", lambda t, a, b: vectors(t, a, b)[0], "Add the vector of the second"),
    ("prod-3", "second alone", lambda t, a, b: vectors(t, a, b)[1], "Add the vector of the first"),
    ("prod-3", "a mean", lambda t, a, b: sum(vectors(t, a, b)) / 2, "A mean"),
    ("prod-3", "side by side", lambda t, a, b: torch.hstack(vectors(t, a, b)), "Side by side"),
    ("prod-3", "none", lambda t, a, b: sum(vectors(t, a, b)) * a.ne(b).unsqueeze(1), "nothing is left"),
    ("prod-4", "click rate", lambda c, p, k: c.sum() / len(c), "the click rate"),
    ("prod-4", "times", lambda c, p, k: torch.dot(c, k[p]) / len(c), "a click at the bottom says more"),
    ("prod-4", "means divided", lambda c, p, k: c.mean() / (k.sum() / len(k)), "divide before the mean"),
    ("prod-4", "a sum", lambda c, p, k: torch.dot(c, 1 / k[p]), "That is a sum"),
    ("prod-4", "clicks only", lambda c, p, k: (1 / k[p[c == 1]]).mean(), "Shows without a click"),
    ("prod-5", "sign", lambda p, y: -z(p, y), "The sign"),
    ("prod-5", "variance", lambda p, y: (y - p).sum() / (p - p * p).sum(), "divides by the variance"),
    ("prod-5", "a mean", lambda p, y: z(p, y) / len(p), "you took a mean above"),
    ("prod-5", "roots added", lambda p, y: (y - p).sum() / (p - p * p).sqrt().sum(), "Add the variances"),
    ("prod-5", "clicks", lambda p, y: y.sum() - p.sum(), "a number of clicks"),
    ("prod-5", "ratio", lambda p, y: y.sum() / p.sum(), "That is the ratio"),
]

# Found by a second blind attack: answers of somebody who had seen neither the checks nor the solutions.
WRONG += [
    ("prod-1", "five", 0.5 / (0.5 + 0.5 / 5), "5 % is 0.05"),
    ("prod-1", "per cent", 100 / 21, "not per cent"),
    ("prod-2", "gigabytes", lambda rows, d: 16 * rows * d / 1e9, "in gigabytes"),
    ("prod-2", "Adam by rows", lambda rows, d: 8 * rows * d + 8 * rows, "not for each row"),
    ("prod-3", "decided at once", lambda t, a, b: t[a] + t[b] if (a != b).all() else t[a], "decide once"),
    ("prod-3", "turned round", lambda t, a, b: t[a] + t[b] * (a == b)[:, None], "condition is turned round"),
    ("prod-4", "cut at 1", lambda c, p, k: (c / k[p]).mean().clamp(max=1), "Do not cut it"),
    (
        "prod-4",
        "weights in the denominator",
        lambda c, p, k: (c / k[p]).sum() / k[p].reciprocal().sum(),
        "sum of the weights",
    ),
    ("prod-5", "no sign", lambda p, y: ((y - p).sum() / (p * (1 - p)).sum().sqrt()).abs(), "Keep the sign"),
    (
        "prod-5",
        "one variance",
        lambda p, y: (y - p).sum() / (len(p) * p.mean() * (1 - p.mean())) ** 0.5,
        "that of the mean",
    ),
]
