"""Checks of chapter 5: joint training."""

from __future__ import annotations

import math

import torch

from recbyhand.exercises.engine import close, exercise, function, one_of_wrong
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "joint-1",
    "The loss of the equation: the click's cost, plus alpha times the *mean* of the other costs.",
    "The mean of 2, 1 and 3 is 2, and alpha is 0.2.",
    todo="Replace the `...` by the loss of this row.",
    solved="Right. A mean, not a sum: long histories do not outvote the click.",
)
def joint_1(answer):
    one_of_wrong(
        answer,
        [
            (1.7, "You added the three costs up. The second loss is their mean."),
            (2.5, "The second loss counts alpha times."),
            (6.5, "The second loss is a mean, and counts alpha times."),
            (0.4, "That is the second part alone. The click's cost is in it, too."),
            (0.5, "That is the click alone."),
            (
                0.8,
                "The click keeps its full weight: no mixture with 1 - alpha, and no mean over four.",
            ),
            (2.1, "Alpha belongs to the second loss, not to the click."),
            (1.0, "Costs of the click and of the films do not go into one mean."),
            (1.625, "Costs of the click and of the films do not go into one mean."),
            (0.7, "Alpha times the *mean*: you took the smallest cost."),
            (1.1, "Alpha times the *mean*: you took the largest cost."),
        ],
    )
    close(answer, 0.9, hint="Not yet: 0.5 plus 0.2 times the mean of 2, 1 and 3.")


def _shift(e, start):
    """Row by row."""
    return torch.stack([torch.stack([start, *row]) for row in e])


def _start(e, start):
    return start.expand(len(e), 1, -1)


@exercise(
    "joint-2",
    "The start vector, once per row, then all events: L + 1 places.",
    "`start.expand(len(e), 1, -1)` is (B, 1, d). Concatenate along dim=1.",
    todo="Complete the function `shifted(e, start)`: it returns a tensor of shape (B, L + 1, d).",
    solved="Right. Place k holds event k and is asked for event k + 1, which stands behind it.",
)
def joint_2(answer):
    function(
        answer,
        inputs=lambda g: (torch.randn(3, 4, 2, generator=g), torch.randn(2, generator=g)),
        oracle=_shift,
        wrong=[
            (
                lambda e, s: torch.cat([e, _start(e, s)], 1),
                "The start stands at the end. It comes first: the rest moves one to the right.",
            ),
            (
                lambda e, s: torch.cat([_start(e, s), e[:, :-1]], 1),
                "The last event is gone. The state after it is the one that answers the click.",
            ),
            (
                lambda e, s: torch.cat([_start(e, s) * 0, e], 1),
                "A place of zeros instead of the learned `start`.",
            ),
            (lambda e, s: e, "Nothing is shifted: place k holds the film that it must guess."),
            (
                lambda e, s: torch.cat([_start(e, s), e.flip(1)], 1),
                "The events are turned round. Oldest first.",
            ),
            (lambda e, s: e.roll(1, 1), "`roll` brings the last event to the front: the future in place 0."),
        ],
    )


@exercise(
    "joint-3",
    "The right film gets probability 1 from the first softmax, the others 0. These are now taken for scores.",
    "A softmax of (1, 0, ..., 0) gives the first e / (e + n - 1).",
    "Minus the logarithm of that: ln(e + n - 1) - 1.",
    todo="Complete the function `floor(n)`: it returns a number.",
    solved="Right. For 1,000 films it is 5.909, just 1 below ln 1000 = 6.908, which is guessing.",
)
def joint_3(answer):
    function(
        answer,
        inputs=lambda g: (int(torch.randint(3, 3000, (1,), generator=g)),),
        oracle=lambda n: -math.log(math.e / (math.e + n - 1)),
        wrong=[
            (
                lambda n: 0.0,
                "That is the floor of *one* softmax. Here the probabilities 1, 0, ... go through another.",
            ),
            (
                lambda n: math.log(n),
                "That is what guessing costs. A sure and right answer costs a little less.",
            ),
            (lambda n: math.log(math.e + n) - 1, "There are n films: one right, n - 1 others."),
            (lambda n: math.log(math.e + n - 1), "The numerator is e, not 1: its logarithm is taken off."),
            (lambda n: math.log(n - 1), "The right film is in the sum, too, with e to the 1."),
            (
                lambda n: math.e / (math.e + n - 1),
                "That is the probability. The cost is minus its logarithm.",
            ),
            (
                lambda n: math.log2(math.e + n - 1) - 1,
                "The logarithm is the natural one.",
            ),
            (lambda n: math.log(1 + n) - 1, "A score of 1 counts e to the 1, not 1."),
        ],
    )


