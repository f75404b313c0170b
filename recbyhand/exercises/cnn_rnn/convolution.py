"""Checks of chapter 2: convolution over features."""

from __future__ import annotations

from itertools import combinations

import torch

from recbyhand.exercises.engine import (
    AUTOGRAD,
    Wrong,
    call,
    close,
    edge,
    exercise,
    function,
    one_of_wrong,
    uses,
)
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "conv-1",
    "Four places, a window of two: how many outputs are there?",
    "At each place: 1 + (x₁[t] - x₁[t + 1]) + 2 · x₂[t].",
    todo="Replace the `...` by a list of three numbers.",
    solved="Right. Both channels enter every window, each with its own line of the kernel.",
)
def conv_1(answer):
    one_of_wrong(
        answer,
        [
            ((-1.0, 4.0, 1.0), "The bias is missing: add b = 1 at every place."),
            (
                (4.0, 1.0, 6.0),
                "You turned the kernel round. In a network it is applied as it stands: (1, -1), not (-1, 1).",
            ),
            ((0.0, 3.0, 0.0), "Only the first channel is in there. A window takes in all channels."),
            ((1.0, 3.0, 3.0), "Only the second channel is in there. A window takes in all channels."),
            (
                ((0.0, 3.0, 0.0), (1.0, 3.0, 3.0)),
                "These are the channels apart, each with b. One kernel gives one number per place: add, b once.",
            ),
            ((1.0, 6.0, 3.0), "The bias comes once per place, not once per channel."),
            ((4.0, 5.0, 4.0), "The first kernel is (1, -1): its second number is taken off, not added."),
            (
                (2.0, 5.0, 0.0),
                "The channels are exchanged: (1, -1) belongs to the first, (2, 0) to the second.",
            ),
            (
                (0.0, 5.0, 2.0, 6.0),
                "A window must lie inside: four places hold three windows of width two.",
            ),
        ],
    )
    close(
        answer,
        torch.tensor([0.0, 5.0, 2.0]),
        hint="Not yet. Write the three windows down, two numbers per channel.",
    )


def _picture(g: torch.Generator) -> tuple:
    return (
        torch.randn(2, 3, 7, generator=g),
        torch.randn(4, 3, 3, generator=g),
        torch.randn(4, generator=g),
    )


def _by_definition(x, W, b):
    """Five loops, over numbers."""
    C, T, K = x.shape[1], x.shape[2], W.shape[2]
    kernels, biases, window = W.tolist(), b.tolist(), [(c, k) for c in range(C) for k in range(K)]
    return torch.tensor(
        [
            [
                [b + sum(w[c][k] * row[c][t + k] for c, k in window) for t in range(T - K + 1)]
                for w, b in zip(kernels, biases, strict=True)
            ]
            for row in x.tolist()
        ]
    )


def _windows(x, W):
    return x.unfold(-1, W.shape[-1], 1)  # (B, C, T', K)


@exercise(
    "conv-2",
    "At one place t the window is `x[..., t : t + K]`, (B, C, K). What is summed, and what stays?",
    "`torch.einsum('bck,ock->bo', window, W) + b` is one place. How many places are there?",
    todo="Complete the function `convolve(x, W, b)`: it returns a tensor of shape (B, O, T - K + 1).",
)
def conv_2(answer):
    function(
        answer,
        inputs=_picture,
        oracle=_by_definition,
        wrong=[
            (lambda x, W, b: _by_definition(x, W, 0 * b), "The bias is missing."),
            (
                lambda x, W, b: _by_definition(x, W.flip(-1), b),
                "Your kernel is turned round: W[..., 0] belongs to the first place of the window.",
            ),
            (
                lambda x, W, b: _by_definition(x, W, b).relu(),
                "The ReLU comes after the convolution: it is not part of it.",
            ),
            (
                lambda x, W, b: _by_definition(x, W, x.shape[1] * b),
                "The bias comes once per output, not once per channel.",
            ),
            (
                lambda x, W, b: torch.einsum("bctk,ock->boct", _windows(x, W), W) + b[:, None, None],
                "Sum over the channels, too: one kernel gives one number per place.",
            ),
            (
                lambda x, W, b: _by_definition(x, W, b)[..., :-1],
                "One place is missing at the end: the last window starts at T - K.",
            ),
            (
                lambda x, W, b: _by_definition(torch.nn.functional.pad(x, (1, 1)), W, b),
                "You padded the ends. Without padding there are T - K + 1 places.",
            ),
            (
                lambda x, W, b: _by_definition(x, W, b).transpose(1, 2),
                "The numbers are right; the axes are asked in the order (B, O, T').",
            ),
            (
                lambda x, W, b: _by_definition(x[:, :1], W[:, :1], b),
                "Only the first channel is in there. A window takes in all channels, each by its own line of W.",
            ),
            (
                lambda x, W, b: _by_definition(x, W / x.shape[1], b),
                "You take the mean of the channels. The formula adds them up.",
            ),
            (
                lambda x, W, b: _by_definition(x, W / (W.shape[1] * W.shape[2]), b),
                "You take the mean of the window. The formula adds it up.",
            ),
            (
                lambda x, W, b: _by_definition(x, W.flip(1), b),
                "The channels are exchanged: W[:, c] belongs to x[:, c].",
            ),
        ],
        rtol=1e-3,
        atol=1e-5,
    )


