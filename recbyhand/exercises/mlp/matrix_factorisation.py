"""Checks of matrix factorisation."""

from __future__ import annotations

from types import SimpleNamespace

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
    uses,
    wrong,
)
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "mf-1",
    "Which two matrices does the closed form of a ridge regression need? Write down VᵀV first; it is 2 × 2.",
    "VᵀV + λI is [[3, -2], [-2, 5]] and Vᵀr is [3, -4].",
    "`torch.linalg.solve(V_ben.T @ V_ben + torch.eye(2), V_ben.T @ r_ben)`",
    todo="Replace the `...` by Ben's vector, a tensor of shape (2,).",
    solved="Right: (7, -6)/11.",
)
def mf_1(answer):
    shape(answer, (2,), "d")
    one_of_wrong(
        answer,
        [
            ((1.0, -0.5), "You left out λ: this is plain least squares, which fits both ratings exactly."),
            ((3.0, -4.0), "That is Vᵀr, the right-hand side. Solve (VᵀV + λI) u = Vᵀr for u."),
            ((1.0, -0.8), "You divided by the diagonal only. VᵀV has numbers beside the diagonal."),
            ((11 / 14, -9 / 14), "λ was added to every number of VᵀV. Add λI: only to the diagonal."),
            (
                (3 / 11, 10 / 11),
                "That is the answer for all ratings with their signs off: Ben gave Clueless -2.",
            ),
            ((1 / 11, -4 / 11), "You left Vᵀ out on the right: solve for Vᵀr, not for r."),
            ((17.0, -26.0), "You multiplied by VᵀV + λI. Multiply by its inverse, or better: solve."),
            ((7.0, -6.0), "Nearly: an inverse divides by the determinant, which is 11."),
            ((1 / 11, -9 / 11), "You solved with VVᵀ, films by films. VᵀV is dimensions by dimensions."),
        ],
    )
    close(
        answer,
        (7 / 11, -6 / 11),
        hint="Not yet. Print both sides: VᵀV + λI is [[3, -2], [-2, 5]], and Vᵀr is (3, -4).",
    )


def _factors(g: torch.Generator, d: int = 3) -> SimpleNamespace:
    """Looks like the result of `als`, with random numbers."""

    def normal(*size: int) -> torch.Tensor:
        return torch.randn(*size, generator=g, dtype=torch.float64)

    return SimpleNamespace(
        user=normal(6, d), item=normal(5, d), user_bias=normal(6), item_bias=normal(5), mean=3.5
    )


