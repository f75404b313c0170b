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