def _next_inputs(g: torch.Generator, B: int = 3, L: int = 4, d: int = 3, M: int = 6):
    mask = torch.arange(L) < torch.tensor([4, 2, 3])[:, None]
    tokens = torch.randint(0, M, (B, L), generator=g) * mask
    return torch.randn(B, L + 1, d, generator=g), tokens, mask, 2 * torch.randn(M, d, generator=g)


def _next(s, tokens, mask, E):
    """Question by question."""
    costs = []
    for row in range(len(tokens)):
        for k in range(tokens.shape[1]):
            if mask[row, k]:
                scores = E.double() @ s[row, k].double()
                costs.append(scores.exp().sum().log() - scores[tokens[row, k]])
    return torch.stack(costs).mean()


def _costs(s, tokens, E, first=0):
    logits = s[:, first : first + tokens.shape[1]] @ E.T
    return -logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]


@exercise(
    "joint-4",
    "State k answers for event k + 1: states 0 ... L - 1 for the L tokens. Only real events count.",
    "`logits = s[:, :-1][mask] @ E.T` has a row for each of the N questions, and `tokens[mask]` are the N answers.",
    "`F.cross_entropy(logits, tokens[mask])` has the softmax and the mean in it.",
    todo="Complete the function `next_loss(s, tokens, mask, E)`: it returns one number.",
    solved="Right. The newest state, s[:, -1] in a full row, answers no question here: it is kept for the click.",
)
def joint_4(answer):
    function(
        answer,
        inputs=_next_inputs,
        oracle=_next,
        wrong=[
            (
                lambda s, t, m, E: _costs(s, t, E, 1)[m].mean(),
                "You took the states *after* each event: they have read the answer. Take s[:, :-1].",
            ),
            (lambda s, t, m, E: _costs(s, t, E).mean(), "The padding counts as well: use the mask."),
            (
                lambda s, t, m, E: _costs(s, t, E)[m].sum(),
                "The mean over the questions is asked for, not the sum.",
            ),
            (
                lambda s, t, m, E: ((_costs(s, t, E) * m).sum(1) / m.sum(1)).mean(),
                "You averaged within each row first. All questions count alike.",
            ),
            (
                lambda s, t, m, E: (_costs(s, t, E) * m).sum() / m.numel(),
                "Divide by the number of real events, not of all places.",
            ),
            (
                lambda s, t, m, E: torch.nn.functional.cross_entropy((s[:, :-1][m] @ E.T).softmax(-1), t[m]),
                "`cross_entropy` has the softmax inside: give it the scores as they are.",
            ),
            (
                lambda s, t, m, E: (
                    -(s[:, :-1] @ E.T).log_softmax(0).gather(-1, t[..., None])[..., 0][m].mean()
                ),
                "The softmax runs over the batch. It belongs over the films: dim=-1.",
            ),
            (
                lambda s, t, m, E: -_costs(s, t, E)[m].mean(),
                "The sign is turned round: a cost is minus a logarithm.",
            ),
            (
                lambda s, t, m, E: (
                    -(s[:, :-1] @ E.T).log_softmax(1).gather(-1, t[..., None])[..., 0][m].mean()
                ),
                "The softmax runs over the places. It belongs over the films: dim=-1.",
            ),
            (
                lambda s, t, m, E: -(-_costs(s, t, E)).exp()[m].mean(),
                "That is minus the probability: its logarithm is missing.",
            ),
            (
                lambda s, t, m, E: _costs(s, t, E)[m].sum() / len(m),
                "You divide by the number of rows. Divide by the number of real events.",
            ),
            (
                lambda s, t, m, E: _costs(s, t, E)[torch.arange(len(t)), m.sum(1) - 1].mean(),
                "You ask for the last event of each history alone. Every real event is a question.",
            ),
        ],
    )


