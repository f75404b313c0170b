"""Checks of crosses: factorisation machines."""

from __future__ import annotations

from itertools import combinations

import torch

from recbyhand.exercises.engine import (
    AUTOGRAD,
    Wrong,
    call,
    close,
    exercise,
    function,
    grows,
    one_of_wrong,
    uses,
)
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "fm-1",
    "Add the four vectors; square each number of the sum; then do the two steps the other way round.",
    "The sum is (2, 4), its squares are (4, 16). The squares of the vectors add up to (6, 6).",
    todo="Replace the `...` by one number.",
    solved="Right: half of 20 - 12.",
)
def fm_1(answer):
    one_of_wrong(
        answer,
        [
            (8.0, "That is twice the pair sum: the square of the sum holds every pair two times."),
            (10.0, "You halved the square of the sum, but did not take away the diagonal, the squares."),
            (20.0, "That is the square of the sum. Take away the squares of the vectors, then halve."),
            (14.0, "The half belongs to both terms: ½ (20 - 12), not 20 - 12/2."),
            (-2.0, "The half belongs to both terms: ½ (20 - 12), not 20/2 - 12."),
            (16.0, "That is the sum of the two squares, halved: the second is taken away, not added."),
            (12.0, "These are the squares of the vectors, the diagonal alone. The pairs are all the rest."),
            (0.0, "Did you take neighbours only? Four vectors make six pairs, not three."),
            (
                (-1.0, 5.0),
                "These are the two coordinates. The pair sum of an FM is one number: add them up.",
            ),
        ],
    )
    close(answer, 4.0, hint="Not yet. Write the six dot products down one by one and add them.")


def _values(g: torch.Generator) -> tuple:
    mask = torch.rand(5, generator=g) < 0.6
    mask[:2] = torch.tensor([True, False])
    return torch.randn(5, 3, generator=g), mask


def _masked_mean(vectors, mask):
    rows = [row for row, real in zip(vectors, mask, strict=True) if real]
    return sum(rows) / len(rows) if rows else torch.zeros(vectors.shape[1])


@exercise(
    "fm-2",
    "Turn the mask into numbers: 1 for real, 0 for padding. How many are real?",
    "Multiply, sum over axis 0, divide by the count; `clamp(min=1)` keeps an empty field from dividing by 0.",
    todo="Complete the function `field_vector(vectors, mask)`: it returns a tensor of shape (d,).",
)
def fm_2(answer):
    empty = (torch.ones(3, 2), torch.zeros(3, dtype=torch.bool))
    function(
        answer,
        inputs=_values,
        oracle=_masked_mean,
        wrong=[
            (
                lambda v, m: v[m.bool()].amax(0) if bool(m.any()) else torch.zeros(v.shape[1], dtype=v.dtype),
                "That is the largest of each coordinate. With x = 1/n it is the mean.",
            ),
            (
                lambda v, m: v.sum(0) / m.sum().clamp(min=1),
                "You divide by the number of real values, but padding is still in your sum: mask it, too.",
            ),
            (
                lambda v, m: (v * (m == 0)[:, None]).sum(0) / (m == 0).sum().clamp(min=1),
                "You took the mean of the padding: True is real.",
            ),
            (lambda v, m: v.mean(0), "The padding is in your mean, too. Use the mask."),
            (
                lambda v, m: (m.float()[:, None] * v).mean(0),
                "You divide by the number of places. Divide by the number of real values.",
            ),
            (
                lambda v, m: (m.float()[:, None] * v).sum(0),
                "That is the sum, x = 1: more values, a louder field. Each has x = 1/n.",
            ),
            (
                lambda v, m: (m.float()[:, None] * v).sum(0) / m.sum() ** 0.5,
                "You divide by the root of n. Here x is 1/n.",
            ),
            (lambda v, m: m.float()[:, None] * v / m.sum(), "Add the values up: a field has one vector."),
            (
                lambda v, m: (m.float()[:, None] * v).sum(0) / (m.sum() + 1),
                "You divide by n + 1. Only an empty field needs help, and `clamp(min=1)` helps no other.",
            ),
            (
                lambda v, m: torch.nn.functional.normalize((m.float()[:, None] * v).sum(0), dim=0),
                "You made the vector one of length 1. Dividing by the number of values is all.",
            ),
        ],
        hint="Not the mean of the real rows. Two of them, (2, 0) and (0, 4), should make (1, 2).",
    )
    try:
        function(answer, inputs=[empty], oracle=_masked_mean)
    except Wrong as verdict:
        if verdict.kind == "stub":
            raise
        raise Wrong("A field without any real value should give zeros: you divide by 0 there.") from None


def _weighted(g: torch.Generator) -> tuple:
    return torch.randn(5, 3, generator=g), torch.rand(5, generator=g) + 0.3


