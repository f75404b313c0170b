"""DeepFM: a factorisation machine and a network on the same vectors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recbyhand.arguments import sizes
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import MLP, FeatureEmbedding, FMInteraction
from recbyhand.models.base import Recommender


class DeepFM(Recommender):
    r"""$$\mathrm{logit} = \underbrace{w_0 + \sum_i w_i x_i + \sum_{i<j} \mathbf v_i \cdot \mathbf v_j}_{FM}
          + \mathrm{MLP}([\mathbf v_1, \dots, \mathbf v_F])$$

    The vectors are shared by both parts. `merge="sum"` adds the two logits, as in the paper; `merge="concat"`
    lets a linear layer weigh the vector form of the pair sum beside a d-vector of the network:
    $w_0 + \sum_i w_i x_i + a \cdot [f_{BI}, \mathrm{MLP}(v)]$. The first is the second with a = 1 on f_BI. (The paper
    has no w_0: its network's last bias says the base rate.)

    Source: Guo et al. 2017, DeepFM, arXiv:1703.04247.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        dim: int = 16,
        hidden: Sequence[int] = (64, 32),
        merge: str = "sum",
        activation: str = "relu",
        dropout: float = 0.0,
    ):
        super().__init__()
        if merge not in ("sum", "concat"):
            raise ValueError(f"merge is 'sum' or 'concat', not {merge!r}")
        self.bias = nn.Parameter(torch.zeros(()))  # w_0
        self.linear = FeatureEmbedding(schema.fields, 1, std=0)  # w
        self.embedding = FeatureEmbedding(schema.fields, dim)  # v
        self.interaction = FMInteraction()
        out = 1 if merge == "sum" else dim
        self.mlp = MLP(
            [len(schema.fields) * dim, *sizes("hidden", hidden), out], activation=activation, dropout=dropout
        )
        self.merge = nn.Linear(2 * dim, 1, bias=False) if merge == "concat" else None  # a

    def forward(self, batch: Batch) -> Tensor:
        ids = batch.ids()  # (B, C) columns of ids of F fields
        v = self.embedding(ids)  # (B, F, d)
        linear = self.bias + self.linear(ids).sum((1, 2))  # (B,)
        f, deep = self.interaction(v), self.mlp(v.flatten(1))  # (B, d), (B, 1) or (B, d)
        if self.merge is None:
            return linear + f.sum(1) + deep.squeeze(-1)  # (B,)
        return linear + self.merge(torch.cat([f.to(deep.dtype), deep], dim=1)).squeeze(-1)  # (B,)
