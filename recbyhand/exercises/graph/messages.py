"""Checks of chapter 6: messages."""

from __future__ import annotations

import math

import torch

from recbyhand.exercises.engine import close, exercise, function, one_of_wrong
from recbyhand.exercises.quizzes import question, quiz

_R6 = 6**-0.5


@exercise(
    "msg-1",
    "Heat is among its own neighbours: three messages arrive.",
    "With loops the degrees are 3 for Heat, 3 for Ann, 2 for Cy. Divide by the root of the product.",
    todo="Replace the `...` by a vector of shape (2,).",
    solved="Right: Cy, who liked nothing else, is heard a little louder than Ann.",
)
def msg_1(answer):
    r2 = 2**-0.5
    one_of_wrong(
        answer,
        [
            ([0.5, r2], "Heat itself is missing, and the loops do not count in the degrees."),
            ([0.5, 2 / 2 + r2], "A loop raises each degree by 1: Heat 3, Ann 3, Cy 2."),
            ([1 / 3, _R6], "Heat itself is missing: it is one of its own neighbours."),
            ([1 / 3, 1.0], "That is the mean of the three. A GCN divides by the root of d_i d_j."),
            ([0.5, 0.5], "That is the mean of the two fans."),
            ([1.0, 3.0], "That is the sum. Each message is divided by the root of d_i d_j."),
            ([1 / 9, 2 / 9 + 1 / 6], "You forgot the root of the product of the degrees."),
            ([1 / 3, 2 / 3 + 1 / 3], "Cy has degree 2 with its loop, not 3."),
            ([1 / 3, 2 + _R6], "Heat's own message is divided, too: by the root of 3 times 3."),
        ],
    )
    close(
        answer, [1 / 3, 2 / 3 + _R6], rtol=1e-3, hint="Not yet. Which three messages arrive, divided by what?"
    )


def _graph(g: torch.Generator):
    pairs = [(0, 1), (2, 1), (3, 1), (1, 0), (3, 2), (3, 3)]  # nothing ends in 4, which is no source either
    order = torch.randperm(len(pairs), generator=g).tolist()
    return torch.randn(5, 3, generator=g), torch.tensor([pairs[k] for k in order]).T


def _heard(h, edges, swapped=False, own=False, total=False, by=None):
    out = torch.zeros_like(h)
    pairs = [(int(t), int(s)) if swapped else (int(s), int(t)) for s, t in edges.T]
    pairs += [(i, i) for i in range(len(h)) if (i, i) not in pairs] if own else []
    for i in range(len(h)):
        mine = [h[s] for s, t in pairs if t == i]
        if mine:
            out[i] = sum(mine) / (1 if total else by or len(mine))
    return out


def _count(h, nodes):
    return torch.bincount(nodes, minlength=len(h))[:, None]


def _last_one(h, edges):
    out = torch.zeros_like(h)
    for source, target in edges.T.tolist():
        out[target] = h[source]
    return out / _count(h, edges[1]).clamp(min=1)


