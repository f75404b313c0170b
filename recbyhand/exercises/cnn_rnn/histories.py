"""Checks of chapter 2: histories and recurrence."""

from __future__ import annotations

import math

import torch

from recbyhand.exercises.engine import close, exercise, function, grows, one_of_wrong, uses, wrong
from recbyhand.exercises.quizzes import question, quiz

Z = 0.5 * 2 + 0.1 - 1 * 0.75 + 0.15  # = 0.5; no part of it alone gives that


@exercise(
    "hist-1",
    "Four terms go into the tanh: film, state, and two biases.",
    "0.5 · 2 + 0.1 - 1 · 0.75 + 0.15 = 0.5, and then the squeeze.",
    todo="Replace the `...` by one number.",
    solved="Right: tanh 0.5.",
)
def hist_1(answer):
    one_of_wrong(
        answer,
        [
            (0.5, "That is what goes into the tanh. Squeeze it."),
            (math.tanh(1.25), "The state before is missing: it comes with the weight -1."),
            (math.tanh(2.0), "The weight of the state is -1, not +1."),
            (math.tanh(0.4), "The first bias, 0.1, is missing."),
            (math.tanh(0.35), "The second bias, 0.15, is missing."),
            (math.tanh(0.25), "Both biases are missing."),
            (
                math.tanh(1.0),
                "That is the film alone: the old state and two biases belong to the sum, too.",
            ),
            (math.tanh(1.5), "The weight of the film is missing: it comes with 0.5."),
            (math.tanh(-1.375), "The weights are exchanged: 0.5 is the film's, -1 the state's."),
            (1 / (1 + math.exp(-0.5)), "That is the sigmoid of 0.5. This cell squeezes with tanh."),
            (
                math.tanh(0.5 * 2 + 0.1 - math.tanh(0.75) + 0.15),
                "The old state has been squeezed when it was made. It enters as it is, 0.75.",
            ),
            (
                math.tanh(0.5 * 2 + 0.1) + math.tanh(-0.75 + 0.15),
                "Film and state are added first and squeezed together: one tanh.",
            ),
            (math.tanh(0.5) + 0.75, "The old state is already inside; nothing is added to the new one."),
        ],
        atol=2e-4,
    )
    close(answer, math.tanh(Z), atol=2e-4, hint="Not yet. What goes into the tanh is 0.5.")


def _events(g: torch.Generator) -> tuple:
    n = 12
    days = torch.randint(1, 9, (n,), generator=g).tolist()
    films = (torch.randperm(80, generator=g)[:n] + 10).tolist()
    stars = torch.randint(1, 6, (n,), generator=g).tolist()
    # Whatever is drawn: a like on the day itself, one after it, and four before it in no order.
    fixed = [(5, 91, 5), (7, 92, 4), (4, 93, 5), (2, 94, 4), (3, 95, 5), (1, 96, 4), (4, 97, 3)]
    events = [*zip(days, films, stars, strict=True), *fixed]
    order = torch.randperm(len(events), generator=g).tolist()
    seen: set[int] = set()
    mixed = []
    for k in order:
        t, film, s = events[k]
        # Two likes of one day have no order: keep one, so that there is one right answer.
        if s >= 4 and t in seen:
            s = 3
        seen |= {t} if s >= 4 else set()
        mixed.append((t, film, s))
    return mixed, 5, int(torch.randint(2, 7, (1,), generator=g))


def _cut(events, now, length, keep=lambda t, now: t < now, stars=4, front=False, newest=False):
    likes = [film for t, film, s in sorted(events, key=lambda e: e[0]) if keep(t, now) and s >= stars]
    likes = likes[-length:]
    if newest:
        likes = likes[::-1]
    zeros = [0] * (length - len(likes))
    return zeros + likes if front else likes + zeros


def _history(events, now, length):
    """One film at a time, the latest first."""
    left = [e for e in events if e[0] < now and e[2] >= 4]
    out: list[int] = []
    while left and len(out) < length:
        latest = max(left)
        left.remove(latest)
        out.insert(0, latest[1])
    return out + [0] * (length - len(out))


