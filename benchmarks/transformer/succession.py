"""What does BST lack in the world `succession`? Writes benchmarks/results/transformer/succession.csv.

A film is clicked if, anywhere among the last 20 views, it came directly after its predecessor: it takes both to tell.
One form of BST, and one factor changed at a time; the best epoch is chosen on validation. The same training for all
forms of BST: 3 epochs, step size 0.005, batches of 256. `counts` is the same world with one difference: there the
decoys are not chosen to have the pair's films as often, so that counting films tells something.
`python -m benchmarks.transformer.succession 0 BST GRU` measures these rows for seed 0; other rows stay as they are.
"""

from __future__ import annotations

import math
import sys
from functools import cache, partial

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

import recbyhand as rbh
from benchmarks._recording import RESULTS, commit, trained
from recbyhand import layers as L
from recbyhand.data import planted

M = rbh.models
STEPS = {"lr": 0.005, "weight_decay": 0.01, "batch_size": 256, "epochs": 3}
FILE = RESULTS / "transformer" / "succession.csv"


@cache
def task_of(data: str, users: int = 1000):
    """A planted world, or `succession` with decoys that are not matched."""
    if data != "counts":
        return rbh.data.ctr(planted(data, users=users))
    module = sys.modules[planted.__module__]
    rng = np.random.default_rng([list(module._WORLDS).index("succession"), 0])
    world = module._succession(rng, users, module.STRENGTH["succession"], evenly=0.0)
    return rbh.data.ctr(module._tables("succession", 0, users, world, rng))


class Form(M.BST):
    """BST with pre-norm and places, and one thing changed. No history of this world is padded.

    Of the last layer only the target's row is computed, where nothing else is read: the logits are those of BST.
    """

    def __init__(
        self, schema, *, layers=2, std=0.05, near=False, flat=False, added=False, read="target", handed=False
    ):
        super().__init__(schema, layers=layers, norm="pre", positions="learned", near=near or flat)
        with torch.no_grad():
            self.item.id.weight.mul_(std / 0.05)
            if added:  # W [e, p] starts as e + p
                self.join.weight.copy_(torch.eye(len(self.join.weight)).repeat(1, 2))
                self.join.bias.zero_()
        if flat:  # a number for each distance, which starts at 0
            for layer in self.encoder.layers[:-1]:
                nn.init.zeros_(layer.attention.near)
        self.all = read == "all"
        if self.all:
            self.mlp = L.MLP([(schema.history + 1) * self.join.out_features, 32, 1])
        self.before = nn.Linear(self.item.width, self.join.out_features) if handed else None

    def forward(self, batch):
        x, _ = self.tokens(batch)  # (B, T, dim)
        place = F.pad(L.age(batch.history_mask), (0, 1))  # (B, T)
        if self.before is not None:  # each event is handed the film before it
            x = x + self.before(F.pad(self.item(batch.history), (0, 0, 1, 0)))  # (B, T, dim)
        if self.all:
            return self.mlp(self.encoder(x).flatten(1)).squeeze(-1)  # (B,)
        *before, last = self.encoder.layers
        for layer in before:
            x = layer(x, place=place)  # (B, T, dim)
        y = last.norm_attention(x)  # (B, T, dim)
        z = x[:, -1:] + last.attention(y[:, -1:], y)  # (B, 1, dim)
        z = z + last.feed_forward(last.norm_feed_forward(z))  # (B, 1, dim)
        return self.mlp(self.encoder.norm(z[:, 0])).squeeze(-1)  # (B,)


class GRU(M.RNNRecommender):
    def __init__(self, schema, *, std=0.05):
        super().__init__(schema)
        with torch.no_grad():
            self.item.weight.mul_(std / 0.05)


D = 24  # the width of a form whose weights are set by hand
ITEM, BEFORE, PLACE, TARGET, EVENT, ANSWER = slice(0, 8), slice(8, 16), slice(16, 20), 20, 21, 22


def spread(total: float, squares: float) -> tuple[float, float]:
    """Mean and deviation of D numbers: what a layer norm takes away."""
    return total / D, (squares / D - (total / D) ** 2 + 1e-5) ** 0.5


