"""Layers that bring numbers to a common scale: over a batch, or over the features of one example."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class BatchNorm(nn.Module):
    r"""Batch normalisation of every channel, $y = \gamma\,(x - \mu) / \sqrt{\sigma^2 + \epsilon} + \beta$.

    Training uses mean and (biased) variance of the batch and keeps running averages of both; `eval()` uses
    the running averages, so that an example's output does not depend on its neighbours. Equal to
    `nn.BatchNorm1d`, except that

    - it normalises the *last* axis: (B, C) or (B, L, C);
    - `mask` (B,) or (B, L), True = real, keeps padded positions out of the statistics;
    - fewer than two real positions have no variance: then, in training too, the running averages serve,
      and are left as they are.

    channels  C, the length of the last axis
    eps       $\epsilon$, added to the variance
    momentum  the share of a batch in the running averages
    affine    False leaves out the gain $\gamma$ and the shift $\beta$

    Source: Ioffe and Szegedy 2015, arXiv:1502.03167.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, *, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.gain = nn.Parameter(torch.ones(channels)) if affine else None  # gamma
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None  # beta
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = x.to(self.running_mean.dtype)  # (B, [L,] C) never in half precision, where eps would vanish
        if self.training:
            centred, var = self._of_batch(x, mask)  # (B, [L,] C), (C,)
        else:
            centred, var = x - self.running_mean, self.running_var  # (B, [L,] C), (C,)
        y = centred * torch.rsqrt(var + self.eps)  # (B, [L,] C)
        return y if self.gain is None else self.gain * y + self.bias

    def _of_batch(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """x less the mean of the batch, and its variance, both remembered; or, for want of two positions, of old.

        How many positions are real, the device alone knows. Asking it would mean waiting: `torch.where` picks.
        """
        # Padding is weighed with 0 rather than taken out: one pass over x, where x[mask] would copy it.
        w = 1 if mask is None else mask[..., None].to(x.dtype)  # (B, [L,] 1)
        n = torch.full((), x[..., 0].numel(), device=x.device) if mask is None else mask.sum()  # ()
        enough, axes = n > 1, tuple(range(x.ndim - 1))
        n = n.clamp(min=2)  # what fewer give is not picked, but has a gradient: keep it finite
        mean = torch.where(enough, (w * x).sum(axes) / n, self.running_mean)  # (C,)
        centred = x - mean  # (B, [L,] C)
        var = torch.where(enough, (w * centred * centred).sum(axes) / n, self.running_var)  # (C,)
        unbiased = torch.where(enough, var.detach() * n / (n - 1), self.running_var)  # (C,)
        self.running_mean.lerp_(mean.detach(), self.momentum)
        self.running_var.lerp_(unbiased, self.momentum)
        return centred, var


class LayerNorm(nn.Module):
    r"""Layer normalisation of each vector alone, $y = g \odot (x - \mu) / \sqrt{\sigma^2 + \epsilon} + b$.

    Mean and (biased) variance run over the last axis, (..., d) -> (..., d); gain g and bias b have shape
    (d,), and `eps` is $\epsilon$. Equal to `nn.LayerNorm`. Source: Ba, Kiros and Hinton 2016, arXiv:1607.06450.
    """

    def __init__(self, dim: int, *, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.gain = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(-1, keepdim=True)  # (..., 1)
        var = x.var(-1, unbiased=False, keepdim=True)  # (..., 1)
        return self.gain * (x - mean) / torch.sqrt(var + self.eps) + self.bias  # (..., d)
