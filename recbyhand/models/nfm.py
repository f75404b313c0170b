"""Neural factorisation machine: the pair sum of FM, kept as a vector, goes through a network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recbyhand.arguments import flag, number, sizes
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import MLP, BatchNorm, FeatureEmbedding, FMInteraction
from recbyhand.models.base import Recommender


class NFM(Recommender):
    r"""$$\mathrm{logit} = w_0 + \sum_i w_i x_i + \mathrm{MLP}(f_{BI}), \qquad
          f_{BI} = \sum_{i<j} x_i \mathbf v_i \odot x_j \mathbf v_j$$

    f_BI ("Bi-Interaction") has d numbers, whatever the number of fields; which pair a product came from is
    lost in the sum. `batch_norm` normalises it, `dropout` acts on it and on the hidden layers.

    Source: He and Chua 2017, Neural factorization machines, arXiv:1708.05027.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        dim: int = 16,
        hidden: Sequence[int] = (32,),
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
    ):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))  # w_0
        self.linear = FeatureEmbedding(schema.fields, 1, std=0)  # w
        self.embedding = FeatureEmbedding(schema.fields, dim)  # v
        self.interaction = FMInteraction()
        self.norm = BatchNorm(dim) if flag("batch_norm", batch_norm) else nn.Identity()
        self.dropout = nn.Dropout(number("dropout", dropout, 0, 1))
        self.mlp = MLP([dim, *sizes("hidden", hidden), 1], activation=activation, dropout=dropout)

    def forward(self, batch: Batch) -> Tensor:
        ids = batch.ids()  # (B, C) columns of ids of F fields
        w = self.linear(ids)  # (B, F, 1)
        f = self.interaction(self.embedding(ids))  # (B, d)
        f = self.dropout(self.norm(f)).to(w.dtype)  # (B, d) the pair sum is float32 at least
        return self.bias + w.sum((1, 2)) + self.mlp(f).squeeze(-1)  # (B,)
