"""How far does pooling get? Writes benchmarks/results/interest/pooling_is_blind.csv for the lesson *Pooling is blind*.

Every head gets the same two settings, and one more step size where its best lies at their edge, chosen by validation
AUC from initial weights 0; the chosen setting is run from four more. Six epochs, the best of them by validation.
"interests, 30 epochs" gives the two heads with a hidden layer five times as long, at the settings chosen.
`python -m benchmarks.interest.pooling_is_blind 100k` measures one data set only and keeps the other rows.
"""

from __future__ import annotations

import sys

import pandas as pd

import recbyhand as rbh
from benchmarks._recording import RESULTS, keep, search, task_on, trained

SETTINGS = [(0.02, 0.01), (0.02, 0.3)]  # step size, weight decay
SEEDS = 5
MODELS = {
    "FM": lambda schema: rbh.models.FM(schema, dim=16),
    "[x, t], linear": lambda schema: rbh.models.PooledSequence(schema, head="concat", hidden=()),
    "[x, t], hidden layer": lambda schema: rbh.models.PooledSequence(schema, head="concat"),
    "[x, t, x*t], linear": lambda schema: rbh.models.PooledSequence(schema, hidden=()),
    "[x, t, x*t], hidden layer": lambda schema: rbh.models.PooledSequence(schema),
    "[x, t, x*t], hidden layer, d = 48": lambda schema: rbh.models.PooledSequence(schema, dim=48),
}


def measure(data: str) -> list[dict]:
    task, rows = task_on(data), []
    for name, make in MODELS.items():

        def run(lr, decay, seed, make=make):
            row, model = trained(lambda: make(task.schema), task, lr, decay, seed, epochs=6)
            return row | {"test_gauc": round(rbh.evaluate(model, task.test)["gauc"].item(), 5)}

        rows += [{"data": data, "model": name} | row for row in search(run, SETTINGS, SEEDS, further=1)]
    return rows


def longer(data: str) -> list[dict]:
    task, rows = task_on("interests"), []
    old = pd.read_csv(RESULTS / "interest" / "pooling_is_blind.csv").query("data == 'interests' and chosen")
    for name in ("[x, t], hidden layer", "[x, t, x*t], hidden layer"):
        lr, decay = old[old["model"] == name].iloc[0][["lr", "weight_decay"]]
        for seed in range(SEEDS):
            row, _ = trained(lambda name=name: MODELS[name](task.schema), task, lr, decay, seed, epochs=30)
            rows.append({"data": data, "model": name} | row | {"chosen": True})
    return rows


DATA = {"interests": measure, "100k": measure, "interests, 30 epochs": longer}


def main() -> None:
    for data in sys.argv[1:] or DATA:
        keep("interest/pooling_is_blind", DATA[data](data))


if __name__ == "__main__":
    main()