@exercise(
    "mf-2",
    "Four terms: one number for everybody, one for the user, one for the film, and what the two have in common.",
    "`f.user[u] @ f.item[i]` is the last of them.",
    todo="Replace the `...` by the prediction: mean, two biases and a dot product.",
)
def mf_2(answer):
    def dot(f, u, i):
        return f.user[u] @ f.item[i]

    function(
        answer,
        inputs=lambda g: (
            _factors(g),
            int(torch.randint(6, (), generator=g)),
            int(torch.randint(5, (), generator=g)),
        ),
        oracle=lambda f, u, i: f.mean + f.user_bias[u] + f.item_bias[i] + (f.user[u] * f.item[i]).sum(),
        wrong=[
            (
                lambda f, u, i: f.mean + f.user_bias[u] + f.item_bias[i],
                "The dot product of the two vectors is missing.",
            ),
            (
                lambda f, u, i: f.mean - f.user_bias[u] - f.item_bias[i] + dot(f, u, i),
                "The biases are added, not taken off.",
            ),
            (
                lambda f, u, i: f.mean + f.user_bias[u] + f.item_bias[i] + dot(f, u, i) / f.user.shape[1],
                "You take the mean of the products. A dot product is their sum.",
            ),
            (
                lambda f, u, i: f.mean + f.user_bias[u - 1] + f.item_bias[i - 1] + dot(f, u - 1, i - 1),
                "You read the row before: ids are row numbers here, `f.user[u]`.",
            ),
            (
                lambda f, u, i: f.mean + 2 * f.user_bias[u] + dot(f, u, i),
                "The user's bias is in there twice; one of them is the film's.",
            ),
            (dot, "This is the dot product alone: the mean μ and both biases are missing."),
            (
                lambda f, u, i: f.user_bias[u] + f.item_bias[i] + dot(f, u, i),
                "The mean μ is missing: als took it away from the ratings before it began.",
            ),
            (lambda f, u, i: f.mean + dot(f, u, i), "The biases of the user and of the film are missing."),
            (lambda f, u, i: f.mean + f.user_bias[u] + dot(f, u, i), "The film has a bias too."),
            (lambda f, u, i: f.mean + f.item_bias[i] + dot(f, u, i), "The user has a bias too."),
            (
                lambda f, u, i: f.mean + f.user_bias[u] + f.item_bias[i] + f.user[u] * f.item[i],
                "Your answer has d numbers: sum the products, a dot product is one number.",
            ),
            (
                lambda f, u, i: f.mean + f.user_bias[i] + f.item_bias[u] + dot(f, u, i),
                "The two biases are exchanged: f.user_bias belongs to u, f.item_bias to i.",
            ),
            (
                lambda f, u, i: f.mean + f.user_bias[i] + f.item_bias[u] + f.user[i] @ f.item[u],
                "Users and films are exchanged: f.user belongs to u, f.item to i.",
            ),
            (
                lambda f, u, i: (f.mean + f.user_bias[u] + f.item_bias[i] + dot(f, u, i)).clamp(1, 5),
                "Right, but then cut to 1 to 5 stars. The formula has no cut, and a ranking would lose by it.",
            ),
            (
                lambda f, u, i: f.user_bias[u] + f.item_bias[i] + dot(f, u, i) - f.mean,
                "The mean was taken away from the ratings; now it is added back, not taken away again.",
            ),
            (
                lambda f, u, i: torch.sigmoid(f.mean + f.user_bias[u] + f.item_bias[i] + dot(f, u, i)),
                "These factors predict stars. A sigmoid would make a probability of a logit.",
            ),
            (
                lambda f, u, i: torch.round(f.mean + f.user_bias[u] + f.item_bias[i] + dot(f, u, i)),
                "Right, but then rounded to whole stars. What the digits knew is lost to a ranking.",
            ),
        ],
    )


def _table(g: torch.Generator) -> tuple:
    """A random table whose last user has no rating, the cells that are seen, film vectors and λ."""
    R = torch.randn(5, 6, generator=g)
    seen = torch.rand(5, 6, generator=g) < 0.6
    seen[:4, :2] = True
    seen[0] = torch.tensor([True] * 6)
    seen[4] = False
    R[0, 1] = 0  # a rating of 0 is a rating
    lam = float(torch.rand((), generator=g) + 0.5)
    return torch.where(seen, R, 0.0), seen, torch.randn(6, 3, generator=g), lam


def _half_step(charge):
    """A half step in which user u with n ratings pays charge(n, lam) for each unit of squared length."""

    def step(R, seen, V, lam):
        rows = []
        for r, mask in zip(R, seen, strict=True):
            X = V[mask]
            A = X.T @ X + charge(len(X), lam) * torch.eye(V.shape[1])
            rows.append(torch.linalg.pinv(A) @ X.T @ r[mask])
        return torch.stack(rows)

    return step


def _every_entry(R, seen, V, lam):
    rows = []
    for r, mask in zip(R, seen, strict=True):
        X = V[mask]
        rows.append(torch.linalg.pinv(X.T @ X + lam * len(X)) @ X.T @ r[mask])
    return torch.stack(rows)


def _all_cells(R, seen, V, lam):
    n = seen.sum(1)
    A = V.T @ V + lam * n[:, None, None] * torch.eye(V.shape[1])
    return torch.linalg.solve(A, (R @ V)[:, :, None])[:, :, 0] * (n > 0)[:, None]


