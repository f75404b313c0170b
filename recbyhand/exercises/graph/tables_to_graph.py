"""Checks of chapter 6: from tables to a graph."""

from __future__ import annotations

import torch

from recbyhand.exercises.engine import Wrong, call, close, edge, exercise, function, one_of_wrong, same
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "graph-1",
    "Ben likes Alien, Aliens and Ronin; Cho likes Aliens, Heat and Ronin. How many do they share?",
    "Shared films, divided by the root of the product of the two degrees.",
    todo="Replace the `...` by a number.",
    solved="Right: two shared films, of three each.",
)
def graph_1(answer):
    one_of_wrong(
        answer,
        [
            (2.0, "That is the number of shared films. Divide by the root of the product of the degrees."),
            (2 / 9, "You forgot the root: the square root of 3 times 3."),
            (
                2 / 4,
                "That is Jaccard: shared films by films of either. The cosine divides by the root of 3 times 3.",
            ),
            (2 / 5, "You divide by all five films. Only the degrees of the two people count."),
            (2 / 6, "Multiply the degrees, do not add them; then take the root."),
            (1 / 3, "They share two films: Aliens and Ronin."),
        ],
    )
    close(answer, 2 / 3, rtol=6e-3, hint="Not yet. Count the shared films; both like three.")


def _likes(g: torch.Generator):
    U = int(torch.randint(4, 8, (1,), generator=g))
    M = U + int(torch.randint(1, 4, (1,), generator=g))
    R = (torch.rand(U, M, generator=g) < 0.4).float()
    R[0], R[:, 0] = 0, 0  # a cold user, a cold film
    R[1, 1:3] = 1
    return R


def _cosines(R):
    out = torch.zeros(R.shape[1], R.shape[1], dtype=torch.float64)
    fans = [set(R[:, i].nonzero()[:, 0].tolist()) for i in range(R.shape[1])]
    for i, a in enumerate(fans):
        for j, b in enumerate(fans):
            if i != j and a and b:
                out[i, j] = len(a & b) / (len(a) * len(b)) ** 0.5
    return out


def _plain(R, diagonal=False, clamp=True):
    shared = R.T @ R
    d = shared.diagonal().clone()
    d = d.clamp(min=1) if clamp else d
    out = shared / (d[:, None] * d).sqrt()
    return out if diagonal else out.fill_diagonal_(0)


def _divided(R, by):
    shared = R.T @ R
    d = shared.diagonal().clone().clamp(min=1)
    return (shared / by(d, shared)).fill_diagonal_(0)


def _correlation(R):
    x = R - R.mean(0)
    x = x / x.norm(dim=0).clamp(min=1e-9)
    return (x.T @ x).fill_diagonal_(0)


@exercise(
    "graph-2",
    "`R.T @ R` counts the shared people of every two films; what stands on its diagonal?",
    "The diagonal holds the degrees. Divide by the root of their products, and set the diagonal to 0 at the end.",
    "A film without likes has degree 0: `clamp(min=1)` before you divide.",
    todo="Complete the function `film_cosines(R)`: it returns a tensor of shape (I, I).",
)
def graph_2(answer):
    function(
        answer,
        inputs=lambda g: (_likes(g),),
        oracle=_cosines,
        wrong=[
            (lambda R: _plain(R.T), "Those are the people. Films are the columns of R."),
            (
                lambda R: _plain(R, diagonal=True),
                "A film is no neighbour of its own: the diagonal must be 0.",
            ),
            (
                lambda R: _plain(R, clamp=False),
                "A film that nobody likes gives 0 / 0. Clamp its degree to 1.",
            ),
            (lambda R: (R.T @ R).fill_diagonal_(0), "Those are the shared people. Divide by the degrees."),
            (
                lambda R: _divided(R, lambda d, s: d[:, None] * d),
                "You forgot the root of the product of degrees.",
            ),
            (
                lambda R: _divided(R, lambda d, s: (d[:, None] + d - s).clamp(min=1)),
                "That is Jaccard: you divide by the people of either film.",
            ),
            (
                lambda R: _divided(R, lambda d, s: d[:, None]),
                "You divide by one of the two degrees: a cosine is symmetric.",
            ),
            (
                lambda R: _divided(R, lambda d, s: d[:, None].sqrt()),
                "You divide by one of the two degrees: a cosine is symmetric.",
            ),
            (_correlation, "That is a correlation: you take means off. A cosine takes nothing off."),
            (
                lambda R: (R.T @ R / ((R.sum(0)[:, None] * R.sum(0)).sqrt() + 0.1)).fill_diagonal_(0),
                "A number added below the line changes every cosine. Only a degree of 0 needs help: `clamp(min=1)`.",
            ),
        ],
    )


