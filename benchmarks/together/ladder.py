"""Every model under one protocol: writes benchmarks/results/together/ladder.csv, for the lesson *The ladder*.

Planted worlds and MovieLens 100K, cut user by user and ("100k, one cut") at one moment for all. A model gets the same
three step sizes, at most twenty epochs and a patience of two; the step that is best on validation from initial
weights 0 is taken for four more (two, where a training is dear: `DEAR`). Models of the click are chosen by AUC,
models of lists (`LISTS`) by NDCG@10; both are measured for all. Trees and alternating least squares have no step:
they search three values of their own in its place. Losses over the whole catalogue are sampled, which costs SASRec
some of its quality (see *The next item*) and saves much time. Times are processor seconds on one thread, of training
(validation included) and of scoring the test rows.

So far the file lacks "100k, one cut". A run measures what it lacks.
`python -m benchmarks.together.ladder 100k drift` fills up these data sets only.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd
import torch
from filelock import FileLock
from torch import nn

import recbyhand as rbh
from benchmarks._recording import RESULTS, commit, task_on
from recbyhand import models as m

WORLDS = ("interests", "crosses", "drift", "order", "communities", "all", "100k", "100k, one cut")
RATES, EPOCHS, PATIENCE, SEEDS = (0.003, 0.01, 0.03), 20, 2, 5


def ctr(name, **settings):
    return lambda task: getattr(m, name)(task.schema, dim=16, **settings)


def on_graph(name, **settings):
    return lambda task: getattr(m, name)(task.schema, rbh.data.graph(task), dim=16, **settings)


MODELS = {
    "Popularity": lambda task: m.Popularity(task),
    "UserItemMean": lambda task: m.UserItemMean(task),
    "ItemNeighbours": lambda task: m.ItemNeighbours(task),
    "gradient boosting": lambda task, lr, seed: Boosting(task, lr, seed),
    "implicit_als": lambda task, lr, seed: Squares(task, lr, seed),
    "MatrixFactorization": ctr("MatrixFactorization"),
    "TwoTowerMLP": ctr("TwoTowerMLP"),
    "ConcatMLP": ctr("ConcatMLP"),
    "FeatureMLP": ctr("FeatureMLP"),
    "FeatureCNN": ctr("FeatureCNN"),
    "FM": ctr("FM"),
    "Poly2": lambda task: m.Poly2(task.schema),
    "FNN": ctr("FNN"),
    "NFM": ctr("NFM"),
    "WideDeep": ctr("WideDeep"),
    "DeepFM": ctr("DeepFM"),
    "AFM": ctr("AFM"),
    "RNNRecommender": ctr("RNNRecommender", cell="gru"),
    "RNNFactorization": ctr("RNNFactorization"),
    "JointRNN": ctr("JointRNN", sampled=50),
    "PooledSequence": ctr("PooledSequence", features=True),
    "DIN": ctr("DIN", users=True, features=True),
    "DIEN": ctr("DIEN", users=True, features=True),
    "BST": ctr("BST", users=True, features=True),
    "Transformer4Rec": ctr("Transformer4Rec", sampled=50),
    "SASRec": ctr("SASRec", loss="sampled", negatives=100),
    "TwoTower": ctr("TwoTower"),
    "LightGCN": on_graph("LightGCN"),
    "GraphAttentionRecommender": on_graph("GraphAttentionRecommender"),
}
LISTS = ("ItemNeighbours", "implicit_als", "SASRec", "TwoTower", "LightGCN")
COUNTING = ("Popularity", "UserItemMean", "ItemNeighbours")
SOLVED = ("gradient boosting", "implicit_als")
DEAR = ("JointRNN", "DIEN", "Transformer4Rec", "SASRec")  # three starts


class Boosting(nn.Module):
    """scikit-learn's gradient-boosted trees over features, counts and smoothed means: a sober competitor.

    A training row sees means of the other four fifths of the training rows: with its own label in a mean, or taken out
    of it, the trees would read that label off.
    """

    def __init__(self, task, rate: float, seed: int, folds: int = 5):
        super().__init__()
        from sklearn.ensemble import HistGradientBoostingClassifier

        train = task.train
        self.sizes = {"user": task.schema.n_users, "item": task.schema.n_items}
        fold = torch.randint(folds, (len(train),), generator=torch.Generator().manual_seed(seed))
        x = np.empty((len(train), self.columns(train[:2], self.means(train[:])).shape[1]))
        for k in range(folds):
            x[fold == k] = self.columns(train[fold == k], self.means(train[fold != k]))
        self.trees = HistGradientBoostingClassifier(
            learning_rate=10 * rate, max_iter=300, early_stopping=True, random_state=seed
        )
        self.trees.fit(x, train.label.numpy())
        self.known = self.means(train[:])

    def means(self, batch) -> dict:
        """For users and items (n, 2): how many rows, and their mean label, drawn to the mean of all as by ten more."""
        found, prior = {}, batch.label.mean()
        for name, n in self.sizes.items():
            ids = getattr(batch, name)
            count = torch.bincount(ids, minlength=n).float()
            liked = torch.bincount(ids, weights=batch.label, minlength=n).float()
            found[name] = torch.stack([count, (liked + 10 * prior) / (count + 10)], dim=1)
        return found

    def columns(self, batch, known) -> np.ndarray:
        """(B, columns)."""
        seen = batch.history_mask.float()
        past = (known["item"][batch.history][:, :, 1] * seen).sum(1, keepdim=True)
        parts = [known["user"][batch.user], known["item"][batch.item], seen.sum(1, keepdim=True)]
        parts += [past / seen.sum(1, keepdim=True).clamp(min=1)]
        return torch.cat([*parts, batch.user_features.float(), batch.item_features.float()], dim=1).numpy()

    def forward(self, batch):
        p = self.trees.predict_proba(self.columns(batch, self.known))[:, 1]
        return torch.logit(torch.from_numpy(p).float().clamp(1e-6, 1 - 1e-6))


class Squares(nn.Module):
    """Alternating least squares on the training likes; the step size stands for the weight of a like, times 100."""

    def __init__(self, task, rate: float, seed: int):
        super().__init__()
        self.schema, likes = task.schema, rbh.data.graph(task)
        shape = (task.schema.n_users, task.schema.n_items)
        found = m.implicit_als(
            likes.user, likes.item, shape=shape, dim=16, alpha=100 * rate, reg=10.0, seed=seed
        )
        self.U, self.V = nn.Parameter(found.user.float()), nn.Parameter(found.item.float())

    def forward(self, batch):
        return (self.U[batch.user] * self.V[batch.item]).sum(1)

    def score_items(self, batch, items):
        return self.U[batch.user] @ self.V[items].T


def run(data: str, name: str, task, rate: float, seed: int) -> dict:
    monitor = "NDCG@10" if name in LISTS else "auc"
    begun = time.process_time()
    rbh.seed(seed)
    make = MODELS[name]
    if name in COUNTING:
        model = make(task)
    elif name in SOLVED:
        model = make(task, rate, seed)
    else:
        model = make(task)
        log = rbh.fit(
            model, task, EPOCHS, rate, weight_decay=0.1, patience=PATIENCE, monitor=monitor, seed=seed, progress=False
        )  # fmt: skip
    trained = time.process_time() - begun
    if monitor == "auc":
        valid = rbh.evaluate(model, task.valid)["auc"].iloc[0]
    elif name in COUNTING or name in SOLVED:
        valid = rbh.evaluate_ranking(model, task.before_test())["NDCG@10"].item()
    else:
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


def measure(data: str, name: str, task) -> list[dict]:
    """Seed 0 with each step, then what validation chose with the other seeds."""
    tried = [run(data, name, task, rate, 0) for rate in (RATES[:1] if name in COUNTING else RATES)]
    best = max(tried, key=lambda row: row["valid"])
    seeds = 1 if name in COUNTING else 3 if name in DEAR else SEEDS
    more = [run(data, name, task, best["lr"], seed) for seed in range(1, seeds)]
    return [row | {"chosen": row is best} for row in tried] + [row | {"chosen": True} for row in more]


def task_of(data: str):
    if data != "100k, one cut":
        return task_on(data)
    return rbh.data.ctr(rbh.data.movielens("100k", fallback=False), split="global")


def main() -> None:
    file = RESULTS / "together" / "ladder.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    for data in sys.argv[1:] or WORLDS:
        task = task_of(data)
        for name in MODELS:
            rows = pd.read_csv(file, dtype={"commit": str}) if file.exists() else pd.DataFrame()
            if len(rows) and ((rows["data"] == data) & (rows["model"] == name)).any():
                continue
            new = pd.DataFrame(measure(data, name, task)).assign(commit=commit())
            print(new[new["chosen"]].to_string(), flush=True)
            with FileLock(f"{file}.lock"):
                old = pd.read_csv(file, dtype={"commit": str}) if file.exists() else None
                pd.concat([old, new]).to_csv(file, index=False)


if __name__ == "__main__":
    main()
