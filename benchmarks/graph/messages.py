"""How often should a message be passed on? Writes benchmarks/results/graph/messages.csv for the lesson *Messages*.

LightGCN with 0 to 6 layers on MovieLens 100K, ranked over the full catalogue. "mean of layers" scores with the mean of
all layers, as LightGCN does; "last layer" with what the last one gives, as a plain stack would. Each of the thirteen
forms gets the same two step sizes, chosen by NDCG@10 on validation from seed 0, then four more seeds; the decay is 1.0
for all. Training ends when six epochs have brought nothing, or after 24.
`python -m benchmarks.graph.messages 2 3 'last layer'` measures these depths and this form and keeps the other rows.
`long` gives depths 0 and 2 three times as many epochs, three seeds and no search.
So far the file lacks depth 5 and `long`.

user_spread, film_spread  one minus the mean cosine between two users (two films) that have edges
popular                   the share of a user's ten that are among the ten most liked films that he has not met
"""

from __future__ import annotations

import sys
import time

import pandas as pd
import torch

import recbyhand as rbh
from benchmarks._recording import RESULTS, commit, task_on

DEPTHS, SEEDS = tuple(range(7)), 5
RATES = (0.05, 0.15)
HOW = {
    "epochs": 24,
    "weight_decay": 1.0,
    "patience": 6,
    "batch_size": 16_384,
    "monitor": "NDCG@10",
    "progress": False,
}


class LastLayer(rbh.models.LightGCN):
    """LightGCN that forgets all layers but the last."""

    def propagate(self, edges):
        h = torch.cat([self.user.weight, self.item.weight])  # (N, d)
        for _ in range(self.layers):
            h = rbh.layers.gcn_neighbours(h, edges, self_loops=False)  # (N, d)
        return h


FORMS = {"mean of layers": rbh.models.LightGCN, "last layer": LastLayer}


def spread(h: torch.Tensor) -> float:
    """One minus the mean cosine of two rows of h (n, d)."""
    x, n = torch.nn.functional.normalize(h), len(h)
    return 1 - ((x.sum(0).square().sum() - n) / (n * (n - 1))).item()


def tens(model, task) -> torch.Tensor:
    """(U, 10) what the model would show to each user of the ranking."""
    ranking, items = task.ranking(), task.catalogue()
    scores = rbh.evaluation.score_catalogue(model, task, ranking.batch, items)  # (U, I)
    allowed = ranking.allowed(0, len(ranking))[:, items]
    return scores.masked_fill(~allowed, -torch.inf).topk(10).indices


def main() -> None:
    task = task_on("100k")
    graph = rbh.data.graph(task)
    linked = torch.cat(graph.degrees()) > 0  # (N,)
    popular = tens(rbh.models.Popularity(task), task)  # (U, 10)

    def run(form: str, depth: int, lr: float, seed: int, **how) -> dict:
        begun = time.process_time()
        model = rbh.train(
            lambda schema: FORMS[form](schema, graph, layers=depth), task, lr=lr, seed=seed, **HOW | how
        )
        score = rbh.evaluate_ranking(model, task).iloc[0]
        with torch.no_grad():
            h = model.nodes()
        shared = (tens(model, task)[:, :, None] == popular[:, None]).any(-1).float().mean().item()
        return {
            "model": form,
            "layers": depth,
            "lr": lr,
            "weight_decay": HOW["weight_decay"],
            "seed": seed,
            "epochs": len(model.log),
            "valid_ndcg": round(model.log["valid_NDCG@10"].max(), 5),
            "test_ndcg": round(score["NDCG@10"], 5),
            "test_hr": round(score["HR@10"], 5),
            "user_spread": round(spread(h[: graph.n_users][linked[: graph.n_users]]), 4),
            "film_spread": round(spread(h[graph.n_users :][linked[graph.n_users :]]), 4),
            "popular": round(shared, 4),
            "cpu_seconds": round(time.process_time() - begun, 1),
        }

    def add(rows: list[dict]) -> None:
        file = RESULTS / "graph" / "messages.csv"
        new = pd.DataFrame(rows).assign(data="100k", commit=commit("recbyhand", "benchmarks/graph"))
        if file.exists():
            old = pd.read_csv(file, dtype={"commit": str})
            again = set(zip(new["layers"], new["model"]))
            new = pd.concat([old[[pair not in again for pair in zip(old["layers"], old["model"])]], new])
        new.sort_values(["layers", "model", "seed", "lr"]).to_csv(file, index=False)

    forms = [word for word in sys.argv[1:] if word in FORMS] or list(FORMS)
    for depth in [word for word in sys.argv[1:] if word not in FORMS] or (*DEPTHS, "long"):
        if depth == "long":
            for layers in (0, 2):
                rows = [
                    run("mean of layers", layers, 0.15, seed, epochs=72, patience=24) for seed in range(3)
                ]
                add([row | {"model": "mean of layers, long", "chosen": True} for row in rows])
            continue
        depth = int(depth)
        for form in forms if depth else ("mean of layers",):  # without layers both are matrix factorisation
            tried = [run(form, depth, lr, 0) for lr in RATES]
            best = max(tried, key=lambda row: row["valid_ndcg"])
            again = [run(form, depth, best["lr"], seed) for seed in range(1, SEEDS)]
            add([row | {"chosen": row is best} for row in tried] + [row | {"chosen": True} for row in again])
            print(best, *(row["test_ndcg"] for row in again), flush=True)


if __name__ == "__main__":
    main()
