"""One recurrent network, two tasks: the click, and the next item of the history."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbyhand.arguments import number, size
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import events_first, full_softmax_loss, id_embedding, last_state, sampled_softmax_loss
from recbyhand.layers.softmax_loss import pick
from recbyhand.models.base import Recommender
from recbyhand.models.rnn_recommender import recurrent


class JointRNN(Recommender):
    r"""$$h_t = \mathrm{cell}(e_t, h_{t-1}), \qquad \mathrm{logit} = h_n \cdot e_i + b_i + b$$

    $$\mathrm{loss} = \mathrm{BCE}(\mathrm{logit}, y)
      + \alpha \cdot \mathrm{mean}_t\, \mathrm{CE}(E h_t,\ \mathrm{item}_{t+1})$$

    h_t has read items 1 ... t and predicts item t + 1 inside the history; it never predicts the target, whose label may
    say "not liked".

    cell     "rnn", "lstm" or "gru"
    alpha    weight of the second loss; 0 leaves it out
    sampled  0: softmax over the whole catalogue; else over that many sampled items, for large catalogues

    Source: the second loss is that of Hidasi et al. 2016 (GRU4Rec), arXiv:1511.06939, as a full softmax.
    """

    def __init__(
        self, schema: Schema, *, dim: int = 16, cell: str = "gru", alpha: float = 0.2, sampled: int = 0
    ):
        super().__init__()
        self.alpha, self.sampled = number("alpha", alpha), size("sampled", sampled, 0)
        self.item = id_embedding(schema.n_items, dim)
        self.item_bias = id_embedding(schema.n_items, 1)
        self.bias = nn.Parameter(torch.zeros(()))
        self.rnn = recurrent(cell, dim, dim)

    def states(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        tokens, mask = events_first(batch.history, batch.history_mask)  # (B, L)
        return self.rnn(self.item(tokens))[0], tokens, mask  # (B, L, d), (B, L), (B, L)

    def click(self, states: Tensor, mask: Tensor, item: Tensor) -> Tensor:
        u, v = last_state(states, mask), self.item(item)  # (B, d), (B, d)
        return (u * v).sum(-1) + self.item_bias(item).squeeze(-1) + self.bias  # (B,)

    def forward(self, batch: Batch) -> Tensor:
        states, _, mask = self.states(batch)  # (B, L, d)
        return self.click(states, mask, batch.item)  # (B,)

    def score_items(self, batch: Batch, items: Tensor) -> Tensor:
        """(U, I): every history is read once, whatever the number of items."""
        states, _, mask = self.states(batch)  # (U, L, d)
        u, v = last_state(states, mask), self.item(items)  # (U, d), (I, d)
        return u @ v.T + self.item_bias(items).squeeze(-1) + self.bias

    def next_item_loss(self, states: Tensor, tokens: Tensor, mask: Tensor, generator=None) -> Tensor:
        has_next = mask[:, 1:]  # (B, L-1) position t has a real successor
        target, h = pick(has_next, tokens[:, 1:], states[:, :-1])  # (N,), (N, d)
        if self.sampled:
            return sampled_softmax_loss(h, target, self.item.weight, self.sampled, generator=generator)
        return full_softmax_loss(h, target, self.item.weight)

    def loss(self, batch: Batch, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        states, tokens, mask = self.states(batch)  # (B, L, d)
        logit = self.click(states, mask, batch.item)  # (B,)
        return {
            "click": F.binary_cross_entropy_with_logits(logit, batch.label),
            "next": self.alpha * self.next_item_loss(states, tokens, mask, generator),
        }
