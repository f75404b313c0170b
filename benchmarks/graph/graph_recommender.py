"""Is it the attention that helps? Writes benchmarks/results/graph/graph_recommender.csv for its lesson.

`communities` (AUC): attention by query and key, the mean of all neighbours, the mean of those neighbours alone that a
rule keeps (the film's kind is the one that suits the user's group), and matrix factorisation. Each searches its decay
by validation AUC; the means and matrix factorisation may take three times the epochs and more. Five seeds.
`precision` is the share of test rows whose largest weight stands at a true neighbour. Forms of attention are compared
by benchmarks/graph/static_and_dynamic.py.

`100k` (NDCG@10, full catalogue, the test of each user after his own cut): whatever learns by gradient has one search,
two decays at one step size with the loss "bpr"; the neighbours of films search how many of them count, alternating
least squares its charge for length and its weight of likes. What validation chose starts from five seeds. "own
edges": the chosen setting, but a training row's own edge stays in the graph.

`100k, one cut`: one moment for everybody, the chosen settings from `100k`, five seeds.

`top`, `random`, `low`: the same metric after 30 % of each user's neighbours were deleted, the heaviest, some drawn at
random, the lightest; `stays_...` is the share of the ten recommended films that are recommended still. `valid_auc`
holds the metric that was watched. `python -m benchmarks.graph.graph_recommender communities:dot "100k:least squares"
"100k, one cut"` measures only these, and keeps the other rows; "100k, one cut" reads the settings that "100k" has
chosen.
"""

from __future__ import annotations

import copy
import math
import sys
import time
from functools import partial

import pandas as pd
import torch

import recbyhand as rbh
from benchmarks._recording import RESULTS, commit, search, task_on
from recbyhand.evaluation.ranking import score_catalogue

M = rbh.models
SHARE = 0.3
SEEDS = 5


def without(model, gone):
    """A copy that no longer hears from these neighbours: `gone` (E,) says which messages to users are cut."""
    cut = copy.copy(model)
    cut._buffers = dict(model._buffers)
    cut.edges = model.edges[:, torch.cat([~gone, torch.ones_like(gone)])]
    cut.train(model.training)
    return cut


def lists(model, task):
    """(U, I) scores of what may be recommended, -inf elsewhere."""
    ranking = task.ranking()
    return score_catalogue(model, task, ranking.batch).masked_fill(
        ~ranking.allowed()[:, task.catalogue()], -math.inf
    )


def deleted(model, graph, by: str, seed: int = 0) -> torch.Tensor:
    """(E,) True for the 30 % of each user's edges that go: "top", "random" or "low" in weight."""
    a = model.edge_weights().mean(1)  # (E,)
    noise = torch.rand(len(a), generator=torch.Generator().manual_seed(seed))  # (E,)
    key = {"top": -a, "low": a, "random": noise}[by]  # (E,) small goes first
    order = key.argsort()
    order = order[graph.user[order].argsort(stable=True)]  # by user, then by key
    count = torch.bincount(graph.user, minlength=graph.n_users)  # (n_users,)
    first = (count.cumsum(0) - count)[graph.user[order]]  # (E,)
    gone = torch.zeros(len(a), dtype=torch.bool)
    gone[order] = torch.arange(len(a)) - first < (SHARE * count[graph.user[order]]).round()
    return gone


def explained(model, graph, task, metric) -> dict:
    """What a deletion does to the metric, and to the lists."""
    row = {}
    with torch.no_grad():
        ten = None if metric == "auc" else lists(model, task).topk(10).indices  # (U, 10)
        for by in ("top", "random", "low"):
            cut = without(model, deleted(model, graph, by))
            if ten is None:
                row[by] = round(rbh.evaluate(cut, task.test)["auc"].item(), 5)
            else:
                row[by] = round(rbh.evaluate_ranking(cut, task)[metric].item(), 5)
                now = lists(cut, task).topk(10).indices
                same = (ten[:, :, None] == now[:, None]).any(2).float().mean().item()
                row[f"stays_{by}"] = round(same, 5)
    return row


def trained(make, task, seed: int, **fit) -> tuple[dict, object]:
    begun = time.process_time()
    model = rbh.train(make, task, seed=seed, **fit)
    row = {k: fit[k] for k in ("lr", "weight_decay")} | {"seed": seed}
    row |= {
        "epochs": len(model.log),
        "best_epoch": int(model.log.loc[model.log["best"], "epoch"].iloc[0]),
        "parameters": sum(p.numel() for p in model.parameters()),
        "cpu_seconds": round(time.process_time() - begun, 1),
    }
    return row, model


