"""The blocks of the Transformer: attention, then a small network for each position, each with a way around it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbyhand.layers.activations import get_activation
from recbyhand.layers.multi_head import MultiHeadAttention, causal_mask


class FeedForward(nn.Sequential):
    r"""The same two-layer network at every position, $W_2 f(W_1 x + b_1) + b_2$:  (..., dim) -> (..., dim).

    `hidden` is its width, 4 dim by default as in the paper; `activation` is f, one of `ACTIVATIONS` but "dice",
    which needs a mask; `dropout` acts on f(...).
    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.3.
    """

    def __init__(
        self, dim: int, hidden: int | None = None, *, dropout: float = 0.0, activation: str = "relu"
    ):
        hidden = hidden or 4 * dim
        first, f = nn.Linear(dim, hidden), get_activation(activation, hidden)
        super().__init__(first, f, nn.Dropout(dropout), nn.Linear(hidden, dim))


class _Layer(nn.Module):
    """What encoder and decoder layers share: how a part and its way around it are joined."""

    def __init__(self, norm: str, dropout: float):
        super().__init__()
        if norm not in ("post", "pre"):
            raise ValueError(f"norm is 'post' or 'pre'; got {norm!r}")
        self.pre, self.drop = norm == "pre", nn.Dropout(dropout)

    def join(self, x: Tensor, part, norm: nn.Module) -> Tensor:
        """Post-norm LN(x + part(x)), or pre-norm x + part(LN(x)):  (B, T, dim) -> (B, T, dim)."""
        if self.pre:
            return x + self.drop(part(norm(x)))
        return norm(x + self.drop(part(x)))


class EncoderLayer(_Layer):
    r"""Self-attention, then feed-forward, each with a residual path and a layer norm.

    $$x \leftarrow \mathrm{LN}(x + f(x)) \ \text{(post-norm: the paper, BST)}, \qquad
       x \leftarrow x + f(\mathrm{LN}(x)) \ \text{(pre-norm: GPT-2, SASRec)}$$

    x (B, T, dim) -> (B, T, dim); `mask` as in `MultiHeadAttention`; `return_weights=True` gives (x, A) with
    A (B, H, T, T). `heads`, `d_k`, `d_v`, `rotary`, `near` go to the attention, which is handed `place` (B, T) for
    `near`; `hidden`, `activation` to the feed-forward;
    `dropout` acts on the weights, inside the feed-forward, and on each part before it is added.
    Its `nn.LayerNorm` equals `LayerNorm`. Raises ValueError for another `norm`.
    Sources: Vaswani et al. 2017, arXiv:1706.03762; Xiong et al. 2020, arXiv:2002.04745 (pre against post).
    """

    def __init__(
        self,
        dim: int,
        heads: int = 2,
        *,
        hidden: int | None = None,
        dropout: float = 0.0,
        activation: str = "relu",
        norm: str = "post",
        **attention,
    ):
        super().__init__(norm, dropout)
        self.attention = MultiHeadAttention(dim, heads, dropout=dropout, **attention)
        self.feed_forward = FeedForward(dim, hidden, dropout=dropout, activation=activation)
        self.norm_attention, self.norm_feed_forward = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        *,
        place: Tensor | None = None,
        return_weights: bool = False,
    ):
        weights = []

        def attend(x: Tensor) -> Tensor:
            if not return_weights:
                return self.attention(x, mask=mask, place=place)  # (B, T, dim)
            x, a = self.attention(x, mask=mask, place=place, return_weights=True)  # (B, T, dim), (B, H, T, T)
            weights.append(a)
            return x

        x = self.join(x, attend, self.norm_attention)  # (B, T, dim)
        x = self.join(x, self.feed_forward, self.norm_feed_forward)  # (B, T, dim)
        return (x, weights[0]) if return_weights else x


def last_place(layer: EncoderLayer, x: Tensor, past: Tensor, mask: Tensor) -> Tensor:
    """What the last place becomes, and nothing else, for U pasts and I things that may follow: (U, I, dim).

    x (U, I, dim) stands after `past` (U, I, L, dim), which is seen where `mask` (U, L) is True. What does not
    depend on u or on i has 1 in its place, and is computed once. Neither `rotary` nor `near`.
    """
    attention = layer.attention
    n, h = (layer.norm_attention(x), layer.norm_attention(past)) if layer.pre else (x, past)
    parts = attention.query, attention.key, attention.value
    q, k, v = (part(n).unflatten(-1, (attention.heads, -1)) for part in parts)  # (U, I, H, d) each
    keys, values = (part(h).unflatten(-1, (attention.heads, -1)) for part in parts[1:])  # (U, I, L, H, d)
    q = q * q.shape[-1] ** -0.5
    s = torch.einsum("uihd,uilhd->uihl", q, keys)  # (U, I, H, L)
    s = s.masked_fill(~mask[:, None, None], -torch.inf)  # (U, I, H, L)
    own = (q * k).sum(-1, keepdim=True).expand(*s.shape[:-1], 1)  # (U, I, H, 1) it sees itself, too
    a = torch.cat([s, own], dim=-1).softmax(-1)  # (U, I, H, L + 1)
    found = torch.einsum("uihl,uilhd->uihd", a[..., :-1], values) + a[..., -1:] * v  # (U, I, H, d)
    x = layer.join(x, lambda _: attention.out(found.flatten(-2)), layer.norm_attention)  # (U, I, dim)
    return layer.join(x, layer.feed_forward, layer.norm_feed_forward)  # (U, I, dim)


class DecoderLayer(_Layer):
    r"""Self-attention, cross attention to the encoder's memory, then feed-forward; joined as in `EncoderLayer`.

    $$x \leftarrow \mathrm{LN}(x + \mathrm{attention}(x)), \qquad
       x \leftarrow \mathrm{LN}(x + \mathrm{attention}(x, m)), \qquad x \leftarrow \mathrm{LN}(x + \mathrm{FFN}(x))$$

    In the cross attention the decoder asks and the encoder answers: Q comes from x, K and V from the memory.
    x (B, Tq, dim), memory (B, Tk, dim) -> (B, Tq, dim): the length of x. `mask` (for x at x, usually causal) and
    `memory_mask` (for x at the memory) as in `MultiHeadAttention`. `return_weights=True` gives
    (x, (A_self (B, H, Tq, Tq), A_cross (B, H, Tq, Tk))). `hidden`, `activation`, `norm` as in `EncoderLayer`.
    Source: Vaswani et al. 2017, arXiv:1706.03762.
    """

    def __init__(
        self,
        dim: int,
        heads: int = 2,
        *,
        hidden: int | None = None,
        dropout: float = 0.0,
        activation: str = "relu",
        norm: str = "post",
        **attention,
    ):
        super().__init__(norm, dropout)
        self.attention = MultiHeadAttention(dim, heads, dropout=dropout, **attention)
        self.cross = MultiHeadAttention(dim, heads, dropout=dropout, **attention)
        self.feed_forward = FeedForward(dim, hidden, dropout=dropout, activation=activation)
        self.norm_attention, self.norm_cross = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.norm_feed_forward = nn.LayerNorm(dim)

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        *,
        return_weights: bool = False,
    ):
        weights = []

        def attend(x: Tensor, attention: MultiHeadAttention, y: Tensor | None, mask: Tensor | None) -> Tensor:
            if not return_weights:
                return attention(x, y, mask)  # (B, Tq, dim)
            x, a = attention(x, y, mask, return_weights=True)  # (B, Tq, dim), (B, H, Tq, Tq or Tk)
            weights.append(a)
            return x

        x = self.join(x, lambda x: attend(x, self.attention, None, mask), self.norm_attention)  # (B, Tq, dim)
        x = self.join(
            x, lambda x: attend(x, self.cross, memory, memory_mask), self.norm_cross
        )  # (B, Tq, dim)
        x = self.join(x, self.feed_forward, self.norm_feed_forward)  # (B, Tq, dim)
        return (x, tuple(weights)) if return_weights else x


class TransformerEncoder(nn.Module):
    r"""`layers` encoder layers in a row, $x \leftarrow \mathrm{layer}_k(x)$: x (B, T, dim) -> (B, T, dim).

    x holds embeddings and positions already. `mask` as in `MultiHeadAttention`: `mask[:, None]` for padding,
    `causal_mask(T)` for an encoder that does not look ahead. With norm="pre" a last layer norm follows, since there
    the sum of all layers comes out as it is. `return_weights=True` gives (x, [A of each layer]). Settings go to
    `EncoderLayer`; `near` to all of them but the last, which reads from any distance, and `place` (B, T) comes with it.
    Source: Vaswani et al. 2017, arXiv:1706.03762.
    """

    def __init__(self, dim: int, heads: int = 2, layers: int = 2, *, near: int = 0, **settings):
        super().__init__()
        last = layers - 1
        self.layers = nn.ModuleList(
            EncoderLayer(dim, heads, near=near if n < last else 0, **settings) for n in range(layers)
        )
        self.norm = nn.LayerNorm(dim) if settings.get("norm") == "pre" else nn.Identity()

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        *,
        place: Tensor | None = None,
        return_weights: bool = False,
    ):
        weights = []
        for layer in self.layers:
            x = layer(x, mask, place=place, return_weights=return_weights)  # (B, T, dim)
            if return_weights:
                x, a = x  # (B, T, dim), (B, H, T, T)
                weights.append(a)
        x = self.norm(x)  # (B, T, dim)
        return (x, weights) if return_weights else x


class TransformerDecoder(nn.Module):
    r"""`layers` decoder layers in a row, $x \leftarrow \mathrm{layer}_k(x, m)$: x (B, Tq, dim), m (B, Tk, dim).

    -> (B, Tq, dim); m is the memory.

    It never looks ahead: position t sees x_1 ... x_t whatever `mask` says (None, or True where it may look). So the
    input must be what is known *before* t: a start token first, then the sequence shifted by one. `memory_mask`
    (Tq, Tk) or (B, Tq or 1, Tk) says what position t may read of the memory; where the memory holds what is to be
    predicted, it must be causal too. `return_weights=True` gives (x, [(A_self, A_cross) of each layer]). Settings go
    to `DecoderLayer`; norm="pre" adds a last layer norm. Source: Vaswani et al. 2017, arXiv:1706.03762.
    """

    def __init__(self, dim: int, heads: int = 2, layers: int = 2, **settings):
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(dim, heads, **settings) for _ in range(layers))
        self.norm = nn.LayerNorm(dim) if settings.get("norm") == "pre" else nn.Identity()

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        *,
        return_weights: bool = False,
    ):
        past = causal_mask(x.shape[1], x.device)  # (Tq, Tq)
        mask = past if mask is None else past & mask  # (..., Tq, Tq)
        weights = []
        for layer in self.layers:
            x = layer(x, memory, mask, memory_mask, return_weights=return_weights)  # (B, Tq, dim)
            if return_weights:
                x, a = x  # (B, Tq, dim), two of (B, H, Tq, Tq or Tk)
                weights.append(a)
        x = self.norm(x)  # (B, Tq, dim)
        return (x, weights) if return_weights else x
