"""Ids, features or both, for people and films that training knows and for those it does not.

Writes benchmarks/results/mlp/features.csv for its lesson. All models get the same search: step size and weight
decay on a grid that goes on where its edge is best, chosen by validation AUC; each run goes on until validation has not
improved for three epochs. The chosen setting then starts from five seeds.

    planted      the world `crosses`; a fifth of the people and a fifth of the films are hidden from training
    premiere     MovieLens 100K; a fifth of the films is hidden from training
    newcomers    MovieLens 100K, split at one moment for all
    unknown      `planted`: nobody's group is known in the test; trained with all values, or with a tenth forgotten
    overlap      `planted`: two fields in one table, with an offset and without, under an inner product and an MLP

`python -m benchmarks.mlp.features premiere` measures one part and keeps the other rows.
"""

from __future__ import annotations

import dataclasses
import sys

import torch
from torch import nn

import recbyhand as rbh
from benchmarks._recording import keep, task_on, trained, widen

SEEDS = 5
AXES = {"lr": (0.005, 0.015), "weight_decay": (0.03, 0.3)}
UNTIL = {"epochs": 30, "patience": 3, "batch_size": 2048}
USER, FILM = ["age", "gender", "occupation"], ["year", "genres"]


def hide(task, people=0.0, films=0.0):
    """The task without some users and films in training and validation."""
    g = torch.Generator().manual_seed(0)
    no_user = torch.rand(task.schema.n_users, generator=g) < people  # (n_users,)
    no_film = torch.rand(task.schema.n_items, generator=g) < films  # (n_items,)

    def keep(part):
        return part.subset(~no_user[part.user] & ~no_film[part.item])

    cold_user, cold_item = (
        task.test.cold_user | no_user[task.test.user],
        task.test.cold_item | no_film[task.test.item],
    )
    test = dataclasses.replace(task.test, cold_user=cold_user, cold_item=cold_item)
    return dataclasses.replace(task, train=keep(task.train), valid=keep(task.valid), test=test)


class FieldMLP(nn.Module):
    """FeatureMLP on the fields named, one table each; in training it may forget a share of the values."""

    def __init__(self, schema, names, dim=16, hidden=(64, 32), forget=0.0):
        super().__init__()
        self.tables, self.columns, self.forget, start = nn.ModuleDict(), {}, forget, 0
        for field in schema.fields:
            if field.name in names:
                self.tables[field.name] = rbh.layers.id_embedding(field.size, dim)
                self.columns[field.name] = slice(start, start + field.width)
            start += field.width
        self.mlp = rbh.layers.MLP([len(self.tables) * dim, *hidden, 1])

    def forward(self, batch):
        return self.of_ids(batch.ids())  # (B,)

    def of_ids(self, ids):
        if self.training and self.forget:
            ids = torch.where((torch.rand(ids.shape) < self.forget) & (ids > 0), 1, ids)  # (B, C)
        v = []
        for name, table in self.tables.items():
            i = ids[:, self.columns[name]]  # (B, n)
            x = (i > 0) / (i > 0).sum(1, keepdim=True).clamp(min=1)  # (B, n)
            v.append((x[..., None] * table(i)).sum(1))  # (B, d)
        return self.mlp(torch.cat(v, dim=1))[:, 0]  # (B,)


class Meeting(nn.Module):
    """Group and kind as vectors of one table; they meet in a product or in an MLP."""

    def __init__(self, schema, offset, head, dim=16):
        super().__init__()
        sizes = [schema.user_fields[0].size, schema.item_fields[0].size]
        self.offset, self.head = torch.tensor([0, sizes[0] if offset else 0]), head
        self.table = rbh.layers.id_embedding(sum(sizes), dim, std=0.3)
        self.mlp = rbh.layers.MLP([2 * dim, 64, 32, 1])

    def forward(self, batch):
        pair = torch.stack([batch.user_features[:, 0], batch.item_features[:, 0]], 1)  # (B, 2)
        v = self.table(pair + self.offset)  # (B, 2, d)
        return v.prod(1).sum(-1) if self.head == "inner product" else self.mlp(v.flatten(1))[:, 0]  # (B,)