def _gradient(v, x):
    """By the definition, pair by pair, and autograd."""
    v = torch.as_tensor(v).detach().double().requires_grad_()
    x = torch.as_tensor(x).double()
    pairs = combinations(range(len(v)), 2)
    sum((v[i] * v[j]).sum() * x[i] * x[j] for i, j in pairs).backward()
    return v.grad


@exercise(
    "fm-3",
    "Which terms of the double sum contain v₁ at all? Factor it out of them.",
    "∂/∂vᵢ = xᵢ · (sum over all j ≠ i of xⱼ vⱼ).",
    "All of them at once: the total over every j, less the own one: x[:, None] * (total - x[:, None] * v).",
    todo="Complete the function `gradient(v, x)`: it returns a tensor of shape (n, d).",
    solved="Right. A row of the gradient costs one subtraction: learning an FM is linear in the features, too.",
)
def fm_3(answer):
    if uses(answer, *AUTOGRAD):
        raise Wrong("Autograd is for testing yourself. Write the formula.")

    def part(own=True, outer=True, inner=True, scale=1.0):
        def wrong(v, x):
            weighted = x[:, None] * v if inner else v
            out = weighted.sum(0) - (weighted if own else 0)
            return scale * (x[:, None] if outer else 1) * out * torch.ones_like(v)

        return wrong

    function(
        answer,
        inputs=_weighted,
        oracle=_gradient,
        wrong=[
            (part(own=False), "vᵢ does not meet itself: take the own term away from the total."),
            (
                part(own=False, scale=2.0),
                "That is the gradient of the square of the sum. The identity takes the squares away, and halves.",
            ),
            (part(outer=False), "The factor xᵢ in front is missing."),
            (part(inner=False), "Each vⱼ comes with its xⱼ."),
            (part(outer=False, inner=False), "The x are missing, all of them."),
            (part(scale=2.0), "Twice too large: each pair i < j comes once in the sum."),
            (
                part(scale=0.5),
                "Half: you kept the ½ of the identity, but the derivative of a square brings a 2.",
            ),
            (
                lambda v, x: (part()(v, x) * v).sum(1),
                "A gradient has the shape of what it is taken of: (n, d).",
            ),
            (
                lambda v, x: x[:, None] * (x[:, None] * v).sum(0) - x[:, None] * v,
                "The own term is xᵢ² vᵢ: one xᵢ of it is lost.",
            ),
            (
                lambda v, x: x[:, None] * ((x[:, None] * v).sum(0) - (x[:, None] * v).cumsum(0)),
                "You take the partners j > i only. As the second of a pair, vᵢ meets those before it, too.",
            ),
            (
                lambda v, x: x[:, None] * ((x[:, None] * v).cumsum(0) - x[:, None] * v),
                "You take the partners j < i only. As the first of a pair, vᵢ meets those after it, too.",
            ),
            (
                lambda v, x: v * part()(v, x),
                "A pair is linear in vᵢ: its derivative holds the partner, and vᵢ no more.",
            ),
        ],
        rtol=1e-3,
        atol=1e-5,
        hint="Not the gradient. Try n = 2: the term is x₁x₂ v₁·v₂, so the first row is x₁x₂ v₂.",
    )
    v, x = torch.ones(4, 3), torch.ones(4)
    if grows(answer, (v, x), (v.repeat(6, 1), x.repeat(6))) > 12:
        raise Wrong(
            "Right, but you go through the pairs: six times the fields take 36 times as long. Use the total."
        )


def _triples(a):
    a = torch.as_tensor(a).double()
    return sum(a[i] * a[j] * a[k] for i, j, k in combinations(range(len(a)), 3)).sum()


def _by_powers(c12: float, c3: float, divide: float):
    def triples(a):
        s1, s2, s3 = a.sum(0), (a**2).sum(0), (a**3).sum(0)
        return ((s1**3 - c12 * s1 * s2 + c3 * s3) / divide).sum()

    return triples


