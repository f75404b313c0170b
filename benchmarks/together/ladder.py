"""Every model under one protocol: writes benchmarks/results/together/ladder.csv, for the lesson *The ladder*.

Four planted worlds, each with one effect inside, and MovieLens 100K. A model gets the same two step sizes, at most
twenty epochs and a patience of two; the setting that is best on validation from initial weights 0 is trained from four
more. Models of the click are chosen by AUC, models of lists (`LISTS`) by NDCG@10; both are measured for all. Times are
processor seconds on one thread.
`python -m benchmarks.together.ladder 100k` measures one data set only and keeps the other rows.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd
import torch
from torch import nn

import recbyhand as rbh
from benchmarks._recording import RESULTS, commit, task_on
from recbyhand import models as m

WORLDS = ("crosses", "interests", "drift", "communities", "100k")
RATES, EPOCHS, PATIENCE, SEEDS = (0.003, 0.01), 20, 2, 5


def ctr(name, **settings):
    return lambda task: getattr(m, name)(task.schema, dim=16, **settings)


def on_graph(name, **settings):
    return lambda task: getattr(m, name)(task.schema, rbh.data.graph(task), dim=16, **settings)


MODELS = {
    "Popularity": lambda task: m.Popularity(task),
    "UserItemMean": lambda task: m.UserItemMean(task),
    "gradient boosting": None,
    "MatrixFactorization": ctr("MatrixFactorization"),
    "FeatureMLP": ctr("FeatureMLP"),
    "FM": ctr("FM"),
    "WideDeep": ctr("WideDeep"),
    "DeepFM": ctr("DeepFM"),
    "AFM": ctr("AFM"),
    "RNNRecommender": ctr("RNNRecommender", cell="gru"),
    "PooledSequence": ctr("PooledSequence", features=True),
    "DIN": ctr("DIN", users=True, features=True),
    "DIEN": ctr("DIEN", users=True, features=True),
    "BST": ctr("BST", users=True, features=True),
    "Transformer4Rec": ctr("Transformer4Rec"),
    "SASRec": ctr("SASRec", loss="softmax"),
    "TwoTower": ctr("TwoTower"),
    "LightGCN": on_graph("LightGCN"),
    "GraphAttentionRecommender": on_graph("GraphAttentionRecommender"),
}
LISTS = ("SASRec", "TwoTower", "LightGCN", "GraphAttentionRecommender")
COUNTING = ("Popularity", "UserItemMean")


class Boosting(nn.Module):
    """scikit-learn's gradient-boosted trees over features, counts and smoothed means: a sober competitor."""

    def __init__(self, task, rate: float, seed: int):
        super().__init__()
        from sklearn.ensemble import HistGradientBoostingClassifier

        self.schema, train = task.schema, task.train
        prior = train.label.mean()
        for name, n in (("user", self.schema.n_users), ("item", self.schema.n_items)):
            count = torch.bincount(getattr(train, name), minlength=n).float()
            liked = torch.bincount(getattr(train, name), weights=train.label, minlength=n).float()
            setattr(self, f"{name}_mean", (liked + 10 * prior) / (count + 10))
            setattr(self, f"{name}_count", count)
        self.trees = HistGradientBoostingClassifier(
            learning_rate=10 * rate, max_iter=300, early_stopping=True, random_state=seed
        )
        self.trees.fit(self.columns(train[:], own=train.label), train.label.numpy())

    def columns(self, batch, own=None) -> np.ndarray:
        """(B, columns); a training row's own label is taken out of its means."""
        parts = []
        for name in ("user", "item"):
            ids = getattr(batch, name)
            mean, count = getattr(self, f"{name}_mean")[ids], getattr(self, f"{name}_count")[ids]
            if own is not None:
                mean = (mean * (count + 10) - own) / (count + 9)
                count = count - 1
            parts += [mean[:, None], count[:, None]]
        past = batch.history
        seen = batch.history_mask.float()
        parts += [(self.item_mean[past] * seen).sum(1, keepdim=True) / seen.sum(1, keepdim=True).clamp(min=1)]
        parts += [seen.sum(1, keepdim=True), batch.user_features.float(), batch.item_features.float()]
        return torch.cat(parts, dim=1).numpy()

    def forward(self, batch):
        p = self.trees.predict_proba(self.columns(batch))[:, 1]
        return torch.logit(torch.from_numpy(p).float().clamp(1e-6, 1 - 1e-6))


def run(data: str, name: str, task, rate: float, seed: int) -> dict:
    monitor = "NDCG@10" if name in LISTS else "auc"
    begun = time.process_time()
    rbh.seed(seed)
    if name == "gradient boosting":
        model = Boosting(task, rate, seed)
    else:
        model = MODELS[name](task)
        if name not in COUNTING:
            log = rbh.fit(
                model,
                task,
                EPOCHS,
                rate,
                weight_decay=0.1,
                patience=PATIENCE,
                monitor=monitor,
                seed=seed,
                progress=False,
            )
    trained = time.process_time() - begun
    valid = rbh.evaluate(model, task.valid)["auc"].iloc[0]
    if monitor != "auc":
        valid = log[f"valid_{monitor}"].max()
    begun = time.process_time()
    score = rbh.evaluate(model, task.test).iloc[0]
    inferred = (time.process_time() - begun) / len(task.test)
    ranking = rbh.evaluate_ranking(model, task).iloc[0]
    return {
        "data": data, "model": name, "lr": rate, "seed": seed, "monitor": monitor, "valid": round(float(valid), 5),
        "test_auc": round(score["auc"], 5), "NDCG@10": round(ranking["NDCG@10"], 5),
        "parameters": sum(p.numel() for p in model.parameters()),
        "train_s": round(trained, 1), "infer_us": round(1e6 * inferred, 1),
    }  # fmt: skip


def measure(data: str) -> list[dict]:
    task, rows = task_on(data), []
    for name in MODELS:
        tried = [run(data, name, task, rate, 0) for rate in (RATES[:1] if name in COUNTING else RATES)]
        best = max(tried, key=lambda row: row["valid"])
        more = [] if name in COUNTING else [run(data, name, task, best["lr"], s) for s in range(1, SEEDS)]
        rows += [row | {"chosen": row is best} for row in tried] + [row | {"chosen": True} for row in more]
        print(
            pd.DataFrame([row for row in rows if row["model"] == name and row["chosen"]]).to_string(),
            flush=True,
        )
    return rows


def main() -> None:
    file = RESULTS / "together" / "ladder.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    for data in sys.argv[1:] or WORLDS:
        new = pd.DataFrame(measure(data)).assign(commit=commit())
        if file.exists():
            old = pd.read_csv(file, dtype={"commit": str})
            new = pd.concat([old[old["data"] != data], new])
        new.to_csv(file, index=False)


if __name__ == "__main__":
    main()
