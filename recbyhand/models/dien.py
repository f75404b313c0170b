"""Deep interest evolution network: interests are extracted, then followed as they change."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import AUGRU, MLP, BilinearAttention, events_first, id_embedding, sample_negatives
from recbyhand.models.base import Recommender

EVOLUTIONS = ("augru", "agru", "aigru")


class DIEN(Recommender):
    """h_t = GRU(e_t, h_{t-1});  a_t = softmax_t(h_t W t);  x = AUGRU(h, a)_L;  logit = MLP([x, t, x * t]).

    loss = BCE(logit, y) + alpha * L_aux, where h_t must tell the next item of the history from a random one:
    L_aux = -mean_t [log s(h_t . e_{t+1}) + log(1 - s(h_t . e'_{t+1}))].   (Zhou et al. 2019,
    arXiv:1809.03672) `evolution` is "augru" or one of the paper's weaker forms: "agru" (a replaces the
    gate), "aigru" (a scales the input).
    """

    def __init__(
        self,
        schema: Schema,
        *,
        dim: int = 16,
        evolution: str = "augru",
        alpha: float = 1.0,
        hidden: tuple[int, ...] = (32,),
        activation: str = "dice",
    ):
        super().__init__()
        if evolution not in EVOLUTIONS:
            raise ValueError(f"evolution is one of {', '.join(EVOLUTIONS)}; got {evolution!r}")
        self.alpha, self.evolution = alpha, evolution
        self.item = id_embedding(schema.n_items, dim)
        self.extract = nn.GRU(dim, dim, batch_first=True)
        self.attend = BilinearAttention(dim)
        self.evolve = AUGRU(dim, dim, replace=evolution == "agru")
        self.mlp = MLP([3 * dim, *hidden, 1], activation=activation)

    def interests(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        tokens, mask = events_first(batch.history, batch.history_mask)  # (B, L)
        return self.extract(self.item(tokens))[0], tokens, mask  # (B, L, d), (B, L), (B, L)

    def attention(self, batch: Batch) -> Tensor:
        """(B, L): weight of each step of the history, real events first; rows sum to 1, 0 where padded."""
        h, _, mask = self.interests(batch)
        return self.attend(self.item(batch.item), h, mask)

    def click(self, h: Tensor, mask: Tensor, item: Tensor) -> Tensor:
        t = self.item(item)  # (B, d)
        a = self.attend(t, h, mask)  # (B, L)
        if self.evolution == "aigru":
            states = self.evolve(a[..., None] * h, mask.to(h.dtype))  # (B, L, d)
        else:
            states = self.evolve(h, a)  # (B, L, d) a = 0 keeps the state through the padding
        x = states[:, -1]  # (B, d)
        return self.mlp(torch.cat([x, t, x * t], dim=1)).squeeze(-1)  # (B,)

    def forward(self, batch: Batch) -> Tensor:
        h, _, mask = self.interests(batch)  # (B, L, d)
        return self.click(h, mask, batch.item)  # (B,)

    def auxiliary_loss(self, h: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        has_next = mask[:, 1:]  # (B, L-1)
        h, after = h[:, :-1][has_next], tokens[:, 1:][has_next]  # (N, d), (N,)
        if len(after) == 0:  # no history has two events
            return h.sum() * 0
        other = sample_negatives(after, self.item.num_embeddings)[..., 0]  # (N,)
        right = (h * self.item(after)).sum(-1)  # (N,)
        wrong = (h * self.item(other)).sum(-1)  # (N,)
        return -(F.logsigmoid(right) + F.logsigmoid(-wrong)).mean()

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        h, tokens, mask = self.interests(batch)  # (B, L, d)
        return {
            "click": F.binary_cross_entropy_with_logits(self.click(h, mask, batch.item), batch.label),
            "auxiliary": self.alpha * self.auxiliary_loss(h, tokens, mask),
        }