def _numbers(answer):
    """A tensor or an array of numbers is as good as a list."""

    def listed(*args):
        out = answer(*args)
        if isinstance(out, list | tuple) and any(isinstance(v, list | tuple) for v in out):
            wrong("Your list holds whole events. Take the film of each, a number.")
        return [int(v) for v in out] if out is not None and out is not ... else out

    return listed if callable(answer) else answer


@exercise(
    "hist-2",
    "Three steps: sort by time, keep likes strictly before `now`, take the last `length`.",
    "`sorted(events)` sorts by time first. Strictly: `t < now`. Zeros at the end: `likes + [0] * missing`.",
    todo="Complete the function `history(events, now, length)`: it returns a list of `length` numbers.",
)
def hist_2(answer):
    few = [([(3, 7, 5), (1, 8, 4), (9, 6, 5)], 5, 4), ([(6, 7, 5)], 5, 3)]
    few += [([(90, 7, 5), (2, 8, 4), (40, 9, 4), (60, 5, 2)], 100, 3)]  # long pauses
    few += [([(1, 7, 5), (3, 7, 4), (2, 8, 4)], 5, 4)]  # one film twice
    draws = [_events(torch.Generator().manual_seed(k)) for k in range(6)] + few

    def unsorted(events, now, length):
        likes = [film for t, film, s in events if t < now and s >= 4][-length:]
        return likes + [0] * (length - len(likes))

    def earliest(events, now, length):
        likes = [film for t, film, s in sorted(events) if t < now and s >= 4][:length]
        return likes + [0] * (length - len(likes))

    def cut_first(events, now, length):
        latest = sorted(e for e in events if e[0] < now)[-length:]
        return _cut(latest, now, length)

    def dislikes_as_zeros(events, now, length):
        past = [film if s >= 4 else 0 for t, film, s in sorted(events) if t < now][-length:]
        return past + [0] * (length - len(past))

    def by_all(events, now, length, stars):  # ties by the number of the film, as `sorted(events)` has them
        films = [film for t, film, s in sorted(events) if t < now and s >= stars][-length:]
        return films + [0] * (length - len(films))

    def later(events, now, length):
        films = [film for t, film, s in sorted(events) if t > now and s >= 4][:length]
        return films + [0] * (length - len(films))

    def by_film(events, now, length):
        likes = sorted(film for t, film, s in events if t < now and s >= 4)[-length:]
        return likes + [0] * (length - len(likes))

    function(
        _numbers(answer),
        inputs=draws,
        oracle=_history,
        wrong=[
            (unsorted, "The events come in any order: sort them by time first."),
            (
                lambda e, n, k: _cut(e, n, k, keep=lambda t, now: t <= now),
                "Strictly before: what carries the time `now` itself may be the target, or come after it.",
            ),
            (
                lambda e, n, k: _cut(e, n, k, keep=lambda t, now: True),
                "Films after `now` are in it: the future. Keep t < now.",
            ),
            (
                lambda e, n, k: _cut(e, n, k, stars=0),
                "Every film is in it. Only those with at least four stars are likes.",
            ),
            (lambda e, n, k: _cut(e, n, k, stars=5), "Four stars are a like, too: at least four."),
            (earliest, "These are the first likes. A history holds the latest ones."),
            (lambda e, n, k: _cut(e, n, k, newest=True), "Oldest first: you have the newest in front."),
            (
                lambda e, n, k: _cut(e, n, k, front=True),
                "The zeros stand in front. This book pads at the end.",
            ),
            (
                lambda e, n, k: [v for v in _cut(e, n, k) if v],
                "A history that is too short must be filled with zeros up to `length`.",
            ),
            (
                cut_first,
                "You took the latest `length` films and then dropped those not liked. First the likes, then the cut.",
            ),
            (
                lambda e, n, k: _cut(e, n, k, keep=lambda t, now: now - k <= t < now),
                "`length` is a number of films, not of days: a like may lie long before `now`.",
            ),
            (lambda e, n, k: _cut(e, n, k, stars=3), "Three stars are no like: at least four."),
            (
                dislikes_as_zeros,
                "A film that was not liked is left out; it leaves no 0 behind. Zeros stand at the end only.",
            ),
            (
                lambda e, n, k: by_all(e, n, k, 0),
                "Every film is in it. Only those with at least four stars are likes.",
            ),
            (lambda e, n, k: by_all(e, n, k, 3), "Three stars are no like: at least four."),
            (later, "Those are the films AFTER `now`. A history is what was known before."),
            (
                lambda e, n, k: _cut(e, n, k, front=True, newest=True),
                "Turned round as a whole: oldest first, and the zeros at the end.",
            ),
            (
                lambda e, n, k: [film or -1 for film in _cut(e, n, k)],
                "Padding is 0, the id of no film.",
            ),
            (
                lambda e, n, k: (lambda films: films + [0] * (k - len(films)))(
                    list(dict.fromkeys(film for film in _cut(e, n, 99) if film))[-k:]
                ),
                "A film that was liked twice stands there twice: each event counts.",
            ),
            (by_film, "Sorted by film. What counts is the time, the first of the three."),
            (
                lambda e, n, k: _cut([(t, t, s) for t, _, s in e], n, k),
                "Those are the times. The films are asked for.",
            ),
        ],
    )


