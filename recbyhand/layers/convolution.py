"""One-dimensional convolution, written out."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Conv1d(nn.Module):
    r"""A window of `kernel` positions slides along the last axis; all input channels are mixed in each window.

    $$y_{o,t} = b_o + \sum_{c,k} W_{o,c,k}\, x_{c,t+k}$$

    x (B, C, T) -> y (B, O, T - kernel + 1), with C `channels` in and O `out`. Equal to `torch.nn.Conv1d` without
    padding. Raises ValueError if the sequence is shorter than the kernel.
    """

    def __init__(self, channels: int, out: int, kernel: int):
        super().__init__()
        bound = (channels * kernel) ** -0.5
        self.weight = nn.Parameter(torch.empty(out, channels, kernel).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(out).uniform_(-bound, bound))
        self.kernel = kernel

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] < self.kernel:
            raise ValueError(f"a kernel of {self.kernel} does not fit {x.shape[-1]} positions")
        windows = x.unfold(-1, self.kernel, 1)  # (B, C, T', kernel)
        return torch.einsum("bctk,ock->bot", windows, self.weight) + self.bias[:, None]  # (B, O, T')
