"""Deep interest evolution network: interests are extracted, then followed as they change."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbyhand.arguments import flag, number, sizes
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import AUGRU, MLP, BilinearAttention, ItemVectors, UserVectors, concat, events_first
from recbyhand.layers.softmax_loss import negative_sampling_loss, pick, sample_negatives
from recbyhand.models.base import Recommender, blocks


class DIEN(Recommender):
    r"""$$h_j = \mathrm{GRU}(\mathbf e_j, h_{j-1}), \quad a_j = \mathrm{softmax}_j(h_j W \mathbf t), \quad
      \mathbf x = \mathrm{AUGRU}(h, a)_L,$$

    $$ \mathrm{logit} = \mathrm{MLP}([\mathbf x, \mathbf t, \mathbf x \odot \mathbf t, \mathbf u])$$

    loss = BCE(logit, y) + alpha * L_aux: h_j must tell the next item of the history from a random one.

    evolution  "augru", or one of the paper's weaker forms: "agru" (a replaces the update gate), "aigru" (a scales the
               input of a GRU)
    alpha      weight of the auxiliary loss; 0 leaves it out
    users, features   as in `DIN`

    Source: Zhou et al. 2019, Deep interest evolution network, arXiv:1809.03672.
    """

    # fmt: off
    def __init__(
        self, schema: Schema, *, dim: int = 16, users: bool = False, features: bool = False,
        evolution: str = "augru", alpha: float = 1.0, hidden: tuple[int, ...] = (32,), activation: str = "dice",
        dropout: float = 0.0,
    ):
        # fmt: on
        super().__init__()
        if evolution not in ("augru", "agru", "aigru"):
            raise ValueError(f"evolution is 'augru', 'agru' or 'aigru'; got {evolution!r}")
        self.alpha, self.evolution = number("alpha", alpha), evolution
        self.item = ItemVectors(schema, dim, features=features)
        self.user = UserVectors(schema, dim, ids=flag("users", users), features=features)
        width = self.item.width
        self.extract = nn.GRU(width, width, batch_first=True)
        self.attend = BilinearAttention(width)
        self.evolve = AUGRU(width, width, replace=evolution == "agru")
        widths = [3 * width + self.user.width, *sizes("hidden", hidden), 1]
        self.mlp = MLP(widths, activation=activation, dropout=dropout)

    def interests(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        tokens, mask = events_first(batch.history, batch.history_mask)  # (B, L)
        return self.extract(self.item(tokens))[0], tokens, mask  # (B, L, d), (B, L), (B, L)

    def attention(self, batch: Batch) -> Tensor:
        """(B, L): the weight of each step of the history, real events first; rows sum to 1, 0 where padded."""
        h, _, mask = self.interests(batch)
        return self.attend(self.item(batch.item), h, mask)[:, : batch.history.shape[1]]

    def click(self, t: Tensor, user: Tensor, h: Tensor, mask: Tensor) -> Tensor:
        a = self.attend(t, h, mask)  # (B, L)
        h, gate = (a[..., None] * h, mask.to(h.dtype)) if self.evolution == "aigru" else (h, a)  # (B, L, d), (B, L)
        x = self.evolve(h, gate)[..., -1, :]  # (B, d) a gate of 0 carries the state through the padding
        return self.mlp(concat(x, t, x * t, user)).squeeze(-1)  # (B,)

    def forward(self, batch: Batch) -> Tensor:
        h, _, mask = self.interests(batch)  # (B, L, d)
        return self.click(self.item(batch.item), self.user(batch), h, mask)  # (B,)

    def score_items(self, batch: Batch, items: Tensor) -> Tensor:
        """(U, I): interests are extracted once; each target then lets them evolve in its own way."""
        h, _, mask = self.interests(batch)  # (U, L, d)
        side = self.user(batch)[:, None], h[:, None], mask[:, None]  # (U, 1, ...)
        return torch.cat([self.click(self.item(i), *side) for i in blocks(items, len(h), 1 << 14)], dim=1)

    def auxiliary_loss(self, h: Tensor, tokens: Tensor, mask: Tensor, generator=None) -> Tensor:
        after, h = pick(mask[:, 1:], tokens[:, 1:], h[:, :-1])  # (N,), (N, d) places that have a next event
        other = sample_negatives(after, self.schema.n_items, generator=generator)[..., 0]  # (N,)
        return negative_sampling_loss(h, self.item(after), self.item(other), after)

    def loss(self, batch: Batch, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        h, tokens, mask = self.interests(batch)  # (B, L, d)
        logit = self.click(self.item(batch.item), self.user(batch), h, mask)  # (B,)
        return {
            "click": F.binary_cross_entropy_with_logits(logit, batch.label),
            "auxiliary": self.alpha * self.auxiliary_loss(h, tokens, mask, generator),
        }
