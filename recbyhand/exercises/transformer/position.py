"""Checks of chapter 5: position."""

from __future__ import annotations

import math

import torch

from recbyhand.exercises.engine import Wrong, call, close, exercise, function, one_of_wrong
from recbyhand.exercises.quizzes import question, quiz

PE_1 = [math.sin(2), math.cos(2), math.sin(0.02), math.cos(0.02)]


@exercise(
    "pos-1",
    "Two pairs: angle 2 for the first, 2 / 100 for the second. Sine first, then cosine, in radians.",
    "The first number is sin 2 = 0.909.",
    todo="Replace the `...` by the four numbers, as a list or a tensor.",
    solved="Right. The second pair has hardly left (0, 1): it counts in hundreds.",
)
def pos_1(answer):
    s, c = math.sin, math.cos
    one_of_wrong(
        answer,
        [
            ([s(2), s(0.02), c(2), c(0.02)], "Sine and cosine of one angle stand side by side."),
            ([c(2), s(2), c(0.02), s(0.02)], "The even column has the sine, the odd one the cosine."),
            (
                [s(math.radians(2)), c(math.radians(2)), s(math.radians(0.02)), c(math.radians(0.02))],
                "The angles are radians.",
            ),
            (
                [s(2), c(2), s(2 / 10000), c(2 / 10000)],
                "The exponent of the second pair is 2/4, so divide by 100.",
            ),
            (
                [s(2), c(0.2), s(0.02), c(0.002)],
                "Both columns of a pair have the same angle: i counts pairs.",
            ),
            ([s(2), c(2), s(200), c(200)], "Divide by 100: later pairs are slower."),
            ([s(1), c(1), s(0.01), c(0.01)], "That is position 1. Positions count from 0, and 2 is asked."),
            ([s(2), c(2), s(2), c(2)], "The second pair is a hundred times slower than the first."),
            ([s(3), c(3), s(0.03), c(0.03)], "That is position 3: positions count from 0, and 2 is asked."),
            (
                [s(2), c(2), s(0.2), c(0.2)],
                "The exponent of the second pair is 2/4, and 10000^(2/4) = 100: you divided by 10.",
            ),
        ],
    )
    close(
        answer,
        PE_1,
        rtol=2e-3,
        atol=6e-4,
        hint="Not yet. Sine and cosine of the angle 2, then sine and cosine of the angle 2 / 100.",
    )


def _table(n, d):
    rows = torch.zeros(n, d, dtype=torch.float64)
    for m in range(n):
        for j in range(d):
            angle = m / 10000 ** ((j - j % 2) / d)
            rows[m, j] = math.cos(angle) if j % 2 else math.sin(angle)
    return rows


def _table_slip(first=0, exponent=lambda j, d: (j - j % 2) / d, even=math.sin, odd=math.cos, halves=False):
    def slip(n, d):
        rows = torch.zeros(n, d)
        for m in range(n):
            for j in range(d):
                i = 2 * j if halves and j < (d + 1) // 2 else 2 * (j - (d + 1) // 2) + 1 if halves else j
                angle = (m + first) / 10000 ** exponent(i, d)
                rows[m, j] = odd(angle) if i % 2 else even(angle)
        return rows

    return slip


