"""What does BST lack in the world `succession`? Writes benchmarks/results/transformer/succession.csv.

A film is clicked if, anywhere among the last 20 views, it came directly after its predecessor: it takes both to tell.
`BST` as packaged, two layers with pre-norm and places, twelve epochs, one thing changed at a time. `Reader` is what is
left of it without all that this world does not need, and so cheap enough to be asked often: three epochs. A reader that
is neither `near` nor `handed` sees no order. Step size and batches are the same for all, the best epoch is chosen on
validation.
`python -m benchmarks.transformer.succession 0 BST` measures these rows for seed 0; other rows stay as they are.
"""

from __future__ import annotations

import math
import sys
from functools import cache, partial

import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

import recbyhand as rbh
from benchmarks._recording import RESULTS, commit, trained
from recbyhand import layers as L

M = rbh.models
STEPS = {"lr": 0.005, "weight_decay": 0.01, "batch_size": 256}
FILE = RESULTS / "transformer" / "succession.csv"


@cache
def task_of():
    return rbh.data.ctr(rbh.data.planted("succession"))


class Reader(M.BST):
    """BST without places and W; of the last layer the target's row alone is computed. The steps of `M.BST`'s encoder.

    std      the size at which the films' vectors start
    near     the first layer looks back, at first at the neighbours; flat: the same, but at first at all alike
    handed   no first attention: each event is handed the film before it, through a matrix
    """

    def __init__(self, schema, *, std=1.0, near=False, flat=False, handed=False):
        super().__init__(schema, layers=2, norm="pre", positions="none", std=std, near=True)
        first = self.encoder.layers[0].attention
        if flat:
            nn.init.zeros_(first.near)
        self.before = nn.Linear(self.item.width, self.item.width) if handed else None

    def forward(self, batch):
        first, last = self.encoder.layers
        e, t = self.item(batch.history), self.item(batch.item)[:, None]  # (B, L, d), (B, 1, d)
        if self.before is not None:
            e = e + self.before(F.pad(e[:, :-1], (0, 0, 1, 0)))  # (B, L, d)
        else:
            e = e + first.attention(first.norm_attention(e), place=L.age(batch.history_mask))  # (B, L, d)
        x = torch.cat([e, t], dim=1)  # (B, T, d)
        x = x + first.feed_forward(first.norm_feed_forward(x))  # (B, T, d)
        y = last.norm_attention(x)  # (B, T, d)
        z = x[:, -1:] + last.attention(y[:, -1:], y)  # (B, 1, d)
        z = z + last.feed_forward(last.norm_feed_forward(z))  # (B, 1, d)
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


LONG, SHORT, SLOW = {"epochs": 12}, {"epochs": 3}, {"epochs": 24, "lr": 0.001}
FORMS = {  # what makes the model, and how it is trained
    "BST": ({}, LONG),
    "BST, std 0.3": ({"std": 0.3}, LONG),
    "BST, std 1": ({"std": 1.0}, LONG),
    "BST, std 1, post-norm": ({"std": 1.0, "norm": "post"}, LONG),
    "BST, three layers": ({"layers": 3}, LONG),
    "BST, small steps": ({}, LONG | {"lr": 0.001}),
    "BST, warm-up": ({}, LONG | {"schedule": lambda step: min(1.0, (step + 1) / 600)}),
    "BST, start at the neighbours": ({"std": 1.0, "near": True}, LONG),
    "BST, slow": ({}, SLOW),
    "BST, slow, std 0.3": ({"std": 0.3}, SLOW),
    "BST, slow, std 1": ({"std": 1.0}, SLOW),
    "BST, slow, near": ({"near": True}, SLOW),
    "BST, slow, near, std 0.3": ({"std": 0.3, "near": True}, SLOW),
    "BST, slow, near, std 1": ({"std": 1.0, "near": True}, SLOW),
    "next item as a teacher": (partial(M.Transformer4Rec, layers=2), LONG),
    "BST, layer 1 by hand": (("vectors", "first"), LONG),
    "near, large": (partial(Reader, near=True), SHORT),
    "near, small": (partial(Reader, near=True, std=0.05), SHORT),
    "flat, large": (partial(Reader, flat=True), SHORT),
    "handed, large": (partial(Reader, handed=True), SHORT),
    "handed, small": (partial(Reader, handed=True, std=0.05), SHORT),
    "GRU, small": (GRU, SHORT),
    "GRU, large": (partial(GRU, std=1.0), SHORT),
    "GRU, large, 24 epochs": (partial(GRU, std=1.0), {"epochs": 24}),
    "GRU, large, slow": (partial(GRU, std=1.0), SLOW),
}


def measure(name: str, seed: int) -> dict:
    form, how = FORMS[name]
    task = task_of()
    if isinstance(form, dict):
        form = partial(M.BST, **{"layers": 2, "norm": "pre", "positions": "learned"} | form)
    elif isinstance(form, tuple):
        form = partial(by_hand, truth=task.dataset.truth, parts=form)
    row, _ = trained(partial(form, task.schema), task, seed=seed, **STEPS | how)
    return {"data": "succession", "model": name, "rows": len(task.train), "epochs": how["epochs"]} | row


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
