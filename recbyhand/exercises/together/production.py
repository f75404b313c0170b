"""Checks of chapter 8: from notebook to production."""

from __future__ import annotations

import torch

from recbyhand.exercises.engine import close, exercise, function, one_of_wrong
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "prod-1",
    "Put p' = 0.5 and w = 0.05 into the equation.",
    "0.5 / (0.5 + 0.5 / 0.05): the odds of 1 to 1 become 1 to 20.",
    todo="Replace the `...` by one number.",
)
def prod_1(answer):
    one_of_wrong(
        answer,
        [
            (0.5, "That is what the model says. It saw one negative of twenty."),
            (0.025, "That is 0.5 · 0.05. It is the odds that are multiplied by w, not the probability."),
            (0.05, "These are the odds, 1 to 20. The probability is odds / (1 + odds)."),
            (
                20 / 21,
                "You went the other way: with fewer negatives the model says too much, not too little.",
            ),
            (0.5 / (0.5 + 0.5 * 20 * 20), "You divided by w twice."),
            (0.5 / (0.5 + 0.5 / 5), "5 % is 0.05."),
            (0.5 / (0.5 + 0.5 / 0.95), "0.05 of the negatives were kept, not left out."),
            (100 / 21, "Give a part of 1, not per cent."),
        ],
    )
    close(
        answer, 1 / 21, rtol=1e-2, hint="Not yet. The odds of p' are 1 to 1. What are they after times 0.05?"
    )


@exercise(
    "prod-2",
    "How many numbers are kept for each number of the table?",
    "The weight, its gradient and two of Adam: four, with 4 bytes each.",
    todo="Complete the function `table_bytes(rows, d)`: it returns a number of bytes.",
)
def prod_2(answer):
    function(
        answer,
        inputs=[(1_000_000_000, 64), (1682, 16), (10, 3)],
        oracle=lambda rows, d: sum(4 * d * rows for _ in ("weight", "gradient", "mean", "square")),
        wrong=[
            (lambda rows, d: rows * d * 4, "That is the table alone. Training keeps more."),
            (lambda rows, d: rows * d * 12, "One of them is missing: weights, gradient, and two of Adam."),
            (lambda rows, d: rows * d * 8, "Weights and gradient. Adam keeps two more."),
            (lambda rows, d: rows * d * 32, "A number of 4 bytes, not of 8."),
            (
                lambda rows, d: rows * d,
                "That counts the numbers of the table. Bytes are asked for, in training.",
            ),
            (lambda rows, d: rows * 16, "Each row has d numbers."),
            (lambda rows, d: rows * d * 16 / 1e9, "That is in gigabytes; count bytes."),
            (lambda rows, d: rows * d * 20, "Weight, gradient and two of Adam are four numbers, not five."),
            (lambda rows, d: rows * d * 16 * 8, "Those are bits. A byte has eight."),
            (
                lambda rows, d: rows * d * 8 + rows * 8,
                "Adam keeps two numbers for each *number* of the table, not for each row.",
            ),
            (lambda rows, d: (rows + d) * 16, "A table of rows and d holds their product of numbers."),
        ],
    )


def _hash_inputs(seed: int, alike: bool = True):
    g = torch.Generator().manual_seed(seed)
    first, second = torch.randint(0, 4, (2, 8), generator=g)
    second = torch.where(torch.arange(8) < 2, first, second) if alike else (first + 1) % 4
    return torch.randn(4, 3, generator=g), first, second


def _two(table, first, second):
    rows = [{int(a), int(b)} for a, b in zip(first, second)]
    return torch.stack([sum(table[row].double() for row in both) for both in rows])


