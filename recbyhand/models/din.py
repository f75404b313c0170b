"""Deep interest network: the target decides what in the history matters."""

from __future__ import annotations

import torch
from torch import Tensor

from recbyhand.arguments import flag, size, sizes
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import MLP, ItemVectors, LocalActivationUnit, UserVectors, concat, weighted_sum
from recbyhand.models.base import Recommender, blocks


class DIN(Recommender):
    r"""$$a_j = \mathrm{unit}(\mathbf e_j, \mathbf t), \qquad \mathbf x = \sum_j a_j \mathbf e_j, \qquad
      \mathrm{logit} = \mathrm{MLP}([\mathbf x,\ \mathbf t,\ \mathbf x \odot \mathbf t,\ \mathbf u])$$

    e_1 ... e_L are the vectors of the history, t that of the target, u those of the user. The weights are not
    normalised: two matching films say more than one.

    users      a vector per user id joins the head
    features   the form in use in industry: every item, in the history too, is the vectors of its id and its features
               side by side, and the user's features join the head
    normalise  a softmax over the events, which the paper leaves out
    unit       width of the hidden layer of the unit, see `LocalActivationUnit`

    Source: Zhou et al. 2018, Deep interest network, arXiv:1706.06978.
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
        dropout: float = 0.0,
    ):
        super().__init__()
        self.item = ItemVectors(schema, dim, features=features)
        self.user = UserVectors(schema, dim, ids=flag("users", users), features=features)
        self.unit = LocalActivationUnit(
            self.item.width, size("unit", unit), normalise=flag("normalise", normalise)
        )
        widths = [3 * self.item.width + self.user.width, *sizes("hidden", hidden), 1]
        self.mlp = MLP(widths, activation=activation, dropout=dropout)

    def attention(self, batch: Batch) -> Tensor:
        """(B, L): the weight of each event of the history for the batch's target; 0 where padded."""
        return self.unit(self.item(batch.item), self.item(batch.history), batch.history_mask)

    def click(self, x: Tensor, t: Tensor, user: Tensor) -> Tensor:
        return self.mlp(concat(x, t, x * t, user)).squeeze(-1)  # (B,)

    def forward(self, batch: Batch) -> Tensor:
        e, t = self.item(batch.history), self.item(batch.item)  # (B, L, d), (B, d)
        a = self.unit(t, e, batch.history_mask)  # (B, L)
        x = weighted_sum(a, e)  # (B, d)
        return self.click(x, t, self.user(batch))  # (B,)

    def score_items(self, batch: Batch, items: Tensor) -> Tensor:
        """(U, I). A score is of an event and a target, whoever asks: each pair of two items is scored once."""
        events, place = batch.history.unique(return_inverse=True)  # (M,), (U, L)
        e, known, user = self.item(batch.history), self.item(events), self.user(batch)[:, None]
        logits = []
        for some in blocks(items, len(batch)):
            t = self.item(some)  # (I, d)
            s = self.unit.score(t, known.expand(len(t), -1, -1), None)  # (I, M)
            a = self.unit.weigh(s[:, place], batch.history_mask)  # (I, U, L)
            logits.append(self.click(torch.einsum("iul,uld->uid", a, e), t, user))  # (U, I)
        return torch.cat(logits, dim=1)
