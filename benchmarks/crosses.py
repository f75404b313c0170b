"""Linear, crossed, factorised, or a network? Writes benchmarks/results/crosses.csv for the lesson *Crosses*.

Every model gets the same eight settings, chosen by validation AUC, and six epochs a run, as in the lesson; those with
vectors have numbers of parameters within 10 % of each other. The chosen setting is then run from five initial weights.
`python benchmarks/crosses.py 100k` measures one data set only and keeps the other rows.
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
FILE = ROOT / "benchmarks" / "results" / "crosses.csv"
DATA, SEEDS, EPOCHS = {"crosses": 8, "100k": 16}, 5, 6  # {data set: length of the vectors}
SETTINGS = list(itertools.product((0.002, 0.005, 0.01, 0.02), (0.01, 1.0)))  # step size, weight decay
MODELS = {
    "linear": lambda schema, dim: rbh.models.Poly2(schema, pairs=[]),
    "Poly2": lambda schema, dim: rbh.models.Poly2(schema),
    "MatrixFactorization": lambda schema, dim: rbh.models.MatrixFactorization(schema, dim=dim),
    "FeatureMLP": lambda schema, dim: rbh.models.FeatureMLP(schema, dim=dim, hidden=(32,)),
    "FM": lambda schema, dim: rbh.models.FM(schema, dim=dim),
}


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def run(name: str, task, dim: int, lr: float, weight_decay: float, seed: int) -> dict[str, object]:
    """One model trained once: a row of the table."""
    begun = time.process_time()
    rbh.seed(seed)
    model = MODELS[name](task.schema, dim)
    log = rbh.fit(model, task, epochs=EPOCHS, lr=lr, weight_decay=weight_decay, seed=seed, progress=False)
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


def measure(data: str) -> pd.DataFrame:
    dataset = rbh.data.planted(data) if data == "crosses" else rbh.data.movielens(data, fallback=False)
    task, rows = rbh.data.ctr(dataset), []
    for name in MODELS:
        tuned = [run(name, task, DATA[data], *setting, seed=0) for setting in SETTINGS]
        best = max(tuned, key=lambda row: row["valid_auc"])
        again = [run(name, task, DATA[data], best["lr"], best["weight_decay"], s) for s in range(1, SEEDS)]
        rows += [row | {"chosen": row is best or row in again} for row in tuned + again]
        print(data, name, best["lr"], best["weight_decay"], best["valid_auc"], best["test_auc"], flush=True)
    commit = git("rev-parse", "--short", "HEAD") + (
        "+" if git("status", "--porcelain", "--", "recbyhand") else ""
    )
    return pd.DataFrame([{"data": data} | row | {"commit": commit} for row in rows])


def main() -> None:
    chosen = sys.argv[1:] or list(DATA)
    kept = pd.read_csv(FILE) if FILE.exists() else pd.DataFrame({"data": []})
    table = pd.concat([kept[~kept["data"].isin(chosen)], *map(measure, chosen)])
    table.to_csv(FILE, index=False)
    print(table[table["chosen"]].groupby(["data", "model"])["test_auc"].agg(["mean", "std"]).round(4))


if __name__ == "__main__":
    main()
