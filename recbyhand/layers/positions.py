"""Where in a sequence a vector stands: sines and cosines, learned vectors, time gaps, or a turn of the vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PositionalEncoding(nn.Module):
    r"""Adds a fixed vector to each position, (B, L, d) -> (B, L, d).

    $$PE_{pos,2i} = \sin(pos / b^{2i/d}), \qquad PE_{pos,2i+1} = \cos(pos / b^{2i/d}), \qquad b = 10000$$

    `table` (max_length, d) is computed, not learned, and not saved with the weights; each of its rows has the norm
    sqrt(d / 2). `scale=True` multiplies x by sqrt(d) first, as the paper does, so that short embeddings are not lost
    beside it; `base` is b. Raises ValueError for a sequence longer than `max_length`.
    Source: Vaswani et al. 2017, Attention is all you need, arXiv:1706.03762.
    """

    table: Tensor

    def __init__(self, dim: int, max_length: int = 512, *, base: float = 10_000, scale: bool = False):
        super().__init__()
        self.factor = dim**0.5 if scale else 1.0
        position = torch.arange(max_length, dtype=torch.float64)[:, None]  # (max_length, 1)
        even = torch.arange(0, dim, 2, dtype=torch.float64)  # (ceil(d/2),) the 2i of the formula
        angle = position / base ** (even / dim)  # (max_length, ceil(d/2))
        table = torch.empty(max_length, dim)  # (max_length, d)
        table[:, 0::2] = angle.sin()
        table[:, 1::2] = angle.cos()[:, : dim // 2]  # an odd d has one cosine fewer
        self.register_buffer("table", table, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        length, longest = x.shape[1], len(self.table)
        if length > longest:
            raise ValueError(f"{length} positions, but built with max_length={longest}: make that larger")
        return self.factor * x + self.table[:length].to(x.dtype)  # (B, L, d)


class LearnedPositions(nn.Module):
    r"""A learned vector for each place, $p_{\min(place, length - 1)}$: place (...) of 0, 1, ... -> (..., d).

    Places beyond the last share its vector.

    Counted from the end of a history (`age`), a place means the same for short and long histories, wherever the
    padding stands. Sources: Devlin et al. 2019, arXiv:1810.04805; SASRec, arXiv:1808.09781.
    """

    def __init__(self, dim: int, length: int, *, std: float = 0.05):
        super().__init__()
        self.table = nn.Embedding(length, dim)
        nn.init.normal_(self.table.weight, std=std)

    def forward(self, place: Tensor) -> Tensor:
        return self.table(place.clamp(max=self.table.num_embeddings - 1))  # (..., d)


class TimeGapPositions(LearnedPositions):
    r"""A learned vector for how long ago: seconds (...) -> (..., d), the position feature of BST.

    $$pos(v_i) = t(v_{target}) - t(v_i), \qquad bucket = \lfloor steps \cdot \log_2(1 + pos) \rfloor$$

    There are 32 `steps` buckets, which grow with the gap: with steps=2 a bucket ends at 1.41 times its beginning, and
    the last at 136 years. The target's own gap is 0. Source: Chen et al. 2019, arXiv:1905.06874 (which leaves the
    buckets open).
    """

    def __init__(self, dim: int, steps: int = 2, *, std: float = 0.05):
        super().__init__(dim, 32 * steps, std=std)
        self.steps = steps

    def bucket(self, seconds: Tensor) -> Tensor:
        """(...) seconds -> (...) the number of the bucket; a gap below 0 counts as 0."""
        gap = seconds.clamp(min=0).to(torch.float32)  # (...)
        return (self.steps * torch.log2(gap + 1)).long()  # (...)

    def forward(self, seconds: Tensor) -> Tensor:
        return super().forward(self.bucket(seconds))  # (..., d)


def age(mask: Tensor) -> Tensor:
    """How many events back: mask (B, L), True = real -> (B, L), 1 = the newest event, 0 = padding."""
    return mask.flip(1).cumsum(1).flip(1) * mask  # (B, L)


def rotate(x: Tensor, base: float = 10_000) -> Tensor:
    r"""Rotary positions: turns pair i of the vector at position m by the angle m / base^(2i/d).

    $$ (x_{2i}, x_{2i+1}) \mapsto (x_{2i} \cos\theta - x_{2i+1} \sin\theta,\; x_{2i} \sin\theta + x_{2i+1} \cos\theta),
       \qquad \theta = m / base^{2i/d} $$

    x (..., T, d), d even -> (..., T, d). A turned query at m and key at n have a dot product that depends on
    m - n, not on m or n. Source: Su et al. 2021, RoFormer, arXiv:2104.09864.
    """
    T, d = x.shape[-2:]
    position = torch.arange(T, device=x.device, dtype=torch.float32)[:, None]  # (T, 1)
    even = torch.arange(0, d, 2, device=x.device, dtype=torch.float32)  # (d/2,) the 2i of the formula
    theta = position / base ** (even / d)  # (T, d/2)
    cos, sin = theta.cos().to(x.dtype), theta.sin().to(x.dtype)  # (T, d/2)
    a, b = x[..., 0::2], x[..., 1::2]  # (..., T, d/2)
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)  # (..., T, d)