def _meet(F, K):
    """By trying: every window, every pair in it."""
    return len({pair for t in range(F - K + 1) for pair in combinations(range(t, t + K), 2)})


@exercise(
    "conv-3",
    "Which pairs do *not* meet in a window of two? How far apart may two fields stand?",
    "Two fields meet if they stand 1, 2, ... or K - 1 apart. How many pairs stand s apart?",
    "F - s pairs stand s apart: sum that for s from 1 to K - 1.",
    todo="Complete the function `pairs_met(F, K)`: it returns a whole number.",
    solved="Right: (K - 1) F - K (K - 1) / 2. With K = F all of them, and then it is no window any more.",
)
def conv_3(answer):
    function(
        answer,
        inputs=[(6, 1), (6, 2), (6, 3), (7, 4), (9, 9), (5, 3)],
        oracle=_meet,
        wrong=[
            (
                lambda F, K: (F - K + 1) * (K * (K - 1) // 2),
                "You counted every window's pairs: those in two windows are there twice.",
            ),
            (lambda F, K: F * (F - 1) // 2, "That is all pairs. Those that stand too far apart never meet."),
            (
                lambda F, K: sum(F - s for s in range(1, min(K, F - 1) + 1)),
                "In a window of K two fields stand at most K - 1 apart.",
            ),
            (lambda F, K: F - 1, "These are the neighbours: right for K = 2 only."),
            (lambda F, K: F - K + 1, "That is the number of windows, not of pairs."),
            (
                lambda F, K: (K - 1) * F,
                "As if the row were a ring: at the end there is no field left to meet.",
            ),
            (
                lambda F, K: (K - 1) * (2 * F - K),
                "You counted every pair from both its sides: halve that.",
            ),
            (
                lambda F, K: F * (F - 1) // 2 - _meet(F, K),
                "Those are the pairs that never meet. Asked are the others.",
            ),
            (
                lambda F, K: (F - K + 1) * (K - 1),
                "Those are pairs with the first field of each window. The last window has more.",
            ),
            (
                lambda F, K: _meet(F, K) / (F * (F - 1) / 2),
                "That is the share of all pairs. Their number is asked for.",
            ),
            (
                lambda F, K: F - K + 1 if K > 1 else 0,
                "Those are the pairs that stand K - 1 apart. Nearer ones meet as well.",
            ),
            (
                lambda F, K: (K - 1) * (F - K) + K,
                "Count again: F - s pairs stand s apart, and s runs from 1 to K - 1.",
            ),
            (lambda F, K: K * (K - 1) // 2, "That is the pairs in one window. The window slides."),
            (
                lambda F, K: sum(F - s for s in range(K)),
                "Your sum begins at a distance of 0: a field and itself are no pair.",
            ),
            (
                lambda F, K: (K - 1) * (F - 1),
                "The first field meets K - 1 others, but the fields near the end have fewer behind them.",
            ),
        ],
    )


def _layers() -> list[tuple]:
    """(layer, is the order of its dimensions nothing to it?, what a test that gets it wrong has overlooked)."""
    g = torch.Generator().manual_seed(7)
    W = torch.randn(4, 3, generator=g)
    mirror = torch.randn(4, 3, generator=g)
    mirror = mirror + mirror.flip(-1)  # stands a reversal

    def window(V, kernel):
        return (V.unfold(-1, 3, 1) * kernel[:, None].to(V.dtype)).sum((0, 2))

    def turn(V):
        return V.cumsum(-1)[:, -1]  # the last of running sums: a plain sum

    def pool(V):
        return (V.sum(0) ** 2 - (V**2).sum(0)) / 2

    values = (
        "Some layers give the same values in another order, as pooling does: sort before you compare. And the order is "
        "one for all rows: V[:, order]."
    )
    seen = "Your test passes a convolution over dimensions. Does it really reorder, and compare values?"
    once = "A symmetric kernel stands a reversal. Try several random orders, not one particular one."
    grid = "Reorder the columns, V[:, order]; a layer may well care which *line* is which field."
    pairs = (
        "A layer may return one number, or a matrix: flatten the output before you sort it. A sum in another order "
        "differs in its last digit: `torch.allclose`."
    )
    sums = (
        "Differences of neighbours escape your test. Perhaps it compares sums: they are 0 in any order. Or it moves "
        "all columns on by one, and no more. Compare all values, for random orders."
    )
    often = "The same values, but not equally often: compare sorted lists, not sets."
    largest = (
        "Your test compares the largest value only. A running maximum ends there in any order: compare all."
    )
    some = "A sum of the first two columns stands their exchange. Try several random orders of all columns."
    turned = "The dimensions may come out as lines, too, as in V.T: flatten before you sort."
    weights = torch.randn(4, generator=g)
    return [
        (lambda V: window(V, W), False, seen),
        (pool, True, values),
        (lambda V: window(V, mirror), False, once),
        (lambda V: weights.to(V.dtype) @ V, True, grid),
        (lambda V: V.sum(), True, pairs),
        (lambda V: V * V, True, pairs),
        (turn, True, values),
        (lambda V: V.cumsum(-1), False, seen),
        (lambda V: V[:, 0], False, seen),
        (lambda V: V - V.roll(1, -1), False, sums),
        (lambda V: V.cummax(-1).values, False, largest),
        (lambda V: V[:, :2].sum(-1), False, some),
        (lambda V: V.T, True, turned),
        (lambda V: torch.cat([V, V[:, :1]], 1), False, often),
    ]


@exercise(
    "conv-4",
    "Draw V and an order, compute `layer(V)` and `layer(V[:, order])`. When are they the same values?",
    "`.flatten().sort().values` of both, then `torch.allclose`. One order is not enough: loop.",
    todo="Complete the function `order_is_nothing(layer, F, d)`: it returns True or False.",
    solved="Right. Fourteen layers have passed your test or failed it as they should.",
)
def conv_4(answer):
    if not callable(answer):
        raise Wrong("A function is asked for: give its name without brackets.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        said = [call(answer, layer) for layer, _, _ in _layers()]
    if not all(isinstance(s, bool) or getattr(s, "ndim", None) == 0 for s in said):
        raise Wrong("Return True or False.")
    said = [bool(s) for s in said]
    truth = [expected for _, expected, _ in _layers()]
    if said == [not t for t in truth]:
        raise Wrong("The wrong way round: True if the order is nothing to the layer.")
    if len(set(said)) == 1:
        raise Wrong(f"Your function says {said[0]} to every layer. Does it look at what `layer` returns?")
    for got, (_, expected, why) in zip(said, _layers(), strict=True):
        if got != expected:
            raise Wrong(why)
    try:
        other = call(answer, lambda V: torch.ones(3) @ V @ torch.arange(5.0), 3, 5)
    except RuntimeError:
        raise Wrong("Draw V with the F and d that are given: another layer takes a matrix (3, 5).") from None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        chance = any(bool(call(answer, lambda V: V[:, :2].sum(-1))) for _ in range(40))
    seen: list = []
    call(answer, lambda V: (seen.append(V), V.sum(0))[1])
    if len(seen) < 3 or bool(other) or chance:
        raise Wrong("Now and then your test is wrong: a single order may do nothing to a layer. Try a dozen.")


def _reach(kernels):
    """By widening a set of places, layer by layer, from the output down."""
    places = {0}
    for k in reversed(list(kernels)):
        places = {p + s for p in places for s in range(k)}
    return len(places)


@exercise(
    "conv-5",
    "By how much does the count grow with each further layer of width 3?",
    "A layer of width k adds k - 1 places. What does no layer at all see?",
    todo="Complete the function `reach(kernels)`: it returns a whole number.",
    solved="Right. The view grows by a fixed step per layer: ten layers of width 3 for a history of 20.",
)
def conv_5(answer):
    if uses(answer, *AUTOGRAD):
        raise Wrong(
            "Your function counts by a gradient. Find the rule, and compute the number from the widths."
        )
    function(
        answer,
        inputs=[([3],), ([3, 3],), ([3, 3, 3],), ([2, 5],), ([1, 4, 1],), ([7, 2, 2, 3],)],
        oracle=_reach,
        wrong=[
            (lambda ks: sum(ks), "Windows overlap: neighbouring outputs share all places but one."),
            (
                lambda ks: _product(ks),
                "The view does not multiply: the windows move by one place, not by their width.",
            ),
            (lambda ks: sum(k - 1 for k in ks), "One too few: without any layer you see one place."),
            (lambda ks: max(ks), "That is the widest window. Each layer widens the view further."),
            (lambda ks: 1 + 2 * len(ks), "Right for kernels of width 3. Others widen the view by k - 1."),
            (
                lambda ks: 1 + sum(k // 2 for k in ks),
                "That is one side of the window only. A width of k adds k - 1 places.",
            ),
            (
                lambda ks: 60 - sum(k - 1 for k in ks),
                "That is how many outputs are left of 60. Asked is how many places ONE of them sees.",
            ),
            (lambda ks: len(ks) * (ks[0] - 1) + 1, "All kernels count, each with its own width."),
            (lambda ks: ks[-1], "That is what the last layer sees of the one below. That one sees further."),
            (lambda ks: 2 ** len(ks) + 1, "It grows by a step, not by doubling: 3, 5, 7."),
            (
                lambda ks: sum(ks) - 1,
                "Every layer overlaps by one place, not only the whole: each adds k - 1.",
            ),
            (lambda ks: len(ks) + 1, "Right for kernels of width 2. A width of k adds k - 1 places."),
            (
                lambda ks: 1 + sum((k - 1) ** 2 for k in ks),
                "A width of k adds k - 1 places, not their square.",
            ),
            (lambda ks: 1 + sum(k - 1 for k in ks[:-1]), "The last layer widens the view, too."),
        ],
    )
    edge(answer, ([],), _reach, "Without any layer, for an empty list, an output is a place: it sees one.")


def _product(ks):
    out = 1
    for k in ks:
        out *= k
    return out


quiz(
    "conv",
    [
        question(
            "What is a convolution's bet?",
            (
                "That what belongs together stands side by side, wherever that is",
                True,
                "Yes: a small window, the same at every place.",
            ),
            (
                "That all inputs are equally important",
                False,
                "A kernel has its own weight for each place in the window.",
            ),
            ("That inputs are positive", False, "That would matter to a ReLU, not to a window."),
            ("That more layers are better", False, "One layer makes the same bet."),
        ),
        question(
            "The source's listing has fields as channels and slides along the embedding. One output sees",
            (
                "three neighbouring dimensions of every field",
                True,
                "Yes: all channels, and a band of three places.",
            ),
            (
                "three neighbouring fields, whole",
                False,
                "That is the other layout, with dimensions as channels.",
            ),
            ("everything", False, "Its gradient is zero outside the band."),
            ("three dimensions of one field", False, "A window takes in all channels."),
        ),
        question(
            "You reorder the dimensions of all trained vectors, and the columns of an MLP's first layer alike. It",
            ("says exactly what it said", True, "Yes: a sum does not care about the order of its terms."),
            ("must be trained again", False, "Every product of weight and number is still there."),
            ("loses what the order knew", False, "The order knew nothing."),
            ("is faster", False, "It does the same work."),
        ),
        question(
            "Why does a convolution over dimensions still learn something?",
            (
                "The vectors are learned with it, and arrange themselves for its windows",
                True,
                "Yes. Shuffling before training changes nothing.",
            ),
            ("Neighbouring dimensions are alike from the start", False, "They are drawn independently."),
            ("ReLU repairs the order", False, "ReLU looks at one number at a time."),
            ("It does not: its AUC is one half", False, "Look at the table: it learns."),
        ),
    ],
)