@exercise(
    "pos-2",
    "Angles first: (n, ceil(d/2)). Then the sines into the even columns and the cosines into the odd ones.",
    "`angle = torch.arange(n)[:, None] / 10000 ** (torch.arange(0, d, 2) / d)`; `table[:, 0::2] = angle.sin()`.",
    "With an odd d there is one cosine fewer: `angle.cos()[:, : d // 2]`.",
    todo="Complete the function `positions(n, d)`: it returns a tensor of shape (n, d).",
)
def pos_2(answer):
    function(
        answer,
        inputs=lambda g: (int(torch.randint(4, 9, (1,), generator=g)), 6),
        oracle=_table,
        wrong=[
            (_table_slip(first=1), "Positions count from 0: the first row is (0, 1, 0, 1, ...)."),
            (_table_slip(exponent=lambda j, d: j / d), "Both columns of a pair share one angle."),
            (_table_slip(exponent=lambda j, d: (j // 2) / d), "The exponent is 2i / d, not i / d."),
            (
                _table_slip(exponent=lambda j, d: 2 * (j - j % 2) / d),
                "The exponents are twice as large: an even column j is 2i already, so it is j / d.",
            ),
            (_table_slip(even=math.cos, odd=math.sin), "The even columns have the sine."),
            (_table_slip(halves=True), "All sines first, then all cosines: they should alternate."),
            (
                _table_slip(exponent=lambda j, d: -(j - j % 2) / d),
                "Divide by 10000^(2i/d): later pairs are slower.",
            ),
            (_table_slip(exponent=lambda j, d: 0), "Every pair has the same wave. Divide by 10000^(2i/d)."),
        ],
    )
    odd = call(answer, 5, 7)  # four sines and three cosines
    close(odd, _table(5, 7), hint="Right for an even d. With an odd d the last column is a sine.")


@exercise(
    "pos-3",
    "A pair gives sin M sin N + cos M cos N. Which cosine is that?",
    "cos(M - N) at the wavelength of the pair; there are d / 2 pairs.",
    todo="Complete the function `product(D, d)`: it returns a number.",
    solved="Right: it depends on the distance alone, and is largest, d / 2, at distance 0.",
)
def pos_3(answer):
    def waves(D, d, f=math.cos, step=2, pairs=None):
        return sum(f(D / 10000 ** (step * i / d)) for i in range(pairs or d // 2))

    function(
        answer,
        inputs=[(5, 16), (1, 4), (37, 8), (310, 4)],  # the last product is negative
        oracle=lambda D, d: float(_table(D + 6, d)[D + 5] @ _table(D + 6, d)[5]),
        wrong=[
            (lambda D, d: waves(D, d, math.sin), "sin M sin N + cos M cos N is a cosine of the difference."),
            (
                lambda D, d: waves(D, d) + waves(D, d, math.sin),
                "The two products of a pair make one cosine. There is no sine besides.",
            ),
            (lambda D, d: waves(D, d, step=1), "The exponent of pair i is 2i / d."),
            (lambda D, d: waves(D, d, pairs=d), "There are d / 2 pairs, not d."),
            (lambda D, d: waves(D, d) * 2 / d, "That is the mean over the pairs: sum up."),
            (
                lambda D, d: math.cos(D),
                "That is the first pair. There are d / 2, each slower than the one before.",
            ),
            (lambda D, d: d / 2 * math.cos(D), "Each pair has a wavelength of its own."),
            (lambda D, d: d / 2, "That is the product of a row with itself, at distance 0."),
            (lambda D, d: waves(D, d) - D, "Nothing is subtracted: it is a sum of cosines."),
            (
                lambda D, d: waves(D, d, step=1, pairs=d),
                "There are d / 2 pairs, and the exponent of pair i is 2i / d: you count columns.",
            ),
            (
                lambda D, d: abs(waves(D, d)),
                "A cosine may be negative, and so may the sum: take no absolute value.",
            ),
        ],
    )


def _mask(g: torch.Generator):
    n = torch.randint(0, 6, (6,), generator=g)
    n[0], n[1] = 0, 5
    return (torch.arange(5) < n[:, None],)


def _ages(mask):
    out = torch.zeros(mask.shape, dtype=torch.long)
    for b, row in enumerate(mask):
        n = int(row.sum())
        for i in range(n):
            out[b, i] = n - i
    return out


@exercise(
    "pos-4",
    "Count from the left with `mask.cumsum(1)`; the newest has the number of real events.",
    "`mask.sum(1, keepdim=True) + 1 - mask.cumsum(1)`, and 0 where padded.",
    todo="Complete the function `ages(mask)`: it returns whole numbers of shape (B, L).",
)
def pos_4(answer):
    function(
        answer,
        inputs=_mask,
        oracle=_ages,
        wrong=[
            (lambda m: m.cumsum(1) * m, "You count from the oldest. The newest should be 1."),
            (lambda m: (m.sum(1, keepdim=True) - m.cumsum(1)) * m, "The newest gets 1: 0 is padding's."),
            (lambda m: m.sum(1, keepdim=True) + 1 - m.cumsum(1), "Padding must get 0."),
            (
                lambda m: torch.arange(m.shape[1], 0, -1).expand(m.shape) * m,
                "You count from the end of the row. With padding there, the newest event is earlier.",
            ),
            (
                lambda m: torch.arange(1, m.shape[1] + 1).expand(m.shape) * m,
                "You count from the oldest, by column.",
            ),
            (lambda m: m.flip(1).cumsum(1) * m, "Flip back after counting: the order is turned round."),
            (
                lambda m: m.sum(1, keepdim=True) - torch.arange(m.shape[1]),
                "Right for real events. Yours goes on counting in the padding: 0 belongs there.",
            ),
            (lambda m: m.flip(1).cumsum(1), "Two things: flip back after counting, and give padding 0."),
        ],
    )


@exercise(
    "pos-5",
    "Compare f(x[:, p]) with f(x)[:, p] for random permutations p, with a tolerance.",
    "All 20 must agree, and not just in their sums: `torch.allclose(..., atol=1e-5)`.",
    todo="Complete the function `blind_to_order(f)`: it returns True or False.",
    solved="Right. Keep this test: a model of sequences should fail it.",
)
def pos_5(answer):
    from recbyhand.layers import PositionalEncoding, TransformerEncoder

    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder, place = TransformerEncoder(4, heads=2, layers=1).eval(), PositionalEncoding(4)
        gru = torch.nn.GRU(4, 4, batch_first=True)
    cases = [
        (
            lambda x: encoder(x),
            True,
            "An encoder without positions is blind, and you say it is not. Permute both sides, and leave a tolerance.",
        ),
        (lambda x: encoder(place(x)), False, "An encoder with positions is not blind, and you say it is."),
        (lambda x: gru(x)[0], False, "A GRU is not blind to order, and you say it is."),
        (
            lambda x: 2 * x,
            True,
            "Doubling every event is blind to order: outputs are permuted as inputs are.",
        ),
        (
            lambda x: x.mean(1, keepdim=True).expand_as(x),
            True,
            "A mean for everybody is blind to order, too. Compare f(x[:, p]) with f(x)[:, p].",
        ),
        (
            lambda x: x.cumsum(1),
            False,
            "A running sum is not blind, though its last row is: compare all rows.",
        ),
        (
            lambda x: torch.cat([x[:, :1] * 2, x[:, 1:]], 1),
            False,
            "This function doubles the first event. One permutation may leave it in place: try all 20.",
        ),
        (
            lambda x: torch.cat([x[:, :-1], x[:, -1:] * 2], 1),
            False,
            "This function doubles the last event. Whoever exchanges others only does not see it: draw all 20.",
        ),
    ]
    ramp = torch.arange(1.0, 7.0)[:, None]  # (T, 1)
    cases.append(
        (
            lambda x: x.mean(1, keepdim=True) * ramp[: x.shape[1]],
            False,
            "Sums agree for this function, events do not: compare every row of the output.",
        )
    )
    with torch.no_grad():
        for f, truth, hint in cases:
            said = call(answer, f)
            if not isinstance(said, (bool, torch.Tensor)) and type(said).__name__ not in ("bool", "bool_"):
                raise Wrong(f"Return True or False, not {type(said).__name__}.")
            if bool(said) != truth:
                raise Wrong(hint)


quiz(
    "pos",
    [
        question(
            "Why does attention without positions not see the order?",
            (
                "A weighted sum does not depend on the order of its terms",
                True,
                "Yes: the weights move along.",
            ),
            ("The softmax sorts the scores", False, "It leaves them where they are."),
            ("The mask hides it", False, "Without a mask it is just as blind."),
            ("It was trained on shuffled histories", False, "It is blind with any weights."),
        ),
        question(
            "cos M cos N + sin M sin N is the cosine of what?",
            ("M - N", True, "Yes: the plus belongs to the difference."),
            ("M + N", False, "That one has a minus."),
            ("M N", False, "No rule gives that."),
        ),
        question(
            "d = 128, films of length at most 1, the waves added as they are. What does attention mainly compare?",
            ("Places", True, "Yes: a place has length 8 there."),
            ("Films", False, "They are eight times as quiet."),
            ("Both alike", False, "Look at the lengths: 8 and 1."),
        ),
        question(
            "Histories of 3 and of 20 films, padded at the end. When does *place* mean *how recent*?",
            ("When it is counted back from the newest event", True, "Yes: age 1 is the newest in both."),
            ("When it is counted from the oldest", False, "Place 3 is the newest in one, old in the other."),
            ("Always", False, "Only the age says how recent."),
        ),
    ],
)
