"""Checks of chapter 5: BST."""

from __future__ import annotations

import math

import torch

from recbyhand.exercises.engine import close, exercise, function, one_of_wrong
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "bst-1",
    "The formula of the section *Time, not place*: floor(2 log2(1 + seconds)).",
    "An hour has 3600 seconds. log2(3601) is 11.81.",
    todo="Replace the `...` by the number of the bucket.",
    solved="Right: the bucket from 48 to 68 minutes. At 14 days a bucket is five days wide.",
)
def bst_1(answer):
    one_of_wrong(
        answer,
        [
            (2 * math.log2(3601), "Cut off what stands behind the point: buckets are whole numbers."),
            (24, "You rounded up; `floor` rounds down."),
            (
                11,
                "That is one bucket per doubling, or a gap in minutes. There are two, and gaps are in seconds.",
            ),
            (math.log2(3601), "Two buckets per doubling: times 2, then cut off."),
            (22, "Multiply first, then cut off."),
            (int(2 * math.log2(2)), "That counts hours. Gaps are measured in seconds."),
            (int(2 * math.log(3601)), "That is the natural logarithm. Take the one to base 2."),
            (int(2 * math.log10(3601)), "That is the logarithm to base 10. Take the one to base 2."),
        ],
    )
    close(answer, 23, hint="Not yet: 2 log2(3601), and then cut off what stands behind the point.")


def _history(g: torch.Generator, B: int = 4, L: int = 5):
    n = torch.randint(0, L, (B,), generator=g)
    mask = torch.arange(L) < n[:, None]
    return torch.randint(2, 30, (B, L), generator=g) * mask, mask, torch.randint(2, 30, (B,), generator=g)


def _append(history, mask, item):
    """Row by row."""
    items, real = [], []
    for row, known, target in zip(history.tolist(), mask.tolist(), item.tolist()):
        items.append([*row, target])
        real.append([*known, True])
    return torch.tensor(items), torch.tensor(real)


def _at_first_free(history, mask, item):
    items, real = torch.cat([history, 0 * item[:, None]], 1), torch.cat([mask, mask[:, :1] & False], 1)
    row, n = torch.arange(len(item)), mask.sum(1)
    items[row, n], real[row, n] = item, True
    return items, real


@exercise(
    "bst-2",
    "Two `torch.cat` along dim=1: one for the items, one for the mask.",
    "`item[:, None]` is (B, 1). The target is real in every row, so its column of the mask is True.",
    "`torch.cat([mask, torch.ones_like(item, dtype=torch.bool)[:, None]], dim=1)`",
    todo="Complete the function `with_target(history, mask, item)`: it returns items and mask, (B, L + 1) each.",
    solved="Right. The last place is the target's in every row, however short the history: z[:, -1] finds it.",
)
def bst_2(answer):
    ones = lambda mask: torch.ones(len(mask), 1, dtype=torch.bool)  # noqa: E731
    function(
        answer,
        inputs=_history,
        oracle=_append,
        wrong=[
            (
                lambda h, m, i: (torch.cat([h, i[:, None]], 1), torch.cat([m, ~ones(m)], 1)),
                "The target is marked as padding: then nobody may look at it, not even itself.",
            ),
            (
                lambda h, m, i: (torch.cat([h, i[:, None]], 1), torch.cat([m, m[:, -1:]], 1)),
                "The target's place copies the mask of the last event. The target is always real.",
            ),
            (
                lambda h, m, i: (torch.cat([i[:, None], h], 1), torch.cat([ones(m), m], 1)),
                "You put the target in front. Here it comes last.",
            ),
            (
                lambda h, m, i: (torch.cat([i[:, None], h], 1), torch.cat([m, ones(m)], 1)),
                "Items and mask do not fit: the target comes last in both.",
            ),
            (
                lambda h, m, i: (torch.cat([h, i[:, None]], 1), torch.cat([ones(m), m], 1)),
                "The items are right. In the mask the target comes last, too.",
            ),
            (
                lambda h, m, i: (torch.cat([h, i[:, None]], 1), torch.cat([m | True, ones(m)], 1)),
                "All places are marked as real, the padding too.",
            ),
            (
                lambda h, m, i: (torch.cat([h[:, 1:], i[:, None]], 1), torch.cat([m[:, 1:], ones(m)], 1)),
                "The oldest event is gone. The sequence becomes longer by one: L + 1.",
            ),
            (
                lambda h, m, i: torch.cat([h, i[:, None]], 1),
                "Two things are asked for: the items, and their mask.",
            ),
            (
                lambda h, m, i: (torch.cat([h, i[:, None]], 1), m),
                "The mask needs a place for the target, too: (B, L + 1).",
            ),
            (
                _at_first_free,
                "You put the target behind the last event, at another place in each row. It comes last in all.",
            ),
        ],
    )


