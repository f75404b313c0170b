"""Checks of chapter 4: DIEN, bugs and variants."""

from __future__ import annotations

import numpy as np
import torch

from recbyhand.exercises.engine import Wrong, call, close, exercise, function, one_of_wrong
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "variant-1",
    "In both, find first how much of the old state is kept; the rest is taken from the new content.",
    "AGRU keeps 1 - a = 0.4. The released cell keeps (1 - a)(1 - u) = 0.4 · 0.5.",
    todo="Replace the `...` by two numbers: AGRU, then the released cell.",
    solved="Right. The released cell replaces more than either gate alone would.",
)
def variant_1(answer):
    one_of_wrong(
        answer,
        [
            ([-0.72, -0.44], "The right numbers in the wrong order: AGRU first."),
            (
                [-0.02, -0.72],
                "The first is AUGRU's: in AGRU the weight replaces the gate, it does not scale it.",
            ),
            (
                [-0.1, -0.72],
                "The first is AIGRU's: there the weight scales the content. In AGRU it is the gate.",
            ),
            ([-0.44, -0.02], "The second is AUGRU's. The released cell scales what is KEPT, 1 - u."),
            ([-0.44, -0.44], "The second is AGRU again: there the update gate 0.5 plays no part."),
            ([-0.44, -0.3], "The second is a plain GRU: the weight has not touched its gate."),
            ([-0.44, 0.12], "The second keeps 0.8 and takes 0.2: you have its two sides exchanged."),
            ([-0.16, -0.72], "In AGRU you kept 0.6 and took 0.4: the weight is what is taken."),
            ([0.4, 0.2], "That is what each keeps of the old state. Now mix."),
            ([0.76, 0.88], "The new content is -1, not +1."),
        ],
        atol=1e-4,
    )
    close(answer, [-0.44, -0.72], atol=1e-4, hint="Not yet. kept · 0.4 + (1 - kept) · (-1), for both.")


def _gate_inputs(g: torch.Generator) -> tuple:
    return torch.rand(3, generator=g), torch.rand(3, 4, generator=g)


def _gates(a, u):
    """Number by number."""
    out = torch.zeros(2, *u.shape)
    for b in range(len(a)):
        for k in range(u.shape[1]):
            weight, gate = float(a[b]), float(u[b, k])
            out[0, b, k] = weight * gate
            out[1, b, k] = 1 - (1 - weight) * (1 - gate)
    return list(out)


@exercise(
    "variant-2",
    "`a[:, None]` is (B, 1): it meets all d numbers of its row.",
    "The released cell keeps (1 - a)(1 - u). What it replaces is 1 less that.",
    todo="Complete the function `gates(a, u)`: it returns two tensors of shape (B, d).",
    solved="Right: 1 - (1 - a)(1 - u) = u + a - a u, which is never below u.",
)
def variant_2(answer):
    def slip(first, second):
        return lambda a, u: [first(a[:, None], u), second(a[:, None], u)]

    def paper(a, u):
        return a * u

    def released(a, u):
        return u + a - a * u

    function(
        answer,
        inputs=_gate_inputs,
        oracle=_gates,
        wrong=[
            (
                slip(lambda a, u: a + 0 * u, lambda a, u: u),
                "These are the two as they came. AUGRU scales the one by the other; what does the code keep?",
            ),
            (slip(released, paper), "The right gates in the wrong order: the paper's first."),
            (
                slip(paper, lambda a, u: (1 - a) * (1 - u)),
                "The second is what is KEPT. Return what is replaced.",
            ),
            (
                slip(paper, lambda a, u: (1 - a) * u),
                "The second scales u. The code's gate keeps, so it is 1 - u.",
            ),
            (
                slip(paper, lambda a, u: 1 - (1 - a) * u),
                "The second takes u for the gate that keeps; that is 1 - u.",
            ),
            (slip(paper, lambda a, u: a + u), "The two overlap: a + u counts a · u twice, and passes 1."),
            (slip(paper, lambda a, u: torch.maximum(a, u)), "It is no maximum: multiply what is kept."),
            (
                slip(paper, lambda a, u: 1 - a * (1 - u)),
                "The second scales what is kept by 1 - a, not by a: (1 - a)(1 - u).",
            ),
            (
                slip(lambda a, u: 1 - a * u, lambda a, u: (1 - a) * (1 - u)),
                "Both are what is KEPT. Return what is replaced.",
            ),
            (
                slip(lambda a, u: a.expand_as(u), lambda a, u: a.expand_as(u)),
                "Twice AGRU's gate. AUGRU scales u by a; the released code scales 1 - u by 1 - a.",
            ),
            (slip(lambda a, u: u, released), "The first is a GRU's own gate: AUGRU scales it by a."),
            (slip(paper, paper), "The second is the paper's again."),
            (slip(lambda a, u: a.expand_as(u), released), "The first is AGRU's gate: AUGRU scales u by a."),
            (
                slip(lambda a, u: 1 - a * u, released),
                "The first is what AUGRU keeps. Return what is replaced.",
            ),
        ],
    )


