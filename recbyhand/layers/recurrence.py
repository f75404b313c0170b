"""Recurrent cells, and the attention-gated GRU of DIEN.

The cells are written out to be read; models use `torch.nn.RNN`, `LSTM` and `GRU`, which compute the same
numbers in one fused call (the tests hold them equal).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def events_first(tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Move the real events of each row to its front, keeping their order.

    A recurrent state may then be read after the last real event: padding comes later and cannot touch it.
    tokens (B, L), mask (B, L) True = real -> the same two, rearranged. A history of width 0 gets one padding
    place, so that there is a state to read.
    """
    if tokens.shape[1] == 0:
        tokens, mask = tokens.new_zeros(len(tokens), 1), mask.new_zeros(len(mask), 1)  # (B, 1)
    order = mask.to(torch.uint8).argsort(dim=1, descending=True, stable=True)  # (B, L)
    return tokens.gather(1, order), mask.gather(1, order)


def last_state(states: Tensor, mask: Tensor) -> Tensor:
    """The state after the last real event: states (B, L, d), events first -> (B, d); zeros if none."""
    if mask.shape[1] == 0:
        return states.new_zeros(len(states), states.shape[2])  # (B, d)
    count = mask.sum(dim=1)  # (B,)
    last = (count - 1).clamp(min=0)[:, None, None].expand(-1, 1, states.shape[2])  # (B, 1, d)
    return states.gather(1, last)[:, 0] * (count > 0)[:, None]  # (B, d)


class RNNCell(nn.Module):
    r"""One step of a recurrent network.

    $$h' = \tanh(W x + b + U h + c)$$

    x (B, d_in), h (B, d_h) -> h' (B, d_h). Source: Elman 1990, doi:10.1207/s15516709cog1402_1.
    """

    def __init__(self, d_in: int, d_h: int):
        super().__init__()
        self.ih = nn.Linear(d_in, d_h)
        self.hh = nn.Linear(d_h, d_h)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return torch.tanh(self.ih(x) + self.hh(h))  # (B, d_h)


class LSTMCell(nn.Module):
    r"""One step of a long short-term memory, with a gate that forgets.

    $$i, f, g, o = W x + b + U h + b', \qquad c' = \sigma(f)\, c + \sigma(i) \tanh(g), \qquad
       h' = \sigma(o) \tanh(c')$$

    x (B, d_in), h and c (B, d_h) -> h', c' (B, d_h). Gate order as in `torch.nn.LSTMCell`.
    Sources: Hochreiter and Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735; the forget gate f: Gers, Schmidhuber
    and Cummins 2000, doi:10.1162/089976600300015015.
    """

    def __init__(self, d_in: int, d_h: int):
        super().__init__()
        self.ih = nn.Linear(d_in, 4 * d_h)
        self.hh = nn.Linear(d_h, 4 * d_h)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        i, f, g, o = (self.ih(x) + self.hh(h)).chunk(4, dim=1)  # each (B, d_h)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)  # (B, d_h)
        return torch.sigmoid(o) * torch.tanh(c), c  # (B, d_h), (B, d_h)


class GRUCell(nn.Module):
    r"""One step of a gated recurrent unit.

    $$r, z = \sigma(W x + b + U h + c), \qquad n = \tanh(W_n x + b_n + r \odot (U_n h + c_n)), \qquad
       h' = (1 - z) \odot n + z \odot h$$

    x (B, d_in), h (B, d_h) -> h' (B, d_h). Gate order as in `torch.nn.GRUCell`.
    Source: Cho et al. 2014, arXiv:1406.1078.
    """

    def __init__(self, d_in: int, d_h: int):
        super().__init__()
        self.ih = nn.Linear(d_in, 3 * d_h)
        self.hh = nn.Linear(d_h, 3 * d_h)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        xr, xz, xn = self.ih(x).chunk(3, dim=1)  # each (B, d_h)
        hr, hz, hn = self.hh(h).chunk(3, dim=1)  # each (B, d_h)
        r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)  # (B, d_h)
        n = torch.tanh(xn + r * hn)  # (B, d_h)
        return (1 - z) * n + z * h  # (B, d_h)


