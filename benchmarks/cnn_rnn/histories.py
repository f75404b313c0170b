"""Does a history of likes help? The MovieLens search behind *Histories*, to benchmarks/results/cnn_rnn/histories.csv.

Both networks get the same six settings, and further step sizes where the best lies at their edge, chosen by validation
AUC, and three epochs, as in the lesson; the chosen setting is run from three initial weights. (On the planted world the
lesson trains all models with one setting: what decides there is no input of the others.)
`seeds` adds weight decays of 0.1 and 0.3 at the step size that was chosen, lets validation choose again, and runs what
is chosen from five initial weights.
"""

from __future__ import annotations

import itertools
import sys
from functools import partial

import recbyhand as rbh
from benchmarks._recording import keep, search, task_on, top_up, trained

SEEDS, EPOCHS = 3, 3
SETTINGS = list(itertools.product((0.002, 0.005, 0.01), (0.01, 1.0)))  # step size, weight decay
MODELS = {
    "ConcatMLP": rbh.models.ConcatMLP,
    "RNNRecommender": lambda schema: rbh.models.RNNRecommender(schema, cell="rnn"),
}


def run(name: str, task, lr: float, weight_decay: float, seed: int) -> dict:
    return trained(lambda: MODELS[name](task.schema), task, lr, weight_decay, seed, epochs=EPOCHS)[0]


def main() -> None:
    task, rows = task_on("100k"), []
    if sys.argv[1:] == ["seeds"]:
        top_up("cnn_rnn/histories", lambda data, name, *how: run(name, task, *how), decays=(0.1, 0.3))
        return
    for name in MODELS:
        found = search(partial(run, name, task), SETTINGS, SEEDS)
        rows += [{"data": "100k", "model": name} | row for row in found]
    keep("cnn_rnn/histories", rows)


if __name__ == "__main__":
    main()
