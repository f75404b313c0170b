"""What does BST lack in the world `succession`? Writes benchmarks/results/transformer/succession.csv.

A film is clicked if, anywhere among the last 20 views, it came directly after its predecessor: it takes both to tell.
One form of BST, and one factor changed at a time; the best epoch is chosen on validation. The same training for all
forms of BST: 8 epochs, step size 0.005, batches of 256. `counts` is the same world with one difference: there the
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
STEPS = {"lr": 0.005, "weight_decay": 0.01, "batch_size": 256, "epochs": 8}
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


class Distance(L.MultiHeadAttention):
    """A learned number for each head and distance is added to the scores; at first it favours what is near."""

    def prepare(self, length: int) -> None:
        far = (torch.arange(2 * length - 1) - length + 1).abs()  # (2 T - 1,)
        slope = 2.0 ** -torch.arange(self.heads)[:, None]  # (H, 1)
        self.length, self.near = length, nn.Parameter(-slope * far)  # (H, 2 T - 1)

    def forward(self, x, y=None, mask=None, *, return_weights=False):
        q, k, v = (self.split(part(x)) for part in (self.query, self.key, self.value))  # (B, H, T, d)
        t = torch.arange(x.shape[1])
        s = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5  # (B, H, T, T)
        s = s + self.near[:, t - t[:, None] + self.length - 1]  # (B, H, T, T)
        a = s.masked_fill(~mask[:, None], torch.finfo(s.dtype).min).softmax(-1)  # (B, H, T, T)
        out = self.out((a @ v).transpose(1, 2).flatten(2))  # (B, T, dim)
        return (out, a) if return_weights else out


class Form(M.BST):
    """BST with one thing changed. No history of this world is padded."""

    def __init__(
        self,
        schema,
        *,
        dim=16,
        heads=2,
        layers=2,
        std=0.05,
        norm="pre",
        relative="",
        read="target",
        handed=False,
    ):
        super().__init__(schema, dim=dim, heads=heads, layers=layers, norm=norm, positions="learned")
        with torch.no_grad():
            self.item.id.weight.mul_(std / 0.05)
            self.place.table.weight.mul_(std / 0.05)
        self.relative, self.read = relative, read
        if relative == "rotary":
            self.encoder = L.TransformerEncoder(
                dim, heads, layers, norm=norm, activation="leaky_relu", rotary=True
            )
        elif relative == "distance":
            for layer in self.encoder.layers:
                layer.attention.__class__ = Distance
                layer.attention.prepare(schema.history + 1)
        if read == "all":
            self.mlp = L.MLP([(schema.history + 1) * dim, 32, 1])
        elif read == "product":
            self.mlp = L.MLP([3 * dim, 32, 1])
        self.before = nn.Linear(self.item.width, dim) if handed else None

    def forward(self, batch):
        x, mask = self.tokens(batch)  # (B, T, dim), (B, T)
        if self.before is not None:  # each event is handed the film before it
            x = x + self.before(F.pad(self.item(batch.history), (0, 0, 1, 0)))  # (B, T, dim)
        may = mask[:, None] & L.causal_mask(x.shape[1]) if self.relative == "distance" else mask[:, None]
        z = self.encoder(x, may)  # (B, T, dim)
        if self.read == "all":
            return self.mlp(z.flatten(1)).squeeze(-1)  # (B,)
        z, t = z[:, -1], self.item(batch.item)  # (B, dim), (B, dim)
        return self.mlp(torch.cat([z, t, z * t], 1) if self.read == "product" else z).squeeze(-1)  # (B,)


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


FORMS = {  # what is changed: data, settings of the form, settings of the training
    "BST": ("succession", {}, {}),
    "step 0.002": ("succession", {}, {"lr": 0.002}),
    "step 0.02": ("succession", {}, {"lr": 0.02}),
    "warm-up": ("succession", {}, {"warm": 2}),
    "1 layer": ("succession", {"layers": 1}, {}),
    "3 layers": ("succession", {"layers": 3}, {}),
    "width 32": ("succession", {"dim": 32, "heads": 4}, {}),
    "large vectors": ("succession", {"std": 1.0}, {}),
    "post-norm": ("succession", {"norm": "post"}, {}),
    "rotary": ("succession", {"relative": "rotary"}, {}),
    "distance": ("succession", {"relative": "distance"}, {}),
    "all read": ("succession", {"read": "all"}, {}),
    "product read": ("succession", {"read": "product"}, {}),
    "handed": ("succession", {"handed": True}, {}),
    "handed, large": ("succession", {"handed": True, "std": 1.0, "read": "product"}, {"lr": 0.01}),
    "by hand": ("succession", ("vectors", "first", "second"), {"lr": 0.0, "epochs": 1}),
    "width 24": ("succession", (), {}),
    "vectors by hand": ("succession", ("vectors",), {}),
    "vectors, layer 1": ("succession", ("vectors", "first"), {}),
    "vectors, layer 2": ("succession", ("vectors", "second"), {}),
    "100,000 rows": ("succession", {}, {"users": 2500, "epochs": 4}),
    "next film": ("succession", M.Transformer4Rec, {}),
    "GRU": ("succession", M.RNNRecommender, {"lr": 0.01, "batch_size": 1024}),
    "mean": ("succession", M.PooledSequence, {"lr": 0.01, "batch_size": 1024}),
    "BST, order": ("order", {}, {"epochs": 5}),
    "distance, order": ("order", {"relative": "distance"}, {"epochs": 5}),
    "rotary, order": ("order", {"relative": "rotary"}, {"epochs": 5}),
    "all read, order": ("order", {"read": "all"}, {"epochs": 5}),
    "GRU, order": ("order", M.RNNRecommender, {"lr": 0.01, "batch_size": 1024, "epochs": 5}),
    "BST, counts": ("counts", {}, {}),
    "GRU, counts": ("counts", M.RNNRecommender, {"lr": 0.01, "batch_size": 1024}),
    "mean, counts": ("counts", M.PooledSequence, {"lr": 0.01, "batch_size": 1024}),
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


def main() -> None:
    seed, *names = sys.argv[1:]
    for name in names or FORMS:
        row = measure(name, int(seed)) | {"chosen": True, "commit": commit("recbyhand", "benchmarks")}
        print(row, flush=True)
        table = pd.DataFrame([row])
        if FILE.exists():
            old = pd.read_csv(FILE, dtype={"commit": str})
            again = (old["model"] == name) & (old["seed"] == int(seed))
            table = pd.concat([old[~again], table])
        table.sort_values(["data", "model", "seed"]).to_csv(FILE, index=False)


if __name__ == "__main__":
    main()
