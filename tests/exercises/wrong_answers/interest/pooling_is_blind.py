"""Wrong answers to the exercises of "Pooling is blind", and a part of the hint that each must get."""

import torch

V = torch.tensor([[4.0, 0], [2, 2], [0, -5], [7, 7]])


def numbers(mask):
    return mask.float().unsqueeze(-1)


def rank(score, descending=True):
    return torch.argsort(score, descending=descending).tolist()


def at_films(mask, values):
    return torch.where(mask, values, torch.zeros(()))


def first_places(e, mask):
    n = mask.sum(1).tolist()
    return torch.stack([row[:k].sum(0) / max(k, 1) for row, k in zip(e, n, strict=True)])


WRONG = [
    ("pool-1", "sum", V[:3].sum(0), "That is the sum."),
    ("pool-1", "divided by places", (V[:3].sum(0) / 4).tolist(), "four places"),
    ("pool-1", "padding in", V.mean(0), "is padding, whatever"),
    ("pool-1", "padding in the sum only", V.sum(0) / 3, "added four vectors"),
    ("pool-1", "sum of all", V.sum(0), "sum of all four"),
    ("pool-2", "no mask", lambda e, mask: e.sum(1) / e.shape[1], "in your mean. Use"),
    ("pool-2", "places", lambda e, mask: torch.where(mask[..., None], e, 0.0).mean(1), "places, L"),
    ("pool-2", "sum", lambda e, mask: torch.einsum("bl,bld->bd", mask.float(), e), "That is the sum."),
    ("pool-2", "unmasked sum", lambda e, mask: e.sum(1) / mask.sum(1, keepdim=True), "still in the sum"),
    ("pool-2", "wrong axis", lambda e, mask: (numbers(mask) * e).sum(-1), "axis 1"),
    ("pool-2", "maximum", lambda e, mask: (numbers(mask) * e).max(1).values, "maximum"),
    ("pool-2", "empty", lambda e, mask: (numbers(mask) * e).sum(1) / numbers(mask).sum(1), "0 by 0"),
    (
        "pool-2",
        "the padding",
        lambda e, mask: torch.where(mask[..., None], 0.0, e).sum(1) / (~mask).sum(1, True).clamp(min=1),
        "averaged the padding",
    ),
    (
        "pool-2",
        "one too many",
        lambda e, mask: (numbers(mask) * e).sum(1) / (1 + numbers(mask).sum(1)),
        "n + 1",
    ),
    ("pool-3", "worst first", lambda a, b, c, V: rank(V @ b, descending=False), "the worst"),
    ("pool-3", "weights of the history", lambda a, b, c, V: rank(V @ a + c), "films meet b"),
    ("pool-3", "both weights", lambda a, b, c, V: rank(V @ a + V @ b), "is no part of"),
    ("pool-3", "product", lambda a, b, c, V: rank((V * a * b).sum(1)), "never meet"),
    ("pool-3", "length", lambda a, b, c, V: rank((V * V).sum(1)), "length"),
    ("pool-3", "scores", lambda a, b, c, V: V.mv(b), "These are the scores"),
    ("pool-3", "ranks", lambda a, b, c, V: torch.tensor(rank(V @ b)).argsort(), "rank of each"),
    ("pool-3", "only the best", lambda a, b, c, V: rank(V @ b)[0], "whole list"),
    ("pool-4", "sum", lambda e, mask, t, w: at_films(mask, (e * t * w).sum(1)), "belong to the sum"),
    ("pool-4", "places", lambda e, mask, t, w: at_films(mask, e @ (t * w) / 6), "number of places"),
    ("pool-4", "padding speaks", lambda e, mask, t, w: (e * t) @ w / mask.sum(), "Padding contributes"),
    ("pool-4", "no target", lambda e, mask, t, w: at_films(mask, e @ w) / mask.sum(), "target is missing"),
    ("pool-4", "no weights", lambda e, mask, t, w: at_films(mask, e @ t) / mask.sum(), "w is missing"),
    ("pool-4", "the score", lambda e, mask, t, w: (e[mask].mean(0) * t) @ w, "score itself"),
    ("pool-4", "d numbers", lambda e, mask, t, w: numbers(mask) * e * t * w / mask.sum(), "d numbers"),
    ("pool-4", "times n", lambda e, mask, t, w: at_films(mask, e @ (t * w)) * mask.sum(), "multiplied by n"),
    ("pool-5", "other way round", [True, True, True, False, True, False], "All six"),
    ("pool-5", "numbers of lists", [1, 1, 1, 20, 1, 20], "no number of lists"),
    ("pool-5", "proof forgotten", [True, False, False, True, False, True], "head of the proof"),
    ("pool-5", "exp", [False, True, False, True, False, True], "exp is increasing"),
    ("pool-5", "difference", [False, False, True, True, False, True], "x - t is linear"),
    ("pool-5", "absolute difference", [False, False, False, False, False, True], "where it bends"),
    ("pool-5", "two layers", [False, False, False, True, True, True], "are one linear layer"),
    ("pool-5", "hidden product", [False, False, False, True, False, False], "Expand"),
    ("pool-1", "maximum", V[:2].amax(0), "the maximum"),
    ("pool-1", "minus lost", (2, 7 / 3), "with its sign"),
    (
        "pool-2",
        "root of n",
        lambda e, mask: (numbers(mask) * e).sum(1) / numbers(mask).sum(1).clamp(min=1) ** 0.5,
        "root of n",
    ),
    (
        "pool-2",
        "last film",
        lambda e, mask: torch.stack([row[there][-1] for row, there in zip(e, mask, strict=True)]),
        "last film alone",
    ),
    (
        "pool-3",
        "cosine",
        lambda a, b, c, V: rank(torch.nn.functional.normalize(V, dim=1) @ b),
        "As in a cosine",
    ),
    ("pool-3", "counted from 1", lambda a, b, c, V: [1 + row for row in rank(V @ b)], "but for one"),
    ("pool-3", "ids", lambda a, b, c, V: [2 + row for row in rank(V @ b)], "ids of a catalogue"),
    ("pool-4", "added", lambda e, mask, t, w: at_films(mask, e @ (t + w) / mask.sum()), "added w and t"),
    ("pool-4", "equal", lambda e, mask, t, w: at_films(mask, 1 / mask.sum()), "how much each film counts"),
    (
        "pool-2",
        "batch of one",
        lambda e, m: ((m[..., None] * e).sum(1) / m.sum(1)[:, None].clamp(min=1)).squeeze(),
        "keeps its axis",
    ),
    ("pool-2", "padding at the end", first_places, "may stand anywhere"),
    ("pool-4", "empty history", lambda e, m, t, w: m * (e @ (w * t)) / m.sum(), "Mind the division"),
    (
        "pool-4",
        "one place",
        lambda e, m, t, w: (m * (e @ (w * t)) / m.sum().clamp(min=1)).squeeze(),
        "the shape is (1,)",
    ),
]

WRONG += [
    (
        "pool-2",
        "an average history",
        lambda e, m: (e * m[..., None]).sum(1) / (m.sum() / len(m)),
        "average history",
    ),
    ("pool-3", "scores with c", lambda a, b, c, V: V @ b + c, "c and all"),
]

WRONG += [("pool-3", "sorted", lambda a, b, c, V: (V @ b).sort(descending=True).values, "in place of `sort`")]
