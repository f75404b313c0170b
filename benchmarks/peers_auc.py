"""Does the faster library learn as well? Writes benchmarks/results/peers_auc.csv.

    peers/bin/python -m benchmarks.peers_auc [models] [libraries]      such as: "DIN;DeepFM" "ours;rechub"

The data, models, sizes and environment of `benchmarks.peers`. Every library's model is trained by one and the same
loop, so that only the model differs: its own loss in batches of 1,024, Adam without decay, until AUC on validation has
not risen for an epoch, weights of the best epoch. The rate is 0.001 or 0.003, whichever is better on validation with
seed 0; that setting is then trained with five seeds.

One row a training. `chosen` marks the five that count. `above_means` is how far AUC on test is above the baseline of
user means and item means, `low` and `high` the ends of the paired 95 % interval (users as units). `seconds` are those
of the processor until the best epoch ended, training alone, on one thread; `peak_mb` what the process had grown by.
BST is missing: torch-rechub's takes eight minutes an epoch (390,119 rows at 800 a second).
"""

from __future__ import annotations

import copy
import json
import os
import platform
import resource
import subprocess
import sys
import time
from importlib.metadata import version

import torch
from torch.nn import functional as F

import recbyhand as rbh
from benchmarks._recording import commit, keep
from benchmarks.peers import PEERS, B, columns, deepctr, ours, rechub

MODELS, LIBRARIES = ("DIN", "DIEN", "DeepFM", "WideDeep, no crosses", "AFM"), ("ours", *PEERS)
RATES, SEEDS, LONGEST = (1e-3, 3e-3), range(5), 12


class Ours:
    def __init__(self, name: str, task):
        self.model = ours()[name](task.schema)

    def table(self, part, schema):
        return part

    def loss(self, table, rows, draws):
        return sum(rbh.training.losses(self.model, table[rows], draws)[0].values())

    def logits(self, table, rows):
        return self.model(table[rows])


class DeepCTR:
    def __init__(self, name: str, task):
        self.model, self.names = deepctr(name, task.schema)

    def table(self, part, schema):
        batch = part[:]
        found = columns(batch, schema)
        x = [torch.from_numpy(found[name].reshape(len(batch), -1)).float() for name in self.names]
        return torch.cat(x, dim=1), batch.label

    def loss(self, table, rows, draws):
        p = self.model(table[0][rows]).squeeze(-1)
        return F.binary_cross_entropy(p, table[1][rows], reduction="sum") + self.model.aux_loss.sum()

    def logits(self, table, rows):
        return self.model(table[0][rows]).squeeze(-1).logit(1e-7)


class Rechub:
    def __init__(self, name: str, task):
        self.model, self.names = rechub(name, task.schema)

    def table(self, part, schema):
        batch = part[:]
        found = columns(batch, schema)
        return {name: torch.from_numpy(found[name]) for name in self.names}, batch.label

    def out(self, table, rows):
        p = self.model({name: column[rows] for name, column in table[0].items()})
        return p if isinstance(p, tuple) else (p, 0)

    def loss(self, table, rows, draws):
        p, second = self.out(table, rows)
        return F.binary_cross_entropy(p, table[1][rows]) + second

    def logits(self, table, rows):
        return self.out(table, rows)[0].logit(1e-7)


KINDS = {"ours": Ours, "deepctr": DeepCTR, "rechub": Rechub}


@torch.no_grad()
def scores(learner, table, n: int) -> torch.Tensor:
    learner.model.eval()
    return torch.cat([learner.logits(table, rows) for rows in torch.arange(n).split(8192)])


def train(kind, name: str, task, tables: dict, rate: float, seed: int) -> tuple[dict, torch.Tensor]:
    """One row of the table, and the logits on test."""
    rbh.seed(seed)
    learner = kind(name, task)
    if not tables:
        parts = {"train": task.train, "valid": task.valid, "test": task.test}
        tables |= {which: learner.table(part, task.schema) for which, part in parts.items()}
    optimizer = torch.optim.Adam(learner.model.parameters(), lr=rate)
    order, draws = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(seed + 1)
    best, kept, spent, at_best = -1.0, None, 0.0, 0.0
    for epoch in range(1, LONGEST + 1):
        learner.model.train()
        begun = time.process_time()
        for rows in torch.randperm(len(task.train), generator=order).split(B):
            optimizer.zero_grad()
            learner.loss(tables["train"], rows, draws).backward()
            optimizer.step()
        spent += time.process_time() - begun
        reached = rbh.metrics.auc(task.valid.label, scores(learner, tables["valid"], len(task.valid)))
        if reached <= best:
            break
        best, best_epoch, at_best = reached, epoch, spent
        kept = copy.deepcopy(learner.model.state_dict())
    learner.model.load_state_dict(kept)
    row = {"lr": rate, "seed": seed, "best_epoch": best_epoch, "valid_auc": round(best, 5)}
    return row | {"seconds": round(at_best, 1)}, scores(learner, tables["test"], len(task.test))


def one(name: str, library: str) -> None:
    """All trainings of one library's model, each a line of JSON."""
    torch.set_num_threads(1)
    task = rbh.data.ctr(rbh.data.movielens("1m", fallback=False), split="global")
    means, tables, rows, logits = rbh.models.UserItemMean(task), {}, [], []
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for rate in RATES:
        row, found = train(KINDS[library], name, task, tables, rate, 0)
        rows, logits = [*rows, row], [*logits, found]
    chosen = max(range(len(RATES)), key=lambda i: rows[i]["valid_auc"])
    for i, row in enumerate(rows):
        row["chosen"] = i == chosen
    for seed in SEEDS[1:]:
        row, found = train(KINDS[library], name, task, tables, RATES[chosen], seed)
        rows, logits = [*rows, row | {"chosen": True}], [*logits, found]
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - grown) // 1024
    for row, found in zip(rows, logits):
        table = rbh.compare({"means": means, "model": found}, task.test).table.loc["model"]
        row = {"model": name, "library": PEERS.get(library, "ours")} | row
        row["test_auc"] = round(table["auc"], 5)
        row |= {"above_means": round(table["difference"], 5)}
        row |= {end: round(table[end], 5) for end in ("low", "high")} | {"peak_mb": grown}
        print(json.dumps(row), flush=True)


def main() -> None:
    models = sys.argv[1].split(";") if sys.argv[1:] else MODELS
    libraries = sys.argv[2].split(";") if sys.argv[2:] else LIBRARIES
    machine = {"torch": torch.__version__} | {library: version(library) for library in PEERS.values()}
    machine |= {"machine": f"{os.cpu_count()} {platform.machine()} cores, 1 thread", "commit": commit()}
    for name in models:
        for library in libraries:
            call = [sys.executable, "-c", f"from benchmarks.peers_auc import one; one({name!r}, {library!r})"]
            lines = subprocess.run(call, check=True, capture_output=True, text=True).stdout.splitlines()
            rows = [json.loads(line) for line in lines if line.startswith("{")]
            print(*lines, sep="\n", flush=True)
            keep("peers_auc", [row | machine for row in rows], by=("model", "library"))


if __name__ == "__main__":
    main()
