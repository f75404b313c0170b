"""Wrong answers to the exercises on attention over pairs, and a part of the hint that each must get."""

import math

import torch
import torch.nn.functional as F


def scores(e, W, b, h):
    return torch.einsum("bpt,t->bp", (torch.einsum("bpd,td->bpt", e, W) + b).clamp(min=0), h)


def one_weight(e, W, b, h):
    return F.softmax(F.relu(e.sum(1) @ W.T + b) @ h[:, None], dim=1)


def axis_of_one(e, W, b, h):
    return F.softmax(scores(e, W, b, h).unsqueeze(-1), dim=-1).squeeze(-1)


def no_relu(e, W, b, h):
    return F.softmax((e @ W.T + b) @ h, dim=1)


def gradients(model, batch):
    for value in model.parameters():
        value.grad = None
    F.binary_cross_entropy_with_logits(model(batch), batch.label).backward()
    return dict(model.named_parameters())


def only_none(model, batch):
    return [name for name, value in sorted(gradients(model, batch).items()) if value.grad is None]


def only_zeros(model, batch):
    found = gradients(model, batch)
    return sorted(n for n, v in found.items() if v.grad is not None and v.grad.abs().max() == 0)


def any_zero(model, batch):
    found = gradients(model, batch)
    return sorted(n for n, v in found.items() if v.grad is None or (v.grad == 0).any())


def living(model, batch):
    found = gradients(model, batch)
    return sorted(n for n, v in found.items() if v.grad is not None and v.grad.abs().sum() > 0)


def counted(model, batch):
    return len(gradients(model, batch)) - len(living(model, batch))


def softmax_alone(s, c):
    return torch.softmax(s, 0) * c


def diagonal(s, c):
    a = torch.softmax(s, 0)
    return (a - a**2) * c


def plain_mean(s, c):
    return torch.softmax(s, 0) * (c - c.sum() / len(c))


def no_factor(s, c):
    return c - torch.softmax(s, 0) @ c


def turned(s, c):
    a = torch.softmax(s, 0)
    return a * (a @ c - c)


def term(a, e, p):
    return a * (e * p).sum(-1)


def normal(x):
    return x / x.sum()


def unmoved(model, batch):
    return sorted(set(gradients(model, batch)) - set(living(model, batch)))


def summed(model, batch):
    found = gradients(model, batch)
    return sorted(n for n, v in found.items() if v.grad is None or v.grad.sum() == 0)


def small(model, batch):
    found = gradients(model, batch)
    return sorted(n for n, v in found.items() if v.grad is None or v.grad.abs().max() < 0.05)


def layers(model, batch):
    return sorted({name.split(".")[0] for name in unmoved(model, batch)})