@exercise(
    "prod-3",
    "Two look-ups, added. Then think of the ids for which both functions give the same row.",
    "`(first != second)[:, None]` is (n, 1): False takes the second vector away.",
    todo="Complete the function `two_hashes(table, first, second)`: it returns a tensor of shape (n, d).",
)
def prod_3(answer):
    function(
        answer,
        inputs=[_hash_inputs(seed, alike=seed != 2) for seed in range(5)],
        oracle=_two,
        wrong=[
            (lambda t, a, b: t[a] + t[b], "Where both functions name the same row, it counts twice."),
            (lambda t, a, b: t[a], "That is one hash function. Add the vector of the second."),
            (lambda t, a, b: t[b], "That is one hash function. Add the vector of the first."),
            (lambda t, a, b: (t[a] + t[b]) / 2, "A mean; the sum is asked for."),
            (
                lambda t, a, b: torch.cat([t[a], t[b]], dim=1),
                "Side by side they are 2 d numbers. Add them.",
            ),
            (
                lambda t, a, b: (t[a] + t[b]) * (a != b)[:, None],
                "Where both name the same row nothing is left. It counts once.",
            ),
            (
                lambda t, a, b: t[a] + t[b] if (a != b).all() else t[a],
                "You decide once for all ids. Each has its own answer: `(first != second)[:, None]`.",
            ),
            (lambda t, a, b: t[a] * t[b], "A product; the sum is asked for."),
            (
                lambda t, a, b: t[(a + b) % len(t)],
                "You add the numbers of the rows. Look both up, then add the vectors.",
            ),
            (
                lambda t, a, b: t[a] + t[b] * (a == b)[:, None],
                "The condition is turned round: the second vector counts where the rows differ.",
            ),
        ],
    )


def _shows(g: torch.Generator):
    rate = 0.1 + 0.6 * torch.rand(1, generator=g)
    return (
        (torch.rand(40, generator=g) < rate).float(),
        torch.randint(0, 3, (40,), generator=g),
        torch.tensor([0.9, 0.5, 0.2]),
    )


@exercise(
    "prod-4",
    "A click on a place that one in five looks at stands for five.",
    "`looked[place]` is (n): how often the place of each show is looked at.",
    todo="Complete the function `liked_by_propensity(clicked, place, looked)`: it returns one number.",
)
def prod_4(answer):
    function(
        answer,
        inputs=_shows,
        oracle=lambda c, p, k: torch.tensor(sum(float(y) / float(k[i]) for y, i in zip(c, p)) / len(c)),
        wrong=[
            (lambda c, p, k: c.mean(), "That is the click rate; the places are not in it."),
            (
                lambda c, p, k: (c * k[p]).mean(),
                "Divide by how often a place is looked at: a click at the bottom says more.",
            ),
            (lambda c, p, k: c.mean() / k.mean(), "Each show has its own place: divide before the mean."),
            (lambda c, p, k: (c / k[p]).sum(), "That is a sum. Take the mean over the shows."),
            (
                lambda c, p, k: c.sum() / k[p].sum(),
                "Each click has its own place: divide it by that, then take the mean.",
            ),
            (lambda c, p, k: (c / k[p])[c > 0].mean(), "Shows without a click count, too: they say 0."),
            (lambda c, p, k: c / k[p], "That is what each show says. Take the mean."),
            (
                lambda c, p, k: (c / k[p]).mean().clamp(max=1),
                "An estimate may be above 1 by chance. Do not cut it: then it is right on average.",
            ),
            (
                lambda c, p, k: (c / k[p]).sum() / (1 / k[p]).sum(),
                "You divide by the sum of the weights. The mean over the shows is asked for.",
            ),
            (
                lambda c, p, k: torch.stack([c[p == i].mean() / k[i] for i in p.unique()]).mean(),
                "You average the places. Each show counts alike: a mean over shows.",
            ),
            (lambda c, p, k: (c / k[p - 1]).mean(), "Places count from 0: `looked[place]`."),
            (
                lambda c, p, k: (c * (p + 1)).mean(),
                "How often a place is looked at stands in `looked`; it need not be 1 / k.",
            ),
            (lambda c, p, k: (c / k[p].sqrt()).mean(), "Divide by `looked` itself, not by its root."),
        ],
    )


def _days(g: torch.Generator):
    p = torch.rand(200, generator=g) * 0.8 + 0.1
    bent = 1.5 * torch.rand(1, generator=g) + 0.4  # more clicks than predicted, or fewer
    return p, (torch.rand(200, generator=g) < p**bent).float()


