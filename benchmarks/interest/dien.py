"""What each part of DIEN buys. Writes benchmarks/results/interest/dien.csv for *DIEN* and *DIEN: bugs and variants*.

Where interests drift (`planted("drift")`, 500 users) each model and each form of the gate chooses its step size by
validation AUC from the same three, and further ones where the best is an edge, from initial weights 0; then it runs
from four more. Bugs and borrowed vectors take DIEN's step size. "drift, 20 epochs" trains DIEN without its second
loss four times as long, at the step size that was chosen, three seeds. "drift, d = 4" and "interests" have one step
size for all forms, that of DIEN, and three seeds (five for DIEN and weights of 1 where d = 4). On MovieLens 100K all
have one setting, three epochs, the best by validation, and three seeds. DIN's unit has 64 channels: about as many
parameters as DIEN.
`python -m benchmarks.interest.dien drift` measures one data set only and keeps the other rows.
"""

from __future__ import annotations

import copy
import sys
from functools import partial

import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks._recording import RESULTS, keep, search, task_on, trained
from recbyhand import layers
from recbyhand.models import DIEN, DIN

SEEDS, FEW, EPOCHS = 5, 3, 5  # few, where a run is long
RATES = (0.005, 0.01, 0.02)


class DINWithPlaces(DIN):
    """DIN whose attention unit is told how long ago each film was watched, counted in films."""

    def __init__(self, schema, **settings):
        super().__init__(schema, **settings)
        self.place = nn.Embedding(schema.history, self.item.width)
        nn.init.normal_(self.place.weight, std=0.1)

    def forward(self, batch):
        mask, e, t = batch.history_mask, self.item(batch.history), self.item(batch.item)
        age = (mask.flip(1).cumsum(1).flip(1) - 1).clamp(min=0)  # (B, L) 0 = newest
        x = layers.weighted_sum(self.unit(t, e + self.place(age), mask), e)  # (B, d)
        return self.click(x, t, self.user(batch))  # (B,)


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


class ReleasedCell(layers.AUGRUCell):
    """The cell of the authors' code: the weight scales the gate that keeps, 1 - u, not the one that replaces."""

    def step(self, wx, h, a):
        uh, two = self.hh(h), 2 * self.d_h
        u, r = torch.sigmoid(wx[..., :two] + uh[..., :two]).chunk(2, dim=-1)  # each (B, d_h)
        n = torch.tanh(wx[..., two:] + r * uh[..., two:])  # (B, d_h)
        return torch.lerp(h, n, 1 - (1 - a) * (1 - u))  # a = 0: a plain GRU; a = 1: all is replaced


class ReleasedGate(DIEN):
    """A weight of 0 moves the state here, so the state is read after the last real event."""

    def __init__(self, schema, **settings):
        super().__init__(schema, **settings)
        self.evolve.cell.__class__ = ReleasedCell

    def click(self, t, user, h, mask):
        x = layers.last_state(self.evolve(h, self.attend(t, h, mask)), mask)  # (B, d)
        return self.mlp(layers.concat(x, t, x * t, user)).squeeze(-1)  # (B,)


class ReleasedLoss(DIEN):
    """The second loss of the authors' code: a network on state and film in place of their product."""

    def __init__(self, schema, **settings):
        super().__init__(schema, **settings)
        self.judge = layers.MLP([2 * self.item.width, 100, 50, 1], activation="sigmoid")

    def auxiliary_loss(self, h, tokens, mask, generator=None):
        asked = mask[:, 1:]  # (B, L-1)
        h, after = h[:, :-1][asked], tokens[:, 1:][asked]  # (N, d), (N,)
        other = layers.sample_negatives(after, self.schema.n_items, generator=generator)[..., 0]  # (N,)
        yes, no = (self.judge(layers.concat(h, self.item(i))).squeeze(-1) for i in (after, other))  # (N,)
        return -(F.logsigmoid(yes) + F.logsigmoid(-no)).mean()


MODELS = {  # each chooses its own step size
    "DIN": partial(DIN, unit=64),
    "DIN with places": partial(DINWithPlaces, unit=64),
    "DIEN": DIEN,
    "DIEN, no second loss": partial(DIEN, alpha=0.0),
    "AIGRU": partial(DIEN, evolution="aigru"),
    "AGRU": partial(DIEN, evolution="agru"),
    "weights of 1": NoAttention,
    "released gate": ReleasedGate,
    "released loss": ReleasedLoss,
}
FORMS = ("DIEN", "AIGRU", "AGRU", "weights of 1", "released gate")
SAME_STEP, BORROWED = "second loss of the same step", "no second loss, vectors of DIEN"
LONG, CLICKS = "DIEN, no second loss", "no second loss, vectors of clicks"


