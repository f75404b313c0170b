"""A recurrent network reads the history, then the target."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbyhand.arguments import size
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import MLP, events_first, id_embedding, last_state
from recbyhand.models.base import Recommender

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def recurrent(cell: str, d_in: int, d_h: int) -> nn.Module:
    """torch's fused network of the given cell: (B, L, d_in) -> states (B, L, d_h) and the last state."""
    if cell not in CELLS:
        raise ValueError(f"cell is one of {', '.join(CELLS)}; got {cell!r}")
    return CELLS[cell](int(d_in), int(d_h), batch_first=True)


class RNNRecommender(Recommender):
    """h_t = cell(e_t, h_{t-1}) over e_1, ..., e_n, e_target;  logit = MLP(h_{n+1}).

    The target is the last token: the state that has read it must already hold the verdict.
    Sources: Elman 1990 (doi:10.1207/s15516709cog1402_1) for the cell; see `layers.RNNCell`.
    """

    def __init__(self, schema: Schema, *, dim: int = 16, hidden: int = 32, cell: str = "gru"):
        super().__init__()
        self.item = id_embedding(schema.n_items, dim)
        hidden = size("hidden", hidden)
        self.rnn = recurrent(cell, dim, hidden)
        self.head = MLP([hidden, hidden, 1])

    def forward(self, batch: Batch) -> Tensor:
        tokens = torch.cat([batch.history, batch.item[:, None]], dim=1)  # (B, L+1)
        mask = torch.cat([batch.history_mask, torch.ones_like(batch.item, dtype=torch.bool)[:, None]], dim=1)
        tokens, mask = events_first(tokens, mask)  # (B, L+1) the target now follows the newest event
        states, _ = self.rnn(self.item(tokens))  # (B, L+1, hidden)
        return self.head(last_state(states, mask)).squeeze(-1)  # (B,)
