"""Checks of chapter 1: matrix factorisation, from dot product to MLP, features."""

from __future__ import annotations

import math
from types import SimpleNamespace

import torch
from torch import nn

from recbyhand.exercises.engine import Wrong, call, close, exercise, function, one_of_wrong, same, shape
from recbyhand.exercises.quizzes import question, quiz

# Matrix factorisation ----------------------------------------------------------------------------------


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
    close(answer, (7 / 11, -6 / 11), hint="Not yet. VᵀV is [[2, -2], [-2, 4]] before λI is added to it.")


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


# From dot product to MLP -------------------------------------------------------------------------------


def _parts(out) -> tuple[torch.Tensor, torch.Tensor]:
    """The (weight, bias) of an answer, as tensors."""
    if not isinstance(out, list | tuple) or len(out) != 2:
        raise Wrong("Return two things, separated by a comma: the weight and the bias.")
    return tuple(torch.as_tensor(part, dtype=torch.float32) for part in out)


def _two_layers(g: torch.Generator, n: int = 3, h: int = 3, k: int = 3) -> tuple[torch.Tensor, ...]:
    return tuple(torch.randn(*size, generator=g) for size in ((h, n), (h,), (k, h), (k,)))


@exercise(
    "mlp-1",
    "Write down what comes out, W₁(W₀x + b₀) + b₁, and multiply out.",
    "What stands before x is the weight; everything else is the bias. The order of the matrices matters.",
    "b₀ passes through the second layer like everything else: it becomes W₁b₀.",
    todo="Complete `collapse(W0, b0, W1, b1)`: it returns a weight and a bias.",
    solved="Two layers, one matrix.",
)
def mlp_1(answer):
    def weight(*args):
        W, b = _parts(call(answer, *args))
        if W.ndim == 1 and b.ndim == 2:
            raise Wrong("The two are exchanged: return the weight first, then the bias.")
        return W

    def bias(*args):
        return _parts(call(answer, *args))[1]

    function(
        weight,
        _two_layers,
        lambda W0, b0, W1, b1: W1 @ W0,
        wrong=[
            (
                lambda W0, b0, W1, b1: W0 @ W1,
                "The order is turned round: W₀ meets x first, so it stands right.",
            ),
            (lambda W0, b0, W1, b1: W1 * W0, "`*` multiplies element by element; `@` is the matrix product."),
            (
                lambda W0, b0, W1, b1: W1 + W0,
                "Layers one after the other multiply; only side by side they add.",
            ),
            (
                lambda W0, b0, W1, b1: (W1 @ W0).T,
                "The weight is transposed: a layer computes W x, with W of shape (outputs, inputs).",
            ),
        ],
        hint="The weight is what stands before x in W₁(W₀x + b₀) + b₁.",
    )
    function(
        bias,
        _two_layers,
        lambda W0, b0, W1, b1: W1 @ b0 + b1,
        wrong=[
            (lambda W0, b0, W1, b1: b0 + b1, "b₀ goes through the second layer too: it arrives as W₁b₀."),
            (lambda W0, b0, W1, b1: W1 @ b0, "The bias of the second layer is missing."),
            (lambda W0, b0, W1, b1: b1, "The bias of the first layer is missing: the second passes it on."),
            (lambda W0, b0, W1, b1: b0 @ W1 + b1, "`b0 @ W1` is W₁ᵀb₀. Write W₁b₀ as `W1 @ b0`."),
        ],
        hint="The bias is what is left of W₁(W₀x + b₀) + b₁ when x = 0.",
    )
    W0, b0, W1, b1 = _two_layers(torch.Generator().manual_seed(1), n=4, h=2, k=3)
    W, b = _parts(call(answer, W0, b0, W1, b1))
    shape(W, (3, 4), "k, n")
    close(b, W1 @ b0 + b1)


def _masked(g: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, float, bool]:
    p = 0.1 + 0.3 * torch.rand((), generator=g).item()  # not one half, where p and 1 - p are the same
    return torch.randn(8, generator=g), (torch.rand(8, generator=g) >= p).float(), p, True


