"""Three ways to factorise. Writes benchmarks/results/mlp/matrix_factorisation.csv for its lesson.

Alternating least squares on stars and on clicks, and gradient descent (`rbh.fit`) on clicks, on the world `factors` and
on MovieLens 100K. Each has the same kind of search, on a grid that goes on where its edge is best, chosen by validation
AUC; the chosen setting then starts from five seeds. `python -m benchmarks.mlp.matrix_factorisation 100k` measures one
data set and keeps the other rows.
"""

from __future__ import annotations

import sys

import torch

import recbyhand as rbh
from benchmarks._recording import keep, task_on, trained, widen

MF = rbh.models.MatrixFactorization


def stars_of(examples, dataset):
    """(N,) the rating behind each example."""
    schema, ratings = examples.schema, dataset.ratings
    table = torch.zeros(schema.n_users, schema.n_items)
    users, items = schema.encode_users(ratings["user"]), schema.encode_items(ratings["item"])
    table[users, items] = torch.tensor(ratings["rating"].to_numpy(), dtype=torch.float32)
    return table[examples.user, examples.item]


def measure(data: str) -> list[dict]:
    task, rows = task_on(data), []
    shape = task.schema.n_users, task.schema.n_items
    targets = {"ALS, stars": stars_of(task.train, task.dataset), "ALS, clicks": task.train.label}
    for name, target in targets.items():

        def run(seed, dim, reg, target=target):
            found = rbh.models.als(
                task.train.user, task.train.item, target, shape=shape, dim=dim, reg=reg, seed=seed
            )
            model = MF.from_factors(task.schema, found)
            valid, test = (rbh.evaluate(model, part)["auc"].item() for part in (task.valid, task.test))
            return {"valid_auc": round(valid, 5), "test_auc": round(test, 5)}

        rows += [
            {"data": data, "model": name, **r} for r in widen(run, {"dim": (4, 8), "reg": (2.5, 5.0, 10.0)})
        ]

    def descend(seed, dim, lr, weight_decay):
        return trained(
            lambda: MF(task.schema, dim=int(dim)), task, lr, weight_decay, seed, epochs=40, patience=5
        )[0]

    axes = {"dim": (4, 8), "lr": (0.005, 0.015), "weight_decay": (0.3, 1.0)}
    return rows + [{"data": data, "model": "MF, clicks", **r} for r in widen(descend, axes)]


def main() -> None:
    torch.set_num_threads(1)  # sums in one order, however many cores there are
    for data in sys.argv[1:] or ("factors", "100k"):
        keep("mlp/matrix_factorisation", measure(data))


if __name__ == "__main__":
    main()
