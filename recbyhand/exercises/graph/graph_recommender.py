"""Checks of chapter 6: a graph attention recommender."""

from __future__ import annotations

import math

import torch

from recbyhand.exercises.engine import Wrong, call, close, edge, exercise, function, one_of_wrong
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "grec-1",
    "What is left is a softmax over two neighbours: their weights keep their ratio and sum to 1.",
    "The weights become 0.3 / 0.5 and 0.2 / 0.5.",
    todo="Replace the `...` by a number.",
    solved="Right: 0.6 of −1 and 0.4 of 3. The liked film that spoke for the recommendation is gone, and it shows.",
)
def grec_1(answer):
    one_of_wrong(
        answer,
        [
            (0.3, "The weights no longer sum to 1: after the deletion, divide them by what is left, 0.5."),
            (1.3, "That is the score with all three neighbours."),
            (1.0, "That is the plain mean of the two. Their weights are not equal."),
            (
                (-math.exp(0.3) + 3 * math.exp(0.2)) / (math.exp(0.3) + math.exp(0.2)),
                "You took a softmax of weights, or lost a sign. They are weights already: divide them by their sum.",
            ),
            (-0.7, "That is the change, 0.6 − 1.3. Asked is the new score."),
            (1.4, "You swapped the two weights: 0.3 belongs to −1."),
        ],
    )
    close(
        answer,
        0.6,
        rtol=1e-3,
        hint="Not yet. Which weights do the two neighbours have when the first is gone?",
    )


def _graph(g: torch.Generator):
    pairs = torch.tensor([[2, 2], [2, 3], [2, 5], [3, 2], [3, 4], [4, 3], [4, 5], [5, 2], [5, 5]])
    likes = pairs[torch.randperm(len(pairs), generator=g)]
    rows = torch.tensor([[2, 3], [3, 2], [2, 3], [3, 3]])  # (3, 3) is no edge
    rows = rows[torch.randperm(len(rows), generator=g)]
    return likes[:, 0], likes[:, 1], rows[:, 0], rows[:, 1]


def _own(graph_user, graph_item, user, item):
    batch = {(u, i) for u, i in zip(user.tolist(), item.tolist(), strict=True)}
    return torch.tensor(
        [pair in batch for pair in zip(graph_user.tolist(), graph_item.tolist(), strict=True)]
    )


@exercise(
    "grec-2",
    "An edge is a pair. Compare every edge with every row: a table (E, B).",
    "`(graph_user[:, None] == user) & (graph_item[:, None] == item)`, and then: in any row?",
    todo="Complete the function `own_edges(graph_user, graph_item, user, item)`: it returns a mask of shape (E,).",
    solved="Right. The package makes one number of each pair and searches, since a table (E, B) is large.",
)
def grec_2(answer):
    def any_user(gu, gi, u, i):
        return torch.isin(gu, u)

    def any_item(gu, gi, u, i):
        return torch.isin(gi, i)

    function(
        answer,
        inputs=_graph,
        oracle=_own,
        wrong=[
            (
                lambda gu, gi, u, i: torch.isin(gu, u) & torch.isin(gi, i),
                "Both ids occur in the batch, but perhaps in two different rows: compare pairs.",
            ),
            (any_user, "You take every edge of the batch's users: their other likes may speak."),
            (any_item, "You take every edge of the batch's films: other people's likes may speak."),
            (
                lambda gu, gi, u, i: ~_own(gu, gi, u, i),
                "That is what stays. The mask is True where an edge is a row's own.",
            ),
            (
                lambda gu, gi, u, i: ((gu[:, None] == u) & (gi[:, None] == i)).any(0),
                "One answer per row of the batch; asked is one per edge. The other axis.",
            ),
            (
                lambda gu, gi, u, i: ((gu[:, None] == u) & (gi[:, None] == i)).all(1),
                "An edge is out if it is *any* row's own, not every row's.",
            ),
            (
                lambda gu, gi, u, i: ((gu[:, None] == u) | (gi[:, None] == i)).any(1),
                "User *and* film must agree, not one of them.",
            ),
        ],
    )
    mixed = [(2, 5), (5, 2), (3, 4), *((2, 10**k + 3) for k in range(1, 7)), (3, 3), (1, 6)]
    edge(
        answer,
        (*torch.tensor(mixed).T, *torch.tensor([(2, 5), (3, 3)]).T),
        _own,
        "Two different pairs are one number in your function. Compare both ids, or multiply by more than the "
        "largest item.",
    )


def _star() -> torch.Tensor:
    """Nine edges into node 0, two into 1, one into 2, none into 3; sources are 10 and above."""
    return torch.tensor([[10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 21, 30], [0] * 9 + [1] * 2 + [2]])


