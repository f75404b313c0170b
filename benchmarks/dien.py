"""What each part of DIEN buys. Writes benchmarks/results/dien.csv for the lesson *DIEN*.

Where interests drift (`planted("drift")`, 500 users) and on MovieLens 100K, DIEN and its rivals choose their step size
by validation AUC from the same three; the variants of DIEN take over DIEN's. Then all run from three initial weights.
The forms of the gate run with one step size where the state is small (d = 4), and where interests do not drift.
`python benchmarks/dien.py drift` measures one data set only and keeps the other rows.
"""

from __future__ import annotations

import copy
import sys
import time
from pathlib import Path

import pandas as pd
import torch
from _recording import commit
from torch import nn
from torch.nn import functional as F

import recbyhand as rbh
from recbyhand import layers
from recbyhand.models import DIEN, DIN

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "benchmarks" / "results" / "dien.csv"
DATA = {  # {data set: epochs, batch size, step sizes, d}
    "drift": (5, 512, (0.005, 0.01, 0.02), 16),
    "drift, d = 4": (5, 512, (0.02,), 4),
    "interests": (5, 512, (0.02,), 16),
    "100k": (3, 1024, (0.001, 0.002, 0.005), 16),
}
FORMS = ("DIEN", "AIGRU", "AGRU", "weights of 1")  # all that is run where there is one step size only
SEEDS = 3


class DINWithPlaces(DIN):
    """DIN whose attention unit is told how long ago each film was watched, counted in films."""

    def __init__(self, schema, **settings):
        super().__init__(schema, **settings)
        self.place = nn.Embedding(schema.history, self.item.width)
        nn.init.normal_(self.place.weight, std=0.1)

    def attention(self, batch):
        mask = batch.history_mask  # (B, L)
        age = (mask.flip(1).cumsum(1).flip(1) - 1).clamp(min=0)  # (B, L) 0 = newest
        return self.unit(self.item(batch.item), self.item(batch.history) + self.place(age), mask)

    def forward(self, batch):
        t, a = self.item(batch.item), self.attention(batch)  # (B, d), (B, L)
        x = layers.weighted_sum(a, self.item(batch.history))  # (B, d)
        return self.mlp(torch.cat([x, t, x * t, self.user(batch)], dim=1)).squeeze(-1)  # (B,)


class OneEach(layers.BilinearAttention):
    """The source's attention: a softmax over the one score of a step, which is 1."""

    def forward(self, target, history, mask):
        s = self.score(target, history, mask)[..., None]  # (B, L, 1)
        return s.softmax(-1).squeeze(-1) * mask  # (B, L)


class NoAttention(DIEN):
    def __init__(self, schema, **settings):
        super().__init__(schema, **settings)
        self.attend = OneEach(self.item.width)


class SameStep(DIEN):
    """The source's second loss: the state against the film it has just read, and whether that was liked."""

    def auxiliary_loss(self, h, tokens, mask, generator=None):
        s = (h * self.item(tokens)).sum(-1)[mask]  # (N,)
        return F.binary_cross_entropy_with_logits(s, torch.ones_like(s))  # all events here are likes


TUNED = {
    "DIN": DIN,
    "DIN with places": DINWithPlaces,
    "DIEN": DIEN,
    "DIEN, no second loss": lambda schema, **s: DIEN(schema, alpha=0.0, **s),
}
VARIANTS = {
    "AIGRU": lambda schema, **s: DIEN(schema, evolution="aigru", **s),
    "AGRU": lambda schema, **s: DIEN(schema, evolution="agru", **s),
    "weights of 1": NoAttention,
    "second loss of the same step": SameStep,
}
BORROWED = "DIEN, no second loss, vectors of DIEN"  # begins with the film vectors of a trained DIEN
VARIANTS[BORROWED] = TUNED["DIEN, no second loss"]
TEACHERS: dict[tuple[float, int], dict] = {}  # by step size and seed


def run(data: str, task, name: str, lr: float, seed: int) -> dict[str, object]:
    """One model trained once: a row of the table."""
    epochs, batch_size, _, dim = DATA[data]
    begun = time.process_time()
    rbh.seed(seed)
    model = (TUNED | VARIANTS)[name](task.schema, dim=dim)
    if name == BORROWED:
        model.item.load_state_dict(TEACHERS[lr, seed])
    log = rbh.fit(model, task, epochs=epochs, batch_size=batch_size, lr=lr, seed=seed, progress=False)
    score = rbh.evaluate(model, task.test).iloc[0]
    if name == "DIEN":
        TEACHERS[lr, seed] = copy.deepcopy(model.item.state_dict())
    row = {
        "model": name,
        "lr": lr,
        "seed": seed,
        "valid_auc": round(log["valid_auc"].max(), 5),
        "test_auc": round(score["auc"], 5),
        "test_log_loss": round(score["log_loss"], 5),
        "parameters": sum(p.numel() for p in model.parameters()),
        "cpu_seconds": round(time.process_time() - begun, 1),
    }
    print(data, *row.values(), flush=True)
    return row


def world_of(data: str):
    if data == "100k":
        return rbh.data.movielens(data, fallback=False)
    return rbh.data.planted(data.split(",")[0], users=500)


def measure(data: str) -> pd.DataFrame:
    task, rates, rows, chosen = rbh.data.ctr(world_of(data)), DATA[data][2], [], {}
    for name in TUNED if len(rates) > 1 else ():
        tuned = [run(data, task, name, lr, seed=0) for lr in rates]
        best = max(tuned, key=lambda row: row["valid_auc"])
        chosen[name] = best["lr"]
        rows += [row | {"chosen": row is best} for row in tuned]
    if data == "drift":
        chosen |= dict.fromkeys(VARIANTS, chosen["DIEN"])
    elif not chosen:
        chosen = dict.fromkeys(FORMS, rates[0])
    done = {(row["model"], row["lr"], row["seed"]) for row in rows}
    for name, lr in chosen.items():
        seeds = [s for s in range(SEEDS) if (name, lr, s) not in done]
        rows += [run(data, task, name, lr, s) | {"chosen": True} for s in seeds]
    return pd.DataFrame([{"data": data} | row | {"commit": commit()} for row in rows])


def main() -> None:
    torch.set_num_threads(1)
    for data in sys.argv[1:] or DATA:
        kept = pd.read_csv(FILE) if FILE.exists() else pd.DataFrame({"data": []})
        table = pd.concat([kept[kept["data"] != data], measure(data)])
        table.to_csv(FILE, index=False)
    print(table[table["chosen"]].groupby(["data", "model"], sort=False)["test_auc"].agg(["mean", "std"]))


if __name__ == "__main__":
    main()
