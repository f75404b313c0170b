"""Planted wrong answers of how sure are we: each must get its own hint."""

import math

import torch

S = math.sqrt(20e-6 / 3)


def ends(spread, t=3.182, root=2.0):
    return 0.005 - t * spread / root, 0.005 + t * spread / root


def verdict(low, high):
    return "better" if low > 0 else "worse" if high < 0 else "not told apart"


def by(half):
    """The right verdict with another half width, of the differences d and t."""

    def says(a, b, t):
        d = a - b
        return verdict(float(d.mean() - half(d, t)), float(d.mean() + half(d, t)))

    return says


def se(d):
    return d.std() / len(d) ** 0.5


def unpaired(a, b, t):
    half, mean = t * ((a.var() + b.var()) / len(a)) ** 0.5, a.mean() - b.mean()
    return verdict(float(mean - half), float(mean + half))


def numbers(a, b, t):
    d = a - b
    return d.mean() - t * se(d), d.mean() + t * se(d)


def ranges(a, b, t):
    return verdict(float(a.min() - b.max()), float(a.max() - b.min()))


WRONG = [
    ("sure-1", "spread of one", ends(S, root=1.0), "spread of one difference"),
    ("sure-1", "over 4", ends(math.sqrt(20e-6 / 4)), "divide by 3"),
    ("sure-1", "normal", ends(S, t=1.96), "very many seeds"),
    ("sure-1", "one error", ends(S, t=1.0), "one standard error"),
    ("sure-1", "turned", ends(S)[::-1], "lower end comes first"),
    ("sure-1", "range", (0.002, 0.008), "range of the four"),
    ("sure-1", "over n", ends(S, root=4.0), "ROOT of 4"),
    ("sure-2", "one end", 1 / 252, "count both ends"),
    ("sure-2", "three", 2 / 20, "three against three"),
    ("sure-2", "coins", 0.5**4, "order of all ten"),
    ("sure-2", "level", torch.tensor(0.05), "rate of its own"),
    ("sure-2", "ways", math.comb(10, 5), "how many ways"),
    ("sure-3", "upside down", lambda a, b, t: by(lambda d, t: t * se(d))(b, a, t), "other way round"),
    ("sure-3", "means", lambda a, b, t: "better" if (a - b).mean() > 0 else "worse", "means alone"),
    ("sure-3", "no pairs", unpaired, "Take the differences first"),
    ("sure-3", "ranges", ranges, "ranges overlap"),
    ("sure-3", "no root", by(lambda d, t: t * d.std()), "divide it by √S"),
    ("sure-3", "no t", by(lambda d, t: se(d)), "Multiply it by t"),
    ("sure-3", "numbers", numbers, "Return a word"),
    (
        "sure-3",
        "equal",
        lambda a, b, t: by(lambda d, t: t * se(d))(a, b, t).replace("not told apart", "equal"),
        "is not equal",
    ),
    ("sure-4", "equal", {"a", "b", "d"}, "not told apart is not equal"),
    ("sure-4", "cause", {"a", "c"}, "names a cause"),
    ("sure-4", "seeds", "ade", "only one was made"),
    ("sure-4", "too shy", ["d"], "interval over users"),
    ("sure-4", "a alone", {"a"}, "wrong by chance"),
    ("data-4", "ties forgotten", 0.5, "Ties count one half: two"),
    ("data-4", "perfect", 1, "Even the truth"),
    ("data-4", "ties as wins", 11 / 12, "not one"),
    ("data-4", "numerator", 0.68, "That is the numerator. Divide"),
    ("data-4", "no ties at all", 6 / 7, "You left the ties out"),
    ("data-4", "one kind of pair", 0.48, "Add half of the ties"),
    ("data-4", "mean click", 0.4, "That is the share of likes. AUC"),
]

WRONG += [
    (
        "sure-3",
        "all of one sign",
        lambda a, b, t: "better" if (a > b).all() else "worse" if (a < b).all() else "not told apart",
        "one sign",
    ),
    ("sure-1", "mean and half width", (0.005, 0.0041079), "mean and the half width"),
]
