"""A vector for every partner: is FFM worth it? Writes benchmarks/results/fm/family_tree.csv for *The family tree*.

FM and FFM, on the planted cross and on MovieLens 100K: at equal numbers per feature, and on the planted cross at equal
length of the vectors, too. Each gets the same settings, two step sizes and three weight decays, goes on where the best
step size lies at their edge, and up to ten epochs; what validation AUC chooses is run from five initial weights.
"""

from __future__ import annotations

import itertools
import sys
from functools import partial

import torch

import recbyhand as rbh
from benchmarks._recording import keep, search, task_on, trained

SEEDS, HOW, L, M = 5, {"epochs": 10, "patience": 3}, rbh.layers, rbh.models
SETTINGS = list(itertools.product((0.01, 0.03), (0.01, 0.1, 1.0)))  # step size, weight decay


class FFM(M.Recommender):
    """A vector for every feature and every partner field: the class of the lesson."""

    def __init__(self, schema, *, dim: int = 4):
        super().__init__()
        self.F = len(schema.fields)
        self.bias = torch.nn.Parameter(torch.zeros(()))
        self.linear = L.FeatureEmbedding(schema.fields, 1, std=0)
        self.embedding = L.FeatureEmbedding(schema.fields, self.F * dim)

    def forward(self, batch):
        v = self.embedding(batch.ids()).unflatten(2, (self.F, -1))  # (B, F, F, d)
        i, j = torch.triu_indices(self.F, self.F, offset=1)  # (P,), (P,)
        pairs = (v[:, i, j] * v[:, j, i]).sum((1, 2))  # (B,)
        return self.bias + self.linear(batch.ids()).sum((1, 2)) + pairs  # (B,)


DATA = {
    "crosses": {
        "FM, d = 12": (M.FM, 12),
        "FFM, d = 2": (FFM, 2),
        "FM, d = 2": (M.FM, 2),
        "FFM, d = 6": (FFM, 6),
    },
    "100k": {"FM, d = 14": (M.FM, 14), "FFM, d = 2": (FFM, 2)},
}


def run(kind, dim: int, task, lr: float, weight_decay: float, seed: int) -> dict:
    return trained(lambda: kind(task.schema, dim=dim), task, lr, weight_decay, seed, **HOW)[0]


def main() -> None:
    for data in sys.argv[1:] or DATA:
        task, rows = task_on(data), []
        for name, (kind, dim) in DATA[data].items():
            found = search(partial(run, kind, dim, task), SETTINGS, SEEDS)
            rows += [{"data": data, "model": name} | row for row in found]
        keep("fm/family_tree", rows)


if __name__ == "__main__":
    main()
