"""Attention or a mean? Writes benchmarks/results/interest/din.csv, the search behind the settings of the lesson *DIN*.

Every model gets the same four settings per data set, and on the planted world further step sizes where its best lies at
their edge, chosen by validation AUC, from initial weights 0. The lesson trains the chosen ones.
`python -m benchmarks.interest.din 100k` measures one data set only and keeps the other rows.

Rows of five seeds, of three for decay, for the lesson's claims: "interests, seeds" has each model at its own settings
and the two forms of DIN at each other's; "100k, seeds" has one setting for all, six epochs, the best of them by
validation: with a user vector, how the history is summed up is the one thing that differs; "100k, decay" has DIN +
user, four epochs, and decay of the vectors is the one thing that differs, its strength chosen by validation.
"""

from __future__ import annotations

import itertools
import sys
from functools import partial

import torch

import recbyhand as rbh
from benchmarks._recording import keep, search, task_on, trained, widen
from recbyhand.layers import batch_aware_penalty

DIN, PooledSequence = rbh.models.DIN, rbh.models.PooledSequence


class Mean(torch.nn.Module):
    """The same weight for every film of the history, whatever the target."""

    def forward(self, target, history, mask):
        real = mask.to(history.dtype)  # (B, L)
        return real / real.sum(1, keepdim=True).clamp(min=1)  # (B, L)


class MeanDIN(DIN):
    """DIN with a mean in place of the unit: the control with the same user, features and head."""

    def __init__(self, schema, **settings):
        super().__init__(schema, **settings)
        self.unit = Mean()


class Sum(Mean):
    """Weight 1 for every film: the sum that DIN begins as."""

    def forward(self, target, history, mask):
        return mask.to(history.dtype)  # (B, L)


class SumDIN(DIN):
    def __init__(self, schema, **settings):
        super().__init__(schema, **settings)
        self.unit = Sum()


class DINByCount(DIN):
    """DIN whose weights are divided by the number of films."""

    def __init__(self, schema, **settings):
        super().__init__(schema, **settings)
        score, weigh = self.unit.score, self.unit.weigh
        self.unit.forward = lambda t, e, mask: weigh(score(t, e, mask), mask) * Mean()(t, e, mask)


class Decayed(DIN):
    """DIN + user with decay of the vectors of ids: of all of them, or of those that the batch reads."""

    def __init__(self, schema):
        super().__init__(schema, dim=16, users=True)

    @classmethod
    def of(cls, task, aware: bool, strength: float) -> Decayed:
        model, train = cls(task.schema), task.train[:]
        model.strength, model.aware = strength, aware
        seen = torch.cat([train.item, train.history.flatten()])
        model.n = torch.bincount(seen, minlength=task.schema.n_items)
        model.n_user = torch.bincount(train.user, minlength=task.schema.n_users)
        return model

    def loss(self, batch):
        item, user = self.item.id, self.user.id
        if self.aware:
            ids = torch.cat([batch.item, batch.history.flatten()])
            decay = batch_aware_penalty(item, ids, self.n) + batch_aware_penalty(
                user, batch.user, self.n_user
            )
        else:
            decay = 0.5 * (item.weight.square().sum() + user.weight.square().sum())
        click = torch.nn.functional.binary_cross_entropy_with_logits(self(batch), batch.label)
        return {"click": click, "decay": self.strength * decay}


MODELS = {
    "interests": {
        "PooledSequence": lambda s: PooledSequence(s, dim=16, hidden=(64,)),
        "DIN": lambda s: DIN(s, dim=16),
        "DIN, softmax": lambda s: DIN(s, dim=16, normalise=True),
    },
    "100k": {
        "PooledSequence": lambda s: PooledSequence(s, dim=16),
        "DIN": lambda s: DIN(s, dim=16),
        "mean + user": lambda s: MeanDIN(s, dim=16, users=True),
        "DIN + user": lambda s: DIN(s, dim=16, users=True),
        "mean + features": lambda s: MeanDIN(s, dim=8, users=True, features=True),
        "DIN + features": lambda s: DIN(s, dim=8, users=True, features=True),
    },
}
SETTINGS = {  # step size and weight decay
    "interests": list(itertools.product((0.005, 0.01), (0.01, 0.1))),
    "100k": list(itertools.product((0.002, 0.005), (0.01, 1.0))),
}
EPOCHS = {"interests": 4, "100k": 3}  # twice as many without attention: they are quick to train


