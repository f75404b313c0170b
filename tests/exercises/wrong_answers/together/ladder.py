"""Wrong answers to the exercises of *The ladder*, and a part of the hint that each must get."""

import numpy as np
import torch

RUNS = np.array([0.790, 0.788, 0.792, 0.786, 0.794])


def kept(s, c, where=lambda s, c, i: (c <= c[i]) & (s > s[i])):
    return torch.stack([~where(s, c, i).any() for i in range(len(s))])


def drawn(n, sigma, take=lambda x: x.max(1).values, size=20_000):
    return take(sigma * torch.randn(size, n)).mean().item()


def t(a, b, ddof=1):
    d = (a - b).numpy()
    return float(d.mean() / (d.std(ddof=ddof) / np.sqrt(len(d))))


def best(table, column="valid", how="mean", limit=None, price="infer_us"):
    if limit is not None:
        table = table.query(f"{price} <= {limit}")
    return getattr(table.groupby("model")[column], how)().idxmax()


WRONG = [
    ("ladder-1", "a run", RUNS.std(ddof=1), "how far apart single runs are"),
    ("ladder-1", "no t", RUNS.std(ddof=1) / 5**0.5, "Multiply it by t"),
    ("ladder-1", "no root", 2.776 * RUNS.std(ddof=1) / 5, "not by 5"),
    ("ladder-1", "normal", 1.96 * RUNS.std(ddof=1) / 5**0.5, "1.96 is for many"),
    ("ladder-1", "n", 2.776 * RUNS.std() / 5**0.5, "n − 1 = 4"),
    ("ladder-1", "whole", 2 * 2.776 * RUNS.std(ddof=1) / 5**0.5, "the whole width"),
    ("ladder-2", "beaten", lambda s, c: ~kept(s, c), "models that are beaten"),
    ("ladder-2", "strictly", lambda s, c: kept(s, c, lambda s, c, i: (c < c[i]) & (s > s[i])), "same cost"),
    (
        "ladder-2",
        "dearer",
        lambda s, c: kept(s, c, lambda s, c, i: (c >= c[i]) & (s > s[i])),
        "dearer models",
    ),
    (
        "ladder-2",
        "the worst",
        lambda s, c: kept(s, c, lambda s, c, i: (c <= c[i]) & (s < s[i])),
        "the worst for",
    ),
    (
        "ladder-2",
        "itself",
        lambda s, c: kept(s, c, lambda s, c, i: (c <= c[i]) & (s >= s[i])),
        "compared with itself",
    ),
    ("ladder-2", "the best", lambda s, c: torch.arange(len(s)) == s.argmax(), "the best one alone"),
    ("ladder-2", "places", lambda s, c: torch.where(kept(s, c))[0], "These are the places"),
    ("ladder-3", "the bound", lambda n, sigma: sigma * np.sqrt(2 * np.log(n)).item(), "a bound for large n"),
    ("ladder-3", "size", lambda n, sigma: drawn(n, sigma, lambda x: x.abs().max(1).values), "largest size"),
    ("ladder-3", "mean", lambda n, sigma: drawn(n, sigma, lambda x: x.mean(1)), "mean of all n is 0"),
    (
        "ladder-3",
        "no sigma",
        lambda n, sigma: drawn(n, 1.0),
        "multiply by sigma",
    ),
    ("ladder-3", "worst", lambda n, sigma: drawn(n, sigma, lambda x: x.min(1).values), "the worst of n"),
    (
        "ladder-4",
        "unpaired",
        lambda a, b: (a.mean() - b.mean()) / ((a.var() + b.var()) / len(a)).sqrt(),
        "differences first",
    ),
    ("ladder-4", "sign", lambda a, b: t(b, a), "positive where a is better"),
    ("ladder-4", "size", lambda a, b: abs(t(a, b)), "Keep the sign"),
    ("ladder-4", "no root", lambda a, b: (a - b).mean() / (a - b).std(), "√n times less"),
    ("ladder-4", "n", lambda a, b: t(a, b, ddof=0), "divides by n − 1"),
    ("ladder-4", "difference", lambda a, b: a.mean() - b.mean(), "the mean difference"),
    ("ladder-5", "test", lambda table, limit: best(table, "test_auc", limit=limit), "choose by the test"),
    ("ladder-5", "luck", lambda table, limit: best(table, how="max", limit=limit), "luckiest run"),
    ("ladder-5", "slow", lambda table, limit: best(table), "too slow"),
    (
        "ladder-5",
        "training",
        lambda table, limit: best(table, limit=limit, price="train_s"),
        "not on training",
    ),
    (
        "ladder-5",
        "strictly",
        lambda table, limit: best(table[table["infer_us"] < limit]),
        "at the limit",
    ),
    (
        "ladder-5",
        "a table",
        lambda table, limit: table.groupby("model")["valid"].mean(),
        "the name of one model",
    ),
]
