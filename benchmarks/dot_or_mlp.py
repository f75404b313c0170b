"""Dot product, two towers or concatenation? Writes benchmarks/results/dot_or_mlp.csv for the lesson of chapter 1.

The three get the same: twelve settings each, chosen by validation AUC, 20 epochs a run, and numbers of parameters
within 5 % of each other. The chosen setting is then run from five initial weights, and once with three times
the epochs,
to see whether a network that is still rising would turn the verdict. `python benchmarks/dot_or_mlp.py factors` measures
one data set only and keeps the other rows.
"""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path

import pandas as pd
import torch
from _recording import commit

import recbyhand as rbh

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "benchmarks" / "results" / "dot_or_mlp.csv"
DATA = ("factors", "crosses", "100k")
SEEDS, EPOCHS, LONGER, DIM = 5, 20, 60, 16
RATES, DECAYS = (0.005, 0.015), (0.03, 0.3, 1.0)
SETTINGS = {  # twelve for each model: step size, weight decay, and the activation where there is one
    "MatrixFactorization": [
        {"lr": lr, "weight_decay": wd} for lr, wd in itertools.product((0.002, *RATES), (*DECAYS, 3.0))
    ],
    **{
        name: [
            {"lr": lr, "weight_decay": wd, "activation": activation}
            for lr, wd, activation in itertools.product(RATES, DECAYS, ("relu", "tanh"))
        ]
        for name in ("TwoTowerMLP", "ConcatMLP")
    },
}


def run(name: str, task, setting: dict, seed: int, epochs: int = EPOCHS) -> dict[str, object]:
    """One model trained once: a row of the table."""
    begun = time.process_time()
    rbh.seed(seed)
    setting = dict(setting)
    activation = {"activation": setting.pop("activation")} if "activation" in setting else {}
    model = getattr(rbh.models, name)(task.schema, dim=DIM, **activation)
    log = rbh.fit(model, task, epochs=epochs, seed=seed, **setting)
    score = rbh.evaluate(model, task.test).iloc[0]
    return {
        "model": name,
        **activation,
        **setting,
        "seed": seed,
        "epochs": epochs,
        "best_epoch": int(log.loc[log["best"], "epoch"].iloc[0]),
        "valid_auc": round(log["valid_auc"].max(), 5),
        "test_auc": round(score["auc"], 5),
        "test_log_loss": round(score["log_loss"], 5),
        "parameters": sum(p.numel() for p in model.parameters()),
        "cpu_seconds": round(time.process_time() - begun, 1),
    }


def measure(data: str) -> pd.DataFrame:
    dataset = rbh.data.movielens(data, fallback=False) if data == "100k" else rbh.data.planted(data)
    torch.set_num_threads(1)  # sums in one order, however many cores there are
    task, rows = rbh.data.ctr(dataset), []
    for name, settings in SETTINGS.items():
        trials = [run(name, task, setting, seed=0) for setting in settings]
        best = max(range(len(trials)), key=lambda i: trials[i]["valid_auc"])
        repeats = [trials[best]] + [run(name, task, settings[best], seed) for seed in range(1, SEEDS)]
        rows += [{"data": data, "stage": "choice", **row} for row in trials]
        rows += [{"data": data, "stage": "repeat", **row} for row in repeats]
        rows.append({"data": data, "stage": "longer", **run(name, task, settings[best], 0, LONGER)})
        print(pd.DataFrame(repeats).to_string(), flush=True)
    return pd.DataFrame(rows).assign(commit=commit())


def main() -> None:
    chosen = sys.argv[1:] or DATA
    for data in chosen:
        rows = measure(data)
        old = pd.read_csv(FILE, dtype={"commit": str}) if FILE.is_file() else rows[:0]
        pd.concat([old[old["data"] != data], rows]).sort_values("data", kind="stable").to_csv(
            FILE, index=False
        )


if __name__ == "__main__":
    main()
