"""Wrong answers to the exercises of *Histories and recurrence*, and a part of the hint that each must get."""

import math

import torch


def cut(keep, likes=4, sort=True, last=True, front=False):
    def history(events, now, length):
        rows = sorted(events, key=lambda e: e[0]) if sort else events
        films = [f for t, f, s in rows if keep(t, now) and s >= likes]
        films = films[-length:] if last else films[:length]
        zeros = [0] * (length - len(films))
        return torch.tensor(zeros + films if front else films + zeros)

    return history


def before(t, now):
    return t < now


def late_likes(events, now, length):
    rows = sorted(e for e in events if e[0] < now)[-length:]
    films = [film for _, film, stars in rows if stars >= 4]
    return films + [0] * (length - len(films))


def sorted_films(events, now, length):
    films = sorted(film for t, film, stars in events if t < now and stars >= 4)[-length:]
    return films + [0] * (length - len(films))


def chain(w, v, h, steps=None, slopes=None):
    out = w * v ** (len(h) - 1 if steps is None else steps)
    for s in h if slopes is None else slopes:
        out = out * (1 - s * s)
    return out


def at(place):
    def newest(states, mask):
        return torch.stack([states[b, place(m)] for b, m in enumerate(mask)]) * mask.any(1, keepdim=True)

    return newest


def last_true(m):
    return int(m.nonzero()[-1]) if m.any() else 0


def rule(second, biases=2, directions=2):
    def weights(d_in, d_h, layers, both):
        k = directions if both else 1
        total = 0
        for layer in range(layers):
            reads = d_in if layer == 0 else second(d_in, d_h, k)
            total += k * d_h * (reads + d_h + biases)
        return total

    return weights


def no_state(d_in, d_h, layers, both):
    k = 2 if both else 1
    return sum(k * d_h * ((k * d_h if layer else d_in) + 2) for layer in range(layers))


WRONG = [
    ("hist-1", "not squeezed", 0.5, "into the tanh"),
    ("hist-1", "no state", math.tanh(0.5 * 2 + 0.25), "The state before"),
    ("hist-1", "sign of the state", torch.tanh(torch.tensor(2.0)), "not +1"),
    ("hist-1", "one bias", math.tanh(0.35), "second bias"),
    ("hist-1", "film alone", math.tanh(0.5 * 2), "the film alone"),
    ("hist-1", "weights exchanged", math.tanh(0.5 * 0.75 - 2 + 0.25), "exchanged"),
    ("hist-1", "sigmoid", torch.sigmoid(torch.tensor(0.5)), "sigmoid"),
    ("hist-2", "not sorted", cut(before, sort=False), "any order"),
    ("hist-2", "ties", cut(lambda t, now: t <= now), "Strictly before"),
    ("hist-2", "future", cut(lambda t, now: True), "the future"),
    ("hist-2", "all films", cut(before, likes=1), "Every film"),
    ("hist-2", "five stars only", cut(before, likes=5), "Four stars"),
    ("hist-2", "earliest", cut(before, last=False), "first likes"),
    ("hist-2", "cut before the likes", late_likes, "First the likes"),
    ("hist-2", "sorted by film", sorted_films, "Sorted by film"),
    ("hist-2", "padded in front", cut(before, front=True), "in front. This"),
    ("hist-3", "no slopes", lambda w, v, h: chain(w, v, h, slopes=[]), "slopes of the tanh"),
    ("hist-3", "a step too many", lambda w, v, h: chain(w, v, h, steps=len(h)), "One v too many"),
    ("hist-3", "no w", lambda w, v, h: chain(1.0, v, h), "through w"),
    ("hist-3", "first slope", lambda w, v, h: chain(w, v, h, slopes=h[1:]), "The first step has"),
    ("hist-3", "another tanh", lambda w, v, h: chain(w, v, h, slopes=h.tanh()), "without another tanh"),
    ("hist-3", "one slope", lambda w, v, h: chain(w, v, h, slopes=h[-1:]), "One slope only"),
    ("hist-3", "last film", lambda w, v, h: w * (1 - h[-1].square()), "the LAST film"),
    ("hist-4", "count", at(lambda m: max(int(m.sum()) - 1, 0)), "You count"),
    ("hist-4", "last column", lambda s, m: s[:, -1, :], "padding or not. Use"),
    ("hist-4", "sum", lambda s, m: torch.einsum("bld,bl->bd", s, m.float()), "adds up the real"),
    ("hist-4", "one too far", at(lambda m: min(last_true(m) + 1, len(m) - 1)), "One place too far"),
    ("hist-4", "first", at(lambda m: int(m.nonzero()[0]) if m.any() else 0), "the first True"),
    (
        "hist-4",
        "mean",
        lambda s, m: torch.nan_to_num((s * m[:, :, None]).sum(1) / m.sum(1)[:, None]),
        "the mean",
    ),
    (
        "hist-4",
        "no zeros",
        lambda s, m: torch.stack([s[b, last_true(row)] for b, row in enumerate(m)]),
        "gives its first state",
    ),
    ("hist-5", "no state matrix", no_state, "matrix on the state"),
    ("hist-5", "one bias", rule(lambda d, h, k: k * h, biases=1), "Torch has two"),
    ("hist-5", "films again", rule(lambda d, h, k: d), "does not read films"),
    ("hist-5", "one direction's states", rule(lambda d, h, k: h), "the states of both"),
    ("hist-5", "one direction", rule(lambda d, h, k: h, directions=1), "Right for one direction"),
    ("hist-5", "one layer", lambda d, h, n, both: rule(None)(d, h, 1, both), "Right for one layer"),
]


