"""Over fields, over dimensions, or not at all? Writes benchmarks/results/convolution.csv for its lesson.

Each convolution gets six settings, chosen by validation AUC, and six epochs a run; the chosen one is run from three
initial weights. The network without convolution and FM had eight settings in benchmarks/crosses.py, and stand there.
"""

from __future__ import annotations

import itertools
import subprocess
import time
from pathlib import Path

import pandas as pd
import torch

import recbyhand as rbh

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "benchmarks" / "results" / "convolution.csv"
DATA, SEEDS, EPOCHS = {"crosses": 8, "100k": 16}, 3, 6  # {data set: length of the vectors}
SETTINGS = list(itertools.product((0.005, 0.01, 0.02), (0.01, 1.0)))  # step size, weight decay


class EmbeddingCNN(rbh.models.Recommender):
    """The source's layout: fields are the channels, the window slides over dimensions, one channel comes out."""

    def __init__(self, schema, *, dim: int = 16):
        super().__init__()
        self.embed = rbh.layers.FeatureEmbedding(schema.fields, dim)
        self.conv = rbh.layers.Conv1d(len(schema.fields), 1, 3)
        self.head = rbh.layers.MLP([dim - 2, 16, 1])

    def forward(self, batch):
        v = self.embed(batch.ids())  # (B, F, d)
        y = self.conv(v)[:, 0].relu()  # (B, d - 2)
        return self.head(y)[:, 0]  # (B,)


MODELS = {
    "CNN over fields": lambda schema, dim: rbh.models.FeatureCNN(schema, dim=dim),
    "CNN over dims": lambda schema, dim: rbh.models.FeatureCNN(schema, dim=dim, over="dims"),
    "source's layout": lambda schema, dim: EmbeddingCNN(schema, dim=dim),
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


def measure(data: str) -> list[dict]:
    dataset = rbh.data.planted(data) if data == "crosses" else rbh.data.movielens(data, fallback=False)
    task, rows = rbh.data.ctr(dataset), []
    for name in MODELS:
        tuned = [run(name, task, DATA[data], *setting, seed=0) for setting in SETTINGS]
        best = max(tuned, key=lambda row: row["valid_auc"])
        again = [run(name, task, DATA[data], best["lr"], best["weight_decay"], s) for s in range(1, SEEDS)]
        rows += [row | {"chosen": row is best or row in again} for row in tuned + again]
        print(data, name, best["lr"], best["weight_decay"], best["best_epoch"], best["valid_auc"], flush=True)
    return [{"data": data} | row for row in rows]


def main() -> None:
    torch.set_num_threads(1)
    changed = git("status", "--porcelain", "--", "recbyhand/models/feature_cnn.py", "recbyhand/layers")
    commit = git("rev-parse", "--short", "HEAD") + ("+" if changed else "")
    table = pd.DataFrame([row | {"commit": commit} for data in DATA for row in measure(data)])
    table.to_csv(FILE, index=False)
    print(table[table["chosen"]].groupby(["data", "model"])["test_auc"].agg(["mean", "std"]).round(4))


if __name__ == "__main__":
    main()
