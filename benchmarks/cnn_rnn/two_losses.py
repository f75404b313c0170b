"""Does the second loss help a control that is tuned as well? Writes benchmarks/results/cnn_rnn/two_losses.csv.

For *Training on two things*: 2,000 clicks of the planted world `drift`, and MovieLens 100K, a tenth of its clicks and
all. Each weight alpha of the second loss, 0 among them, gets the same settings, further step sizes where the best lies
at their edge, and the same number of epochs; the setting with the best validation AUC is then run from three initial
weights.
`python -m benchmarks.cnn_rnn.two_losses drift` measures one data set only and keeps the other rows; `seeds` runs
the chosen settings from five initial weights.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
from functools import partial

import torch

import recbyhand as rbh
from benchmarks._recording import keep, search, task_on, top_up, trained

SEEDS = 3
DATA = {  # {data set: step sizes, weight decays, alphas, of the model, of the training}
    "drift": ((0.01, 0.02, 0.05), (0.1, 1.0), (0.0, 0.2, 1.0), {}, (20, 4, 256)),
    "order": ((0.02, 0.05), (0.1, 1.0), (0.0, 0.2, 3.0), {}, (20, 4, 256)),
    "100k, a tenth": ((0.005, 0.02), (0.1, 1.0), (0.0, 0.2), {"sampled": 100}, (6, None, 1024)),
    "100k": ((0.005, 0.02), (0.1, 1.0), (0.0, 0.2), {"sampled": 100}, (2, None, 1024)),
}


def task_of(data: str):
    """The lesson's tasks: the same rows."""
    task = task_on(data.split(",")[0], users=500)
    n = {"drift": 2000, "order": 2000, "100k, a tenth": len(task.train) // 10}.get(data, len(task.train))
    some = torch.randperm(len(task.train), generator=torch.Generator().manual_seed(0))[:n]
    return task if n == len(task.train) else dataclasses.replace(task, train=task.train.subset(some))


def run(data: str, task, alpha: float, lr: float, weight_decay: float, seed: int) -> dict:
    *_, of_model, (epochs, patience, batch_size) = DATA[data]

    def make():
        return rbh.models.JointRNN(task.schema, dim=16, alpha=alpha, **of_model)

    how = {"epochs": epochs, "patience": patience, "batch_size": batch_size}
    return trained(make, task, lr, weight_decay, seed, **how)[0]


def measure(data: str) -> list[dict]:
    rates, decays, alphas, *_ = DATA[data]
    task, rows, settings = task_of(data), [], list(itertools.product(rates, decays))
    for alpha in alphas:
        found = search(partial(run, data, task, alpha), settings, SEEDS)
        rows += [{"data": data, "alpha": alpha} | row for row in found]
    return rows


def main() -> None:
    if sys.argv[1:] == ["seeds"]:
        tasks = {data: task_of(data) for data in DATA}
        top_up(
            "cnn_rnn/two_losses",
            lambda data, alpha, *how: run(data, tasks[data], alpha, *how),
            by=("data", "alpha"),
        )
        return
    for data in sys.argv[1:] or DATA:
        keep("cnn_rnn/two_losses", measure(data))


if __name__ == "__main__":
    main()