def _edges(g: torch.Generator):
    R = _likes(g)
    user, item = R.nonzero().T
    twice = torch.cat([torch.arange(len(user)), torch.zeros(2, dtype=torch.long)])
    twice = twice[torch.randperm(len(twice), generator=g)]
    return user[twice], item[twice], *R.shape


def _block(user, item, U, M):
    A = torch.zeros(U + M, U + M)
    for u, i in zip(user.tolist(), item.tolist(), strict=True):
        A[u, U + i] = A[U + i, u] = 1
    return A


def _set(shape, *places, add=False):
    A = torch.zeros(shape)
    for rows, columns in places:
        A.index_put_((rows, columns), torch.ones(len(rows)), accumulate=add)
    return A


@exercise(
    "graph-3",
    "Item i is node n_users + i. Which two entries does an edge set?",
    "`A[user, item + n_users] = 1`, and the mirror image.",
    todo="Complete the function `block(user, item, n_users, n_items)`: it returns a square tensor.",
    solved="Right. With `torch.sparse` or a list of edges the same matrix fits a million nodes.",
)
def graph_3(answer):
    function(
        answer,
        inputs=_edges,
        oracle=_block,
        wrong=[
            (
                lambda u, i, U, M: _set((U, M), (u, i)),
                "That is R, (U, I). The adjacency has a row and a column for every node, users and items.",
            ),
            (
                lambda u, i, U, M: _set((U + M, U + M), (u, i + U)),
                "Edges go one way only. The lower left corner is R transposed.",
            ),
            (
                lambda u, i, U, M: _set((U + M, U + M), (i + U, u)),
                "Edges go one way only, and R is missing in the upper right corner.",
            ),
            (
                lambda u, i, U, M: _set((U + M, U + M), (u, i), (i, u)),
                "User 1 and item 1 are one node in your matrix. Items begin at U.",
            ),
            (
                lambda u, i, U, M: _set((U + M, U + M), (u + M, i), (i, u + M)),
                "Items first: users should have the first U rows.",
            ),
            (
                lambda u, i, U, M: _set((U + M, U + M), (u, i + U), (i + U, u), add=True),
                "A pair that occurs twice gets 2 from you; it is one edge.",
            ),
            (
                lambda u, i, U, M: _set((U + M, U + M), (u, i + U), (i + U, u)) + torch.eye(U + M),
                "Nobody is his own neighbour here: no ones on the diagonal.",
            ),
        ],
    )
    edge(
        answer,
        (torch.tensor([0, 1]), torch.tensor([1, 0]), 4, 3),
        _block,
        "The last users and films may have no edge, and are nodes all the same: use `n_users` and `n_items`.",
    )


def _scores(R):
    s, out = _cosines(R), torch.zeros(R.shape, dtype=torch.float64)
    for u in range(len(R)):
        mine = R[u].nonzero()[:, 0].tolist()
        for i in range(R.shape[1]):
            out[u, i] = -1 if i in mine else sum(s[i, j] for j in mine)
    return out


@exercise(
    "graph-4",
    "The sum over liked films is a product: R times the cosines.",
    "`(R @ cosine(R.T)).masked_fill(R > 0, -1.0)`",
    todo="Complete the function `new_films(R)`: it returns a tensor of shape (U, I).",
    solved="Right: this is the row *similar films* of the lesson.",
)
def graph_4(answer):
    def user_based(R):
        return (_plain(R.T) @ R).masked_fill(R > 0, -1.0)

    function(
        answer,
        inputs=lambda g: (_likes(g),),
        oracle=_scores,
        wrong=[
            (lambda R: R @ _plain(R), "The films that the user likes already should have -1."),
            (user_based, "Those are scores by like-minded people. Compare films: the columns."),
            (
                lambda R: (R @ _plain(R)).masked_fill(R > 0, 0.0),
                "Liked films get -1, not 0: 0 is an unliked cold film.",
            ),
            (
                lambda R: (R @ _plain(R)).masked_fill(R == 0, -1.0),
                "The mask is the wrong way round: -1 where R is 1.",
            ),
            (lambda R: (R @ R.T @ R).masked_fill(R > 0, -1.0), "Those are raw walks: divide by the degrees."),
            (
                lambda R: (R @ _plain(R) / R.sum(1, keepdim=True).clamp(min=1)).masked_fill(R > 0, -1.0),
                "That is the mean over the liked films. The formula has the sum.",
            ),
            (
                lambda R: (R @ _plain(R)).masked_fill(R > 0, -torch.inf),
                "Minus infinity would do for a list. Here -1 is asked for.",
            ),
            (lambda R: R @ _plain(R) - R, "You take 1 off the score. The entry itself should be -1."),
        ],
    )


