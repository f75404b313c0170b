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
