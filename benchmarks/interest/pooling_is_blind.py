"""How far does pooling get? Writes benchmarks/results/interest/pooling_is_blind.csv for the lesson *Pooling is blind*.

Every head gets the same three settings, and further step sizes where its best lies at their edge, chosen by validation
AUC, one seed, six epochs, the best by validation. "interests, seeds" and "100k, seeds" repeat what was chosen from five
and three initial weights; "interests, 30 epochs" gives the heads with a hidden layer five times as long, three seeds.
`python -m benchmarks.interest.pooling_is_blind 100k` measures one data set only and keeps the other rows.
"""

from __future__ import annotations

import sys

import pandas as pd

import recbyhand as rbh
from benchmarks._recording import RESULTS, keep, search, task_on, trained

SETTINGS = [(0.005, 0.01), (0.02, 0.01), (0.02, 0.3)]  # step size, weight decay
MODELS = {
    "FM": lambda schema: rbh.models.FM(schema, dim=16),
    "[x, t], linear": lambda schema: rbh.models.PooledSequence(schema, head="concat", hidden=()),
    "[x, t], hidden layer": lambda schema: rbh.models.PooledSequence(schema, head="concat"),
    "[x, t, x*t], linear": lambda schema: rbh.models.PooledSequence(schema, hidden=()),
    "[x, t, x*t], hidden layer": lambda schema: rbh.models.PooledSequence(schema),
    "[x, t, x*t], hidden layer, d = 48": lambda schema: rbh.models.PooledSequence(schema, dim=48),
}


def measure(data: str) -> list[dict]:
    """The search; `seeds` repeats what it chose."""
    task, rows = task_on(data), []
    for name, make in MODELS.items():

        def run(lr, decay, seed, make=make):
            return trained(lambda: make(task.schema), task, lr, decay, seed, epochs=6)[0]

        rows += [{"data": data, "model": name} | row for row in search(run, SETTINGS)]
    return rows


def seeds(data: str) -> list[dict]:
    """What the search chose, from several initial weights; for 30 epochs, the two heads with a hidden layer."""
    where, _, what = data.partition(", ")
    task, rows = task_on(where), []
    old = pd.read_csv(RESULTS / "interest" / "pooling_is_blind.csv").query("data == @where and chosen")
    names = ["[x, t], hidden layer", "[x, t, x*t], hidden layer"] if "30" in what else list(MODELS)
    names = names if where == "interests" else names[:2] + names[3:5]
    for name in names:
        lr, decay = old[old["model"] == name].iloc[0][["lr", "weight_decay"]]
        for seed in range(5 if what == "seeds" and where == "interests" else 3):
            row, model = trained(
                lambda name=name: MODELS[name](task.schema),
                task,
                lr,
                decay,
                seed,
                epochs=30 if "30" in what else 6,
            )
            row["test_gauc"] = round(rbh.evaluate(model, task.test)["gauc"].item(), 5)
            rows.append({"data": data, "model": name} | row | {"chosen": True})
    return rows


DATA = {
    "interests": measure,
    "100k": measure,
    "interests, seeds": seeds,
    "100k, seeds": seeds,
    "interests, 30 epochs": seeds,
}


def main() -> None:
    for data in sys.argv[1:] or DATA:
        keep("interest/pooling_is_blind", DATA[data](data))


if __name__ == "__main__":
    main()
