"""Seconds that a ranking of all test users takes, model by model: writes benchmarks/results/ranking.csv.

MovieLens 100K, every test user who has a list, the whole catalogue, d = 16; initial weights, since time does not
depend on them. Seconds of processor time on one thread, the best of up to three runs: on an idle machine no more than
that on the clock. `seconds_blocks` is the road that every module can take: rows of one user and one item, in blocks,
each history repeated for every item. `seconds` is what `rbh.evaluate_ranking` takes: a model with `score_items` reads
each user once, others go by blocks. `same` says that HR@10 and NDCG@10 agree to 0.0001.
`python -m benchmarks.ranking BST SASRec` measures these models and keeps the other rows.
"""

from __future__ import annotations

import os
import platform
import sys
import time

import pandas as pd
import torch
from torch import nn

import recbyhand as rbh
from benchmarks._recording import keep, task_on
from recbyhand.evaluation.ranking import scores_items
from recbyhand.models.graph_base import GraphModel


class Blocks(nn.Module):
    """The same model without `score_items`."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, batch):
        return self.model(batch)


def timed(model: nn.Module, task, enough: float = 8.0) -> tuple[float, pd.Series]:
    """The shortest of three runs, of fewer where one takes long; and what came out."""
    best, spent = float("inf"), 0.0
    for _ in range(3):
        begun = time.process_time()
        row = rbh.evaluate_ranking(model, task).iloc[0]
        best, spent = min(best, time.process_time() - begun), spent + time.process_time() - begun
        if spent > enough:
            break
    return best, row


def main() -> None:
    torch.set_num_threads(1)
    task, rows = task_on("100k"), []
    classes = [getattr(rbh.models, name) for name in sys.argv[1:] or rbh.models.__all__]
    for cls in classes:
        if (
            not isinstance(cls, type)
            or not issubclass(cls, rbh.models.Recommender)
            or cls is rbh.models.Recommender
        ):
            continue
        rbh.seed(0)
        counts = cls in (rbh.models.Popularity, rbh.models.UserItemMean, rbh.models.ItemNeighbours)
        graph = (rbh.data.graph(task),) if issubclass(cls, GraphModel) else ()
        model = cls(task if counts else task.schema, *graph)
        direct = scores_items(model)
        blocks, slow = timed(Blocks(model), task)
        seconds, row = timed(model, task) if direct else (blocks, slow)
        same = bool(((row[["HR@10", "NDCG@10"]] - slow[["HR@10", "NDCG@10"]]).abs() < 1e-4).all())
        rows.append(
            {
                "model": cls.__name__,
                "score_items": direct,
                "users": int(row["users"]),
                "items": len(task.catalogue()),
                "seconds_blocks": round(blocks, 3),
                "seconds": round(seconds, 3),
                "same": same,
                "machine": f"{os.cpu_count()} {platform.machine()} cores, 1 thread",
                "torch": torch.__version__,
            }
        )
        print(rows[-1], flush=True)
    keep("ranking", rows, by=("model",))


if __name__ == "__main__":
    main()
