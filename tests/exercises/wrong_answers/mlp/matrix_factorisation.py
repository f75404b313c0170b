"""Planted wrong answers of matrix factorisation: each must get its own hint."""

import torch
from torch.linalg import solve, svdvals

V, R = torch.tensor([[1.0, 0.0], [-1.0, 2.0]]), torch.tensor([1.0, -2.0])


def row_by_row(charge, films=lambda V, r, mask: (V[mask], r[mask])):
    """A learner's loop over users, with a mistake in the charge or in the choice of films."""

    def half_step(R, seen, V, lam):
        U = torch.zeros(len(R), V.shape[1])
        for u in range(len(R)):
            if seen[u].any():
                X, r = films(V, R[u], seen[u])
                U[u] = solve(X.T @ X + charge(seen[u].sum(), lam) * torch.eye(V.shape[1]), X.T @ r)
        return U

    return half_step


def not_skipped(R, seen, V, lam):
    return torch.stack(
        [
            solve(V[m].T @ V[m] + lam * m.sum() * torch.eye(V.shape[1]), V[m].T @ r[m])
            for r, m in zip(R, seen, strict=True)
        ]
    )


def in_place(u, v, r, lr, lam):
    u += 2 * lr * ((r - u @ v) * v - lam * u)
    v += 2 * lr * ((r - u @ v) * u - lam * v)
    return u, v


def old_error(u, v, r, lr, lam):
    e = r - (u * v).sum()
    u = u - lr * (-2 * e * v + 2 * lam * u)
    return u, v - lr * (-2 * e * u + 2 * lam * v)


def uphill(u, v, r, lr, lam):
    e = r - u @ v
    return u + lr * (-2 * e * v + 2 * lam * u), v + lr * (-2 * e * u + 2 * lam * v)


def no_two(u, v, r, lr, lam):
    e = r - u @ v
    return u + lr * (e * v - lam * u), v + lr * (e * u - lam * v)


def no_charge(u, v, r, lr, lam):
    e = r - u @ v
    return u + lr * 2 * e * v, v + lr * 2 * e * u


def steps_alone(u, v, r, lr, lam):
    e = r - u @ v
    return 2 * lr * (e * v - lam * u), 2 * lr * (e * u - lam * v)


def error_turned(u, v, r, lr, lam):
    e = u @ v - r
    return u + 2 * lr * (e * v - lam * u), v + 2 * lr * (e * u - lam * v)


def ridge_everywhere(R, seen, V, lam):
    U = torch.zeros(len(R), V.shape[1])
    for u, m in enumerate(seen):
        if m.any():
            U[u] = solve(V[m].T @ V[m] + lam * m.sum(), V[m].T @ R[u][m])
    return U


def own_error_per_number(u, v, r, lr, lam):
    e = r - u * v
    return u + 2 * lr * (e * v - lam * u), v + 2 * lr * (e * u - lam * v)


def charge_without_rate(u, v, r, lr, lam):
    e = r - u @ v
    return u + 2 * lr * e * v - 2 * lam * u, v + 2 * lr * e * u - 2 * lam * v


