"""A tower of layers over the user, one over the item, and the inner product of their outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recbyhand.arguments import size, sizes
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import MLP, id_embedding
from recbyhand.models.base import Recommender


class TwoTowerMLP(Recommender):
    r"""$$\mathrm{logit} = \mathrm{MLP}_{user}(\mathbf u_u) \cdot \mathrm{MLP}_{item}(\mathbf v_i) + b$$

    The towers meet only in the inner product, so each side can be computed and stored without the other.
    `out` is the length of the vectors that meet.

    Source: the user-item pair of networks of Huang et al. 2013 (DSSM), doi:10.1145/2505515.2505665, on ids.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        dim: int = 16,
        hidden: Sequence[int] = (32,),
        out: int = 16,
        activation: str = "relu",
        dropout: float = 0.0,
    ):
        super().__init__()
        hidden, out = sizes("hidden", hidden), size("out", out)
        self.user = id_embedding(schema.n_users, dim, std=0.1)
        self.item = id_embedding(schema.n_items, dim, std=0.1)
        self.user_tower = MLP([dim, *hidden, out], activation=activation, dropout=dropout)
        self.item_tower = MLP([dim, *hidden, out], activation=activation, dropout=dropout)
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, batch: Batch) -> Tensor:
        u = self.user_tower(self.user(batch.user))  # (B, out)
        v = self.item_tower(self.item(batch.item))  # (B, out)
        return (u * v).sum(-1) + self.bias  # (B,)

    def score_items(self, batch: Batch, items: Tensor) -> Tensor:
        """(U, I): each tower runs once per user and once per item; their outputs meet in one matrix product."""
        u, v = self.user_tower(self.user(batch.user)), self.item_tower(self.item(items))  # (U, out), (I, out)
        return u @ v.T + self.bias