@torch.no_grad()
def by_hand(schema, truth, parts=("vectors", "first", "second")):
    """BST whose weights are set by hand, or those of some parts, and the others as they fall.

    vectors   a film is a place in ITEM, a place in time an angle, and the target is marked
    first     layer 1: each event looks at the one before it and writes down its film in BEFORE; the target at itself
    second    layer 2: the target looks for an event with its own film in ITEM and its predecessor in BEFORE, at itself
              if there is none; ANSWER says if it was an event; the head reads it
    """
    model = M.BST(schema, dim=D, heads=1, layers=2, norm="pre", positions="learned")
    one, two = (layer.attention for layer in model.encoder.layers)
    eye, turn = torch.eye(8), torch.tensor(2 * math.pi / D)
    for part, layer in zip(("first", "second"), model.encoder.layers, strict=True):
        if part in parts:
            for weight in (*layer.attention.parameters(), *layer.feed_forward[-1].parameters()):
                weight.zero_()
    if "vectors" in parts:
        angle = turn * torch.arange(schema.history + 1)  # (L + 1,)
        model.item.id.weight.zero_()
        model.item.id.weight[2:, ITEM] = eye[torch.tensor(truth.franchise)]
        model.place.table.weight.zero_()
        model.place.table.weight[:, PLACE] = torch.stack(
            [angle.cos(), angle.sin(), -angle.cos(), -angle.sin()], 1
        )
        model.place.table.weight[0, TARGET] = model.place.table.weight[1:, EVENT] = 1
        model.join.weight.copy_(torch.eye(D).repeat(1, 2))
        model.join.bias.zero_()
    if "first" in parts:
        mean, deviation = spread(2, 4)
        back = torch.tensor([[turn.cos(), -turn.sin()], [turn.sin(), turn.cos()]])
        one.query.weight[:2, 16:18], one.query.weight[0, TARGET] = 2000 * back, 20_000
        one.query.weight.mul_(deviation)
        one.query.bias.copy_(one.query.weight.sum(1) * mean / deviation)
        one.key.weight[:2, 16:18] = deviation * torch.eye(2)
        one.value.weight[:8, ITEM], one.value.bias[:8] = deviation * eye, mean
        one.out.weight[BEFORE, :8] = eye
    if "second" in parts:
        mean, deviation = spread(3, 5)
        two.query.weight[:8, ITEM] = eye
        two.query.weight[8:16, ITEM] = eye[torch.tensor(truth.permutation)].T
        two.query.weight.mul_(16 * D**0.5 * deviation)
        two.query.bias.copy_(two.query.weight.sum(1) * mean / deviation)
        two.query.bias[16] = 8 * D**0.5
        two.key.weight[:16, :16], two.key.weight[16, TARGET] = deviation * torch.eye(16), deviation
        two.value.weight[0, EVENT], two.value.bias[0] = deviation, mean
        two.out.weight[ANSWER, 0] = 1
        for weight in model.mlp.parameters():
            weight.zero_()
        first, last = (layer for layer in model.mlp.modules() if isinstance(layer, nn.Linear))
        first.weight[0, ANSWER], last.weight[0, 0], last.bias[0] = 1, 4 / 1.768, -2
    return model


def warmed(task, epochs: int):
    steps = epochs * math.ceil(len(task.train) / STEPS["batch_size"])
    return {"schedule": lambda step: min(1.0, (step + 1) / steps)}


GRU_STEPS = {"lr": 0.01, "batch_size": 1024, "epochs": 12}
ALL = {"near": True, "std": 1.0, "added": True}
FORMS = {  # data, settings of the form, settings of the training
    "BST": ("succession", {}, {}),
    "all three": ("succession", ALL, {}),
    "without near": ("succession", ALL | {"near": False}, {}),
    "without large": ("succession", ALL | {"std": 0.05}, {}),
    "without added": ("succession", ALL | {"added": False}, {}),
    "flat": ("succession", ALL | {"near": False, "flat": True}, {}),
    "handed": ("succession", ALL | {"near": False, "handed": True}, {}),
    "GRU": ("succession", GRU, GRU_STEPS),
    "GRU, large": ("succession", partial(GRU, std=1.0), GRU_STEPS),
    "step 0.002": ("succession", {}, {"lr": 0.002}),
    "step 0.02": ("succession", {}, {"lr": 0.02}),
    "warm-up": ("succession", {}, {"warm": 2}),
    "1 layer": ("succession", {"layers": 1}, {}),
    "3 layers": ("succession", {"layers": 3}, {}),
    "all read": ("succession", {"read": "all"}, {}),
    "100,000 rows": ("succession", {}, {"users": 2500, "epochs": 3}),
    "next film": ("succession", M.Transformer4Rec, {}),
    "vectors, layer 1": ("succession", ("vectors", "first"), {}),
    "BST, order": ("order", {}, {}),
    "all three, order": ("order", ALL, {}),
    "GRU, order": ("order", GRU, GRU_STEPS),
    "GRU, large, order": ("order", partial(GRU, std=1.0), GRU_STEPS),
    "BST, counts": ("counts", {}, {}),
}


def measure(name: str, seed: int) -> dict:
    data, form, how = FORMS[name]
    how = STEPS | how
    task = task_of(data, how.pop("users", 1000))
    if "warm" in how:
        how |= warmed(task, how.pop("warm"))
    if name == "next film":
        make = partial(form, task.schema, alpha=1.0, layers=2)
    elif isinstance(form, tuple):
        make = partial(by_hand, task.schema, task.dataset.truth, form)
    else:
        make = partial(Form, task.schema, **form) if isinstance(form, dict) else partial(form, task.schema)
    row, _ = trained(make, task, seed=seed, **how)
    return {"data": data, "model": name, "rows": len(task.train)} | row


def record(name: str, seed: int) -> None:
    """Measures one row, and writes it in the place of its like."""
    row = measure(name, seed) | {"chosen": True, "commit": commit("recbyhand", "benchmarks")}
    print(row, flush=True)
    table = pd.DataFrame([row])
    if FILE.exists():
        old = pd.read_csv(FILE, dtype={"commit": str})
        table = pd.concat([old[(old["model"] != name) | (old["seed"] != seed)], table])
    table.sort_values(["data", "model", "seed"]).to_csv(FILE, index=False)


def main() -> None:
    seed, *names = sys.argv[1:]
    for name in names or FORMS:
        record(name, int(seed))


if __name__ == "__main__":
    main()
