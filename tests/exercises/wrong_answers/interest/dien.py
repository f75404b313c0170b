"""Wrong answers to the exercises of *DIEN*, and a part of the hint that each must get."""

import math

import torch
from torch.nn import functional as F

import recbyhand as rbh


def scores(h, e, W):
    return ((h @ W) * e[:, None]).sum(-1)


def masked(h, e, W, mask):
    return scores(h, e, W).masked_fill(~mask, -torch.inf)


def unrolled(g, keep=lambda v: 1 - v, start=1):
    out = []
    for t in range(len(g)):
        s = g[t]
        for later in g[t + start :]:
            s = s * keep(later)
        out.append(s)
    return torch.stack(out)


def forgets_earlier(g):
    return torch.cat([torch.ones(1), (1 - g).cumprod(0)[:-1]]) * g


def bce(came, did_not):
    yes = F.binary_cross_entropy_with_logits(came, torch.ones_like(came), reduction="none")
    return yes + F.binary_cross_entropy_with_logits(did_not, torch.zeros_like(did_not), reduction="none")


def loss(h, e, other, mask, shift=1, mean=True):
    n = h.shape[1] - shift
    kept = mask[:, shift:]
    terms = bce((h[:, :n] * e[:, shift:]).sum(2)[kept], (h[:, :n] * other[:, shift:]).sum(2)[kept])
    return terms.mean() if mean else terms.sum()


def padding_too(h, e, other, mask):
    return bce((h[:, :-1] * e[:, 1:]).sum(2), (h[:, :-1] * other[:, 1:]).sum(2)).mean()


def came_only(h, e, other, mask):
    s = (h[:, :-1] * e[:, 1:]).sum(2)[mask[:, 1:]]
    return F.binary_cross_entropy_with_logits(s, torch.ones_like(s))


def per_history(h, e, other, mask):
    return loss(h, e, other, mask, mean=False) / len(h)


def no_question_is_nan(h, e, other, mask):
    return loss(h, e, other, mask)


def two_terms(term, late=True):
    def wrong(h, e, other, mask):
        others = other[:, 1:] if late else other[:, :-1]
        terms = [term(h[b, t] @ e[b, t + 1], h[b, t] @ others[b, t]) for b, t in mask[:, 1:].nonzero()]
        return torch.stack(terms).mean() if terms else torch.tensor(0.0)

    return wrong


def mean_of_histories(h, e, other, mask):
    rows = [(h[b : b + 1], e[b : b + 1], other[b : b + 1], mask[b : b + 1]) for b in range(len(h))]
    return sum(loss(*row) for row in rows if row[3].sum() > 1) / len(rows)


def shared(powers):
    return powers / powers.sum(1, keepdim=True)


def safe(loss):
    return lambda h, e, other, mask: loss(h, e, other, mask) if mask[:, 1:].any() else torch.tensor(0.0)


def the_layer(h, e, other, mask):
    asked = mask[:, 1:]
    return rbh.layers.negative_sampling_loss(h[:, :-1][asked], e[:, 1:][asked], other[:, 1:][asked])


