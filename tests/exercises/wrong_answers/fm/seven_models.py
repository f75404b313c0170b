"""Wrong answers to the exercises on comparing the family, and a part of the hint that each must get."""

import math
from statistics import NormalDist

import torch


def size(F, n, d, h, base=1, single=True, tables=1, reads=None, biases=True):
    reads = F * d if reads is None else reads
    return base + n * single + tables * n * d + reads * h + h + (h + 1) * biases


def simulated(of):
    def luck(k, s):
        g = torch.Generator().manual_seed(3)
        return float(s * of(torch.randn(100_000, k, generator=g)).mean())

    return luck


def pick(limit, key=min):
    def cheapest(names, auc, std, size):
        best = auc.index(max(auc))
        near = [i for i in range(len(names)) if max(auc) - auc[i] <= limit(std[best], std[i])]
        return names[key(near, key=lambda i: size[i])]

    return cheapest


def judged(low, high):
    return "better" if low > 0 else "worse" if high < 0 else "not told apart"


WRONG = [
    ("seven-1", "two tables", lambda F, n, d, h: size(F, n, d, h, tables=2), "count n d once"),
    ("seven-1", "no single weights", lambda F, n, d, h: size(F, n, d, h, single=False), "w_i are missing"),
    ("seven-1", "one vector", lambda F, n, d, h: size(F, n, d, h, reads=d), "not d"),
    ("seven-1", "all vectors", lambda F, n, d, h: size(F, n, d, h, reads=n * d), "not all n"),
    ("seven-1", "no biases", lambda F, n, d, h: size(F, n, d, h, biases=False), "of the two layers"),
    ("seven-1", "FM", lambda F, n, d, h: 1 + n * (1 + d), "That is the FM"),
    ("seven-2", "first", lambda a, b: judged(a[0], b[0]), "first seed only"),
    ("seven-2", "mean", lambda a, b: judged(sum(a) / 3, sum(b) / 3), "average the ends"),
    ("seven-2", "median", lambda a, b: judged(sorted(a)[1], sorted(b)[1]), "majority"),
    ("seven-2", "any", lambda a, b: judged(max(a), min(b)), "enough for you"),
    ("seven-2", "turned", lambda a, b: judged(-max(b), -min(a)), "Turned round"),
    ("seven-3", "none", lambda k, s: 0, "no luck"),
    ("seven-3", "spread", lambda k, s: s, "spread of one"),
    ("seven-3", "sum", lambda k, s: s * k**0.5, "grows with √k"),
    ("seven-3", "mean", lambda k, s: s / k**0.5, "error of the mean"),
    ("seven-3", "large k", lambda k, s: s * math.sqrt(2 * math.log(k)), "very large k"),
    ("seven-3", "sizes", simulated(lambda x: x.abs().max(1).values), "signs dropped"),
    ("seven-3", "range", simulated(lambda x: x.max(1).values - x.min(1).values), "half of that"),
    ("seven-4", "best", pick(lambda a, b: 0), "whatever it costs"),
    ("seven-4", "smallest", pick(lambda a, b: 1), "however bad"),
    ("seven-4", "one run", pick(lambda a, b: 2 * math.hypot(a, b)), "√3 times"),
    ("seven-4", "one error", pick(lambda a, b: math.hypot(a, b) / 3**0.5), "too strict"),
    ("seven-4", "own error", pick(lambda a, b: 2 * b / 3**0.5), "an error, too"),
    ("seven-4", "largest", pick(lambda a, b: 2 * math.hypot(a, b) / 3**0.5, max), "fewest parameters"),
    ("seven-1", "network", lambda F, n, d, h: h * (F * d + 1) + h + 1, "That is the network"),
    ("seven-1", "two biases", lambda F, n, d, h: size(F, n, d, h) - 2, "Two numbers are missing"),
    (
        "seven-1",
        "pair weights",
        lambda F, n, d, h: size(F, n, d, h) + math.comb(F, 2),
        "no number of its own",
    ),
    ("seven-1", "one row", lambda F, n, d, h: size(F, n, d, h) - n * d + F * d, "*uses* F vectors"),
    ("seven-2", "other ends", lambda a, b: judged(min(b), max(a)), "The other ends"),
    ("seven-2", "no third", lambda a, b: "better" if min(a) > 0 else "worse", "need not be worse"),
    ("seven-4", "error of the best", pick(lambda a, b: 2 * a / 3**0.5), "best mean alone"),
    (
        "seven-4",
        "place",
        lambda *x: x[0].index(pick(lambda a, b: 2 * math.hypot(a, b) / 3**0.5)(*x)),
        "place in the list",
    ),
    ("seven-1", "hidden biases", lambda F, n, d, h: size(F, n, d, h) - h, "of the hidden layer are"),
    (
        "seven-1",
        "weight of a field",
        lambda F, n, d, h: size(F, n, d, h, single=False) + F,
        "single weight per field",
    ),
    ("seven-1", "all pairs", lambda F, n, d, h: size(F, n, d, h) + n * (n - 1) // 2, "make 54"),
    ("seven-2", "last", lambda a, b: judged(a[-1], b[-1]), "last seed alone"),
    ("seven-2", "each", lambda a, b: [judged(*x) for x in zip(a, b, strict=True)], "for each seed"),
    ("seven-3", "without s", lambda k, s: simulated(lambda x: x.max(1).values)(k, 1), "multiply by s."),
    ("seven-3", "worst", simulated(lambda x: x.min(1).values), "luck of the worst"),
    ("seven-3", "one draw", lambda k, s: s * float(torch.randn(k).max()), "that is one draw"),
    ("seven-4", "variance", pick(lambda a, b: 2 * (a * a + b * b) / 3), "take the root"),
    ("seven-4", "not squared", pick(lambda a, b: 2 * ((a + b) / 3) ** 0.5), "before you add them"),
    ("seven-4", "three outside", pick(lambda a, b: 2 * math.hypot(a, b) / 3), "outside of it"),
    ("seven-4", "number", lambda *x: min(x[3]), "Return a name"),
    ("seven-4", "of six", pick(lambda a, b: 2 * math.hypot(a, b) / 6**0.5), "model by model"),
]

WRONG += [
    (
        "seven-2",
        "zero is above",
        lambda low, high: "better" if min(low) >= 0 else "worse" if max(high) <= 0 else "not told apart",
        "ends at 0",
    ),
]


def few_draws(k, s):
    draws = torch.randn(60, k, generator=torch.Generator().manual_seed(0))
    return float(1.08 * s * draws.amax(1).mean())


WRONG += [("seven-3", "few draws", few_draws, "not the mean of the largest")]


def with_word(word):
    def judge(lows, highs):
        return "better" if min(lows) > 0 else "worse" if max(highs) < 0 else word

    return judge


WRONG += [
    ("seven-2", "equal", with_word("equal"), "is not equal"),
    ("seven-2", "no difference", with_word("no difference"), "may hide"),
    (
        "seven-3",
        "median",
        lambda k, s: s * NormalDist().inv_cdf(0.5 ** (1 / k)),
        "not the mean of the largest",
    ),
]

WRONG += [
    (
        "seven-2",
        "capitals",
        lambda lows, highs: with_word("not told apart")(lows, highs).capitalize(),
        "capital",
    )
]