def _reach(w, v, h):
    """By the chain rule, step by step."""
    h = [float(s) for s in h]
    d = float(w) * (1 - h[0] ** 2)
    for s in h[1:]:
        d *= float(v) * (1 - s**2)
    return d


def _weights_and_states(g: torch.Generator) -> tuple:
    w, v = (torch.rand(2, generator=g) + 0.4).tolist()
    v *= 1 if torch.rand((), generator=g) < 0.5 else -1
    state, states = torch.tensor(0.0), []
    for x in torch.randn(6, generator=g):
        state = torch.tanh(w * x + v * state)
        states.append(state)
    return w, v, torch.stack(states)


@exercise(
    "hist-3",
    "Chain rule: ∂h₁/∂x₁, times ∂h₂/∂h₁, times ∂h₃/∂h₂, and so on to h_L.",
    "∂h₁/∂x₁ = w (1 - h₁²), and ∂hₜ/∂hₜ₋₁ = v (1 - hₜ²).",
    "w · v to the power L - 1 · the product of all 1 - hₜ².",
    todo="Complete the function `reach(w, v, h)`: it returns one number.",
    solved="Right. Each step multiplies by v (1 - h²), mostly well below 1: the first film is soon out of reach.",
)
def hist_3(answer):
    function(
        answer,
        inputs=_weights_and_states,
        oracle=_reach,
        wrong=[
            (
                lambda w, v, h: w * v ** (len(h) - 1),
                "The slopes of the tanh are missing: 1 - hₜ² at every step.",
            ),
            (
                lambda w, v, h: w * v ** len(h) * (1 - h**2).prod(),
                "One v too many: from the first state to the last there are L - 1 steps.",
            ),
            (
                lambda w, v, h: v ** (len(h) - 1) * (1 - h**2).prod(),
                "The film comes in through w: it is missing.",
            ),
            (
                lambda w, v, h: w * v ** (len(h) - 1) * (1 - h[1:] ** 2).prod(),
                "The first step has its tanh, too: 1 - h₁² is missing.",
            ),
            (
                lambda w, v, h: w * v ** (len(h) - 1) * (1 - h[:-1] ** 2).prod(),
                "The last step has its tanh, too: 1 - h_L² is missing.",
            ),
            (
                lambda w, v, h: w * v ** (len(h) - 1) * (1 - h).prod(),
                "tanh' is 1 - tanh²: square the states.",
            ),
            (
                lambda w, v, h: w * (1 - h[-1] ** 2),
                "That is the reach of the LAST film. The first has a long way.",
            ),
            (
                lambda w, v, h: w * v ** (len(h) - 1) * (1 - torch.tanh(h) ** 2).prod(),
                "The states h are tanh's already: 1 - h², without another tanh.",
            ),
            (
                lambda w, v, h: w * v ** (len(h) - 1) * (1 - h[-1] ** 2),
                "One slope only. Every step has its own factor 1 - hₜ².",
            ),
            (
                lambda w, v, h: w * v ** (len(h) - 1) * (1 - h**2).sum(),
                "You added the slopes. The chain rule multiplies them.",
            ),
            (
                lambda w, v, h: abs(w * v ** (len(h) - 1) * (1 - h**2).prod()),
                "The sign is lost: with a negative v the first film may push the other way.",
            ),
            (
                lambda w, v, h: v * w ** (len(h) - 1) * (1 - h**2).prod(),
                "w and v are exchanged: w brings the film in, v hands the state on.",
            ),
            (
                lambda w, v, h: w ** len(h) * v ** (len(h) - 1) * (1 - h**2).prod(),
                "w comes once, where the film enters. The later steps hand on the state: v alone.",
            ),
            (
                lambda w, v, h: w * v ** (len(h) - 2) * (1 - h**2).prod(),
                "One v too few: from the first state to the last there are L - 1 steps.",
            ),
            (
                lambda w, v, h: w * v ** (len(h) - 1) * (h**2).prod(),
                "tanh' is 1 - tanh², not tanh².",
            ),
            (lambda w, v, h: w * v * (1 - h**2).prod(), "One v only: each of the L - 1 steps brings one."),
            (
                lambda w, v, h: (w * v) ** (len(h) - 1) * (1 - h**2).prod(),
                "w comes once, where the film enters. The later steps hand on the state: v alone.",
            ),
            (
                lambda w, v, h: sum(w * v**k * (1 - h[-1 - k :] ** 2).prod() for k in range(len(h))),
                "That is what happens if every film moves. Only the first one does.",
            ),
        ],
        rtol=1e-3,
        atol=1e-7,
    )


