"""Who learns a cross from few rows? Writes benchmarks/results/fm/few_rows.csv for *Crosses* and *FM feeds a network*.

The planted crosses, 1,200 training rows with names, and 600 without: there users and films are unknown, and features
must do. Each model gets the same six settings, chosen by validation AUC, and 15 epochs; the chosen one is run on three
draws of rows, from as many initial weights. FNN from FM starts from the FM that was chosen, and has 15 epochs more.
"""

from __future__ import annotations

import itertools
from functools import partial
from types import SimpleNamespace

import torch

import recbyhand as rbh
from benchmarks._recording import keep, search, task_on, trained

SEEDS, HOW, M = 3, {"epochs": 15, "batch_size": 64}, rbh.models
SETTINGS = list(itertools.product((0.005, 0.02, 0.05), (0.01, 1.0)))  # step size, weight decay
WHOLE = task_on("crosses")


class NamelessBatch(rbh.data.Batch):
    def ids(self):
        ids = super().ids()  # (B, C)
        ids[:, :2] = 1  # users and items are unknown
        return ids


class Nameless(type(WHOLE.train)):
    """Rows of which nobody knows the user's or the film's name."""

    def __getitem__(self, rows):
        return NamelessBatch(**vars(super().__getitem__(rows)))


def with_names(schema, fm):
    return {
        "FeatureMLP": lambda: M.FeatureMLP(schema, dim=8),
        "FeatureMLP, no ids": lambda: M.FeatureMLP(schema, dim=8, ids=False),
    }


def without(schema, fm):
    return {
        "FM": lambda: M.FM(schema, dim=8),
        "FNN, random start": lambda: M.FNN(schema, dim=8, hidden=(32,)),
        "NFM": lambda: M.NFM(schema, dim=8, hidden=(32,)),
        "FNN from FM": lambda: M.FNN.from_fm(fm, hidden=(32,)),
    }


WORLDS = {"1200 rows": (1200, with_names, type(WHOLE.train)), "600 rows, nameless": (600, without, Nameless)}


def run(data: str, name: str, fms: dict, lr: float, weight_decay: float, seed: int) -> dict:
    n, models, kind = WORLDS[data]
    rbh.seed(seed)
    train = WHOLE.train.subset(torch.randperm(len(WHOLE.train))[:n])
    parts = {"train": train, "valid": WHOLE.valid, "test": WHOLE.test}
    task = SimpleNamespace(schema=WHOLE.schema, **{part: kind(**vars(rows)) for part, rows in parts.items()})
    make = models(WHOLE.schema, fms.get(seed))[name]
    row, model = trained(make, task, lr, weight_decay, seed, **HOW)
    if name == "FM":
        fms[lr, weight_decay, seed] = model
    return {"data": data, "model": name} | row


def main() -> None:
    rows, fms = [], {}
    for data, (_, models, _) in WORLDS.items():
        for name in models(WHOLE.schema, None):
            found = search(partial(run, data, name, fms), SETTINGS, SEEDS)
            if name == "FM":
                won = [row for row in found if row["chosen"]]
                fms |= {row["seed"]: fms[row["lr"], row["weight_decay"], row["seed"]] for row in won}
            rows += found
    keep("fm/few_rows", rows)


if __name__ == "__main__":
    main()
