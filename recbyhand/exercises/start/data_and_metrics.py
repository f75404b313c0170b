"""Checks of data, labels, splits and metrics."""

from __future__ import annotations

import math

import torch

from recbyhand.exercises.engine import call, close, exercise, function, one_of_wrong, wrong
from recbyhand.exercises.quizzes import question, quiz


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
            (3.5 / 5, "You divided by the five films. Of pairs there are 3 × 2."),
            (
                3 / 5,
                "If you left the pair of equal scores out: it is a pair, won by half. If you counted films on their "
                "side of one half: AUC counts pairs, without a threshold.",
            ),
            (350 / 6, "That is per cent. Give the share itself, between 0 and 1."),
            (
                3 / 10,
                "Only pairs of a liked and another film count, 3 × 2 of them; and a tie counts one half.",
            ),
            (3.5 / 10, "Pairs of two liked or of two other films do not count: 3 × 2 pairs remain."),
        ],
    )
    close(answer, 3.5 / 6, atol=6e-4)  # three digits will do


def _last_tenth(time):
    n_test = round(len(time) / 10)
    order = sorted(range(len(time)), key=lambda i: -float(time[i]))
    return torch.tensor([i in order[:n_test] for i in range(len(time))], dtype=torch.bool)


def _times(n, generator):
    return (torch.randperm(1000, generator=generator)[:n],)


def _newest(time, n):
    mask = torch.zeros(len(time), dtype=torch.bool)
    mask[time.argsort(descending=True)[:n]] = True
    return mask


def _last_rows(time):
    mask = torch.zeros(len(time), dtype=torch.bool)
    mask[len(time) - round(len(time) / 10) :] = True
    return mask


def _rows_from_the_end(time):
    mask = torch.zeros(len(time), dtype=torch.bool)
    mask[-round(len(time) / 10) :] = True
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
        # No number that ends in 5: at 2.5 rows "nearest" is a matter of taste.
        # Four rows and three: no test row at all.
        [_times(n, torch.Generator().manual_seed(n)) for n in (17, 24, 32, 48, 59, 4, 3)],
        _last_tenth,
        wrong=[
            (lambda t: ~_last_tenth(t), "Your mask is True for training rows; test rows are asked for."),
            (lambda t: _last_tenth(-t), "Those are the oldest rows; the test is the newest."),
            (_last_rows, "You took the rows at the end of the table, but the times are not sorted."),
            (_rows_from_the_end, "You took the rows at the end of the table, but the times are not sorted."),
            (
                lambda t: t.argsort() >= len(t) - round(len(t) / 10),
                "`argsort` gives row numbers in order of time, not the place of each row in that order. Use it as an "
                "index: `mask[time.argsort(descending=True)[:n]] = True`.",
            ),
            (
                lambda t: _newest(t, len(t) // 10),
                "You round down. The nearest whole number of rows is asked for: 1.7 rows are 2.",
            ),
            (
                lambda t: torch.zeros(len(t), dtype=torch.bool),
                "Your mask is True nowhere. `mask[index][:n] = True` changes a copy; write `mask[index[:n]] = True`.",
            ),
            (
                lambda t: _newest(t, round(len(t) / 10) or len(t)),
                "With 4 rows the nearest whole number is 0, and `[-0:]` takes them all: start from `len(time) - n`.",
            ),
            (
                lambda t: _newest(t, max(1, round(len(t) / 10))),
                "With 4 rows a tenth is nearest to 0 rows: none is for the test. You take at least one.",
            ),
            (_by_range, "That is the last tenth of the time span. The last tenth of the rows is asked for."),
            (
                lambda t: _newest(t, math.ceil(len(t) / 10)),
                "You round up. The nearest whole number of rows is asked for: 2.4 rows are 2.",
            ),
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
    drawn = [_lists(torch.Generator().manual_seed(s)) for s in range(8)]

    def finite(hits, n_relevant):
        out = call(answer, hits, n_relevant)
        if not math.isfinite(float(out)):
            wrong("Infinity or NaN: with places counted from 0, log2(1 + j) is 0 at the first. Count from 1.")
        return out

    function(
        finite,
        [*drawn, (torch.zeros(4), 2)],
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
            (
                lambda h, n: _ndcg(h, n, discount=lambda place: place),
                "Your discount is 1/j. It falls more slowly: 1 / log2(1 + j).",
            ),
            (
                lambda h, n: _ndcg(h, n, discount=lambda place: math.log2(2 + place)),
                "The first place is not discounted: with j counted from 1, log2(1 + j) is 1 there.",
            ),
            (
                lambda h, n: _ndcg(h, len(h)),
                "Your best list is relevant at all k places. It holds no more than n_relevant relevant films.",
            ),
            (
                lambda h, n: float(sum(h)) / len(h),
                "That is the share of hits. It minds no place and no best list.",
            ),
        ],
    )
    try:
        nothing = call(answer, torch.zeros(3), 0)
    except ArithmeticError:
        nothing = None
    if nothing is None or not math.isfinite(float(nothing)) or float(nothing) != 0:
        wrong("Without any relevant film (n_relevant = 0) the answer is 0, not a division by zero.")


@exercise(
    "data-6",
    "What is the logit of p = 0.5? Add ln 0.2.",
    "In odds: 1 to 1 in the drawn table. The true table has five times as many negatives.",
    todo="Replace the `...` by a probability.",
    solved="Odds of 1 to 5, so 1/6.",
)
def data_6(answer):
    one_of_wrong(
        answer,
        [
            (0.1, "You multiplied the probability by 0.2. What shrinks by 0.2 are the odds, p / (1 - p)."),
            (0.2, "Odds of 1 to 5 are not 1 in 5: the click itself counts among all impressions."),
            (5 / 6, "The other way round: negatives were left out, so the true probability is lower."),
            (math.log(0.2), "That is the true logit. Its sigmoid is the probability."),
            (0.25, "Are 1 click and 4 others all? One in FIVE was kept: 1 click stands for 5 others."),
            (0.5, "That is what the model says of the table it was trained on. Add ln 0.2 to its logit."),
        ],
    )
    close(answer, 1 / 6, atol=6e-4)


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
    if letters == {"c"}:
        wrong(
            "For c, rows of other people are fine: they too lie strictly before the example. "
            "Which of the ways counts rows that lie after it?"
        )
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
            "A model is trained on all clicks and a tenth of the other impressions. What is wrong with its answers?",
            ("the order of the films", False, "All logits are too high by the same ln 10: the order stays."),
            ("the probabilities", True, "Yes. Add ln 0.1 to every logit, and they are right again."),
            ("nothing", False, "Ask it for the share of clicks: it says far too many."),
        ),
    ],
)