@exercise(
    "mf-3",
    "What is the derivative of λ n ‖u‖² with respect to u? Compare with that of λ ‖u‖².",
    "Only the matrix changes: VᵤᵀVᵤ + λ nᵤ I, where nᵤ = len(V_u).",
    "Skip users with nᵤ = 0: their matrix is zero and has no inverse. Start from `torch.zeros(len(R), V.shape[1])`.",
    todo="Replace the `...` by the table U (n, d), one ridge regression per user with λ times their number of ratings.",
    solved="Right. This is the weighted-λ regularisation of Zhou et al.; Spark's ALS does it this way.",
)
def mf_3(answer):
    if not callable(answer):
        raise Wrong("A function is asked for: give its name, `fair_half_step`, without brackets.")
    R, seen, V, lam = _table(torch.Generator().manual_seed(1))
    try:
        U = call(answer, R[:4], seen[:4], V, lam)
        shape(U, (4, 3), "n, d")
        without = same(U, call(answer, R[:4], seen[:4], V, 10 * lam))
    except torch.linalg.LinAlgError:
        without = True
    if without:
        raise Wrong("λ plays no part in your answer. A user with fewer ratings than d needs it most.")
    try:
        last = torch.as_tensor(call(answer, R, seen, V, lam))[-1]
    except torch.linalg.LinAlgError:
        raise Wrong(
            "A user without ratings has a matrix of zeros, which cannot be solved: give them the zero vector."
        ) from None
    if not torch.allclose(last.double(), torch.zeros(3).double(), atol=1e-6):
        raise Wrong("The user without any rating should have the zero vector.")
    function(
        answer,
        inputs=_table,
        oracle=_half_step(lambda n, lam: lam * n),
        wrong=[
            (_half_step(lambda n, lam: lam), "Every user pays the same λ. Here the price is λ times nᵤ."),
            (_half_step(lambda n, lam: lam * n**0.5), "nᵤ itself, not its root: the penalty is λ nᵤ ‖u‖²."),
            (
                lambda R, seen, V, lam: _half_step(lambda n, lam: lam * n)(R, seen | True, V, lam),
                "You count all cells, rated or not. Use `seen`: a user's films, and how many they are.",
            ),
            (_half_step(lambda n, lam: lam + n), "λ and nᵤ are multiplied, not added."),
            (_half_step(lambda n, lam: lam * n**2), "nᵤ counts once: the penalty is λ nᵤ ‖u‖²."),
            (_half_step(lambda n, lam: 2 * lam * n), "λ counts twice: the 2 of both derivatives cancels."),
            (_half_step(lambda n, lam: lam / max(n, 1)), "You divided λ by nᵤ; it is multiplied."),
            (
                _half_step(lambda n, lam: lam * 6),
                "That is λ times the number of all films, not of those the user rated.",
            ),
            (
                lambda R, seen, V, lam: _half_step(lambda n, lam: lam * seen.sum())(R, seen, V, lam),
                "That is λ times the number of all ratings in the table, not of those of one user.",
            ),
            (
                lambda R, seen, V, lam: _half_step(lambda n, lam: lam * n)(R, R != 0, V, lam),
                "You take a rating of 0 for an empty cell. `seen` says which cells are filled.",
            ),
            (_every_entry, "λ nᵤ was added to every number of VᵤᵀVᵤ. Multiply it by the identity first."),
            (
                _all_cells,
                "Your regression uses all films, with 0 for the empty cells. Use `V[seen[u]]` only.",
            ),
        ],
        atol=1e-4,
    )


def _sgd_inputs(g: torch.Generator) -> tuple:
    u, v = torch.randn(3, generator=g), torch.randn(3, generator=g)
    r, lr, lam = (
        torch.rand(3, generator=g) * torch.tensor([2.0, 0.2, 1.0]) + torch.tensor([1.0, 0.05, 0.3])
    ).tolist()
    return u, v, r, lr, lam


def _one_after_the_other(u, v, r, lr, lam):
    u = u + 2 * lr * ((r - u @ v) * v - lam * u)
    return u, v + 2 * lr * ((r - u @ v) * u - lam * v)


def _same_error_new_u(u, v, r, lr, lam):
    error = r - u @ v
    u = u + 2 * lr * (error * v - lam * u)
    return u, v + 2 * lr * (error * u - lam * v)


def _sgd(scale: float = 2.0, sign: float = 1.0, ridge: float = 1.0, swap: bool = False):
    def step(u, v, r, lr, lam):
        error = r - u @ v
        x, y = (u, v) if swap else (v, u)
        return (
            u + sign * scale * lr * (error * x - ridge * lam * u),
            v + sign * scale * lr * (error * y - ridge * lam * v),
        )

    return step


