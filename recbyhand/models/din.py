"""Deep interest network: the target decides what in the history matters."""

from __future__ import annotations

import torch
from torch import Tensor

from recbyhand.arguments import flag, size, sizes
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import MLP, ItemVectors, LocalActivationUnit, UserVectors, weighted_sum
from recbyhand.models.base import Recommender


class DIN(Recommender):
    """a_i = unit(e_i, t);  x = sum_i a_i e_i;  logit = MLP([x, t, x * t, user])  (arXiv:1706.06978).

    The weights are not normalised: two matching films say more than one. `users=True` adds a vector per user
    id; `features=True` is the form in use in industry: every item, in the history too, is the concatenation
    of the vectors of its id and its features, and the user's features join the head.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        dim: int = 16,
        users: bool = False,
        features: bool = False,
        normalise: bool = False,
        unit: int = 36,
        hidden: tuple[int, ...] = (32,),
        activation: str = "dice",
    ):
        super().__init__()
        self.item = ItemVectors(schema, dim, features=features)
        self.user = UserVectors(schema, dim, ids=flag("users", users), features=features)
        self.unit = LocalActivationUnit(
            self.item.width, size("unit", unit), normalise=flag("normalise", normalise)
        )
        self.mlp = MLP(
            [3 * self.item.width + self.user.width, *sizes("hidden", hidden), 1], activation=activation
        )

    def attention(self, batch: Batch) -> Tensor:
        """(B, L): the weight of each event of the history for the batch's target; 0 where padded."""
        return self.unit(self.item(batch.item), self.item(batch.history), batch.history_mask)

    def forward(self, batch: Batch) -> Tensor:
        e, t = self.item(batch.history), self.item(batch.item)  # (B, L, d), (B, d)
        a = self.unit(t, e, batch.history_mask)  # (B, L)
        x = weighted_sum(a, e)  # (B, d)
        return self.mlp(torch.cat([x, t, x * t, self.user(batch)], dim=1)).squeeze(-1)  # (B,)