# Of a reader who knew the exercises only from the page.


def disliked_as_zeros(events, now, length):
    past = [film * (stars >= 4) for time, film, stars in sorted(events) if time < now][-length:]
    return past + [0] * (length - len(past))


def whole_events(events, now, length):
    likes = [event for event in sorted(events) if event[0] < now and event[2] >= 4][-length:]
    return likes + [0] * (length - len(likes))


def days_back(events, now, length):
    return cut(before)([event for event in events if event[0] >= now - length], now, length)


def until_a_gap(m):
    return next((t for t, real in enumerate(m) if not real), len(m)) - 1


def paths(w, v, h):
    return sum(chain(w, v, h[t:]) for t in range(len(h)))


def shared_biases(d_in, d_h, layers, both):
    k = 2 if both else 1
    return sum(k * d_h * (r + d_h) + 2 * d_h for r in [d_in] + [k * d_h] * (layers - 1))


WRONG += [
    ("hist-1", "squeezed twice", math.tanh(1.25 - math.tanh(0.75)), "squeezed when it was made"),
    ("hist-1", "squeezed apart", math.tanh(1.1) + math.tanh(-0.6), "squeezed together"),
    ("hist-2", "three stars", cut(before, likes=3), "Three stars are no like"),
    ("hist-2", "days for films", days_back, "not of days"),
    ("hist-2", "dislikes as zeros", disliked_as_zeros, "leaves no 0 behind"),
    ("hist-2", "whole events", whole_events, "holds whole events"),
    (
        "hist-3",
        "w at each step",
        lambda w, v, h: (w * v) ** (len(h) - 1) * (1 - h * h).prod(),
        "w comes once",
    ),
    ("hist-3", "all films move", paths, "if every film moves"),
    ("hist-4", "until a gap", at(until_a_gap), "stop at the first gap"),
    ("hist-4", "not turned back", at(lambda m: int(m.flip(0).int().argmax())), "turn the place round"),
    ("hist-4", "largest", lambda s, m: (s * m[..., None]).max(1).values, "largest entry of each column"),
    ("hist-5", "biases shared", shared_biases, "two biases for EACH"),
    ("hist-5", "lstm", lambda *a: 4 * rule(lambda d, h, k: k * h)(*a), "That is an LSTM"),
]

WRONG += [
    (
        "hist-4",
        "row by row",
        lambda s, m: torch.stack([a[k][-1] if k.any() else 0 * a[0] for a, k in zip(s, m, strict=True)]),
        "from row to row",
    ),
    (
        "hist-5",
        "asks torch",
        lambda i, h, n, both: sum(p.numel() for p in torch.nn.RNN(i, h, n, bidirectional=both).parameters()),
        "asks torch",
    ),
    ("hist-3", "sign lost", lambda w, v, h: abs(w * v ** (len(h) - 1) * (1 - h**2).prod()), "sign is lost"),
]