@exercise(
    "mf-4",
    "With e = r - u·v, the derivative of e² with respect to u is -2 e v.",
    "∂/∂u = -2 e v + 2 λ u, and the same for v with u and v exchanged. Step against it.",
    "Compute the error once, and both new vectors from the old ones.",
    todo="Replace both `...`: return the new u and the new v, two tensors of shape (d,).",
)
def mf_4(answer):
    function(
        answer,
        inputs=_sgd_inputs,
        oracle=_sgd(),
        wrong=[
            (
                _one_after_the_other,
                "v is updated with the new u. Both gradients belong to one place: use the old u.",
            ),
            (_same_error_new_u, "The error is the old one, but v's gradient uses the new u. Use the old u."),
            (_sgd(scale=1.0), "A factor 2 is missing: the derivative of e² is 2 e times that of e."),
            (_sgd(sign=-1.0), "You went uphill: step against the gradient."),
            (_sgd(ridge=0.0), "λ is missing: the charge for length has a gradient too."),
            (_sgd(ridge=-1.0), "The charge pushes the wrong way: it should make vectors shorter."),
            (
                _sgd(scale=1.0, ridge=2.0),
                "A factor 2 is missing: the derivative of e² is 2 e times that of e.",
            ),
            (
                lambda u, v, r, lr, lam: _sgd()(u, v, r, 1.0, lam),
                "The step size is missing: lr times the gradient.",
            ),
            (
                lambda u, v, r, lr, lam: (_sgd()(u, v, r, lr, lam)[0], v),
                "Only u has moved. The rating moves v as well.",
            ),
            (_sgd(ridge=0.5), "λ counts half: the derivative of λ‖u‖² is 2 λ u."),
            (
                lambda u, v, r, lr, lam: (
                    2 * lr * ((r - u @ v) * v - lam * u),
                    2 * lr * ((r - u @ v) * u - lam * v),
                ),
                "These are the steps alone. Add them to the old vectors.",
            ),
            (
                lambda u, v, r, lr, lam: (
                    u - 2 * lr * ((r - u @ v) * v + lam * u),
                    v - 2 * lr * ((r - u @ v) * u + lam * v),
                ),
                "The error pushes the wrong way: the derivative of r - u·v with respect to u is -v.",
            ),
            (
                lambda u, v, r, lr, lam: (
                    u + 2 * (lr * (r - u @ v) * v - lam * u),
                    v + 2 * (lr * (r - u @ v) * u - lam * v),
                ),
                "The charge misses the step size: lr multiplies the whole gradient, the part of λ as well.",
            ),
            (_sgd(swap=True), "The derivative of u·v with respect to u is v, not u."),
            (
                lambda u, v, r, lr, lam: (
                    -2 * ((r - u @ v) * v - lam * u),
                    -2 * ((r - u @ v) * u - lam * v),
                ),
                "These are the gradients. Take a step against them: the old vector minus lr times its gradient.",
            ),
            (
                lambda u, v, r, lr, lam: (
                    u + 2 * lr * ((r - u * v) * v - lam * u),
                    v + 2 * lr * ((r - u * v) * u - lam * v),
                ),
                "Your error has d numbers, r - u * v. A rating has one error: r minus the dot product, `u @ v`.",
            ),
            (lambda *a: _sgd()(*a)[::-1], "Return u first, then v."),
        ],
        rtol=1e-3,
        atol=1e-5,
    )