def parts(test) -> dict:
    warm = ~(test.cold_user | test.cold_item)
    masks = {"warm": warm, "cold_user": test.cold_user, "cold_film": test.cold_item}
    return {name: test.subset(mask) for name, mask in masks.items() if mask.sum() > 500}


def by_part(model, task) -> dict:
    return {
        f"auc_{name}": round(rbh.evaluate(model, rows)["auc"].item(), 5)
        for name, rows in parts(task.test).items()
    }


def task_of(part: str):
    if part == "premiere":
        return hide(task_on("100k"), films=0.2)
    if part == "newcomers":
        return rbh.data.ctr(rbh.data.movielens("100k", fallback=False), split="global")
    return hide(task_on("crosses"), people=0.2, films=0.2)


def contest(part: str) -> list[dict]:
    task, rows = task_of(part), []
    makers = {
        "matrix factorisation": lambda s: rbh.models.MatrixFactorization(s),
        "ids": lambda s: FieldMLP(s, ["user", "item"]),
        "features": lambda s: rbh.models.FeatureMLP(s, ids=False),
        "both": lambda s: rbh.models.FeatureMLP(s),
    }
    if part == "premiere":
        makers["user id, film's features"] = lambda s: FieldMLP(s, ["user", *FILM])
    if part == "newcomers":
        makers["film id, user's features"] = lambda s: FieldMLP(s, ["item", *USER])
        makers["film id"] = lambda s: FieldMLP(s, ["item"])
    for name, make in makers.items():

        def run(seed, lr, weight_decay, make=make):
            row, model = trained(lambda: make(task.schema), task, lr, weight_decay, seed, **UNTIL)
            return row | by_part(model, task)

        rows += [{"part": part, "model": name, **row} for row in widen(run, AXES, SEEDS)]
    return rows


def unknown(part: str) -> list[dict]:
    task, rows = task_of(part), []
    test, label = task.test[0 : len(task.test)], task.test.label
    ids = test.ids()
    ids[:, 2] = 1  # nobody's group is known
    constant = torch.logit(task.train.label.mean()).expand(len(label))
    for forget in (0.0, 0.1):
        for seed in range(SEEDS):
            make = lambda: FieldMLP(task.schema, ["group", "age", "kind", "decade"], forget=forget)  # noqa: B023, E731
            row, model = trained(make, task, 0.01, 0.01, seed, **UNTIL)
            with torch.no_grad():
                row["log_loss_unknown"] = round(rbh.metrics.log_loss(label, model.eval().of_ids(ids)), 5)
            row["log_loss_constant"] = round(rbh.metrics.log_loss(label, constant), 5)
            rows.append({"part": part, "model": f"forgets {forget:g}", **row, "chosen": True})
    return rows


def overlap(part: str) -> list[dict]:
    task, rows = task_of(part), []
    for head in ("inner product", "MLP"):
        for offset in (True, False):
            for seed in range(SEEDS):
                make = lambda: Meeting(task.schema, offset, head)  # noqa: B023, E731
                row = trained(make, task, 0.01, 0.01, seed, **UNTIL)[0]
                name = f"{head}, {'offset' if offset else 'overlap'}"
                rows.append({"part": part, "model": name, **row, "chosen": True})
    return rows


def main() -> None:
    torch.set_num_threads(1)  # sums in one order, however many cores there are
    jobs = dict.fromkeys(("planted", "premiere", "newcomers"), contest) | {
        "unknown": unknown,
        "overlap": overlap,
    }
    for name in sys.argv[1:] or jobs:
        keep("mlp/features", jobs[name](name), by=("part",))


if __name__ == "__main__":
    main()