@exercise(
    "fm-4",
    "s₁³ is a sum over all (i, j, k). How often does it hold a₁a₂a₃, how often a₁²a₂, how often a₁³?",
    "6, 3 and 1 times. And the sum of aᵢ² aⱼ over i ≠ j is s₁s₂ - s₃.",
    "(s₁³ - 3 s₁s₂ + 2 s₃) / 6, for each column; then add the columns.",
    todo="Complete the function `triples(a)`: it returns one number.",
    solved="Right. For pairs it was (s₁² - s₂) / 2; the same trick goes on for any order.",
)
def fm_4(answer):
    function(
        answer,
        inputs=lambda g: (torch.randn(6, 2, generator=g),),
        oracle=_triples,
        wrong=[
            (_by_powers(3, 2, 1), "Each triple comes six times in s₁³, in every order: divide by 6."),
            (_by_powers(3, 2, 3), "Each triple comes six times in s₁³, not three times."),
            (_by_powers(3, 2, 2), "The 2 belongs to pairs. Each triple comes six times in s₁³."),
            (
                _by_powers(3, 0, 6),
                "3 s₁s₂ takes the cubes away three times, s₁³ holds them once: give two back.",
            ),
            (
                _by_powers(3, 1, 6),
                "3 s₁s₂ takes the cubes away three times, s₁³ has them one time: two are to come back, not one.",
            ),
            (
                _by_powers(3, -1, 6),
                "The sum of aᵢ² aⱼ over i ≠ j is s₁s₂ - s₃, not s₁s₂: the cubes are in it.",
            ),
            (
                lambda a: _by_powers(3, 2, 6)(a.reshape(-1, 1)),
                "You throw all columns together: triples of numbers from different columns are among yours.",
            ),
            (_by_powers(0, -1, 6), "You took away the cubes only; aᵢ² aⱼ has a repeated index, too."),
            (_by_powers(-3, 2, 6), "What has repeated indices is in s₁³, and not asked for: take it away."),
            (_by_powers(0, 0, 6), "s₁³ also holds repeated indices, aᵢ² aⱼ and aᵢ³. Take them away first."),
            (_by_powers(1, 2, 6), "aᵢ² aⱼ comes three times in s₁³: the repeated one has three places."),
            (
                lambda a: sum(x * y * z for x, y, z in combinations(a, 3)),
                "Right, column by column. Add the columns up: the answer is one number.",
            ),
            (
                lambda a: _by_powers(3, 2, 6)(a.sum(1, keepdim=True)),
                "You added the columns before multiplying. Each column has its own triples.",
            ),
            (lambda a: _by_powers(3, 2, 6)(a) / a.shape[1], "You average the columns. Sum over them."),
            (
                lambda a: 0.5 * (a.sum(0) ** 2 - (a**2).sum(0)).sum(),
                "That is the sum over pairs. Three indices: start from the third power of s₁.",
            ),
        ],
        rtol=1e-3,
        atol=1e-4,
        hint="Not the triples. Try one column: (1, 2, 3) makes 6, and (1, 1, 1, 1) makes 4.",
    )
    if grows(answer, (torch.ones(6, 2),), (torch.ones(18, 2),)) > 8:
        raise Wrong(
            "Right, but not in linear time: three times the rows take 27 times as long. Use s₁, s₂ and s₃."
        )


def _less_means(S):
    return S - S.mean(0) - S.mean(1, keepdim=True) + S.mean()


def _tables() -> list[tuple]:
    """Tables of many shapes and ranks, with rows and columns that the linear part takes for free."""
    g = torch.Generator().manual_seed(3)

    def normal(*size):
        return torch.randn(*size, generator=g)

    out = []
    for rows, columns, rank, a, b in (
        (5, 4, 1, 1, 1),
        (6, 6, 3, 1, 1),
        (4, 6, 2, 1, 0),
        (6, 5, 2, 0, 1),
        (5, 5, 0, 1, 1),
    ):
        S = _less_means(normal(rows, rank) @ normal(rank, columns))
        out.append((S + a * normal(rows, 1) + b * normal(columns) + 2.0,))
    out.append((out[0][0] - out[0][0].mean(),))  # the mean of all is 0: taking it away twice does not show
    out.append((torch.tensor([[0.0, 1.0], [1.0, 0.0]]),))
    out.append((0.02 * out[1][0],))  # small numbers, the same rank
    return out


def _rank(S) -> int:
    return int(torch.linalg.matrix_rank(S.double(), atol=1e-4))


