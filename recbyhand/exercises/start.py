"""Exercises and quizzes of chapter 0, Start."""

from __future__ import annotations

import math

import torch

from recbyhand.exercises.engine import call, close, exercise, function, one_of_wrong, wrong
from recbyhand.exercises.quizzes import question, quiz

# --------------------------------------------------------------------- Data, labels, splits and metrics


@exercise(
    "data-1",
    "Pair every liked score with every other score: there are 3 × 2 pairs.",
    "A pair is won if the liked score is higher; a tie counts one half.",
    todo="Replace the `...` by the AUC of the five predictions, a number.",
    solved="Three and a half of six pairs.",
)
def data_1(answer):
    one_of_wrong(
        answer,
        [
            (3 / 6, "You left the tie out: two equal scores count one half."),
            (4 / 6, "You counted the tie as a full win; it counts one half."),
            (1 - 3.5 / 6, "That is the share of pairs in the wrong order: the liked one must be the higher."),
            (3.5, "You counted the pairs won; divide by the number of all pairs."),
            (3.5 / 10, "Pairs of two liked or of two other films do not count: 3 × 2 pairs remain."),
        ],
    )
    close(answer, 3.5 / 6)


def _last_tenth(time):
    n_test = round(len(time) / 10)
    order = sorted(range(len(time)), key=lambda i: -float(time[i]))
    return torch.tensor([i in order[:n_test] for i in range(len(time))], dtype=torch.bool)


def _times(generator):
    n = int(torch.randint(12, 60, (1,), generator=generator))
    return (torch.randperm(1000, generator=generator)[:n],)


def _last_rows(time):
    mask = torch.zeros(len(time), dtype=torch.bool)
    mask[len(time) - round(len(time) / 10) :] = True
    return mask


def _by_range(time):
    return time > time.min() + 0.9 * (time.max() - time.min())


@exercise(
    "data-2",
    "`time.argsort()` says where the oldest row stands, then the next, and so on.",
    "Start with a mask of False of the length of `time`, and set it True at the newest `round(len(time) / 10)`.",
    todo="Complete `last_tenth(time)`: it returns a mask, True for the newest tenth of the rows.",
)
def data_2(answer):
    def as_mask(time):
        out = call(answer, time)
        out = torch.as_tensor(out)
        if out.dtype != torch.bool and out.shape != time.shape:
            wrong("Return a mask: one True or False per row, in the order of `time`, not row numbers.")
        return out.bool()

    function(
        as_mask,
        _times,
        _last_tenth,
        wrong=[
            (lambda t: ~_last_tenth(t), "Your mask is True for training rows; test rows are asked for."),
            (lambda t: _last_tenth(-t), "Those are the oldest rows; the test is the newest."),
            (_last_rows, "You took the rows at the end of the table, but the times are not sorted."),
            (_by_range, "That is the last tenth of the time span. The last tenth of the rows is asked for."),
        ],
        hint="The right number of rows is `round(len(time) / 10)`, and they are the newest.",
    )


def _ndcg(hits, n_relevant, cap=True, discount=lambda place: math.log2(1 + place)):
    hits = [float(h) for h in hits]
    dcg = sum(h / discount(place) for place, h in enumerate(hits, start=1))
    best = sum(1 / discount(p) for p in range(1, (min(n_relevant, len(hits)) if cap else n_relevant) + 1))
    return dcg / best if n_relevant else 0.0


def _lists(generator):
    k = int(torch.randint(3, 8, (1,), generator=generator))
    hits = (torch.rand(k, generator=generator) < 0.4).float()
    return hits, int(hits.sum()) + int(torch.randint(1, 9, (1,), generator=generator))


def _dcg(hits, n_relevant):
    return _ndcg(hits, n_relevant, cap=False) * sum(1 / math.log2(1 + p) for p in range(1, n_relevant + 1))


