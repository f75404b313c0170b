"""Checks of chapter 5: the decoder, and three leaks."""

from __future__ import annotations

import math

import torch

from recbyhand.exercises.engine import Wrong, call, close, exercise, function, one_of_wrong, shape
from recbyhand.exercises.quizzes import question, quiz

LN = math.log(50)


@exercise(
    "leak-1",
    "Of the seven answers, films 2 to 8, which does the encoder hold?",
    "Six cost nothing. The last costs ln 50. Take the mean over seven.",
    todo="Replace the `...` by a number.",
    solved="Right: 0.559. A loss near it on real data would look like a triumph.",
)
def leak_1(answer):
    one_of_wrong(
        answer,
        [
            (LN, "That is the floor of an honest model. Here six of the seven answers are in the window."),
            (LN / 8, "Eight films, but only seven are asked: the first has nothing before it."),
            (LN / 6, "Seven answers share the loss, known and unknown alike."),
            (6 * LN / 7, "Six answers are known and one is not: you count the known ones."),
            (0.0, "The last film, number 8, is not in the window."),
            (math.log(20) / 5, "That is the lesson's: 20 films and five answers."),
            (math.log(7) / 7, "The guess is among all 50 films."),
            (math.log2(50) / 7, "The loss has the natural logarithm."),
            (2 * LN / 7, "The encoder holds films 1 to 7, so film 7 is known, too: one answer is left."),
        ],
    )
    close(
        answer,
        LN / 7,
        rtol=2e-3,
        hint="Not yet. How many answers are known, and what does each other one cost?",
    )


@exercise(
    "leak-2",
    "The start token comes first, then all answers but the last.",
    "`torch.full_like(s[:, :1], start)` is a column of start tokens; `torch.cat([...], dim=1)` joins.",
    todo="Complete the function `shifted(s, start)`: it returns whole numbers of shape (B, T).",
    solved="Right. Place t now holds what is known before its answer, and may look at itself.",
)
def leak_2(answer):
    def first(s, start):
        return torch.full_like(s[:, :1], start)

    def input_(g):
        return torch.randint(20, (3, 5), generator=g), 20 + int(torch.randint(5, (1,), generator=g))

    function(
        answer,
        inputs=input_,
        oracle=lambda s, start: torch.cat([first(s, start), s[:, :-1]], 1),
        wrong=[
            (lambda s, start: s, "That is the unshifted sequence: each place holds its own answer."),
            (
                lambda s, start: torch.cat([first(s, start), s], 1),
                "One place too many: the last answer is nobody's input. Drop it.",
            ),
            (
                lambda s, start: torch.cat([s[:, 1:], first(s, start)], 1),
                "You shift the other way: each place now holds the answer after its own.",
            ),
            (
                lambda s, start: s.roll(1, 1),
                "The last answer has come round to the first place. Put the start token there.",
            ),
            (
                lambda s, start: torch.cat([first(s, start), s[:, 1:]], 1),
                "You replace the first answer and shift nothing: the others still hold their own answer.",
            ),
            (
                lambda s, start: torch.cat([torch.zeros_like(s[:, :1]), s[:, :-1]], 1),
                "0 is a film. The first place gets `start`.",
            ),
            (
                lambda s, start: torch.cat([torch.full_like(s[:1], start), s[:-1]], 0),
                "You shift the users. Time is the second axis, dim=1.",
            ),
        ],
    )


def _real(g: torch.Generator):
    length = torch.randint(1, 6, (4,), generator=g)
    length[0], length[1] = 2, 5
    return (torch.arange(5) < length[:, None],)


def _past() -> torch.Tensor:
    return torch.ones(5, 5, dtype=torch.bool).tril()


