"""Checks of chapter 6: attention on edges."""

from __future__ import annotations

import math

import torch

from recbyhand.exercises.engine import Wrong, call, close, edge, exercise, function, one_of_wrong, same
from recbyhand.exercises.quizzes import question, quiz


def _shares(*numbers):
    return [x / sum(numbers) for x in numbers]


@exercise(
    "edge-1",
    "First the LeakyReLU, then the mask, then the softmax among those that are left.",
    "-2 becomes -0.4. Rocky's exponential counts as 0.",
    todo="Replace the `...` by the three weights: Heat, Cy, Rocky.",
    solved="Right: the largest score of all belongs to a film that he has not seen, and counts for nothing.",
)
def edge_1(answer):
    e = math.exp
    one_of_wrong(
        answer,
        [
            (_shares(e(1), e(-2), 0), "The LeakyReLU is missing: -2 becomes -0.4."),
            (_shares(e(0.2), e(-0.4), 0), "A LeakyReLU leaves what is above 0 as it is: 1 stays 1."),
            (_shares(e(1), e(0), 0), "A ReLU makes -2 into 0. The LeakyReLU keeps a fifth: -0.4."),
            (_shares(e(1), e(-0.4), e(3)), "Cy has not seen Rocky: no edge, no weight."),
            (_shares(e(1), e(-0.4), e(0)), "A score of 0 is still a weight: mask with minus infinity."),
            (
                [x / (e(1) + e(-0.4) + e(3)) for x in (e(1), e(-0.4))] + [0],
                "Mask before the softmax, not after it: your weights do not sum to 1.",
            ),
            ([1 / 0.6, -0.4 / 0.6, 0], "The exponential is missing."),
            ([1, -0.4, 0], "Those are scores. Weights are positive and sum to 1."),
            (_shares(e(1), e(-0.02), 0), "The slope is 0.2 here; torch's own default is 0.01."),
            ([0, *_shares(e(1), e(-0.4))], "The numbers are right, the order is not: Heat, Cy, Rocky."),
            ([1, -0.4, 3], "Those are scores. Weights are positive, sum to 1, and Rocky gets none."),
        ],
    )
    close(
        answer,
        _shares(e(1), e(-0.4), 0),
        rtol=2e-3,
        atol=6e-4,
        hint="Not yet. The scores are 1 and -0.4 after the LeakyReLU; Rocky's third weight is 0.",
    )


def _scores(g: torch.Generator):
    A = torch.rand(5, 5, generator=g) < 0.5
    A[1], A[3] = False, torch.tensor([True, False, True, True, False])
    return 2 * torch.randn(5, 5, generator=g), A


def _rows(e, A):
    out = torch.zeros_like(e)
    for i in range(len(e)):
        total = sum(math.exp(e[i, j]) for j in range(len(e)) if A[i, j])
        for j in range(len(e)):
            if A[i, j]:
                out[i, j] = math.exp(e[i, j]) / total
    return out


@exercise(
    "edge-2",
    "Before the softmax, give all the others a score whose exponential is 0.",
    "`e.masked_fill(~A, float('-inf')).softmax(1)`; a row without neighbours is then nan.",
    "`.nan_to_num()` makes nan into 0.",
    todo="Complete the function `masked_softmax(e, A)`: it returns weights of shape (N, N).",
)
def edge_2(answer):
    inf = float("-inf")
    function(
        answer,
        inputs=_scores,
        oracle=_rows,
        wrong=[
            (lambda e, A: e.softmax(1), "The graph does not enter: `A` is not used."),
            (
                lambda e, A: e.softmax(1) * A,
                "You mask after the softmax: non-neighbours have taken their share, and rows do not sum to 1.",
            ),
            (
                lambda e, A: (e * A).softmax(1),
                "A score of 0 is still a weight: mask with minus infinity.",
            ),
            (
                lambda e, A: e.masked_fill(~A, inf).softmax(1),
                "Nearly: a node without neighbours has nan, and zeros are asked.",
            ),
            (
                lambda e, A: e.masked_fill(~A, -1e9).softmax(1),
                "With a large negative number, a node without neighbours hears everybody alike. Zeros are asked.",
            ),
            (
                lambda e, A: e.masked_fill(~A, inf).softmax(0).nan_to_num(),
                "Each row should sum to 1, not each column: a softmax along axis 1.",
            ),
            (
                lambda e, A: e.masked_fill(A, inf).softmax(1).nan_to_num(),
                "You mask the neighbours. A is True where there is an edge.",
            ),
            (
                lambda e, A: e.masked_fill(~A.T, inf).softmax(1).nan_to_num(),
                "A is not symmetric: row i holds what i hears. Do not transpose it.",
            ),
            (
                lambda e, A: (e.exp() * A) / (e.exp() * A).sum(1, keepdim=True).clamp(min=1),
                "You do not divide where the sum is below 1. Only a sum of 0 needs help.",
            ),
            (
                lambda e, A: e.masked_fill(~A, inf).exp(),
                "Those are exponentials: divide each row by its sum.",
            ),
            (
                lambda e, A: e.masked_fill(~A, inf).exp() / len(e),
                "Divide each row by the sum of its exponentials, not by N.",
            ),
        ],
    )
    e, A = _scores(torch.Generator().manual_seed(9))
    edge(
        answer,
        (100 * e, A),
        lambda e, A: e.double().masked_fill(~A, -torch.inf).softmax(1).nan_to_num().float(),
        "With scores in the hundreds an exponential overflows: `softmax` takes the row's largest off first.",
    )