@exercise(
    "msg-2",
    "Sum the rows of the sources at their targets, and count the edges that end in each node.",
    "`torch.zeros_like(h).index_add(0, target, h[source])` is the sum; a count of 0 becomes 1 by `.clamp(min=1)`.",
    todo="Complete the function `mean_of_neighbours(h, edges)`: it returns a tensor of shape (N, d).",
)
def msg_2(answer):
    def empty(h, edges):
        count = torch.zeros(len(h)).index_add(0, edges[1], torch.ones(edges.shape[1]))
        return _heard(h, edges, total=True) / count[:, None]

    def kept(h, edges):
        out, reached = _heard(h, edges), torch.zeros(len(h), dtype=torch.bool)
        reached[edges[1]] = True
        return torch.where(reached[:, None], out, h)

    function(
        answer,
        inputs=_graph,
        oracle=_heard,
        wrong=[
            (
                lambda h, e: _heard(h, e, total=True),
                "That is the sum. Divide by the number of edges that end there.",
            ),
            (
                lambda h, e: _heard(h, e, swapped=True),
                "Sources stand above targets: messages go the other way.",
            ),
            (lambda h, e: _heard(h, e, own=True), "No self loops were asked for."),
            (lambda h, e: _heard(h, e, by=len(h)), "Divide by the number of neighbours, not of nodes."),
            (
                lambda h, e: _heard(h, e, by=e.shape[1]),
                "Divide by the edges that end in this node, not by all edges.",
            ),
            (empty, "Nearly: a node that nobody talks to has 0 / 0, and zeros are asked."),
            (kept, "A node that nobody talks to gets zeros here, not its own vector."),
            (
                lambda h, e: _heard(h, e, total=True) / _count(h, e[1]).clamp(min=1).sqrt(),
                "Divide by the number itself, not by its root.",
            ),
            (
                lambda h, e: _heard(h, e, total=True) / _count(h, e[0]).clamp(min=1),
                "You count the edges that leave a node. Count those that end in it.",
            ),
            (
                _last_one,
                "Each message overwrites the one before: `index_add` adds them all, `a[target] = ...` keeps the last.",
            ),
            (
                lambda h, e: torch.stack(
                    [h[e[0][e[1] == i]].amax(0) if (e[1] == i).any() else 0 * h[0] for i in range(len(h))]
                ),
                "That is the largest of each number. The mean is asked for.",
            ),
        ],
    )


def _connected(g: torch.Generator):
    """Users 0 to 2, films 3 to 6, in a random order of nodes, and connected."""
    name = torch.randperm(7, generator=g)
    pairs = torch.tensor([(0, 3), (0, 4), (1, 3), (1, 5), (2, 3), (2, 6), (0, 6), (1, 6)]).T
    return name[torch.cat([pairs, pairs.flip(0)], 1)], 7


def _power(edges, n):
    """By force: pass on (half staying at home, so that nothing swings) until nothing moves."""
    A = torch.zeros(n, n, dtype=torch.double)
    A[edges[1], edges[0]] = 1
    d = A.sum(1)
    S = A / (d[:, None] * d).sqrt()
    x = torch.ones(n, dtype=torch.double)
    for _ in range(400):
        x = (x + S @ x) / 2
        x = x / x.norm()
    return x.float()


def _degree(edges, n):
    return torch.bincount(edges[1], minlength=n).float()


@exercise(
    "msg-3",
    "Try numbers that depend on the degree alone: what does node i get, if each node j holds f(d_j)?",
    "The sum over d_i neighbours of f(d_j) / √(d_i d_j) must be f(d_i).",
    "f(d) = √d; then divide by the length.",
    todo="Complete the function `unchanged(edges, n)`: it returns a vector of shape (n,).",
    solved="Right. Nothing in it depends on who you are, beyond how much you like: this is where all users end.",
)
def msg_3(answer):
    def unit(x):
        return x / x.norm()

    function(
        answer,
        inputs=_connected,
        oracle=_power,
        wrong=[
            (
                lambda e, n: unit(torch.ones(n)),
                "Constants stay what they are under a mean, not under 1 / √(d_i d_j).",
            ),
            (
                lambda e, n: unit(_degree(e, n)),
                "Nearly: the degree itself is too much. Put it into the sum and see.",
            ),
            (lambda e, n: _degree(e, n).sqrt(), "The right direction; make its length 1."),
            (
                lambda e, n: unit(_degree(e, n).rsqrt()),
                "The other way: nodes of high degree hold more, not less.",
            ),
            (
                lambda e, n: -unit(_degree(e, n).sqrt()),
                "That is unchanged, too, but positive numbers are asked.",
            ),
            (
                lambda e, n: _degree(e, n).sqrt() / _degree(e, n).sqrt().sum(),
                "Your numbers sum to 1. A length of 1 is asked for: divide by the root of the sum of squares.",
            ),
            (
                lambda e, n: _degree(e, n).sqrt() / _degree(e, n).sqrt().max(),
                "Your largest number is 1. A length of 1 is asked for: divide by the root of the sum of squares.",
            ),
            (
                lambda e, n: _degree(e, n).sqrt() / _degree(e, n).sum(),
                "Its length is the root of the sum of squares.",
            ),
            (
                lambda e, n: unit((_degree(e, n) + 1).sqrt()),
                "LightGCN has no self loops: do not add 1 to the degrees.",
            ),
        ],
    )


