"""What empty cells and their weight do to a ranking. Writes benchmarks/results/mlp/implicit_data.csv for its lesson.

Alternating least squares with 16 numbers a side on the likes of MovieLens 100K: on the cells that are filled (liked or
not), on all cells (a like is 1, all else is 0) with equal weights, and on all cells with weight 1 + alpha for a like.
Each searches its own charge for length, on a grid that goes on where its edge is best, by NDCG@10 on validation rows;
the chosen one then starts from five seeds.
"""

from __future__ import annotations

import dataclasses

import torch

import recbyhand as rbh
from benchmarks._recording import keep, task_on, widen

DIM, SWEEPS = 16, 8


def half_step(C, P, V, reg):
    """The best U for weights C (n, m), preferences P (n, m) and fixed V (m, d)."""
    d = V.shape[1]
    squares = (V[:, :, None] * V[:, None, :]).flatten(1)  # (m, d*d)
    A = (C @ squares).view(-1, d, d) + reg * torch.eye(d)  # (n, d, d)
    return torch.linalg.solve(A, (C * P) @ V)  # (n, d)


def factorise(schema, C, P, reg, seed):
    V = 0.1 * torch.randn(len(P.T), DIM, generator=torch.Generator().manual_seed(seed))  # (m, d)
    for _ in range(SWEEPS):
        U = half_step(C, P, V, reg)  # (n, d)
        V = half_step(C.T, P.T, U, reg)  # (m, d)
    model = rbh.models.MatrixFactorization(schema, dim=DIM, biases=False)
    with torch.no_grad():
        model.user.weight.copy_(U)
        model.item.weight.copy_(V)
    return model


def main() -> None:
    torch.set_num_threads(1)  # sums in one order, however many cores there are
    task = task_on("100k")
    nothing = task.valid.subset(torch.zeros(len(task.valid), dtype=torch.bool))
    choosing = dataclasses.replace(task, valid=nothing, test=task.valid)  # rank the validation likes
    likes, filled = torch.zeros(2, task.schema.n_users, task.schema.n_items)
    likes[task.train.user, task.train.item] = task.train.label
    filled[task.train.user, task.train.item] = 1
    rows, weights = [], {"filled cells": filled, "all cells": torch.ones_like(likes)}
    weights |= {f"all cells, alpha {a:g}": 1 + a * likes for a in (1, 10, 40)}
    for name, C in weights.items():

        def run(seed, reg, C=C):
            model = factorise(task.schema, C, likes, reg, seed)
            valid = rbh.evaluate_ranking(model, choosing)["NDCG@10"].item()
            test = rbh.evaluate_ranking(model, task).iloc[0]
            auc = rbh.evaluate(model, task.test)["auc"].item()
            row = {
                "valid_auc": valid,
                "test_ndcg": test["NDCG@10"],
                "test_hr": test["HR@10"],
                "test_auc": auc,
            }
            return {key: round(value, 5) for key, value in row.items()}

        found = widen(run, {"reg": (10.0, 30.0)}, further=3)
        rows += [
            {"model": name, **{"valid_ndcg" if k == "valid_auc" else k: v for k, v in r.items()}}
            for r in found
        ]
    keep("mlp/implicit_data", rows)


if __name__ == "__main__":
    main()
