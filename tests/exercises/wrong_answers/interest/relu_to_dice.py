"""Wrong answers to the exercises of *From ReLU to Dice*, and a part of the hint that each must get."""

import torch
from torch import sigmoid


def gate(s, mean, var, eps):
    return sigmoid((s - mean) / (var + eps) ** 0.5)


def dice(s, alpha, mean, var, eps):
    p = gate(s, mean, var, eps)
    return s * (alpha + (1 - alpha) * p)


def gate_held(s, alpha, mean, var):
    return alpha + (1 - alpha) * gate(s, mean, var, 0)


def slope(s, alpha, mean, var, inner=None, gain=True, outer=True):
    p = gate(s, mean, var, 0)
    inner = 1 / var.sqrt() if inner is None else inner(var)
    moved = p * (1 - p) * inner * ((1 - alpha) if gain else 1)
    return gate_held(s, alpha, mean, var) + (s * moved if outer else moved)


def running(batches, momentum=0.1, keep=0.9, var=torch.var, start=1.0):
    m, v = 0.0, start
    for batch in batches:
        m, v = keep * m + (1 - keep) * batch.mean(), keep * v + (1 - keep) * var(batch)
    return torch.tensor([m, v])


def means(batches, momentum=0.1):
    return [torch.stack([f(b) for b in batches]).mean() for f in (torch.mean, torch.var)]


def from_first(batches):
    m, v = batches[0].mean(), batches[0].var()
    for batch in batches[1:]:
        m, v = 0.9 * m + 0.1 * batch.mean(), 0.9 * v + 0.1 * batch.var()
    return m, v


def half_bell(s, alpha, mean, var):
    p = gate(s, mean, var, 0)
    return gate_held(s, alpha, mean, var) + s * (1 - alpha) * (1 - p) / var.sqrt()


def one_plus(s, alpha, mean, var):
    p = gate(s, mean, var, 0)
    return gate_held(s, alpha, mean, var) + s * (1 + alpha) * p * (1 - p) / var.sqrt()


def drifting(batches, momentum=0.1):
    m, v = 0.0, 1.0
    for x in batches:
        m = 0.9 * m + 0.1 * x.mean()
        v = 0.9 * v + 0.1 * ((x - m) * (x - m)).sum() / (len(x) - 1)
    return m, v


def by_autograd(s, alpha, mean, var):
    s = s.clone().requires_grad_()
    p = torch.sigmoid((s - mean) / var.sqrt())
    return torch.autograd.grad((p * s + (1 - p) * alpha * s).sum(), s)[0]


def a_tenth(batches, momentum=0.1):
    mean, var = 0.0, 1.0
    for batch in batches:
        mean, var = 0.9 * mean + 0.1 * batch.mean(), 0.9 * var + 0.1 * batch.var()
    return mean, var


