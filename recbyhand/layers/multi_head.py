"""Scaled dot-product attention between two sequences, and its heads.

In this file a mask says who may look at whom: True where a query may look at a key. A padding mask (B, L),
True = real, becomes one by `mask[:, None]`, (B, 1, L): all queries may look at real keys.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbyhand.layers.positions import rotate

SHORT = 50  # keys up to which the plain path is the faster one on a CPU (measured)


def causal_mask(length: int, device: torch.device | None = None) -> Tensor:
    """(T, T), True on and below the diagonal: position t may look at itself and at what came before.

    Together with padding: `causal_mask(L) & mask[:, None]`, (B, L, L).
    """
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


def scaled_dot_product_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    *,
    bias: Tensor | None = None,
    dropout: float = 0.0,
    fused: bool = False,
    return_weights: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    r"""Each query's average of the values, weighted by how well its key answers the query.

    $$ \mathrm{out} = A V, \qquad A = \mathrm{softmax}(Q K^\top / \sqrt{d_k}) $$

    q (..., Tq, d_k), k (..., Tk, d_k), v (..., Tk, d_v) -> out (..., Tq, d_v); d_v is free. `mask` is bool and
    broadcasts to (..., Tq, Tk); a query that may look at nothing gets zeros, in any precision. `bias`, of a shape that
    broadcasts likewise, is added to the scores. `dropout` is the share of weights dropped. `return_weights=True` gives
    (out, A) with A (..., Tq, Tk), before dropout.
    `fused=True` hands the same to torch's fused kernel, which is faster and keeps no weights.

    Raises TypeError for a mask that is not bool, ValueError for weights of the fused kernel.
    Source: Vaswani et al. 2017, Attention is all you need, arXiv:1706.03762.
    """
    if mask is not None and mask.dtype != torch.bool:
        raise TypeError(f"mask is True where a query may look at a key, not {mask.dtype}: pass mask > 0")
    if fused:
        if return_weights:
            raise ValueError(
                "the fused kernel keeps no weights: leave out fused=True, or return_weights=True"
            )
        return _fused(q, k, v, mask, bias, dropout)
    s = (q * q.shape[-1] ** -0.5) @ k.transpose(
        -2, -1
    )  # (..., Tq, Tk) q is scaled first: no overflow in half
    if bias is not None:
        s = s + bias  # (..., Tq, Tk)
    if mask is not None:
        s = s.masked_fill(~mask, torch.finfo(s.dtype).min)  # (..., Tq, Tk) the softmax makes it 0
    a = s.softmax(dim=-1)  # (..., Tq, Tk)
    out = F.dropout(a, dropout) @ v  # (..., Tq, d_v)
    if mask is not None:  # where no key is left, the softmax is of equal numbers: not what was asked for
        some = mask.any(dim=-1, keepdim=True)  # (..., Tq, 1)
        out, a = out * some, a * some if return_weights else a  # (..., Tq, d_v), (..., Tq, Tk)
    return (out, a) if return_weights else out


def _fused(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, bias: Tensor | None, dropout: float
) -> Tensor:
    """torch's kernel, whose answer to a query without keys depends on its version: here it is zeros."""
    if mask is None:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=dropout)  # (..., Tq, d_v)
    some = mask.any(dim=-1, keepdim=True)  # (..., Tq, 1)
    may = mask | ~some  # (..., Tq, Tk)
    may = may if bias is None else bias.masked_fill(~may, -torch.inf)  # (..., Tq, Tk)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=may, dropout_p=dropout)  # (..., Tq, d_v)
    return out * some  # (..., Tq, d_v)


