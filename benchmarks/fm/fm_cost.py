"""What the pair sum costs as fields are added: writes benchmarks/results/fm/fm_cost.csv, processor time in ms.

One thread and process time, the best of many repeats: a busy machine changes neither much.
"""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

import pandas as pd
import torch

from benchmarks._recording import commit
from recbyhand.layers import FMInteraction, PairwiseInteraction

ROOT = Path(__file__).resolve().parents[2]
ROWS, DIM, FIELDS = 8, 16, (8, 16, 32, 64, 128, 256, 512)


def double_loop(v: torch.Tensor) -> torch.Tensor:
    """The definition, pair by pair."""
    total = torch.zeros(len(v))  # (B,)
    for i in range(v.shape[1]):
        for j in range(i + 1, v.shape[1]):
            total += (v[:, i] * v[:, j]).sum(1)
    return total


METHODS = {
    "double loop": double_loop,
    "all pairs at once": lambda v: PairwiseInteraction()(v).sum((1, 2)),
    "identity": FMInteraction(scalar=True, method="identity"),
    "running sum": FMInteraction(scalar=True),
}


def milliseconds(method, fields: int, budget: float = 1.0) -> float:
    """The least processor time of a call; repeats for `budget` seconds, at least three times."""
    v, best, begun = torch.randn(ROWS, fields, DIM), float("inf"), time.process_time()
    method(v)
    repeats = 0
    while repeats < 3 or time.process_time() - begun < budget:
        start = time.process_time()
        method(v)
        best, repeats = min(best, time.process_time() - start), repeats + 1
    return 1e3 * best


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rows = [
        {"method": name, "fields": n, "pairs": n * (n - 1) // 2, "ms": round(milliseconds(method, n), 4)}
        for name, method in METHODS.items()
        for n in FIELDS
        if name != "double loop" or n <= 256
    ]
    machine = {
        "rows": ROWS,
        "dim": DIM,
        "machine": f"{os.cpu_count()} {platform.machine()} cores, 1 thread",
        "torch": torch.__version__,
        "commit": commit("recbyhand/layers"),
    }
    table = pd.DataFrame([row | machine for row in rows])
    table.to_csv(ROOT / "benchmarks" / "results" / "fm" / "fm_cost.csv", index=False)
    print(table.pivot(index="fields", columns="method", values="ms"))


if __name__ == "__main__":
    main()
