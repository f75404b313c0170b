"""Exercises and quizzes of chapter 0, Start."""

from __future__ import annotations

import math

import torch
from torch.overrides import TorchFunctionMode

from recbyhand.exercises.engine import call, close, exercise, function, one_of_wrong, wrong
from recbyhand.exercises.quizzes import question, quiz

# ----------------------------------------------------------------------------------- How to use this book


@exercise(
    "start-1",
    "`vectors[:, :1]` keeps its axis: its shape is (8, 1, 16).",
    "An axis of size 1 is stretched; then the sum over the last axis removes that axis.",
    todo="Replace the `...` by a tuple of numbers.",
)
def start_1(answer):
    answer = tuple(int(n) for n in answer)
    one_of_wrong(
        answer,
        [
            ((8, 20, 16), "That is the product. The sum over the last axis takes one axis away."),
            ((8, 20, 1), "`sum(-1)` drops the axis; it would stay, as 1, with `keepdim=True`."),
            ((8, 16), "`sum(-1)` sums over the last axis, the 16 entries of a vector, not over the films."),
            ((8, 1), "The axis of size 1 is stretched to 20 in the product."),
            ((8,), "One sum removes one axis."),
            ((8, 1, 16), "That is the shape of `vectors[:, :1]`. Multiply, then sum over the last axis."),
            (
                (8, 20, 20),
                "No matrix product here: `*` multiplies entry by entry, then one axis is summed away.",
            ),
            ((20, 16), "The sum is over the last axis; the first, the 8 histories, stays."),
        ],
    )
    close(answer, (8, 20))


def _mean(vectors, mask):
    total = torch.stack([v[m].sum(0) for v, m in zip(vectors, mask, strict=True)])
    return total / torch.tensor([max(int(m.sum()), 1) for m in mask])[:, None]


def _histories(generator):
    mask = torch.rand(5, 4, generator=generator) < 0.6
    mask[0], mask[1] = False, True
    return torch.randn(5, 4, 3, generator=generator), mask


@exercise(
    "start-2",
    "Multiply by the mask, sum over the history, divide by the number of real entries.",
    "`mask[..., None]` is (B, L, 1); `mask.sum(1, keepdim=True)` is (B, 1), and `.clamp(min=1)` keeps it from 0.",
    todo="Complete `masked_mean(vectors, mask)`; it returns a tensor (B, d).",
)
def start_2(answer):
    def finite(vectors, mask):
        out = call(answer, vectors, mask)
        if tuple(out.shape) == (5, 1, 3):
            wrong("Shape (B, 1, d): sum over the history without `keepdim`.")
        if tuple(out.shape) == (3,):
            wrong("One mean for the whole batch. Each row is a history and has a mean of its own: (B, d).")
        if tuple(out.shape) == (5, 3) and out[0].isnan().all() and not out[1:].isnan().any():
            wrong("A row without any real entry divides 0 by 0. Give it zeros: the divisor is at least 1.")
        return out

    function(
        finite,
        _histories,
        _mean,
        wrong=[
            (lambda v, m: v.mean(1), "You count the padding, too: the mask is not used."),
            (
                lambda v, m: (v * m[..., None]).mean(1),
                "The padding is out of the sum, but still counted in the divisor.",
            ),
            (
                lambda v, m: (v * m[..., None]).sum(1),
                "That is the sum; divide by the number of real entries.",
            ),
            (
                lambda v, m: v.sum(1) / m.sum(1, keepdim=True).clamp(min=1),
                "The divisor is right, but the vectors of the padding are in the sum: mask them.",
            ),
            (
                lambda v, m: (v * m[..., None]).sum(1) / m.sum(),
                "You divide by the real entries of the whole batch; each row has its own number.",
            ),
            (
                lambda v, m: (v * m[..., None]).sum(1) / (m.sum(1, keepdim=True) + 1),
                "You divide by one too many. Only an empty row needs help: clamp the divisor at 1.",
            ),
            (
                lambda v, m: v.masked_fill(~m[..., None], -1e9).amax(1),
                "That is the largest entry of each column. The mean is asked for.",
            ),
        ],
    )


@exercise(
    "start-3",
    "By the chain rule the gradient is (σ(z) - 1) x, at z = 0.",
    "A step goes against the gradient: w - 0.1 × gradient.",
    todo="Replace the `...` by a number.",
)
def start_3(answer):
    one_of_wrong(
        answer,
        [
            (
                -0.15,
                "That step goes up the hill: subtract the gradient. (With σ(z) for σ(z) - 1 you land here, too.)",
            ),
            (0.05, "The gradient with respect to w also has the factor x = 3."),
            (1.5, "Multiply the gradient by the learning rate, 0.1."),
            (-1.5, "That is the gradient; take a step of 0.1 times it, downhill."),
            (0.45, "That is z after the step. The question is w."),
            (0.5, "That is σ(0), what the model says before the step."),
            (0.0, "Is the gradient zero? σ(0) is one half, not 1, so there is something to learn."),
        ],
    )
    close(answer, 0.15)