def run(data: str, name: str, task, lr: float, weight_decay: float, seed: int) -> dict:
    def make():
        return MODELS[data][name](task.schema)

    epochs = EPOCHS[data] * (1 if name.startswith("DIN") else 2)
    return trained(make, task, lr, weight_decay, seed, epochs=epochs)[0]


def measure(data: str) -> list[dict]:
    task, rows = task_on(data), []
    for name in MODELS[data]:
        further = 2 if data == "interests" else 0  # on MovieLens a setting takes a minute
        found = search(partial(run, data, name, task), SETTINGS[data], further=further)
        rows += [{"data": data, "model": name} | row for row in found]
    return rows


LINEAR = "PooledSequence, linear head"
PLANTED = {  # model, step size, weight decay, epochs; a second entry is the setting of the other form
    "PooledSequence": (MODELS["interests"]["PooledSequence"], 0.02, 0.1, 8),
    LINEAR: (lambda s: PooledSequence(s, dim=16, hidden=()), 0.04, 0.3, 6),
    "DIN": (MODELS["interests"]["DIN"], 0.01, 0.1, 4),
    "DIN, softmax": (MODELS["interests"]["DIN, softmax"], 0.04, 0.1, 4),
    "DIN at the softmax's setting": (MODELS["interests"]["DIN"], 0.04, 0.1, 4),
    "DIN, softmax at DIN's setting": (MODELS["interests"]["DIN, softmax"], 0.01, 0.1, 4),
}
REAL = {  # all at one setting: the one that the search chose for each of its models
    "PooledSequence": lambda s: PooledSequence(s, dim=16),
    "DIN": lambda s: DIN(s, dim=16),
    "mean + user": lambda s: MeanDIN(s, dim=16, users=True),
    "sum + user": lambda s: SumDIN(s, dim=16, users=True),
    "DIN + user": lambda s: DIN(s, dim=16, users=True),
    "DIN / n + user": lambda s: DINByCount(s, dim=16, users=True),
    "DIN, softmax + user": lambda s: DIN(s, dim=16, users=True, normalise=True),
}


def over_seeds(data: str) -> list[dict]:
    task, rows = task_on(data.split(",")[0]), []
    planted = {name: (kind, lr, decay, epochs) for name, (kind, lr, decay, epochs) in PLANTED.items()}
    models = planted if "interests" in data else {name: (kind, 0.005, 0.01, 6) for name, kind in REAL.items()}
    every_eighth = task.train.subset(torch.arange(0, len(task.train), 8))
    for name, (kind, lr, decay, epochs) in models.items():
        for seed in range(5):
            row, model = trained(lambda kind=kind: kind(task.schema), task, lr, decay, seed, epochs=epochs)
            seen = round(rbh.evaluate(model, every_eighth)["auc"].item(), 5)
            rows.append({"data": data, "model": name} | row | {"train_auc": seen, "chosen": True})
            print(rows[-1], flush=True)
    return rows


def decay(data: str) -> list[dict]:
    """No decay at all, decay of all vectors, decay of the batch's vectors; nothing else decays in any of them."""
    task = task_on("100k")

    def run(seed: int, aware: bool, strength: float) -> dict:
        row, model = trained(lambda: Decayed.of(task, aware, strength), task, 0.005, 0.0, seed, epochs=4)
        return row | {"strength": strength, "last_valid_auc": round(model.log["valid_auc"].iloc[-1], 5)}

    rows = [{"model": "no decay", "chosen": True} | run(seed, True, 0.0) for seed in range(3)]
    for name, aware, tried in (
        ("all vectors", False, (1e-4, 1e-3)),
        ("the batch's vectors", True, (0.1, 1.0)),
    ):
        settings = {"strength": tried, "aware": (aware,)}
        found = widen(run, settings, seeds=3, further=0)
        rows += [{"model": name} | row for row in found]
    return [{"data": data} | row for row in rows]


SEEDS = {"interests, seeds": over_seeds, "100k, seeds": over_seeds, "100k, decay": decay}


def main() -> None:
    for data in sys.argv[1:] or [*MODELS, *SEEDS]:
        keep("interest/din", SEEDS.get(data, measure)(data))


if __name__ == "__main__":
    main()
