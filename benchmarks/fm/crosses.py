"""Linear, crossed, factorised, or a network? Writes benchmarks/results/fm/crosses.csv for the lesson *Crosses*.

Every model gets the same eight settings, further step sizes where its best lies at their edge, chosen by validation
AUC, and six epochs a run, as in the lesson; those with vectors have numbers of parameters within 10 % of each other.
The chosen setting is then run from five initial weights. `python -m benchmarks.fm.crosses 100k` measures one data set
only and keeps the other rows.
`seeds` adds weight decays of 0.1 and 0.3 at the step size that was chosen, lets validation choose again, and runs what
is chosen from five initial weights.
"""

from __future__ import annotations

import itertools
import sys
from functools import partial

import recbyhand as rbh
from benchmarks._recording import keep, search, task_on, top_up, trained

DATA, SEEDS, EPOCHS = {"crosses": 8, "100k": 16}, 5, 6  # {data set: length of the vectors}
SETTINGS = list(itertools.product((0.002, 0.005, 0.01, 0.02), (0.01, 1.0)))  # step size, weight decay
MODELS = {
    "linear": lambda schema, dim: rbh.models.Poly2(schema, pairs=[]),
    "Poly2": lambda schema, dim: rbh.models.Poly2(schema),
    "MatrixFactorization": lambda schema, dim: rbh.models.MatrixFactorization(schema, dim=dim),
    "FeatureMLP": lambda schema, dim: rbh.models.FeatureMLP(schema, dim=dim, hidden=(32,)),
    "FM": lambda schema, dim: rbh.models.FM(schema, dim=dim),
}


def run(data: str, name: str, task, lr: float, weight_decay: float, seed: int) -> dict:
    def make():
        return MODELS[name](task.schema, DATA[data])

    return trained(make, task, lr, weight_decay, seed, epochs=EPOCHS)[0]


def measure(data: str) -> list[dict]:
    task, rows = task_on(data), []
    for name in MODELS:
        found = search(partial(run, data, name, task), SETTINGS, SEEDS)
        rows += [{"data": data, "model": name} | row for row in found]
    return rows


def main() -> None:
    if sys.argv[1:] == ["seeds"]:
        tasks = {data: task_on(data) for data in DATA}
        top_up("fm/crosses", lambda data, name, *how: run(data, name, tasks[data], *how), decays=(0.1, 0.3))
        return
    for data in sys.argv[1:] or DATA:
        keep("fm/crosses", measure(data))


if __name__ == "__main__":
    main()
