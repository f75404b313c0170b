"""One network, six activations. Writes benchmarks/results/interest/relu_to_dice.csv for the lesson *From ReLU to Dice*.

Every activation gets the same two step sizes per data set, and further ones where the best lies at their edge, chosen
by validation AUC from initial weights 0; the chosen setting is then run from two more. "interests, 12 epochs" trains
three of them and the authors' Dice twice as long, five seeds, at the settings chosen (theirs is that of Dice).
"dice, released" is the one of the authors' code: its batch normalisation is called without `training`, so it divides
by averages that nobody updates, mean 0 and variance 1. "interests, bold" counts silent units for two step sizes, four
epochs, three seeds.
`python -m benchmarks.interest.relu_to_dice 100k` measures one data set and keeps the other rows.
"""

from __future__ import annotations

import sys

import torch
from torch import nn

import recbyhand as rbh
from benchmarks._recording import keep, search, task_on, trained

ACTIVATIONS = (
    "relu",
    "leaky_relu",
    "prelu",
    "dice",
    "dice, released",
    "dice, of the batch",
    "tanh",
    "sigmoid",
)
SETTINGS = {"interests": ((0.005, 0.01), 0.1), "100k": ((0.002, 0.005), 0.01)}
EPOCHS, SEEDS = {"interests": 6, "100k": 4}, 3
LONGER = {"relu": 0.02, "prelu": 0.01, "dice": 0.01, "dice, released": 0.01}


class Released(nn.Module):
    """Slope and scale of the gate start at 0, and both are learned."""

    def __init__(self, channels: int):
        super().__init__()
        self.alpha, self.scale = nn.Parameter(torch.zeros(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, s):
        p = torch.sigmoid(self.scale * s / 1.001**0.5)  # (B, C) mean 0, variance 1, eps 0.001
        return s * (self.alpha + (1 - self.alpha) * p)


def network(schema, name: str):
    model = rbh.models.PooledSequence(schema, dim=16, hidden=(64,), activation=name.split(",")[0])
    if "dice," in name:
        model.mlp[1] = Released(64)
    return model


def measure(data: str) -> list[dict]:
    task, rows, (rates, decay) = task_on(data), [], SETTINGS[data]
    for name in ACTIVATIONS:

        def run(lr, seed, name=name):
            return trained(lambda: network(task.schema, name), task, lr, decay, seed, epochs=EPOCHS[data])[0]

        rows += [
            {"data": data, "activation": name} | row for row in search(run, [(lr,) for lr in rates], SEEDS)
        ]
    return rows


def longer(data: str) -> list[dict]:
    task, rows = task_on("interests"), []
    for name, lr in LONGER.items():
        for seed in range(5):
            row, _ = trained(lambda name=name: network(task.schema, name), task, lr, 0.1, seed, epochs=12)
            rows.append({"data": data, "activation": name} | row | {"chosen": True})
    return rows


def bold(data: str) -> list[dict]:
    task, rows = task_on("interests"), []
    train = task.train[:]
    for name in ("relu", "prelu", "dice"):
        for lr in (0.01, 0.1):
            for seed in range(3):
                row, model = trained(
                    lambda name=name: network(task.schema, name), task, lr, 0.1, seed, epochs=4
                )
                out = []
                hook = model.mlp[1].register_forward_hook(lambda layer, x, y, out=out: out.append(y))
                with torch.no_grad():
                    model(train)
                hook.remove()
                silent = int((out[0].std(0) < 1e-3).sum())
                rows.append({"data": data, "activation": name} | row | {"silent": silent, "chosen": True})
    return rows


DATA = {"interests": measure, "100k": measure, "interests, 12 epochs": longer, "interests, bold": bold}


def main() -> None:
    for data in sys.argv[1:] or DATA:
        keep("interest/relu_to_dice", DATA[data](data))


if __name__ == "__main__":
    main()
