"""Checks of implicit data."""

from __future__ import annotations

import torch

from recbyhand.exercises.engine import (
    Wrong,
    call,
    close,
    exercise,
    function,
    one_of_wrong,
    same,
    shape,
    wrong,
)
from recbyhand.exercises.quizzes import question, quiz


def _counts(g: torch.Generator) -> tuple:
    K = torch.randint(0, 4, (3, 5), generator=g).float()
    K[0, 0], K[1, 1] = 3, 0
    return K, float(torch.rand((), generator=g) + 0.5)


@exercise(
    "impl-1",
    "P asks whether anything happened, C how often.",
    "`(K > 0).float()` and `1 + alpha * K`.",
    todo="Complete `tables(K, alpha)`: it returns the preferences P and the confidences C.",
)
def impl_1(answer):
    def both(K, alpha):
        out = call(answer, K, alpha)
        if not isinstance(out, list | tuple) or len(out) != 2:
            raise Wrong("Return two tables, separated by a comma: P and C.")
        return [torch.as_tensor(part).float() for part in out]

    def p(K):
        return (K > 0).float()

    function(
        both,
        _counts,
        lambda K, alpha: [p(K), 1 + alpha * K],
        wrong=[
            (
                lambda K, a: [K, 1 + a * K],
                "A preference is 1 or 0: seen three times is not liked three times as much.",
            ),
            (lambda K, a: [p(K), 1 + a * p(K)], "Each further view adds another alpha: use K, not P, in C."),
            (lambda K, a: [p(K), a * K], "An empty cell has confidence 1, not 0: it counts a little."),
            (lambda K, a: [1 + a * K, p(K)], "The two are exchanged: return P first, then C."),
            (lambda K, a: [p(K), (1 + a) * K], "The 1 stands alone: 1 + alpha k, not (1 + alpha) k."),
            (lambda K, a: [p(K), 1 + a + K], "alpha is multiplied by the count, not added to it."),
            (lambda K, a: [(K > 1).float(), 1 + a * K], "P is 1 from the first view on: K > 0, not K > 1."),
            (
                lambda K, a: [p(K), (1 + a * K) * p(K)],
                "An empty cell has confidence 1, not 0: it counts a little.",
            ),
            (lambda K, a: [p(K), 1 + K], "alpha is missing: each view adds alpha, not 1."),
            (lambda K, a: [p(K), a + K], "alpha is multiplied by the count: 1 + alpha k."),
            (lambda K, a: [p(K), 1 + a * (K - 1)], "The first view adds alpha, too: 1 + alpha k, not k - 1."),
            (lambda K, a: [(K >= 0).float(), 1 + a * K], "P is 1 only where there was a view: K > 0."),
        ],
    )


@exercise(
    "impl-2",
    "Above the bar stands the sum of c p v, below it the sum of c v² over all four films, plus λ.",
    "A liked film has c = 3, the others c = 1.",
    todo="Replace the `...` by a number.",
)
def impl_2(answer):
    one_of_wrong(
        answer,
        [
            (
                9 / 16,
                "Below the bar all films count: the third, not liked, adds its v² = 1. Or did you forget λ?",
            ),
            (3 / 7, "You left the weights out: a liked film has c = 1 + 2 = 3."),
            (
                6 / 12,
                "If you took c = 2 for a liked film: it is 1 + α = 3, not 2. If you have 9 / 18: λ counts once.",
            ),
            (9 / 7, "The weights stand below the bar as well: c v²."),
            (9 / 19, "A film that was not liked has c = 1, not 3."),
            (3 / 17, "The weight stands above the bar, too: c p v."),
            (9 / 11, "Below the bar v is squared: the film with vector 2 gives 3 × 4."),
            (9 / 20, "A film that was not liked has c = 1."),
            (17 / 9, "That is upside down."),
            (3 / 5, "That is without weights, without zeros and without λ."),
        ],
    )
    close(answer, 9 / 17, atol=6e-4)


def _liked(g: torch.Generator) -> tuple:
    V = torch.randn(7, 3, generator=g)
    liked = [
        torch.tensor([0, 3, 4]),
        torch.tensor([], dtype=torch.long),
        torch.tensor([6]),
        torch.tensor([1, 2, 5, 6]),
    ]
    alpha, lam = (torch.rand(2, generator=g) + torch.tensor([1.0, 0.5])).tolist()
    return liked, V, alpha, lam


