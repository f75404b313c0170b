"""Does a second loss help an encoder with a decoder? Writes benchmarks/results/transformer/joint_training.csv.

2,000 clicks of the planted world `drift`, and 10,000 of MovieLens 100K. Each weight alpha of the second loss, 0 among
them, gets the same settings (four and two), chosen by validation AUC from seed 0, then two more seeds. "item" asks for
the next film of the history, of likes; "label" for the label of the next one, in histories of all ratings (and so has a
0 of its own).
`python -m benchmarks.transformer.joint_training drift` measures one data set only and keeps the other rows.
"""

from __future__ import annotations

import dataclasses
import sys
from functools import partial

import torch

import recbyhand as rbh
from benchmarks._recording import keep, search, trained

SETTINGS = {  # step size and weight decay
    "drift": [(0.005, 0.01), (0.01, 0.01), (0.01, 1.0), (0.02, 1.0)],
    "100k": [(0.005, 0.01), (0.01, 0.01)],
}
RUNS = {  # {data: training rows, of the training, [(auxiliary, alpha), ...]}
    "drift": (2_000, (20, 4, 256), [("item", 0.0), ("item", 0.2), ("item", 1.0)]),
    "100k": (
        10_000,
        (5, 1, 1024),
        [("item", 0.0), ("item", 0.2), ("item", 1.0), ("label", 0.0), ("label", 0.2)],
    ),
}


def task_of(data: str, auxiliary: str):
    """The lesson's tasks: the same rows, whatever the histories hold."""
    of = {"history_of": "all"} if auxiliary == "label" else {}
    tables = (
        rbh.data.movielens("100k", fallback=False) if data == "100k" else rbh.data.planted(data, users=500)
    )
    task = rbh.data.ctr(tables, **of)
    some = torch.randperm(len(task.train), generator=torch.Generator().manual_seed(0))[: RUNS[data][0]]
    return dataclasses.replace(task, train=task.train.subset(some))


def measure(data: str) -> list[dict]:
    _, (epochs, patience, batch_size), variants = RUNS[data]
    how, rows = {"epochs": epochs, "patience": patience, "batch_size": batch_size}, []
    for auxiliary, alpha in variants:
        task, of = task_of(data, auxiliary), {"auxiliary": auxiliary, "alpha": alpha}
        of |= {"sampled": 100} if data == "100k" and auxiliary == "item" else {}
        make = partial(rbh.models.Transformer4Rec, task.schema, **of)

        def run(lr: float, weight_decay: float, seed: int, make=make, task=task) -> dict:
            return trained(make, task, lr, weight_decay, seed, **how)[0]

        name = f"{auxiliary}, {alpha:g}"
        found = search(run, SETTINGS[data], 3, further=0)
        rows += [{"data": data, "model": name, "auxiliary": auxiliary, "alpha": alpha} | row for row in found]
    return rows


def main() -> None:
    for data in sys.argv[1:] or RUNS:
        keep("transformer/joint_training", measure(data))


if __name__ == "__main__":
    main()
