"""User and item vector side by side, and a network that finds out how they go together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recbyhand.arguments import sizes
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import MLP, id_embedding
from recbyhand.models.base import Recommender


class ConcatMLP(Recommender):
    r"""$$\mathrm{logit} = \mathrm{MLP}([\mathbf u_u, \mathbf v_i])$$

    The inner product is not given but has to be learned. Whether that is better is an empirical question:
    Rendle et al. 2020, arXiv:2005.09683, found a well tuned inner product ahead.

    Source: the MLP of He et al. 2017, Neural collaborative filtering, arXiv:1708.05031.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        dim: int = 16,
        hidden: Sequence[int] = (32, 16),
        activation: str = "relu",
        dropout: float = 0.0,
    ):
        super().__init__()
        self.user = id_embedding(schema.n_users, dim, std=0.1)
        self.item = id_embedding(schema.n_items, dim, std=0.1)
        self.mlp = MLP([2 * dim, *sizes("hidden", hidden), 1], activation=activation, dropout=dropout)

    def forward(self, batch: Batch) -> Tensor:
        x = torch.cat([self.user(batch.user), self.item(batch.item)], dim=-1)  # (B, 2d)
        return self.mlp(x).squeeze(-1)  # (B,)