def _lean(above=lambda a: 1 + a, inside=lambda a: a, always=1.0, charge=1.0, entry=False):
    def step(liked, V, alpha, lam):
        rows, d = [], V.shape[1]
        for places in liked:
            X = V[places]
            ridge = torch.ones(d, d) if entry else torch.eye(d)
            A = always * V.T @ V + inside(alpha) * X.T @ X + charge * lam * ridge
            rows.append(torch.linalg.pinv(A) @ (above(alpha) * X.sum(0)))
        return torch.stack(rows)

    return step


def _per_like(liked, V, alpha, lam):
    return torch.stack([_lean()([p], V, alpha, lam * max(len(p), 1))[0] for p in liked])


@exercise(
    "impl-3",
    "What is VᵀCV if C is 1 everywhere? What do the liked films add to it?",
    "VᵀV + α XᵀX + λI, with X the rows of V that were liked; on the right stands (1 + α) times the sum of X's rows.",
    todo="Complete `lean(liked, V, alpha, lam)`: it returns U (n, d).",
    solved="VᵀV is computed once: this is what makes it fast on millions of rows.",
)
def impl_3(answer):
    def whole(liked, V, alpha, lam):
        out = call(answer, liked, V, alpha, lam)
        if isinstance(out, list | tuple) and all(isinstance(row, torch.Tensor) for row in out):
            out = torch.stack(tuple(out))
        shape(out, (4, 3), "n, d")
        if not torch.isfinite(torch.as_tensor(out)).all():
            wrong("NaN or infinity: a user who liked nothing gets zeros.")
        return out

    function(
        whole,
        _liked,
        _lean(),
        wrong=[
            (
                _lean(always=0.0, inside=lambda a: 1 + a),
                "Only the liked films count below the bar: VᵀV is missing.",
            ),
            (
                _lean(inside=lambda a: 1 + a),
                "The liked films are in VᵀV already: they add α XᵀX, not (1 + α).",
            ),
            (_lean(always=0.0), "Only the liked films count below the bar: VᵀV is missing."),
            (
                lambda liked, V, alpha, lam: (
                    _lean(inside=lambda a: 0.0)(liked, V * (1 + alpha) ** 0.5, alpha, lam)
                    / (1 + alpha) ** 0.5
                ),
                "You gave all films the weight 1 + α. Those that were not liked have c = 1: VᵀV as it is.",
            ),
            (_lean(above=lambda a: 1.0), "On the right a like has its weight: (1 + α) times the sum."),
            (_lean(above=lambda a: a), "On the right stands c p, and c is 1 + α."),
            (_lean(charge=0.0), "λ is missing."),
            (_lean(entry=True), "λ was added to every number of the matrix. Add λI."),
            (_lean(above=lambda a: 1.0, inside=lambda a: 0.0), "α plays no part: a like weighs 1 + α."),
            (_per_like, "λ is the same for every user here, however many films they liked."),
        ],
        atol=1e-4,
    )
    liked, V, alpha, lam = _liked(torch.Generator().manual_seed(1))
    one = call(answer, liked[:1], V, alpha, lam)
    if not same(one, _lean()(liked[:1], V, alpha, lam), atol=1e-4):
        wrong("With a single user the answer changes: each user is alone with a regression.")


def _step(g: torch.Generator) -> tuple:
    before = torch.randn(9, 3, generator=g)
    after = before.clone()
    after[[2, 5, 6]] += 0.5
    after[7, 1] -= 0.5  # one number of three
    after[3] += 1e-6  # little
    before[5] = torch.tensor([1.0, 2.0, 4.0])
    after[5] = before[5].flip(0)  # of one sum and one length
    ids = torch.tensor([[2, 3, 0], [5, 7, 8], [8, 2, 6]])
    return before, after, ids[:, torch.randperm(3, generator=g)]


