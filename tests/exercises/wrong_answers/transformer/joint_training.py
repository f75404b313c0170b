"""Wrong answers to the exercises of *Joint training*, and a part of the hint that each must get."""

import math

import torch
import torch.nn.functional as F


def next_loss(first=0, masked=True, reduction="mean", twice=False):
    def answer(s, tokens, mask, E):
        logits = torch.einsum("bld,md->blm", s[:, first : first + tokens.size(1)], E)
        logits = torch.softmax(logits, -1) if twice else logits
        keep = mask if masked else torch.ones_like(mask)
        return F.cross_entropy(logits[keep], tokens[keep], reduction=reduction)

    return answer


def count(offset, turned=False):
    def answer(reach):
        k, j = torch.arange(reach.size(0))[:, None], torch.arange(reach.size(1))
        where = j < k if turned else j >= k + offset
        return int(((reach != 0) & where).sum())

    return answer


WRONG = [
    ("joint-1", "sum", 0.5 + 0.2 * 6, "added the three"),
    ("joint-1", "no alpha", 0.5 + 2, "alpha times"),
    ("joint-1", "second part alone", 0.2 * 2, "second part alone"),
    ("joint-1", "mixture", 0.8 * 0.5 + 0.2 * 2, "mixture"),
    ("joint-2", "start last", lambda e, s: torch.hstack([e, s.repeat(len(e), 1, 1)]), "at the end"),
    (
        "joint-2",
        "last dropped",
        lambda e, s: torch.hstack([s.repeat(len(e), 1, 1), e])[:, :-1],
        "last event is gone",
    ),
    ("joint-2", "zeros", lambda e, s: F.pad(e, (0, 0, 1, 0)), "place of zeros"),
    ("joint-2", "not shifted", lambda e, s: e.clone(), "Nothing is shifted"),
    ("joint-3", "one softmax", lambda n: 0, "floor of *one*"),
    ("joint-3", "guessing", lambda n: math.log(n), "guessing costs"),
    ("joint-3", "n others", lambda n: math.log(n + math.e) - 1, "n - 1 others"),
    ("joint-3", "a probability", lambda n: 1 / (1 + (n - 1) / math.e), "That is the probability"),
    ("joint-4", "states that have read it", next_loss(first=1), "read the answer"),
    ("joint-4", "padding", next_loss(masked=False), "padding counts"),
    ("joint-4", "sum", next_loss(reduction="sum"), "not the sum"),
    ("joint-4", "softmax twice", next_loss(twice=True), "softmax inside"),
    ("joint-5", "without the diagonal", count(1), "One diagonal"),
    ("joint-5", "all", lambda r: int(torch.count_nonzero(r)), "below are allowed"),
    ("joint-5", "the allowed ones", count(0, turned=True), "Count the others"),
    (
        "joint-5",
        "zeros",
        lambda r: int(((r == 0) & (torch.arange(r.size(1)) >= torch.arange(r.size(0))[:, None])).sum()),
        "counted the zeros",
    ),
]

# Found by a second blind attack: answers of somebody who had seen neither the checks nor the solutions.
WRONG += [
    (
        "joint-4",
        "softmax over places",
        lambda s, t, m, E: -(s[:, :-1] @ E.T).log_softmax(1).gather(-1, t[..., None])[..., 0][m].mean(),
        "over the places",
    ),
    (
        "joint-4",
        "no logarithm",
        lambda s, t, m, E: -(s[:, :-1] @ E.T).softmax(-1).gather(-1, t[..., None])[..., 0][m].mean(),
        "its logarithm is missing",
    ),
    (
        "joint-4",
        "per row",
        lambda s, t, m, E: F.cross_entropy(s[:, :-1][m] @ E.T, t[m], reduction="sum") / len(m),
        "number of rows",
    ),
    ("joint-5", "positive only", lambda r: (torch.triu(r) > 0).sum(), "below 0"),
    ("joint-5", "tolerance", lambda r: (torch.triu(r).abs() > 1e-3).sum(), "compare with 0 exactly"),
    (
        "joint-4",
        "last event only",
        lambda s, t, m, E: F.cross_entropy(
            s[range(len(t)), m.sum(1) - 1] @ E.T, t[range(len(t)), m.sum(1) - 1]
        ),
        "last event of each history",
    ),
]