# ------------------------------------------------------------------------------------------------- communities


COMMUNITIES = {"dot": 6, "mean": 18, "mean, chosen by rule": 18, "matrix factorisation": 24}  # epochs at most


def communities(names) -> list[dict]:
    task = task_on("communities")
    truth, graph, test = task.dataset.truth, rbh.data.graph(task), task.test[:]
    suits = (
        torch.from_numpy(truth.user_tag)[graph.user - 2] == torch.from_numpy(truth.item_tag)[graph.item - 2]
    )
    rows = []
    for name in names:
        epochs = COMMUNITIES[name]
        mine = graph.without(~suits) if "rule" in name else graph

        def make(s, name=name, mine=mine):
            if name.startswith("matrix"):
                return M.MatrixFactorization(s, dim=16)
            return M.GraphAttentionRecommender(s, mine, attention=name.split(",")[0], users=False)

        def run(lr, weight_decay, seed, name=name, make=make, epochs=epochs) -> dict:
            row, model = trained(
                make, task, seed, lr=lr, weight_decay=weight_decay, epochs=epochs, patience=4
            )
            row |= {
                "valid_auc": round(model.log["valid_auc"].max(), 5),
                "test_auc": round(rbh.evaluate(model, task.test)["auc"].item(), 5),
            }
            if name == "dot":
                with torch.no_grad():
                    row["precision"] = round(truth.precision(model.attention(test), test).precision, 5)
                row |= explained(model, graph, task, "auc")
            return row

        factors = name.startswith("matrix")  # its first best decay was the largest of three: one further
        decays = (0.1, 1.0, 3.0) if factors else (0.01, 0.1, 1.0)
        grid = [(0.02 if factors else 0.05, decay) for decay in decays]
        rows += [{"data": "communities", "model": name} | row for row in search(run, grid, SEEDS, further=0)]
    return rows


# --------------------------------------------------------------------------------------------------- MovieLens


class Counted(torch.nn.Module):
    """Scores (n_users, n_items) that were counted or solved beforehand."""

    def __init__(self, schema, table):
        super().__init__()
        self.schema, self.table = schema, table

    def forward(self, batch):
        return self.table[batch.user, batch.item]

    def score_items(self, batch, items):
        return self.table[batch.user[:, None], items]


def item_neighbours(task, k: int):
    """Cosines of films' columns of likes; of each film's neighbours the k nearest count."""
    graph = rbh.data.graph(task)
    R = torch.zeros(graph.n_users, graph.n_items)
    R[graph.user, graph.item] = 1
    length = R.norm(dim=0).clamp(min=1)
    near = (R.T @ R / length[:, None] / length).fill_diagonal_(0)  # (n_items, n_items)
    near = near * (near >= near.topk(k).values[:, -1:])
    return Counted(task.schema, R @ near.T)


def squares(task, alpha: float, reg: float, seed: int = 0):
    graph = rbh.data.graph(task)
    shape = (graph.n_users, graph.n_items)
    U, V = M.implicit_als(graph.user, graph.item, shape=shape, dim=16, alpha=alpha, reg=reg, seed=seed)[:2]
    return Counted(task.schema, (U @ V.T).float())


def scored(model, task, valid: float | None) -> dict:
    ranking = rbh.evaluate_ranking(model, task).iloc[0]
    row = {
        "test_ndcg": ranking["NDCG@10"],
        "test_hr": ranking["HR@10"],
        "test_ndcg_se": ranking["NDCG@10_se"],
    }
    row["test_auc"] = rbh.evaluate(model, task.test)["auc"].item()
    row |= {"users": int(ranking["users"])}
    return {k: round(v, 5) for k, v in row.items()} | {
        "valid_auc": None if valid is None else round(valid, 5)
    }


GRADIENT = {
    "matrix factorisation": lambda s, g, **how: M.LightGCN(s, g, layers=0, **how),
    "LightGCN": lambda s, g, **how: M.LightGCN(s, g, layers=2, **how),
    "graph attention": lambda s, g, **how: M.GraphAttentionRecommender(s, g, **how),
    "graph mean": lambda s, g, **how: M.GraphAttentionRecommender(s, g, attention="mean", **how),
}


