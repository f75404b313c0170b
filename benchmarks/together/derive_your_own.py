"""Derived models beside what they are made of: writes benchmarks/results/together/derive_your_own.csv.

For the lesson *Derive your own*, by `rbh.inspect.trial` in the ladder's protocol: three step sizes, up to twenty
epochs, patience two, five starts. Worlds with two effects, and `interests`, which is on the ladder.
`python -m benchmarks.together.derive_your_own order+taste` measures one world and keeps the other rows.
"""

from __future__ import annotations

import sys

import torch
from torch import nn

import recbyhand as rbh
from benchmarks._recording import keep, task_on
from recbyhand import layers
from recbyhand import models as m


class Library(nn.Module):
    """The model of the lesson, with a switch for each piece."""

    def __init__(self, schema, dim=16, attend=True, cross=True):
        super().__init__()
        self.attend = attend
        self.item = layers.ItemVectors(schema, dim)
        if attend:
            self.unit = layers.LocalActivationUnit(dim)
        self.mlp = layers.MLP([3 * dim, 32, 1], activation="dice")
        fields = (*schema.user_fields, *schema.item_fields)
        self.field = layers.FeatureEmbedding(fields, dim) if cross else None
        self.meet = layers.FMInteraction(scalar=True)

    def weights(self, batch, t, e, mask):
        if self.attend:
            return self.unit(t, e, mask)  # (B, L)
        return mask / mask.sum(1, keepdim=True).clamp(min=1)  # (B, L) their mean

    def forward(self, batch):
        e, t = self.item(batch.history), self.item(batch.item)  # (B, L, d), (B, d)
        mask = batch.history_mask
        x = layers.weighted_sum(self.weights(batch, t, e, mask), e)  # (B, d)
        logit = self.mlp(torch.cat([x, t, x * t], dim=1)).squeeze(-1)  # (B,)
        if self.field is None:
            return logit
        features = torch.cat([batch.user_features, batch.item_features], dim=1)  # (B, F)
        return logit + self.meet(self.field(features))  # (B,)


class Desk(Library):
    """For `drift+crosses`: attention that knows how many events back, and the cross."""

    def __init__(self, schema, dim=16):
        super().__init__(schema, dim)
        self.back = layers.LearnedPositions(dim, schema.history + 1)
        self.unit = layers.LocalActivationUnit(2 * dim)

    def weights(self, batch, t, e, mask):
        back = self.back(layers.age(mask))  # (B, L, d)
        now = self.back(torch.zeros_like(batch.item))  # (B, d) the target is 0 events back
        return self.unit(torch.cat([t, now], 1), torch.cat([e, back], 2), mask)  # (B, L)


class Weekend(Library):
    """For `fading+crosses`: attention that knows how long ago, and the cross."""

    def __init__(self, schema, dim=16):
        super().__init__(schema, dim)
        self.gap = layers.TimeGapPositions(dim)
        self.unit = layers.LocalActivationUnit(2 * dim)

    def weights(self, batch, t, e, mask):
        gap = self.gap(batch.time[:, None] - batch.history_time)  # (B, L, d) how long ago
        now = self.gap(torch.zeros_like(batch.item))  # (B, d)
        return self.unit(torch.cat([t, now], 1), torch.cat([e, gap], 2), mask)  # (B, L)


class BoxSet(nn.Module):
    """For `order+taste`: the last view asks for the next, and a user has a taste."""

    def __init__(self, schema, dim=16):
        super().__init__()
        self.user, self.item = (layers.id_embedding(n, dim) for n in (schema.n_users, schema.n_items))
        self.last, self.next = (layers.id_embedding(schema.n_items, dim) for _ in range(2))
        self.bias = layers.id_embedding(schema.n_items, 1)

    def forward(self, batch):
        newest = (batch.history * (layers.age(batch.history_mask) == 1)).sum(1)  # (B,)
        taste = (self.user(batch.user) * self.item(batch.item)).sum(1)  # (B,)
        follows = (self.last(newest) * self.next(batch.item)).sum(1)  # (B,)
        return taste + follows + self.bias(batch.item).squeeze(-1)  # (B,)


def named(name, **settings):
    return lambda schema: getattr(m, name)(schema, dim=16, **settings)


DIN = named("DIN", users=True, features=True)
WORLDS = {
    "interests+crosses": {
        "derived": Library,
        "without attention": lambda schema: Library(schema, attend=False),
        "without the cross": lambda schema: Library(schema, cross=False),
        "FM": named("FM"),
        "DIN": DIN,
        "DeepFM": named("DeepFM"),
    },
    "order+taste": {"derived": BoxSet, "DIN": DIN, "MatrixFactorization": named("MatrixFactorization")},
    "interests": {"derived": Library},
    "drift+crosses": {"derived": Desk, "without places": Library, "DIN": DIN},
    "fading+crosses": {"derived": Weekend, "without times": Library, "DIN": DIN},
}


def main() -> None:
    for data in sys.argv[1:] or WORLDS:
        task, rows = task_on(data), []
        print(data, task.dataset.truth.ceiling(task.test).auc, flush=True)
        for name, make in WORLDS[data].items():
            one = rbh.inspect.trial({name: make}, task, rates=(0.003, 0.01, 0.03), seeds=5)
            print(one.place().round(4).to_string(header=False), flush=True)
            rows += one.rows.to_dict("records")
            keep("together/derive_your_own", rows)  # after each, so that an interrupted run loses little


if __name__ == "__main__":
    main()
