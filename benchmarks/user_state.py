"""Is a state worth more than a mean? Writes benchmarks/results/user_state.csv for *The state as a user vector*.

Every model gets the same six settings, chosen by validation AUC, and the same number of epochs; the chosen setting is
then run from three initial weights. `python benchmarks/user_state.py 100k` measures one data set and keeps the others.
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
FILE = ROOT / "benchmarks" / "results" / "user_state.csv"
EPOCHS, SEEDS = {"order": 6, "100k": 8}, 3
SETTINGS = list(itertools.product((0.005, 0.02), (0.1, 0.5, 1.0)))  # step size, weight decay
MODELS = {
    "mean of the history": lambda schema: rbh.models.PooledSequence(schema, dim=16),
    "matrix factorisation": lambda schema: rbh.models.MatrixFactorization(schema, dim=16),
    "RNN": lambda schema: rbh.models.RNNFactorization(schema, dim=16, cell="rnn"),
    "LSTM": lambda schema: rbh.models.RNNFactorization(schema, dim=16, cell="lstm"),
    "GRU": lambda schema: rbh.models.RNNFactorization(schema, dim=16, cell="gru"),
}


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def run(name: str, task, epochs: int, lr: float, weight_decay: float, seed: int) -> dict[str, object]:
    """One model trained once: a row of the table."""
    begun = time.process_time()
    rbh.seed(seed)
    model = MODELS[name](task.schema)
    log = rbh.fit(
        model, task, epochs=epochs, lr=lr, weight_decay=weight_decay, seed=seed, patience=2, progress=False
    )
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
    planted = data == "order"
    dataset = rbh.data.planted(data, users=500) if planted else rbh.data.movielens(data, fallback=False)
    task, rows = rbh.data.ctr(dataset), []
    for name in MODELS:
        tuned = [run(name, task, EPOCHS[data], *setting, seed=0) for setting in SETTINGS]
        best = max(tuned, key=lambda row: row["valid_auc"])
        again = [
            run(name, task, EPOCHS[data], best["lr"], best["weight_decay"], seed) for seed in range(1, SEEDS)
        ]
        rows += [row | {"chosen": row is best or row in again} for row in tuned + again]
        print(data, name, best["lr"], best["weight_decay"], best["valid_auc"], best["test_auc"], flush=True)
    commit = git("rev-parse", "--short", "HEAD")
    return pd.DataFrame([{"data": data} | row | {"commit": commit} for row in rows])


def main() -> None:
    chosen = sys.argv[1:] or list(EPOCHS)
    kept = pd.read_csv(FILE) if FILE.exists() else pd.DataFrame({"data": []})
    table = pd.concat([kept[~kept["data"].isin(chosen)], *map(measure, chosen)])
    table.to_csv(FILE, index=False)
    print(table[table["chosen"]].groupby(["data", "model"])["test_auc"].agg(["mean", "std"]).round(4))


if __name__ == "__main__":
    main()