@exercise(
    "impl-4",
    "Go through the ids that were looked up, each once, and compare two rows.",
    "`ids.unique().tolist()` is sorted; `torch.equal(before[i], after[i])` compares.",
    todo="Complete `unmoved(before, after, ids)`: it returns a sorted list of ids.",
)
def impl_4(answer):
    def listed(before, after, ids):
        out = call(answer, before, after, ids)
        if isinstance(out, bool):
            wrong("Return the ids, not whether there are any.")
        return [int(i) for i in out]

    def by(rule, which=lambda ids, before: sorted(set(ids.flatten().tolist()))):
        return lambda before, after, ids: [i for i in which(ids, before) if rule(before[i], after[i])]

    def equal(a, b):
        return bool((a == b).all())

    function(
        listed,
        _step,
        by(equal),
        wrong=[
            (by(lambda a, b: not equal(a, b)), "Those are the rows that moved."),
            (
                by(equal, lambda ids, before: range(len(before))),
                "Only rows that were looked up: the others may rest.",
            ),
            (
                by(lambda a, b: bool((a == b).any())),
                "A row has moved as soon as one of its numbers has: all, not any.",
            ),
            (
                by(equal, lambda ids, before: ids.flatten().tolist()),
                "An id that was looked up twice stands there twice.",
            ),
            (
                by(lambda a, b: bool(torch.allclose(a, b))),
                "A small step is a step: compare exactly, with `torch.equal`.",
            ),
            (
                by(lambda a, b: bool((a - b).abs().max() < 1e-3)),
                "A small step is a step: compare exactly, with `torch.equal`.",
            ),
            (
                by(lambda a, b: a.sum() == b.sum()),
                "You compare sums. Numbers may change places: compare each number of the row.",
            ),
            (
                by(lambda a, b: a.norm() == b.norm()),
                "You compare lengths. A row may turn and keep its length: compare each number.",
            ),
            (
                lambda before, after, ids: by(equal)(before, after, ids)[::-1],
                "The right ids, in the wrong order: sort them, smallest first.",
            ),
            (
                by(equal, lambda ids, before: sorted(set(ids.flatten().tolist()) - {0})),
                "Row 0 was looked up as well, and did not move.",
            ),
            (
                by(lambda a, b: bool(torch.allclose(a, b, atol=1e-2))),
                "A small step is a step: compare exactly, with `torch.equal`.",
            ),
            (
                by(equal, lambda ids, before: sorted(set(ids[0].tolist()))),
                "`ids` may have any shape: flatten it.",
            ),
            (
                lambda before, after, ids: [
                    i for i in sorted(set(ids.flatten().tolist())) if before[i].abs().sum() == 0
                ],
                "You look for rows of zeros. A row may rest without being zero.",
            ),
        ],
    )
    before, after, _ = _step(torch.Generator().manual_seed(0))
    if listed(before, after, torch.tensor([2, 5])) != []:
        wrong("Where all have moved, the list is empty.")


@exercise(
    "impl-5",
    "Look at each statement for the cell that supports or refutes it.",
    "Two of them are refuted by tables of the lesson.",
    todo='Replace the `...` by a set of letters, such as {"a", "b"}.',
)
def impl_5(answer):
    letters = {str(letter).strip().lower() for letter in answer}
    if not letters <= set("abcd"):
        wrong("Give a set of some of the letters a, b, c and d.")
    if "b" in letters:
        wrong("b: compare the two columns of the recorded table. They go in opposite directions.")
    if "c" in letters:
        wrong("c: what did alpha = 10 and 40 give, and what no weight at all?")
    if "a" not in letters:
        wrong("One is missing: which vectors make every product 1?")
    if "d" not in letters:
        wrong("One is missing: zeros and weights came in together. What told you which of them helped?")


quiz(
    "impl",
    [
        question(
            "A model has the best AUC on rated films. What does that say about its list of ten out of all films?",
            ("It is the best list, too.", False, "The table of the lesson shows the opposite."),
            ("Nothing by itself: rank all films and see.", True, "Yes: they are two questions."),
            ("It is the worst list.", False, "Nor that: it has to be measured."),
        ),
        question(
            "Why does a table of likes alone, without zeros, teach nothing?",
            (
                "One vector for all makes every product 1.",
                True,
                "Yes: all cells are explained and nobody is told apart.",
            ),
            ("There are too few likes.", False, "With a million likes the same vector still fits all."),
            ("ALS cannot solve it.", False, "It can, and the solution says nothing."),
        ),
        question(
            "An embedding made with `max_norm=1` is asked in `eval()`. What may happen?",
            (
                "Nothing: eval() switches it off.",
                False,
                "eval() knows dropout and batch statistics, not this.",
            ),
            ("Its rows change, for good.", True, "Yes: a look-up rewrites every row that is too long."),
            ("A gradient flows.", False, "It writes without any gradient."),
        ),
        question(
            "Users are numbered from 0 and the embedding has `padding_idx=0`. Who is the victim?",
            ("the first user", True, "Yes: a vector of zeros that never learns."),
            ("the last user", False, "The last row is an ordinary one."),
            ("nobody, padding is masked", False, "The first user is taken for padding."),
        ),
    ],
)