def _chains(g: torch.Generator):
    """A path u0 - i0 - u1 - i1 - ... in random order, beside some random likes and a cold film."""
    n = 5
    R = torch.zeros(n + 2, n + 3)
    for k in range(n):
        R[k, k] = 1
        if k:
            R[k, k - 1] = 1
    R[n, n] = R[n, n + 1] = R[n + 1, n + 1] = 1
    return (R[torch.randperm(len(R), generator=g)][:, torch.randperm(R.shape[1], generator=g)],)


def _reach(R):
    out = torch.zeros(R.shape, dtype=torch.bool)
    for u in range(len(R)):
        for j in R[u].nonzero()[:, 0].tolist():
            for v in R[:, j].nonzero()[:, 0].tolist():
                out[u] |= R[v] > 0
        out[u] &= R[u] == 0
    return out


def _component(R):
    S = R
    for _ in range(len(R)):
        S = (R @ (R.T @ S) + S > 0).float()
    return (S > 0) & (R == 0)


@exercise(
    "graph-5",
    "The number of walks of three edges is `R @ R.T @ R`.",
    "Walks there, and not liked yet: `(R @ R.T @ R > 0) & (R == 0)`.",
    todo="Complete the function `within_reach(R)`: it returns True and False, of shape (U, I).",
    solved="Right. The share says how much of the catalogue is open at all; a cold film is never reached.",
)
def graph_5(answer):
    first = call(answer, *_chains(torch.Generator().manual_seed(0)))
    if isinstance(first, torch.Tensor) and not same(first * 1.0, (first != 0) * 1.0):
        raise Wrong("Those are numbers: True or False is asked for, so compare with 0.")
    function(
        answer,
        inputs=_chains,
        oracle=_reach,
        wrong=[
            (
                lambda R: R @ R.T @ R > 0,
                "Liked films are not new: a walk may go up, down and up the same edge.",
            ),
            (lambda R: R == 0, "Those are all new films. Does a walk lead to each?"),
            (_component, "You walk on and on. Only three edges count."),
            (
                lambda R: (R.sum(0) > 0).expand(R.shape) & (R == 0),
                "Somebody likes those, but need not be linked.",
            ),
            (lambda R: (R @ R.T @ R @ R.T @ R > 0) & (R == 0), "You walk five edges: three are asked for."),
            (
                lambda R: (R @ R.T @ R == 0) & (R == 0),
                "Those are the new films that no walk of three edges reaches: it is turned round.",
            ),
            (lambda R: (R @ R.T @ R > 1) & (R == 0), "One walk is enough: compare with 0."),
        ],
    )
    many = torch.tensor([[1.0, 1, 0], [1, 1, 1], [0, 0, 0]])  # two walks to the third film
    edge(
        answer,
        (many,),
        _reach,
        "Those are numbers of walks: True or False is asked for, so compare with 0.",
    )


quiz(
    "graph",
    [
        question(
            "What does item-based filtering compare?",
            ("Two columns of the table of likes", True, "Yes: who likes the one film, who the other."),
            ("Two rows of the table of likes", False, "That is user-based filtering."),
            (
                "The genres of two films",
                False,
                "That is content-based filtering: it needs no likes of others.",
            ),
        ),
        question(
            "Ten users, five items. What shape has the adjacency of the bipartite graph?",
            ("15 x 15", True, "Yes: a row and a column for every node."),
            ("5 x 5", False, "That is a graph of items with items."),
            ("10 x 5", False, "That is the table of likes, a corner of it."),
            ("10 x 10", False, "That would link users with users."),
        ),
        question(
            "A film came out today and nobody has liked it. Which of the four can recommend it?",
            ("Content-based and hybrid", True, "Yes: its features are known."),
            ("Item-based", False, "Its column is empty: all its cosines are 0."),
            ("All of them", False, "Neighbours need an edge to walk along."),
        ),
        question(
            "Why did cosines beat raw walks on MovieLens?",
            (
                "They divide by the degrees, and nothing else differs",
                True,
                "Yes: popular films and busy people no longer drown the rest.",
            ),
            ("They walk further", False, "Both walk three edges."),
            ("They were trained", False, "Nothing was trained here."),
        ),
    ],
)
