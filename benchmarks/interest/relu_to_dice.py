"""One network, six activations. Writes benchmarks/results/interest/relu_to_dice.csv for the lesson *From ReLU to Dice*.

Every activation gets the same two step sizes per data set, and further ones where the best lies at their edge, chosen
by validation AUC from initial weights 0; the chosen setting is then run from two more.
`python -m benchmarks.interest.relu_to_dice 100k` measures one data set and keeps the other rows.
"""

from __future__ import annotations

import itertools
import sys
from functools import partial

import recbyhand as rbh
from benchmarks._recording import keep, search, task_on, trained

ACTIVATIONS = ("relu", "leaky_relu", "prelu", "dice", "tanh", "sigmoid")
SETTINGS = {  # step size, weight decay
    "interests": list(itertools.product((0.005, 0.01), (0.1,))),
    "100k": list(itertools.product((0.002, 0.005), (0.01,))),
}
EPOCHS, SEEDS = {"interests": 6, "100k": 4}, 3


def run(data: str, name: str, task, lr: float, weight_decay: float, seed: int) -> dict:
    def make():
        return rbh.models.PooledSequence(task.schema, dim=16, hidden=(64,), activation=name)

    return trained(make, task, lr, weight_decay, seed, epochs=EPOCHS[data])[0]


def measure(data: str) -> list[dict]:
    task, rows = task_on(data), []
    for name in ACTIVATIONS:
        found = search(partial(run, data, name, task), SETTINGS[data], SEEDS)
        rows += [{"data": data, "activation": name} | row for row in found]
    return rows


def main() -> None:
    for data in sys.argv[1:] or SETTINGS:
        keep("interest/relu_to_dice", measure(data))


if __name__ == "__main__":
    main()
