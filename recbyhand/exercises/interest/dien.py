"""Checks of chapter 4: DIEN."""

from __future__ import annotations

import math
from unittest import mock

import torch

from recbyhand.exercises.engine import Wrong, call, close, edge, exercise, function, one_of_wrong
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "dien-1",
    "First the gate: what does the attention weight do to it?",
    "The gate is 0.6 · 0.5 = 0.3. The state keeps 1 - 0.3 of itself and takes 0.3 of the new content.",
    todo="Replace the `...` by one number.",
    solved="Right: 0.7 · 0.4 + 0.3 · (-1). A plain GRU would have gone to -0.3.",
)
def dien_1(answer):
    one_of_wrong(
        answer,
        [
            (-0.3, "That is a plain GRU: the attention weight has not touched its gate."),
            (-0.44, "That is AGRU: the weight has replaced the gate 0.5 instead of scaling it."),
            (-0.58, "You kept 0.3 and took 0.7. A gate of 0 keeps everything."),
            (
                -0.1,
                "You scaled the new content by the weight. AUGRU scales the gate, on both sides of the mixture.",
            ),
            (
                0.7 * 0.4 - 0.5,
                "You scaled the gate where the state is kept, and forgot it at the new content.",
            ),
            (0.45 * 0.4 - 0.55, "You took the middle of gate and weight. They are multiplied."),
            (0.58, "The new content is -1, not +1."),
            (0.3, "That is the gate. Now mix the old state and the new content with it."),
            (-0.3 + 0.4, "The old state keeps only 1 - 0.3 of itself."),
        ],
        atol=1e-4,
    )
    close(
        answer, -0.02, atol=1e-4, hint="Not yet. Gate first, 0.6 · 0.5; then (1 - gate) · 0.4 + gate · (-1)."
    )


def _attention_inputs(g: torch.Generator) -> tuple:
    mask = torch.rand(3, 6, generator=g) < 0.6
    mask[:, 1], mask[0, 4] = True, False
    h, e = torch.randn(3, 6, 5, generator=g), torch.randn(3, 2, generator=g)
    return h, e, torch.randn(5, 2, generator=g), mask


def _attention(h, e, W, mask):
    """Row by row, step by step."""
    a = torch.zeros(mask.shape)
    for b in range(len(h)):
        power = {t: math.exp(float(h[b, t] @ W @ e[b])) for t in range(h.shape[1]) if mask[b, t]}
        for t, p in power.items():
            a[b, t] = p / sum(power.values())
    return a


def _scores(h, e, W):
    return torch.einsum("bli,ij,bj->bl", h, W, e)


