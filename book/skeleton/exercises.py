"""Checks of Skeleton."""

from __future__ import annotations

import torch

from recbyhand.exercises.engine import call, close, exercise, function, one_of_wrong, wrong
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "skeleton-1",
    "Multiply entry by entry, sum, and add b.",
    todo="Replace the `...` by a number.",
)
def skeleton_1(answer):
    one_of_wrong(
        answer,
        [
            (4.0, "That is the dot product; b is still to be added."),
            (5.0, "b is negative: it is added, not taken away."),
            ((2.0, 2.0), "Those are the products. Sum them up, then add b."),
            (2.0, "You added b once for each entry; it is added once."),
        ],
    )
    close(answer, 3.0)


def _vectors(g):
    return torch.randn(6, 3, generator=g), torch.randn(6, 3, generator=g), 0.5


@exercise(
    "skeleton-2",
    "`u * v` is (B, d); which axis has to go?",
    "Sum over the last axis, then add b to each of the B numbers.",
    todo="Complete the function `logits(u, v, b)`.",
)
def skeleton_2(answer):
    function(
        answer,
        _vectors,
        lambda u, v, b: (u * v).sum(1) + b,
        wrong=[
            (lambda u, v, b: (u * v).sum(1), "b is missing."),
            (
                lambda u, v, b: (u * v).sum(0) + b,
                "You sum over the batch. Sum over d, so that B numbers stay.",
            ),
            (
                lambda u, v, b: u @ v.T + b,
                "That is every user with every film, (B, B). Row by row is asked for.",
            ),
            (lambda u, v, b: (u * v + b).sum(1), "You add b d times: add it after the sum."),
        ],
    )


@exercise(
    "skeleton-3",
    "By the chain rule: the derivative of the logarithm, times that of what stands in it.",
    "Multiply numerator and denominator by $e^z$, and look for a sigmoid.",
    todo="Complete the function `slope(z)`.",
)
def skeleton_3(answer):
    function(
        answer,
        lambda g: (torch.randn(8, generator=g, dtype=torch.float64),),
        lambda z: torch.sigmoid(z) - 1,
        wrong=[
            (lambda z: torch.sigmoid(z), "That is the slope of the loss of a film that was not liked."),
            (lambda z: 1 - torch.sigmoid(z), "The size is right. Does the loss rise or fall with z?"),
            (lambda z: torch.sigmoid(z) * (1 - torch.sigmoid(z)), "That is the slope of the sigmoid itself."),
            (lambda z: torch.log1p(torch.exp(-z)), "That is the loss. Its slope is asked for."),
        ],
    )


@exercise(
    "skeleton-4",
    "`torch.nn.Parameter` makes a tensor that is learned.",
    "Register it in `__init__`, after `super().__init__()`; add it in `forward(z)`.",
    todo="Complete the class `Bias`: give it `__init__` and `forward(z)`.",
)
def skeleton_4(answer):
    if answer.forward is torch.nn.Module.forward:
        wrong("Nothing is added yet: write `forward(z)`.")
    layer = call(answer)
    weights = list(layer.parameters())
    if not weights:
        wrong("Nothing is learned: a tensor must be a `torch.nn.Parameter` to be found by an optimiser.")
    if sum(w.numel() for w in weights) != 1:
        wrong("One number is asked for; yours has more.")
    with torch.no_grad():
        if weights[0].abs().sum() > 0:
            wrong("The number starts at 0, so that a new model says one half.")
        weights[0].fill_(2.0)
    z = torch.tensor([1.0, -1.0, 0.0])
    with torch.no_grad():
        close(call(layer, z), z + 2, hint="With b = 2 each logit must rise by 2.")


@exercise(
    "skeleton-5",
    "`task.users_at(ids)` makes a batch of users; known users have ids from 2 on.",
    "A film's mean is the same for everybody; does a user's own mean move films past each other?",
    todo="Replace the `...` by True or False.",
)
def skeleton_5(answer):
    if not isinstance(answer, bool):
        wrong(
            "Give True or False, not a tensor: `bool(...)`."
            if isinstance(answer, torch.Tensor)
            else "One truth value is asked for, for all users together."
            if isinstance(answer, list | tuple)
            else "Answer by True or False."
        )
    if not answer:
        wrong("A user's own mean is added to all films alike, and changes no order.")


quiz(
    "skeleton",
    [
        question(
            "What does a vector per user add to a mean per user?",
            ("an order of its own", True, "Yes: what is added depends on the film."),
            ("a higher score for all films", False, "That is what the mean does."),
            ("a probability", False, "The sigmoid gives that, from any logit."),
        ),
        question(
            "The interval of a difference holds 0. What is the verdict?",
            ("not told apart", True, "Yes. It does not say that the two are equal."),
            ("equal", False, "The interval also holds values that are not 0."),
            ("worse", False, "For that it would have to lie below 0 as a whole."),
        ),
        question(
            "On which rows are settings chosen?",
            ("on those of validation", True, "Yes. The test rows are looked at once, at the end."),
            ("on those of the test", False, "Then the test has been trained on, by you."),
            ("on those of training", False, "The best there may be the one that learned by heart."),
        ),
    ],
)
