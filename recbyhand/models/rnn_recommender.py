"""A recurrent network reads the history, then the target."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from recbyhand.arguments import size
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import MLP, events_first, id_embedding, last_state
from recbyhand.models.base import Recommender, blocks

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def recurrent(cell: str, d_in: int, d_h: int) -> nn.Module:
    """torch's fused network of the given cell: (B, L, d_in) -> states (B, L, d_h) and the last state."""
    if cell not in CELLS:
        raise ValueError(f"cell is one of {', '.join(CELLS)}; got {cell!r}")
    return CELLS[cell](int(d_in), int(d_h), batch_first=True)


class RNNRecommender(Recommender):
    r"""$$h_t = \mathrm{cell}(e_t, h_{t-1}) \text{ over } e_1, \dots, e_n, e_{target}, \qquad
      \mathrm{logit} = \mathrm{MLP}(h_{n+1})$$

    The target is the last token: the state that has read it must already hold the verdict. `cell` is "rnn", "lstm" or
    "gru"; `hidden_size` is the width of the state, and of the network on it.

    Source: Elman 1990, doi:10.1207/s15516709cog1402_1, for the cell; see `layers.RNNCell`.
    """

    def __init__(self, schema: Schema, *, dim: int = 16, hidden_size: int = 32, cell: str = "gru"):
        super().__init__()
        self.item = id_embedding(schema.n_items, dim)
        hidden_size = size("hidden_size", hidden_size)
        self.rnn = recurrent(cell, dim, hidden_size)
        self.head = MLP([hidden_size, hidden_size, 1])

    def forward(self, batch: Batch) -> Tensor:
        tokens = torch.cat([batch.history, batch.item[:, None]], dim=1)  # (B, L+1)
        mask = torch.cat([batch.history_mask, torch.ones_like(batch.item, dtype=torch.bool)[:, None]], dim=1)
        tokens, mask = events_first(tokens, mask)  # (B, L+1) the target now follows the newest event
        states, _ = self.rnn(self.item(tokens))  # (B, L+1, hidden_size)
        return self.head(last_state(states, mask)).squeeze(-1)  # (B,)

    def score_items(self, batch: Batch, items: Tensor) -> Tensor:
        """(U, I): every history is read once; each item is one more step from the state it left."""
        tokens, mask = events_first(batch.history, batch.history_mask)  # (U, L)
        n = mask.sum(1)  # (U,)
        read = pack_padded_sequence(self.item(tokens), n.clamp(min=1).cpu(), True, enforce_sorted=False)
        state = self.rnn(read)[1]  # (1, U, hidden), of an LSTM two of them
        state = [s * (n > 0)[:, None] for s in (state if isinstance(state, tuple) else (state,))]
        logits = []
        for some in blocks(items, len(n)):
            start = [s.repeat_interleave(len(some), dim=1) for s in state]  # (1, U * I, hidden)
            target = self.item(some).repeat(len(n), 1)[:, None]  # (U * I, 1, d)
            h, _ = self.rnn(target, tuple(start) if len(start) > 1 else start[0])  # (U * I, 1, hidden)
            logits.append(self.head(h).view(len(n), -1))  # (U, I)
        return torch.cat(logits, dim=1)
