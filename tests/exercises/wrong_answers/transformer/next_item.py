"""Wrong answers to the exercises of *The next item*, and a part of the hint that each must get."""

import math

import torch
import torch.nn.functional as F


def answers(newest=True, liked=True, column=None, left=1):
    def answer(history, mask, item, label):
        out = history.clone()
        if left == 1:
            out = F.pad(history[:, 1:], (0, 1))
        if left == -1:
            out = F.pad(history[:, :-1], (1, 0)) * mask
        count = mask.sum(1)
        for b in range(len(out)):
            if newest and (label[b] == 1 or not liked):
                out[b, (count[b] - 1) if column is None else column] = item[b]
        return out

    return answer


def sampled(first, last, miss=False):
    def answer(above, others, n, k):
        q, total = above / others, torch.zeros(len(above), dtype=torch.double)
        for j in range(first(k), last(k)):
            ways = torch.lgamma(torch.tensor([n + 1.0, j + 1.0, n - j + 1.0]).double())
            total += (ways[0] - ways[1] - ways[2]).exp() * q.double() ** j * (1 - q.double()) ** (n - j)
        return 1 - total if miss else total

    return answer


WRONG = [
    ("next-1", "the target forgotten", 20 - 1, "newest place is asked, too"),
    ("next-1", "one a row", 1, "That is BST"),
    ("next-1", "the target asks", 20 + 1, "read by nobody"),
    ("next-1", "pairs", 20 * 21 // 2, "not one for every pair"),
    ("next-2", "no target", answers(newest=False), "not asked for anything"),
    ("next-2", "disliked targets", answers(liked=False), "disliked target"),
    ("next-2", "last column", answers(column=-1), "last column"),
    ("next-2", "not shifted", answers(left=0), "did not shift"),
    ("next-2", "shifted to the right", answers(left=-1), "to the right"),
    ("next-3", "the truth", lambda p, M: p, "That is the truth"),
    (
        "next-3",
        "negative may be the positive",
        lambda p, M: p * (M - 1) / (p * (M - 1) + 1),
        "never the positive itself",
    ),
    ("next-3", "one of M", lambda p, M: M * p / (M * p + 1 - p), "not of M"),
    ("next-3", "turned round", lambda p, M: (1 - p) / ((1 - p) + p * (M - 1)), "turned round"),
    ("next-3", "the score", lambda p, M: torch.tensor(p * (M - 1) / (1 - p)).log(), "That is the score"),
    ("next-4", "one too many", sampled(lambda k: 0, lambda k: k + 1), "place k + 1"),
    ("next-4", "one too few", sampled(lambda k: 0, lambda k: k - 1), "One too few"),
    ("next-4", "a miss", sampled(lambda k: 0, lambda k: k, miss=True), "a miss"),
    ("next-4", "exactly k - 1", sampled(lambda k: k - 1, lambda k: k), "exactly k - 1"),
    (
        "next-4",
        "whole catalogue",
        lambda a, o, n, k: torch.where(a >= k, 0.0, 1.0),
        "over the whole catalogue",
    ),
    ("next-5", "always", lambda a, b, o, n, k: True, "always turns"),
    ("next-5", "never", lambda a, b, o, n, k: False, "never turns"),
    (
        "next-5",
        "full only",
        lambda a, b, o, n, k: (a < k).float().mean() > (b < k).float().mean(),
        "ahead over the whole catalogue",
    ),
    (
        "next-5",
        "sampled only",
        lambda a, b, o, n, k: (
            sampled(lambda k: 0, lambda k: k)(a, o, n, k).mean()
            > sampled(lambda k: 0, lambda k: k)(b, o, n, k).mean()
        ),
        "ahead among the drawn",
    ),
]

# Found by a second blind attack: answers of somebody who had seen neither the checks nor the solutions.


def both(a, b, o, n, k):
    """Leads of the first model: over the catalogue, among the drawn films."""
    hit = sampled(lambda k: 0, lambda k: k)
    return (a < k).sum() - (b < k).sum(), hit(a, o, n, k).sum() - hit(b, o, n, k).sum()


WRONG += [
    ("next-2", "events themselves", lambda h, m, i, y: h * m, "Those are the events"),
    ("next-2", "before", lambda h, m, i, y: F.pad(h[:, :-1], (1, 0)), "came before it"),
    ("next-2", "labels inverted", lambda h, m, i, y: answers()(h, m, i, 1 - y), "where `label` is 0"),
    ("next-3", "odds", lambda p, M: p / ((1 - p) / (M - 1)), "Those are the odds"),
    (
        "next-4",
        "no coefficient",
        lambda a, o, n, k: sum((a / o) ** j * (1 - a / o) ** (n - j) for j in range(k)),
        "binomial coefficient",
    ),
    ("next-4", "a hundred", lambda a, o, n, k: sampled(lambda k: 0, lambda k: k)(a, o, 100, k), "100 films"),
    ("next-4", "ten places", lambda a, o, n, k: sampled(lambda k: 0, lambda k: 10)(a, o, n, k), "ten places"),
    (
        "next-4",
        "one more film",
        lambda a, o, n, k: sampled(lambda k: 0, lambda k: k)(a, o + 1, n, k),
        "not by one more",
    ),
    ("next-5", "ties", lambda *x: both(*x)[0] * both(*x)[1] <= 0, "A tie turns nothing"),
    (
        "next-5",
        "place k",
        lambda a, b, o, n, k: bool(both(a, b, o, n, k + 1)[0] * both(a, b, o, n, k + 1)[1] < 0),
        "You count r = k",
    ),
    ("next-5", "one way", lambda *x: bool(both(*x)[0] > 0 > both(*x)[1]), "the other way round"),
    (
        "next-5",
        "mean place",
        lambda a, b, o, n, k: bool(both(a, b, o, n, k)[0] * (a.double().mean() - b.double().mean()) > 0),
        "mean places",
    ),
    (
        "next-5",
        "film by film",
        lambda a, b, o, n, k: (
            ((a < k).double() - (b < k).double())
            * (sampled(lambda k: 0, lambda k: k)(a, o, n, k) - sampled(lambda k: 0, lambda k: k)(b, o, n, k))
            < 0
        ),
        "a verdict for each film",
    ),
]


def without_replacement(above, others, n, k):
    return torch.tensor(
        [
            sum(math.comb(r, j) * math.comb(others - r, n - j) for j in range(k)) / math.comb(others, n)
            for r in above.tolist()
        ]
    )


WRONG += [("next-4", "without replacement", without_replacement, "without replacement")]
