"""Self-attentive sequential recommendation: what comes next, asked at every position at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbyhand.arguments import number, size
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import LearnedPositions, TransformerEncoder, age, causal_mask, id_embedding
from recbyhand.layers import softmax_loss as losses
from recbyhand.layers.recurrence import events_first, last_state
from recbyhand.models.base import Recommender

LOSSES = ("bce", "softmax", "sampled", "gbce")


class SASRec(Recommender):
    r"""$$h = \mathrm{encoder}(\sqrt d\, e + p), \qquad \mathrm{logit}_{ui} = h_{newest} \cdot e_i$$

    Each position is blind to later ones, so the next item is learned at every position in one pass: h_t on item t + 1,
    the newest on the target if it was liked. Positions p count back from the newest event. Pre-norm and a feed-forward
    as wide as the embedding, as in the paper, whose code adds the residual after the norm.

    heads, layers, norm   of the encoder, see `TransformerEncoder`
    loss         "bce", the paper's: one random negative; "softmax" over the whole catalogue; "sampled" softmax; "gbce"
    negatives    how many items "sampled" and "gbce" draw a batch
    calibration  t of "gbce" (Petrov and Macdonald 2023, arXiv:2308.07192)

    Source: Kang and McAuley 2018, Self-attentive sequential recommendation, arXiv:1808.09781.
    """

    # fmt: off
    def __init__(
        self, schema: Schema, *, dim: int = 16, heads: int = 1, layers: int = 2, norm: str = "pre",
        dropout: float = 0.2, loss: str = "bce", negatives: int = 100, calibration: float = 0.75,
    ):
        # fmt: on
        super().__init__()
        heads, layers, dropout = size("heads", heads), size("layers", layers), number("dropout", dropout, 0, 1)
        if loss not in LOSSES:
            raise ValueError(f"loss is one of {', '.join(LOSSES)}; got {loss!r}")
        self.kind, self.negatives = loss, size("negatives", negatives)
        self.calibration = number("calibration", calibration)
        self.item, self.place = id_embedding(schema.n_items, dim), LearnedPositions(dim, schema.history)
        self.drop = nn.Dropout(dropout)
        self.encoder = TransformerEncoder(dim, heads, layers, hidden=dim, norm=norm, dropout=dropout)

    def states(self, batch: Batch, return_weights: bool = False):
        """States (B, T, d), tokens and mask (B, T), events first; with weights, the list of (B, H, T, T) first."""
        tokens, mask = events_first(batch.history, batch.history_mask)  # (B, T)
        x = self.item(tokens) * self.item.embedding_dim**0.5  # (B, T, d)
        x = self.drop(x + self.place((age(mask) - 1).clamp(min=0)))  # (B, T, d)
        past = causal_mask(tokens.shape[1], tokens.device)  # (T, T) padding is later than every event
        return self.encoder(x, past, return_weights=return_weights), tokens, mask

    def attention(self, batch: Batch) -> list[Tensor]:
        """Per layer (B, H, T, T), real events first: who looked (rows) at whom; rows of padding are 0."""
        (_, weights), _, mask = self.states(batch, return_weights=True)
        return [a * mask[:, None, :, None] for a in weights]  # each (B, H, T, T)

    def score_items(self, batch: Batch, items: Tensor) -> Tensor:
        """Logits of U users, as the rows of `batch`, with the same I items: (U, I)."""
        states, _, mask = self.states(batch)  # (U, T, d)
        return last_state(states, mask) @ self.item(items).T  # (U, I)

    def forward(self, batch: Batch) -> Tensor:
        states, _, mask = self.states(batch)  # (B, T, d)
        return (last_state(states, mask) * self.item(batch.item)).sum(-1)  # (B,)

    def loss(self, batch: Batch, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        h, tokens, mask = self.states(batch)  # (B, T, d), (B, T), (B, T)
        after = nn.functional.pad(tokens[:, 1:], (0, 1))  # (B, T) the next event, 0 where there is none
        newest = mask & (after == 0)  # (B, T)
        after = torch.where(newest & (batch.label > 0)[:, None], batch.item[:, None], after)  # (B, T)
        (after, h), e = losses.pick(after > 1, after, h), self.item.weight  # (N,), (N, d), (M, d)
        if self.kind == "softmax":
            return {"next": losses.full_softmax_loss(h, after, e)}
        if self.kind == "sampled":
            return {"next": losses.sampled_softmax_loss(h, after, e, self.negatives, generator=generator)}
        if self.kind == "gbce":
            return {"next": losses.gbce_loss(h, after, e, self.negatives, self.calibration, generator)}
        other = losses.sample_negatives(after, len(e), generator=generator)[..., 0]  # (N,)
        return {"next": losses.negative_sampling_loss(h, self.item(after), self.item(other), after)}
