"""Which attention can look a word up, and what is that worth? Writes benchmarks/results/graph/static_and_dynamic.csv.

`lookup`: ten keys hold a value each, drawn anew for every table; ten queries each want the value of their own key (the
dictionary lookup of arXiv:2105.14491). Every layer gets the same three step sizes, chosen by seed 0 on tables that are
drawn for this alone, then four more seeds. "test_auc" is the share of queries that put the right value first, on tables
that nobody has seen; "own_weight" is the mean weight that a query gives its own key. `communities`:
GraphAttentionRecommender without user ids, four ways to weigh neighbours, two step sizes, five seeds. `100k`: the same
four on MovieLens, with ids and features, chosen by NDCG@10, three seeds.
`python -m benchmarks.graph.static_and_dynamic lookup` measures one of them and keeps the other rows.
"""

from __future__ import annotations

import sys
import time

import torch
from torch import nn

import recbyhand as rbh
from benchmarks._recording import keep, search, task_on, trained
from recbyhand import layers

K, STEPS, TABLES = 10, 300, 32
M = rbh.models
LOOKUP = {
    "GAT, d = 16": (layers.GATLayer, 16, 1),
    "GAT, d = 64": (layers.GATLayer, 64, 1),
    "GAT, d = 256": (layers.GATLayer, 256, 1),
    "GAT, d = 64, 8 heads": (layers.GATLayer, 64, 8),
    "GATv2, d = 16": (layers.GATv2Layer, 16, 1),
    "GATv2, d = 64": (layers.GATv2Layer, 64, 1),
    "dot, d = 16": (layers.DotGraphAttention, 16, 1),
}
ATTENTIONS = ("dot", "gatv2", "gat", "mean")


class Lookup(nn.Module):
    """Nodes 0 to k - 1 are keys, k to 2 k - 1 queries; each query hears all keys. values (T, k) -> (T, k, k)."""

    def __init__(self, layer, k: int, d: int, heads: int = 1):
        super().__init__()
        self.key, self.value, self.query = (nn.Embedding(k, d) for _ in range(3))
        self.layer = layer(d, d // heads, heads, self_loops=False)
        self.read = nn.Linear(d, k)
        one = torch.arange(k)
        self.edges = torch.stack([one.repeat(k), k + one.repeat_interleave(k)])  # (2, k * k)

    def forward(self, values, weights: bool = False):
        tables, k = values.shape
        keys = self.key.weight + self.value(values)  # (T, k, d)
        h = torch.cat([keys, self.query.weight.expand(tables, -1, -1)], 1)  # (T, 2 k, d)
        edges = self.edges[:, None] + 2 * k * torch.arange(tables)[:, None]  # (2, T, k * k)
        heard, _, a = self.layer(h.flatten(0, 1), edges.flatten(1), return_weights=True)
        logits = self.read(heard.view(tables, 2 * k, -1)[:, k:])  # (T, k, k)
        return (logits, a.view(tables, k, k, -1)) if weights else logits


def draw(tables: int, k: int) -> torch.Tensor:
    """(T, k): in each table every value once, in random order."""
    return torch.rand(tables, k).argsort(1)


def looked_up(model: nn.Module, values: torch.Tensor) -> float:
    with torch.no_grad():
        return (model(values).argmax(-1) == values).float().mean().item()


def lookup() -> list[dict]:
    rows = []
    for name, (layer, d, heads) in LOOKUP.items():

        def run(lr: float, seed: int, layer=layer, d=d, heads=heads) -> dict:
            begun = time.process_time()
            rbh.seed(seed)
            model = Lookup(layer, K, d, heads)
            optimizer = torch.optim.Adam(model.parameters(), lr=lr)
            for _ in range(STEPS):
                values = draw(TABLES, K)
                loss = nn.functional.cross_entropy(model(values).flatten(0, 1), values.flatten())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            rbh.seed(1000 + seed)
            with torch.no_grad():
                a = model(draw(100, K), weights=True)[1].mean(-1)  # (T, query, key)
            return {
                "lr": lr,
                "seed": seed,
                "valid_auc": round(looked_up(model, draw(500, K)), 4),
                "test_auc": round(looked_up(model, draw(500, K)), 4),
                "loss": round(loss.item(), 4),
                "own_weight": round(a.diagonal(dim1=1, dim2=2).mean().item(), 4),
                "parameters": sum(p.numel() for p in model.parameters()),
                "cpu_seconds": round(time.process_time() - begun, 1),
            }

        found = search(run, [(0.003,), (0.01,), (0.03,)], seeds=5, further=0)
        rows += [{"data": "lookup", "model": name} | row for row in found]
    return rows


def communities() -> list[dict]:
    task, rows = task_on("communities"), []
    graph = rbh.data.graph(task)
    for attention in ATTENTIONS:

        def run(lr: float, seed: int, attention=attention) -> dict:
            def make():
                return M.GraphAttentionRecommender(task.schema, graph, attention=attention, users=False)

            return trained(make, task, lr, 0.01, seed, epochs=12, patience=5, batch_size=2048)[0]

        found = search(run, [(0.05,), (0.1,)], seeds=5, further=0)
        rows += [{"data": "communities", "model": attention} | row for row in found]
    return rows


def movielens() -> list[dict]:
    task, rows = task_on("100k"), []
    graph = rbh.data.graph(task)
    how = {"epochs": 24, "patience": 5, "batch_size": 16_384, "monitor": "NDCG@10", "progress": False}

    def run(attention: str, lr: float, seed: int) -> dict:
        def make(schema):
            return M.GraphAttentionRecommender(schema, graph, attention=attention, loss="bpr")

        begun = time.process_time()
        model = rbh.train(make, task, lr=lr, weight_decay=1.0, seed=seed, **how)
        row = {
            "data": "100k",
            "model": attention,
            "lr": lr,
            "weight_decay": 1.0,
            "seed": seed,
            "valid_ndcg": round(model.log["valid_NDCG@10"].max(), 5),
            "test_ndcg": round(rbh.evaluate_ranking(model, task)["NDCG@10"].item(), 5),
            "test_auc": round(rbh.evaluate(model, task.test)["auc"].item(), 5),
            "cpu_seconds": round(time.process_time() - begun, 1),
        }
        print(row, flush=True)
        return row

    for attention in ATTENTIONS:
        tried = [run(attention, lr, 0) for lr in (0.02, 0.06)]
        best = max(tried, key=lambda row: row["valid_ndcg"])
        again = [run(attention, best["lr"], seed) for seed in (1, 2)]
        rows += [row | {"chosen": row is best} for row in tried] + [row | {"chosen": True} for row in again]
    return rows


def main() -> None:
    for data in sys.argv[1:] or ("lookup", "communities", "100k"):
        found = {"lookup": lookup, "communities": communities, "100k": movielens}[data]()
        keep("graph/static_and_dynamic", found, "recbyhand", "benchmarks/graph")


if __name__ == "__main__":
    main()