@exercise(
    "mlp-2",
    "Which share of the values is kept, if p is dropped?",
    "Dividing by the share that is kept makes the average over all masks equal to x.",
    todo="Complete `drop(x, m, p, training)`: it returns a tensor of the shape of x.",
    solved="Scaled while training, nothing to do while predicting.",
)
def mlp_2(answer):
    function(
        answer,
        _masked,
        lambda x, m, p, training: m * x / (1 - p),
        wrong=[
            (
                lambda x, m, p, t: m * x,
                "Zeros only: on average the next layer gets too little. Scale the rest up.",
            ),
            (lambda x, m, p, t: m * x * (1 - p), "That shrinks what is kept a second time. Divide by 1 - p."),
            (lambda x, m, p, t: m * x / p, "p is the share dropped; divide by the share that is kept."),
            (
                lambda x, m, p, t: (1 - m) * x / (1 - p),
                "m is 1 where a value is kept; you dropped the others.",
            ),
            (lambda x, m, p, t: x, "While training, values are dropped: use the mask."),
            (
                lambda x, m, p, t: m * x / m.mean(),
                "You divide by the share that this mask happens to keep. Divide by the share expected, 1 - p.",
            ),
        ],
        hint="Multiply x by the mask that is given (draw no other one), and divide by the share that is kept.",
    )
    x, m, p, _ = _masked(torch.Generator().manual_seed(7))
    out = call(answer, x, m, p, False)
    one_of_wrong(
        out,
        [
            (m * x / (1 - p), "While not training nothing is dropped: look at `training`."),
            (
                (1 - p) * x,
                "Scaling while predicting belongs to the other kind of dropout. Here training has done it already.",
            ),
            (x / (1 - p), "While predicting, the values pass unchanged: no mask, no scaling."),
        ],
    )
    close(out, x, hint="While not training, x comes out as it went in.")


@exercise(
    "mlp-3",
    "max(u, v) is v, plus what u has more than v, if it has more.",
    "A number passes through ReLU unharmed if two units share the work: v = ReLU(v) - ReLU(-v).",
    "Three hidden units: u - v, v, and -v.",
    todo="Replace the `...` by W₀ (h, 2), b₀ (h), w₁ (h) and the number b₁.",
    solved="Minimum, distance, median: whatever is made of straight pieces, ReLU can build.",
)
def mlp_3(answer):
    if not isinstance(answer, list | tuple) or len(answer) != 4:
        raise Wrong("Give four things: W₀, b₀, w₁ and b₁.")
    W0, b0, w1, b1 = (torch.as_tensor(part, dtype=torch.float32) for part in answer)
    if W0.ndim != 2 or W0.shape[1] != 2:
        raise Wrong(
            f"W₀ has one row per hidden unit and two columns, for u and v; yours is {tuple(W0.shape)}."
        )
    h = len(W0)
    if h > 3:
        raise Wrong(f"You use {h} hidden units; three are enough.")
    shape(b0, (h,), "h")
    w1, b1 = w1.reshape(-1), b1.reshape(-1)  # (1, h) and (1,) will do as well
    shape(w1, (h,), "h")

    def network(pairs):
        return (pairs @ W0.T + b0).clamp(min=0) @ w1 + b1  # (200,)

    pairs = 3 * torch.randn(200, 2, generator=torch.Generator().manual_seed(0))  # (200, 2)
    out, (u, v) = network(pairs), pairs.T
    truth = torch.maximum(u, v)
    if same(out, truth, atol=1e-4):
        if same(network(1e4 * pairs), 1e4 * truth, atol=1):
            return
        raise Wrong(
            "Right for small numbers only: a bias carries them past ReLU's bend, until one is large and negative. "
            "Use two units for a number that must pass."
        )
    one_of_wrong(
        out,
        [
            (
                torch.minimum(u, v),
                "That is the smaller one: mind the sign of the unit that holds the difference.",
            ),
            ((u - v).abs(), "That is the distance |u - v|. The larger one is v plus ReLU(u - v)."),
            ((u - v).clamp(min=0), "That is how much u has more than v. Now add v."),
            (2 * truth, "Twice too large: u + v + |u - v| is two times the maximum."),
            (u + v, "That is the sum; something must ask which one is larger."),
            ((u + v) / 2, "That is the mean. The larger one lies half of |u - v| above it."),
            ((u - v).abs() / 2, "That is how far the larger one lies above the mean. Now add the mean."),
            (u.clamp(min=0) + v.clamp(min=0), "Each unit sees one number only: no unit compares u with v."),
        ],
        atol=1e-4,
    )
    positive = (u > 0) & (v > 0)
    if same(out[positive], truth[positive], atol=1e-4):
        raise Wrong(
            "Right while u and v are positive. A negative number does not pass one ReLU: use two units for it."
        )
    raise Wrong(f"Not yet: for u = {u[0]:.2f}, v = {v[0]:.2f} your network says {out[0]:.2f}.")