class _NoPicking(TorchFunctionMode):
    """Forbids to pick rows of a table of this shape."""

    def __init__(self, shape):
        self.shape = shape

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in ("__getitem__", "index_select", "gather", "take", "embedding"):
            given = [a for a in (*args, *kwargs.values()) if isinstance(a, torch.Tensor)]
            if any(a.is_floating_point() and a.shape == self.shape for a in given):
                wrong(
                    "That picks rows by index. Here the same must come out of a matrix product, `one_hot @ table`."
                )
        return func(*args, **kwargs)


def _table(generator):
    return torch.randn(6, 3, generator=generator), torch.randint(0, 6, (4,), generator=generator)


@exercise(
    "start-4",
    "A one-hot row is zero but for a 1 at the id; its product with the table picks that row.",
    "`one_hot(ids, len(table))` is (B, M) of integers; make it the dtype of the table, then `@ table`.",
    todo="Complete `lookup(table, ids)`.",
    solved="So an embedding is a linear layer on one-hot inputs; looking it up only saves the zeros.",
)
def start_4(answer):
    def picked(table, ids):
        ids[:] = ids.clamp(max=4)  # the last id is absent: one_hot must be told how wide it is
        try:
            with _NoPicking(table.shape):
                return call(answer, table, ids)
        except RuntimeError as error:
            text = str(error)
            if "dtype" in text:
                wrong(
                    "one_hot gives integers, and a matrix product wants one dtype: convert it to the table's."
                )
            if "(6x3 and" in text:
                wrong(
                    "The table stands on the left. A row of one-hot picks from the table if it stands there."
                )
            if "must match the size" in text:
                wrong("`*` multiplies entry by entry; `@` is the matrix product.")
            if "shapes cannot be multiplied" in text or "size mismatch" in text:
                wrong("The one-hot matrix must be (B, M): tell one_hot how many rows the table has.")
            raise

    function(
        picked,
        _table,
        lambda table, ids: table[ids.clamp(max=4)],
        wrong=[
            (
                lambda t, i: torch.nn.functional.one_hot(i.clamp(max=4), len(t)).to(t.dtype),
                "That is the one-hot matrix; multiply it by the table.",
            ),
            (
                lambda t, i: (
                    torch.nn.functional.one_hot(i.clamp(max=4), len(t)).to(t.dtype).sum(0)[:, None] * t
                ),
                "Your answer has a row per row of the table: multiply (B, M) by (M, d).",
            ),
        ],
    )


@exercise(
    "start-5",
    "Score all rows, score the first alone as `x[:1]`, and compare the two numbers.",
    "`x[0]` loses the batch axis; `x[:1]` keeps it.",
    todo="Complete `depends(score, x)`; it returns True or False.",
    solved="In eval mode batch normalisation passes this test, in train mode it fails: a reason for `eval()`.",
)
def start_5(answer):
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def said(score):
        try:
            return bool(call(answer, score, x))
        except (IndexError, RuntimeError) as error:
            if "Dimension out of range" in str(error) or "Boolean value of Tensor" in str(error):
                wrong(
                    "The score wants (B, k) and gives (B,). `x[0]` has lost the batch axis (take `x[:1]`), and the "
                    "scores to compare are two single numbers."
                )
            raise

    cases = [
        (
            lambda x: x.sum(1).mean() - x.sum(1),
            True,
            "It calls a score that subtracts the batch mean independent.",
        ),
        (
            lambda x: x.sum(1) * 2,
            False,
            "It calls a score of each row by itself dependent on the batch: keep the first row and leave out "
            "the others, `x[:1]`; then compare the first score with the first.",
        ),
        (
            lambda x: x.sum(1) + 1e-4 * len(x),
            True,
            "A small dependence, of 1e-4 per row of the batch, escapes it: compare with 1e-6.",
        ),
        (
            lambda x: x.sum(1) - 1e-4 * len(x),
            True,
            "A score that falls when rows are added escapes it: take the absolute value of the difference.",
        ),
        (
            lambda x: x.sum(1) + 1e-9 * len(x),
            False,
            "A difference of 1e-9 is rounding: only a change of more than 1e-6 counts.",
        ),
        (
            lambda x: x.sum(1) + torch.arange(len(x)),
            False,
            "It must compare the first row only; here the first row's score does not change.",
        ),
        (
            lambda x: 1000 + x.sum(1) + 1e-4 * len(x),
            True,
            "A large score hides the change: compare the plain difference with 1e-6. `torch.allclose` and other "
            "relative tests allow more, the larger the score.",
        ),
    ]
    got = [said(score) for score, _, _ in cases]
    if got == [not expected for _, expected, _ in cases]:
        wrong("True and False are swapped: return True if the score changes.")
    for one, (_, expected, text) in zip(got, cases, strict=True):
        if one != expected:
            wrong(text)


