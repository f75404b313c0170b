"""Behaviour sequence transformer: the target is one more event, and all events look at each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbyhand.arguments import flag, number, size, sizes
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import (
    MLP,
    ItemVectors,
    LearnedPositions,
    PositionalEncoding,
    TimeGapPositions,
    TransformerEncoder,
    UserVectors,
    age,
    concat,
)
from recbyhand.layers.transformer import last_place
from recbyhand.models.base import Recommender, blocks

POSITIONS = ("time", "learned", "sinusoidal", "none")


class BST(Recommender):
    r"""$$x_i = W [\mathbf e_i, \mathbf p_i] \text{ over the history and the target},$$

    $$z = \mathrm{encoder}(x), \qquad \mathrm{logit} = \mathrm{MLP}([z_{target},\ \mathbf u])$$

    positions  "time", the paper's: a vector for the time between event i and the target; "learned" or "sinusoidal"
               count events back from the target; "none" leaves them out
    users, features   the paper's other features: a vector per user id; the features of items, those of the history
               too, and of the user
    heads, layers, norm   of the encoder, see `TransformerEncoder`; its feed-forward has LeakyReLU, as in the paper

    What comes out at the target's place is read, as in section 2.3 (FuxiCTR pools all places by default). Two settings
    are not the paper's. `std` is the size at which the vectors of ids, features and positions start. `near=True`: in
    all layers but the last an event looks back only, and at first at its neighbours; each head learns a number for
    each distance (see `MultiHeadAttention`).

    Source: Chen et al. 2019, Behavior sequence transformer, arXiv:1905.06874.
    """

    # fmt: off
    def __init__(
        self, schema: Schema, *, dim: int = 16, users: bool = False, features: bool = False, positions: str = "time",
        heads: int = 2, layers: int = 1, norm: str = "post", dropout: float = 0.0, hidden: tuple[int, ...] = (32,),
        std: float = 0.05, near: bool = False,
    ):
        # fmt: on
        super().__init__()
        heads, layers, dropout = size("heads", heads), size("layers", layers), number("dropout", dropout, 0, 1)
        if positions not in POSITIONS:
            raise ValueError(f"positions is one of {', '.join(POSITIONS)}; got {positions!r}")
        self.positions = positions
        self.item = ItemVectors(schema, dim, features=features)
        self.user = UserVectors(schema, dim, ids=flag("users", users), features=features)
        self.place = TimeGapPositions(dim) if positions == "time" else LearnedPositions(dim, schema.history + 1)
        if positions == "sinusoidal":
            fixed = PositionalEncoding(dim, schema.history + 1).table  # (L + 1, dim)
            self.place.table = nn.Embedding.from_pretrained(fixed)
        self.join = nn.Linear(self.item.width + (dim if positions != "none" else 0), dim)
        if positions == "none":
            del self.place
        self.near = schema.history + 1 if flag("near", near) else 0
        if near and layers < 2:
            raise ValueError("near is for all layers but the last: give layers=2 or more")
        self.encoder = TransformerEncoder(
            dim, heads, layers, near=self.near, norm=norm, dropout=dropout, activation="leaky_relu"
        )
        self.mlp = MLP([dim + self.user.width, *sizes("hidden", hidden), 1], dropout=dropout)
        larger = number("std", std, above=0) / 0.05  # the size at which all tables start
        with torch.no_grad():
            for table in (m for m in self.modules() if isinstance(m, nn.Embedding) and m.weight.requires_grad):
                table.weight.mul_(larger)

    def tokens(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The sequence that is encoded, target last: (B, L + 1, dim), and its mask (B, L + 1)."""
        items = torch.cat([batch.history, batch.item[:, None]], dim=1)  # (B, L + 1)
        mask = nn.functional.pad(batch.history_mask, (0, 1), value=True)  # (B, L + 1)
        parts = [self.item(items)]  # (B, L + 1, item width)
        if self.positions == "time":
            gap = batch.time[:, None] - batch.history_time  # (B, L)
            parts.append(self.place(nn.functional.pad(gap, (0, 1))))  # (B, L + 1, dim) the target's gap is 0
        elif self.positions != "none":
            parts.append(self.place(nn.functional.pad(age(batch.history_mask), (0, 1))))  # (B, L + 1, dim)
        return self.join(torch.cat(parts, dim=-1)), mask

    def encode(self, batch: Batch, return_weights: bool = False):
        """(B, T, dim), T = L + 1, target last; with the weights of each layer if asked."""
        x, mask = self.tokens(batch)  # (B, T, dim), (B, T)
        place = nn.functional.pad(age(batch.history_mask), (0, 1)) if self.near else None  # (B, T)
        return self.encoder(x, mask[:, None], place=place, return_weights=return_weights)

    def attention(self, batch: Batch) -> list[Tensor]:
        """Per layer (B, H, T, T), T = L + 1: who looked (rows) at whom; the target is last. 0 for and at padding."""
        mask = nn.functional.pad(batch.history_mask, (0, 1), value=True)  # (B, T)
        _, weights = self.encode(batch, return_weights=True)
        return [a * mask[:, None, :, None] for a in weights]  # each (B, H, T, T)

    def forward(self, batch: Batch) -> Tensor:
        z = self.encode(batch)[:, -1]  # (B, dim) what the target has become
        return self.mlp(concat(z, self.user(batch))).squeeze(-1)  # (B,)

    def score_items(self, batch: Batch, items: Tensor) -> Tensor:
        """(U, I). With one layer the history is encoded once; of the last layer only the target's place is made."""
        history, mask = self.tokens(batch)  # (U, T, dim), (U, T); its target, in the last place, is not used
        past, user = history[:, None, :-1], self.user(batch)[:, None]  # (U, 1, L, dim), (U, 1, user width)
        place = nn.functional.pad(age(batch.history_mask), (0, 1)) if self.near else None  # (U, T)
        *first, last = self.encoder.layers
        logits = []
        for some in blocks(items, len(batch), 1 << 14):
            now = [self.item(some)] + ([self.place(torch.zeros_like(some))] if self.positions != "none" else [])
            x, seen = self.join(torch.cat(now, dim=-1))[None], past  # (1, I, dim), (U, 1, L, dim)
            if first:
                each = len(batch), len(some)
                x = torch.cat([seen.expand(*each, -1, -1), x[:, :, None].expand(*each, 1, -1)], dim=2).flatten(0, 1)
                known = [None if t is None else t.repeat_interleave(len(some), 0) for t in (mask, place)]
                for layer in first:
                    x = layer(x, known[0][:, None], place=known[1])  # (U I, T, dim)
                x = x.unflatten(0, each)  # (U, I, T, dim)
                x, seen = x[:, :, -1], x[:, :, :-1]
            z = self.encoder.norm(last_place(last, x, seen, batch.history_mask))  # (U, I, dim)
            logits.append(self.mlp(concat(z, user)).squeeze(-1))  # (U, I)
        return torch.cat(logits, dim=1)