def _same_inputs(g: torch.Generator) -> tuple:
    return torch.rand(6, generator=g), torch.rand(6, generator=g) * 0.9 + 0.05


def _needed(a, u):
    """The root of w u - (1 - (1 - a)(1 - u)) in w, by halving."""
    low, high = torch.zeros(len(a), dtype=torch.double), torch.full((len(a),), 1e3, dtype=torch.double)
    a, u = a.double(), u.double()
    for _ in range(80):
        middle = (low + high) / 2
        above = middle * u > 1 - (1 - a) * (1 - u)
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return low


@exercise(
    "variant-3",
    "Set the two gates equal: w u = 1 - (1 - a)(1 - u). Solve for w.",
    "w = (u + a - a u) / u = 1 + a (1 - u) / u.",
    todo="Complete the function `weight(a, u)`: it returns one number per gate.",
    solved="Right, and it is never below 1: no weight of a softmax makes the paper's cell do what the code's does.",
)
def variant_3(answer):
    function(
        answer,
        inputs=_same_inputs,
        oracle=_needed,
        wrong=[
            (lambda a, u: u + a - a * u, "That is the gate of the code. Which w makes w u equal to it?"),
            (lambda a, u: 1 - (1 - a) * (1 - u) - u, "Divide by u; you took it off."),
            (lambda a, u: (1 - a) * (1 - u) / u, "You set w u equal to what is KEPT. Take what is replaced."),
            (lambda a, u: a * (1 - u) / u, "The 1 is lost: (u + ...) / u = 1 + ..."),
            (lambda a, u: (a + u) / u, "The product is lost: (1 - a)(1 - u) = 1 - a - u + a u."),
            (lambda a, u: (u + a + a * u) / u, "Mind the sign of a u."),
            (lambda a, u: (1 - (1 - a) * u) / u, "You took u for the gate that keeps. That is 1 - u."),
            (lambda a, u: (u + a - a * u) / a, "You divided by a. In w u = ... it is u that is divided by."),
            (lambda a, u: a / u, "Only a is left of the gate: it is u + a - a u, by u."),
            (
                lambda a, u: 1 - a,
                "That is what the code keeps of a step's 1 - u. Solve w u = 1 - (1 - a)(1 - u).",
            ),
            (lambda a, u: a, "The same weight replaces less: a u is less than u + a - a u."),
            (lambda a, u: u / (u + a - a * u), "That is upside down."),
            (
                lambda a, u: 1 - (1 - a) * (1 - u) / u,
                "The 1 is divided by u as well: (1 - (1 - a)(1 - u)) / u.",
            ),
            (
                lambda a, u: ((u + a - a * u) / u).softmax(0),
                "Right, but then a softmax. The question was whether one could give this weight.",
            ),
            (
                lambda a, u: ((u + a - a * u) / u).clamp(max=1.0),
                "Right, but then cut at 1. It is above 1 that the answer lies.",
            ),
            (lambda a, u: (u + a - a * u) * u, "You multiplied by u. In w u = ... divide by it."),
            (lambda a, u: a / u - 1 + a, "Mind the signs: (u + a - a u) / u = 1 + a / u - a."),
            (lambda a, u: 1 / u, "That replaces everything, as the code does for a = 1 only."),
        ],
        rtol=1e-3,
    )


def _attentions():
    """Name -> (attention, whether it is what attention over time should be). All take (h, e, mask)."""
    g = torch.Generator().manual_seed(0)
    W, v = torch.randn(5, 3, generator=g), torch.randn(5, generator=g)

    def scores(h, e):
        return torch.einsum("bli,ij,bj->bl", h, W, e)

    def over_time(s, mask):
        return s.masked_fill(~mask, -1e9).softmax(1) * mask

    return {
        "over time": (lambda h, e, mask: over_time(scores(h, e), mask), True),
        "of one": (lambda h, e, mask: scores(h, e)[..., None].softmax(-1)[..., 0] * mask, False),
        "blind": (lambda h, e, mask: over_time(h @ v, mask), False),
        "bare": (lambda h, e, mask: scores(h, e) * mask, False),
        "padding": (lambda h, e, mask: scores(h, e).softmax(1), False),
        "leaking": (lambda h, e, mask: over_time(scores(h, e), mask) + 0.05 * ~mask, False),
        "leaking both ways": (
            lambda h, e, mask: (
                over_time(scores(h, e), mask) + (~mask) * torch.tensor([0.1, 0.1, 0.1, -0.1]) / 10
            ),
            False,
        ),
        "on average": (
            lambda h, e, mask: over_time(scores(h, e), mask) * torch.tensor([[0.5], [1.5]]),
            False,
        ),
        "nearly": (lambda h, e, mask: over_time(scores(h, e), mask) * (1 + 3e-7), True),
        "sharp": (lambda h, e, mask: over_time(10 * scores(h, e), mask), True),
    }