WRONG = [
    ("afm-1", "no weights", 3 + 1 + 4, "without weights"),
    ("afm-1", "mean", 8 / 3, "equal weights"),
    ("afm-1", "not divided", 1 * 3 + 3 * 1 + 2 * 4, "by their sum, 6"),
    ("afm-1", "scores as weights", math.log(3) + 4 * math.log(2), "scores themselves"),
    ("afm-1", "pooled", torch.tensor([7 / 6, 7 / 6]), "pooled vector"),
    ("afm-1", "largest only", 1, "alone"),
    ("afm-2", "over the batch", lambda *x: F.softmax(scores(*x), dim=0), "over the batch"),
    ("afm-2", "scores", scores, "These are the scores"),
    ("afm-2", "no relu", no_relu, "ReLU is missing"),
    ("afm-2", "no bias", lambda e, W, b, h: F.softmax(F.relu(e @ W.T) @ h, dim=1), "bias b"),
    ("afm-2", "pooled first", one_weight, "after pooling"),
    ("afm-2", "axis of size one", axis_of_one, "axis of size 1. Let"),
    ("afm-2", "sigmoid", lambda *x: torch.sigmoid(scores(*x)), "sigmoid"),
    ("afm-3", "by the weights", lambda s, c: c.clone(), "one step on"),
    ("afm-3", "denominator kept", softmax_alone, "denominator"),
    ("afm-3", "own weight only", diagonal, "all *other* pairs"),
    ("afm-3", "plain mean", plain_mean, "weighted one"),
    ("afm-3", "no factor", no_factor, "in front is missing"),
    ("afm-3", "sign", turned, "sign is wrong"),
    ("afm-4", "none only", only_none, "tensor of zeros"),
    ("afm-4", "zeros only", only_zeros, "has None"),
    ("afm-4", "any entry", any_zero, "*every* entry"),
    ("afm-4", "living", living, "living ones"),
    ("afm-4", "count", counted, "their names"),
    ("afm-5", "variance", lambda a, e, p: normal(term(a, e, p).var(0)), "variance"),
    ("afm-5", "no share", lambda a, e, p: term(a, e, p).std(0), "Divide by the sum"),
    ("afm-5", "no weights", lambda a, e, p: normal((e @ p).std(0)), "weights are missing"),
    ("afm-5", "weights only", lambda a, e, p: normal(a.std(0)), "how the weights vary"),
    ("afm-5", "mean weight", lambda a, e, p: a.mean(0), "improve on"),
    ("afm-5", "size", lambda a, e, p: normal(term(a, e, p).abs().mean(0)), "not its size"),
    ("afm-1", "one coordinate", 7 / 6, "half of it"),
    (
        "afm-2",
        "over everything",
        lambda *x: F.softmax(scores(*x).flatten(), 0).view_as(scores(*x)),
        "whole batch",
    ),
    ("afm-2", "exponentials", lambda *x: scores(*x).exp(), "not yet weights"),
    (
        "afm-2",
        "over the layer",
        lambda e, W, b, h: F.softmax(F.relu(e @ W.T + b), -1) @ h,
        "over the t numbers",
    ),
    ("afm-3", "plain sum", lambda s, c: torch.softmax(s, 0) * (c - c.sum()), "not the plain sum"),
    ("afm-3", "without c", lambda s, c: torch.softmax(s, 0) - torch.softmax(s, 0) ** 2, "its own score"),
    ("afm-5", "weighed late", lambda a, e, p: normal(a.mean(0) * (e @ p).std(0)), "in each row first"),
    ("afm-5", "softmax", lambda a, e, p: F.softmax(term(a, e, p).std(0), 0), "bends the proportions"),
    ("afm-1", "score of zero", (3 * 1 + 2 * 4) / (3 + 2), "not a weight of 0"),
    (
        "afm-1",
        "twice exponential",
        F.softmax(torch.tensor([1.0, 3, 2]), 0) @ torch.tensor([3.0, 1, 4]),
        "twice",
    ),
    ("afm-2", "no exponentials", lambda *x: scores(*x) / scores(*x).sum(1)[:, None], "may be negative"),
    ("afm-2", "no h", lambda e, W, b, h: F.softmax(F.relu(e @ W.T + b).sum(2), 1), "h is missing"),
    ("afm-2", "relu early", lambda e, W, b, h: F.softmax((e.clamp(min=0) @ W.T + b) @ h, 1), "bend e itself"),
    (
        "afm-2",
        "pooled",
        lambda e, W, b, h: torch.einsum("bp,bpd->bd", F.softmax(scores(e, W, b, h), 1), e),
        "went on and pooled",
    ),
    (
        "afm-3",
        "jacobian",
        lambda s, c: torch.diag(s.softmax(0)) - torch.outer(s.softmax(0), s.softmax(0)),
        "follows each score",
    ),
    ("afm-3", "mean outside", lambda s, c: (s.softmax(0) * c) - s.softmax(0) @ c, "belongs to both"),
    ("afm-3", "no weights", lambda s, c: c - c.mean(), "missing twice"),
    ("afm-3", "weights", lambda s, c: s.softmax(0), "two pairs with equal scores"),
    ("afm-4", "sums", summed, "cancel"),
    ("afm-4", "layers", layers, "name the layers"),
    ("afm-4", "string", lambda *x: ", ".join(unmoved(*x)), "One string"),
    ("afm-4", "small", small, "None, or zero in every entry"),
    ("afm-5", "mean term", lambda a, e, p: normal(term(a, e, p).mean(0)), "mean term"),
    ("afm-5", "no p", lambda a, e, p: normal((a * e.sum(2)).std(0)), "with p: `e @ p`"),
    (
        "afm-5",
        "spread of the sum",
        lambda a, e, p: term(a, e, p).std(0) / term(a, e, p).sum(1).std(),
        "spread of the pairs' sum",
    ),
    (
        "afm-5",
        "of the largest",
        lambda a, e, p: term(a, e, p).std(0) / term(a, e, p).std(0).max(),
        "the second never varies",
    ),
]

WRONG += [
    ("afm-2", "tanh", lambda e, W, b, h: ((e @ W.T + b).tanh() @ h).softmax(1), "bend with tanh"),
    (
        "afm-2",
        "h inside",
        lambda e, W, b, h: ((e @ W.T + b) * h).relu().sum(2).softmax(1),
        "inside your ReLU",
    ),
]


def of_each_row(a, e, p):
    term = (a * (e @ p)).abs()
    return (term / term.sum(1, keepdim=True)).mean(0)


def dead_layers(model, batch):
    model.zero_grad()
    F.binary_cross_entropy_with_logits(model(batch), batch.label).backward()
    dead = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    return sorted(name.split(".")[0] for name in dead)


WRONG += [
    ("afm-2", "mean for h", lambda e, W, b, h: (e @ W.T + b).relu().mean(2).softmax(1), "You average"),
    (
        "afm-2",
        "root",
        lambda e, W, b, h: ((e @ W.T + b).relu() @ h / len(h) ** 0.5).softmax(1),
        "divided by a root",
    ),
    ("afm-4", "layers, with repeats", dead_layers, "name the layers"),
    ("afm-5", "share in each row", of_each_row, "share in each row"),
]


def never_backward(model, batch):
    model.zero_grad()
    F.binary_cross_entropy_with_logits(model(batch), batch.label)
    return sorted(n for n, p in model.named_parameters() if p.grad is None or not p.grad.any())


def none_compared(model, batch):
    model.zero_grad()
    F.binary_cross_entropy_with_logits(model(batch), batch.label).backward()
    return sorted(n for n, p in model.named_parameters() if (p.grad == 0).all())


def no_sum(s, c):
    return s.exp() * (c - s.exp() @ c)


def in_per_cent(a, e, p):
    spread = (a * (e @ p)).std(0)
    return 100 * spread / spread.sum()


WRONG += [
    ("afm-1", "weights exchanged", (1 * 3 + 2 * 1 + 3 * 4) / 6, "stand at other pairs"),
    ("afm-2", "bias behind", lambda e, W, b, h: (((e @ W.T).relu() + b) @ h).softmax(1), "bias b"),
    ("afm-3", "exponentials", no_sum, "do not sum to 1"),
    ("afm-4", "never backward", never_backward, "nobody has called"),
    ("afm-4", "None == 0", none_compared, "None has no numbers"),
    ("afm-5", "in per cent", in_per_cent, "in per cent"),
]