def _states_and_mask(g: torch.Generator) -> tuple:
    mask = torch.rand(5, 6, generator=g) < 0.5
    mask[0], mask[1] = False, torch.tensor([True, True, False, True, False, False])
    mask[2, 5] = True
    mask[3] = torch.arange(6) == 0  # a single event, at place 0
    return torch.randn(5, 6, 3, generator=g), mask


def _newest(states, mask):
    out = torch.zeros(len(states), states.shape[2])
    for b in range(len(states)):
        for t in range(states.shape[1]):
            if mask[b, t]:
                out[b] = states[b, t]
    return out


@exercise(
    "hist-4",
    "Which place is the last True one of a row? The largest index among the True ones.",
    "`(mask * torch.arange(1, L + 1)).amax(1)` is that place counted from 1, and 0 for a row without any.",
    "Then `states[torch.arange(B), place - 1]`, and multiply rows without any by 0.",
    todo="Complete the function `newest(states, mask)`: it returns a tensor of shape (B, d_h).",
)
def hist_4(answer):
    def by_count(states, mask):
        place = (mask.sum(1) - 1).clamp(min=0)
        return states[torch.arange(len(mask)), place] * mask.any(1)[:, None]

    def no_zeros(states, mask):
        place = (mask * torch.arange(1, mask.shape[1] + 1)).amax(1)
        return states[torch.arange(len(mask)), (place - 1).clamp(min=0)]

    def wraps(states, mask):
        place = (mask * torch.arange(1, mask.shape[1] + 1)).amax(1)
        return states[torch.arange(len(mask)), place - 1]

    def one_further(states, mask):
        place = (mask * torch.arange(1, mask.shape[1] + 1)).amax(1).clamp(max=mask.shape[1] - 1)
        return states[torch.arange(len(mask)), place] * mask.any(1)[:, None]

    def gap(states, mask, lowest):
        place = torch.cat([~mask, torch.ones_like(mask[:, :1])], 1).int().argmax(1) - 1
        return states[torch.arange(len(mask)), place.clamp(min=lowest)] * mask.any(1)[:, None]

    def flipped(states, mask):
        return states[torch.arange(len(mask)), mask.flip(1).int().argmax(1)] * mask.any(1)[:, None]

    def first(states, mask):
        return states[torch.arange(len(mask)), mask.int().argmax(1)] * mask.any(1)[:, None]

    function(
        answer,
        inputs=_states_and_mask,
        oracle=_newest,
        wrong=[
            (by_count, "You count the True places. With gaps the last one stands further to the right."),
            (lambda s, m: s[:, -1], "That is the last column, padding or not. Use the mask."),
            (
                lambda s, m: s[:, -1] * m.any(1)[:, None],
                "That is the last column, padding or not; use the mask there, too.",
            ),
            (
                lambda s, m: _newest(s, m & (torch.arange(m.shape[1]) > 0)),
                "A row whose only event stands at place 0 gets zeros: place 0 is a place, not 'none'.",
            ),
            (
                lambda s, m: s[torch.arange(len(m)), m.sum(1).clamp(max=m.shape[1] - 1)] * m.any(1)[:, None],
                "You count the True places and go one further. Look for the last True one: its place, counted from 0.",
            ),
            (
                lambda s, m: (
                    s[torch.arange(len(m)), ((m * torch.arange(m.shape[1])).argmax(1) - 1).clamp(min=0)]
                    * m.any(1)[:, None]
                ),
                "One place too early: `arange` counts from 0 already.",
            ),
            (no_zeros, "A row without any real place should give zeros; yours gives its first state."),
            (wraps, "A row without any real place should give zeros; yours gives its last state (place -1)."),
            (first, "That is the first True place. Look for the last one."),
            (
                lambda s, m: (s * m[..., None]).sum(1) / m.sum(1, keepdim=True).clamp(min=1),
                "That is the mean of the real states. One of them is asked for, the newest.",
            ),
            (
                lambda s, m: (s * m[..., None]).sum(1),
                "That adds up the real states. One of them is asked for, the newest.",
            ),
            *(
                (
                    lambda s, m, low=low: gap(s, m, low),
                    "You stop at the first gap. Look for the last True place.",
                )
                for low in (0, -1)
            ),
            (
                flipped,
                "Found from the right, and then used as if counted from the left: turn the place round.",
            ),
            (
                lambda s, m: (s * m[..., None]).amax(1),
                "That is the largest entry of each column, from several states. Pick one state.",
            ),
            (one_further, "One place too far: a place counted from 1 is an index after taking 1 off."),
        ],
    )
    states, mask = _states_and_mask(torch.Generator().manual_seed(0))
    if grows(answer, (states, mask), (states.repeat(20, 1, 1), mask.repeat(20, 1))) > 3:
        wrong(
            "Right, but you go from row to row (a comprehension or `map` is a loop, too). All rows at once, please."
        )


