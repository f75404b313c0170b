"""Wrong answers to the exercises of *DIEN: bugs and variants*, and a part of the hint that each must get."""

import torch


def steps_of(cell, h, steps, a=1.0):
    for _ in range(steps):
        h = cell(torch.zeros_like(h), h, torch.full((len(h),), a))
    return h


def state_as_input(cell, h, steps):
    now = h
    for _ in range(steps):
        now = cell(x=now, h=now, a=torch.ones(now.shape[0]))
    return (h - now).abs().max()


def both(first, second):
    return lambda a, u: (first(a[:, None], u), second(a[:, None], u))


def scaled(a, u):
    return u * a


def moves(attend, h, first, second, mask):
    return not torch.allclose(attend(h, first, mask), attend(h, second, mask))


def sums(attend, h, first, second, mask):
    return torch.allclose(attend(h, first, mask).sum(1), torch.ones(len(h)))


def silent(attend, h, first, second, mask):
    return not attend(h, first, mask)[~mask].any()


WRONG = [
    ("variant-1", "order", [-0.72, -0.44], "wrong order"),
    ("variant-1", "AUGRU first", (-0.02, -0.72), "does not scale it"),
    ("variant-1", "AUGRU second", torch.tensor([-0.44, -0.02]), "scales what is KEPT"),
    ("variant-1", "plain GRU", [-0.44, 0.5 * 0.4 - 0.5], "plain GRU"),
    ("variant-1", "kept", [0.4, 0.2], "Now mix"),
    ("variant-1", "sides exchanged", [-0.44, 0.8 * 0.4 - 0.2], "two sides exchanged"),
    ("variant-2", "order", both(lambda a, u: a + (1 - a) * u, scaled), "the paper's first"),
    ("variant-2", "kept", both(scaled, lambda a, u: 1 - (a + u - a * u)), "what is KEPT"),
    ("variant-2", "scales u", both(scaled, lambda a, u: u - a * u), "The second scales u"),
    ("variant-2", "u keeps", both(scaled, lambda a, u: 1 - u + a * u), "for the gate that keeps"),
    ("variant-2", "added", both(scaled, lambda a, u: u + a), "overlap"),
    ("variant-2", "AGRU", both(lambda a, u: a + 0 * u, lambda a, u: a + (1 - a) * u), "AGRU's gate"),
    ("variant-3", "gate", lambda a, u: 1 - (1 - a) * (1 - u), "the gate of the code"),
    ("variant-3", "kept", lambda a, u: (1 - u - a + a * u) / u, "what is KEPT"),
    ("variant-3", "one lost", lambda a, u: a / u - a, "The 1 is lost"),
    ("variant-3", "product lost", lambda a, u: 1 + a / u, "product is lost"),
    ("variant-3", "u keeps", lambda a, u: 1 / u - 1 + a, "took u for"),
    ("variant-3", "sign", lambda a, u: 1 + a / u + a, "Mind the sign"),
    ("variant-4", "sum only", lambda *a: sums(*a) and silent(*a), "never looks at the candidate"),
    ("variant-4", "difference only", moves, "what the weights of a history sum to"),
    ("variant-4", "padding forgotten", lambda *a: moves(*a) and sums(*a), "gives padding a share"),
    (
        "variant-4",
        "other way round",
        lambda *a: not (moves(*a) and sums(*a) and silent(*a)),
        "the other way round",
    ),
    ("variant-4", "no real sum", lambda *a: False, "You refuse a bilinear"),
    ("variant-4", "weights", lambda attend, h, e, f, mask: attend(h, e, mask), "one True or False"),
    ("variant-5", "gate shut", lambda c, h, n: (steps_of(c, h, n, 0.0) - h).abs().max(), "nothing moves"),
    ("variant-5", "one too many", lambda c, h, n: (steps_of(c, h, n + 1) - h).abs().max(), "once too often"),
    (
        "variant-5",
        "length",
        lambda c, h, n: (steps_of(c, h, n) - h).square().sum().sqrt(),
        "length of the difference",
    ),
    ("variant-5", "state as input", state_as_input, "as the input"),
    ("variant-5", "one step", lambda c, h, n: (steps_of(c, h, 1) - h).abs().max(), "one step"),
    ("variant-5", "mean", lambda c, h, n: (steps_of(c, h, n) - h).abs().mean(), "not the mean"),
    ("variant-5", "state", lambda c, h, n: steps_of(c, h, n), "That is the state"),
    (
        "variant-5",
        "last step",
        lambda c, h, n: (steps_of(c, h, n) - steps_of(c, h, n - 1)).abs().max(),
        "the last step moved",
    ),
    (
        "variant-5",
        "size of the state",
        lambda c, h, n: steps_of(c, h, n).abs().max(),
        "largest number in the",
    ),
    (
        "variant-5",
        "from zeros",
        lambda c, h, n: steps_of(c, torch.zeros_like(h), n).abs().max(),
        "began with zeros",
    ),
    ("variant-5", "one too few", lambda c, h, n: (steps_of(c, h, n - 1) - h).abs().max(), "once too few"),
]

WRONG += [
    ("variant-1", "AIGRU", (0.2 - 0.3, -0.72), "AIGRU's"),
    ("variant-2", "as they came", lambda a, u: (a[:, None].expand_as(u), u), "as they came"),
]
