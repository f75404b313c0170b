"""Wrong answers to the exercises of "Five ways to attend", and a part of the hint that each must get."""

import math

import torch

LOW = -1e9
E = torch.tensor([4.0, 1.0, 3.0, math.exp(9)])


def lowered(s, mask):
    return torch.where(mask, s, torch.full_like(s, LOW))


def infinite(s, mask):
    return s.masked_fill(~mask, -math.inf).softmax(dim=-1)


def overflowing(s, mask):
    raised = s.exp() * mask
    return raised / raised.sum(1, keepdim=True).clamp(min=1e-30)


def searched(value, high=12.0, steps=6001):
    """The s at which value(q, n) is largest."""

    def best(n):
        s = [high * i / (steps - 1) for i in range(steps)]
        return max(s, key=lambda x: value(math.exp(x), n))

    return best


def m(k, q, n):
    return k * q / (k * q + n - k)


right = searched(lambda q, n: m(2, q, n) - m(1, q, n))


def largest_of_all(s, mask):
    raised = (s - s.max(1, keepdim=True).values).exp() * mask
    return raised / (raised.sum(1, keepdim=True) + 1e-12)


WRONG = [
    ("attend-1", "no mask", E / E.sum(), "nearly everything"),
    ("attend-1", "mask after", (E / E.sum() * torch.tensor([1.0, 1, 1, 0])).tolist(), "no longer sums"),
    ("attend-1", "score zero", [4 / 9, 1 / 9, 3 / 9, 1 / 9], "padding still speaks"),
    ("attend-1", "score zero, then mask", [4 / 9, 1 / 9, 3 / 9, 0], "still in the sum"),
    ("attend-1", "exponentials", [4, 1, 3, 0], "are the exponentials"),
    (
        "attend-1",
        "no exponential",
        [math.log(4) / math.log(12), 0, math.log(3) / math.log(12), 0],
        "themselves",
    ),
    ("attend-1", "three", torch.tensor([4.0, 1, 3]) / 8, "fourth place"),
    ("attend-1", "exp(0) for 0", torch.tensor([4.0, 0, 3, 0]) / 7, "took exp(0)"),
    ("attend-1", "equal", [1 / 3, 1 / 3, 1 / 3, 0], "are pooling"),
    ("attend-2", "mask turned", lambda s, mask: lowered(s, ~mask).softmax(1) * ~mask, "to the padding"),
    ("attend-2", "minus one", lambda s, mask: torch.where(mask, s, -1.0).softmax(1) * mask, "exp(-1)"),
    ("attend-2", "sigmoid", lambda s, mask: torch.where(mask, 1 / (1 + (-s).exp()), 0.0), "one score alone"),
    ("attend-2", "no mask", lambda s, mask: torch.softmax(s, dim=-1), "takes part"),
    ("attend-2", "mask after", lambda s, mask: torch.where(mask, s.softmax(-1), 0.0), "half of it"),
    ("attend-2", "mask before", lambda s, mask: torch.where(mask, s, 0.0).softmax(-1), "like any other"),
    ("attend-2", "over the batch", lambda s, mask: lowered(s, mask).softmax(0) * mask, "over the batch"),
    ("attend-2", "empty history", lambda s, mask: lowered(s, mask).softmax(1), "empty history"),
    ("attend-2", "nan", infinite, "empty history"),
    ("attend-2", "overflow", overflowing, "exp(1000)"),
    ("attend-2", "not divided", lambda s, mask: torch.where(mask, s.exp(), 0.0), "sum over the history"),
    ("attend-3", "logarithms", lambda e, w: torch.log_softmax(e.mv(w), 0), "the logarithms"),
    ("attend-3", "minus", lambda e, w: torch.softmax(-e.mv(w), 0), "a large weight"),
    ("attend-3", "scores", lambda e, w: (e * w).sum(1), "softmax is missing"),
    ("attend-3", "not divided", lambda e, w: torch.exp(e.mv(w)), "Divide by the sum"),
    ("attend-3", "sigmoid", lambda e, w: 1 / (1 + torch.exp(-e.mv(w))), "looks at one film"),
    ("attend-3", "each dimension", lambda e, w: torch.softmax(w * e, dim=0), "in each dimension"),
    ("attend-3", "equal", lambda e, w: torch.full((len(e),), 1 / len(e)), "Not everything cancels"),
    ("attend-3", "one film", lambda e, w: e.mv(w)[:, None].softmax(1)[:, 0], "over one film"),
    ("attend-4", "sum for product", lambda w, p, q: torch.diag(w) + (p[:, None] + q[None]), "p_j times q_k"),
    (
        "attend-4",
        "symmetric",
        lambda w, p, q: torch.diag(w) + 0.5 * (p[:, None] * q + q[:, None] * p),
        "need not be",
    ),
    ("attend-4", "turned", lambda w, p, q: torch.diag(w) + q[:, None] * p, "rows belong to p"),
    ("attend-4", "diagonal", lambda w, p, q: torch.eye(4) * w, "(q . t) is missing"),
    ("attend-4", "outer only", lambda w, p, q: p[:, None] * q, "elementwise part is missing"),
    ("attend-4", "products on the diagonal", lambda w, p, q: torch.diag(w + p * q), "not only j = k"),
    ("attend-4", "inner", lambda w, p, q: torch.diag(w) + (p * q).sum(), "one number"),
    ("attend-4", "every row", lambda w, p, q: w[None] + p[:, None] * q, "every row"),
    ("attend-4", "multiplied", lambda w, p, q: torch.diag(w) * p[:, None] * q, "multiplied them"),
    ("attend-5", "ratio", searched(lambda q, n: m(2, q, n) / m(1, q, n)), "m(2) / m(1)"),
    ("attend-5", "two from three", searched(lambda q, n: m(3, q, n) - m(2, q, n)), "two matches from three"),
    ("attend-5", "exponential", lambda n: math.exp(right(n)), "logarithm"),
    ("attend-5", "constant", lambda n: 2.57, "right for n = 20"),
    ("attend-5", "coarse", lambda n: round(2 * right(n) - 0.5) / 2, "finer"),
    (
        "attend-5",
        "how far",
        lambda n: m(2, math.exp(right(n)), n) - m(1, math.exp(right(n)), n),
        "how far apart",
    ),
    ("attend-1", "sigmoid", torch.tensor([0.8, 0.5, 0.75, 0.0]), "Let the three share"),
    ("attend-1", "per cent", [50, 12.5, 37.5, 0], "in per cent"),
    ("attend-2", "logarithms", lambda s, mask: lowered(s, mask).log_softmax(-1), "logarithms of the weights"),
    (
        "attend-2",
        "scores shared out",
        lambda s, mask: torch.where(mask, s, 0.0) / torch.where(mask, s, 0.0).sum(1)[:, None],
        "may be negative",
    ),
    (
        "attend-2",
        "over everything",
        lambda s, mask: (s.exp() * mask) / (s.exp() * mask).sum(),
        "All histories together",
    ),
    ("attend-2", "pooling", lambda s, mask: mask / mask.sum(1)[:, None], "That is pooling"),
    ("attend-3", "no w", lambda e, w: torch.softmax(e.sum(-1), 0), "w_e is missing"),
    ("attend-3", "root of d", lambda e, w: torch.softmax(e.mv(w) / math.sqrt(3), 0), "No root of d"),
    ("attend-4", "minus", lambda w, p, q: torch.diag(w) - p[:, None] * q, "took it away"),
    ("attend-4", "ones", lambda w, p, q: torch.eye(4) + p[:, None] * q, "not ones"),
    ("attend-4", "w by w", lambda w, p, q: w[:, None] * w + p[:, None] * q, "nothing beside it"),
    ("attend-5", "logarithm of n", math.log, "as all others together"),
    (
        "attend-2",
        "low, but not low enough",
        lambda s, m: s.masked_fill(~m, -100).softmax(1) * m,
        "however low",
    ),
    ("attend-2", "largest of all places", largest_of_all, "may be larger"),
    (
        "attend-2",
        "axis of one lost",
        lambda s, m: s.masked_fill(~m, -torch.inf).softmax(1).nan_to_num().squeeze(),
        "the shape is (1, L)",
    ),
    ("attend-3", "axis of one lost", lambda e, w: (e @ w).softmax(0).squeeze(), "the shape is (1,)"),
]

WRONG += [
    ("attend-3", "a softmax in each dimension", lambda e, w: (e * w).softmax(0).sum(1), "then added up"),
    ("attend-5", "half for one", lambda n: math.log(n - 1), "one match has half"),
    ("attend-5", "half for two", lambda n: math.log(n / 2 - 1), "two matches have half"),
]

WRONG += [
    ("attend-1", "all to padding", [0.5, 0.125, 0.375, 1], "padding gets no weight"),
    ("attend-5", "one for all", lambda n: 1.7, "same s for every n"),
]