@exercise(
    "mlp-4",
    "The last thing in `forward` is a linear layer, and then the choice of its only column.",
    "Order: hidden layer, activation, dropout, last layer. Nothing comes after the last layer.",
    "`nn.Dropout(0.5)` is a module: it knows whether the model is training.",
    todo="Complete the class `Head`: two layers in `__init__`, logits of shape (B,) from `forward`.",
    solved="It passes all the tests of the lesson.",
)
def mlp_4(answer):
    if not isinstance(answer, type) and isinstance(answer, nn.Module):
        raise Wrong("Give the class itself, without brackets: the check builds it with n_in = 6.")
    head = call(answer, 6)
    if not isinstance(head, nn.Module):
        raise Wrong("`Head(n_in)` must give a module: write `class Head(nn.Module)`.")
    call(head, torch.randn(5, 6))  # an untouched stub ends here
    last, hidden = _head_layers(head)
    if any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in head.modules()):
        raise Wrong("A batch normalisation is in there. Asked are a hidden layer, an activation and dropout.")
    with torch.no_grad():
        for layer in (hidden, last):
            layer.weight.normal_()
            layer.bias is None or layer.bias.normal_()
        _answers_of(head.eval())
        last.weight *= 1e4
        loud = call(head, 5 * torch.randn(300, 6))
        if loud.min() >= 0 and loud.max() <= 1:
            raise Wrong(
                "Your output stays between 0 and 1: a probability. Return the logit, without a sigmoid."
            )
        if loud.abs().max() <= 1:
            raise Wrong("Your output stays between -1 and 1: there is a tanh after the last layer.")
        if loud.min() >= 0:
            raise Wrong("Your output is never negative: an activation stands after the last layer.")
        last.weight /= 1e4
        _dropout_of(head, last, hidden)


def _head_layers(head: nn.Module) -> tuple[nn.Linear, nn.Linear]:
    linear = [m for m in head.modules() if isinstance(m, nn.Linear)]
    last = [layer for layer in linear if layer.out_features == 1]
    hidden = [layer for layer in linear if (layer.in_features, layer.out_features) == (6, 16)]
    if not linear:
        raise Wrong("There is no nn.Linear in your module: make the layers in `__init__`.")
    if len(last) != 1:
        raise Wrong("One layer, the last, has a single output: the logit.")
    if len(hidden) != 1 or len(linear) != 2:
        raise Wrong("Two linear layers are asked for: from n_in to 16, and from 16 to 1.")
    return last[0], hidden[0]


def _answers_of(head: nn.Module) -> None:
    """Shapes, a batch of one, `eval()`, and an activation that bends."""
    x = torch.randn(5, 6)
    if tuple(call(head, x).shape) == (5, 1):
        raise Wrong("You return (B, 1). Choose the only column: `[:, 0]`.")
    shape(call(head, x), (5,), "B")
    if tuple(call(head, x[:1]).shape) != (1,):
        raise Wrong("A batch of one loses its axis: `squeeze()` takes every axis of size 1. Use `[:, 0]`.")
    if not torch.equal(call(head, x), call(head, x)):
        raise Wrong("After `eval()` two calls differ: something is dropped without asking `self.training`.")
    a, b = 3 * torch.randn(2, 50, 6)
    if torch.allclose(call(head, (a + b) / 2), (call(head, a) + call(head, b)) / 2, atol=1e-3):
        raise Wrong("Your head is linear: without an activation between them, two layers are one.")