@exercise(
    "dien-2",
    "Scores first, (B, L). One `einsum`, or `(h @ W)` times `e[:, None]`, summed over the last axis.",
    "Before the softmax, set padded scores to -infinity: `masked_fill(~mask, -torch.inf)`.",
    "The softmax runs over time, `dim=1` of (B, L).",
    todo="Complete the function `attention(h, e, W, mask)`: it returns weights (B, L).",
    solved="Right. With this set of steps in the denominator, two candidates get two sets of weights.",
)
def dien_2(answer):
    def unmasked(h, e, W, mask):
        return _scores(h, e, W).softmax(1)

    function(
        answer,
        inputs=_attention_inputs,
        oracle=_attention,
        wrong=[
            (unmasked, "Padded steps have weight, too. Mask the scores before the softmax."),
            (
                lambda h, e, W, mask: unmasked(h, e, W, mask) * mask,
                "You mask after the softmax: the padding has taken its share, and the rows do not sum to 1.",
            ),
            (
                lambda h, e, W, mask: (_scores(h, e, W) * mask).softmax(1),
                "A score of 0 is a score: exp(0) = 1. Use -infinity for padding.",
            ),
            (
                lambda h, e, W, mask: (_scores(h, e, W) * mask).softmax(1) * mask,
                "A score of 0 is a score: padded steps still count in the sum below. Use -infinity.",
            ),
            (
                lambda h, e, W, mask: _scores(h, e, W)[..., None].softmax(-1)[..., 0] * mask,
                "That is the source's bug: each step has a softmax of its own, over one number.",
            ),
            (
                lambda h, e, W, mask: _scores(h, e, W).masked_fill(~mask, -torch.inf).softmax(0).nan_to_num(),
                "Your softmax runs over the batch (dim 0). Time is dim 1.",
            ),
            (lambda h, e, W, mask: _scores(h, e, W) * mask, "These are the scores. The softmax is missing."),
            (
                lambda h, e, W, mask: _scores(h, e, W).masked_fill(~mask, -torch.inf),
                "These are the masked scores. The softmax is missing.",
            ),
            (
                lambda h, e, W, mask: mask / mask.sum(1, keepdim=True),
                "All weights are equal: use h, W and e.",
            ),
            (
                lambda h, e, W, mask: _scores(h, e, W).masked_fill(~mask, -1e9).log_softmax(1),
                "These are logarithms of the weights: take `softmax`.",
            ),
            (
                lambda h, e, W, mask: (
                    _scores(h, e, W) * mask / (_scores(h, e, W) * mask).sum(1, keepdim=True)
                ),
                "You divided the scores themselves. A softmax takes their exponentials.",
            ),
            (
                lambda h, e, W, mask: (
                    (_scores(h, e, W) / W.shape[1] ** 0.5).masked_fill(~mask, -torch.inf).softmax(1)
                ),
                "There is no root of d in the bilinear form: W can learn any scale.",
            ),
            (
                lambda h, e, W, mask: (
                    (_scores(h, e, W) / h.shape[2] ** 0.5).masked_fill(~mask, -torch.inf).softmax(1)
                ),
                "There is no root of d in the bilinear form: W can learn any scale.",
            ),
            (
                lambda h, e, W, mask: (-_scores(h, e, W)).masked_fill(~mask, -torch.inf).softmax(1),
                "The sign: a large score makes a large weight.",
            ),
            (
                lambda h, e, W, mask: _scores(h, e, W).masked_fill(mask, -torch.inf).softmax(1),
                "You kept the padding and masked the films: True is real, so fill where `~mask`.",
            ),
            (
                lambda h, e, W, mask: _scores(h, e, W).exp() * mask,
                "These are the exponentials. Divide by their sum over the real steps.",
            ),
            (
                lambda h, e, W, mask: _scores(h, e, W).masked_fill(mask, -torch.inf).softmax(1).nan_to_num(),
                "You kept the padding and masked the films: True is real, so fill where `~mask`.",
            ),
            (
                lambda h, e, W, mask: _scores(h, e, W).sigmoid() * mask,
                "A sigmoid looks at one step alone. The softmax lets the real steps share 1.",
            ),
        ],
        atol=1e-5,
    )
    h, e, W, mask = _attention_inputs(torch.Generator().manual_seed(9))
    large = h * 100 / _scores(h, e, W).abs().max(), e, W, mask
    text = "Scores of a hundred are too much for you: exp(100) is infinity. `softmax` subtracts the largest first."
    edge(answer, large, _attention, text)
    edge(
        answer, (h[:1], e[:1], W, mask[:1]), _attention, "A batch of one keeps its axis: the shape is (1, L)."
    )
    low = (
        -torch.ones(1, 3, 1),
        torch.ones(1, 1),
        torch.full((1, 1), 300.0),
        torch.tensor([[True, True, False]]),
    )
    edge(
        answer,
        low,
        _attention,
        "A padded score must be lower than any real one, however low: -inf. A real score may be -300.",
    )
    high = (torch.tensor([[[0.0], [-1.0], [2.0]]]), *low[1:])
    edge(
        answer,
        high,
        _attention,
        "A real score may be exactly 0, and a padded one the largest of all: let the mask decide, before the largest "
        "is taken off.",
    )


def _shares(g):
    g = [float(v) for v in g]
    return torch.tensor([g[t] * math.prod(1 - v for v in g[t + 1 :]) for t in range(len(g))])


def _by(product, own=True):
    def wrong(g):
        return torch.stack([(g[t] if own else 1.0) * product(g, t) for t in range(len(g))])

    return wrong


