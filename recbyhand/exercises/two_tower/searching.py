"""Checks of chapter 7: searching."""

from __future__ import annotations

import torch

from recbyhand.exercises.engine import close, exercise, function, one_of_wrong
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "search-1",
    "How many of the exact four did the index find?",
    "3 and 8 were found. Divide by the four that were wanted.",
    todo="Replace the `...` by one number.",
)
def search_1(answer):
    one_of_wrong(
        answer,
        [
            (2, "That is how many were found. Recall is a part of the four."),
            (0.0, "Compare the rows, not the places: it does not matter where in the list a row stands."),
            (2 / 6, "You divided by all rows of both lists. Recall divides by the exact ones."),
            (0.25, "Row 3 is in both lists, and so is row 8."),
            (50, "Give it as a part of 1, not in per cent."),
        ],
    )
    close(answer, 0.5, hint="Not yet. Which of 3, 8, 5 and 1 are among 8, 2, 3 and 9? Divide by four.")


def _lists(g: torch.Generator):
    k = 5
    found = torch.stack([torch.randperm(20, generator=g)[:k] for _ in range(6)])
    exact = torch.stack([torch.randperm(20, generator=g)[:k] for _ in range(6)])
    return found, exact


def _recall(found, exact):
    parts = [len(set(a) & set(b)) / len(b) for a, b in zip(found.tolist(), exact.tolist())]
    return torch.tensor(sum(parts) / len(parts))


@exercise(
    "search-2",
    "Each exact row is found or not: compare it with all that were found for this user.",
    "`exact[:, :, None] == found[:, None]` is (U, k, k); `.any(2)` says which exact rows were found.",
    todo="Complete the function `recall_of(found, exact)`: it returns one number.",
)
def search_2(answer):
    function(
        answer,
        inputs=_lists,
        oracle=_recall,
        wrong=[
            (
                lambda f, e: (f == e).float().mean(),
                "You compare place by place; the order of the lists does not matter.",
            ),
            (
                lambda f, e: (e[:, :, None] == f[:, None]).any(2).float().sum(1),
                "That is how many were found for each user. Divide by k, then take the mean over users.",
            ),
            (
                lambda f, e: (e[:, :, None] == f[:, None]).any(2).float().mean(1),
                "That is the recall of each user. One number is asked for: their mean.",
            ),
            (
                lambda f, e: torch.isin(e, f).float().mean(),
                "You look in the lists of all users. A row found for somebody else does not count.",
            ),
            (
                lambda f, e: (e[:, :, None] == f[:, None]).float().mean(),
                "You divide by k twice: a found row equals one of k, so use `.any(2)` before the mean.",
            ),
            (
                lambda f, e: (e[:, :, None] == f[:, None]).any(2).float().sum(),
                "That is a count over all users. Divide by the number of exact rows.",
            ),
            (
                lambda f, e: (e[:, :, None] == f[:, None]).any(2).any(1).float().mean(),
                "That is whether a user has found anything. Which part of the exact rows was found?",
            ),
            (
                lambda f, e: (
                    sum(len(set(a) & set(b)) / len(set(a) | set(b)) for a, b in zip(f.tolist(), e.tolist()))
                    / len(f)
                ),
                "You divide by all rows of both lists. Recall divides by the exact ones.",
            ),
            (
                lambda f, e: (e[:, :, None] == f[:, None]).any(2).float().sum(1).mean(),
                "That is how many were found. Divide by k.",
            ),
            (
                lambda f, e: (f.sort(1).values == e.sort(1).values).float().mean(),
                "Sorted lists are still compared place by place: look for each exact row in the whole list.",
            ),
            (
                lambda f, e: torch.isin(f, e).float().mean(),
                "You look in the lists of all users. A row found for somebody else does not count.",
            ),
        ],
    )


