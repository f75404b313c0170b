"""How many examples of MovieLens 100K a second `fit` learns from: `python -m benchmarks.throughput`.

Writes benchmarks/results/throughput.csv. The time is that of training steps and of gathering the histories, at d = 16
and the default batch; validation is left out. The best of two epochs after one to warm up: what the machine can do, not
what else it did meanwhile.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import torch

import recbyhand as rbh
from benchmarks._recording import commit

MODELS = {  # with what is not the default: dim is 16 where there are vectors
    "MatrixFactorization": {},
    "TwoTowerMLP": {},
    "ConcatMLP": {},
    "FeatureMLP": {},
    "FeatureCNN": {},
    "RNNRecommender": {},
    "RNNFactorization": {},
    "JointRNN": {"sampled": 100},
    "FM": {},
    "Poly2": {},
    "FNN": {},
    "NFM": {},
    "WideDeep": {},
    "DeepFM": {},
    "AFM": {},
    "PooledSequence": {},
    "DIN": {},
    "DIEN": {},
    "BST": {},
    "SASRec": {},
    "Transformer4Rec": {"sampled": 100},
}
ROOT = Path(__file__).resolve().parents[1]


def measure(name: str, task, device: str, epochs: int = 2) -> dict[str, object]:
    """One row of the table."""
    rbh.seed(0)
    model = getattr(rbh.models, name)(task.schema, **MODELS[name])
    only_training = SimpleNamespace(train=task.train, valid=task.valid[0:0], schema=task.schema)
    log = rbh.fit(model, only_training, epochs=epochs + 1, device=device, progress=False)
    seconds = log["seconds"][1:].min()
    return {
        "model": name,
        "examples_per_second": round(len(task.train) / seconds),
        "seconds_per_epoch": round(seconds, 3),
        "examples": len(task.train),
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def main() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    task = rbh.data.ctr(rbh.data.movielens("100k", fallback=False))
    rows = [measure(name, task, device) for name in MODELS]
    machine = {
        "device": torch.cuda.get_device_name()
        if device == "cuda"
        else f"{os.cpu_count()} {platform.machine()} cores",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "commit": commit(),
    }
    table = pd.DataFrame([row | machine for row in rows])
    table.to_csv(ROOT / "benchmarks" / "results" / "throughput.csv", index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
