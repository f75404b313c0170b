"""What does BST owe to time, and how much data does it need? Writes benchmarks/results/transformer/bst.csv.

`fading`: BST with time gaps and with places, DIN with either and with neither, one setting for each family, three
seeds. `100k`: BST, DIN and DeepFM, all with users and features, on 5,000, 20,000 and all training rows. Every model
gets the same two step sizes at every size, chosen by validation AUC from seed 0, then two more seeds. The rows that are
left out are left out of training, not of the histories.
`python -m benchmarks.transformer.bst 100k` measures one data set only and keeps the other rows.
"""

from __future__ import annotations

import dataclasses
import sys
from functools import partial

import torch
from torch.nn import functional as F

import recbyhand as rbh
from benchmarks._recording import keep, search, task_on, trained

M, L = rbh.models, rbh.layers
SEEDS = 3
SIZES = {
    5_000: 10,
    20_000: 6,
    None: 4,
}  # training rows (None: all) and the most epochs; one without progress ends it


class TimedDIN(M.DIN):
    """DIN whose unit sees how long ago each event was, or how many events: the vector of BST, beside the event's."""

    def __init__(self, schema, *, dim: int = 16, positions: str = "time"):
        super().__init__(schema, dim=dim)
        self.positions = positions
        self.place = (
            L.TimeGapPositions(dim) if positions == "time" else L.LearnedPositions(dim, schema.history + 1)
        )
        self.unit = L.LocalActivationUnit(2 * dim, 36, normalise=False)

    def attention(self, batch):
        gap = batch.time[:, None] - batch.history_time  # (B, L)
        gap = gap if self.positions == "time" else L.age(batch.history_mask)  # (B, L)
        e = torch.cat([self.item(batch.history), self.place(gap)], dim=-1)  # (B, L, 2 d)
        t = torch.cat([self.item(batch.item), self.place(torch.zeros_like(batch.time))], dim=-1)  # (B, 2 d)
        return self.unit(t, e, batch.history_mask)  # (B, L)

    def forward(self, batch):
        x = L.weighted_sum(self.attention(batch), self.item(batch.history))  # (B, d)
        return self.click(x, self.item(batch.item), self.user(batch))  # (B,)


class BagOfGaps(M.DIN):
    """No attention: each event counts by its age, one learned number a bucket, whatever the target."""

    def __init__(self, schema, *, dim: int = 16):
        super().__init__(schema, dim=dim)
        self.place = L.TimeGapPositions(1, std=0.0)

    def forward(self, batch):
        gap = batch.time[:, None] - batch.history_time  # (B, L)
        a = F.softplus(self.place(gap)[..., 0]) * batch.history_mask  # (B, L)
        x = L.weighted_sum(a, self.item(batch.history))  # (B, d)
        return self.click(x, self.item(batch.item), self.user(batch))  # (B,)


BST_FIT = {"lr": 0.005, "weight_decay": 0.01, "batch_size": 256, "epochs": 8}
DIN_FIT = {"lr": 0.01, "weight_decay": 0.01, "batch_size": 1024, "epochs": 8}
FADING = {
    "DIN": (M.DIN, DIN_FIT),
    "DIN, time": (TimedDIN, DIN_FIT),
    "DIN, places": (partial(TimedDIN, positions="places"), DIN_FIT),
    "sum by age": (BagOfGaps, DIN_FIT | {"epochs": 24}),  # a third of the cost of the others
    "BST, time": (partial(M.BST, layers=2, norm="pre"), BST_FIT),
    "BST, places": (partial(M.BST, layers=2, norm="pre", positions="learned"), BST_FIT),
}
MOVIELENS = {
    "DeepFM": partial(M.DeepFM, dim=16),
    "DIN": partial(M.DIN, dim=16, users=True, features=True),
    "BST": partial(M.BST, dim=16, users=True, features=True),
}


def fading() -> list[dict]:
    task, rows = task_on("fading"), []
    for seed in range(SEEDS):
        for name, (make, fit) in FADING.items():
            row, _ = trained(partial(make, task.schema), task, seed=seed, **fit)
            rows.append({"data": "fading", "model": name, "rows": len(task.train)} | row | {"chosen": True})
            print(rows[-1], flush=True)
    return rows


def movielens() -> list[dict]:
    whole, rows = task_on("100k"), []
    order = torch.randperm(len(whole.train), generator=torch.Generator().manual_seed(0))
    for n, epochs in SIZES.items():
        task = dataclasses.replace(whole, train=whole.train.subset(order[:n]))
        for name, make in MOVIELENS.items():

            def run(lr: float, weight_decay: float, seed: int, make=make, task=task, epochs=epochs) -> dict:
                make = partial(make, task.schema)
                return trained(make, task, lr, weight_decay, seed, epochs=epochs, patience=1)[0]

            found = search(run, [(0.002, 0.01), (0.005, 0.01)], SEEDS, further=0)
            rows += [{"data": "100k", "model": name, "rows": len(task.train)} | row for row in found]
    return rows


def main() -> None:
    for data in sys.argv[1:] or ("fading", "100k"):
        keep("transformer/bst", {"fading": fading, "100k": movielens}[data]())


if __name__ == "__main__":
    main()
