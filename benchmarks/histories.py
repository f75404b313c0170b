"""Does the order help? Writes benchmarks/results/histories.csv, the search behind the settings of *Histories*.

Every model gets the same six settings, chosen by validation AUC, and the lesson's number of epochs; the chosen one is
run from three initial weights. `python benchmarks/histories.py 100k` measures one data set and keeps the others.
"""

from __future__ import annotations

import itertools
import sys
from functools import partial

from _recording import keep, search, task_on, trained

import recbyhand as rbh

M, SEEDS = rbh.models, 3
HOW = {"order": {"epochs": 8, "batch_size": 512}, "100k": {"epochs": 3, "batch_size": 1024}}
SETTINGS = list(itertools.product((0.002, 0.005, 0.01), (0.01, 1.0)))  # step size, weight decay
MODELS = {
    "order": {
        "FeatureMLP": M.FeatureMLP,
        "PooledSequence": M.PooledSequence,
        "RNNRecommender": lambda schema: M.RNNRecommender(schema, cell="rnn", hidden=16),
    },
    "100k": {
        "ConcatMLP": M.ConcatMLP,
        "RNNRecommender": lambda schema: M.RNNRecommender(schema, cell="rnn"),
    },
}


def run(data: str, name: str, task, lr: float, weight_decay: float, seed: int) -> dict:
    return trained(lambda: MODELS[data][name](task.schema), task, lr, weight_decay, seed, **HOW[data])[0]


def measure(data: str) -> list[dict]:
    task, rows = task_on(data, users=500), []
    for name in MODELS[data]:
        found = search(partial(run, data, name, task), SETTINGS, SEEDS)
        rows += [{"data": data, "model": name} | row for row in found]
    return rows


def main() -> None:
    for data in sys.argv[1:] or MODELS:
        keep("histories", measure(data))


if __name__ == "__main__":
    main()
