"""Matrix factorisation whose user vector is the state of a recurrent network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import events_first, id_embedding, last_state
from recbyhand.models.base import Recommender
from recbyhand.models.rnn_recommender import recurrent


class RNNFactorization(Recommender):
    r"""$$h_t = \mathrm{cell}(e_t, h_{t-1}), \qquad \mathbf u = h_n, \qquad
      \mathrm{logit} = \mathbf u \cdot \mathbf e_i + b_i + b$$

    One table of item vectors serves the history and the target, so a user who has seen an item lives in the
    same space as the items. A user without history has u = 0, and is offered what is liked in general. `cell` is
    "rnn", "lstm" or "gru".

    Source: Hidasi et al. 2016 (GRU4Rec), arXiv:1511.06939, with a loss of the click in place of theirs.
    """

    def __init__(self, schema: Schema, *, dim: int = 16, cell: str = "gru"):
        super().__init__()
        self.item = id_embedding(schema.n_items, dim)
        self.item_bias = id_embedding(schema.n_items, 1)
        self.bias = nn.Parameter(torch.zeros(()))
        self.rnn = recurrent(cell, dim, dim)

    def user_vectors(self, batch: Batch) -> Tensor:
        """(B, d): the state after the newest event of each history."""
        tokens, mask = events_first(batch.history, batch.history_mask)  # (B, L)
        states, _ = self.rnn(self.item(tokens))  # (B, L, d)
        return last_state(states, mask)  # (B, d)

    def forward(self, batch: Batch) -> Tensor:
        u, v = self.user_vectors(batch), self.item(batch.item)  # (B, d), (B, d)
        return (u * v).sum(-1) + self.item_bias(batch.item).squeeze(-1) + self.bias  # (B,)

    def score_items(self, batch: Batch, items: Tensor) -> Tensor:
        """(U, I): every history is read once, whatever the number of items."""
        return self.user_vectors(batch) @ self.item(items).T + self.item_bias(items).squeeze(-1) + self.bias