@exercise(
    "leak-3",
    "Two conditions, joined by `&`: not later, and real.",
    "Which axis does `real` belong to? The columns are looked at: `real[:, None]` is (B, 1, T).",
    todo="Complete the function `history_mask(real)`: it returns True and False, (B, T, T).",
    solved="Right: rows ask, columns answer.",
)
def leak_3(answer):
    function(
        answer,
        inputs=_real,
        oracle=lambda real: torch.stack([_past() & row for row in real]),
        wrong=[
            (
                lambda real: _past().tril(-1) & real[:, None],
                "The diagonal is missing: the first place may look at nothing.",
            ),
            (lambda real: _past() & real[:, :, None], "You hide who asks. `real` says who may be looked at."),
            (
                lambda real: _past().T & real[:, None],
                "You look at what comes later, not at what came before.",
            ),
            (lambda real: _past() | real[:, None], "Both conditions must hold: `&`."),
            (lambda real: _past().expand(len(real), 5, 5), "Padding must not be looked at."),
            (lambda real: real[:, None].expand(len(real), 5, 5), "You hide padding, not the future."),
            (
                lambda real: ~(_past() & real[:, None]),
                "True is where a place *may* look: you have it inverted.",
            ),
            (
                lambda real: _past() & real[:, None] & real[:, :, None],
                "You hide who asks, too. The rows of padding then look at nothing; `real` belongs to the columns.",
            ),
            (lambda real: real[:, None] & real[:, :, None], "You hide padding, twice, and not the future."),
        ],
    )


def _attend(q_from, kv_from, W_q, W_k, W_v, *, values=None, scale=True, axis=-1):
    q, k, v = q_from @ W_q, kv_from @ W_k, (kv_from if values is None else values) @ W_v
    s = q @ k.transpose(1, 2)
    return (s / math.sqrt(q.shape[-1]) if scale else s).softmax(axis) @ v


def _two(g: torch.Generator):
    def draw(*size):
        return torch.randn(*size, generator=g)

    return draw(2, 5, 4), draw(2, 5, 4), draw(4, 4), draw(4, 4), draw(4, 4)


@exercise(
    "leak-4",
    "q from x; k and v from the memory.",
    "Scores are `q @ k.transpose(1, 2) / sqrt(d)`; softmax over the memory, the last axis.",
    todo="Complete the function `cross_attention(x, memory, W_q, W_k, W_v)`: it returns a tensor (B, Tq, d).",
    solved="Right: one row for each place that asks.",
)
def leak_4(answer):
    oracle = _attend
    function(
        answer,
        inputs=_two,  # of equal lengths, so that a swapped query is seen by its numbers
        oracle=oracle,
        wrong=[
            (
                lambda x, m, *W: oracle(m, x, *W),
                "Swapped: in your function the encoder asks. Q comes from x.",
            ),
            (
                lambda x, m, *W: oracle(x, x, *W),
                "That is self-attention of the decoder: the memory is unused.",
            ),
            (lambda x, m, *W: oracle(m, m, *W), "That is self-attention of the memory: x is unused."),
            (lambda x, m, *W: oracle(x, m, *W, scale=False), "Divide the scores by the root of d."),
            (lambda x, m, *W: oracle(x, m, *W, axis=1), "The softmax goes over the memory, the last axis."),
            (
                lambda x, m, *W: oracle(x, m, *W, values=x),
                "The values are x's: nothing of the memory is handed over.",
            ),
            (
                lambda x, m, q, k, v: oracle(x, m, q.T, k.T, v.T),
                "X W, not X W transposed: `x @ W_q`.",
            ),
            (
                lambda x, m, *W: oracle(x, m, *W, axis=0),
                "The softmax runs over the batch. It goes over the memory, the last axis.",
            ),
            (
                lambda x, m, q, k, v: oracle(x, m, q, k, torch.eye(len(v))),
                "The memory is handed over as it is: W_v is not used.",
            ),
            (
                lambda x, m, *W: x + oracle(x, m, *W),
                "You add x: the way around belongs to the layer, not to its attention.",
            ),
            (
                lambda x, m, q, k, v: ((x @ q) @ (m @ k).transpose(1, 2) / len(q)).softmax(-1) @ (m @ v),
                "You divide by d; take its root.",
            ),
        ],
    )
    x, memory, *W = _two(torch.Generator().manual_seed(9))
    longer = torch.cat([memory, memory.flip(1)[:, :2]], 1)  # (B, 7, d)
    out = call(answer, x, longer, *W)
    shape(out, (2, 5, 4), "B, Tq, d")
    close(
        out,
        oracle(x, longer, *W),
        hint="Right for equal lengths, wrong for a memory of 7 and a decoder of 5.",
    )


