"""Start from an FM or from nothing? Writes benchmarks/results/fm/fm_feeds_a_network.csv for the lesson of that name.

MovieLens 100K. Every model is given six epochs in all (of FNN's, three go into its FM) and the same six settings, with
further step sizes where its best lies at their edge, to choose from by validation AUC; the chosen one is run from three
initial weights, the FM's included.
`seeds` adds weight decays of 0.1 and 0.3 at the step size that was chosen, lets validation choose again, and runs what
is chosen from five initial weights.
"""

from __future__ import annotations

import itertools
import sys
from functools import partial

import recbyhand as rbh
from benchmarks._recording import keep, search, task_on, top_up, trained

SEEDS, EPOCHS, DIM, HIDDEN = 3, 6, 16, (32,)
SETTINGS = list(itertools.product((0.002, 0.005, 0.01), (0.01, 1.0)))  # step size, weight decay
FM_SETTING = {"lr": 0.01, "weight_decay": 0.01}  # chosen by benchmarks/fm/crosses.py
MODELS = {
    "FM": lambda schema, fm: rbh.models.FM(schema, dim=DIM),
    "FNN from FM": lambda schema, fm: rbh.models.FNN.from_fm(fm, hidden=HIDDEN),
    "frozen": lambda schema, fm: rbh.models.FNN.from_fm(fm, hidden=HIDDEN, frozen=True),
    "random start": lambda schema, fm: rbh.models.FNN(schema, dim=DIM, hidden=HIDDEN),
    "NFM": lambda schema, fm: rbh.models.NFM(schema, dim=DIM, hidden=HIDDEN),
}
STARTED = ("FNN from FM", "frozen")


def fm_of(task, seed: int):
    rbh.seed(seed)
    fm = rbh.models.FM(task.schema, dim=DIM)
    rbh.fit(fm, task, epochs=EPOCHS // 2, seed=seed, progress=False, **FM_SETTING)
    return fm


def run(name: str, task, starts: list, lr: float, weight_decay: float, seed: int) -> dict:
    def make():
        return MODELS[name](task.schema, starts[seed])

    epochs = EPOCHS // 2 if name in STARTED else EPOCHS
    return trained(make, task, lr, weight_decay, seed, epochs=epochs)[0]


def main() -> None:
    task, rows = task_on("100k"), []
    starts = [fm_of(task, seed) for seed in range(5)]
    if sys.argv[1:] == ["seeds"]:
        run_one = lambda data, name, *how: run(name, task, starts, *how)  # noqa: E731
        top_up("fm/fm_feeds_a_network", run_one, decays=(0.1, 0.3))
        return
    for name in MODELS:
        found = search(partial(run, name, task, starts), SETTINGS, SEEDS)
        rows += [{"data": "100k", "model": name} | row for row in found]
    keep("fm/fm_feeds_a_network", rows)


if __name__ == "__main__":
    main()
