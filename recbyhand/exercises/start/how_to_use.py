"""Checks of how to use this book."""

from __future__ import annotations

import torch
from torch.overrides import TorchFunctionMode

from recbyhand.exercises.engine import call, close, exercise, function, one_of_wrong, wrong
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "start-1",
    "`vectors[:, :1]` keeps its axis: its shape is (8, 1, 16).",
    "An axis of size 1 is stretched; then the sum over the last axis removes that axis.",
    todo="Replace the `...` by a tuple of numbers.",
)
def start_1(answer):
    try:
        answer = tuple(int(n) for n in answer)
    except (TypeError, ValueError):
        wrong("Give a shape: a tuple of whole numbers, one for each axis, such as (2, 3).")
    one_of_wrong(
        answer,
        [
            ((8, 20, 16), "That is the product. The sum over the last axis takes one axis away."),
            ((8, 20, 1), "`sum(-1)` drops the axis; it would stay, as 1, with `keepdim=True`."),
            ((8, 16), "`sum(-1)` sums over the last axis, the 16 entries of a vector, not over the films."),
            ((8, 1), "The axis of size 1 is stretched to 20 in the product."),
            ((8,), "One sum removes one axis."),
            ((20, 8), "The axes keep their order: the 8 histories come first."),
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
        out = torch.as_tensor(call(answer, vectors, mask))
        if tuple(out.shape) == (5, 1, 3):
            wrong("Shape (B, 1, d): sum over the history without `keepdim`.")
        if tuple(out.shape) == (3,) and len(vectors) > 1:
            wrong("One mean for the whole batch. Each row is a history and has a mean of its own: (B, d).")
        if tuple(out.shape) == (5, 3) and out[0].isnan().all() and not out[1:].isnan().any():
            wrong("A row without any real entry divides 0 by 0. Give it zeros: the divisor is at least 1.")
        truth = _mean(vectors, mask).to(out.dtype)
        near = tuple(out.shape) == (5, 3) and torch.allclose(out, truth, rtol=0.1, atol=1e-6)
        if near and not torch.allclose(out, truth, rtol=1e-4, atol=1e-6):
            wrong(
                "Close to the mean, but not equal: is something added to the divisor? Clamp it at 1 instead; then "
                "only an empty row changes."
            )
        return out

    function(
        finite,
        _histories,
        _mean,
        wrong=[
            (lambda v, m: v.mean(1), "You count the padding, too: the mask is not used."),
            (
                lambda v, m: _mean(v, ~m),
                "Turned round: that is the mean of the padding. True in the mask is real.",
            ),
            (
                lambda v, m: _mean(v, torch.arange(m.shape[1]) < m.sum(1, keepdim=True)),
                "You count the real entries and take that many from the left. The mask says which they are.",
            ),
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
    if getattr(answer, "shape", None) == (1,):
        answer = answer[0]  # one number is one number
    one_of_wrong(
        answer,
        [
            (
                -0.15,
                "That step goes up the hill: subtract the gradient. (With σ(z) for σ(z) - 1 you land here, too.)",
            ),
            (0.3, "σ(0) - 1 is minus one half, not minus one."),
            (0.05, "The gradient with respect to w also has the factor x = 3."),
            (1.5, "Multiply the gradient by the learning rate, 0.1."),
            (-1.5, "That is the gradient; take a step of 0.1 times it, downhill."),
            (0.45, "That is z after the step. The question is w."),
            (0.5, "That is σ(0), what the model says before the step."),
            (0.0, "Is the gradient zero? σ(0) is one half, not 1, so there is something to learn."),
        ],
    )
    close(answer, 0.15)


_PICKING = {
    *(
        "__getitem__",
        "__iter__",
        "index_select",
        "gather",
        "take",
        "take_along_dim",
        "embedding",
        "embedding_bag",
    ),
    *(
        "unbind",
        "select",
        "split",
        "chunk",
        "narrow",
        "masked_select",
        "tolist",
        "numpy",
        "index_add",
        "index_put",
    ),
}


class _NoPicking(TorchFunctionMode):
    """Forbids to pick rows of a table of this shape."""

    def __init__(self, shape):
        self.shape = shape

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in _PICKING:
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
        ids = ids.clamp(max=4)  # the last id is absent: one_hot must be told how wide it is
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
            "A dependence of 1e-4 per row of the batch escapes it. Leave the other rows out (rows of zeros are "
            "rows, too), and compare the difference of the two scores, as it is, with 1e-6.",
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
            lambda x: x.sum(1) + (x[1].sum() if len(x) > 1 else 0),
            True,
            "A score that depends on the second row escapes it: leave out all other rows, `x[:1]`, not only some.",
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
            ("It shows the solution.", False, "No: that is a cell of its own, where there is one."),
        ),
    ],
)