def _dropout_of(head: nn.Module, last: nn.Linear, hidden: nn.Linear) -> None:
    """While training, hidden values are dropped: about half of them, no inputs and no answers."""
    seen, entered = [], []
    hooks = [
        layer.register_forward_pre_hook(lambda module, given, into=into: into.append(given[0].clone()))
        for layer, into in ((last, seen), (hidden, entered))
    ]
    x = torch.randn(1, 6).expand(2000, 6)  # one example, many masks
    quiet = call(head.eval(), x[:1])
    out = call(head.train(), x)
    for hook in hooks:
        hook.remove()
    if len(entered) == 2 and not torch.equal(entered[1], x):
        raise Wrong(
            "Inputs are dropped: dropout stands before the hidden layer. Move it behind the activation."
        )
    if len(seen) != 2:
        raise Wrong("Call your last layer once in `forward`, as a module: `self.last(h)`.")
    kept, full = seen[1], seen[0]  # (2000, 16), (1, 16) what reached the last layer
    untouched = torch.equal(kept, full.expand_as(kept))
    if (out == 0).float().mean() > 0.2 or (untouched and len(out.unique()) > 1):
        raise Wrong(
            "Answers are dropped: dropout stands after the last layer. It belongs on the hidden values."
        )
    if torch.allclose(out, quiet.expand_as(out), atol=1e-5):
        raise Wrong("Nothing is dropped while training: half of the hidden values are to be.")
    alive = full[0].abs() > 1e-6  # (16,) ReLU has switched the others off already
    share = (kept[:, alive].abs() < 1e-6).float().mean()
    if abs(share - 0.5) > 0.05:
        raise Wrong(f"{share:.0%} of the hidden values are dropped; half of them are asked for.")


@exercise(
    "mlp-5",
    "Write all logits at once: (users, out) times (out, films), plus the constant b in every cell.",
    "What is the rank of a table in which all numbers are equal? And of a sum of two tables, at most?",
    todo="Replace the `...` by the highest rank, a whole number.",
    solved="Three from the towers, one from the bias. Layers do not help: the towers meet in a dot product.",
)
def mlp_5(answer):
    one_of_wrong(
        answer,
        [
            (3, "Nearly: the constant b adds a table of equal numbers, and that has a rank too."),
            (16, "16 is the length of the embeddings. What matters is what the towers put out."),
            (32, "32 is the width of the hidden layer; after it come three outputs."),
            (33, "32 is the width of the hidden layer; after it come three outputs."),
            (17, "16 is the length of the embeddings. What matters is what the towers put out."),
            (
                200,
                "A table of 200 columns could have rank 200, but this one is a product of two thin tables.",
            ),
            (1, "The bias alone has rank 1. The towers put out three numbers each."),
            (
                1000,
                "As many users as there are do not help: (1000, 3) times (3, 200) has no more rank than its middle.",
            ),
            (
                6,
                "The towers' outputs are multiplied, not put side by side: 3 and 3 make rank 3. Then comes b.",
            ),
            (5, "One for b, and then? Count the outputs of a tower."),
        ],
    )
    close(answer, 4)


