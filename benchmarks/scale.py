"""What grows with the data, and how fast: writes benchmarks/results/scale.csv.

    python -m benchmarks.scale [most events, default 10,000,000]

part `prepare`    `ctr` on so many made-up events of users with 100 each and 10,000 items: seconds, and what the
                  memory of a process of its own grows by at most, tables included (of which `tables` MB are the input)
part `step`       one step of 1,024 pairs on two tables of so many ids, d = 16: with AdamW, which moves every row at
                  every step; and with sparse gradients and SparseAdam, which touches the rows of the batch only

Seconds are those of the processor, one thread; for a step the median of ten.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

import recbyhand as rbh
from benchmarks._recording import RESULTS, ROOT, commit
from recbyhand.data import Tables

ITEMS, EACH, DIM, BATCH = 10_000, 100, 16, 1024


def made_up(events: int) -> Tables:
    """Events of users in random order, popular items more often; likes lean to one half of the items."""
    rng = np.random.default_rng(0)
    users = events // EACH
    user, item = rng.integers(users, size=events), (ITEMS * rng.random(events) ** 2).astype(np.int64)
    liked = rng.random(events) < np.where(item % 2, 0.7, 0.4)
    table = {"user": user, "item": item, "rating": np.where(liked, 5, 1), "time": rng.permutation(events)}
    return Tables(
        name="made up",
        users=pd.DataFrame({"user": np.arange(users)}),
        items=pd.DataFrame({"item": np.arange(ITEMS), "title": np.arange(ITEMS).astype(str)}),
        ratings=pd.DataFrame(table),
    )


def peak() -> float:
    """The most memory this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def prepare(events: int) -> list[dict]:
    before = peak()
    tables = made_up(events)
    size = sum(frame.memory_usage(deep=True).sum() for frame in (tables.users, tables.ratings)) / 1e6
    begun = time.process_time()
    rbh.data.ctr(tables)
    row = {"part": "prepare", "size": events, "form": "ctr", "seconds": time.process_time() - begun}
    return [row | {"peak_mb": round(peak() - before), "tables_mb": round(size)}]


def step(ids: int, sparse: bool) -> dict:
    tables = [nn.Embedding(ids, DIM, sparse=sparse) for _ in range(2)]
    weights = [table.weight for table in tables]
    optimizer = torch.optim.SparseAdam(weights) if sparse else torch.optim.AdamW(weights)
    g, spent = torch.Generator().manual_seed(0), []
    for _ in range(12):
        user, item = (torch.randint(ids, (BATCH,), generator=g) for _ in range(2))
        label = torch.randint(2, (BATCH,), generator=g).float()
        begun = time.process_time()
        logit = (tables[0](user) * tables[1](item)).sum(1)
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(logit, label).backward()
        optimizer.step()
        spent.append(time.process_time() - begun)
    form = "sparse gradients, SparseAdam" if sparse else "AdamW"
    return {"part": "step", "size": ids, "form": form, "seconds": statistics.median(spent[2:])}


def main() -> None:
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["prepare"]:  # in a process of its own, whose memory is that of this size alone
        print(pd.DataFrame(prepare(int(sys.argv[2]))).to_json(orient="records"))
        return
    most, rows = int(sys.argv[1]) if sys.argv[1:] else 10_000_000, []
    for events in (n for n in (100_000, 1_000_000, 10_000_000) if n <= most):
        command = [sys.executable, "-m", "benchmarks.scale", "prepare", str(events)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        rows += json.loads(done.stdout)
        print(rows[-1], flush=True)
    for ids in (1_000, 10_000, 100_000, 1_000_000):
        rows += [step(ids, sparse) for sparse in (False, True)]
        print(*rows[-2:], sep="\n", flush=True)
    table = pd.DataFrame(rows)
    table["seconds"] = table["seconds"].map(lambda s: float(f"{s:.3g}"))
    table["machine"] = f"{os.cpu_count()} {platform.machine()} cores, 1 thread"
    table.assign(torch=torch.__version__, commit=commit()).to_csv(RESULTS / "scale.csv", index=False)


if __name__ == "__main__":
    main()
