"""Does the second loss help a control that is tuned as well? Writes benchmarks/results/two_losses.csv.

For *Training on two things*: 2,000 clicks of the planted world `drift`. Each weight alpha of the second loss, 0 among
them, gets the same six settings and the same number of epochs; the setting with the best validation AUC is then run
from three initial weights.
"""

from __future__ import annotations

import dataclasses
import itertools
from functools import partial

import torch
from _recording import keep, search, task_on, trained

import recbyhand as rbh

CLICKS, EPOCHS, PATIENCE, SEEDS = 2000, 20, 4, 3
ALPHAS = (0.0, 0.2, 1.0)
SETTINGS = list(itertools.product((0.01, 0.02, 0.05), (0.1, 1.0)))  # step size, weight decay


def few_clicks():
    """The lesson's task: the same 2,000 rows."""
    task = task_on("drift", users=500)
    some = torch.randperm(len(task.train), generator=torch.Generator().manual_seed(0))[:CLICKS]
    return dataclasses.replace(task, train=task.train.subset(some))


def run(task, alpha: float, lr: float, weight_decay: float, seed: int) -> dict:
    def make():
        return rbh.models.JointRNN(task.schema, dim=16, alpha=alpha)

    return trained(make, task, lr, weight_decay, seed, epochs=EPOCHS, patience=PATIENCE, batch_size=256)[0]


def main() -> None:
    task, rows = few_clicks(), []
    for alpha in ALPHAS:
        rows += [{"alpha": alpha} | row for row in search(partial(run, task, alpha), SETTINGS, SEEDS)]
    keep("two_losses", rows)


if __name__ == "__main__":
    main()
