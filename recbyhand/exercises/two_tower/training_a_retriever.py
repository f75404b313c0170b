"""Checks of chapter 7: training a retriever."""

from __future__ import annotations

import math

import torch

from recbyhand.exercises.engine import close, exercise, function, one_of_wrong
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "retr-1",
    "Take the logarithm of its share off each score, then the softmax, then minus the logarithm of the first.",
    "exp(s) / q is 12.32, 9.06 and 10.",
    todo="Replace the `...` by one number, the loss.",
)
def retr_1(answer):
    e = [math.exp(s) for s in (2.0, 1.0, 0.0)]
    q = (0.6, 0.3, 0.1)

    def loss(terms, first=None):
        first = terms[0] if first is None else first
        return -math.log(first / (first + sum(terms[1:])))

    right = [a / b for a, b in zip(e, q, strict=True)]
    one_of_wrong(
        answer,
        [
            (loss(e), "The correction is missing."),
            (loss(right, e[0]), "You corrected the negatives alone: the like has a share, too."),
            (loss([a * b for a, b in zip(e, q, strict=True)]), "You added log q. Take it off."),
            (math.exp(-loss(right)), "That is the probability of the like; the loss is minus its logarithm."),
            (-loss(right), "The sign is turned round: a loss is not negative."),
            (round(loss(right), 2), "Nearly. Did you round? Let Python compute it, and keep all digits."),
            (
                loss([math.exp(s - b) for s, b in zip((2.0, 1.0, 0.0), q, strict=True)]),
                "Take off log q, not q.",
            ),
            (loss([right[0], *e[1:]]), "The negatives have shares, too: you corrected the like alone."),
            (loss([right[2], right[0], right[1]]), "The user liked the first film, not the last."),
            (
                loss([math.exp(s - math.log10(b)) for s, b in zip((2.0, 1.0, 0.0), q, strict=True)]),
                "The logarithm is the natural one.",
            ),
            (2 - math.log(0.6), "That is the corrected score of the like. The softmax is missing."),
        ],
    )
    close(
        answer,
        loss(right),
        rtol=1e-3,
        hint="Not yet. Write the three terms exp(s) / q, and the part of the first.",
    )


def _loss_inputs(g: torch.Generator):
    q = torch.rand(5, generator=g) + 0.05
    return torch.randn(5, 3, generator=g), torch.randn(5, 3, generator=g), q / q.sum(), 0.7


def _loss(u, v, q, tau):
    total = 0.0
    for b in range(len(u)):
        z = [float(u[b].double() @ v[c].double()) / tau - math.log(float(q[c])) for c in range(len(v))]
        total += math.log(sum(math.exp(x) for x in z)) - z[b]
    return total / len(u)


def _slip(change=lambda s, log_q, tau: s / tau - log_q, dim=1, total=False, sign=-1):
    def slip(u, v, q, tau):
        z = change(u @ v.T, q.log(), tau)
        right = z.log_softmax(dim).diagonal()
        return sign * (right.sum() if total else right.mean())

    return slip