quiz(
    "mlp",
    [
        question(
            "Three linear layers without activations: 16 to 64, 64 to 2, 2 to 16. What can they do?",
            (
                "less than one layer from 16 to 16",
                True,
                "Yes: they are one matrix, and since all passes through two numbers, its rank is at most 2.",
            ),
            ("as much as one layer from 16 to 16", False, "The narrow middle costs rank: 2 instead of 16."),
            ("more: there are more weights", False, "More weights, but their product is one 16 × 16 matrix."),
        ),
        question(
            "The towers of a two-tower model are made deeper and wider; `out` stays 8. What does not change?",
            (
                "the rank of its table of scores, beyond 8 and the bias",
                True,
                "Yes: the sides meet in a dot product of 8 numbers, whatever came before.",
            ),
            ("what a tower can compute from a vector", False, "That does grow with depth and width."),
            ("its AUC", False, "It may go either way: a better tower may find better vectors."),
        ),
        question(
            "p = 0.2, and a hidden value is 3. What may dropout make of it while training?",
            (
                "0 or 3",
                False,
                "Then the average would be 2.4, and prediction would meet larger sums than training.",
            ),
            ("0 or 3.75", True, "Yes: 3 / 0.8, four times out of five. The average is 3."),
            ("0 or 15", False, "You divided by p; the share that is kept is 0.8."),
            ("2.4", False, "Dropout draws; it does not shrink everything by a fixed factor."),
        ),
        question(
            "A model's log loss never falls below 0.313, its AUC is fine. Where do you look first?",
            (
                "at the last layer: a tanh before the sigmoid",
                True,
                "Yes. Then p ≤ 0.731, and −ln 0.731 = 0.313. The order of the scores is untouched.",
            ),
            ("at the learning rate", False, "That could end anywhere, not at ln(1 + 1/e)."),
            ("at the embeddings", False, "Embeddings do not bound the loss at a number that depends on e."),
        ),
        question(
            "Concatenation beats two towers on one data set: the interval of the difference is 0.001 to 0.009. "
            "What have you shown?",
            (
                "concatenation is better",
                False,
                "On these data, with this budget. Another data set may say otherwise.",
            ),
            (
                "it is better on these data, with this budget",
                True,
                "Yes. And for retrieval you may want the two towers all the same.",
            ),
            ("nothing, the difference is small", False, "It is small, but the interval leaves out zero."),
        ),
    ],
)


# Features ----------------------------------------------------------------------------------------------


def _ages(generator):
    edges = sorted(set(torch.randint(10, 80, (5,), generator=generator).tolist()))
    age = int(torch.randint(5, 90, (1,), generator=generator))
    return age, edges


@exercise(
    "feat-1",
    "The bucket of an age is the number of edges that it has reached.",
    "Real values start at id 2. What is the id of a value that nobody knows?",
    "`1 if age is None else 2 + sum(age >= edge for edge in edges)`",
    todo="Complete `age_id(age, edges)`: it returns an id, a whole number.",
    solved="Missing is 1, the lowest bucket 2, and an edge belongs to the bucket that it opens.",
)
def feat_1(answer):
    def bucket(age, edges):
        return sum(age >= edge for edge in edges)

    edges = [18, 25, 35, 45, 50, 56]
    drawn = [_ages(torch.Generator().manual_seed(seed)) for seed in range(5)]
    function(
        lambda age, edges: int(call(answer, age, edges)),
        [*((age, edges) for age in (3, 17, 18, 24, 25, 55, 56, 90)), *drawn],
        lambda age, edges: 2 + bucket(age, edges),
        wrong=[
            (bucket, "Ids 0 and 1 are taken: padding and unknown. The lowest bucket has id 2."),
            (lambda a, e: 1 + bucket(a, e), "Id 1 is 'unknown'. The lowest bucket has id 2."),
            (
                lambda a, e: 2 + sum(a > edge for edge in e),
                "An age that equals an edge belongs to the bucket which the edge opens: 18 is not under 18.",
            ),
            (lambda a, e: 3 + bucket(a, e), "One too many: below the first edge the id is 2."),
            (
                lambda a, e: 2 + min(bucket(a, e), len(e) - 1),
                "There is one bucket more than edges: from the last edge on a new one begins.",
            ),
            (
                lambda a, e: 2 + len(e) - bucket(a, e),
                "You count the edges that lie above the age. Count those that it has reached.",
            ),
        ],
    )
    if int(call(answer, 0, edges)) != 2:
        raise Wrong(
            "Age 0 is an age, in the lowest bucket. Ask `age is None`: `not age` holds for 0 as well."
        )
    unknown = call(answer, None, edges)
    if int(unknown) == 0:
        raise Wrong("A missing age is unknown, id 1. Id 0 is padding: a place without any value.")
    if int(unknown) != 1:
        raise Wrong("A missing age (`None`) has id 1, unknown; it is in no bucket.")