def _z(p, y):
    rows = list(zip(p.double().tolist(), y.double().tolist()))
    return torch.tensor(sum(b - a for a, b in rows) / sum(a * (1 - a) for a, _ in rows) ** 0.5)


@exercise(
    "prod-5",
    "The difference of two sums, divided by the root of a sum.",
    "The variance of a click is p (1 - p); variances add.",
    todo="Complete the function `alarm(predicted, clicked)`: it returns one number.",
    solved="Right. Beyond two or three the difference is no chance, and with many rows a small one is enough.",
)
def prod_5(answer):
    function(
        answer,
        inputs=_days,
        oracle=_z,
        wrong=[
            (
                lambda p, y: -_z(p, y),
                "The sign: clicks minus predicted clicks. More clicks than predicted is positive.",
            ),
            (
                lambda p, y: (y - p).sum() / (p * (1 - p)).sum(),
                "That divides by the variance. The error is its root.",
            ),
            (
                lambda p, y: (y - p).mean() / (p * (1 - p)).sum().sqrt(),
                "Sums above and below: you took a mean above.",
            ),
            (
                lambda p, y: (y - p).sum() / (p * (1 - p)).sqrt().sum(),
                "Add the variances first, then take the root.",
            ),
            (lambda p, y: (y - p).sum(), "That is a number of clicks. In standard errors, please."),
            (lambda p, y: (y - p).sum() / len(p) ** 0.5, "The variance of a click is p (1 − p), not 1."),
            (
                lambda p, y: y.sum() / p.sum(),
                "That is the ratio. How many standard errors is the difference?",
            ),
            (
                lambda p, y: _z(p, y).abs(),
                "Keep the sign: it says whether there were more clicks than predicted, or fewer.",
            ),
            (
                lambda p, y: ((y - p) / (p * (1 - p)).sqrt()).sum(),
                "Add up first, clicks and variances apart; then divide once.",
            ),
            (
                lambda p, y: (y - p).sum() / (len(p) * p.mean() * (1 - p.mean())).sqrt(),
                "Each row has a variance of its own, p (1 - p): that of the mean is another.",
            ),
            (
                lambda p, y: (y - p).sum() / (y.var() * len(y)).sqrt(),
                "The variance is that of the prediction, p (1 - p), not that of what happened.",
            ),
            (lambda p, y: (y - p).sum() / p.sum().sqrt(), "The variance of a click is p (1 - p), not p."),
            (
                lambda p, y: (y - p).mean() / (p * (1 - p)).mean().sqrt(),
                "Sums above and below: with means the root of n is lost.",
            ),
        ],
    )


quiz(
    "prod",
    [
        question(
            "AUC in the notebook is .86, and in the shop .80, with the same weights. Where do you look first?",
            (
                "Whether the features that were served are those of the notebook",
                True,
                "Yes: replay old questions with what was served.",
            ),
            ("At the step size", False, "Nothing was trained between the two."),
            ("For a larger model", False, "The same weights did well in the notebook."),
        ),
        question(
            "You train on all clicks and a tenth of the rest. What changes?",
            ("The probabilities: all come out too high", True, "Yes: all odds grow by ten."),
            ("The order of items is turned round", False, "The same factor on all odds keeps the order."),
            ("Nothing", False, "All odds grow by ten."),
        ),
        question(
            "Why does yesterday's click rate of buyers look bad?",
            ("Many who will buy have not bought yet", True, "Yes: labels come late."),
            ("Yesterday's films were bad", False, "Perhaps; first wait for the labels."),
            ("The model has forgotten", False, "It did not change overnight."),
        ),
        question(
            "What does a small part of random traffic give?",
            (
                "Rows that the model did not choose, and propensities",
                True,
                "Yes, both.",
            ),
            ("More clicks today", False, "It costs some today."),
            ("A smaller table", False, "The table has as many rows."),
        ),
    ],
)
