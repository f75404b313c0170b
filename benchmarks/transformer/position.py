"""What are positions worth? Writes benchmarks/results/transformer/position.csv for the lesson *Position*.

DIN on the world `drift`, in which the last four films decide, with three ways to say where a film stands; everything
else is equal: one setting, four epochs, five seeds. The form without positions has fewer numbers by the table's.
"""

from __future__ import annotations

import torch

import recbyhand as rbh
from benchmarks._recording import keep, task_on, trained
from recbyhand import layers

HOW = {"epochs": 4, "batch_size": 512}


class PlacedDIN(rbh.models.DIN):
    """DIN whose unit sees e_i + p_i, p_i the vector of the film's age; what is summed stays e_i."""

    def __init__(self, schema, *, places: str = "none", **settings):
        super().__init__(schema, **settings)
        width, length = self.item.width, schema.history + 1
        self.place = layers.LearnedPositions(width, length) if places != "none" else None
        if places == "sinusoidal":
            waves = layers.PositionalEncoding(width, length).table  # (L + 1, d)
            self.place.table = torch.nn.Embedding.from_pretrained(waves)

    def forward(self, batch):
        e, t = self.item(batch.history), self.item(batch.item)  # (B, L, d), (B, d)
        p = 0 if self.place is None else self.place(layers.age(batch.history_mask))  # (B, L, d)
        a = self.unit(t, e + p, batch.history_mask)  # (B, L)
        x = layers.weighted_sum(a, e)  # (B, d)
        return self.mlp(torch.cat([x, t, x * t, self.user(batch)], dim=1)).squeeze(-1)  # (B,)


def main() -> None:
    task, rows = task_on("drift"), []
    for places in ("none", "learned", "sinusoidal"):
        for seed in range(5):

            def make(places=places):
                return PlacedDIN(task.schema, dim=16, places=places)

            row = trained(make, task, lr=0.01, weight_decay=0.01, seed=seed, **HOW)[0]
            rows.append({"data": "drift", "model": places} | row | {"chosen": True})
            print(rows[-1], flush=True)
    keep("transformer/position", rows)


if __name__ == "__main__":
    main()