def _asked():
    g = torch.Generator().manual_seed(1)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    return (
        torch.randn(2, 4, 5, generator=g),
        torch.randn(2, 3, generator=g),
        torch.randn(2, 3, generator=g),
        mask,
    )


@exercise(
    "variant-4",
    "Two questions: do the weights of two candidates differ? Do those of real steps sum to 1, and padding to 0?",
    "`torch.allclose` for each: weights of first and second; sums over real steps and 1; weights of padding and 0.",
    todo="Complete the function `sound(attend, h, first, second, mask)`: it returns True or False.",
    solved="Right. Either question alone lets a broken attention pass.",
)
def variant_4(answer):
    told = {}
    for name, (attend, _) in _attentions().items():
        told[name] = call(lambda *args, attend=attend: answer(attend, *args), *_asked())
        if isinstance(told[name], torch.Tensor | np.bool_ | np.ndarray) and np.asarray(told[name]).size == 1:
            told[name] = bool(told[name])
        if not isinstance(told[name], bool):
            raise Wrong("Return one True or False.")
    truth = {name: good for name, (_, good) in _attentions().items()}
    if told == truth:
        return
    if told == {name: not good for name, good in truth.items()}:
        raise Wrong("You have it the other way round: True is for an attention that works.")
    for name, text in (
        (
            "over time",
            "You refuse a bilinear score with a softmax over time among the real steps, which is sound.",
        ),
        ("sharp", "You refuse an attention that is sure of itself. Weights near 0 or 1 are allowed."),
        ("of one", "The softmax of one passes: its weights are 1 each, for every candidate."),
        (
            "blind",
            "An attention that never looks at the candidate passes: compare the weights of two candidates.",
        ),
        ("bare", "Scores without a softmax pass: ask what the weights of a history sum to."),
        ("nearly", "You refuse sums of 1.0000003. Rounding makes them: compare with `torch.allclose`."),
        (
            "padding",
            "An attention that gives padding a share passes: ask what stands where the mask is False.",
        ),
        (
            "on average",
            "An attention passes whose sums are 0.5 and 1.5: every history must have a sum of 1, not their mean.",
        ),
        (
            "leaking",
            "An attention passes that gives padding 0.05, though its real steps sum to 1: padding must have 0.",
        ),
        (
            "leaking both ways",
            "An attention passes that gives padding small weights: each must be 0, not their sum, nor only nearly.",
        ),
    ):
        if told[name] != truth[name]:
            raise Wrong(text)


def _moved_inputs(g: torch.Generator) -> tuple:
    from recbyhand.layers import AUGRUCell

    cell = AUGRUCell(3, 3)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=g))
    return cell, torch.randn(2, 3, generator=g), int(torch.randint(2, 6, (1,), generator=g))


def _walk(cell, h, steps, weight=1.0, x=0.0):
    with torch.no_grad():
        for _ in range(steps):
            h = cell(torch.full_like(h, x), h, torch.full((len(h),), weight))
    return h


def _walk_swapped(cell, h, steps):
    with torch.no_grad():
        for _ in range(steps):
            h = cell(h, torch.zeros_like(h), torch.ones(len(h)))
    return h


def _moved(cell, h, steps):
    """By the equations, not by the cell."""
    with torch.no_grad():
        now, (b_u, b_r, b_n) = h, cell.ih.bias.chunk(3)
        for _ in range(steps):
            u, r, n = cell.hh(now).chunk(3, dim=1)
            gate, new = torch.sigmoid(u + b_u), torch.tanh(b_n + torch.sigmoid(r + b_r) * n)
            now = (1 - gate) * now + gate * new
        return float((now - h).abs().max())


def _fed_itself(cell, h, steps):
    now = h
    with torch.no_grad():
        for _ in range(steps):
            now = cell(now, now, torch.ones(len(h)))
    return (now - h).abs().max()