def _start(g: torch.Generator):
    edges, n = _connected(g)
    L = int(torch.randint(2, 4, (1,), generator=g))
    return torch.randn(n + 1, 3, generator=g), edges, L  # the last node is alone


def _light(
    h0,
    edges,
    L,
    share=True,
    last=False,
    mean=False,
    own=False,
    summed=False,
    first=True,
    root=True,
    start=False,
    kept=False,
    bend=lambda x: x,
):
    n = len(h0)
    A = torch.zeros(n, n)
    A[edges[1], edges[0]] = 1
    A = A + torch.eye(n) if own else A
    d = A.sum(1).clamp(min=1)
    S = A / d[:, None] if mean else A / (d[:, None] * d) ** (0.5 if root else 1) if share else A
    every = [h0]
    for _ in range(L):
        before = every[0 if start else -1]
        every.append(bend(S @ before + (before if kept else 0)))
    if last:
        return every[-1]
    every = every if first else every[1:]
    return sum(every) if summed else sum(every) / len(every)


@exercise(
    "msg-4",
    "One weight per edge: 1 / √(d_source d_target). Sum weight times h[source] at the targets.",
    "Keep a running total of all layers, the first (h0) included, and divide by L + 1.",
    todo="Complete the function `light(h0, edges, L)`: it returns a tensor of shape (N, d).",
    solved="Right: that is the whole of LightGCN.",
)
def msg_4(answer):
    def slip(**how):
        return lambda *args: _light(*args, **how)

    function(
        answer,
        inputs=_start,
        oracle=_light,
        wrong=[
            (slip(last=True), "That is the last layer. LightGCN takes the mean of all."),
            (slip(summed=True), "You sum the layers: divide by L + 1."),
            (slip(first=False), "The start h0 is one of the layers."),
            (slip(mean=True), "You divide by d_i, a plain mean. Divide by √(d_i d_j)."),
            (slip(share=False), "The messages are not divided by √(d_i d_j)."),
            (slip(own=True), "LightGCN has no self loops."),
            (lambda h, e, L: _light(h, e, L + 1), "One round too many."),
            (lambda h, e, L: _light(h, e, L - 1), "One round too few."),
            (lambda h, e, L: _light(h, e, L, summed=True) / L, "There are L + 1 layers, not L."),
            (slip(root=False), "You forgot the root: divide by √(d_i d_j)."),
            (slip(bend=torch.relu), "LightGCN has no activation."),
            (
                slip(start=True),
                "Every round of yours starts from h0. It starts from what the round before has made.",
            ),
            (
                slip(kept=True),
                "A round passes on what is heard, and no more: the own share comes in by the mean of the layers.",
            ),
        ],
    )


def _rows(g: torch.Generator):
    n = int(torch.randint(4, 8, (1,), generator=g))
    return (torch.randn(n, 3, generator=g) * torch.rand(n, 1, generator=g).add(0.3) + 0.5,)


def _spread(h):
    n, total = len(h), 0.0
    for i in range(n):
        for j in range(n):
            if i != j:
                total += float(h[i] @ h[j]) / math.sqrt(float(h[i] @ h[i]) * float(h[j] @ h[j]))
    return 1 - total / (n * (n - 1))


