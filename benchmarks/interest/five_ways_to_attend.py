"""Which form of attention finds the truth? Writes benchmarks/results/interest/five_ways_to_attend.csv.

For the lesson *Five ways to attend*. One skeleton for all, the pooled model with weights in place of the mean. Every
form gets the same three step sizes, and further ones where its best lies at their edge, chosen by validation AUC from
initial weights 0; the chosen one is run from four more. On MovieLens 100K all have one
step size, and three seeds. Six epochs, the best of them by validation. `right` is the share of test rows whose largest
weight stands at a film of the target's franchise.
`python -m benchmarks.interest.five_ways_to_attend 100k` measures one data set only and keeps the other rows.
"""

from __future__ import annotations

import sys

import torch

from benchmarks._recording import keep, search, task_on, trained
from recbyhand import layers, models

RATES, SEEDS, EPOCHS = (0.005, 0.01, 0.02), 5, 6
FORMS = {
    "linear": layers.LinearAttention,
    "additive": layers.AdditiveAttention,
    "dot": layers.DotAttention,
    "bilinear": layers.BilinearAttention,
    "elementwise": layers.ElementwiseAttention,
    "unit": lambda d, **how: layers.LocalActivationUnit(d, **{"hidden": 24, "normalise": True} | how),
}


class Attentive(models.PooledSequence):
    """x = sum of a_i e_i;  logit = MLP([x, t, x * t]). With `users`, the target asks on behalf of a user."""

    def __init__(self, schema, form, users: bool = False):
        super().__init__(schema, dim=16)
        self.attend, self.user = form, None
        if users:
            self.user = torch.nn.Embedding(schema.n_users, 16)
            torch.nn.init.ones_(self.user.weight)

    def attention(self, batch):
        t = self.item(batch.item)  # (B, d)
        t = t if self.user is None else t * self.user(batch.user)
        return self.attend(t, self.item(batch.history), batch.history_mask)  # (B, L)

    def forward(self, batch):
        x = layers.weighted_sum(self.attention(batch), self.item(batch.history))  # (B, d)
        return self.click(x, self.item(batch.item))  # (B,)


def make(name: str, schema):
    if name == "mean pooling":
        return models.PooledSequence(schema, dim=16)
    form, *how = name.split(", ")
    settings = {"normalise": False} if "no softmax" in how else {}
    return Attentive(schema, FORMS[form](16, **settings), users="user" in how)


MODELS = {
    "interests": ["mean pooling", *FORMS, "dot, no softmax", "additive, no softmax", "elementwise, user"],
    "100k": ["mean pooling", "linear", "dot", "unit"],
}


def measure(data: str) -> list[dict]:
    task, rows = task_on(data), []
    test = task.test[:]

    def run(lr, seed, name):
        row, model = trained(lambda: make(name, task.schema), task, lr, 0.01, seed, epochs=EPOCHS)
        if data == "interests" and name != "mean pooling":
            with torch.no_grad():
                found = task.dataset.truth.precision(model.attention(test), test)
            row |= {"right": round(found.precision, 4), "chance": round(found.chance, 4)}
        return row

    rates, seeds = (RATES, SEEDS) if data == "interests" else (RATES[:1], 3)
    for name in MODELS[data]:
        found = search(lambda lr, seed, name=name: run(lr, seed, name), [(lr,) for lr in rates], seeds)
        rows += [{"data": data, "model": name} | row for row in found]
    return rows


def main() -> None:
    for data in sys.argv[1:] or MODELS:
        keep("interest/five_ways_to_attend", measure(data))


if __name__ == "__main__":
    main()
