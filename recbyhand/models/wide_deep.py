"""Wide & Deep: a linear model that memorises crosses and a network that generalises, trained as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recbyhand.arguments import sizes
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import MLP, CrossedWeights, FeatureEmbedding, feature_pairs
from recbyhand.models.base import Recommender


class WideDeep(Recommender):
    r"""$$\mathrm{logit} = \underbrace{w \cdot [x, \phi(x)]}_{wide}
          + \underbrace{\mathrm{MLP}([\mathbf v_1, \dots, \mathbf v_F])}_{deep} + b$$

    phi(x) are the crossed features of the chosen pairs of fields (`crosses`, by default every user feature
    with every item feature; see `CrossedWeights`). One logit, one loss: both parts learn together.

    Source: Cheng et al. 2016, Wide & deep learning for recommender systems, arXiv:1606.07792.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        dim: int = 16,
        hidden: Sequence[int] = (64, 32),
        crosses: Sequence[Sequence[str]] | None = None,
        activation: str = "relu",
        dropout: float = 0.0,
    ):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))  # b
        self.linear = FeatureEmbedding(schema.fields, 1, std=0)  # w on x
        crosses = feature_pairs(schema) if crosses is None else crosses
        self.crosses = CrossedWeights(schema.fields, crosses)  # w on phi(x)
        self.embedding = FeatureEmbedding(schema.fields, dim)  # v
        self.mlp = MLP(
            [len(schema.fields) * dim, *sizes("hidden", hidden), 1], activation=activation, dropout=dropout
        )

    def forward(self, batch: Batch) -> Tensor:
        ids = batch.ids()  # (B, C) columns of ids of F fields
        wide = self.linear(ids).sum((1, 2)) + self.crosses(ids).sum(1)  # (B,)
        deep = self.mlp(self.embedding(ids).flatten(1)).squeeze(-1)  # (B,)
        return wide + deep + self.bias  # (B,)
