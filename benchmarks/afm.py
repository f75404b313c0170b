"""Do the weights of AFM pay, and do they say what matters? Writes benchmarks/results/afm.csv for the lesson *AFM*.

AFM and the same model with equal weights get the same six settings, chosen by validation AUC, and six epochs a run, as
in the lesson; FM brings its setting and its five runs from benchmarks/crosses.py, which had eight to choose from. The
chosen setting is run from three initial weights. For every run of AFM the mean weight of each pair is held against its
permutation importance: the rank correlation of the two, and the pair that each puts first.
"""

from __future__ import annotations

import itertools
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import recbyhand as rbh

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "benchmarks" / "results" / "afm.csv"
DATA, SEEDS, EPOCHS = {"crosses": 8, "100k": 16}, 3, 6  # {data set: length of the vectors}
SETTINGS = list(itertools.product((0.01, 0.02, 0.05), (0.01, 1.0)))  # step size, weight decay


class EqualWeights(rbh.models.AFM):
    """AFM that weighs all pairs alike: what is left when the attention learns nothing."""

    def weights(self, e, ids):
        real = self.products(self.embedding.present(ids)[..., None].float())[..., 0]  # (B, P)
        return real / real.sum(1, keepdim=True).clamp(min=1)  # (B, P)


MODELS = {"AFM": rbh.models.AFM, "equal weights": EqualWeights}


def pair_importance(model, batch, repeats: int = 5) -> np.ndarray:
    """(P,) loss of AUC when the term of one pair comes from another row; mean over shuffles."""
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        e, a = model.products(model.embedding(batch.ids())), model.attention(batch)  # (B, P, d), (B, P)
        term, z = a * (e @ model.p), model(batch)  # (B, P), (B,)
    whole = rbh.metrics.auc(batch.label, z)
    fall = torch.zeros(repeats, term.shape[1])
    for r, pair in itertools.product(range(repeats), range(term.shape[1])):
        other = torch.randperm(len(batch), generator=g)
        fall[r, pair] = whole - rbh.metrics.auc(batch.label, z + (term[other] - term)[:, pair])
    return fall.mean(0).numpy()


def says(model, task) -> dict[str, object]:
    """How the mean weights of the pairs agree with what the pairs are worth, on the test rows."""
    batch = task.test[:]
    with torch.no_grad():
        weight = model.attention(batch).mean(0).numpy()
    worth = pair_importance(model, batch)
    return {
        "rank_correlation": round(pd.Series(weight).corr(pd.Series(worth), method="spearman"), 3),
        "largest_weight": " x ".join(model.pairs[int(weight.argmax())]),
        "most_important": " x ".join(model.pairs[int(worth.argmax())]),
    }


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def run(name: str, task, dim: int, lr: float, weight_decay: float, seed: int, look: bool = False) -> dict:
    """One model trained once: a row of the table."""
    begun = time.process_time()
    rbh.seed(seed)
    model = MODELS[name](task.schema, dim=dim, attention_dim=dim)
    log = rbh.fit(model, task, epochs=EPOCHS, lr=lr, weight_decay=weight_decay, seed=seed, progress=False)
    score = rbh.evaluate(model, task.test).iloc[0]
    row = {
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
    return row | (says(model, task) if look and name == "AFM" else {})


def measure(data: str) -> list[dict]:
    dataset = rbh.data.planted(data) if data == "crosses" else rbh.data.movielens(data, fallback=False)
    task, rows = rbh.data.ctr(dataset), []
    for name in MODELS:
        tuned = [run(name, task, DATA[data], *setting, seed=0) for setting in SETTINGS]
        best = max(tuned, key=lambda row: row["valid_auc"])
        chosen = best["lr"], best["weight_decay"]
        again = [run(name, task, DATA[data], *chosen, s, look=True) for s in range(SEEDS)]
        rows += [row | {"chosen": False} for row in tuned if row is not best]
        rows += [row | {"chosen": True} for row in again]
        print(data, name, *chosen, *(row["test_auc"] for row in again), flush=True)
    return [{"data": data} | row for row in rows]


def main() -> None:
    torch.set_num_threads(1)
    changed = git("status", "--porcelain", "--", "recbyhand/models/afm.py", "recbyhand/layers")
    commit = git("rev-parse", "--short", "HEAD") + ("+" if changed else "")
    table = pd.DataFrame([row | {"commit": commit} for data in DATA for row in measure(data)])
    table.to_csv(FILE, index=False)
    print(table[table["chosen"]].groupby(["data", "model"])["test_auc"].agg(["mean", "std"]).round(4))
    print(table.dropna(subset="rank_correlation").to_string())


if __name__ == "__main__":
    main()