@exercise(
    "data-3",
    "The discount of place j is 1 / log2(1 + j), with places counted from 1.",
    "The best list has its relevant films first: min(n_relevant, k) of them.",
    todo="Complete `ndcg(hits, n_relevant)`: it returns a number between 0 and 1.",
)
def data_3(answer):
    oracle = [(hits, n) for hits, n in map(_lists, (torch.Generator().manual_seed(s) for s in range(8)))]
    function(
        answer,
        [*oracle, (torch.zeros(4), 2)],
        _ndcg,
        wrong=[
            (_dcg, "That is DCG. Divide by the DCG of the best possible list."),
            (
                lambda h, n: _ndcg(h, n, cap=False),
                "Your best list is longer than k: it has room for min(n_relevant, k) relevant films.",
            ),
            (
                lambda h, n: _ndcg(h, int(sum(h))) if sum(h) else 0.0,
                "The best list holds all relevant films it has room for, not only those that were hit.",
            ),
            (
                lambda h, n: float(sum(h)) / min(n, len(h)),
                "You count hits without a discount: a hit at place 3 is worth less than one at place 1.",
            ),
        ],
    )
    nothing = call(answer, torch.zeros(3), 0)
    if nothing is None or not math.isfinite(float(nothing)) or float(nothing) != 0:
        wrong("Without any relevant film (n_relevant = 0) the answer is 0, not a division by zero.")


@exercise(
    "data-4",
    "Draw a liked example and one that is not. From which half does each come, and how often?",
    "A liked example is from the 0.8 half with probability 0.8; one that is not liked, from the 0.2 half with "
    "probability 0.8. Pairs from the same half are ties.",
    todo="Replace the `...` by the best possible AUC, a number.",
    solved="0.64 of the pairs are certain, 0.32 are ties.",
)
def data_4(answer):
    one_of_wrong(
        answer,
        [
            (
                0.64,
                "Ties count one half: two examples of the same half cannot be told apart, but they are pairs.",
            ),
            (1.0, "Even the truth loses pairs: some examples with p = 0.2 are liked, some with 0.8 are not."),
            (0.96, "Ties count one half each, not one."),
            (0.5, "The truth does know something: pairs across the halves are mostly in the right order."),
            (0.9, "Do not average over kinds of pairs evenly: weigh each by p_i (1 - p_j)."),
        ],
    )
    close(answer, 0.8)


@exercise(
    "data-5",
    "A leak is anything that is not known yet at the time of the test row. Labels are not the only thing.",
    "Ask of each row that is counted: is it from before the test row?",
    todo='Replace the `...` by a set of letters, such as {"a", "c"}.',
    solved="A count needs no label to leak: the future is enough.",
)
def data_5(answer):
    letters = {str(letter).strip().lower() for letter in answer}
    if not letters <= set("abcd"):
        wrong("Give a set of some of the letters a, b, c and d.")
    if "b" not in letters:
        wrong("One that leaks is missing. A count of all rows also counts rows from after the test row.")
    if "a" in letters:
        wrong("Training rows all lie before the test: a count of them is known in time.")
    if "c" in letters:
        wrong(
            "c counts only what happened strictly before each example: that is how a service would know it."
        )
    if "d" in letters:
        wrong(
            "When the test comes, validation is the past. It leaks only into choices made on validation itself."
        )


quiz(
    "data",
    [
        question(
            "A model has AUC 0.76 with a random split and 0.72 with a split by user. What do you report?",
            ("0.76: more of the data was used", False, "Both splits hold back the same share of rows."),
            (
                "the one whose split asks the question you have, and its name",
                True,
                "Yes. The two numbers answer two questions; neither is a better measurement of the other.",
            ),
            ("the mean of both", False, "A mean of answers to two questions answers neither."),
        ),
        question(
            "All scores of a model are multiplied by 10. What changes?",
            ("AUC", False, "AUC sees only the order, and the order is the same."),
            ("log loss", True, "Yes: it minds how far a probability is from the label."),
            ("GAUC", False, "GAUC is AUC within each person; the order is the same there, too."),
        ),
        question(
            "A model gives each person's films one and the same score. Which can still be above one half?",
            ("GAUC", False, "Within a person all pairs are ties, so GAUC is exactly one half."),
            ("AUC", True, "Yes: it mixes people, and generous people's scores may be higher."),
            ("neither", False, "Pairs across people count in AUC, and there the scores differ."),
        ),
        question(
            "Why are users, not rows, the units of the error bars in this book?",
            (
                "because rows of one person are not independent",
                True,
                "Yes. One generous person adds forty rows that agree with each other.",
            ),
            (
                "because there are fewer users, so it is faster",
                False,
                "It is not about speed: with rows the bars are too short.",
            ),
            (
                "because AUC is computed per user",
                False,
                "GAUC is; AUC is not. The units are those that were sampled: people.",
            ),
        ),
    ],
)