WRONG = [
    ("mf-1", "no ridge", solve(V.T @ V, V.T @ R), "plain least squares"),
    ("mf-1", "not solved", V.T @ R, "right-hand side"),
    ("mf-1", "divided by the diagonal", (V.T @ R) / (V.T @ V + torch.eye(2)).diagonal(), "diagonal only"),
    ("mf-1", "ridge on every entry", solve(V.T @ V + 1, V.T @ R), "only to the diagonal"),
    ("mf-1", "multiplied", (V.T @ V + torch.eye(2)) @ V.T @ R, "its inverse"),
    ("mf-1", "a column", torch.tensor([[7 / 11], [-6 / 11]]), "shape (2, 1)"),
    ("mf-2", "dot product alone", lambda f, u, i: f.user[u] @ f.item[i], "alone"),
    (
        "mf-2",
        "no mean",
        lambda f, u, i: f.user_bias[u] + f.item_bias[i] + f.user[u] @ f.item[i],
        "The mean μ is missing",
    ),
    ("mf-2", "no biases", lambda f, u, i: f.mean + f.user[u] @ f.item[i], "biases of the user"),
    (
        "mf-2",
        "not summed",
        lambda f, u, i: f.mean + f.user_bias[u] + f.item_bias[i] + f.user[u] * f.item[i],
        "one number",
    ),
    (
        "mf-2",
        "no film bias",
        lambda f, u, i: f.mean + f.user_bias[u] + f.user[u] @ f.item[i],
        "film has a bias",
    ),
    ("mf-3", "one price for all", row_by_row(lambda n, lam: lam), "the same λ"),
    ("mf-3", "a 2 too many", row_by_row(lambda n, lam: 2 * lam * n), "counts twice"),
    ("mf-3", "divided", row_by_row(lambda n, lam: lam / n), "divided"),
    ("mf-3", "no ridge", row_by_row(lambda n, lam: 0.0), "no part"),
    (
        "mf-3",
        "empty cells as zeros",
        row_by_row(lambda n, lam: lam * n, lambda V, r, m: (V, r)),
        "empty cells",
    ),
    ("mf-3", "nobody skipped", not_skipped, "matrix of zeros"),
    ("mf-3", "turned", lambda *a: row_by_row(lambda n, lam: lam * n)(*a).T, "shape (3, 4)"),
    ("mf-4", "in place", in_place, "with the new u"),
    ("mf-4", "old error, new u", old_error, "The error is the old one"),
    ("mf-4", "uphill", uphill, "uphill"),
    ("mf-4", "no factor 2", no_two, "factor 2"),
    ("mf-4", "no charge", no_charge, "λ is missing"),
    ("mf-5", "squared", lambda R: torch.linalg.eigvalsh(R @ R.T).max(), "Squared"),
    ("mf-5", "half", lambda R: svdvals(R)[0] / 2, "Half"),
    ("mf-5", "Frobenius norm", lambda R: R.norm(), "all entries"),
    ("mf-5", "largest entry", lambda R: R.abs().max(), "largest entry"),
    ("mf-5", "all of them", lambda R: svdvals(R), "all singular values"),
    ("mf-5", "smallest", lambda R: svdvals(R).min(), "smallest"),
    ("mf-1", "signs off", solve(V.T @ V + torch.eye(2), V.T @ R.abs()), "signs off"),
    ("mf-1", "r on the right", solve(V.T @ V + torch.eye(2), R), "left Vᵀ out"),
    (
        "mf-2",
        "cut to stars",
        lambda f, u, i: (f.mean + f.user_bias[u] + f.item_bias[i] + f.user[u] @ f.item[i]).clamp(1, 5),
        "cut to 1 to 5",
    ),
    (
        "mf-2",
        "mean taken away",
        lambda f, u, i: f.user_bias[u] + f.item_bias[i] + f.user[u] @ f.item[i] - f.mean,
        "added back",
    ),
    ("mf-3", "added", row_by_row(lambda n, lam: lam + n), "not added"),
    ("mf-3", "squared", row_by_row(lambda n, lam: lam * n**2), "counts once"),
    ("mf-4", "steps alone", steps_alone, "steps alone"),
    ("mf-4", "error turned", error_turned, "wrong way: the derivative"),
    ("mf-5", "second", lambda R: svdvals(R)[1], "second largest"),
    ("mf-5", "longest row", lambda R: R.norm(dim=1).max(), "longest row"),
    ("mf-1", "no determinant", torch.tensor([7.0, -6.0]), "determinant, which is 11"),
    ("mf-1", "films by films", solve(V @ V.T + torch.eye(2), V @ R), "films by films"),
    (
        "mf-2",
        "a probability",
        lambda f, u, i: (f.mean + f.user_bias[u] + f.item_bias[i] + f.user[u] @ f.item[i]).sigmoid(),
        "A sigmoid would",
    ),
    (
        "mf-2",
        "whole stars",
        lambda f, u, i: (f.mean + f.user_bias[u] + f.item_bias[i] + f.user[u] @ f.item[i]).round(),
        "rounded to whole stars",
    ),
    ("mf-3", "ridge on every entry", ridge_everywhere, "added to every number"),
    (
        "mf-3",
        "all ratings",
        lambda R, seen, V, lam: row_by_row(lambda n, lam: lam * seen.sum())(R, seen, V, lam),
        "all ratings in the table",
    ),
    (
        "mf-4",
        "gradients",
        lambda u, v, r, lr, lam: (2 * lam * u - 2 * (r - u @ v) * v, 2 * lam * v - 2 * (r - u @ v) * u),
        "These are the gradients",
    ),
    ("mf-4", "an error per number", own_error_per_number, "Your error has d numbers"),
    (
        "mf-2",
        "biases exchanged",
        lambda f, u, i: f.mean + f.user_bias[i] + f.item_bias[u] + f.user[u] @ f.item[i],
        "two biases are exchanged",
    ),
    (
        "mf-3",
        "0 is empty",
        lambda R, seen, V, lam: row_by_row(lambda n, lam: lam * n)(R, R != 0, V, lam),
        "rating of 0 for an empty cell",
    ),
    ("mf-4", "charge without rate", charge_without_rate, "misses the step size"),
]

WRONG += [
    (
        "mf-4",
        "only u",
        lambda u, v, r, lr, lam: (u + 2 * lr * ((r - u @ v) * v - lam * u), v),
        "Only u has moved",
    ),
]
