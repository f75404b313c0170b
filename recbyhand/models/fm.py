"""Factorisation machine: every two features interact through the inner product of their vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import FeatureEmbedding, FMInteraction
from recbyhand.models.base import Recommender


class FM(Recommender):
    r"""$$\mathrm{logit} = w_0 + \sum_i w_i x_i + \sum_{i<j} (\mathbf v_i \cdot \mathbf v_j)\, x_i x_j$$

    The sums run over the fields; a field with n values is their average, x = 1/n each (pairs within one field
    are left out). A pair never seen together still has a weight: each vector learns from all its other pairs.

    Source: Rendle 2010, Factorization machines, doi:10.1109/ICDM.2010.127.
    """

    def __init__(self, schema: Schema, *, dim: int = 16):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))  # w_0
        self.linear = FeatureEmbedding(schema.fields, 1, std=0)  # w
        self.embedding = FeatureEmbedding(schema.fields, dim)  # v
        self.interaction = FMInteraction(scalar=True)

    def forward(self, batch: Batch) -> Tensor:
        ids = batch.ids()  # (B, C) columns of ids of F fields
        w = self.linear(ids)  # (B, F, 1)
        v = self.embedding(ids)  # (B, F, d)
        return self.bias + w.sum((1, 2)) + self.interaction(v)  # (B,)

    def score_items(self, batch: Batch, items: Tensor) -> Tensor:
        """(U, I): the pairs within a user, those within an item, and those across: a product of two sums."""
        users, others = batch.user, batch.user_features  # (U,), (U, Fu)
        features = self.schema.item_table.to(items.device)[items]  # (I, Fi)
        none = users.new_zeros  # padding, whose vectors and weights are 0
        of_user = [users[:, None], none(len(users), 1), others, none(len(users), features.shape[1])]
        of_item = [none(len(items), 1), items[:, None], none(len(items), others.shape[1]), features]
        (a, u), (b, v) = (self.within(torch.cat(columns, dim=1)) for columns in (of_user, of_item))
        return self.bias + a[:, None] + b + u @ v.T

    def within(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Of some of the fields: their part of the logit (B,), and the sum of their vectors (B, d)."""
        v = self.embedding(ids)  # (B, F, d)
        return self.linear(ids).sum((1, 2)) + self.interaction(v), v.sum(1)