@exercise(
    "retr-2",
    "Scores (B, B) divided by τ; log q of the film taken off each column; minus the mean of the diagonal after "
    "`log_softmax`.",
    "`z = u @ v.T / tau - q.log()`: the last axis of z is the films, so q fits without a new axis.",
    todo="Complete the function `loss(u, v, q, tau)`: it returns one number.",
)
def retr_2(answer):
    function(
        answer,
        inputs=_loss_inputs,
        oracle=_loss,
        wrong=[
            (
                _slip(lambda s, log_q, tau: s / tau),
                "The correction is missing; or it went to the rows, the users, where it does nothing, since a row "
                "shares it.",
            ),
            (_slip(lambda s, log_q, tau: s - log_q), "The temperature is missing."),
            (_slip(lambda s, log_q, tau: s / tau + log_q), "You added log q. Take it off."),
            (
                _slip(lambda s, log_q, tau: (s - log_q) / tau),
                "Only the product is divided by τ, log q is not.",
            ),
            (
                _slip(lambda s, log_q, tau: s / tau - log_q * (1 - torch.eye(len(s)))),
                "You corrected the negatives alone: the like has a share, too.",
            ),
            (
                _slip(dim=0),
                "The softmax runs over the users. Each user chooses among films: over the columns of a row.",
            ),
            (
                lambda u, v, q, tau: -(u @ v.T / tau - q.log()).log_softmax(1)[:, 0].mean(),
                "You take the first film as the like of all. The like of row b stands in column b.",
            ),
            (
                lambda u, v, q, tau: -(u @ v.T / tau - q.log()).softmax(1).log_softmax(1).diagonal().mean(),
                "`cross_entropy` has the softmax inside: give it the logits as they are.",
            ),
            (_slip(total=True), "A mean over the batch, not a sum."),
            (_slip(sign=1), "The sign is turned round: a loss is not negative."),
            (
                lambda u, v, q, tau: _slip()(v, u, q, tau),
                "The scores are turned: a row is a user, a column a film: `u @ v.T`.",
            ),
            (_slip(lambda s, log_q, tau: s * tau - log_q), "Divide by the temperature, do not multiply."),
            (_slip(lambda s, log_q, tau: s / tau - log_q.exp()), "Take off log q, not q."),
            (
                lambda u, v, q, tau: -(u @ v.T / tau - q.log()).softmax(1).diagonal().mean(),
                "The logarithm of the softmax is missing.",
            ),
            (
                lambda u, v, q, tau: _loss(
                    torch.nn.functional.normalize(u, dim=1), torch.nn.functional.normalize(v, dim=1), q, tau
                ),
                "You scale the vectors to length 1. Take them as they come.",
            ),
            (
                lambda u, v, q, tau: -(u @ v.T / tau - q.log()).log_softmax(1).mean(),
                "You average over all pairs. The user's own film stands on the diagonal.",
            ),
            (
                lambda u, v, q, tau: torch.nn.functional.binary_cross_entropy_with_logits(
                    u @ v.T / tau - q.log(), torch.eye(len(u))
                ),
                "That is a yes or no for each pair. A softmax lets the films of a row compete.",
            ),
        ],
    )


@exercise(
    "retr-3",
    "A negative is this film in two ways: from the batch, or from the uniform draw. Add their probabilities.",
    "λ q from the batch, (1 − λ) / n from the uniform draw.",
    todo="Complete the function `taken_off(q, lam, n)`: it returns a number or a tensor.",
    solved="Right. With λ = 1 this is logQ, with λ = 0 one number for all films.",
)
def retr_3(answer):
    function(
        answer,
        inputs=lambda g: (
            0.01 + 0.3 * torch.rand(1, generator=g).squeeze(),
            0.2 + 0.2 * float(torch.rand(1, generator=g)),
            50,
        ),
        oracle=lambda q, lam, n: math.log(lam * float(q) + (1 - lam) / n),
        wrong=[
            (lambda q, lam, n: math.log(q), "That is the batch alone."),
            (
                lambda q, lam, n: lam * math.log(q) + (1 - lam) * math.log(1 / n),
                "That is a mean of logarithms. Take the logarithm of the mean.",
            ),
            (
                lambda q, lam, n: math.log((1 - lam) * q + lam / n),
                "λ is the share of the batch: you have it at the other.",
            ),
            (
                lambda q, lam, n: lam * q + (1 - lam) / n,
                "That is the probability. Its logarithm is taken off.",
            ),
            (lambda q, lam, n: math.log(lam * q + 1 - lam), "A uniform draw is this film once in n times."),
            (
                lambda q, lam, n: -math.log(lam * q + (1 - lam) / n),
                "The sign is turned round: this is taken off.",
            ),
            (lambda q, lam, n: math.log(q + 1 / n), "Weigh the two ways by λ and 1 − λ."),
            (
                lambda q, lam, n: math.log(lam * q),
                "There is a second way: the uniform draw. Add its probability.",
            ),
            (
                lambda q, lam, n: math.log(lam * q + (1 - lam) * n),
                "A uniform draw is this film once in n times: divide by n.",
            ),
            (lambda q, lam, n: math.log10(lam * q + (1 - lam) / n), "The logarithm is the natural one."),
            (
                lambda q, lam, n: math.log(lam * q + (1 - lam) / (n - 1)),
                "The uniform draw is among all n films, not n - 1.",
            ),
            (
                lambda q, lam, n: math.log(lam * q * (1 - lam) / n),
                "The two ways are alternatives: add their probabilities, do not multiply them.",
            ),
        ],
    )