quiz(
    "start",
    [
        question(
            "Which id is padding in this book?",
            ("0", True, "Yes; 1 is unknown, and real ids start at 2."),
            ("1", False, "1 is unknown: someone or something the tables do not hold."),
            ("-1", False, "Ids count up from 0, so that they can index a table."),
        ),
        question(
            "What does a model's `forward` return here?",
            ("a probability", False, "The sigmoid comes later: the loss is exact on logits."),
            ("a logit per example, shape (B,)", True, "Yes, also for a batch of one."),
            ("the label 0 or 1", False, "A score; the label is what it is compared with."),
        ),
        question(
            "Your exercise answer is wrong. What does `rbh.check` do?",
            ("It raises an exception.", False, "Never: the rest of the notebook must go on."),
            ("It answers with a hint about your mistake.", True, "Yes, and `rbh.hint` goes further."),
            ("It shows the solution.", False, "The solution is folded below; unfold it yourself."),
        ),
    ],
)


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
            (3.5 / 5, "You divided by the five films. Of pairs there are 3 × 2."),
            (
                3 / 5,
                "That is the share of films on their side of one half. AUC counts pairs, without a threshold.",
            ),
            (350 / 6, "That is per cent. Give the share itself, between 0 and 1."),
            (
                3 / 10,
                "Only pairs of a liked and another film count, 3 × 2 of them; and a tie counts one half.",
            ),
            (3.5 / 10, "Pairs of two liked or of two other films do not count: 3 × 2 pairs remain."),
        ],
    )
    close(answer, 3.5 / 6)


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
        [_times(n, torch.Generator().manual_seed(n)) for n in (17, 24, 32, 48, 59)],
        _last_tenth,
        wrong=[
            (lambda t: ~_last_tenth(t), "Your mask is True for training rows; test rows are asked for."),
            (lambda t: _last_tenth(-t), "Those are the oldest rows; the test is the newest."),
            (_last_rows, "You took the rows at the end of the table, but the times are not sorted."),
            (
                lambda t: t.argsort() >= len(t) - round(len(t) / 10),
                "`argsort` gives row numbers in order of time, not the place of each row in that order. Use it as an "
                "index: `mask[time.argsort()[-n:]] = True`.",
            ),
            (
                lambda t: _newest(t, len(t) // 10),
                "You round down. The nearest whole number of rows is asked for: 1.7 rows are 2.",
            ),
            (
                lambda t: torch.zeros(len(t), dtype=torch.bool),
                "Your mask is True nowhere. `mask[index][:n] = True` changes a copy; write `mask[index[:n]] = True`.",
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
    nothing = call(answer, torch.zeros(3), 0)
    if nothing is None or not math.isfinite(float(nothing)) or float(nothing) != 0:
        wrong("Without any relevant film (n_relevant = 0) the answer is 0, not a division by zero.")


@exercise(
    "data-4",
    "Take a pair (i, j) of examples. There are four kinds: each of the two has p = 0.2 or p = 0.6, equally often.",
    "Each kind weighs p_i (1 - p_j): 0.6 × 0.8 for the right order, 0.6 × 0.4 and 0.2 × 0.8 for ties, 0.2 × 0.4 for "
    "the wrong order. A tie counts one half; divide by the sum of all four.",
    todo="Replace the `...` by the best possible AUC, a number.",
    solved="17/24: of 24 parts of weight 12 are in the right order, 10 are ties, and 2 are wrong whatever one knows.",
)
def data_4(answer):
    one_of_wrong(
        answer,
        [
            (
                0.5,
                "Ties count one half: two examples of the same half cannot be told apart, but they are pairs. "
                "(Or did you mean that the truth knows nothing? It does.)",
            ),
            (1.0, "Even the truth loses pairs: some examples with p = 0.2 are liked, some with 0.6 are not."),
            (11 / 12, "Ties count one half each, not one."),
            (0.68, "That is the numerator. Divide by the weight of all pairs, 0.96."),
            (
                0.17,
                "That is the numerator per kind of pair. Divide by the mean weight of all four kinds, 0.24.",
            ),
            (
                12 / 14,
                "You left the ties out of the numerator and the denominator. They are pairs, and count half.",
            ),
            (
                0.75,
                "That is the share of liked examples which have p = 0.6. AUC counts pairs of two examples.",
            ),
            (
                0.48,
                "That is the weight of the pairs in the right order. Add half of the ties, divide by all.",
            ),
            (0.6, "No pair is won with probability p: a pair needs one that is liked and one that is not."),
            (
                0.4,
                "That is the share of likes. AUC asks of pairs, one liked and one not, which scores higher.",
            ),
        ],
    )
    close(answer, 17 / 24)


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
