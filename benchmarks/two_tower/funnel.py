"""What a funnel loses: writes benchmarks/results/two_tower/funnel.csv, for the lesson *Searching*.

`TwoTower` hands on k films of MovieLens 100K, `DIN` ranks them; five seeds of both. The ranker learns from ratings
(likes against dislikes) or from likes against drawn films, with the same settings. The last k is the whole catalogue.
`python -m benchmarks.two_tower.funnel`
"""

from __future__ import annotations

import pandas as pd
import torch

import recbyhand as rbh
from benchmarks._recording import keep, task_on
from recbyhand.evaluation import score_catalogue

HANDED_ON = (10, 30, 100, 300, 1_000, 10_000)


def measure_funnel(seeds: int = 5) -> list[dict]:
    task, out = task_on("100k"), []
    drawn = rbh.data.with_negatives(task)
    ranking, items = task.ranking(), task.catalogue()
    allowed = ranking.allowed(0, len(ranking))[:, items]
    relevant = ranking.is_relevant(0, len(ranking))[:, items]

    def scores(model):
        return score_catalogue(model, task, ranking.batch, items).masked_fill(~allowed, -torch.inf)

    for seed in range(seeds):
        two = rbh.train(
            lambda s: rbh.models.TwoTower(s, dim=16, features=False, pooling="mean"), task, seed,
            epochs=20, lr=0.005, batch_size=512, weight_decay=0.1, monitor="NDCG@10",
        )  # fmt: skip
        retrieved = scores(two)
        rankers = {
            "ratings": (task, {"epochs": 5, "lr": 0.005, "weight_decay": 1.0}),
            "drawn": (drawn, {"epochs": 5, "lr": 0.005, "weight_decay": 1.0}),
        }
        for trained_on, (rows, how) in rankers.items():
            din = rbh.train(lambda s: rbh.models.DIN(s, dim=16), rows, seed, **how)
            ranked = scores(din)
            for k in HANDED_ON:
                k = min(k, len(items))
                handed = (
                    torch.zeros_like(allowed).scatter(1, retrieved.topk(k, dim=1).indices, True) & allowed
                )
                final = ranked.masked_fill(~handed, -torch.inf)
                row = {"data": "100k", "ranker": trained_on, "k": k, "seed": seed}
                row["recall"] = (relevant & handed).sum(1).div(relevant.sum(1)).mean().item()
                row["HR@10"] = rbh.metrics.hit_rates(relevant, final, 10).mean().item()
                row["NDCG@10"] = float(rbh.metrics.ndcgs(relevant, final, 10).mean())
                row["retriever NDCG@10"] = float(rbh.metrics.ndcgs(relevant, retrieved, 10).mean())
                out.append({name: round(v, 5) if isinstance(v, float) else v for name, v in row.items()})
            print(pd.DataFrame(out[-len(HANDED_ON) :]).to_string(), flush=True)
    return out


def main() -> None:
    keep("two_tower/funnel", measure_funnel(), "recbyhand", "benchmarks/two_tower/funnel.py")


if __name__ == "__main__":
    main()