def run(data: str, task, make, lr: float, seed: int, epochs: int = EPOCHS, dim: int = 16, vectors=None):
    """One model trained once: its row, and the model. It may begin with vectors of films from elsewhere."""

    def begin():
        model = make(task.schema, dim=dim)
        if vectors is not None:
            model.item.load_state_dict(vectors)
        return model

    row, model = trained(
        begin, task, lr, 0.01, seed, epochs=epochs, batch_size=1024 if data == "100k" else 512
    )
    print(data, row["lr"], seed, row["test_auc"], flush=True)
    return row, copy.deepcopy(model.item.state_dict())


def drift(data: str) -> list[dict]:
    task, rows = task_on("drift", users=500), []
    for name, make in MODELS.items():
        found = search(
            lambda lr, seed, make=make: run(data, task, make, lr, seed)[0], [(r,) for r in RATES], seeds=SEEDS
        )
        rows += [{"data": data, "model": name} | row for row in found]
    lr = next(row["lr"] for row in rows if row["model"] == "DIEN" and row["chosen"])
    for seed in range(SEEDS):
        of_dien = run(data, task, DIEN, lr, seed)[1]
        for name, make, vectors in (
            (SAME_STEP, SameStep, None),
            (BORROWED, MODELS["DIEN, no second loss"], of_dien),
        ):
            row = run(data, task, make, lr, seed, vectors=vectors)[0]
            rows.append({"data": data, "model": name} | row | {"chosen": True})
    return rows


def chosen_rates() -> dict[str, float]:
    old = pd.read_csv(RESULTS / "interest" / "dien.csv").query("data == 'drift' and chosen")
    return old.groupby("model")["lr"].first().to_dict()


def longer(data: str) -> list[dict]:
    task, rates, rows = task_on("drift", users=500), chosen_rates(), []
    for seed in range(FEW):
        row, vectors = run(data, task, MODELS[LONG], rates[LONG], seed, epochs=20)
        rows.append({"data": data, "model": LONG} | row | {"chosen": True})
        # Vectors learned from clicks alone, and a new start of all else: for five epochs, as "drift" has them.
        row = run(data, task, MODELS[LONG], rates["DIEN"], seed, vectors=vectors)[0]
        rows.append({"data": data, "model": CLICKS} | row | {"chosen": True})
    return rows


def forms(data: str) -> list[dict]:
    """All forms at one step size, that of DIEN; DIN at its own. Only what the table lacks is run."""
    task, rates = task_on(data.split(",")[0], users=500), chosen_rates()
    small = "d = 4" in data
    wanted = {name: FEW for name in FORMS} | (
        {"DIEN": SEEDS, "weights of 1": SEEDS} if small else {"DIN": FEW}
    )
    old = pd.read_csv(RESULTS / "interest" / "dien.csv", dtype={"commit": str}).query("data == @data")
    rows = old[old["model"].isin(wanted)].drop(columns="commit").to_dict("records")
    for name, seeds in wanted.items():
        for seed in set(range(seeds)) - set(old.loc[old["model"] == name, "seed"]):
            rate = rates["DIN" if name == "DIN" else "DIEN"]
            row = run(data, task, MODELS[name], rate, seed, dim=4 if small else 16)[0]
            rows.append({"data": data, "model": name} | row | {"chosen": True})
    return rows


def real(data: str) -> list[dict]:
    task, rows = task_on(data), []
    for name in ("DIN", "DIN, softmax", "DIEN"):
        make = DIEN if name == "DIEN" else partial(DIN, unit=64, normalise="softmax" in name)
        for seed in range(FEW):
            row = run(data, task, make, 0.005, seed, epochs=3)[0]
            rows.append({"data": data, "model": name} | row | {"chosen": True})
    return rows


DATA = {"drift": drift, "drift, 20 epochs": longer, "drift, d = 4": forms, "interests": forms, "100k": real}


def main() -> None:
    for data in sys.argv[1:] or DATA:
        keep("interest/dien", DATA[data](data))


if __name__ == "__main__":
    main()
