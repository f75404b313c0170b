"""Where in a sequence a vector stands, told by sines and cosines."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PositionalEncoding(nn.Module):
    r"""Adds a fixed vector to each position, (B, L, d) -> (B, L, d).

    $$PE_{pos,2i} = \sin(pos / b^{2i/d}), \qquad PE_{pos,2i+1} = \cos(pos / b^{2i/d}), \qquad b = 10000$$

    `table` (max_length, d) is computed, not learned, and not saved with the weights. The paper multiplies the
    embeddings by sqrt(d) before they come here. Raises ValueError for a sequence longer than `max_length`.
    Source: Vaswani et al. 2017, Attention is all you need, arXiv:1706.03762.
    """

    table: Tensor

    def __init__(self, dim: int, max_length: int = 512, *, base: float = 10_000):
        super().__init__()
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
        return x + self.table[:length].to(x.dtype)  # (B, L, d)