@exercise(
    "variant-5",
    "A loop: feed the state back in, with `torch.zeros_like(h)` as input and `torch.ones(len(h))` as weight.",
    "Compare the last state with the FIRST: `(now - h).abs().max()`.",
    todo="Complete the function `moved(cell, h, steps)`: it returns one number.",
    solved="Right. A zero input moves a GRU: biases and the state itself go on working. Padding needs a closed gate.",
)
def variant_5(answer):
    def last_step(cell, h, steps):
        return (_walk(cell, h, steps) - _walk(cell, h, steps - 1)).abs().max()

    function(
        answer,
        inputs=_moved_inputs,
        oracle=_moved,
        wrong=[
            (
                lambda cell, h, steps: (_walk(cell, h, steps, weight=0.0) - h).abs().max(),
                "With a = 0 that is AUGRU, and nothing moves. AIGRU's gate knows no weight: a = 1.",
            ),
            (
                lambda cell, h, steps: _walk(cell, h, steps).abs().max(),
                "That is the largest number in the state. How far has it moved from h?",
            ),
            (
                lambda cell, h, steps: _walk(cell, 0 * h, steps).abs().max(),
                "You began with zeros. Begin with the state h that is given.",
            ),
            (
                lambda cell, h, steps: (_walk(cell, h, 1) - h).abs().max(),
                "That is one step. Feed the new state back in, `steps` times.",
            ),
            (
                lambda cell, h, steps: (_walk_swapped(cell, h, steps) - h).abs().max(),
                "The state goes in second: `cell(x, h, a)`, with zeros as x.",
            ),
            (
                lambda cell, h, steps: (_walk(cell, h, steps).abs().max() - h.abs().max()).abs(),
                "You compare the two largest numbers. Take the largest of the differences, place by place.",
            ),
            (last_step, "That is what the last step moved. Compare with the state at the beginning."),
            (
                lambda cell, h, steps: (_walk(cell, h, steps) - h).abs().mean(),
                "The largest difference, not the mean.",
            ),
            (
                lambda cell, h, steps: (_walk(cell, h, steps) - h).abs().sum(),
                "The largest difference, not the sum.",
            ),
            (
                lambda cell, h, steps: (_walk(cell, h, steps) - h).max(),
                "Absolute values first: a state may fall, too.",
            ),
            (
                lambda cell, h, steps: _walk(cell, h, steps),
                "That is the state. How far is it from the first one?",
            ),
            (
                lambda cell, h, steps: (_walk(cell, h, steps, x=1.0) - h).abs().max(),
                "The input of padding is zeros, not ones.",
            ),
            (
                lambda cell, h, steps: (_walk(cell, h, steps + 1) - h).abs().max(),
                "You walk `steps` + 1 times, once too often.",
            ),
            (
                lambda cell, h, steps: (_walk(cell, h, steps - 1) - h).abs().max(),
                "You walk `steps` - 1 times, once too few.",
            ),
            (
                lambda cell, h, steps: (_walk(cell, h, steps) - h).norm(),
                "That is the length of the difference. The largest absolute number of it is asked for.",
            ),
            (_fed_itself, "You fed the state in as the input. The input of padding is zeros."),
        ],
        rtol=1e-3,
        atol=1e-5,
    )


quiz(
    "dien_variants",
    [
        question(
            "An event has attention weight 0. In which cells can it still change the state?",
            ("AIGRU, and the authors' released cell", True, "Yes: both then take a plain step of a GRU."),
            ("AGRU and AUGRU", False, "Their gate is 0 then: the state stays."),
            ("In all of them", False, "A gate of 0 keeps the state, in AGRU and AUGRU."),
            ("In none", False, "AIGRU scales the input only, and a zero input moves a GRU."),
        ),
        question(
            "A softmax is taken over an axis of length 1. What do you see in training?",
            (
                "A falling loss: everything runs, only attention is off",
                True,
                "Yes: all weights are 1, and AUGRU is a GRU.",
            ),
            ("A shape error", False, "An axis of length 1 is a fine axis."),
            ("nan", False, "exp(s) / exp(s) is 1, not nan."),
            ("Weights that sum to 1 over time", False, "Each weight is 1; over time they sum to L."),
        ),
        question(
            "Why must the second loss ask about the next film, and not about the one just read?",
            (
                "The state has read it: recognising it is copying",
                True,
                "Yes. And with likes only, constant vectors satisfy the loss.",
            ),
            ("The next film has a longer vector", False, "Lengths have nothing to do with it."),
            ("It would take more memory", False, "The cost is the same."),
            ("The candidate is the film just read", False, "The candidate is not in the history at all."),
        ),
        question(
            "Four forms of the gate come out in another order on another data set. What follows?",
            (
                "The order belongs to the data, until somebody shows more",
                True,
                "Yes: here it turns between two planted worlds and two sizes of the state.",
            ),
            ("One of the measurements is wrong", False, "Both are means of five paired trainings."),
            ("The forms are all equal", False, "Within each world they are told apart."),
            ("The paper's order must be right", False, "It was measured on other data."),
        ),
    ],
)