def _recall_inputs(g: torch.Generator):
    relevant = torch.rand(5, 12, generator=g).argsort(1) < torch.tensor([1, 6, 0, 3, 2])[:, None]
    return torch.randn(5, 12, generator=g), relevant, 4


def _recall(score, relevant, k):
    shares = []
    for s, r in zip(score.tolist(), relevant.tolist(), strict=True):
        best = sorted(range(len(s)), key=lambda i: -s[i])[:k]
        if any(r):
            shares.append(sum(r[i] for i in best) / sum(r))
    return sum(shares) / len(shares)


def _found(score, relevant, k):
    return relevant.gather(1, score.topk(k, dim=1).indices).sum(1).double()


@exercise(
    "retr-4",
    "`score.topk(k, dim=1).indices` are the places; `relevant.gather(1, places)` says which of them count.",
    "Divide by the relevant films of each user, and average over users who have any.",
    todo="Complete the function `recall(score, relevant, k)`: it returns one number.",
)
def retr_4(answer):
    some = lambda r: r.any(1)  # noqa: E731
    function(
        answer,
        inputs=_recall_inputs,
        oracle=_recall,
        wrong=[
            (
                lambda s, r, k: (_found(s, r, k)[some(r)] / k).mean(),
                "You divided by k: that is precision. Recall divides by what there is to find.",
            ),
            (
                lambda s, r, k: (_found(s, r, k) / k).mean(),
                "You divided by k: that is precision. Recall divides by what there is to find.",
            ),
            (
                lambda s, r, k: (_found(s, r, k)[some(r)] > 0).double().mean(),
                "That is the hit rate: one film found counts like all found.",
            ),
            (
                lambda s, r, k: _found(s, r, k).sum() / r.sum(),
                "You divided once, over all users: who likes much then counts more. Divide per user, then average.",
            ),
            (
                lambda s, r, k: (_found(s, r, k) / r.sum(1).clamp(min=1)).mean(),
                "A user with nothing to find counts as 0. Leave such users out.",
            ),
            (
                lambda s, r, k: (_found(s, r, k) / r.sum(1)).mean(),
                "A user with nothing to find gives nan: leave such users out.",
            ),
            (
                lambda s, r, k: (_found(s, r, k)[some(r)] / r[some(r)].sum(1).clamp(max=k)).mean(),
                "You divided by at most k. Divide by all that there is to find.",
            ),
            (
                lambda s, r, k: (_found(-s, r, k)[some(r)] / r[some(r)].sum(1)).mean(),
                "These are the worst k films.",
            ),
            (
                lambda s, r, k: (_found(s, r, k - 1)[some(r)] / r[some(r)].sum(1)).mean(),
                "One place too few: the first k.",
            ),
            (
                lambda s, r, k: _found(s, r, k)[some(r)].mean(),
                "That is how many were found. Divide by what each user has to find.",
            ),
            (
                lambda s, r, k: (
                    (torch.zeros_like(r).scatter(0, s.topk(min(k, len(s)), dim=0).indices, True) & r).sum(1)[
                        some(r)
                    ]
                    / r[some(r)].sum(1)
                ).mean(),
                "You take the best users of each film. A list is a row: dim=1.",
            ),
        ],
    )


def _serve_inputs(g: torch.Generator):
    count = torch.randint(0, 30, (7,), generator=g)
    count[int(torch.randint(7, (1,), generator=g))] = 0
    return torch.randn(3, 7, generator=g), count, 0.6


def _serve(score, count, alpha):
    total = sum(c + 1 for c in count.tolist())
    return torch.tensor(
        [
            [s + alpha * math.log((c + 1) / total) for s, c in zip(row, count.tolist(), strict=True)]
            for row in score.tolist()
        ]
    )


