"""How far does pooling get? Writes benchmarks/results/pooling.csv for the lesson *Pooling is blind*.

Every head gets the same three settings, chosen by validation AUC, one seed, six epochs, as in the lesson.
`python benchmarks/pooling.py 100k` measures one data set only and keeps the other rows.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

import recbyhand as rbh

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "benchmarks" / "results" / "pooling.csv"
SETTINGS = [(0.005, 0.01), (0.02, 0.01), (0.02, 0.3)]  # step size, weight decay
MODELS = {
    "FM": lambda schema: rbh.models.FM(schema, dim=16),
    "[x, t], linear": lambda schema: rbh.models.PooledSequence(schema, head="concat", hidden=()),
    "[x, t], hidden layer": lambda schema: rbh.models.PooledSequence(schema, head="concat"),
    "[x, t, x*t], linear": lambda schema: rbh.models.PooledSequence(schema, hidden=()),
    "[x, t, x*t], hidden layer": lambda schema: rbh.models.PooledSequence(schema),
    "[x, t, x*t], hidden layer, d = 48": lambda schema: rbh.models.PooledSequence(schema, dim=48),
}


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def run(name: str, task, lr: float, weight_decay: float) -> dict[str, object]:
    """One model trained once: a row of the table."""
    begun = time.process_time()
    rbh.seed(0)
    model = MODELS[name](task.schema)
    log = rbh.fit(model, task, epochs=6, lr=lr, weight_decay=weight_decay, progress=False)
    score = rbh.evaluate(model, task.test).iloc[0]
    return {
        "model": name,
        "lr": lr,
        "weight_decay": weight_decay,
        "valid_auc": round(log["valid_auc"].max(), 5),
        "test_auc": round(score["auc"], 5),
        "parameters": sum(p.numel() for p in model.parameters()),
        "cpu_seconds": round(time.process_time() - begun, 1),
    }


def measure(data: str) -> pd.DataFrame:
    dataset = rbh.data.planted(data) if data == "interests" else rbh.data.movielens(data, fallback=False)
    task, rows = rbh.data.ctr(dataset), []
    for name in MODELS:
        tuned = [run(name, task, *setting) for setting in SETTINGS]
        best = max(tuned, key=lambda row: row["valid_auc"])
        rows += [{"data": data} | row | {"chosen": row is best} for row in tuned]
        print(data, name, best["lr"], best["weight_decay"], best["valid_auc"], best["test_auc"], flush=True)
    commit = git("rev-parse", "--short", "HEAD")
    dirty = git("status", "--porcelain", "--", "recbyhand")
    return pd.DataFrame([row | {"commit": commit + ("+" if dirty else "")} for row in rows])


def main() -> None:
    chosen = sys.argv[1:] or ["interests", "100k"]
    kept = pd.read_csv(FILE) if FILE.exists() else pd.DataFrame({"data": []})
    table = pd.concat([kept[~kept["data"].isin(chosen)], *map(measure, chosen)])
    table.to_csv(FILE, index=False)


if __name__ == "__main__":
    main()
