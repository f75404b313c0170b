"""Wrong answers to the exercises of *Training a retriever*, and a part of the hint that each must get."""

import math

import torch
import torch.nn.functional as F

S, Q = torch.tensor([2.0, 1.0, 0.0]), torch.tensor([0.6, 0.3, 0.1])


def of_first(z):
    return F.cross_entropy(z[None], torch.tensor([0])).item()


def loss(tau=True, take=1.0, inside=False, negatives=False, transpose=False, reduction="mean", sign=1):
    def answer(u, v, q, t):
        c = take * torch.log(q)
        c = c.expand(len(q), len(q)) * (1 - torch.eye(len(q)) if negatives else 1)
        s = torch.einsum("bm,cm->bc", u, v)
        z = (s - c) / t if inside else s / (t if tau else 1) - c
        z = z.T if transpose else z
        return sign * F.cross_entropy(z, torch.arange(len(u)), reduction=reduction)

    return answer


def recall(divide, leave_out=True):
    def answer(score, relevant, k):
        best = score.argsort(1, descending=True)[:, :k]
        found = torch.stack([relevant[i, best[i]].sum() for i in range(len(best))]).float()
        values = divide(found, relevant.sum(1), k)
        return values[relevant.sum(1) > 0].mean() if leave_out else values.mean()

    return answer


def share(count, more=1):
    n = count.double() + more
    return n / n.sum()


WRONG = [
    ("retr-1", "no correction", of_first(S), "correction is missing"),
    ("retr-1", "negatives alone", of_first(S - Q.log() * torch.tensor([0.0, 1.0, 1.0])), "negatives alone"),
    ("retr-1", "added", of_first(S + Q.log()), "You added log q"),
    ("retr-1", "a probability", (S - Q.log()).softmax(0)[0].item(), "That is the probability"),
    ("retr-1", "q for log q", of_first(S - Q), "not q"),
    ("retr-2", "no correction", loss(take=0.0), "correction is missing"),
    ("retr-2", "negatives alone", loss(negatives=True), "negatives alone"),
    ("retr-2", "no temperature", loss(tau=False), "temperature is missing"),
    ("retr-2", "added", loss(take=-1.0), "You added log q"),
    ("retr-2", "all divided", loss(inside=True), "Only the product"),
    ("retr-2", "over users", loss(transpose=True), "runs over the users"),
    ("retr-2", "sum", loss(reduction="sum"), "not a sum"),
    ("retr-3", "batch alone", lambda q, lam, n: q.log(), "the batch alone"),
    (
        "retr-3",
        "mean of logs",
        lambda q, lam, n: lam * q.log() - (1 - lam) * torch.tensor(float(n)).log(),
        "mean of logarithms",
    ),
    ("retr-3", "swapped", lambda q, lam, n: (q + lam * (1 / n - q)).log(), "at the other"),
    ("retr-3", "no log", lambda q, lam, n: lam * (q - 1 / n) + 1 / n, "Its logarithm"),
    ("retr-3", "no n", lambda q, lam, n: (1 - lam * (1 - q)).log(), "once in n"),
    ("retr-4", "precision", recall(lambda f, r, k: f / k), "that is precision"),
    ("retr-4", "hit rate", recall(lambda f, r, k: (f > 0).float()), "hit rate"),
    ("retr-4", "pooled", recall(lambda f, r, k: f.sum() / r.sum() + 0 * f), "divided once"),
    ("retr-4", "zeros count", recall(lambda f, r, k: f / r.clamp(min=1), leave_out=False), "counts as 0"),
    ("retr-4", "capped", recall(lambda f, r, k: f / r.clamp(min=1, max=k)), "at most k"),
    ("retr-5", "taken off", lambda s, c, a: s - a * share(c).log(), "You took it off"),
    ("retr-5", "log of 0", lambda s, c, a: s + a * share(c, 0).log(), "minus infinity"),
    ("retr-5", "no log", lambda s, c, a: s + a * share(c), "logarithm is missing"),
    ("retr-5", "no alpha", lambda s, c, a: s + share(c).log(), "α is missing"),
    (
        "retr-5",
        "mixture",
        lambda s, c, a: torch.lerp(s.double(), share(c).log().expand_as(s), a),
        "You mixed",
    ),
]

# Found by a second blind attack: answers of somebody who had seen neither the checks nor the solutions.
WRONG += [
    (
        "retr-1",
        "like only",
        of_first(torch.tensor([2 - math.log(0.6), 1.0, 0.0])),
        "corrected the like alone",
    ),
    ("retr-2", "turned", lambda u, v, q, t: loss()(v, u, q, t), "The scores are turned"),
    ("retr-2", "times tau", lambda u, v, q, t: loss()(u, v, q, 1 / t), "do not multiply"),
    (
        "retr-2",
        "all pairs",
        lambda u, v, q, t: -(u @ v.T / t - q.log()).log_softmax(1).mean(),
        "on the diagonal",
    ),
    (
        "retr-2",
        "yes or no",
        lambda u, v, q, t: F.binary_cross_entropy_with_logits(u @ v.T / t - q.log(), torch.eye(len(u))),
        "yes or no",
    ),
    ("retr-3", "batch part only", lambda q, lam, n: math.log(lam * q), "a second way"),
    ("retr-3", "n minus 1", lambda q, lam, n: math.log(lam * q + (1 - lam) / (n - 1)), "not n - 1"),
    (
        "retr-4",
        "k minus 1",
        lambda s, r, k: (r.gather(1, s.topk(k - 1).indices).sum(1) / r.sum(1))[r.any(1)].mean(),
        "One place too few",
    ),
    ("retr-5", "one below", lambda s, c, a: s + a * ((c + 1) / (c.sum() + 1)).log(), "once more below"),
    ("retr-5", "power", lambda s, c, a: s + share(c) ** a, "to the power"),
]

# Found by a student who worked through the chapter from the text alone.
WRONG += [
    (
        "retr-2",
        "the first film",
        lambda u, v, q, t: F.cross_entropy(u @ v.T / t - q.log(), torch.zeros(len(u), dtype=torch.long)),
        "the first film",
    ),
    (
        "retr-2",
        "softmax twice",
        lambda u, v, q, t: F.cross_entropy((u @ v.T / t - q.log()).softmax(1), torch.arange(len(u))),
        "has the softmax inside",
    ),
    (
        "retr-4",
        "precision of all users",
        recall(lambda f, r, k: f / k, leave_out=False),
        "that is precision",
    ),
]
