"""One network, six activations. Writes benchmarks/results/dice.csv for the lesson *From ReLU to Dice*.

Every activation gets the same two step sizes per data set, chosen by validation AUC from initial weights 0; the chosen
setting is then run from two more. `python benchmarks/dice.py 100k` measures one data set and keeps the other rows.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

import recbyhand as rbh

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "benchmarks" / "results" / "dice.csv"
ACTIVATIONS = ("relu", "leaky_relu", "prelu", "dice", "tanh", "sigmoid")
SETTINGS = {  # step size, weight decay
    "interests": list(itertools.product((0.005, 0.01), (0.1,))),
    "100k": list(itertools.product((0.002, 0.005), (0.01,))),
}
EPOCHS, SEEDS = {"interests": 6, "100k": 4}, 3


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def run(data: str, task, activation: str, lr: float, weight_decay: float, seed: int) -> dict[str, object]:
    """One network trained once: a row of the table."""
    begun = time.process_time()
    rbh.seed(seed)
    model = rbh.models.PooledSequence(task.schema, dim=16, hidden=(64,), activation=activation)
    log = rbh.fit(
        model, task, epochs=EPOCHS[data], lr=lr, weight_decay=weight_decay, seed=seed, progress=False
    )
    return {
        "data": data,
        "activation": activation,
        "lr": lr,
        "weight_decay": weight_decay,
        "seed": seed,
        "valid_auc": round(log["valid_auc"].max(), 5),
        "test_auc": round(rbh.evaluate(model, task.test)["auc"].item(), 5),
        "parameters": sum(p.numel() for p in model.parameters()),
        "cpu_seconds": round(time.process_time() - begun, 1),
    }


def measure(data: str) -> pd.DataFrame:
    dataset = rbh.data.planted(data) if data == "interests" else rbh.data.movielens(data, fallback=False)
    task, rows = rbh.data.ctr(dataset), []
    for name in ACTIVATIONS:
        tuned = [run(data, task, name, *setting, seed=0) for setting in SETTINGS[data]]
        best = max(tuned, key=lambda row: row["valid_auc"])
        again = [run(data, task, name, best["lr"], best["weight_decay"], seed) for seed in range(1, SEEDS)]
        rows += [row | {"chosen": row is best or row in again} for row in tuned + again]
        print(best, flush=True)
    changed = git("status", "--porcelain", "--", "recbyhand/models", "recbyhand/layers", "recbyhand/data")
    return pd.DataFrame(rows).assign(commit=git("rev-parse", "--short", "HEAD") + ("+" if changed else ""))


def main() -> None:
    chosen = sys.argv[1:] or list(SETTINGS)
    kept = [pd.read_csv(FILE)] if FILE.exists() else []
    kept = [table[~table["data"].isin(chosen)] for table in kept]
    pd.concat([*kept, *map(measure, chosen)]).to_csv(FILE, index=False)


if __name__ == "__main__":
    main()