@exercise(
    "dien-3",
    "Do L = 2 on paper: h₁ = g₁ h̃₁, and h₂ = (1 - g₂) h₁ + g₂ h̃₂. Which factor does h̃₁ have?",
    "sₜ = gₜ (1 - gₜ₊₁)(1 - gₜ₊₂) ⋯ (1 - g_L): what step t wrote, times what each later step kept.",
    "A loop over t with `(1 - g[t + 1:]).prod()` will do.",
    todo="Complete the function `shares(g)`: it returns a tensor of shape (L,).",
    solved="Right. The shares sum to 1 - ∏(1 - gₜ): what is missing is the share of the first state.",
)
def dien_3(answer):
    function(
        answer,
        inputs=lambda g: (torch.rand(6, generator=g) * 0.8 + 0.1,),
        oracle=_shares,
        wrong=[
            (
                _by(lambda g, t: (1 - g[t + 1 :]).sum()),
                "You add what the later steps leave. Each of them takes its part of what is left: multiply.",
            ),
            (
                lambda g: 1 - g,
                "That is what each step keeps of the state before. Which part of the end did it write?",
            ),
            (
                _by(lambda g, t: (1 - g[t]) ** (len(g) - 1 - t)),
                "Every later step has a gate of its own: the product of 1 - g over them, not a power.",
            ),
            (
                lambda g: torch.cat([_shares(g)[:-1], torch.zeros(1)]),
                "The last step has a share, too: nothing comes after it, so it is g itself.",
            ),
            (lambda g: g, "These are the gates: what each step wrote. What do later steps leave of it?"),
            (
                _by(lambda g, t: (1 - g[t:]).prod()),
                "Step t does not take from what it writes itself: the product starts at t + 1.",
            ),
            (
                _by(lambda g, t: (1 - g[:t]).prod()),
                "You multiplied over earlier steps. It is later ones that forget.",
            ),
            (
                _by(lambda g, t: (1 - g[t + 1 :]).prod(), own=False),
                "The factor gₜ, what step t writes, is missing.",
            ),
            (_by(lambda g, t: g[t + 1 :].prod()), "Later steps keep 1 - g of the state, not g."),
            (
                lambda g: g / g.sum(),
                "The gates, made to sum to 1: but an early step is overwritten by later ones.",
            ),
            (lambda g: (1 - g).cumprod(0), "That is what is left of the first state after each step."),
            (
                lambda g: g * (1 - g),
                "A step does not overwrite itself. What do the steps after it leave?",
            ),
            (
                lambda g: g * (1 - (g.sum() - g.cumsum(0))),
                "Keeping is multiplied from step to step: (1 - g)(1 - g'), not 1 - g - g'.",
            ),
            (lambda g: g.softmax(0), "No softmax here: unroll the recurrence."),
            (
                _by(lambda g, t: (1 - g).prod() / (1 - g[t])),
                "You multiplied over all other steps. Only later ones can overwrite step t.",
            ),
            (
                lambda g: _shares(g) / _shares(g).sum(),
                "You made the shares sum to 1. They need not: the first state keeps a share, too.",
            ),
            (
                lambda g: _shares(g).flip(0),
                "The right numbers backwards: the first share belongs to step 1.",
            ),
            (
                lambda g: g * torch.cat([1 - g[1:], torch.ones(1)]),
                "You let only the next step overwrite. Every later step does.",
            ),
        ],
        atol=1e-5,
    )
    sharp = torch.tensor([0.3, 1.0, 0.5])
    edge(answer, (sharp,), _shares, "A gate of 1 forgets all before it; your division by 1 - g is 0/0 there.")


def _loss_inputs(g: torch.Generator) -> tuple:
    h, e, other = (torch.randn(4, 5, 3, generator=g) for _ in range(3))
    count = torch.tensor([5, 1, 3, 0])[torch.randperm(4, generator=g)]
    return h, e, other, torch.arange(5) < count[:, None]


def _log_sigmoid(z: float) -> float:
    return -math.log1p(math.exp(-z))


def _second_loss(h, e, other, mask):
    terms = [
        -_log_sigmoid(float(h[b, t] @ e[b, t + 1])) - _log_sigmoid(-float(h[b, t] @ other[b, t + 1]))
        for b in range(len(h))
        for t in range(h.shape[1] - 1)
        if mask[b, t + 1]
    ]
    return torch.tensor(sum(terms) / max(len(terms), 1))


def _slip(ask=1, keep="after", yes=1.0, no=1.0, mean="questions"):
    """The loss with one thing wrong."""

    def wrong(h, e, other, mask):
        n = h.shape[1] - ask
        s, o = (h[:, :n] * e[:, ask:]).sum(-1), (h[:, :n] * other[:, ask:]).sum(-1)
        m = {
            "after": mask[:, ask:],
            "now": mask[:, :n],
            "all": torch.ones(mask[:, :n].shape, dtype=torch.bool),
        }[keep]
        terms = (-yes * torch.nn.functional.logsigmoid(s) - no * torch.nn.functional.logsigmoid(-o)) * m
        count = {"questions": m.sum(), "rows": len(h), "places": m.numel(), "none": 1, "twice": 2 * m.sum()}[
            mean
        ]
        return terms.sum() / max(int(count), 1)

    return wrong


_log = torch.nn.functional.logsigmoid