class MultiHeadAttention(nn.Module):
    r"""Several attentions side by side, each with projections of its own, joined by one more.

    $$ \mathrm{head}_h = \mathrm{attention}(X W^Q_h + b,\; Y W^K_h,\; Y W^V_h + b), \qquad
       \mathrm{out} = [\mathrm{head}_1, \ldots, \mathrm{head}_H]\, W^O + b $$

    x (B, Tq, dim) asks and y (B, Tk, memory_dim) answers -> (B, Tq, dim). Without y, x answers itself: that is
    self-attention; with the decoder's states as x and the encoder's as y it is cross attention.

    heads       H, 2 by default
    d_k, d_v    width of a head's keys and values; without them dim / H, and H must then divide dim
    memory_dim  width of y; without it dim
    dropout     share of the weights dropped while training
    rotary      turn queries and keys by their positions, so that scores know the distance (see `rotate`)
    near        if not 0, scores get a learned number for each head and distance, `near` of them (longer distances share
                the last); it starts at -distance / 2^h, so that what is near is seen best, and only what is as old or
                older is seen at all. `place` (B, T) then says how far back each position of x is, 0 = the last

    `mask` is (Tq, Tk), (B, Tq or 1, Tk), or per head (B, H, Tq, Tk): True where a query may look at a key.
    `return_weights=True` gives (out, A) with A (B, H, Tq, Tk). Without it the fused kernel runs where it is faster: on
    a GPU, and on a CPU for long sequences.
    The keys have no bias: it would add one number to all scores of a query, which the softmax does not notice.

    Raises ValueError for heads that do not divide, an odd d_k with `rotary`, `near` without `place` or in cross
    attention, or a mask of another shape.
    Sources: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2; for `near` Raffel et al. 2020, arXiv:1910.10683
    (a learned number for each distance), and Press et al. 2022, arXiv:2108.12409 (how it starts).
    """

    def __init__(
        self,
        dim: int,
        heads: int = 2,
        *,
        d_k: int | None = None,
        d_v: int | None = None,
        memory_dim: int | None = None,
        dropout: float = 0.0,
        rotary: bool = False,
        near: int = 0,
    ):
        super().__init__()
        if (d_k is None or d_v is None) and dim % heads:
            raise ValueError(
                f"{heads} heads do not divide dim={dim}: choose another number, or give d_k and d_v"
            )
        d_k, d_v = d_k or dim // heads, d_v or dim // heads
        if rotary and d_k % 2:
            raise ValueError(f"rotary turns pairs of numbers, and a head has d_k={d_k}: give an even d_k")
        self.heads, self.dropout, self.rotary = heads, dropout, rotary
        self.query = nn.Linear(dim, heads * d_k)
        self.key = nn.Linear(memory_dim or dim, heads * d_k, bias=False)
        self.value = nn.Linear(memory_dim or dim, heads * d_v)
        self.out = nn.Linear(heads * d_v, dim)
        if near:
            slope = 2.0 ** -torch.arange(heads)[:, None]  # (H, 1)
            self.near = nn.Parameter(-slope * torch.arange(near))  # (H, near)
        else:
            self.near = None

    def split(self, x: Tensor) -> Tensor:
        """(B, T, H d) -> (B, H, T, d): a head is a block of neighbouring columns."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(
        self,
        x: Tensor,
        y: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        place: Tensor | None = None,
        return_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        if self.near is not None and (place is None or y is not None):
            raise ValueError(
                "near is for self-attention, and takes place (B, T): how far back each position is"
            )
        y = x if y is None else y  # (B, Tk, memory_dim)
        q, k, v = (
            self.split(self.query(x)),
            self.split(self.key(y)),
            self.split(self.value(y)),
        )  # (B, H, T, d)
        if self.rotary:
            q, k = rotate(q), rotate(k)  # (B, H, Tq, d_k), (B, H, Tk, d_k)
        if mask is not None:
            mask = self._four(mask, len(x), x.shape[1], y.shape[1])  # (B or 1, H or 1, Tq or 1, Tk)
        bias = None
        if self.near is not None:
            back = place[:, None] - place[:, :, None]  # (B, T, T) how much older the key is than the query
            bias = self.near[:, back.clamp(0, self.near.shape[1] - 1)].transpose(0, 1)  # (B, H, T, T)
            mask = (back >= 0)[:, None] if mask is None else mask & (back >= 0)[:, None]  # (B, H or 1, T, T)
        fused = not return_weights and (x.device.type != "cpu" or y.shape[1] > SHORT)
        how = {"bias": bias, "fused": fused, "return_weights": return_weights}
        found = scaled_dot_product_attention(q, k, v, mask, dropout=self.dropout * self.training, **how)
        heads, a = found if return_weights else (found, None)  # (B, H, Tq, d_v), (B, H, Tq, Tk)
        out = self.out(heads.transpose(1, 2).flatten(2))  # (B, Tq, dim)
        return (out, a) if return_weights else out

    def _four(self, mask: Tensor, B: int, Tq: int, Tk: int) -> Tensor:
        four = mask[:, None] if mask.ndim == 3 else mask[(None,) * (4 - mask.ndim)]
        wanted = ((1, B), (1, self.heads), (1, Tq), (Tk,))
        if mask.ndim < 2 or not all(n in allowed for n, allowed in zip(four.shape, wanted, strict=True)):
            raise ValueError(
                f"mask has shape {tuple(mask.shape)}; give (Tq, Tk) = ({Tq}, {Tk}) or (B, Tq, Tk) = ({B}, {Tq}, "
                f"{Tk}). A padding mask (B, Tk) goes in as mask[:, None]"
            )
        return four