def _heads(g: torch.Generator):
    H = int(torch.randint(2, 4, (1,), generator=g))
    return torch.rand(H, 4, 4, generator=g).softmax(-1), torch.randn(H, 4, 5, generator=g)


def _joined(alpha, v):
    H, n, d = v.shape
    out = torch.zeros(n, H * d)
    for i in range(n):
        for k in range(H):
            for c in range(d):
                out[i, k * d + c] = sum(alpha[k, i, j] * v[k, j, c] for j in range(n))
    return out


@exercise(
    "edge-3",
    "Each head first makes its own output: `alpha @ v` is (H, N, d).",
    "Bring the nodes to the front, then flatten the heads and their d.",
    todo="Complete the function `join(alpha, v)`: it returns a tensor of shape (N, H d).",
    solved="Right. For the last layer, `.mean(0)` of the outputs in place of the flattening.",
)
def edge_3(answer):
    function(
        answer,
        inputs=_heads,
        oracle=_joined,
        wrong=[
            (lambda a, v: a.sum(0) @ v.sum(0), "That is the source's: weights are summed over the heads."),
            (lambda a, v: (a @ v).sum(0), "Outputs, but summed: put them side by side, (N, H d)."),
            (lambda a, v: (a @ v).mean(0), "Averaged heads are for the last layer. Put them side by side."),
            (
                lambda a, v: (a @ v).permute(1, 2, 0).flatten(1),
                "The heads alternate. All d numbers of head 1 come first.",
            ),
            (
                lambda a, v: (a @ v).reshape(a.shape[1], -1),
                "A reshape mixes nodes up: transpose heads and nodes first, then flatten.",
            ),
            (
                lambda a, v: (a.transpose(1, 2) @ v).transpose(0, 1).flatten(1),
                "Row i of the weights holds what i hears: do not transpose them.",
            ),
            (
                lambda a, v: torch.cat([a.mean(0) @ x for x in v], 1),
                "Each head keeps its own weights: you average them first.",
            ),
            (
                lambda a, v: torch.cat(list((a @ v).flip(0)), 1),
                "The last head comes first in yours. Head 1 comes first.",
            ),
        ],
    )
    edge(
        answer,
        (torch.ones(2, 1, 1), torch.arange(10.0).reshape(2, 1, 5)),
        _joined,
        "Right for four nodes. With one node an axis is lost: `squeeze` takes every axis of length 1.",
    )


def _graph(g: torch.Generator):
    pairs = [(0, 1), (2, 1), (3, 1), (1, 0), (3, 2), (4, 3), (3, 3), (1, 3)]  # nothing ends in 4
    order = torch.randperm(len(pairs), generator=g).tolist()
    q, k, v = (torch.randn(5, d, generator=g) for d in (3, 3, 3))
    return q, k, v, torch.tensor([pairs[i] for i in order]).T


