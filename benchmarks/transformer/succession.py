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