def _reach_inputs(g: torch.Generator, n: int = 5):
    reach = torch.rand(n + 1, n, generator=g) + 0.5
    keep = torch.ones(n + 1, n).tril(-1)  # state k knows columns 0 ... k - 1
    extra = torch.rand(n + 1, n, generator=g) > 0.6
    extra[2, 2] = extra[1, 4] = True  # at least one on the edge, one beyond it
    keep[3, 0] = 0.0  # and one that could be known, yet is not
    extra[1, 3] = True
    reach[2, 2], reach[1, 3], reach[1, 4] = 1e-5, 1e-5, -1.0  # a small gradient is one, and so is one below 0
    return (reach * ((keep > 0) | (extra & (keep == 0))),)


def _leaks(reach):
    return sum(float(reach[k, j]) != 0 for k in range(len(reach)) for j in range(reach.shape[1]) if j >= k)


@exercise(
    "joint-5",
    "State k may know events 1 ... k; these are columns 0 ... k - 1. What lies to the right of them must be 0.",
    "`torch.triu(reach)` keeps the columns j >= k.",
    "`(torch.triu(reach) != 0).sum()`",
    todo="Complete the function `leaks(reach)`: it returns a whole number.",
    solved="Right. It must be 0, before any training, whatever the weights.",
)
def joint_5(answer):
    function(
        answer,
        inputs=_reach_inputs,
        oracle=_leaks,
        wrong=[
            (
                lambda r: (r.triu(1) != 0).sum(),
                "One diagonal is missing: state k must not know event k + 1, column k, which it has to guess.",
            ),
            (lambda r: (r != 0).sum(), "Those below are allowed: state k knows events 1 ... k."),
            (lambda r: (r.tril(-1) != 0).sum(), "These are the ones that are allowed. Count the others."),
            (
                lambda r: (r.tril() != 0).sum(),
                "These are mostly the ones that are allowed. Count those to the right.",
            ),
            (lambda r: r.triu().sum(), "The number of leaks is asked for, not the size of their gradients."),
            (lambda r: (r.triu() != 0).any(), "Count them: a whole number is asked for."),
            (lambda r: (r == 0).triu().sum(), "You counted the zeros. Leaks are what is not 0."),
            (lambda r: (r.triu() != 0).float().mean(), "The number of them is asked for, not their share."),
            (lambda r: (r.triu() > 0).sum(), "A gradient below 0 is a dependence, too: not 0 is asked."),
            (
                lambda r: (r.triu().abs() > 1e-3).sum(),
                "One leak is small, and still a leak: compare with 0 exactly.",
            ),
            (
                lambda r: (r.tril(-1) == 0).sum(),
                "You count zeros. Leaks are entries that are not 0, to the right.",
            ),
        ],
    )


quiz(
    "joint",
    [
        question(
            "Why does the second loss never ask for the target?",
            ("The target may be a film that was disliked", True, "Yes: *shown* is not *came next*."),
            ("Its vector is not known", False, "It is in the same table as all others."),
            ("The click would then be unknown", False, "The click's loss is there either way."),
            ("To save time", False, "One question more would cost little."),
        ),
        question(
            "What may the decoder's state k know?",
            ("Events 1 ... k", True, "Yes: event k + 1 is what it must tell."),
            ("All events: the encoder has read them", False, "Then the answer stands in its memory."),
            ("Events 1 ... k + 1", False, "Event k + 1 is the answer."),
            ("Nothing but the start", False, "Only state 0 knows no more."),
        ),
        question(
            "A softmax loss over 1,000 films stays near 5.9 although the model is nearly always right. What is wrong?",
            ("The softmax is applied twice", True, "Yes: ln(e + 999) - 1 is its floor."),
            ("The step size is too small", False, "A step size does not set a floor."),
            ("Alpha is too small", False, "The value printed before alpha does not depend on it."),
            ("There is too little data", False, "On the training data a right answer costs nothing."),
        ),
        question(
            "alpha = 1 gave the best AUC on 2,000 clicks of `drift`. What follows for your data?",
            (
                "Nothing: try some values on validation",
                True,
                "Yes: the value of a second question depends on the first.",
            ),
            ("Take alpha = 1", False, "On MovieLens the picture was another one."),
            ("Take the largest alpha that fits", False, "At some size the click is no longer heard."),
        ),
    ],
)