@exercise(
    "leak-5",
    "`reach(f, torch.randn(1, 6, 8))` gives (T_out, T). Which cells are the future?",
    "s > t lies above the diagonal: `R.triu(1)`. Any cell that is not zero is a leak.",
    todo="Complete the function `looks_ahead(f)`: it returns True or False.",
    solved="Right. Run it on every sequence model you build.",
)
def leak_5(answer):
    from recbyhand.layers import TransformerEncoder, causal_mask

    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = TransformerEncoder(8, heads=2, layers=1).eval()
        gru = torch.nn.GRU(8, 8, batch_first=True)
    norm = torch.nn.LayerNorm(8)
    later = [(lambda x, k=k: _peek(x, k)) for k in range(5)]
    cases = [
        (
            lambda x: 2 * x,
            False,
            "Doubling each event looks at nothing else, and you say it does: the diagonal is allowed.",
        ),
        (
            lambda x: encoder(x, causal_mask(x.shape[1])),
            False,
            "An encoder with a causal mask does not look ahead, and you say it does. The past, s < t, is allowed.",
        ),
        (lambda x: gru(x)[0], False, "A GRU reads from left to right."),
        (
            lambda x: x.cumsum(1),
            False,
            "A running sum knows the past and itself only, and you say it looks ahead.",
        ),
        (
            lambda x: x.flip(1).cumsum(1).flip(1),
            True,
            "A running sum from the end looks ahead, and you do not see it. Look above the diagonal.",
        ),
        (lambda x: x.mean(1, keepdim=True) + x, True, "A mean over the whole sequence looks ahead."),
        (
            encoder,
            True,
            "An encoder without a mask looks ahead. Its last layer norm has a constant sum: take every element.",
        ),
        (
            lambda x: norm(x.roll(-1, 1)),
            True,
            "This one shows the next event behind a layer norm: the sum of its output is constant. Take every element.",
        ),
        (
            lambda x: x + x.roll(-1, 1) - x.roll(-1, 1).flip(2),
            True,
            "This one adds the next event so that its numbers cancel in the sum of an output. Take every element.",
        ),
        *((f, True, "Just one place looks one step ahead here. Test every t and every s.") for f in later),
        (
            lambda x: x + torch.nn.functional.pad(x[:, 2:], (0, 0, 0, 2)),
            True,
            "This one looks two steps ahead, and not one: every s > t is the future.",
        ),
    ]
    for f, truth, hint in cases:
        said = call(answer, f)
        if not isinstance(said, (bool, torch.Tensor)) and type(said).__name__ not in ("bool", "bool_"):
            raise Wrong(f"Return True or False, not {type(said).__name__}.")
        if bool(said) != truth:
            raise Wrong(hint)


def _peek(x, k: int):
    """Place k, and no other, also sees place k + 1."""
    here = torch.arange(x.shape[1])[:, None] == k  # (T, 1)
    return x + here * x.roll(-1, 1) * 0.5


quiz(
    "leak",
    [
        question(
            "100 films, drawn evenly by dice. Your model's test loss is 3.0. What follows?",
            ("It reads answers: the floor is ln 100 = 4.6", True, "Yes: nobody can be better than the dice."),
            ("It is well trained", False, "There is nothing to learn."),
            ("It overfits", False, "The loss is of new throws."),
        ),
        question(
            "A strict mask, filled with -1e9. What does the first place look at?",
            ("At every place alike", True, "Yes: a softmax of equal numbers."),
            ("At nothing", False, "A softmax sums to 1, always."),
            ("At itself", False, "The diagonal is forbidden, too."),
        ),
        question(
            "In cross attention the decoder has 5 places, the memory 7. What shape has the output?",
            ("(5, d)", True, "Yes: one row for each query."),
            ("(7, d)", False, "That would be the encoder asking."),
            ("(5, 7)", False, "That is the shape of the weights."),
        ),
        question(
            "Self-attention is causal and the input shifted. Can the model still leak?",
            ("Yes: through a memory that holds the answers", True, "Yes: mask it, or ask beyond it."),
            ("No", False, "The encoder may have read the answers."),
            ("Only in half precision", False, "There it stops with an error, if you fill with -1e9."),
        ),
    ],
)
