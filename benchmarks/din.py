"""Attention or a mean? Writes benchmarks/results/din.csv, the search behind the settings of the lesson *DIN*.

Every model gets the same four settings per data set, chosen by validation AUC, from initial weights 0. The lesson
trains the chosen ones. `python benchmarks/din.py 100k` measures one data set only and keeps the other rows.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import torch

import recbyhand as rbh

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "benchmarks" / "results" / "din.csv"
DIN, PooledSequence = rbh.models.DIN, rbh.models.PooledSequence


class Mean(torch.nn.Module):
    """The same weight for every film of the history, whatever the target."""

    def forward(self, target, history, mask):
        real = mask.to(history.dtype)  # (B, L)
        return real / real.sum(1, keepdim=True).clamp(min=1)  # (B, L)


class MeanDIN(DIN):
    """DIN with a mean in place of the unit: the control with the same user, features and head."""

    def __init__(self, schema, **settings):
        super().__init__(schema, **settings)
        self.unit = Mean()


MODELS = {
    "interests": {
        "PooledSequence": lambda s: PooledSequence(s, dim=16, hidden=(64,)),
        "DIN": lambda s: DIN(s, dim=16),
        "DIN, softmax": lambda s: DIN(s, dim=16, normalise=True),
    },
    "100k": {
        "PooledSequence": lambda s: PooledSequence(s, dim=16),
        "DIN": lambda s: DIN(s, dim=16),
        "mean + user": lambda s: MeanDIN(s, dim=16, users=True),
        "DIN + user": lambda s: DIN(s, dim=16, users=True),
        "mean + features": lambda s: MeanDIN(s, dim=8, users=True, features=True),
        "DIN + features": lambda s: DIN(s, dim=8, users=True, features=True),
    },
}
SETTINGS = {  # step size and weight decay
    "interests": list(itertools.product((0.005, 0.01), (0.01, 0.1))),
    "100k": list(itertools.product((0.002, 0.005), (0.01, 1.0))),
}
EPOCHS = {"interests": 4, "100k": 3}  # twice as many without attention: they are quick to train


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def run(data: str, name: str, task, lr: float, weight_decay: float) -> dict[str, object]:
    """One model trained once: a row of the table."""
    begun = time.process_time()
    rbh.seed(0)
    model = MODELS[data][name](task.schema)
    epochs = EPOCHS[data] * (1 if name.startswith("DIN") else 2)
    log = rbh.fit(model, task, epochs=epochs, lr=lr, weight_decay=weight_decay, progress=False)
    return {
        "data": data,
        "model": name,
        "lr": lr,
        "weight_decay": weight_decay,
        "best_epoch": int(log.loc[log["best"], "epoch"].iloc[0]),
        "valid_auc": round(log["valid_auc"].max(), 5),
        "test_auc": round(rbh.evaluate(model, task.test)["auc"].item(), 5),
        "parameters": sum(p.numel() for p in model.parameters()),
        "cpu_seconds": round(time.process_time() - begun, 1),
    }


def measure(data: str) -> pd.DataFrame:
    dataset = rbh.data.planted(data) if data == "interests" else rbh.data.movielens(data, fallback=False)
    task, rows = rbh.data.ctr(dataset), []
    for name in MODELS[data]:
        tuned = [run(data, name, task, *setting) for setting in SETTINGS[data]]
        best = max(tuned, key=lambda row: row["valid_auc"])
        rows += [row | {"chosen": row is best} for row in tuned]
        print(best, flush=True)
    changed = git("status", "--porcelain", "--", "recbyhand/models", "recbyhand/layers", "recbyhand/data")
    return pd.DataFrame(rows).assign(commit=git("rev-parse", "--short", "HEAD") + ("+" if changed else ""))


def main() -> None:
    chosen = sys.argv[1:] or list(MODELS)
    kept = [pd.read_csv(FILE)] if FILE.exists() else []
    kept = [table[~table["data"].isin(chosen)] for table in kept]
    pd.concat([*kept, *map(measure, chosen)]).to_csv(FILE, index=False)


if __name__ == "__main__":
    main()