@exercise(
    "feat-2",
    "The offset of a field is how many rows the fields before it take.",
    "The offsets are 0, 9, 9 + 4, 9 + 4 + 23. Add the ids.",
    todo="Replace the `...` by the four rows, such as [1, 2, 3, 4].",
    solved="Each field has its rows, and padding and unknown of every field are among them.",
)
def feat_2(answer):
    sizes, ids = (9, 4, 23, 11), (3, 2, 10, 4)
    starts = [sum(sizes[:f]) for f in range(4)]
    one_of_wrong(
        answer,
        [
            (ids, "These are the ids themselves. Without offsets all four fields read the same few rows."),
            (starts, "These are the offsets. Add the ids: the fourth field reads row 36 + 4."),
            (
                [i + sum(sizes[: f + 1]) for f, i in enumerate(ids)],
                "You shifted each field by its own size too. The first field starts at row 0.",
            ),
            (
                [i + sum(s - 2 for s in sizes[:f]) for f, i in enumerate(ids)],
                "The sizes count padding and unknown already, and those rows are in the table: take nothing off.",
            ),
            (
                [i + s - 2 for i, s in zip(ids, starts, strict=True)],
                "Ids start at 0 with padding: id 3 of the first field is row 3.",
            ),
            (
                [i + s - 1 for i, s in zip(ids, starts, strict=True)],
                "Rows are counted from 0, as ids are: id 3 of the first field is row 3.",
            ),
            (
                [i + sizes[max(f - 1, 0)] * (f > 0) for f, i in enumerate(ids)],
                "An offset is the size of all fields before, not only of the one before.",
            ),
            (
                [i + s for i, s in zip(ids, sizes, strict=True)],
                "You added each field's own size. Its rows begin where the fields BEFORE it end.",
            ),
            (
                [i + sum(sizes[f + 1 :]) for f, i in enumerate(ids)],
                "You stacked the tables in reverse order: the first field's rows come first.",
            ),
        ],
    )
    close(answer, [i + s for i, s in zip(ids, starts, strict=True)])


def _fields(generator):
    """Three fields of widths 1, 3 and 2; the third is empty in the first row; padding stands anywhere."""
    widths, sizes = [1, 3, 2], [4, 6, 5]
    tables = [torch.randn(size, 2, generator=generator) for size in sizes]
    ids = torch.cat(
        [torch.randint(1, s, (4, w), generator=generator) for s, w in zip(sizes, widths, strict=True)], 1
    )
    ids[0, 4:], ids[1, 1], ids[2, 3], ids[3, 1:3] = 0, 0, 0, 0
    return tables, ids, widths


def _mean_of_fields(divide):
    def means(tables, ids, widths):
        rows, start = [], 0
        for table, width in zip(tables, widths, strict=True):
            block = ids[:, start : start + width].tolist()
            rows.append(torch.stack([divide(table, row) for row in block]))
            start += width
        return torch.stack(rows, 1)

    return means


def _real_mean(table, row):
    real = [table[i] for i in row if i > 0]
    return sum(real) / len(real) if real else torch.zeros(table.shape[1])