def _terms(term, place=1):
    """The mean of another term per question; place=0 leaves `other` unshifted."""

    def wrong(h, e, other, mask):
        asked, n = mask[:, 1:], h.shape[1] - 1
        s = (h[:, :-1] * e[:, 1:]).sum(-1)[asked]
        o = (h[:, :-1] * other[:, place : place + n]).sum(-1)[asked]
        return term(s, o).sum() / max(len(s), 1)

    return wrong


def _mean_of_histories(h, e, other, mask):
    s, o = (h[:, :-1] * e[:, 1:]).sum(-1), (h[:, :-1] * other[:, 1:]).sum(-1)
    asked = mask[:, 1:]
    return (((-_log(s) - _log(-o)) * asked).sum(1) / asked.sum(1).clamp(min=1)).mean()


@exercise(
    "dien-4",
    "Shift first: states `h[:, :-1]` are asked about films `e[:, 1:]`. Which of these questions are real?",
    "A question is real if film t + 1 is: `mask[:, 1:]`.",
    "-log σ(h·e) - log(1 - σ(h·e')), and 1 - σ(z) = σ(-z). Sum the real ones, divide by their number.",
    todo="Complete the function `second_loss(h, e, other, mask)`: it returns one number.",
    solved="Right. With `other` equal to `e` it can never fall below 2 ln 2.",
)
def dien_4(answer):
    function(
        answer,
        inputs=_loss_inputs,
        oracle=_second_loss,
        wrong=[
            (_slip(ask=0), "You ask state t about film t, which it has read. Ask it about film t + 1."),
            (_slip(keep="now"), "You keep a question if film t is real. It takes a real film t + 1."),
            (_slip(keep="all"), "Padding is asked, too: use the mask."),
            (_slip(mean="places"), "You divide by all places. Divide by the number of real questions."),
            (
                _slip(mean="rows"),
                "You divide by the number of histories. Divide by the number of real questions.",
            ),
            (
                lambda h, e, other, mask: _slip()(h / h.shape[2], e, other, mask),
                "Your scores are means of the products. A dot product is their sum.",
            ),
            (
                lambda h, e, other, mask: _slip(ask=0, keep="now")(
                    h[:, 1:], e[:, :-1], other[:, :-1], mask[:, 1:]
                ),
                "You ask about the film BEFORE. State t is asked about film t + 1.",
            ),
            (_slip(mean="none"), "That is the sum; the mean is asked for."),
            (_slip(mean="twice"), "You divide by 2N: each question has two terms, but counts once."),
            (_slip(no=0.0), "Only the film that came is in your loss. The random one says what did not."),
            (_slip(yes=0.0), "Only the random film is in your loss. Where is the one that came?"),
            (_slip(yes=-1.0, no=-1.0), "The sign: a loss is minus the log of a probability."),
            (
                _terms(lambda s, o: -_log(s) - _log(o)),
                "You say yes to the random film, too. It should get a no: log(1 - σ(z)) = log σ(-z).",
            ),
            (_terms(lambda s, o: o - s), "These are the scores. Put each through log σ."),
            (
                _terms(lambda s, o: torch.sigmoid(-s) + torch.sigmoid(o)),
                "These are probabilities of being wrong. The loss takes logarithms.",
            ),
            (
                _terms(lambda s, o: -_log(-s) - _log(o)),
                "Yes and no are swapped: the film that came should get the yes.",
            ),
            (
                _terms(lambda s, o: -_log(s - o)),
                "That compares the two films in one term. Here each has a log of its own.",
            ),
            (
                _terms(lambda s, o: -_log(s) - _log(-o), place=0),
                "`other` of place t + 1 is asked for. Yours is of place t: shift it as you shifted e.",
            ),
            (
                _mean_of_histories,
                "You averaged within each history first. All real questions of the batch count alike.",
            ),
        ],
        rtol=1e-3,
        atol=1e-5,
    )
    empty = torch.zeros(2, 4, dtype=torch.bool)
    zero = torch.zeros(2, 4, 3)
    function(answer, [(zero, zero, zero, empty)], _second_loss, hint="Without any question the loss is 0.")
    one, sure = torch.tensor([[True, True]]), torch.tensor([[[30.0], [1.0]]])
    text = "A score of 30 is too much for you: 1 - σ(30) is 0, and its log infinite. 1 - σ(z) = σ(-z): `logsigmoid`."
    edge(answer, (sure, torch.ones(1, 2, 1), torch.ones(1, 2, 1), one), _second_loss, text)
    from recbyhand import layers

    def forbidden(*args, **named):
        raise Wrong("Do without `negative_sampling_loss`: write the two logarithms yourself.")

    with mock.patch.object(layers, "negative_sampling_loss", forbidden):
        call(answer, *_loss_inputs(torch.Generator().manual_seed(0)))