@exercise(
    "mf-5",
    "Print the singular values of the table beside those of UVᵀ, for one λ at a time. Subtract.",
    "Each singular value s of the table becomes s - λ, or 0 where that is negative. When is the last one gone?",
    "The largest singular value: `torch.linalg.svdvals(R)` or `torch.linalg.matrix_norm(R, 2)`.",
    todo="Replace the `...`: a function of the table R that returns the smallest λ at which ALS returns zeros.",
    solved="Right: ALS shrinks each singular value by λ, so the largest one is the last to go.",
)
def mf_5(answer):
    if uses(answer, "als"):
        wrong("Your function runs ALS. Find the number that it depends on, and compute that.")
    function(
        answer,
        inputs=lambda g: (torch.randn(4, 6, generator=g) * 3,),
        oracle=lambda R: torch.linalg.svdvals(R)[0],
        wrong=[
            (lambda R: torch.linalg.svdvals(R)[0] ** 2, "Squared: λ is taken off the singular value itself."),
            (
                lambda R: torch.linalg.svdvals(R)[0] / 2,
                "Half of that. The charge is on both tables, U and V.",
            ),
            (lambda R: torch.linalg.svdvals(R)[0] * 2, "Twice too large: try ALS with half of your λ."),
            (torch.linalg.matrix_norm, "That is the norm over all entries. ALS has collapsed long before."),
            (
                lambda R: R.abs().max(),
                "The largest entry is too small: a pattern over many cells outlives it.",
            ),
            (lambda R: R.max(), "The largest entry is too small: a pattern over many cells outlives it."),
            (
                lambda R: torch.linalg.svdvals(R)[-1],
                "There the smallest singular value goes; the others are still there.",
            ),
            (
                lambda R: torch.linalg.svdvals(R).sum(),
                "You summed the singular values. They shrink side by side.",
            ),
            (
                lambda R: torch.linalg.svdvals(R)[1],
                "There the second largest goes. One direction of the table is still left.",
            ),
            (
                lambda R: R.norm(dim=1).max(),
                "That is the longest row. Several users who agree outlive it together.",
            ),
            (
                lambda R: R.norm(dim=0).max(),
                "That is the longest column. Several films that are liked alike outlive it together.",
            ),
            (torch.linalg.svdvals, "These are all singular values. Which of them is the last to reach zero?"),
        ],
        hint="ALS does not collapse exactly there. Print the singular values of R and of UVᵀ side by side.",
    )


quiz(
    "mf",
    [
        question(
            "A table has 1,000 users and 2,000 films, of which 5 % of the cells are filled, and d = 10. How many "
            "numbers does the factorisation have, without biases?",
            ("30,000", True, "Yes: 10 for each of the 3,000 users and films, however many cells are filled."),
            ("100,000", False, "That is the number of filled cells. The vectors do not depend on it."),
            (
                "2,000,000",
                False,
                "That is the whole table. The point is to describe it with far fewer numbers.",
            ),
            ("20,000,000", False, "d is multiplied by users plus films, not by users times films."),
        ),
        question(
            "Somebody trains `nn.Embedding` tables and a dot product with Adam and calls it ALS. What is it?",
            ("Matrix factorisation", True, "Yes. The model is a factorisation; the solver is Adam."),
            (
                "ALS, since users and films both get updated",
                False,
                "ALS solves one side exactly while the other is fixed.",
            ),
            (
                "ALS, if the loss is squared error",
                False,
                "The same objective does not make it the same solver.",
            ),
            (
                "Neither: a dot product cannot be trained by Adam",
                False,
                "It can; you saw gradient descent reach the floor of ALS.",
            ),
        ),
        question(
            "Why can the third coordinate of a film's vector not be called 'amount of humour' by itself?",
            (
                "All vectors could be rotated without changing any prediction",
                True,
                "Yes, and the objective would not notice: only directions found afterwards can be named.",
            ),
            ("There are too few ratings", False, "Even with a full table the rotation stays free."),
            (
                "Because of the regularisation",
                False,
                "The charge depends on lengths, and a rotation keeps lengths.",
            ),
            (
                "Films do not differ in humour",
                False,
                "They may well; but no single coordinate has to hold it.",
            ),
        ),
        question(
            "A factorisation has a good AUC on rated films and ranks the full catalogue worse than popularity. "
            "What is the likely reason?",
            (
                "It was fitted on filled cells only",
                True,
                "Yes: about films that people did not choose to rate it has learned nothing.",
            ),
            ("AUC is computed wrongly", False, "Both numbers can be right: they answer different questions."),
            (
                "d is too small",
                False,
                "A larger d fits the filled cells better and says no more about empty ones.",
            ),
            ("It needs a ReLU", False, "The missing thing is in the data it saw, not in its layers."),
        ),
    ],
)
