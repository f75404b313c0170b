"""Dot product, two towers or concatenation? Writes benchmarks/results/mlp/dot_product_to_mlp.csv for its lesson.

All get the same search: step size, weight decay and the spread of the vectors at the start, on a grid that goes on
where its edge is best, chosen by validation AUC; each run goes on until validation has not improved for eight epochs.
The chosen setting then starts from five seeds. Numbers of parameters are within 5 % of each other.

    models    dot product, two towers, concatenation, on the world `factors` and on MovieLens 100K
    given     the planted vectors of `factors`, fixed, or vectors of the same size that are learned; under a dot product
              or under an MLP; all else is equal
    dropout   the concatenating network on MovieLens 100K with dropout nowhere, on hidden values, on the vectors;
              each weight decay from five seeds

`python -m benchmarks.mlp.dot_product_to_mlp given` measures one part and keeps the other rows;
`models factors ConcatMLP` one model on one data set.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

import recbyhand as rbh
from benchmarks._recording import commit, task_on, trained, widen

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "benchmarks" / "results" / "mlp" / "dot_product_to_mlp.csv"
SEEDS, DIM = 5, 16
AXES = {"lr": (0.005, 0.015), "weight_decay": (0.1, 0.3, 1.0), "std": (0.05, 0.2)}
UNTIL = {"epochs": 60, "patience": 8}
MODELS = ("MatrixFactorization", "TwoTowerMLP", "ConcatMLP")


def spread(model: nn.Module, std: float) -> nn.Module:
    """The model, its vectors drawn anew with this standard deviation; padding and unknown stay zero."""
    with torch.no_grad():
        for table in (model.user, model.item):
            nn.init.normal_(table.weight[2:], std=std)
    return model


class Meeting(nn.Module):
    """Vectors of four numbers, the planted ones or learned; biases; and a dot product or an MLP."""

    def __init__(self, schema, truth=None, mlp=False, std=0.05):
        super().__init__()
        self.user, self.item = (
            rbh.layers.id_embedding(n, 4, std=std) for n in (schema.n_users, schema.n_items)
        )
        if truth is not None:
            for table, true in ((self.user, truth.user_vectors), (self.item, truth.item_vectors)):
                table.weight.requires_grad_(False)[2:] = torch.tensor(true)
        self.user_bias = rbh.layers.id_embedding(schema.n_users, 1, std=0)
        self.item_bias = rbh.layers.id_embedding(schema.n_items, 1, std=0)
        self.scale = nn.Parameter(torch.ones(()))
        self.mlp = rbh.layers.MLP([8, 32, 16, 1]) if mlp else None

    def forward(self, batch):
        u, v = self.user(batch.user), self.item(batch.item)  # (B, 4)
        z = (self.user_bias(batch.user) + self.item_bias(batch.item))[:, 0]  # (B,)
        if self.mlp is None:
            return z + self.scale * (u * v).sum(-1)  # (B,)
        return z + self.mlp(torch.cat([u, v], -1))[:, 0]  # (B,)


class DropVectors(rbh.models.ConcatMLP):
    """Dropout of one half on the vectors that go in."""

    def forward(self, batch):
        x = torch.cat([self.user(batch.user), self.item(batch.item)], -1)  # (B, 2d)
        return self.mlp(F.dropout(x, 0.5, self.training))[:, 0]  # (B,)


def models(data: str = "", name: str = "") -> list[dict]:
    rows = []
    for where in [data] if data else ("factors", "100k"):
        task = task_on(where)
        for kind in [name] if name else MODELS:

            def run(seed, lr, weight_decay, std, kind=kind, task=task):
                def make():
                    return spread(getattr(rbh.models, kind)(task.schema, dim=DIM), std)

                return trained(make, task, lr, weight_decay, seed, **UNTIL)[0]

            rows += [{"data": where, "stage": "models", "model": kind, **r} for r in widen(run, AXES, SEEDS)]
    return rows


def given() -> list[dict]:
    world = rbh.data.planted("factors")
    task, rows = rbh.data.ctr(world), []
    for vectors in ("given", "learned"):
        for head in ("dot product", "MLP"):

            def run(seed, lr, weight_decay, std, vectors=vectors, head=head):
                truth = world.truth if vectors == "given" else None
                make = lambda: Meeting(task.schema, truth, head == "MLP", std)  # noqa: E731
                return trained(make, task, lr, weight_decay, seed, **UNTIL)[0]

            axes = AXES | ({"std": (0.05,)} if vectors == "given" else {})
            name = f"{vectors}, {head}"
            rows += [
                {"data": "factors", "stage": "given", "model": name, **r} for r in widen(run, axes, SEEDS)
            ]
    return rows


def dropout() -> list[dict]:
    task, rows = task_on("100k"), []
    places = {"no dropout": (rbh.models.ConcatMLP, 0.0), "hidden": (rbh.models.ConcatMLP, 0.5)}
    for name, (kind, p) in (places | {"vectors": (DropVectors, 0.0)}).items():
        for weight_decay in (0.03, 0.3, 1.0):
            for seed in range(SEEDS):
                make = lambda: kind(task.schema, dim=DIM, dropout=p)  # noqa: B023, E731
                row = trained(make, task, 0.01, weight_decay, seed, **UNTIL)[0]
                rows.append({"data": "100k", "stage": "dropout", "model": name, **row, "chosen": True})
    return rows


def main() -> None:
    torch.set_num_threads(1)  # sums in one order, however many cores there are
    stages = {"models": models, "given": given, "dropout": dropout}
    stage, *more = sys.argv[1:] or [None]
    for name in [stage] if stage else stages:
        new = pd.DataFrame(stages[name](*more)).assign(commit=commit())
        old = pd.read_csv(FILE, dtype={"commit": str}) if FILE.is_file() else new[:0]
        same = old["stage"].eq(name) if "stage" in old else False
        for column, value in zip(("data", "model"), more):
            same &= old[column].eq(value)
        pd.concat([old[~same], new]).sort_values(["stage", "data"], kind="stable").to_csv(FILE, index=False)
        keys = ["stage", "data", "model", "lr", "weight_decay", "std"]
        chosen = new[new["chosen"].astype(bool)]
        print(chosen.groupby([k for k in keys if k in new])["test_auc"].agg(["mean", "std"]).round(4))


if __name__ == "__main__":
    main()
