"""Alternating least squares: matrix factorisation with neither gradient nor learning rate."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from recbyhand.arguments import number, whole


class Factors(NamedTuple):
    """What `als` finds. `user_bias` and `item_bias` are None, and `mean` is 0, without biases."""

    user: Tensor  # (n_users, d)
    item: Tensor  # (n_items, d)
    user_bias: Tensor | None  # (n_users,)
    item_bias: Tensor | None  # (n_items,)
    mean: float
    objective: list[float]  # at the start, then after every half sweep: users, items, users, ...


def als(
    user: Tensor,
    item: Tensor,
    value: Tensor,
    *,
    shape: tuple[int, int] | None = None,
    dim: int = 16,
    reg: float = 10.0,  # above 0, or a user of fewer than `dim` values would have no unique solution
    sweeps: int = 10,
    biases: bool = True,
    seed: int = 0,
) -> Factors:
    r"""Factorise the N observed values of a (n_users, n_items) table by alternating ridge regressions.

    $$\min_{U,V,b}\ \sum_{(u,i)} (r_{ui} - \mu - b_u - b_i - \mathbf u_u \cdot \mathbf v_i)^2
      + \lambda \Bigl(\sum_u (\|\mathbf u_u\|^2 + b_u^2) + \sum_i (\|\mathbf v_i\|^2 + b_i^2)\Bigr)$$

    With the items fixed, each user's best vector is that of a ridge regression on the items they rated,
    $\mathbf u_u = (X_u^\top X_u + \lambda I)^{-1} X_u^\top r_u$, and the other way round: no half sweep can
    raise the objective. A bias is one more coordinate, whose partner is the constant 1. mu is the mean value.
    `user` and `item` are ids (N,), `value` (N,) ratings or labels, `shape` the sizes (users, items).

    Source: Zhou, Wilkinson, Schreiber and Pan 2008, doi:10.1007/978-3-540-68880-8_32 (there lambda is
    multiplied by the number of ratings); Koren, Bell and Volinsky 2009, doi:10.1109/MC.2009.263.
    """
    dim, sweeps, reg = whole("dim", dim), whole("sweeps", sweeps, least=0), number("reg", reg, above=0)
    n_users, n_items = shape or (int(user.max()) + 1, int(item.max()) + 1)
    mean = float(value.double().mean()) if biases else 0.0
    y = value.double() - mean  # (N,)
    U, b = y.new_zeros(n_users, dim), y.new_zeros(n_users)  # (n_users, d), (n_users,)
    c = y.new_zeros(n_items)  # (n_items,)
    V = 0.1 * torch.randn(n_items, dim, generator=torch.Generator().manual_seed(seed)).to(y)  # (n_items, d)

    def objective() -> float:
        error = y - b[user] - c[item] - (U[user] * V[item]).sum(1)  # (N,)
        return float(error @ error + reg * sum((x * x).sum() for x in (U, V, b, c)))

    log = [objective()]
    for _ in range(sweeps):
        U, b = ridge(user, V[item], y - c[item], n_users, reg, biases)
        log.append(objective())
        V, c = ridge(item, U[user], y - b[user], n_items, reg, biases)
        log.append(objective())
    return Factors(U, V, b if biases else None, c if biases else None, mean, log)


def ridge(row: Tensor, x: Tensor, y: Tensor, n_rows: int, reg: float, bias: bool, chunk: int = 1 << 15):
    """One ridge regression per row, all at once: of the y (N,) of a row on its x (N, d)."""
    if bias:
        x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)  # (N, d+1)
    d = x.shape[1]
    A = (reg * torch.eye(d, dtype=x.dtype, device=x.device)).repeat(n_rows, 1, 1)  # (n_rows, d, d)
    for r, z in zip(row.split(chunk), x.split(chunk), strict=True):  # a chunk bounds the memory
        A.index_add_(0, r, z[:, :, None] * z[:, None, :])  # (n, d, d) -> X'X + reg I of each row
    Xy = x.new_zeros(n_rows, d).index_add_(0, row, y[:, None] * x)  # (n_rows, d)
    w = torch.linalg.solve(A, Xy[:, :, None])[:, :, 0]  # (n_rows, d)
    return (w[:, :-1], w[:, -1]) if bias else (w, torch.zeros_like(w[:, 0]))  # (n_rows, d), (n_rows,)


def implicit_als(
    user: Tensor,
    item: Tensor,
    count: Tensor | None = None,
    *,
    shape: tuple[int, int] | None = None,
    dim: int = 16,
    alpha: float = 40.0,
    reg: float = 10.0,
    sweeps: int = 10,
    seed: int = 0,
) -> Factors:
    r"""Factorise positives: purchases, views, plays. What is not there is a 0 of little weight, not missing.

    $$\min_{U,V}\ \sum_{u,i} c_{ui} (p_{ui} - \mathbf u_u \cdot \mathbf v_i)^2
      + \lambda \Bigl(\sum_u \|\mathbf u_u\|^2 + \sum_i \|\mathbf v_i\|^2\Bigr),
      \qquad p_{ui} = [n_{ui} > 0],\quad c_{ui} = 1 + \alpha\, n_{ui}$$

    over all pairs, yet in time and memory of the pairs that are there: the sum over all items is one d x d
    matrix for all users, $V^\top V$, and a user adds $\sum_i \alpha n_{ui} \mathbf v_i \mathbf v_i^\top$ for
    the items they met. `count` (N,) says how often, 1 without it; equal pairs are added up. A user or item
    without any positive gets the zero vector, and every score of theirs is 0: recommend what is popular then.

    Source: Hu, Koren and Volinsky 2008, Collaborative filtering for implicit feedback datasets,
    doi:10.1109/ICDM.2008.22.
    """
    dim, sweeps = whole("dim", dim), whole("sweeps", sweeps, least=0)
    reg, alpha = number("reg", reg, above=0), number("alpha", alpha, above=0)
    n_users, n_items = shape or (int(user.max()) + 1, int(item.max()) + 1)
    count = torch.ones(len(user)) if count is None else count
    if not bool((count > 0).all()):
        raise ValueError("counts must be above 0: leave out the pairs that are not there")
    pairs, place = torch.unique(user * n_items + item, return_inverse=True)  # (N,)
    n = torch.zeros(len(pairs), dtype=torch.float64).index_add(0, place, count.double())  # (N,)
    user, item = pairs // n_items, pairs % n_items  # (N,), (N,)
    U = n.new_zeros(n_users, dim)  # (n_users, d)
    V = (
        0.1 * torch.randn(n_items, dim, generator=torch.Generator().manual_seed(seed)).double()
    )  # (n_items, d)

    def objective() -> float:
        s = (U[user] * V[item]).sum(1)  # (N,)
        everything = ((U.T @ U) * (V.T @ V)).sum()  # of the squares of all products
        there = ((1 + alpha * n) * (1 - s) ** 2 - s**2).sum()
        return float(everything + there + reg * (U.square().sum() + V.square().sum()))

    log = [objective()]
    for _ in range(sweeps):
        U = _weighted_ridge(user, V[item], alpha * n, n_users, V.T @ V, reg)
        log.append(objective())
        V = _weighted_ridge(item, U[user], alpha * n, n_items, U.T @ U, reg)
        log.append(objective())
    return Factors(U, V, None, None, 0.0, log)


def _weighted_ridge(row: Tensor, x: Tensor, extra: Tensor, n_rows: int, gram: Tensor, reg: float) -> Tensor:
    """Of p = 1 with weight 1 + `extra` (N,) on x (N, d), and p = 0 with weight 1 on all else: (n_rows, d)."""
    d = x.shape[1]
    A = (gram + reg * torch.eye(d, dtype=x.dtype)).repeat(n_rows, 1, 1)  # (n_rows, d, d)
    for r, z, w in zip(row.split(1 << 15), x.split(1 << 15), extra.split(1 << 15), strict=True):
        A.index_add_(0, r, w[:, None, None] * z[:, :, None] * z[:, None, :])  # (n, d, d)
    b = x.new_zeros(n_rows, d).index_add_(0, row, (1 + extra)[:, None] * x)  # (n_rows, d)
    return torch.linalg.solve(A, b[:, :, None])[:, :, 0]  # (n_rows, d)
