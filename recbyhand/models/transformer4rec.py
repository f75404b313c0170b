"""Encoder and decoder, trained together on the click and on the history itself, without leaks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbyhand.arguments import number, size, sizes
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import MLP, LearnedPositions, TransformerDecoder, TransformerEncoder, age, causal_mask
from recbyhand.layers.embedding import id_embedding
from recbyhand.layers.mlp import concat
from recbyhand.layers.recurrence import events_first, last_state
from recbyhand.layers.softmax_loss import full_softmax_loss, mean_of_predictions, pick, sampled_softmax_loss
from recbyhand.models.base import Recommender, blocks


class Transformer4Rec(Recommender):
    r"""$$m = \mathrm{encoder}(e_1 \dots e_n), \quad s = \mathrm{decoder}([start, e_1 \dots e_n],\, m), \quad
      \mathrm{logit} = \mathrm{MLP}([s_n, t, s_n \odot t])$$

    s_k, k = 0 ... n, knows events 1 ... k: the encoder looks back only, the decoder's input is shifted by one, and s_k
    may read m_1 ... m_k of the memory. loss = BCE(logit, y) + alpha * auxiliary.

    heads, layers, norm   of encoder and decoder, see `TransformerEncoder`
    alpha      weight of the auxiliary loss; 0 leaves it out
    auxiliary  what s_k must tell of the history's next event, never of the target: "item", which it is, by softmax
               over the catalogue or, if not 0, `sampled` items; "label", if it was liked, by the MLP of the click:
               events then carry their labels, so `ctr` takes history_of="all"

    Source: encoder and decoder of Vaswani et al. 2017, arXiv:1706.03762; the joint loss is that of `JointRNN`.
    """

    # fmt: off
    def __init__(
        self, schema: Schema, *, dim: int = 16, heads: int = 2, layers: int = 1, norm: str = "pre", alpha: float = 0.2,
        dropout: float = 0.0, auxiliary: str = "item", sampled: int = 0, hidden: tuple[int, ...] = (32,),
    ):
        # fmt: on
        super().__init__()
        heads, layers, dropout = size("heads", heads), size("layers", layers), number("dropout", dropout, 0, 1)
        dim, self.alpha, self.sampled = size("dim", dim), number("alpha", alpha), size("sampled", sampled, 0)
        if auxiliary not in ("item", "label"):
            raise ValueError(f"auxiliary is 'item' or 'label'; got {auxiliary!r}")
        self.start = nn.Parameter(torch.randn(dim) * 0.05)
        self.item, self.place = id_embedding(schema.n_items, dim), LearnedPositions(dim, schema.history + 1)
        self.label = nn.Embedding(2, dim) if auxiliary == "label" else None
        self.encoder = TransformerEncoder(dim, heads, layers, norm=norm, dropout=dropout)
        self.decoder = TransformerDecoder(dim, heads, layers, norm=norm, dropout=dropout)
        self.mlp = MLP([3 * dim, *sizes("hidden", hidden), 1], dropout=dropout)

    def states(self, batch: Batch, return_weights: bool = False):
        """s (B, L + 1, d), tokens (B, L), events first, which s are real (B, L + 1); s is (s, A) with weights A."""
        tokens, mask = events_first(batch.history, batch.history_mask)  # (B, L)
        e = self.item(tokens) * self.item.embedding_dim**0.5  # (B, L, d)
        if self.label is not None:
            e = e + self.label(events_first(batch.history_labels, batch.history_mask)[0].long())  # (B, L, d)
        place = self.place(age(F.pad(mask, (0, 1))))  # (B, L + 1, d) n, ..., 1, and 0 from there on
        past = causal_mask(tokens.shape[1] + 1, tokens.device)  # (L + 1, L + 1) padding is later than every event
        memory = self.encoder(e + place[:, :-1], past[1:, 1:])  # (B, L, d)
        x = torch.cat([self.start.to(e.dtype).expand(len(e), 1, -1), e], dim=1) + place  # (B, L + 1, d) shifted
        s = self.decoder(x, memory, None, past[:, 1:], return_weights=return_weights)  # s_k reads m_1 ... m_k
        return s, tokens, F.pad(mask, (1, 0), value=True)

    def attention(self, batch: Batch) -> list[tuple[Tensor, Tensor]]:
        """Per decoder layer, at itself (B, H, L+1, L+1) and at the memory (B, H, L+1, L); rows of padding are 0."""
        (_, weights), _, real = self.states(batch, return_weights=True)
        return [tuple(a * real[:, None, :, None] for a in pair) for pair in weights]

    def score(self, s: Tensor, item: Tensor) -> Tensor:
        t = self.item(item) * self.item.embedding_dim**0.5  # (..., d)
        return self.mlp(concat(s, t, s * t)).squeeze(-1)  # (...)

    def score_items(self, batch: Batch, items: Tensor) -> Tensor:
        """Logits of U users, as the rows of `batch`, with the same I items: (U, I)."""
        s, _, real = self.states(batch)  # (U, L + 1, d), (U, L + 1)
        s = last_state(s, real)[:, None]  # (U, 1, d)
        return torch.cat([self.score(s, some) for some in blocks(items, len(s))], dim=1)  # (U, I)

    def forward(self, batch: Batch) -> Tensor:
        s, _, real = self.states(batch)  # (B, L + 1, d), (B, L + 1)
        return self.score(last_state(s, real), batch.item)  # (B,)

    def loss(self, batch: Batch, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        s, tokens, real = self.states(batch)  # (B, L + 1, d), (B, L), (B, L + 1)
        logit, mask = self.score(last_state(s, real), batch.item), real[:, 1:]  # (B,), (B, L)
        liked = events_first(batch.history_labels, batch.history_mask)[0]  # (B, L)
        (after, s, liked), e = pick(mask, tokens, s[:, :-1], liked), self.item.weight  # (N,), (N, d), (N,), (M, d)
        if self.label is not None:
            loss = F.binary_cross_entropy_with_logits(self.score(s, after), liked, reduction="none")  # (N,)
            auxiliary = mean_of_predictions(loss, after)
        elif self.sampled:
            auxiliary = sampled_softmax_loss(s, after, e, self.sampled, generator=generator)
        else:
            auxiliary = full_softmax_loss(s, after, e)
        return {"click": F.binary_cross_entropy_with_logits(logit, batch.label), "auxiliary": self.alpha * auxiliary}