@exercise(
    "bst-3",
    "Write [e; p] as one column of numbers. Which columns of W meet e, which meet p?",
    "The first d_e columns meet e, the others meet p.",
    "`W[:, :d_e], W[:, d_e:]`",
    todo="Complete the function `split(W, d_e)`: it returns two matrices.",
    solved="Right. To concatenate and project is to add, after a projection of each.",
)
def bst_3(answer):
    function(
        answer,
        inputs=lambda g: (torch.randn(4, 10, generator=g), 3),
        oracle=lambda W, d: (
            torch.stack([c for k, c in enumerate(W.T) if k < d], 1),
            torch.stack([c for k, c in enumerate(W.T) if k >= d], 1),
        ),
        wrong=[
            (lambda W, d: (W[:, d:], W[:, :d]), "The two are exchanged: e stands first in [e; p]."),
            (
                lambda W, d: (W[:d], W[d:]),
                "You cut the rows. A row is one output; the columns meet the inputs.",
            ),
            (lambda W, d: (W, W), "Each part meets only its own columns of W."),
            (
                lambda W, d: (W[:, :-d], W[:, -d:]),
                "e has the first d_e columns, p the rest: you cut d_e from the end.",
            ),
            (
                lambda W, d: (W[:, :d].T, W[:, d:].T),
                "Both are transposed: W_e turns (d_e,) into (d,), as W does, so it is (d, d_e).",
            ),
            (
                lambda W, d: (W[:, : W.shape[1] // 2], W[:, W.shape[1] // 2 :]),
                "e and p need not be equally wide: cut at d_e.",
            ),
            (lambda W, d: W[:, :d], "That is W_e. W_p is asked for, too: two matrices."),
            (
                lambda W, d: (W[:, : d + 1], W[:, d + 1 :]),
                "One column too far: columns count from 0, so e meets 0 to d_e - 1.",
            ),
        ],
    )


def _row(g: torch.Generator, T: int = 5, d: int = 4):
    mask = torch.rand(T, generator=g) > 0.4
    mask[0], mask[1], mask[-1] = True, False, True
    return (
        torch.randn(T, d, generator=g),
        torch.randn(d, 3, generator=g),
        torch.randn(d, 3, generator=g),
        mask,
    )


def _look(x, W_Q, W_K, mask):
    """Key by key."""
    q = x[-1].double() @ W_Q.double()
    weights = [
        (q @ (x[j].double() @ W_K.double()) / q.numel() ** 0.5).exp() if mask[j] else torch.zeros(()).double()
        for j in range(len(x))
    ]
    return torch.stack(weights) / sum(weights)


def _look_slip(query=-1, divide=True, masked="before", swap=False, own=True):
    def slip(x, W_Q, W_K, mask):
        A, B = (W_K, W_Q) if swap else (W_Q, W_K)
        s = (x @ B) @ (x[query] @ A)
        s = s / A.shape[1] ** 0.5 if divide else s
        may = mask.clone()
        if not own:
            may[-1] = False
        if masked == "before":
            s = s.masked_fill(~may, -torch.inf)
        a = s.softmax(-1)
        return a * mask if masked == "after" else a

    return slip


@exercise(
    "bst-4",
    "One query, that of the last row of x; T keys; a softmax over the real ones.",
    "`s = (x @ W_K) @ (x[-1] @ W_Q)` are T products. Divide by the root of their width, mask, softmax.",
    "`(s / W_K.shape[1] ** 0.5).masked_fill(~mask, -math.inf).softmax(-1)`",
    todo="Complete the function `target_looks(x, W_Q, W_K, mask)`: it returns T weights.",
    solved="Right. This one row is what DIN has; BST has T of them.",
)
def bst_4(answer):
    function(
        answer,
        inputs=_row,
        oracle=_look,
        wrong=[
            (_look_slip(query=0), "You asked with the first event. The target is the last row of x."),
            (_look_slip(divide=False), "The division by the root of d_k is missing."),
            (_look_slip(masked=""), "Padding gets weight: the mask is not used."),
            (
                _look_slip(masked="after"),
                "Masked after the softmax, the rest does not sum to 1. Mask the scores.",
            ),
            (_look_slip(swap=True), "W_Q and W_K are exchanged: the target asks, the events answer."),
            (_look_slip(own=False), "The target may look at itself, too: its mask is True."),
            (
                lambda x, W_Q, W_K, mask: (
                    ((x @ W_Q) @ (x @ W_K).T / W_K.shape[1] ** 0.5).masked_fill(~mask, -torch.inf).softmax(-1)
                ),
                "That is the whole matrix. Only the target's row is asked for: T numbers.",
            ),
            (
                lambda x, W_Q, W_K, mask: (
                    ((x @ W_K) @ (x[-1] @ W_Q) / x.shape[1] ** 0.5).masked_fill(~mask, -torch.inf).softmax(-1)
                ),
                "The root is that of d_k, the width of queries and keys, not of x.",
            ),
        ],
    )


def _paired(small, large):
    """Seed by seed."""
    d = [float(b) - float(a) for a, b in zip(small, large)]
    mean = sum(d) / len(d)
    return torch.tensor([mean, (sum((x - mean) ** 2 for x in d) / (len(d) - 1) / len(d)) ** 0.5])


@exercise(
    "bst-5",
    "The same seed stands at the same place in both: subtract first, then summarise.",
    "With d = large - small: the mean of d, and its spread divided by the root of the number of seeds.",
    "`d = large - small; torch.stack([d.mean(), d.std() / len(d) ** 0.5])`",
    todo="Complete the function `gain(small, large)`: it returns two numbers, the mean gain and its standard error.",
    solved="Right. Three seeds give a rough error: Student's t then asks for 4.3 of them, not for 2.",
)
def bst_5(answer):
    function(
        answer,
        inputs=lambda g: (
            0.7 + 0.02 * torch.randn(4, generator=g),
            0.76 + 0.02 * torch.randn(4, generator=g),
        ),
        oracle=_paired,
        wrong=[
            (
                lambda s, b: torch.stack([(b - s).mean(), (b - s).std()]),
                "That is the spread of one difference. The error of their mean is smaller: divide by the root of S.",
            ),
            (
                lambda s, b: torch.stack([(b - s).mean(), (b - s).std() / len(s)]),
                "Divide by the root of the number of seeds, not by the number.",
            ),
            (
                lambda s, b: torch.stack([(b - s).mean(), (b - s).std(correction=0) / len(s) ** 0.5]),
                "With S seeds divide the squares by S - 1. A tensor's `std` does so by itself, NumPy's with `ddof=1`.",
            ),
            (
                lambda s, b: torch.stack([(b - s).mean(), ((b.var() + s.var()) / len(s)) ** 0.5]),
                "You added up two variances, as if the seeds were not paired. Subtract first.",
            ),
            (
                lambda s, b: torch.stack([(s - b).mean(), (b - s).std() / len(s) ** 0.5]),
                "The sign is turned round: a gain is large minus small.",
            ),
            (
                lambda s, b: torch.stack([(b - s).median(), (b - s).std() / len(s) ** 0.5]),
                "The mean is asked for, not the median.",
            ),
            (lambda s, b: (b - s).mean(), "One number is missing: the standard error."),
            (
                lambda s, b: torch.stack([(b - s).mean(), (b - s).var() / len(s)]),
                "That is the square of the standard error: take its root.",
            ),
            (
                lambda s, b: torch.stack([(b - s).sum(), (b - s).std() / len(s) ** 0.5]),
                "The mean gain is asked for, not the sum of the gains.",
            ),
        ],
    )


quiz(
    "bst",
    [
        question(
            "Where does BST put the target?",
            (
                "Into the sequence, as its last event",
                True,
                "Yes: it looks at the events, and they look at it.",
            ),
            ("Into the head only, beside a summary of the history", False, "So does a pooled model."),
            ("Into the decoder", False, "BST has an encoder only."),
            ("Nowhere: it predicts the next item", False, "That is SASRec."),
        ),
        question(
            "Two histories have the same films in the same order, at other times. Which BST gives them other scores?",
            ("The one with time gaps", True, "Yes: its positions are made of seconds."),
            (
                "The one with learned places",
                False,
                "It counts events back from the target: nothing has changed.",
            ),
            ("The one with sinusoids", False, "They are made of places, too."),
            ("Every one", False, "Without times in its input, a model cannot know them."),
        ),
        question(
            "In the world `fading`, DIN with time gaps reached what BST with time gaps reached. What does that say?",
            (
                "Time gaps do it; self-attention is not needed there",
                True,
                "Yes: the control has the gaps and no self-attention.",
            ),
            ("BST is a bad model", False, "It reached the ceiling as well."),
            ("Self-attention never helps", False, "One world says nothing of others."),
            ("DIN is a Transformer", False, "Only the target looks there: one row of weights, not T."),
        ),
        question(
            "Why may what stands in a padded place be anything?",
            (
                "No real event gives it weight, and its own output is not read",
                True,
                "Yes: the mask does the first.",
            ),
            (
                "The vector of id 0 is zero",
                False,
                "A key of zeros would still get exp(0) = 1. Only the mask helps.",
            ),
            ("Layer norm removes it", False, "It works within one event."),
        ),
    ],
)
