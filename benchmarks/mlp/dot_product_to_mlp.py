"""Dot product, two towers or concatenation? Writes benchmarks/results/mlp/dot_product_to_mlp.csv for its lesson.

The three get the same: twelve settings each, further step sizes where the best lies at their edge, chosen by validation
AUC, 20 epochs a run, and numbers of parameters within 5 % of each other. The chosen setting is then run from five
initial weights, and once with three times the epochs, to see whether a network that is still rising would turn the
verdict. `python -m benchmarks.mlp.dot_product_to_mlp factors` measures one data set only and keeps the other rows.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pandas as pd
import torch

import recbyhand as rbh
from benchmarks._recording import commit, search, task_on, trained

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "benchmarks" / "results" / "mlp" / "dot_product_to_mlp.csv"
DATA = ("factors", "crosses", "100k")
SEEDS, EPOCHS, LONGER, DIM = 5, 20, 60, 16
RATES, DECAYS = (0.005, 0.015), (0.03, 0.3, 1.0)
NETWORK = list(itertools.product(RATES, DECAYS, ("relu", "tanh")))
SETTINGS = {  # twelve for each model: step size, weight decay, and the activation where there is one
    "MatrixFactorization": list(itertools.product((0.002, *RATES), (*DECAYS, 3.0))),
    "TwoTowerMLP": NETWORK,
    "ConcatMLP": NETWORK,
}


def run(name: str, task, setting: tuple, seed: int, epochs: int = EPOCHS) -> dict[str, object]:
    """One model trained once: a row of the table."""
    lr, weight_decay, *activation = setting
    activation = dict(zip(("activation",), activation, strict=False))

    def make():
        return getattr(rbh.models, name)(task.schema, dim=DIM, **activation)

    row = trained(make, task, lr, weight_decay, seed, epochs=epochs)[0]
    return {"model": name, **activation, "epochs": epochs, **row}


def measure(data: str) -> pd.DataFrame:
    torch.set_num_threads(1)  # sums in one order, however many cores there are
    task, rows = task_on(data), []
    for name, settings in SETTINGS.items():
        found = search(lambda *given, name=name: run(name, task, given[:-1], given[-1]), settings, SEEDS)
        chosen = [row for row in found if row["chosen"]]
        best = tuple(chosen[0][key] for key in ("lr", "weight_decay", "activation") if key in chosen[0])
        rows += [{"data": data, "stage": "choice", **row} for row in found if row["seed"] == 0]
        rows += [{"data": data, "stage": "repeat", **row} for row in chosen]
        rows.append({"data": data, "stage": "longer", **run(name, task, best, 0, LONGER)})
    return pd.DataFrame(rows).drop(columns="chosen").assign(commit=commit())


def main() -> None:
    chosen = sys.argv[1:] or DATA
    for data in chosen:
        rows = measure(data)
        old = pd.read_csv(FILE, dtype={"commit": str}) if FILE.is_file() else rows[:0]
        pd.concat([old[old["data"] != data], rows]).sort_values("data", kind="stable").to_csv(
            FILE, index=False
        )


if __name__ == "__main__":
    main()