@exercise(
    "retr-5",
    "q is (count + 1) divided by the sum of all count + 1; add α times its logarithm to each column.",
    "`score + alpha * ((count + 1) / (count + 1).sum()).log()`",
    todo="Complete the function `serve(score, count, alpha)`: it returns a tensor of shape (U, I).",
    solved="Right. What training took away can be given back when the list is made, as much of it as validation likes.",
)
def retr_5(answer):
    def share(count):
        return (count + 1) / (count + 1).sum()

    function(
        answer,
        inputs=_serve_inputs,
        oracle=_serve,
        wrong=[
            (
                lambda s, c, a: s - a * share(c).log(),
                "You took it off. The uncorrected score lacks log q: add it.",
            ),
            (
                lambda s, c, a: s + a * (c / c.sum()).log(),
                "A film without a like gets minus infinity: count each once more.",
            ),
            (lambda s, c, a: s + a * share(c), "The logarithm is missing."),
            (lambda s, c, a: s + share(c).log(), "α is missing."),
            (
                lambda s, c, a: s + a * (c + 1.0).log(),
                "That is the logarithm of a count; divide by the sum. (The order is the same.)",
            ),
            (lambda s, c, a: a * s + share(c).log(), "α belongs to log q, not to the score."),
            (lambda s, c, a: (1 - a) * s + a * share(c).log(), "You mixed the two. Only log q is weighed."),
            (
                lambda s, c, a: s + a * ((c + 1) / c.sum()).log(),
                "The shares do not sum to 1: the sum below the line is that of count + 1.",
            ),
            (
                lambda s, c, a: s + a * ((c + 1) / (c.sum() + 1)).log(),
                "The shares do not sum to 1: each film counts once more below the line, too.",
            ),
            (
                lambda s, c, a: s + share(c) ** a,
                "You add the share to the power of α. Its logarithm, times α, is asked for.",
            ),
            (lambda s, c, a: s + (a * share(c)).log(), "α stands before the logarithm, not in it."),
            (lambda s, c, a: s * a * share(c).log(), "Add to the score, do not multiply it."),
            (
                lambda s, c, a: s + a * c.float().log_softmax(0),
                "A softmax of the counts is another q: divide each count + 1 by their sum.",
            ),
        ],
    )


quiz(
    "retr",
    [
        question(
            "What does the uncorrected softmax over the batch learn, at best?",
            (
                "log p − log q, up to a number per user",
                True,
                "Yes: what sets this user apart from the crowd.",
            ),
            ("log p, up to a number per user", False, "That takes the correction."),
            ("log q: it recommends the popular", False, "The other way round: popular films sink."),
            ("Nothing, since negatives are random", False, "Random negatives teach, only something else."),
        ),
        question(
            "Negatives are drawn uniformly from the catalogue. What does logQ take off?",
            ("The same number for all films, so it may be left out", True, "Yes: a softmax does not see it."),
            ("The share of likes of each film", False, "Uniform draws do not know it."),
            ("Nothing can be said", False, "q(i) is 1 divided by the number of films."),
        ),
        question(
            "Where does log q enter when the list for a user is made?",
            ("Nowhere: the correction is for training", True, "Yes: s itself has learned log p."),
            ("It is taken off each score", False, "Then popularity is taken away a second time."),
            ("It is added to each score", False, "That repairs a model trained without the correction."),
        ),
        question(
            "Why is a very hard negative dangerous?",
            (
                "It may be a film that the user would like",
                True,
                "Yes: among the films that a model ranks high, later likes are several times as frequent.",
            ),
            ("Its gradient is 0", False, "It has the largest gradient."),
            ("It is too popular to be a negative", False, "Hardness is about the score."),
        ),
        question(
            "Cosines as logits, without a temperature: what happens?",
            (
                "No softmax over many films can be sharp",
                True,
                "Yes: logits between −1 and 1 differ by a factor of 7.4 at most.",
            ),
            ("The loss becomes negative", False, "A softmax's loss never is."),
            ("Nothing, training scales them", False, "Vectors of length 1 have no scale to learn."),
        ),
    ],
)
