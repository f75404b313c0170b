"""Start from an FM or from nothing? Writes benchmarks/results/fm_feeds_a_network.csv for the lesson of that name.

MovieLens 100K. Every model is given six epochs in all (of FNN's, three go into its FM) and the same six settings to
choose from by validation AUC; the chosen one is run from three initial weights, the FM's included.
"""

from __future__ import annotations

import itertools
import subprocess
import time
from pathlib import Path

import pandas as pd

import recbyhand as rbh

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "benchmarks" / "results" / "fm_feeds_a_network.csv"
SEEDS, EPOCHS, DIM, HIDDEN = 3, 6, 16, (32,)
SETTINGS = list(itertools.product((0.002, 0.005, 0.01), (0.01, 1.0)))  # step size, weight decay
FM_SETTING = {"lr": 0.01, "weight_decay": 0.01}  # chosen by benchmarks/crosses.py
MODELS = {
    "FM": lambda schema, fm: rbh.models.FM(schema, dim=DIM),
    "FNN from FM": lambda schema, fm: rbh.models.FNN.from_fm(fm, hidden=HIDDEN),
    "frozen": lambda schema, fm: rbh.models.FNN.from_fm(fm, hidden=HIDDEN, frozen=True),
    "random start": lambda schema, fm: rbh.models.FNN(schema, dim=DIM, hidden=HIDDEN),
    "NFM": lambda schema, fm: rbh.models.NFM(schema, dim=DIM, hidden=HIDDEN),
}
STARTED = ("FNN from FM", "frozen")


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def fm_of(task, seed: int):
    rbh.seed(seed)
    fm = rbh.models.FM(task.schema, dim=DIM)
    rbh.fit(fm, task, epochs=EPOCHS // 2, seed=seed, progress=False, **FM_SETTING)
    return fm


def run(name: str, task, fm, lr: float, weight_decay: float, seed: int) -> dict[str, object]:
    """One model trained once: a row of the table."""
    begun = time.process_time()
    rbh.seed(seed)
    model = MODELS[name](task.schema, fm)
    epochs = EPOCHS // 2 if name in STARTED else EPOCHS
    log = rbh.fit(model, task, epochs=epochs, lr=lr, weight_decay=weight_decay, seed=seed, progress=False)
    score = rbh.evaluate(model, task.test).iloc[0]
    return {
        "model": name,
        "lr": lr,
        "weight_decay": weight_decay,
        "seed": seed,
        "best_epoch": int(log.loc[log["best"], "epoch"].iloc[0]),
        "valid_auc": round(log["valid_auc"].max(), 5),
        "test_auc": round(score["auc"], 5),
        "test_log_loss": round(score["log_loss"], 5),
        "parameters": sum(p.numel() for p in model.parameters()),
        "cpu_seconds": round(time.process_time() - begun, 1),
    }


def main() -> None:
    task, rows = rbh.data.ctr(rbh.data.movielens("100k", fallback=False)), []
    starts = [fm_of(task, seed) for seed in range(SEEDS)]
    for name in MODELS:
        tuned = [run(name, task, starts[0], *setting, seed=0) for setting in SETTINGS]
        best = max(tuned, key=lambda row: row["valid_auc"])
        setting = best["lr"], best["weight_decay"]
        again = [run(name, task, starts[seed], *setting, seed=seed) for seed in range(1, SEEDS)]
        rows += [row | {"chosen": row is best or row in again} for row in tuned + again]
        print(name, *setting, best["valid_auc"], best["test_auc"], flush=True)
    commit = git("rev-parse", "--short", "HEAD")
    commit += "+" if git("status", "--porcelain", "--", "recbyhand") else ""
    table = pd.DataFrame([{"data": "100k"} | row | {"commit": commit} for row in rows])
    table.to_csv(FILE, index=False)
    print(table[table["chosen"]].groupby("model", sort=False)["test_auc"].agg(["mean", "std"]).round(4))


if __name__ == "__main__":
    main()