def _gates(g: torch.Generator) -> tuple:
    return (torch.rand(7, generator=g) * 0.9 + 0.02,)


def _steps_until(keep, below):
    def count(g):
        out = []
        for value in g.tolist():
            left, n = 1.0, 0
            while not below(left):
                left, n = left * keep(value), n + 1
            out.append(n)
        return torch.tensor(out)

    return count


@exercise(
    "dien-5",
    "Each later step keeps 1 - g of what is there: after n steps (1 - g)ⁿ is left.",
    "Which n is the first with (1 - g)ⁿ < 1/2? Take logarithms, and mind that log(1 - g) is negative.",
    "n > log(1/2) / log(1 - g): `(torch.tensor(0.5).log() / (1 - g).log()).floor() + 1`.",
    todo="Complete the function `steps_to_half(g)`: it returns one whole number for each gate.",
    solved="Right. With weights of 1/20 and update gates of 1/2 a state would last 28 steps.",
)
def dien_5(answer):
    def half(left):
        return left < 0.5

    def logs(part):
        return lambda g: part(math.log(0.5) / torch.log(1 - g))

    function(
        answer,
        inputs=_gates,
        oracle=_steps_until(lambda g: 1 - g, half),
        wrong=[
            (
                logs(lambda n: n),
                "That is where exactly half is left. Steps are whole: the first one below a half.",
            ),
            (logs(torch.floor), "That many steps leave half or more. One more is needed."),
            (logs(torch.round), "You rounded to the nearest. Go to the first whole step below a half."),
            (_steps_until(lambda g: g, half), "Each step keeps 1 - g of what is there, not g."),
            (
                _steps_until(lambda g: 1 - g, lambda left: left <= math.exp(-1)),
                "You waited until 1/e is left. A half is asked for.",
            ),
            (
                lambda g: _steps_until(lambda v: 1 - v, half)(g) + 1,
                "One step too many: what the step wrote is whole before the first LATER step.",
            ),
            (
                lambda g: torch.ceil(0.5 / g),
                "You took g of the whole away each time. It is g of what is left.",
            ),
            (
                lambda g: torch.ceil(1 / g),
                "You took g of the whole away each time. It is g of what is left: 1 - g.",
            ),
            (
                lambda g: torch.ceil(math.log(2) / g),
                "That is the rule of thumb for small gates, ln 2 / g. Here 1 - g, to the power of the steps.",
            ),
            (lambda g: (1 - g) ** 2, "That is what two steps leave. How many steps leave less than half?"),
            (
                _steps_until(lambda g: 1 - g, lambda left: left < 0.25),
                "You waited for a quarter. A half is asked for.",
            ),
        ],
    )
    edge(
        answer,
        (torch.tensor([0.5]),),
        lambda g: torch.tensor([2.0]),
        "With a gate of 0.5 exactly half is left after one step. LESS than half is asked for: two steps.",
    )


quiz(
    "dien",
    [
        question(
            "Somebody deals every history in another order. What happens to the logits of DIN, without places?",
            ("Nothing, but for rounding", True, "Yes: a sum does not know the order of its terms."),
            ("They become those of DIEN", False, "DIEN is the one that minds the order."),
            ("The newest film weighs less", False, "DIN does not know which film is newest."),
            ("The weights must be trained anew", False, "They give the same weights to the same films."),
        ),
        question(
            "What does AUGRU do at a step whose attention weight is 0?",
            ("It keeps its state as it is", True, "Yes: 0 times any update gate is 0."),
            ("It reads an input of zeros", False, "That is AIGRU, and a zero input moves a GRU."),
            ("It takes a plain step of a GRU", False, "That would be a weight of 1."),
            ("It forgets everything", False, "A gate of 1 forgets; a gate of 0 keeps."),
        ),
        question(
            "DIEN beats DIN on your data. Which control should you run before you praise recurrence?",
            (
                "DIN that is told the place or age of each event",
                True,
                "Yes: recency may be all there is to it.",
            ),
            ("DIN with a larger d", False, "A larger bag is still a bag."),
            ("DIEN with another seed", False, "Worth doing, but it is no control of the claim."),
            ("Popularity", False, "A baseline to beat, but it says nothing of recurrence."),
        ),
    ],
)