@exercise(
    "feat-3",
    "Cut `ids` into one block of columns per field: `ids.split(widths, dim=1)`.",
    "Multiply the vectors of a block (B, n, d) by the mask (B, n, 1), sum over n, divide by the number of real ids.",
    "`real.sum(1).clamp(min=1)` divides an empty field by 1; `torch.stack(vectors, dim=1)` puts the fields together.",
    todo="Complete `field_means(tables, ids, widths)`: it returns a tensor (B, F, d).",
    solved="Padding may now stand anywhere and hold anything: it does not count.",
)
def feat_3(answer):
    def zero_row(table):
        return torch.cat([torch.zeros(1, table.shape[1]), table[1:]])

    def over_width(table, row):
        return sum(zero_row(table)[i] for i in row) / len(row)

    def padding_read(table, row):
        return sum(table[i] for i in row) / max(sum(i > 0 for i in row), 1)

    def known_only(table, row):
        return _real_mean(table, [i if i > 1 else 0 for i in row])

    def leading(table, row):
        n = max(sum(i > 0 for i in row), 1)
        return sum(table[i] for i in row[:n]) / n

    slips = [
        (lambda table, row: sum(table[i] for i in row) / len(row), "Padding (id 0) is averaged in: mask it."),
        (over_width, "You divide by the width of the field; divide by the number of real values, x = 1/n."),
        (padding_read, "The division is right, but the vector of row 0 is still in the sum: mask it."),
        (
            lambda table, row: sum(zero_row(table)[i] for i in row),
            "That is the sum. Divide by n, the real values.",
        ),
        (lambda table, row: table[row[0]], "You look at the first column of each field only."),
        (known_only, "Id 1, unknown, is a value and has a vector. Only id 0 is padding."),
        (
            leading,
            "You count the real values, then take that many from the left. Padding may stand anywhere.",
        ),
        (
            lambda table, row: sum(zero_row(table)[i] for i in row) / (sum(i > 0 for i in row) + 1),
            "You divide by one too many. Only an empty field needs help: clamp the divisor at 1.",
        ),
    ]
    inputs = [_fields(torch.Generator().manual_seed(seed)) for seed in range(4)]

    def checked(tables, ids, widths):
        out = call(answer, tables, ids, widths)
        if isinstance(out, torch.Tensor) and tuple(out.shape) == (4, 6):
            raise Wrong("These are the flattened vectors. Return (B, F, d): stack along dim=1.")
        shape(out, (4, 3, 2), "B, F, d")
        if bool(torch.isnan(torch.as_tensor(out)).any()):
            raise Wrong("NaN: a field without any value divides by 0. Its vector is zero: clamp the divisor.")
        return out

    function(checked, inputs, _mean_of_fields(_real_mean), [(_mean_of_fields(f), text) for f, text in slips])


@exercise(
    "feat-4",
    "With equal features the model says the same p about both. Which p is best, if 6 of their 10 rows are ones?",
    "The best constant p for labels that are 1 in a share p has log loss −p ln p − (1 − p) ln(1 − p).",
    "Blind: H(0.6). With ids: (H(0.9) + H(0.3)) / 2.",
    todo="Replace the `...` by the difference of the two log losses, a number.",
    solved="It is also the information (in nats) that knowing the person gives about the label.",
)
def feat_4(answer):
    def h(p):
        return -p * math.log(p) - (1 - p) * math.log(1 - p)

    blind, ids = h(0.6), (h(0.9) + h(0.3)) / 2
    one_of_wrong(
        answer,
        [
            (blind, "That is the log loss of features only. Subtract what a model that knows both reaches."),
            (ids, "That is the log loss of a model that knows who is who. The difference is asked for."),
            (ids - blind, "The other way round: how much lower is the loss of the model with ids?"),
            ((blind - ids) / math.log(2), "That is in bits. Use the natural logarithm."),
            (
                math.log(2) - ids,
                "Features can do better than one half: 6 in 10 of these rows are likes, so say 0.6.",
            ),
            (
                blind - h(0.9) - h(0.3),
                "The log loss is a mean over all rows: half of them are Ann's, half Cho's.",
            ),
            (0.09, "That is the difference in mean squared error. The log loss is asked for."),
            (
                -0.6 * math.log(0.6) + (0.9 * math.log(0.9) + 0.3 * math.log(0.3)) / 2,
                "Only the likes are in there. The other rows cost too: -(1 - p) ln(1 - p).",
            ),
        ],
    )
    close(answer, blind - ids)


def _columns(generator):
    train = torch.randint(0, 9, (12, 3), generator=generator)
    return train, torch.randint(0, 14, (10, 3), generator=generator)


def _unseen(keep=lambda i: i >= 2, seen=lambda train, c: train[:, c], weight=None):
    def shares(train, test):
        answer = []
        for c in range(test.shape[1]):
            known = set(seen(train, c).flatten().tolist())
            column = test[:, c].tolist()
            values = column if weight is None else weight(column)
            cold = [i for i in values if keep(i) and i not in known]
            answer.append(len(cold) / max(len(values), 1))
        return torch.tensor(answer)

    return shares