def _among(q, k, v, edges, scale=True, over_all=False, swapped=False, weigh=math.exp, own=False):
    pairs = [(int(t), int(s)) if swapped else (int(s), int(t)) for s, t in edges.T]
    pairs += [(i, i) for i in range(len(q)) if (i, i) not in pairs] if own else []
    root = q.shape[1] ** 0.5 if scale else 1
    e = [weigh(float(q[t] @ k[s]) / root) for s, t in pairs]
    out = torch.zeros_like(v)
    for (s, t), w in zip(pairs, e, strict=True):
        out[t] += w / sum(x for (_, u), x in zip(pairs, e, strict=True) if over_all or u == t) * v[s]
    return out


@exercise(
    "edge-4",
    "One score per edge: rows of q at the targets, rows of k at the sources.",
    "Exponentials, their sum per target with `index_add`, and each edge divided by the sum of its own target.",
    "`total = torch.zeros(n).index_add(0, target, weight)`, then `weight / total[target]`.",
    todo="Complete the function `attend(q, k, v, edges)`: it returns a tensor of shape (N, d).",
    solved="Right, and at a cost of O(E).",
)
def edge_4(answer):
    def slip(**how):
        return lambda *args: _among(*args, **how)

    def plain(q, k, v, edges):
        source, target = edges
        e = (q[target] * k[source]).sum(1) / q.shape[1] ** 0.5
        return torch.zeros_like(v).index_add(0, target, e[:, None] * v[source])

    def not_divided(q, k, v, edges):
        source, target = edges
        e = (q[target] * k[source]).sum(1) / q.shape[1] ** 0.5
        return torch.zeros_like(v).index_add(0, target, e.exp()[:, None] * v[source])

    def per_edge(ask=1, answer=0, total=1, value=0, lonely=False):
        """0 is the source, 1 the target."""

        def one(q, k, v, edges):
            e = ((q[edges[ask]] * k[edges[answer]]).sum(1) / q.shape[1] ** 0.5).exp()
            sums = torch.zeros(len(q)).index_add(0, edges[total], e)
            out = torch.zeros_like(v).index_add(
                0, edges[1], (e / sums[edges[total]])[:, None] * v[edges[value]]
            )
            return (
                torch.where(torch.bincount(edges[1], minlength=len(v))[:, None] > 0, out, v)
                if lonely
                else out
            )

        return one

    function(
        answer,
        inputs=_graph,
        oracle=_among,
        wrong=[
            (slip(scale=False), "Divide the scores by the root of d."),
            (slip(over_all=True), "Your softmax runs over all edges. Each target has its own."),
            (slip(swapped=True), "Sources stand above targets: messages go the other way."),
            (slip(weigh=lambda e: e), "The exponential is missing."),
            (slip(weigh=lambda e: 1.0), "That is a mean: the scores do not enter."),
            (slip(own=True), "No self loops were asked for."),
            (plain, "You sum with the scores. Make weights of them: a softmax per target."),
            (not_divided, "Divide by the sum of the exponentials of the same target."),
            (
                per_edge(ask=0, answer=1),
                "The query is that of the one who hears, the target; the key is the source's.",
            ),
            (
                per_edge(total=0),
                "You divide by sums over a source's edges. The weights of one *target* sum to 1.",
            ),
            (
                per_edge(value=1),
                "The target gets its own value back. What is sent is the value of the source.",
            ),
            (per_edge(lonely=True), "A node that nobody talks to gets zeros here, not its own value."),
            (
                lambda q, k, v, edges: _among(
                    q, k, v, torch.cat([edges, torch.arange(len(q)).repeat(2, 1)], 1)
                ),
                "No self loops were asked for: you add one to each node.",
            ),
        ],
        hint="Not yet. Try a node with a single neighbour: it must get exactly that neighbour's value.",
    )
    q, k, v, edges = _graph(torch.Generator().manual_seed(9))
    large = (40 * q, 40 * k, v, edges[:, edges[1] == 1])
    if not same(call(answer, *large), _large(*large), rtol=1e-3):
        raise Wrong("With scores in the hundreds an exponential overflows: subtract the largest score first.")
    from recbyhand.exercises.together.why_fast import Calls

    n, wide = 80, torch.randn(3, 80, 3)
    with Calls() as calls:
        call(answer, *wide, torch.arange(n).repeat(2, 1))
    if calls.largest >= n * n:
        raise Wrong(
            "The numbers are right, but on the way there is a matrix of all pairs of nodes. One score per edge: rows "
            "of q at the targets, rows of k at the sources."
        )