class AUGRUCell(nn.Module):
    r"""A GRU step whose update gate is scaled by an attention weight a.

    $$u, r = \sigma(W x + b + U h + c), \qquad n = \tanh(W_n x + b_n + r \odot (U_n h + c_n)), \qquad
       h' = (1 - a u) \odot h + a u \odot n$$

    x (B, d_in), h (B, d_h), a (B,) -> h' (B, d_h).

    With a = 1 it is a GRU; with a = 0 it keeps its state. The update gate has the convention of the DIEN
    paper: u = 1 - z for the z of `GRUCell`, so that a small a means "keep what you had". `replace=True`
    gives the paper's AGRU, in which the weight takes the gate's place: h' = (1 - a) h + a n.
    Source: Zhou et al. 2019, Deep interest evolution network, arXiv:1809.03672, equations 11 and 12.
    """

    def __init__(self, d_in: int, d_h: int, replace: bool = False):
        super().__init__()
        self.d_h, self.replace = d_h, replace
        self.ih = nn.Linear(d_in, 3 * d_h)  # rows: u, r, n
        self.hh = nn.Linear(d_h, 3 * d_h)

    def forward(self, x: Tensor, h: Tensor, a: Tensor) -> Tensor:
        return self.step(self.ih(x), h, a[:, None])  # (B, d_h)

    def step(self, wx: Tensor, h: Tensor, a: Tensor) -> Tensor:
        """The step after its input projection: wx (B, 3 d_h), h (B, d_h), a (B, 1) -> h' (B, d_h)."""
        uh = self.hh(h)  # (B, 3 d_h)
        two = 2 * self.d_h
        u, r = torch.sigmoid(wx[..., :two] + uh[..., :two]).chunk(2, dim=-1)  # each (B, d_h)
        n = torch.tanh(torch.addcmul(wx[..., two:], r, uh[..., two:]))  # (B, d_h)
        gate = a if self.replace else a * u  # (B, 1) or (B, d_h)
        # Under autocast the cell computes in half precision; what it remembers keeps the precision of h.
        return torch.lerp(h, n.to(h.dtype), gate.to(h.dtype))  # (1 - a u) h + a u n: (B, d_h)


class AUGRU(nn.Module):
    r"""An `AUGRUCell` run along a sequence, $h_t = \mathrm{AUGRU}(x_t, h_{t-1}, a_t)$, from a zero state.

    x (B, L, d_in), a (B, L) -> states (B, L, d_h); `replace` as in `AUGRUCell`. Where a is 0 (padding) the state
    stays as it is, so with masked weights the last column is the final state wherever the padding stands. The input
    projection of all steps is one matrix product; only the recurrence itself is a loop over L. Axes before these
    broadcast: x (U, 1, L, d_in) and a (U, I, L) are I runs along each of U sequences.
    Source: Zhou et al. 2019, Deep interest evolution network, arXiv:1809.03672.
    """

    def __init__(self, d_in: int, d_h: int, replace: bool = False):
        super().__init__()
        self.cell = AUGRUCell(d_in, d_h, replace)

    def forward(self, x: Tensor, a: Tensor) -> Tensor:
        wx = self.cell.ih(x)  # (B, L, 3 d_h)
        h = x.new_zeros(*a.shape[:-1], self.cell.d_h)  # (B, d_h)
        states = []
        for wx_t, a_t in zip(wx.unbind(-2), a[..., None].unbind(-2), strict=True):
            h = self.cell.step(wx_t, h, a_t)  # (B, d_h)
            states.append(h)
        return torch.stack(states, dim=-2) if states else wx[..., : self.cell.d_h]  # (B, L, d_h)