@exercise(
    "fm-5",
    "What does the linear part fit by itself? Try a table that is one row plus one column: which d does it need?",
    "Take row means and column means away (and add the mean of all back). How many dimensions has the rest?",
    "`torch.linalg.matrix_rank` counts them; give it an `atol` such as 1e-4, since numbers are rounded.",
    todo="Complete the function `smallest_d(S)`: it returns a whole number.",
    solved="Right: the rank of what the linear part leaves over.",
)
def fm_5(answer):
    if uses(answer, "backward", "Adam", "SGD", "best_fit", "optim"):
        raise Wrong("Your function trains. Find what the linear part fits by itself, and count what is left.")
    try:
        function(
            answer,
            inputs=_tables(),
            oracle=lambda S: int((torch.linalg.svdvals(_less_means(S.double())) > 1e-4).sum()),
            wrong=[
                (_rank, "That is the rank of S itself. The linear part fits rows and columns without any d."),
                (lambda S: _rank(S - S.mean()), "You took away the base w₀ only; w_g and w_k are free, too."),
                (
                    lambda S: _rank(S - S.mean(0)),
                    "The columns' means are gone. Each row has a weight of its own, too.",
                ),
                (
                    lambda S: _rank(S - S.mean(1, keepdim=True)),
                    "The rows' means are gone. Each column has a weight of its own, too.",
                ),
                (
                    lambda S: _rank(S - S.mean(0) - S.mean(1, keepdim=True)),
                    "The mean of all is taken away twice, with the rows and with the columns: add it back once.",
                ),
                (
                    lambda S: _rank(S - S[:1] - S[:, :1]),
                    "You take the first row and the first column away, and their corner twice: add S[0, 0] back.",
                ),
                (
                    lambda S: _rank(_less_means(S)) + 1,
                    "One too many: a rest of rank r is a product of r columns with r rows, and needs no more.",
                ),
                (
                    lambda S: int((torch.linalg.svdvals(_less_means(S)) > 0.5).sum()),
                    "A table of small numbers has small singular values. Let the limit be nearer to 0, such as 1e-4.",
                ),
                (
                    lambda S: min(S.shape),
                    "So many always suffice. Often fewer do: look at the fits for each d.",
                ),
                (
                    lambda S: min(S.shape) - 1,
                    "So many always suffice, once rows and columns are free. Fewer may do.",
                ),
                (
                    lambda S: max(_rank(S) - 1, 0),
                    "Often the linear part saves more than one, or none. Take it away from S first.",
                ),
                (
                    lambda S: max(_rank(S) - 2, 0),
                    "Often right, not always: XOR has rank 2 and needs d = 1. Take the linear part away from S.",
                ),
            ],
            hint="Not the smallest. Which part of the table does the linear part fit without any vector?",
        )
    except Wrong as verdict:
        if "Not the smallest" not in str(verdict):
            raise
        tables = [S for (S,) in _tables()]
        more = [int(call(answer, S)) - _rank(_less_means(S)) for S in tables]
        exact = [n for n, S in zip(more, tables, strict=True) if bool((S == S.round()).all())]
        if min(more) >= 0 and not any(exact):
            raise Wrong(
                "Right for whole numbers, too large where numbers are rounded: a singular value near 1e-7 is a 0. "
                "Give `matrix_rank` an `atol`, such as 1e-4."
            ) from None
        raise


quiz(
    "fm",
    [
        question(
            "No sum of feature weights can fit XOR. Which of these does not help either?",
            ("More training rows", True, "Yes: the two diagonals have the same sum, however much you train."),
            ("A weight for the pair of group and kind", False, "That is Poly2, and it fits XOR exactly."),
            ("A vector of one number per feature", False, "An FM with d = 1 suffices for XOR."),
            ("A hidden layer", False, "A network can learn it, given enough rows."),
        ),
        question(
            "There are 10,000 features and d = 10. How many numbers do the pairs of an FM take, and how many those "
            "of Poly2 if everything is crossed?",
            ("100,000 and about 50 million", True, "Yes: nd against n(n-1)/2."),
            ("100,000 and 100,000", False, "Poly2 has one weight per pair, and there are n(n-1)/2 pairs."),
            ("About 500 million and 50 million", False, "FM has vectors for features, not for pairs."),
            ("100 and 10,000", False, "Each of the 10,000 features has a vector of 10 numbers."),
        ),
        question(
            "When can an FM say something sensible about a pair that training never showed?",
            (
                "If the table of pair weights has a pattern of few dimensions",
                True,
                "Yes: that is what a dot product assumes.",
            ),
            (
                "Always: that is what vectors are for",
                False,
                "It always answers; coin-tossed cells it gets wrong.",
            ),
            (
                "Never: the weight of that pair is 0",
                False,
                "That is Poly2. In FM it is the vectors' product.",
            ),
            ("If d is large enough", False, "A larger d assumes less, and so guesses less well."),
        ),
        question(
            "Somebody forgets the factor ½ and trains the model so. What will they notice?",
            (
                "Nothing, until weights are shared with code that has it",
                True,
                "Yes: training makes the vectors shorter by √2.",
            ),
            ("The AUC halves", False, "The order of scores hardly depends on it."),
            ("The loss becomes negative", False, "Cross-entropy is never negative."),
            ("An error message", False, "Shapes and types are all right; only the number is not."),
        ),
        question(
            "The identity ½[(∑v)² - ∑v²] is exact. Why does the package not use it by default?",
            (
                "In floating point it subtracts two large numbers",
                True,
                "Yes: a small difference of large squares keeps few digits. The running sum subtracts nothing.",
            ),
            ("It is quadratic in the fields", False, "It is linear: that is its charm."),
            ("It counts each pair twice", False, "With the ½ it does not."),
            ("It has no gradient", False, "It is a polynomial, with a fine gradient."),
        ),
    ],
)
