"""Examples a second that DIN trains on: writes benchmarks/results/din_speed.csv.

One step is forward, backward and AdamW on a batch of B = 1024 histories of every length up to L = 20, d = 16, catalogue
and users of the size of MovieLens 100K, on two threads. Gathering the batch is left out; `throughput.py` measures
whole epochs. The models take turns; medians of many steps.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from pathlib import Path

import pandas as pd
import torch
from torch.nn import functional as F

import recbyhand as rbh
from benchmarks._recording import commit
from recbyhand.data import Batch, Schema

ROOT = Path(__file__).resolve().parents[1]
B, L, D, USERS, ITEMS = 1024, 20, 16, 945, 1684


def made_up() -> tuple[Schema, Batch]:
    schema = rbh.data.toy_schema(USERS, ITEMS, user_fields=(), item_fields=(), history=L)
    batch = rbh.data.toy(B, schema)
    return schema, batch


def step(model, optimiser, batch) -> float:
    """Seconds of one training step."""
    begun = time.perf_counter()
    optimiser.zero_grad()
    if hasattr(model, "loss"):
        loss = sum(model.loss(batch).values())
    else:
        loss = F.binary_cross_entropy_with_logits(model(batch), batch.label)
    loss.backward()
    optimiser.step()
    return time.perf_counter() - begun


def main() -> None:
    turns = int(sys.argv[1]) if sys.argv[1:] else 100
    rbh.seed(0)
    torch.set_num_threads(2)
    schema, batch = made_up()
    M = rbh.models
    models = {
        "DIN": M.DIN(schema, dim=D),
        "PooledSequence": M.PooledSequence(schema, dim=D),
        "DIEN": M.DIEN(schema, dim=D),
    }
    optimisers = {name: torch.optim.AdamW(model.parameters()) for name, model in models.items()}
    spent: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(turns + 3):  # three to warm up
        for name, model in models.items():
            seconds = step(model, optimisers[name], batch)
            if turn >= 3:
                spent[name].append(seconds)
    machine = {
        "batch": B,
        "length": L,
        "dim": D,
        "turns": turns,
        "machine": f"{os.cpu_count()} {platform.machine()} cores, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "commit": commit(),
    }
    table = pd.DataFrame(
        {
            "model": name,
            "examples_per_second": round(B / statistics.median(seconds)),
            "fastest": round(B / min(seconds)),
            "ms": round(1e3 * statistics.median(seconds), 2),
        }
        | machine
        for name, seconds in spent.items()
    )
    table.to_csv(ROOT / "benchmarks" / "results" / "din_speed.csv", index=False)
    print(table.iloc[:, :4].to_string(index=False))


if __name__ == "__main__":
    main()