def _count(d_in, d_h, layers, both):
    return sum(p.numel() for p in torch.nn.RNN(d_in, d_h, layers, bidirectional=both).parameters())


def _rule(second=lambda d_in, d_h, k: k * d_h, biases=2, directions=True):
    def wrong(d_in, d_h, layers, both):
        k = 2 if both and directions else 1
        reads = [d_in] + [second(d_in, d_h, k)] * (layers - 1)
        return sum(k * (d_h * (r + d_h) + biases * d_h) for r in reads)

    return wrong


@exercise(
    "hist-5",
    "One layer, one direction: a matrix on the film, a matrix on the state, two biases.",
    "d_h · (d_in + d_h) + 2 d_h. A direction has all of it again.",
    "The second layer reads the states of the first: d_h numbers, or 2 d_h if both directions are there.",
    todo="Complete the function `weights(d_in, d_h, layers, both)`: it returns a whole number.",
    solved="Right. Note what is absent: the length of the history. The weights are the same at every step.",
)
def hist_5(answer):
    if uses(answer, "torch", "nn", "RNN"):
        wrong("Your function asks torch. Find the rule in a few counts, and compute the number by it.")
    function(
        answer,
        inputs=[(12, 6, 1, False), (12, 6, 2, False), (5, 3, 3, True), (4, 7, 1, True), (3, 8, 2, True)],
        oracle=_count,
        wrong=[
            (_rule(biases=1), "Torch has two biases for each layer and direction."),
            (_rule(biases=4), "Two biases for each layer and direction, not four."),
            (
                lambda d_in, d_h, layers, both: 3 * _count(d_in, d_h, layers, both),
                "That is a GRU, with three of everything. A plain RNN has one.",
            ),
            (
                lambda d_in, d_h, layers, both: (
                    _count(d_in, d_h, 1, both) + (layers - 1) * _count(d_h, d_h, 1, False)
                ),
                "Every layer has both directions, and reads both of the layer below; not the first alone.",
            ),
            (
                lambda d_in, d_h, layers, both: _count(d_in, d_h, layers - 1, both) if layers > 1 else 0,
                "One layer is missing: the first one counts, too.",
            ),
            (_rule(biases=0), "The biases are missing, two for each layer and direction."),
            (
                _rule(second=lambda d_in, d_h, k: d_in),
                "The second layer does not read films, but the states of the first.",
            ),
            (
                _rule(second=lambda d_in, d_h, k: d_h),
                "With both directions, the second layer reads the states of both: 2 d_h numbers.",
            ),
            (
                lambda d_in, d_h, layers, both: (
                    _rule()(d_in, d_h, layers, both) - (2 * layers * d_h if both else 0)
                ),
                "The directions share nothing: each layer has two biases for EACH of them.",
            ),
            (
                lambda d_in, d_h, layers, both: 4 * _count(d_in, d_h, layers, both),
                "That is an LSTM, with four of everything. A plain RNN has one.",
            ),
            (_rule(directions=False), "Right for one direction. Each direction has weights of its own."),
            (
                lambda d_in, d_h, layers, both: _count(d_in, d_h, 1, both),
                "Right for one layer. The others read states instead of films.",
            ),
            (
                lambda d_in, d_h, layers, both: layers * _count(d_in, d_h, 1, both),
                "The layers differ: only the first reads films, the others read states.",
            ),
            (
                lambda d_in, d_h, layers, both: (
                    _rule()(d_in, d_h, layers, both) - layers * (2 if both else 1) * d_h**2
                ),
                "The matrix on the state is missing: each layer and direction reads its own state before.",
            ),
            (
                lambda d_in, d_h, layers, both: (
                    _rule()(d_in, d_h, layers, both) + (2 * layers * d_h**2 if both else 0)
                ),
                "Each direction keeps its own state of d_h numbers; only what comes from the layer below is 2 d_h.",
            ),
        ],
    )