@exercise(
    "search-3",
    "Two parts: a byte for each piece of each film, and the learned pieces themselves.",
    "There are M · 256 learned pieces of d / M numbers, with 4 bytes each.",
    todo="Complete the function `memory(films, d, M)`: it returns a number of bytes.",
)
def search_3(answer):
    function(
        answer,
        inputs=[(10, 64, 16), (1_682, 16, 4), (1_000_000, 32, 8), (5, 12, 3)],
        oracle=lambda films, d, M: films * M + sum(4 for _ in range(256) for _ in range(d)),
        wrong=[
            (lambda films, d, M: films * M, "These are the codes. The codebooks take room, too."),
            (lambda films, d, M: films * d * 4, "That is the table of whole vectors, which codes replace."),
            (
                lambda films, d, M: films * M + 256 * (d // M) * 4,
                "Each of the M places has a codebook of its own.",
            ),
            (
                lambda films, d, M: films * M + M * 256 * d * 4,
                "A learned piece has d / M numbers, not d.",
            ),
            (
                lambda films, d, M: films * M + 256 * d,
                "A number of a codebook takes 4 bytes.",
            ),
            (lambda films, d, M: films * M * 8 + 256 * d * 4, "A piece's code is one byte, which is 8 bits."),
            (lambda films, d, M: films * M * 4 + 256 * d * 4, "A piece's code is one byte, not four."),
            (lambda films, d, M: 256 * d * 4, "These are the codebooks. Each film takes M bytes besides."),
            (lambda films, d, M: 8 * (films * M + 256 * d * 4), "Those are bits. A byte has eight."),
            (lambda films, d, M: films * M + d * 4, "Each place has 256 learned pieces, not one."),
            (
                lambda films, d, M: films * M + M * 256 * d,
                "A learned piece has d / M numbers, with 4 bytes each.",
            ),
        ],
    )


def _codes(g: torch.Generator):
    M, h = 3, 2
    return (
        torch.randn(M * h, generator=g),
        torch.randn(M, 256, h, generator=g),
        torch.randint(256, (7, M), generator=g),
    )


def _by_codes(u, book, code):
    h = book.shape[2]
    out = []
    for row in code.tolist():
        whole = torch.cat([book[m, b] for m, b in enumerate(row)]).double()
        out.append(sum(float(u[i]) * float(whole[i]) for i in range(h * len(row))))
    return torch.tensor(out)


def _table(u, book):
    return torch.einsum("mj,mbj->mb", u.view(len(book), -1), book)


@exercise(
    "search-4",
    "First the table of the user's pieces with all learned pieces, (M, 256). Then look up and add.",
    "`table[torch.arange(M), code]` is (I, M): the entry of each place.",
    todo="Complete the function `by_codes(u, book, code)`: it returns a tensor of shape (I,).",
)
def search_4(answer):
    function(
        answer,
        inputs=_codes,
        oracle=_by_codes,
        atol=1e-4,
        wrong=[
            (
                lambda u, b, c: _table(u, b)[torch.arange(len(b)), c],
                "These are the looked-up parts, (I, M). Add them over the places.",
            ),
            (
                lambda u, b, c: _table(u, b)[torch.arange(len(b)), c].mean(1),
                "A mean over the places; a product is the sum of its parts.",
            ),
            (
                lambda u, b, c: _table(u, b)[0][c].sum(1),
                "You look up every place in the first table: place m has table m.",
            ),
            (
                lambda u, b, c: (u.view(len(b), -1) @ b[0].T)[torch.arange(len(b)), c].sum(1),
                "You multiply every piece of u by the first codebook: place m has its own, `book[m]`.",
            ),
            (
                lambda u, b, c: torch.einsum("mj,mbj->mb", u.view(-1, len(b)).T, b)[
                    torch.arange(len(b)), c
                ].sum(1),
                "The user's pieces are neighbours: `u.view(M, d / M)`, not the other way round.",
            ),
            (
                lambda u, b, c: b[torch.arange(len(b)), c].flatten(1),
                "These are the films as the codes remember them, (I, d). Multiply them by u.",
            ),
            (
                lambda u, b, c: _table(u, b).max(1).values.sum().expand(len(c)),
                "That is the best possible film. Look up the film's own pieces.",
            ),
            (
                lambda u, b, c: -(b - u.view(len(b), 1, -1)).square().sum(-1)[torch.arange(len(b)), c].sum(1),
                "Those are distances. The product of u and the film is asked for.",
            ),
            (
                lambda u, b, c: _table(u, b)[torch.arange(len(b)).flip(0), c].sum(1),
                "The tables are in the wrong order: column m of the code belongs to place m.",
            ),
            (
                lambda u, b, c: _table(u, torch.nn.functional.normalize(b, dim=-1))[
                    torch.arange(len(b)), c
                ].sum(1),
                "You scale the learned pieces to length 1. Take them as they are.",
            ),
        ],
    )


def _cases():
    g = torch.Generator().manual_seed(0)
    for noise in (0.02, 0.35, 0.6, 1.0, 6.0):
        ranked = torch.randn(40, 150, generator=g)
        retrieved = ranked + noise * torch.randn(40, 150, generator=g)
        relevant = torch.rand(40, 150, generator=g) < torch.sigmoid(3 * retrieved - 3)
        yield retrieved, ranked, relevant
    ranked = torch.randn(20, 150, generator=g)
    yield -ranked, ranked, torch.rand(20, 150, generator=g) < 0.5  # nothing comes through: 0
    relevant = _first(ranked, 10)
    relevant[10:] = _first(ranked, 1)[10:]
    lost = torch.zeros(20, 150)
    lost[10:] = 99.0 * relevant[10:]
    yield ranked - lost, ranked, relevant  # a hundred of 110, and nothing for half of the users
    relevant, lost = _first(ranked, 10), torch.zeros(20, 150)
    lost.scatter_(1, ranked.argmax(1, keepdim=True), 99.0)
    yield ranked - lost, ranked, relevant  # exactly nine of ten, for each user


def _first(scores, n):
    rows = scores.argsort(dim=1, descending=True)[:, :n]
    return torch.zeros(scores.shape, dtype=torch.bool).scatter(1, rows, True)


def _largest(*x):
    """The largest k, but one, that is enough."""
    least = _smallest(*x)
    return 100 if least else 0


def _smallest(retrieved, ranked, relevant, part=0.9, own=True, liked=True, swapped=False, per_user=None):
    if swapped:
        retrieved, ranked = ranked, retrieved
    good = _first(ranked, 10) if own else torch.ones_like(relevant)
    good = good & relevant if liked else good
    for k in (10, 20, 50, 100):
        through = _first(retrieved, k) & good
        if per_user is not None:
            got = per_user(through.sum(1)[good.any(1)] / good.sum(1)[good.any(1)])
        else:
            got = through.sum() / good.sum()
        if got >= part:
            return k
    return 0


@exercise(
    "search-5",
    "Mark the films that are relevant and among the ranker's first ten; then count how many are retrieved.",
    "`torch.zeros_like(relevant).scatter(1, ranked.topk(10, dim=1).indices, True)` marks the first ten.",
    todo="Complete the function `smallest_k(retrieved, ranked, relevant)`: it returns 10, 20, 50, 100 or 0.",
)
def search_5(answer):
    function(
        answer,
        inputs=list(_cases()),
        oracle=_smallest,
        wrong=[
            (
                lambda a, b, c: _smallest(a, b, c, own=False),
                "You count all relevant films. Only those among the ranker's first ten are asked about.",
            ),
            (
                lambda a, b, c: _smallest(a, b, c, liked=False),
                "You count the ranker's first ten, liked or not. Only relevant films count.",
            ),
            (
                lambda a, b, c: _smallest(a, b, c, swapped=True),
                "You let the ranker retrieve and the retriever rank: exchange the two.",
            ),
            (
                lambda a, b, c: _smallest(a, b, c, per_user=torch.min),
                "You ask it of every single user. Count over all users at once.",
            ),
            (
                lambda a, b, c: _smallest(a, b, c, per_user=torch.mean),
                "You average the parts of the users. Count over all users at once: each film counts the same.",
            ),
            (
                lambda a, b, c: _smallest(a, b, c) or 100,
                "If not even 100 are enough, the answer is 0.",
            ),
            (lambda a, b, c: _smallest(a, b, c, part=1.0), "You ask for all of them; nine tenths will do."),
            (lambda a, b, c: _smallest(a, b, c, part=0.5), "Half of them is not nine tenths."),
            (_largest, "The smallest of them is asked for: begin with 10."),
            (
                lambda a, b, c: _smallest(a, b, c, part=0.9001),
                "*At least* nine tenths: exactly nine tenths are enough.",
            ),
        ],
    )


quiz(
    "search",
    [
        question(
            "A catalogue has 2,000 films. Which index do you build?",
            ("None: one product of two small tables is enough", True, "Yes, and its recall is 1."),
            ("HNSW, it is the fastest", False, "There is next to nothing to save, and recall to lose."),
            ("PQ, to save memory", False, "2,000 vectors are a few hundred kilobytes."),
        ),
        question(
            "What does `nprobe` decide?",
            ("How many lists are searched", True, "Yes: more lists, more recall, more time."),
            ("How many films are returned", False, "That is k."),
            ("How many centres are learned", False, "They are learned before anybody asks."),
        ),
        question(
            "The retriever hands on half of the films that a user will like. What can the ranker reach?",
            ("At most that half", True, "Yes: what is lost in retrieval stays lost."),
            ("All of them, if it is good enough", False, "It never sees the other half."),
            ("Nothing", False, "Half of them are there to be ranked."),
        ),
        question(
            "Why is a catalogue of vectors at random hard for an index?",
            (
                "The nearest of a user are spread over many lists",
                True,
                "Yes: with films in kinds a few lists hold most of them.",
            ),
            ("Random vectors are longer", False, "Both catalogues have length 1."),
            ("It takes more memory", False, "A vector takes as much room, wherever it lies."),
        ),
    ],
)