WRONG = [
    ("dien-1", "plain GRU", 0.5 * 0.4 + 0.5 * -1, "plain GRU"),
    ("dien-1", "AGRU", 0.4 * 0.4 - 0.6, "replaced the gate"),
    ("dien-1", "gate the other way round", torch.tensor(0.3 * 0.4 - 0.7), "kept 0.3"),
    ("dien-1", "content scaled", 0.5 * 0.4 + 0.5 * 0.6 * -1, "scaled the new content"),
    ("dien-1", "gate", 0.3, "That is the gate"),
    ("dien-2", "no mask", lambda h, e, W, mask: scores(h, e, W).softmax(-1), "Padded steps"),
    (
        "dien-2",
        "mask late",
        lambda h, e, W, mask: torch.where(mask, scores(h, e, W).softmax(1), 0.0),
        "after the",
    ),
    (
        "dien-2",
        "zero scores",
        lambda h, e, W, mask: torch.where(mask, scores(h, e, W), 0.0).softmax(1),
        "is a score: exp",
    ),
    ("dien-2", "softmax of one", lambda h, e, W, mask: mask.float(), "the source's bug"),
    ("dien-2", "batch", lambda h, e, W, mask: masked(h, e, W, mask).softmax(0).nan_to_num(0), "dim 0"),
    (
        "dien-2",
        "scores",
        lambda h, e, W, mask: torch.where(mask, scores(h, e, W), 0.0),
        "These are the scores",
    ),
    (
        "dien-2",
        "exponentials",
        lambda h, e, W, mask: torch.where(mask, scores(h, e, W).exp(), 0.0),
        "the exponentials",
    ),
    (
        "dien-2",
        "mask turned",
        lambda h, e, W, mask: masked(h, e, W, ~mask).softmax(1).nan_to_num(),
        "fill where",
    ),
    ("dien-2", "sigmoid", lambda h, e, W, mask: torch.sigmoid(masked(h, e, W, mask)), "one step alone"),
    ("dien-3", "shares made to sum to 1", lambda g: unrolled(g) / unrolled(g).sum(), "They need not"),
    ("dien-3", "backwards", lambda g: unrolled(g)[torch.arange(len(g) - 1, -1, -1)], "backwards"),
    (
        "dien-3",
        "next step only",
        lambda g: g * (1 - torch.cat([g[1:], torch.zeros(1)])),
        "only the next step",
    ),
    ("dien-3", "gates", lambda g: g * 1.0, "what each step wrote"),
    ("dien-3", "own step", lambda g: unrolled(g, start=0), "starts at t + 1"),
    ("dien-3", "earlier", forgets_earlier, "over earlier steps"),
    ("dien-3", "later gates", lambda g: unrolled(g, keep=lambda v: v), "not g."),
    ("dien-3", "normalised", lambda g: g / g.sum(), "made to sum to 1"),
    ("dien-3", "no own gate", lambda g: unrolled(g) / g, "The factor"),
    ("dien-4", "same step", lambda *a: loss(*a, shift=0), "which it has read"),
    ("dien-4", "padding", padding_too, "Padding is asked"),
    ("dien-4", "one term", came_only, "Only the film that came"),
    ("dien-4", "sum", lambda *a: loss(*a, mean=False), "the mean is asked"),
    ("dien-4", "per history", per_history, "number of histories"),
    ("dien-4", "two times yes", two_terms(lambda s, o: F.softplus(-s) + F.softplus(-o)), "should get a no"),
    ("dien-4", "pairwise", two_terms(lambda s, o: F.softplus(o - s)), "log of its own"),
    (
        "dien-4",
        "other not shifted",
        two_terms(lambda s, o: F.softplus(-s) + F.softplus(o), False),
        "shift it as",
    ),
    ("dien-4", "histories", mean_of_histories, "within each history"),
    ("dien-4", "nan", no_question_is_nan, "division by 0"),
    ("dien-1", "gate on one side", 0.7 * 0.4 - 0.5, "forgot it at the new content"),
    ("dien-1", "middle", 0.45 * 0.4 - 0.55, "They are multiplied"),
    (
        "dien-2",
        "logarithms",
        lambda h, e, W, mask: masked(h, e, W, mask).log_softmax(1).clamp(min=-1e9),
        "logarithms",
    ),
    (
        "dien-2",
        "scores shared out",
        lambda h, e, W, mask: (mask * scores(h, e, W)) / (mask * scores(h, e, W)).sum(1)[:, None],
        "divided the scores",
    ),
    ("dien-2", "root of d", lambda h, e, W, mask: masked(h, e, W / 2**0.5, mask).softmax(1), "any scale"),
    ("dien-3", "first state", lambda g: torch.cumprod(1 - g, 0), "left of the first state"),
    ("dien-3", "own step only", lambda g: g - g * g, "does not overwrite itself"),
    (
        "dien-3",
        "sums",
        lambda g: g * (1 - torch.stack([g[t + 1 :].sum() for t in range(len(g))])),
        "not 1 - g",
    ),
    ("dien-4", "scores", two_terms(lambda s, o: o - s), "through log"),
    ("dien-4", "probabilities", two_terms(lambda s, o: torch.sigmoid(o) + torch.sigmoid(-s)), "being wrong"),
    ("dien-4", "yes and no", two_terms(lambda s, o: F.softplus(s) + F.softplus(-o)), "are swapped"),
    ("dien-5", "not whole", lambda g: torch.log(torch.tensor(0.5)) / torch.log1p(-g), "Steps are whole"),
    (
        "dien-5",
        "one too few",
        lambda g: (torch.log2(torch.tensor(0.5)) / torch.log2(1 - g)).int(),
        "One more is",
    ),
    ("dien-5", "the gate keeps", lambda g: (math.log(0.5) / g.log()).floor() + 1, "keeps 1 - g"),
    ("dien-5", "one too many", lambda g: (math.log(0.5) / (1 - g).log()).ceil() + 1, "too many"),
    ("dien-5", "straight line", lambda g: [math.ceil(0.5 / v) for v in g.tolist()], "g of what is left"),
    ("dien-5", "rounded", lambda g: (math.log(0.5) / (1 - g).log()).round(), "to the nearest"),
    ("dien-2", "overflow", lambda h, e, W, mask: shared(masked(h, e, W, mask).exp()), "exp(100)"),
    (
        "dien-2",
        "axis of one lost",
        lambda h, e, W, mask: masked(h, e, W, mask).softmax(1).squeeze(),
        "the shape is (1, L)",
    ),
    ("dien-3", "a gate of 1", lambda g: unrolled(g, start=0) / (1 - g), "is 0/0 there"),
    (
        "dien-4",
        "overflow",
        safe(two_terms(lambda s, o: -s.sigmoid().log() - (1 - o.sigmoid()).log())),
        "is 0, and its log",
    ),
    ("dien-4", "the layer itself", the_layer, "Do without"),
]

WRONG += [
    (
        "dien-5",
        "exactly half",
        lambda g: torch.ceil(math.log(0.5) / torch.log(1 - g)),
        "With a gate of 0.5",
    ),
    (
        "dien-2",
        "not low enough",
        lambda h, e, W, m: torch.einsum("blh,hd,bd->bl", h, W, e).masked_fill(~m, -100.0).softmax(1),
        "however low",
    ),
]