WRONG = [
    ("dice-1", "prelu", [-1, 4], "snaps"),
    ("dice-1", "no second channel", [-2 * 0.269, 4 * 0.731], "is missing"),
    ("dice-1", "swapped", [-2 * 0.731 - 0.269, 4 * 0.269 + 2 * 0.731], "swapped"),
    ("dice-1", "by the variance", dice(torch.tensor([-2.0, 4]), 0.5, 1, 81, 0), "Divide by its root"),
    ("dice-1", "not standardised", dice(torch.tensor([-2.0, 4]), 0.5, 0, 1, 0), "Standardise first"),
    ("dice-1", "n - 1", dice(torch.tensor([-2.0, 4]), 0.5, 1, 12, 0), "n - 1"),
    ("dice-1", "gates", [0.269, 0.731], "Put them into"),
    ("dice-1", "standardised twice", [-0.269 - 0.3655, 0.731 + 0.1345], "-2 and 4"),
    ("dice-1", "alpha on the open side", [-2 * 0.269 - 0.731, 2 * 0.731 + 4 * 0.269], "open side"),
    ("dice-2", "snaps at the mean", lambda s, a, m, v, e: s * torch.where(s > m, 1.0, a), "it snaps"),
    (
        "dice-2",
        "statistics of the batch",
        lambda s, a, m, v, e: dice(s, a, s.mean(0), s.var(0, correction=0), e),
        "of this batch",
    ),
    (
        "dice-2",
        "standardised passes",
        lambda s, a, m, v, e: dice(s, a, m, v, e) / s * (s - m) / (v + e) ** 0.5,
        "What passes",
    ),
    ("dice-2", "no statistics", lambda s, a, m, v, e: dice(s, a, 0, 1, 0), "ignores the statistics"),
    ("dice-2", "not centred", lambda s, a, m, v, e: dice(s, a, 0, v, e), "mean away first"),
    ("dice-2", "by the variance", lambda s, a, m, v, e: dice(s, a, m, (v + e) ** 2, 0), "root of var"),
    ("dice-2", "eps outside", lambda s, a, m, v, e: dice(s, a, m, (v**0.5 + e) ** 2, 0), "under the root"),
    ("dice-2", "no second channel", lambda s, a, m, v, e: dice(s, 0 * a, m, v, e), "channel below"),
    ("dice-2", "gate only", lambda s, a, m, v, e: gate(s, m, v, e), "still to come"),
    ("dice-2", "prelu", lambda s, a, m, v, e: s.clamp(min=0) + a * s.clamp(max=0), "That is PReLU"),
    (
        "dice-3",
        "less the mean",
        lambda s, a, m, v: (
            gate_held(s, a, m, v) + (s - m) * (slope(s, a, m, v, outer=False) - gate_held(s, a, m, v))
        ),
        "not s less",
    ),
    (
        "dice-3",
        "minus",
        lambda s, a, m, v: (
            gate_held(s, a, m, v) + s * (gate_held(s, a, m, v) - slope(s, a, m, v, outer=False))
        ),
        "comes with plus",
    ),
    ("dice-3", "function", lambda s, a, m, v: dice(s, a, m, v, 0), "Dice itself"),
    ("dice-3", "gate held", gate_held, "holds the gate fixed"),
    ("dice-3", "no chain rule", lambda *a: slope(*a, inner=torch.ones_like), "chain rule"),
    ("dice-3", "variance", lambda *a: slope(*a, inner=lambda v: 1 / v), "not 1/var"),
    ("dice-3", "no gain", lambda *a: slope(*a, gain=False), "factor 1 - α"),
    ("dice-3", "no s", lambda *a: slope(*a, outer=False), "factor s"),
    (
        "dice-4",
        "biased",
        lambda b, momentum=0.1: running(b, var=lambda x: x.var(unbiased=False)),
        "is asked for",
    ),
    ("dice-4", "turned", lambda b, momentum=0.1: running(b, keep=0.1), "nine tenths of the way"),
    ("dice-4", "starts at 0", lambda b, momentum=0.1: running(b, start=0.0), "starts at 1"),
    ("dice-4", "deviations", lambda b, momentum=0.1: running(b, var=torch.std), "standard deviations"),
    ("dice-4", "plain mean", means, "plain average"),
    (
        "dice-4",
        "piled up",
        lambda b, momentum=0.1: [0.1 * sum(x.mean() for x in b), 1 + 0.1 * sum(x.var() for x in b)],
        "never take",
    ),
    ("dice-4", "first batch", lambda b, momentum=0.1: from_first(b), "first batch's own"),
    ("dice-5", "median", lambda w, x: -(x @ w.T).quantile(0.5, dim=0), "half of the rows"),
    ("dice-5", "row numbers", lambda w, x: (w @ x.T).max(1).indices, "numbers of the rows"),
    ("dice-5", "sign", lambda w, x: (w @ x.T).max(1).values, "The sign"),
    ("dice-5", "worst row", lambda w, x: -(w @ x.T).min(1).values, "worst row"),
    ("dice-5", "mean", lambda w, x: -(w @ x.T).mean(1), "On average"),
    ("dice-5", "one number", lambda w, x: -(w @ x.T).max(), "One number"),
    ("dice-5", "over units", lambda w, x: -(w @ x.T).max(0).values, "over units"),
    ("dice-1", "alpha as it starts", dice(torch.tensor([-2.0, 4]), 0.25, 1, 9, 0), "where training starts"),
    ("dice-1", "not centred", dice(torch.tensor([-2.0, 4]), 0.5, 0, 9, 0), "take the mean away"),
    ("dice-2", "subtracted", lambda s, a, m, v, e: dice(s, -a, m, v, e), "took one away"),
    ("dice-2", "no 1 - p", lambda s, a, m, v, e: s * (gate(s, m, v, e) + a), "a gate as well"),
    ("dice-2", "factor", lambda s, a, m, v, e: gate(s, m, v, e) * (1 - a) + a, "It multiplies s"),
    (
        "dice-2",
        "tanh",
        lambda s, a, m, v, e: s * (a + (1 - a) * torch.tanh((s - m) / (v + e) ** 0.5)),
        "goes below 0",
    ),
    ("dice-3", "half of the bell", half_bell, "factor σ is missing"),
    (
        "dice-3",
        "gates swapped",
        lambda s, a, m, v: slope(s, a, m, v) + (1 - a) * (1 - 2 * gate(s, m, v, 0)),
        "swapped",
    ),
    ("dice-3", "1 + alpha", one_plus, "not 1 + α"),
    ("dice-4", "around the running mean", drifting, "batch's own mean"),
    ("dice-4", "last batch only", lambda b, momentum=0.1: running(b[-1:]), "the one before left"),
    ("dice-5", "never above 0", lambda w, x: -(w @ x.T).relu().amax(1), "bias above 0"),
    ("dice-5", "inputs apart", lambda w, x: -(w * x.amax(0)).sum(1), "largest of each input"),
    ("dice-5", "last row", lambda w, x: -(w @ x[-1]), "last row only"),
    ("dice-3", "autograd", by_autograd, "Use autograd to test"),
    ("dice-4", "momentum not used", a_tenth, "Use the argument"),
]

WRONG += [
    ("dice-5", "first row", lambda weight, x: -(x @ weight.T)[0], "first row only"),
]
