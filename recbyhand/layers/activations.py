"""Activations beyond those of torch, and `get_activation`, which finds one by its name."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbyhand.layers.normalisation import BatchNorm


class Dice(nn.Module):
    r"""The data-adaptive activation of DIN: a PReLU whose step follows the batch.

    $$\mathrm{Dice}(s) = p(s)\,s + (1 - p(s))\,\alpha\,s, \qquad
      p(s) = \mathrm{sigmoid}\Bigl(\frac{s - \mathrm{E}[s]}{\sqrt{\mathrm{Var}[s] + \epsilon}}\Bigr)$$

    (B, C) -> (B, C) or (B, L, C) -> (B, L, C). E and Var are taken per channel, over the batch while training
    and as running averages in `eval()`; the standardisation has no gain and shift, so p never falls as s
    grows. alpha is learned, one for each of the C `channels`. `mask` (B,) or (B, L) keeps padded positions out of E
    and Var. A single real position has no variance: it is standardised by the running averages, see `BatchNorm`.

    Source: Zhou et al. 2018, Deep interest network, arXiv:1706.06978 (alpha, eps = 1e-8).
    """

    def __init__(self, channels: int, *, alpha: float = 0.25, eps: float = 1e-8):
        super().__init__()
        self.norm = BatchNorm(channels, eps=eps, affine=False)
        self.alpha = nn.Parameter(torch.full((channels,), alpha))

    def forward(self, s: Tensor, mask: Tensor | None = None) -> Tensor:
        p = torch.sigmoid(self.norm(s, mask))  # (B, [L,] C)
        return s * (self.alpha + (1 - self.alpha) * p)  # (B, [L,] C) = p s + (1 - p) alpha s


ACTIVATIONS = {
    "relu": lambda channels: nn.ReLU(),
    "leaky_relu": lambda channels: nn.LeakyReLU(),
    "prelu": nn.PReLU,
    "dice": Dice,
    "tanh": lambda channels: nn.Tanh(),
    "sigmoid": lambda channels: nn.Sigmoid(),
    "gelu": lambda channels: nn.GELU(),
    "identity": lambda channels: nn.Identity(),
}


def get_activation(name: str, channels: int) -> nn.Module:
    """The activation called `name`, for inputs of (..., channels)."""
    if name not in ACTIVATIONS:
        raise ValueError(f"no activation {name!r}: choose one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name](channels)