quiz(
    "histories",
    [
        question(
            "Somebody shuffles overlapping windows and splits them 80 to 20. What is wrong?",
            (
                "The target of a test window stands in the history of a training window",
                True,
                "Yes: a look-up finds the answer without learning anything.",
            ),
            (
                "Nothing, since each window has its own target",
                False,
                "Its target is in other windows' histories.",
            ),
            ("The test set is too small", False, "Its size is not the trouble."),
            ("Windows must not overlap", False, "They may, if the split comes first and goes by time."),
        ),
        question(
            "Two likes carry the same second. What should the history of one of them hold?",
            (
                "Not the other: nobody knows which came first",
                True,
                "Yes: tied events stay out of each other's history.",
            ),
            ("The other, since it is a like", False, "It may have come after."),
            ("Whichever stands first in the file", False, "The order of a file is no order of time."),
        ),
        question(
            "`nn.RNN` with two layers and one direction, batch_first: which is true?",
            (
                "hn has shape (2, B, d_h), and hn[-1] equals outputs[:, -1]",
                True,
                "Yes: hn is layer by layer.",
            ),
            ("hn has shape (1, B, d_h)", False, "One entry for each layer and direction: two here."),
            ("hn[0] equals outputs[:, -1]", False, "hn[0] is the first layer; outputs has the last."),
            ("hn equals outputs", False, "outputs has every step of one layer, hn one step of every layer."),
        ),
        question(
            "Histories are padded with zeros at the end, and somebody reads `hn`. What happens?",
            (
                "Scores depend on how long the longest history of the batch is",
                True,
                "Yes: every padded step moves the state once more.",
            ),
            ("Nothing: zeros add nothing", False, "Biases and the state itself go on working."),
            ("An error", False, "Everything runs; that is the trouble."),
            ("The last film counts twice", False, "It fades, rather."),
        ),
    ],
)
