"""How far back a recurrent cell learns: the size of its gradient against distance."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbyhand.arguments import whole
from recbyhand.layers.recurrence import GRUCell, LSTMCell, RNNCell

CELLS = {"rnn": RNNCell, "gru": GRUCell, "lstm": LSTMCell}


@torch.enable_grad()
def state_gradient(cell: nn.Module, x: Tensor) -> Tensor:
    """|| d h_T / d x_{T-k} || for k = 0 ... T-1: how much the last state still hears of the event k steps ago.

    `cell` is an `RNNCell`, `GRUCell` or `LSTMCell`, started from zeros; x (B, T, d_in) -> (T,), the Frobenius norm
    of the (d_h, d_in) Jacobian, averaged over the B sequences; unit: change of state per change of input.
    The decay (or growth) with k is the vanishing (or exploding) gradient of Bengio, Simard and Frasconi 1994,
    doi:10.1109/72.279181. Any other cell raises `TypeError`.
    """
    if not isinstance(cell, tuple(CELLS.values())):
        raise TypeError(
            f"pass an RNNCell, GRUCell or LSTMCell of recbyhand.layers, not {type(cell).__name__}"
        )
    B, T, d_in = x.shape
    d_h = cell.hh.in_features
    # One copy of each sequence per unit of the state: a single backward pass then gives all rows of the Jacobian.
    copies = x.detach().repeat_interleave(d_h, dim=0).requires_grad_()  # (B d_h, T, d_in)
    h = c = copies.new_zeros(B * d_h, d_h)  # (B d_h, d_h)
    for x_t in copies.unbind(1):
        if isinstance(cell, LSTMCell):
            h, c = cell(x_t, h, c)  # each (B d_h, d_h)
        else:
            h = cell(x_t, h)  # (B d_h, d_h)
    own = h.view(B, d_h, d_h).diagonal(dim1=1, dim2=2)  # (B, d_h): copy j keeps unit j
    (jacobian,) = torch.autograd.grad(own.sum(), copies)  # (B d_h, T, d_in)
    norm = jacobian.view(B, d_h, T, d_in).square().sum(dim=(1, 3)).sqrt()  # (B, T)
    return norm.mean(dim=0).flip(0)  # (T,): k = 0 first


def random_cell(cell: str, dim: int, scale: float, keep: float = 0.0, *, seed: int = 0) -> nn.Module:
    """A fresh cell in double precision, the size of whose recurrent weights is known.

    Each (d, d) block of W_hh is `scale` times a random orthogonal matrix, so that all its singular values are
    `scale`; W_ih is drawn as torch does; biases are 0, except `keep` on the gate that keeps the state: z of a GRU, f
    of an LSTM (an RNN has none). An unknown cell raises `ValueError`.
    """
    if cell not in CELLS:
        raise ValueError(f"unknown cell {cell!r}: choose one of {', '.join(CELLS)}")
    dim, seed = whole("dim", dim), whole("seed", seed, least=0)
    draw = torch.Generator().manual_seed(seed)
    made = CELLS[cell](dim, dim).double()
    with torch.no_grad():
        made.ih.weight.uniform_(-(dim**-0.5), dim**-0.5, generator=draw)  # (gates d, d)
        for block in made.hh.weight.split(dim):  # each (d, d)
            block.copy_(
                scale * torch.linalg.qr(torch.randn(dim, dim, generator=draw, dtype=torch.float64))[0]
            )
        made.ih.bias.zero_()
        made.hh.bias.zero_()
        if cell != "rnn":
            made.ih.bias[dim : 2 * dim] = keep  # rows r, z, n of a GRU and i, f, g, o of an LSTM
    return made


def gradient_reach(
    cell: str, length: int, dim: int, scale: float, keep: float = 0.0, *, batch: int = 4, seed: int = 0
) -> Tensor:
    """`state_gradient` of a `random_cell` over random histories: (length,), entry k for the event k steps ago.

    cell "rnn", "gru" or "lstm"; inputs are standard normal, `batch` sequences. The same seed gives the same numbers.
    """
    made = random_cell(cell, dim, scale, keep, seed=seed)
    draw = torch.Generator().manual_seed(seed + 1)
    x = torch.randn(batch, whole("length", length), dim, generator=draw, dtype=torch.float64)  # (B, T, d)
    return state_gradient(made, x)  # (T,)
