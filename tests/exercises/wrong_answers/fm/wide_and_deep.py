"""Wrong answers to the exercises on Wide & Deep, and a part of the hint that each must get."""

import torch

sigmoid = torch.sigmoid


def concat(on_f=1.0, rows=1, on_h=1.0, bias=True, late=False):
    def answer(w, b, d):
        matrix, c, a = torch.zeros(d, len(w)), torch.zeros(d), torch.zeros(2 * d)
        matrix[:rows] = w
        if bias:
            c[:rows] = b
        a[:d], a[d : d + rows] = on_f, on_h
        return (matrix, c, a.roll(d)) if late else (matrix, c, a)

    return answer


def pulls(first, second):
    return lambda s, t, y: (first(s, t) - y, second(s, t, y))


def right_second(s, t, y):
    i = sigmoid(t)
    return (sigmoid(s + i) - y) * i * (1 - i)


def world():
    g = torch.Generator().manual_seed(0)
    torch.randperm(40, generator=g), torch.randperm(40, generator=g)
    return torch.rand(40, 40, generator=g)


DRAW = world()

WRONG = [
    ("wd-1", "logits", lambda a, f, h: a + f.sum(1) + h.squeeze(1), "These are the logits"),
    ("wd-1", "double sigmoid", lambda a, f, h: (a + f.sum(1) + h.sigmoid()[:, 0]).sigmoid(), "Two sigmoids"),
    ("wd-1", "ensemble", lambda a, f, h: 0.5 * (sigmoid(a + f.sum(1)) + sigmoid(h[:, 0])), "average two"),
    ("wd-1", "no base", lambda a, f, h: sigmoid(f.sum(1) + h[:, 0]), "base and the single weights"),
    ("wd-1", "no pairs", lambda a, f, h: sigmoid(a + h[:, 0]), "pair sum is missing"),
    ("wd-1", "broadcast", lambda a, f, h: sigmoid(a + f.sum(1) + h), "broadcasts"),
    ("wd-1", "column", lambda a, f, h: sigmoid(a[:, None] + f.sum(1, keepdim=True) + h), "shape is (B, 1)"),
    ("wd-2", "length of a", lambda a, b, n_a, n_b: n_a * a + b, "not n_a"),
    ("wd-2", "other order", lambda a, b, n_a, n_b: a + n_a * b, "field b first"),
    ("wd-2", "product", lambda a, b, n_a, n_b: b * a, "share a product"),
    ("wd-2", "sum", lambda a, b, n_a, n_b: b + a, "share a sum"),
    ("wd-2", "from one", lambda a, b, n_a, n_b: 1 + n_b * a + b, "One too many"),
    (
        "wd-3",
        "no chain",
        pulls(lambda s, t: sigmoid(s + t), lambda s, t, y: sigmoid(s + sigmoid(t)) - y),
        "chain rule",
    ),
    (
        "wd-3",
        "same p",
        pulls(lambda s, t: sigmoid(s + t), lambda s, t, y: (sigmoid(s + t) - y) * sigmoid(t) * sigmoid(-t)),
        "too, not",
    ),
    ("wd-3", "wide forgotten", pulls(lambda s, t: sigmoid(t), right_second), "comes from both"),
    (
        "wd-3",
        "signs",
        lambda s, t, y: (y - sigmoid(s + t), -right_second(s, t, y)),
        "signs are turned",
    ),
    ("wd-3", "mean", lambda s, t, y: ((sigmoid(s + t) - y).mean(), right_second(s, t, y).mean()), "averaged"),
    ("wd-4", "all rows", lambda w, b, d: concat(rows=d)(w, b, d), "several times"),
    ("wd-4", "f forgotten", concat(on_f=0.0), "must be ones"),
    ("wd-4", "h first", concat(late=True), "f stands first"),
    ("wd-4", "h forgotten", concat(on_h=0.0), "silent"),
    ("wd-4", "no bias", concat(bias=False), "up to a constant"),
    ("wd-4", "half", concat(on_h=0.5), "must give w"),
    ("wd-4", "two things", lambda w, b, d: concat()(w, b, d)[:2], "three things"),
    ("wd-5", "none", torch.zeros(40, 40, dtype=torch.bool), "none at all"),
    ("wd-5", "never seen", DRAW > 0.85, "never seen"),
    ("wd-5", "turned", DRAW.ge(0.1) & DRAW.le(0.85), "Turned round"),
    ("wd-5", "numbers", DRAW, "These are numbers"),
    ("wd-5", "strong crosses", DRAW < 0.4, "may be strong"),
    ("wd-5", "too strict", DRAW < 0.03, "too strict"),
    ("wd-5", "rule", (DRAW > 0.3) & (DRAW < 0.35), "follow the rule. Where"),
    ("wd-1", "all rows", lambda a, f, h: sigmoid(a + f.sum() + h[:, 0]), "adds up all rows"),
    ("wd-1", "relu", lambda a, f, h: sigmoid(a + f.sum(1) + h[:, 0].clamp(min=0)), "cuts off every no"),
    ("wd-2", "block only", lambda a, b, n_a, n_b: n_b * a, "Go on to `b`"),
    ("wd-2", "length", lambda a, b, n_a, n_b: n_b * n_a, "whole table"),
    ("wd-2", "one less", lambda a, b, n_a, n_b: a * n_b + (b - 1), "One too few"),
    (
        "wd-3",
        "slope of the whole",
        lambda s, t, y: (
            sigmoid(s + t) - y,
            (sigmoid(s + t.sigmoid()) - y) * sigmoid(s + t.sigmoid()) * sigmoid(-s - t.sigmoid()),
        ),
        "of the whole logit",
    ),
    (
        "wd-3",
        "one sign",
        lambda s, t, y: (y - sigmoid(s + t), right_second(s, t, y)),
        "first has the wrong sign",
    ),
    ("wd-1", "outer sigmoid", lambda a, f, h: sigmoid(sigmoid(a + f.sum(1) + h[:, 0])), "below one half"),
    ("wd-1", "product", lambda a, f, h: sigmoid(a + f.sum(1)) * sigmoid(h[:, 0]), "multiply two"),
    ("wd-1", "half", lambda a, f, h: sigmoid(a + f.sum(1) / 2 + h[:, 0]), "in f already"),
    ("wd-1", "mean of three", lambda a, f, h: sigmoid((a + f.sum(1) + h[:, 0]) / 3), "has the logit 0"),
    ("wd-2", "block too many", lambda a, b, n_a, n_b: n_b + a * n_b + b, "block too many"),
    ("wd-2", "short blocks", lambda a, b, n_a, n_b: b + (n_b - 1) * a, "for the values 0 to"),
    ("wd-2", "both lengths", lambda a, b, n_a, n_b: n_a * a + n_b * b, "they go (0, 0)"),
    (
        "wd-3",
        "other sign",
        lambda s, t, y: (sigmoid(s + t) - y, -right_second(s, t, y)),
        "sign of the second",
    ),
    (
        "wd-3",
        "both slopes",
        lambda s, t, y: (
            sigmoid(s + t) - y,
            right_second(s, t, y) * sigmoid(s + t.sigmoid()) * sigmoid(-s - t.sigmoid()),
        ),
        "Two slopes",
    ),
    (
        "wd-3",
        "slope of the sum",
        lambda s, t, y: (
            sigmoid(s + t) - y,
            (sigmoid(s + t.sigmoid()) - y) * sigmoid(s + t) * sigmoid(-s - t),
        ),
        "of t alone",
    ),
    (
        "wd-3",
        "losses",
        lambda s, t, y: (
            torch.nn.functional.softplus(s + t) - y * (s + t),
            torch.nn.functional.softplus(s + t.sigmoid()) - y * (s + t.sigmoid()),
        ),
        "For s = t = 0",
    ),
]


def of_the_mean(s, t, y):
    n, inner = len(y), torch.sigmoid(t)
    twice = (torch.sigmoid(s + inner) - y) * inner * (1 - inner)
    return (torch.sigmoid(s + t) - y) / n, twice / n


WRONG += [("wd-3", "of the mean", of_the_mean, "number of rows")]
