"""Which negatives, which correction, which temperature? Writes benchmarks/results/two_tower/training_a_retriever.csv.

Two towers on the likes of MovieLens 100K: histories of 20 averaged, 16 numbers, no ids, no features. Every variant
differs from "corrected" in the one thing that its name says, and gets the same search: two step sizes from seed 0, a
further one where the edge was best, chosen by NDCG@10 on validation; the chosen one is then trained from five seeds in
all. A training takes up to 12 epochs, and ends where two in a row have not improved; the best epoch is kept.
`python -m benchmarks.two_tower.training_a_retriever hard` measures one variant only and keeps the other rows.
"""

from __future__ import annotations

import dataclasses
import sys
import time

import torch

import recbyhand as rbh
from benchmarks._recording import keep, task_on, widen

RATES, EPOCHS, LIKES = (0.005, 0.01), 12, 512  # step sizes, most epochs, likes in a batch
UNIFORM = {"loss": "sampled", "correct": False}
VARIANTS = {
    "uncorrected": {"correct": False},
    "corrected": {},
    "negatives only": {"correct": True},
    "catalogue": {"loss": "full"},
    "uniform 100": UNIFORM | {"negatives": 100},
    "uniform 1000": UNIFORM | {"negatives": 1000},
    "hard 100": UNIFORM | {"negatives": 1000, "hard": 100},
    "temperature 0.05": {"temperature": 0.05},
    "temperature 0.2": {"temperature": 0.2},
    "temperature 0.5": {"temperature": 0.5},
    "temperature 1": {"temperature": 1.0},
    "ids": {"users": True},
    "ids, half dropped": {"users": True, "forget": 0.5},
    "history holds the target": {"leak": True},
}


class Towers(rbh.models.TwoTower):
    """The model of every row. In training, `forget` is the share of users who are strangers; `leak` is a fault."""

    def __init__(self, schema, *, forget: float = 0.0, leak: bool = False, **settings):
        super().__init__(
            schema, **{"dim": 16, "features": False, "pooling": "mean", "correct": "all"} | settings
        )
        self.forget, self.leak = forget, leak

    def user_vectors(self, batch):
        if self.forget and self.training:
            stranger = torch.rand(len(batch), device=batch.user.device) < self.forget  # (B,)
            batch = dataclasses.replace(batch, user=torch.where(stranger, 1, batch.user))
        if self.leak and self.training:  # the history is cut one event too late
            item, real = batch.item[:, None], torch.ones_like(batch.item, dtype=torch.bool)[:, None]  # (B, 1)
            batch = dataclasses.replace(
                batch,
                history=torch.cat([batch.history, item], dim=1),  # (B, L + 1)
                history_mask=torch.cat([batch.history_mask, real], dim=1),  # (B, L + 1)
            )
        return super().user_vectors(batch)


class Unknown(torch.nn.Module):
    """The same model, asked about users whose id it does not know: their histories are all it has."""

    def __init__(self, model):
        super().__init__()
        self.model, self.schema = model, model.schema

    def forward(self, batch):
        return self.model(dataclasses.replace(batch, user=torch.ones_like(batch.user)))

    def score_items(self, batch, items):
        return self.model.score_items(dataclasses.replace(batch, user=torch.ones_like(batch.user)), items)


def lists(model, task) -> dict[str, float]:
    """What the lists are like: recall of 100, and of the first ten the mean number of likes and the coverage."""
    ranking, top = task.ranking(), rbh.evaluation.retrieved(model, task, 100)  # (U, 100)
    relevant = ranking.is_relevant()  # (U, n_items)
    likes = torch.bincount(task.train.item[task.train.label > 0], minlength=task.schema.n_items).double()
    return {
        "test_ndcg": rbh.evaluate_ranking(model, task)["NDCG@10"].item(),
        "test_recall": (relevant.gather(1, top).sum(1) / relevant.sum(1)).mean().item(),
        "popularity": likes[top[:, :10]].mean().item(),
        "coverage": len(top[:, :10].unique()) / len(task.catalogue()),
    }


def measure(name: str, task) -> list[dict]:
    likes = torch.utils.data.SubsetRandomSampler(task.train.label.nonzero()[:, 0].tolist())

    def run(seed: int, lr: float) -> dict:
        begun = time.process_time()
        how = {
            "epochs": EPOCHS,
            "patience": 2,
            "batch_size": LIKES,
            "weight_decay": 0.1,
            "monitor": "NDCG@10",
        }
        model = rbh.train(lambda s: Towers(s, **VARIANTS[name]), task, seed=seed, lr=lr, sampler=likes, **how)
        best = model.log[model.log["best"]].iloc[0]
        row = {"best_epoch": int(best["epoch"]), "epochs": len(model.log), "valid_auc": best["valid_NDCG@10"]}
        row |= lists(model, task)
        if model.user.id is not None:
            row["test_ndcg_unknown"] = rbh.evaluate_ranking(Unknown(model), task)["NDCG@10"].item()
        return {k: round(v, 5) for k, v in row.items()} | {
            "cpu_seconds": round(time.process_time() - begun, 1)
        }

    rows = widen(run, {"lr": RATES}, seeds=5, further=2)
    return [
        {"model": name} | {"valid_ndcg" if k == "valid_auc" else k: v for k, v in row.items()} for row in rows
    ]


def main() -> None:
    torch.set_num_threads(1)  # sums in one order, however many cores there are
    task, names = task_on("100k"), sys.argv[1:] or ["popularity", *VARIANTS]
    for name in names:
        if name == "popularity":
            new = [
                {"model": name}
                | {k: round(v, 5) for k, v in lists(rbh.models.Popularity(task), task).items()}
            ]
            new[0] |= {"seed": 0, "chosen": True}
        else:
            new = measure(name, task)
        keep("two_tower/training_a_retriever", new, by=("model",))


if __name__ == "__main__":
    main()
