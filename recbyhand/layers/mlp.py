"""The multi-layer perceptron, and dropout by hand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from recbyhand.arguments import number
from recbyhand.layers.activations import Dice, get_activation


class Dropout(nn.Module):
    r"""Inverted dropout: $y = m \odot x / (1 - p)$ with $m \sim \mathrm{Bernoulli}(1 - p)$.

    x (...) -> y (...). The division keeps the expectation, E[y] = x, so that in `eval()` y = x needs no rescaling.
    Equal in distribution to `nn.Dropout`, which the models use. Source: Srivastava et al. 2014, JMLR 15, 1929-1958.
    """

    def __init__(self, p: float = 0.5):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"p is the share of values dropped, 0 <= p < 1; got {p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        m = torch.rand_like(x) >= self.p  # (...) True = kept
        return m * x / (1 - self.p)  # (...)


def concat(*parts: Tensor) -> Tensor:
    """Vectors side by side, (..., d_1), (..., d_2), ... -> (..., d_1 + d_2 + ...); the axes before broadcast."""
    shape = torch.broadcast_shapes(*(part.shape[:-1] for part in parts))
    return torch.cat([part.expand(*shape, -1) for part in parts], dim=-1)


class MLP(nn.Sequential):
    r"""Linear layers with a bend between them, $h_{k+1} = f(W_k h_k + b_k)$, the last one without.

    (..., sizes[0]) -> (..., sizes[-1]). The last layer is linear, so that the output is free to be any logit.

    activation  f, a name, see `ACTIVATIONS`
    dropout     share of each f(...) dropped while training

    `mask` goes to the layers that take batch statistics. Raises ValueError for fewer than two sizes.
    """

    def __init__(self, sizes: Sequence[int], *, activation: str = "relu", dropout: float = 0.0):
        if len(sizes) < 2:
            raise ValueError(f"sizes are input, hidden ..., output; got {list(sizes)}")
        layers, dropout = [], number("dropout", dropout, 0, 1)
        for n_in, n_out in pairwise(sizes[:-1]):
            layers += [nn.Linear(n_in, n_out), get_activation(activation, n_out), nn.Dropout(dropout)]
        super().__init__(*layers, nn.Linear(sizes[-2], sizes[-1]))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for layer in self:
            x = layer(x, mask) if isinstance(layer, Dice) else layer(x)  # (..., width of the layer)
        return x