def gradient(name, task, seed, lr, weight_decay, loss, own=False, look=True) -> dict:
    graph = rbh.data.graph(task)
    row, model = trained(
        lambda s: GRADIENT[name](s, graph, loss=loss, own_edges=own),
        task, seed, lr=lr, weight_decay=weight_decay,
        epochs=24, patience=3, batch_size=4096, monitor="NDCG@10",
    )  # fmt: skip
    row |= {"loss": loss} | scored(model, task, model.log["valid_NDCG@10"].max())
    if name == "graph attention" and look:
        row |= explained(model, graph, task, "NDCG@10")
    return row


def counted(make, task, seed, **setting) -> dict:
    """A model without gradient steps: validation is ranked by the task that ends before the test."""
    model = make(task, **setting)
    valid = rbh.evaluate_ranking(model, task.before_test())["NDCG@10"].item()
    return {"seed": seed} | setting | scored(model, task, valid)


COUNTED = {
    "popularity": (lambda task, seed: M.Popularity(task), [{}]),
    "item neighbours": (
        lambda task, seed, k: item_neighbours(task, k),
        [{"k": k} for k in (10, 30, 100, 300, 1000)],
    ),
    "least squares": (squares, [{"alpha": a, "reg": reg} for a in (1.0, 5.0) for reg in (3.0, 10.0)]),
}


def counting(name, task, seed, **setting) -> dict:
    make = COUNTED[name][0]
    return counted(lambda task, **setting: make(task, seed=seed, **setting), task, seed, **setting)


def movielens(names) -> list[dict]:
    task, rows = task_on("100k"), []
    for name in names:
        if name in COUNTED:
            settings = COUNTED[name][1]
            run = partial(counting, name, task)
        else:
            settings = [{"lr": 0.02, "weight_decay": decay, "loss": "bpr"} for decay in (0.1, 1.0)]
            run = partial(gradient, name, task)
        tried = [run(seed=0, **setting) for setting in settings]
        best = max(range(len(tried)), key=lambda place, tried=tried: tried[place]["valid_auc"])
        found = [row | {"chosen": place == best} for place, row in enumerate(tried)]
        if name not in ("popularity", "item neighbours"):  # nothing in these is drawn
            found += [run(seed=seed, **settings[best]) | {"chosen": True} for seed in range(1, SEEDS)]
        rows += [{"data": "100k", "model": name} | row for row in found]
        if name in ("LightGCN", "graph attention"):
            own = [run(seed=seed, own=True, look=False, **settings[best]) for seed in range(SEEDS)]
            rows += [{"data": "100k", "model": f"{name}, own edges", "chosen": True} | row for row in own]
    return rows


def one_cut(names) -> list[dict]:
    late = rbh.data.ctr(rbh.data.movielens("100k", fallback=False), split="global", valid=0.1, test=0.2)
    before, rows = (
        rbh.recorded("graph/graph_recommender").query("data == '100k' and chosen and seed == 0"),
        [],
    )
    for name in names:
        setting = before[before["model"] == name].iloc[0]
        for seed in range(1 if name in ("popularity", "item neighbours") else SEEDS):
            if name in COUNTED:
                kept = {k: int(setting[k]) if k == "k" else float(setting[k]) for k in COUNTED[name][1][0]}
                row = counting(name, late, seed, **kept)
            else:
                kept = {k: setting[k] for k in ("lr", "weight_decay", "loss")}
                row = gradient(name, late, seed=seed, look=False, **kept)
            rows.append({"data": "100k, one cut", "model": name, "chosen": True} | row)
    return rows


def keep(rows: list[dict]) -> None:
    """Into the table, in place of the rows of the same data and model."""
    file, new = RESULTS / "graph" / "graph_recommender.csv", pd.DataFrame(rows).assign(commit=commit())
    if file.exists():
        old = pd.read_csv(file, dtype={"commit": str})
        pairs = set(zip(new["data"], new["model"]))
        new = pd.concat([old[[pair not in pairs for pair in zip(old["data"], old["model"])]], new])
    new.to_csv(file, index=False)
    for row in rows:
        print({k: v for k, v in row.items() if v is not None and row["chosen"]}, flush=True)


ALL = {
    "communities": (communities, list(COMMUNITIES)),
    "100k": (movielens, [*COUNTED, *GRADIENT]),
    "100k, one cut": (
        one_cut,
        ["popularity", "item neighbours", "least squares", "LightGCN", "graph attention"],
    ),
}


def main() -> None:
    torch.set_num_threads(1)
    for asked in sys.argv[1:] or ALL:
        data, _, name = asked.partition(":")
        measure, names = ALL[data]
        for each in [name] if name else names:
            keep(measure([each]))


if __name__ == "__main__":
    main()