@exercise(
    "feat-5",
    "`torch.isin(test[:, c], train[:, c])` says for each test row whether training has seen its value.",
    "A row counts if its id is at least 2 and not seen; padding and unknown are no new values.",
    "Take the mean of `(test >= 2) & ~torch.isin(test, train)` over the rows, column by column.",
    todo="Complete `unseen(train_ids, test_ids)`: it returns one share per column.",
    solved="Now look which columns are cold: the ids of new people are new, but are the values in their forms?",
)
def feat_5(answer):
    def shares(train, test):
        out = call(answer, train, test)
        if isinstance(out, dict):
            out = list(out.values())
        if getattr(out, "ndim", 1) == 2:
            raise Wrong(
                "That is a number for each row and column. Take the mean over the rows: one share a column."
            )
        if getattr(out, "ndim", 1) == 0:
            raise Wrong(
                "One number for all columns. Some may be cold and others not: return one share for each."
            )
        return torch.as_tensor([float(v) for v in out])

    function(
        shares,
        _columns,
        _unseen(),
        wrong=[
            (
                _unseen(lambda i: True),
                "Ids 0 and 1 are no new values: count a row only if its id is 2 or more.",
            ),
            (_unseen(lambda i: i > 0), "Id 1 is unknown, which is no new value: count ids of 2 or more."),
            (
                _unseen(seen=lambda train, c: train),
                "Compare column with column: id 5 of one field has nothing to do with id 5 of another.",
            ),
            (
                lambda train, test: _unseen()(test, train),
                "The other way round: values of the test which training has not seen.",
            ),
            (
                _unseen(weight=lambda column: sorted(set(column))),
                "You count different values; a value that stands in many test rows counts once for each row.",
            ),
            (
                _unseen(weight=lambda column: [i for i in column if i >= 2]),
                "Yours is a share of the rows with a real id. Asked is that of all test rows.",
            ),
            (
                lambda train, test: (test > train.amax(0)).double().mean(0),
                "You ask which ids are larger than any in training. There may be gaps below: look each one up.",
            ),
            (
                lambda train, test: 1 - _unseen()(train, test),
                "That is the share of rows that training knows.",
            ),
            (
                lambda train, test: _unseen()(train, test) * len(test),
                "These are numbers of rows; divide by how many test rows there are.",
            ),
        ],
    )


quiz(
    "features",
    [
        question(
            "A newcomer has filled in a form and stands in front of films with many ratings. Which fields should the "
            "model that serves them have?",
            (
                "their features and the features of the films",
                False,
                "The films are old: do not throw away what their ids have learned.",
            ),
            (
                "their features and the film ids (with the films' features, if you like)",
                True,
                "Yes: only the id of the side that is cold has nothing to say.",
            ),
            (
                "user ids and film ids",
                False,
                "No training has touched the newcomer's vector: it is a random start.",
            ),
        ),
        question(
            "One joint table holds an age field of 9 ids and an occupation field of 23, in this order. What must hold?",
            (
                "occupation id i reads row 9 + i",
                True,
                "Yes. The ranges are disjoint, so no row means two things.",
            ),
            ("occupation id i reads row i", False, "Then row 2 is an age and an occupation at once."),
            ("both fields have equally many ids", False, "Sizes may differ; ranges may not overlap."),
            ("the table has 23 rows", False, "It has 9 + 23: one row per value of every field."),
        ),
        question(
            "A film has 2 genres in a field of width 6. What is the genre vector?",
            (
                "the sum of six rows divided by 6",
                False,
                "Then the vector shrinks with the longest list in the data.",
            ),
            ("the sum of two rows divided by 2", True, "Yes, x = 1/n with n the number of real values."),
            ("the first genre's row", False, "Both count alike; their order says nothing."),
        ),
        question(
            "In another service, a model with ids gains nothing from year and genres on warm rows. A likely reason?",
            (
                "Year and genres have nothing to do with taste",
                False,
                "On new films the same features may help.",
            ),
            (
                "They are functions of the film's id, whose vector had enough ratings to learn them",
                True,
                "Yes. Features lend to films without ratings what their kind has taught.",
            ),
            (
                "Features need a larger learning rate",
                False,
                "The step size decides how fast, not what can be gained.",
            ),
        ),
    ],
)