@exercise(
    "msg-5",
    "Give every row the length 1 first; then the products of rows are cosines.",
    "Leave the diagonal out: a row is no pair with itself.",
    todo="Complete the function `spread_of(h)`: it returns a number.",
    solved="Right. And loops slow the fading down, but do not end it.",
)
def msg_5(answer):
    def cosines(h):
        x = h / h.norm(dim=1, keepdim=True)
        return x @ x.T

    def off(x):
        return x[~torch.eye(len(x), dtype=torch.bool)]

    function(
        answer,
        inputs=_rows,
        oracle=_spread,
        wrong=[
            (
                lambda h: 1 - cosines(h).mean(),
                "The diagonal is among your pairs: a row with itself has cosine 1.",
            ),
            (lambda h: off(cosines(h)).mean(), "That is the mean cosine. The spread is one minus it."),
            (lambda h: 1 - off(h @ h.T).mean(), "Those are products. Give each row the length 1 first."),
            (lambda h: 1 - off(cosines(h.T)).mean(), "You compare columns. A node is a row."),
            (
                lambda h: off(torch.cdist(h, h)).mean(),
                "That is the mean distance. Take one minus the mean cosine.",
            ),
            (lambda h: h.var(0).mean(), "A variance depends on the lengths. Take one minus the mean cosine."),
            (
                lambda h: 1 - off(cosines(h)).abs().mean(),
                "Opposite rows are far apart: their cosine is -1, not 1. Leave the absolute value out.",
            ),
            (
                lambda h: 1 - off(cosines(h - h.mean(0))).mean(),
                "You take the mean off first. The cosine of the rows as they are is asked for.",
            ),
            (
                lambda h: 1 - off(h / h.norm(dim=0) @ (h / h.norm(dim=0)).T).mean(),
                "You gave the columns the length 1. A node is a row.",
            ),
            (
                lambda h: 1 - off(cosines(h)).mean() / 2,
                "You count each pair once and divide by n (n - 1): that holds both orders.",
            ),
            (
                lambda h: 1 - off(cosines(h)).mean() * (len(h) - 1) / len(h),
                "You divide by n². There are n (n - 1) pairs of different rows.",
            ),
            (
                lambda h: (
                    1
                    - off(
                        torch.nn.functional.normalize(h, dim=0) @ torch.nn.functional.normalize(h, dim=0).T
                    ).mean()
                ),
                "You gave the columns the length 1. A node is a row.",
            ),
        ],
    )


quiz(
    "msg",
    [
        question(
            "Three layers on a graph of users and films. Whom has a user heard of?",
            (
                "All within three edges: films, their fans, the fans' films",
                True,
                "Yes, and that is where recommendations come from.",
            ),
            ("The films that the user liked", False, "That is one layer."),
            ("Everybody", False, "Only those within three edges."),
        ),
        question(
            "LightGCN against matrix factorisation with the same d: how many learned numbers has it?",
            ("As many", True, "Yes: the start vectors are all there is."),
            ("A matrix more per layer", False, "That would be a GCN. LightGCN has no matrices."),
            ("One more per edge", False, "The edges' weights come from the degrees."),
        ),
        question(
            "A vector is passed on with 1 / √(d_i d_j) until nothing changes. How does a user's list end?",
            ("Sorted by degree, or upside down", True, "Yes: √d is what one round leaves as it is."),
            ("In random order", False, "That is where untrained vectors start."),
            ("With the user's own films first", False, "What is the user's own has faded."),
        ),
        question(
            "Why divide by √(d_i d_j) and not by d_i?",
            (
                "What many like then says less about each of them",
                True,
                "Yes: the source's degree counts as well.",
            ),
            ("So that the weights of a node sum to 1", False, "They do with d_i; here they do not."),
            ("To save time", False, "Both cost O(E)."),
        ),
        question(
            "You shuffle the edges, train the model again, and nothing gets worse. What follows?",
            ("It made no use of the graph", True, "Yes: the cheapest test of any graph model."),
            ("The graph is too sparse", False, "Then it would still be of some use."),
            (
                "It is over-smoothed",
                False,
                "Perhaps one way of making no use of it, but you cannot tell from this.",
            ),
        ),
    ],
)
