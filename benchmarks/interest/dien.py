"""What each part of DIEN buys. Writes benchmarks/results/interest/dien.csv for the lesson *DIEN*.

Where interests drift (`planted("drift")`, 500 users) DIEN and its rivals choose their step size by validation AUC from
the same three; the variants of DIEN take over DIEN's; all run from three initial weights. The forms of the gate run
with one step size where the state is small (d = 4), and where interests do not drift. On MovieLens 100K DIN and DIEN
choose one of two, from initial weights 0. The unit of DIN has 64 channels: about as many parameters as DIEN.
`python -m benchmarks.interest.dien drift` measures one data set only and keeps the other rows.
"""

from __future__ import annotations

import copy
import sys
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks._recording import keep, search, task_on, trained
from recbyhand import layers
from recbyhand.models import DIEN, DIN

DATA = {  # {data set: epochs, batch size, step sizes, d}
    "drift": (5, 512, (0.005, 0.01, 0.02), 16),
    "drift, d = 4": (5, 512, (0.02,), 4),
    "interests": (5, 512, (0.02,), 16),
    "100k": (3, 1024, (0.002, 0.005), 16),
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
    "DIN": lambda schema, **s: DIN(schema, unit=64, **s),
    "DIN with places": lambda schema, **s: DINWithPlaces(schema, unit=64, **s),
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

    def make():
        model = (TUNED | VARIANTS)[name](task.schema, dim=dim)
        if name == BORROWED:
            model.item.load_state_dict(TEACHERS[lr, seed])
        return model

    row, model = trained(make, task, lr, 0.01, seed, epochs=epochs, batch_size=batch_size)
    if name == "DIEN":
        TEACHERS[lr, seed] = copy.deepcopy(model.item.state_dict())
    return row


def measure(data: str) -> list[dict]:
    rates, rows = DATA[data][2], []
    if data == "100k":
        task = task_on(data)
        for name in ("DIN", "DIEN"):
            found = search(partial(run, data, task, name), [(lr,) for lr in rates], further=0)
            rows += [{"data": data, "model": name} | row for row in found]
        return rows
    task, lr = task_on(data.split(",")[0], users=500), rates[0]
    for name in TUNED if len(rates) > 1 else ():
        found = search(partial(run, data, task, name), [(lr,) for lr in rates], seeds=SEEDS)
        rows += [{"data": data, "model": name} | row for row in found]
        if name == "DIEN":
            lr = next(row["lr"] for row in found if row["chosen"])
    for name in VARIANTS if len(rates) > 1 else FORMS:
        again = [run(data, task, name, lr, seed) | {"chosen": True} for seed in range(SEEDS)]
        rows += [{"data": data, "model": name} | row for row in again]
    return rows


def main() -> None:
    for data in sys.argv[1:] or DATA:
        keep("interest/dien", measure(data))


if __name__ == "__main__":
    main()
