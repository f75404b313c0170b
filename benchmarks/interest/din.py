"""Attention or a mean? Writes benchmarks/results/interest/din.csv, the search behind the settings of the lesson *DIN*.

Every model gets the same four settings per data set, and on the planted world further step sizes where its best lies at
their edge, chosen by validation AUC, from initial weights 0. The lesson trains the chosen ones.
`python -m benchmarks.interest.din 100k` measures one data set only and keeps the other rows.
"""

from __future__ import annotations

import itertools
import sys
from functools import partial

import torch

import recbyhand as rbh
from benchmarks._recording import keep, search, task_on, trained

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


def main() -> None:
    for data in sys.argv[1:] or MODELS:
        keep("interest/din", measure(data))


if __name__ == "__main__":
    main()
