"""What comes next, on MovieLens 100K, by five losses and encoders: writes benchmarks/results/transformer/next_item.csv.

One encoder (SASRec, d = 32, two layers) with four losses, and a GRU in the place of the encoder with the full softmax;
all else is equal. Each gets two step sizes and, beyond the better one, a third, chosen by NDCG@10 on validation from
seed 0, then further seeds. One epoch draws 2,000 liked rows, each with its history, and asks at every place; training
stops when five epochs have not improved NDCG@10 on validation. Popularity and item neighbours stand beside them: they
learn nothing and have no seed.

hr, ndcg            over the full catalogue, one list per test user; relevant are all their liked test films
hr_one, ndcg_one    the same for one liked test film at a time, among the films that the user has not met or liked
hr_100, ndcg_100    the same film among 100 of these drawn at random, with replacement: the mean over all draws
ndcg_shuffled       as ndcg, with the order of every history shuffled before it is read

The file is written anew after each training. `python -m benchmarks.transformer.next_item "full softmax"` measures some
models only and keeps the other rows.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from functools import partial

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import WeightedRandomSampler

import recbyhand as rbh
from benchmarks._recording import keep, task_on

M = rbh.models
RATES, FURTHER = (0.003, 0.01), {0.003: 0.001, 0.01: 0.03}
HOW = {"epochs": 50, "patience": 5, "batch_size": 64, "weight_decay": 0.01, "monitor": "NDCG@10"}
SEEDS, ROWS, DIM, DRAWN = 5, 2_000, 32, 100


class Reader(nn.Module):
    """A GRU that can stand where SASRec has its encoder."""

    def __init__(self, dim: int):
        super().__init__()
        self.gru = nn.GRU(dim, dim, batch_first=True)

    def forward(self, x: Tensor, mask: Tensor, return_weights: bool = False) -> Tensor:
        return self.gru(x)[0]  # (B, T, d)


class GRU4Rec(M.SASRec):
    """SASRec with a GRU for its encoder: the same vectors, places, dropout and loss."""

    def __init__(self, schema, **settings):
        super().__init__(schema, **settings)
        self.encoder = Reader(self.item.embedding_dim)


MODELS = {
    "bce": partial(M.SASRec, dim=DIM, loss="bce"),
    "sampled softmax": partial(M.SASRec, dim=DIM, loss="sampled", negatives=DRAWN),
    "gBCE": partial(M.SASRec, dim=DIM, loss="gbce", negatives=DRAWN),
    "full softmax": partial(M.SASRec, dim=DIM, loss="softmax"),
    "GRU, full softmax": partial(GRU4Rec, dim=DIM, loss="softmax"),
}


FILES = (
    "recbyhand/models",
    "recbyhand/layers",
    "benchmarks/transformer/next_item.py",
)  # what a row depends on


def one_at_a_time(model, task, k: int = 10) -> dict[str, float]:
    """Each liked test film among the films that its user has neither met nor likes: all of them, and 100 drawn."""
    ranking, items = task.ranking(), task.catalogue()
    score = rbh.evaluation.score_catalogue(model, task, ranking.batch, items).double()  # (U, I)
    liked = ranking.is_relevant()[:, items]  # (U, I)
    other = ranking.allowed()[:, items] & ~liked  # (U, I)
    n = other.sum(1)  # (U,)
    row, film = liked.nonzero().T  # (R,) each
    mine, rest = score[row, film][:, None], score[row]  # (R, 1), (R, I)
    above = (((rest > mine) + 0.5 * (rest == mine)) * other[row]).sum(1)  # (R,) a tie counts one half
    gain = 1 / torch.log2(torch.arange(k) + 2.0).double()  # (k,)
    place = above.round().long()
    full = torch.where(place < k, gain[place.clamp(max=k - 1)], 0.0)  # (R,)
    draw = torch.distributions.Binomial(
        DRAWN, probs=(above / n[row])[:, None]
    )  # how many of those drawn are above
    chance = draw.log_prob(torch.arange(k).double()).exp()  # (R, k)
    weight = 1 / torch.bincount(row)[row].double() / len(ranking)  # users count alike
    values = {
        "hr_one": (place < k).double(),
        "ndcg_one": full,
        "hr_100": chance.sum(1),
        "ndcg_100": chance @ gain,
    }
    return {name: round((value * weight).sum().item(), 5) for name, value in values.items()}


def shuffled(batch):
    """The same films in each history, in another order."""
    noise = torch.rand(batch.history.shape, generator=torch.Generator().manual_seed(0))
    order = (noise + ~batch.history_mask).argsort(1)  # padding stays at the end
    return dataclasses.replace(batch, history=batch.history.gather(1, order))


def judged(model, task) -> dict:
    """All metrics of one model on the test."""
    score = rbh.evaluate_ranking(model, task).iloc[0]
    ranking, items = task.ranking(), task.catalogue()
    mixed = rbh.evaluation.score_catalogue(model, task, shuffled(ranking.batch), items)
    mixed = mixed.masked_fill(~ranking.allowed()[:, items], -torch.inf)
    row = {"hr": round(score["HR@10"], 5), "ndcg": round(score["NDCG@10"], 5)} | one_at_a_time(model, task)
    return row | {"ndcg_shuffled": round(rbh.metrics.ndcg_at_k(ranking.is_relevant()[:, items], mixed), 5)}


def run(name: str, task, lr: float, seed: int) -> dict:
    begun = time.process_time()
    rows = WeightedRandomSampler(
        task.train.label, ROWS, replacement=False
    )  # liked rows only, other ones each epoch
    model = rbh.train(MODELS[name], task, seed=seed, lr=lr, sampler=rows, **HOW)
    log = model.log
    row = {"model": name, "lr": lr, "seed": seed, "best_epoch": int(log.loc[log["best"], "epoch"].iloc[0])}
    row |= {"epochs": len(log), "valid_ndcg": round(log["valid_NDCG@10"].max(), 5)} | judged(model, task)
    row |= {"parameters": sum(p.numel() for p in model.parameters())}
    return row | {"cpu_seconds": round(time.process_time() - begun, 1)}


def counted(name: str, model, task) -> dict:
    return {"model": name, "seed": 0, "valid_ndcg": None} | judged(model, task)


def write(rows: list[dict], best: dict[str, float]) -> None:
    """What has been measured so far, so that an interrupted run loses little."""
    marked = [row | {"chosen": row.get("lr") in (None, best.get(row["model"]))} for row in rows]
    keep("transformer/next_item", marked, *FILES, by=("model",))


def main() -> None:
    names = sys.argv[1:] or list(MODELS)
    task, longer = task_on("100k"), rbh.data.ctr(rbh.data.movielens("100k", fallback=False), history=400)
    rows = [
        counted("popularity", M.Popularity(task), task),
        counted("item neighbours", M.ItemNeighbours(task), task),
        counted("item neighbours, all likes", M.ItemNeighbours(longer), longer),
    ]
    best: dict[str, float] = {}
    for name in names:
        tried = [run(name, task, lr, 0) for lr in RATES]
        better = max(tried, key=lambda row: row["valid_ndcg"])["lr"]
        tried.append(run(name, task, FURTHER[better], 0))
        best[name] = max(tried, key=lambda row: row["valid_ndcg"])["lr"]
        rows += tried
        write(rows, best)
        print(pd.DataFrame(tried).to_string(), flush=True)
    for seed in range(1, SEEDS):
        for name in names:
            rows.append(run(name, task, best[name], seed))
            write(rows, best)
            print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