def _large(q, k, v, edges):
    """What all edges that end in node 1 make of it, by torch's softmax."""
    out = torch.zeros_like(v)
    out[1] = (k[edges[0]] @ q[1] / q.shape[1] ** 0.5).softmax(0) @ v[edges[0]]
    return out


def _weights(h, A):
    return (h @ h.T).masked_fill(~A, float("-inf")).softmax(1)


_LAYERS = [
    (
        lambda h, A: _weights(h, A) @ h,
        True,
        "A masked softmax hears only neighbours, and you say it does not: those who hear j may change.",
    ),
    (
        lambda h, A: (h @ h.T).softmax(1) @ h,
        False,
        "A softmax without a mask hears everybody, and you say it does not.",
    ),
    (
        lambda h, A: ((h @ h.T).softmax(1) * A) @ h,
        False,
        "Masked after the softmax: non-neighbours still change the weights, and you say they do not.",
    ),
    (
        lambda h, A: A.T.float() @ h,
        False,
        "This layer hears along the edges the wrong way round. Row i of A says whom i hears.",
    ),
    (
        lambda h, A: _weights(h, A) @ (_weights(h, A) @ h),
        False,
        "Two layers reach neighbours of neighbours, and you say they do not: change one node at a time.",
    ),
    (lambda h, A: h[A.long()].mean(1), False, "`h[adj]` hears nodes 0 and 1, neighbours or not."),
    (lambda h, A: 2 * h, True, "A layer that hears only itself hears no stranger: True."),
    (lambda h, A: A.float() @ h, True, "A plain sum over neighbours hears only them: True."),
    (
        lambda h, A: torch.cat([(_weights(h, A) @ h)[:-1], h.sum(0, keepdim=True)]),
        False,
        "Here the last node alone hears everybody: check every node.",
    ),
]


@exercise(
    "edge-5",
    "Change one row of h, and see which rows of the output move, beyond rounding.",
    "Row i may move only where `A[i, j]`. Repeat for every j.",
    todo="Complete the function `hears_only_neighbours(f, h, A)`: it returns True or False.",
    solved="Right. Run it on every graph layer that you write.",
)
def edge_5(answer):
    g = torch.Generator().manual_seed(0)
    h = torch.randn(6, 3, generator=g)
    A = torch.eye(6, dtype=torch.bool)
    for i, j in [(0, 2), (2, 0), (1, 3), (3, 4), (4, 5), (5, 0), (2, 5)]:
        A[i, j] = True
    for f, truth, hint in _LAYERS:
        said = call(answer, f, h, A)
        if not isinstance(said, (bool, torch.Tensor)) and type(said).__name__ not in ("bool", "bool_"):
            raise Wrong(f"Return True or False, not {type(said).__name__}.")
        if bool(said) != truth:
            raise Wrong(hint)


quiz(
    "edge",
    [
        question(
            "A graph attention layer gives the same output on a graph without edges and on one with all. Why?",
            ("The softmax has no mask", True, "Yes: every node hears every node, whatever the edges."),
            ("The weights are not trained", False, "An untrained layer already depends on its edges."),
            ("There is only one head", False, "One head is enough to hear the neighbours."),
        ),
        question(
            "Why does a node hear itself, too?",
            (
                "Or it forgets its own vector, and a lone node has nothing to sum",
                True,
                "Yes: that softmax would be 0 / 0.",
            ),
            ("So that the weights sum to 1", False, "They do among any neighbours."),
            ("So that the matrix is symmetric", False, "The weights are not symmetric, with or without."),
        ),
        question(
            "Scores are distances between query and key. What is missing before the softmax?",
            ("A minus", True, "Yes: near must be much."),
            ("A LeakyReLU", False, "Distances are positive: it would change nothing."),
            ("An absolute value", False, "Distances are positive already."),
        ),
        question(
            "Three heads with 8 numbers each, in a hidden layer. What does a node get?",
            ("24 numbers", True, "Yes: outputs side by side."),
            ("8 numbers, from summed weights", False, "Weights are never summed over heads."),
            ("3 numbers", False, "Each head gives 8."),
        ),
        question(
            "List every edge twice. Which aggregation notices?",
            ("A sum", True, "Yes: it doubles."),
            ("A mean", False, "Twice the sum over twice the number."),
            ("Attention", False, "Numerator and denominator double alike."),
        ),
    ],
)
