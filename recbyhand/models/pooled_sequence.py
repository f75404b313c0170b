"""The base of all sequence models: add up the history, whatever the target."""

from __future__ import annotations

import torch
from torch import Tensor

from recbyhand.arguments import sizes
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import MLP, ItemVectors, concat, weighted_sum
from recbyhand.models.base import Recommender, blocks


class PooledSequence(Recommender):
    r"""$$\mathbf x = \frac{1}{n} \sum_{j=1}^{n} \mathbf e_j, \qquad
      \mathrm{logit} = \mathrm{MLP}([\mathbf x,\ \mathbf t,\ \mathbf x \odot \mathbf t])$$

    e_1 ... e_n are the vectors of the history, t that of the target. All events weigh alike, whatever the target.

    pooling   "mean", or "sum" without the 1 / n
    head      "product"; "concat" leaves out x * t: with `hidden=()` the score is then a part of the user plus a part
              of the item, which ranks the items alike for every user (proved in *Pooling is blind*)
    features  an item, in the history too, has the vectors of its features beside that of its id

    Source: the base model of Zhou et al. 2018 (DIN), arXiv:1706.06978, section 4.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        dim: int = 16,
        pooling: str = "mean",
        head: str = "product",
        hidden: tuple[int, ...] = (32,),
        features: bool = False,
        activation: str = "relu",
    ):
        super().__init__()
        if pooling not in ("mean", "sum") or head not in ("product", "concat"):
            raise ValueError(
                f"pooling is 'mean' or 'sum', head 'product' or 'concat'; got {pooling!r}, {head!r}"
            )
        self.pooling, self.head = pooling, head
        self.item = ItemVectors(schema, dim, features=features)
        parts = 3 if head == "product" else 2
        self.mlp = MLP([parts * self.item.width, *sizes("hidden", hidden), 1], activation=activation)

    def pooled(self, batch: Batch) -> Tensor:
        """x (B, d): the history as one vector."""
        e, weights = self.item(batch.history), batch.history_mask  # (B, L, d), (B, L)
        weights = weights.to(e.dtype)
        if self.pooling == "mean":
            weights = weights / weights.sum(1, keepdim=True).clamp(min=1)  # (B, L)
        return weighted_sum(weights, e)  # (B, d)

    def click(self, x: Tensor, t: Tensor) -> Tensor:
        parts = (x, t, x * t) if self.head == "product" else (x, t)
        return self.mlp(concat(*parts)).squeeze(-1)  # (B,)

    def forward(self, batch: Batch) -> Tensor:
        return self.click(self.pooled(batch), self.item(batch.item))  # (B,)

    def score_items(self, batch: Batch, items: Tensor) -> Tensor:
        """(U, I): every history is pooled once; its vector meets all items."""
        x = self.pooled(batch)[:, None]  # (U, 1, d)
        return torch.cat([self.click(x, self.item(some)) for some in blocks(items, len(x))], dim=1)