@exercise(
    "grec-3",
    "Shuffle the edges first. Then the first k of each target are a random sample.",
    "After the shuffle, sort by target with `stable=True`; an edge's rank is its place minus its target's first.",
    "`count = torch.bincount(edges[1])`, `first = count.cumsum(0) - count`, `rank = arange(E) - first[edges[1]]`.",
    todo="Complete the function `sample(edges, k)`: it returns edges of shape (2, E').",
    solved="Right: at most k a node, each neighbour as likely as any other, and the work grows with N k, not with E.",
    seconds=20,
)
def grec_3(answer):
    edges, k, draws = _star(), 3, []
    pairs = {tuple(edge) for edge in edges.T.tolist()}
    for draw in range(120):
        torch.manual_seed(draw)
        out = call(answer, edges.clone(), k)
        if not isinstance(out, torch.Tensor) or out.ndim != 2 or out.shape[0] != 2:
            got = tuple(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__
            raise Wrong(f"Return edges (2, E'), sources above targets, not {got}.")
        found = [tuple(edge) for edge in out.T.tolist()]
        if {edge[::-1] for edge in found} <= pairs:
            raise Wrong("Your edges are upside down: the first row holds the sources.")
        if not set(found) <= pairs:
            raise Wrong("Some of your edges are not in the graph: sources and targets must stay together.")
        if len(set(found)) < len(found):
            raise Wrong("An edge occurs twice: draw without replacement.")
        count = torch.bincount(out[1].long(), minlength=4).tolist()
        if count[0] > k:
            raise Wrong(f"Node 0 hears {count[0]} neighbours: at most k = {k} are asked, for each target.")
        if count[1:] != [2, 1, 0]:
            raise Wrong("A node that has no more than k neighbours keeps them all: k counts per target.")
        if count[0] < k:
            raise Wrong(f"Node 0 has nine neighbours and keeps {count[0]}: k = {k} are asked.")
        draws.append(sorted(source for source, target in found if target == 0))
    if all(draw == draws[0] for draw in draws):
        raise Wrong("The same neighbours at every call: the first k are no random sample.")
    share = [sum(source in draw for draw in draws) / len(draws) for source in range(10, 19)]
    if max(abs(s - k / 9) for s in share) > 0.17:
        raise Wrong(
            "Some neighbours of node 0 are drawn far more often than others. All should be as likely."
        )


def _weighed(g: torch.Generator):
    user = torch.tensor([2] * 5 + [3] * 3 + [5] * 2 + [7])
    order = torch.randperm(len(user), generator=g)
    return user[order], torch.rand(len(user), generator=g)


def _heavy(user, a, k=2):
    gone = torch.zeros(len(a), dtype=torch.bool)
    for u in user.unique():
        mine = sorted((-a[e].item(), e) for e in range(len(a)) if user[e] == u)
        for _, e in mine[:k]:
            gone[e] = True
    return gone


def _in_order(user, a):
    """The mask of the edges sorted by user and weight."""
    order = sorted(range(len(a)), key=lambda e: (user[e].item(), -a[e].item()))
    return _heavy(user[order], a[order])


@exercise(
    "grec-4",
    "One user at a time is fine: the places of his edges, and the two largest weights among them.",
    "`mine = (user == u).nonzero()[:, 0]`, then `mine[a[mine].topk(2).indices]`.",
    todo="Complete the function `heaviest(user, a)`: it returns a mask of shape (E,).",
    solved="Right. Beside it belong its two controls: the two lightest, and two at random.",
)
def grec_4(answer):
    function(
        answer,
        inputs=_weighed,
        oracle=_heavy,
        wrong=[
            (
                lambda user, a: torch.zeros(len(a), dtype=torch.bool).index_fill(0, a.topk(2).indices, True),
                "Two in all. Each user loses his own two heaviest edges.",
            ),
            (lambda user, a: _heavy(user, -a), "Those are the lightest: the control, not the test."),
            (lambda user, a: ~_heavy(user, a), "That is what stays. True is what goes."),
            (lambda user, a: _heavy(user, a, 1), "One per user. Two are asked."),
            (
                lambda user, a: a > a.mean(),
                "A threshold takes more from some users than from others: two from each.",
            ),
            (
                lambda user, a: torch.zeros(len(a), dtype=torch.bool).index_fill(
                    0,
                    torch.cat(
                        [a[user == u].topk(min(2, int((user == u).sum()))).indices for u in user.unique()]
                    ),
                    True,
                ),
                "`topk` counts places among that user's edges. Translate them into places among all edges.",
            ),
            (
                lambda user, a: _heavy(user, -torch.arange(len(a)).float()),
                "Those are the first two of each user. The heaviest may stand anywhere.",
            ),
            (
                lambda user, a: _heavy(user, a) & (torch.bincount(user)[user] > 1),
                "A user with a single edge loses that one.",
            ),
            (_in_order, "Your mask is in the order of the sorted edges. Put it back into theirs."),
        ],
    )


def _model(kind: str):
    """A scorer f(user, item, edges) of pairs, from edges (2, E) of users above items, all counted from 0."""

    def f(user, item, edges):
        table = torch.zeros(6, 6, dtype=torch.float64)
        table[edges[0], edges[1]] = 1
        known = torch.zeros_like(table)
        known[edges[0], edges[1]] = 1
        scores = []
        for u, i in zip(user.tolist(), item.tolist(), strict=True):
            R = table.clone()
            if kind in ("safe walks", "safe count"):
                R[u, i] = 0
            walks, popular, degree = (R @ R.T @ R)[u, i], R[:, i].sum(), R[u].sum()
            scores.append(
                {
                    "walks": walks,
                    "safe walks": walks,
                    "popularity": popular,
                    "safe count": popular + 0.3 * degree,
                    "degree": degree,
                    "constant": torch.tensor(0.5 * u - i, dtype=torch.float64),
                    "others": (known[:, i].sum() - known[u, i]) + (known[u].sum() - known[u, i]),
                    "last": known[u, i] * (u == 5),
                }[kind]
            )
        return torch.stack([torch.as_tensor(s, dtype=torch.float64) for s in scores])

    return f


_SCORERS = [
    (
        "walks",
        True,
        "Walks of three edges pass over the own edge, back and forth, and you say that they do not.",
    ),
    ("constant", False, "This scorer looks at no edge at all, and you say that it reads its own."),
    (
        "safe count",
        False,
        "This scorer leaves its own edge out. Take out one row's edge at a time, and look at that row's score alone: "
        "the edges of other rows may change it.",
    ),
    (
        "popularity",
        True,
        "The film's number of likes holds the row's own like, and you say that it does not.",
    ),
    ("degree", True, "The user's number of likes holds the row's own like: it reads the edge."),
    (
        "safe walks",
        False,
        "This scorer takes the own edge out before it walks: when you take it out, nothing moves.",
    ),
    ("others", False, "This scorer leaves the own edge out of both its counts."),
    ("last", True, "Only the last row reads its edge here: test every row."),
]


@exercise(
    "grec-5",
    "For each row: take its edge, and only its edge, out of the graph, and see whether the score of *that row* moves.",
    "`edges[:, (edges[0] != user[b]) | (edges[1] != item[b])]`.",
    todo="Complete the function `reads_own_edge(f, user, item, edges)`: it returns True or False.",
    solved="Right. Two lines in a test, and this leak cannot come back.",
)
def grec_5(answer):
    edges = torch.tensor([[0, 0, 0, 1, 1, 2, 2, 3, 4, 4, 5], [0, 1, 2, 1, 2, 2, 3, 0, 4, 0, 5]])
    user, item = torch.tensor([0, 1, 2, 5]), torch.tensor([1, 1, 2, 5])
    for kind, truth, hint in _SCORERS:
        said = call(answer, _model(kind), user.clone(), item.clone(), edges.clone())
        if type(said).__name__ not in ("bool", "bool_", "Tensor") or (
            torch.is_tensor(said) and said.numel() != 1
        ):
            raise Wrong(f"Return True or False, not {type(said).__name__}.")
        if bool(said) != truth:
            raise Wrong(hint)


quiz(
    "grec",
    [
        question(
            "A model of graph attention beats the mean of all neighbours. What shows that choosing is what helps?",
            (
                "The mean over the neighbours that a rule chooses does as well",
                True,
                "Yes: the layer is the same, and only the choice differs.",
            ),
            (
                "Its weights differ from neighbour to neighbour",
                False,
                "Weights always differ a little; they may not matter.",
            ),
            ("It has more parameters", False, "That would be another explanation, to be excluded."),
        ),
        question(
            "Training loss falls at once, validation does not follow. What is the first suspicion in a graph model?",
            (
                "The rows' own edges are in the graph",
                True,
                "Yes: the answer stands in the input, in training alone.",
            ),
            ("Too few heads", False, "Heads do not make training easy and validation hard."),
            ("The learning rate is too small", False, "Then the training loss would fall slowly."),
        ),
        question(
            "You permute the times of all training likes. Which output must change?",
            ("That of a model which calls itself dynamic", True, "Yes. A graph of likes holds no time."),
            ("That of every graph model", False, "Edges without times cannot notice."),
            ("None: times are only for splitting", False, "A sequence model reads them, or their order."),
        ),
        question(
            "Deleting the heaviest neighbours changes lists no more than random deletions do. What do weights explain?",
            ("Nothing that was shown", True, "Yes: an explanation has to do better than chance."),
            ("Exactly which likes led to the list", False, "Then their deletion would matter more."),
            ("That the model is wrong", False, "It may rank well all the same."),
        ),
        question(
            "A user without any edge: what does graph attention add for him?",
            (
                "Nothing: his own vector and features are all there is",
                True,
                "Yes: the sum over no neighbours is zero.",
            ),
            ("The mean of all films", False, "Messages travel along edges only."),
            ("What similar users like", False, "Nobody is similar along edges that do not exist."),
        ),
    ],
)
