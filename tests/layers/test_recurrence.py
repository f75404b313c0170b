"""Recurrent layers against torch's own, and what attention does to a gate."""

import pytest
import torch
from torch import nn

from recbyhand.layers import AUGRU, AUGRUCell, GRUCell, LSTMCell, RNNCell, events_first, last_state


def copy_weights(ours, theirs):
    with torch.no_grad():
        theirs.weight_ih.copy_(ours.ih.weight)
        theirs.weight_hh.copy_(ours.hh.weight)
        theirs.bias_ih.copy_(ours.ih.bias)
        theirs.bias_hh.copy_(ours.hh.bias)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize(("ours", "theirs"), [(RNNCell, nn.RNNCell), (GRUCell, nn.GRUCell)])
def test_cells_equal_torch(ours, theirs):
    mine, oracle = ours(3, 5), theirs(3, 5)
    copy_weights(mine, oracle)
    x, h = torch.randn(4, 3), torch.randn(4, 5)
    torch.testing.assert_close(mine(x, h), oracle(x, h))


def test_lstm_cell_equals_torch():
    mine, oracle = LSTMCell(3, 5), nn.LSTMCell(3, 5)
    copy_weights(mine, oracle)
    x, h, c = torch.randn(4, 3), torch.randn(4, 5), torch.randn(4, 5)
    for ours, theirs in zip(mine(x, h, c), oracle(x, (h, c)), strict=True):
        torch.testing.assert_close(ours, theirs)


def as_torch_gru(cell: AUGRUCell) -> nn.GRUCell:
    """torch orders its gates r, z, n, and its z = 1 - u: the update rows change place and sign."""
    d = cell.d_h
    gru = nn.GRUCell(cell.ih.in_features, d)
    with torch.no_grad():
        for ours, theirs in (
            (cell.ih.weight, gru.weight_ih),
            (cell.hh.weight, gru.weight_hh),
            (cell.ih.bias, gru.bias_ih),
            (cell.hh.bias, gru.bias_hh),
        ):
            u, r, n = ours[:d], ours[d : 2 * d], ours[2 * d :]
            theirs.copy_(torch.cat([r, -u, n]))
    return gru


def test_full_attention_makes_augru_a_gru():
    cell = AUGRUCell(3, 5)
    x, h = torch.randn(4, 3), torch.randn(4, 5)
    torch.testing.assert_close(cell(x, h, torch.ones(4)), as_torch_gru(cell)(x, h))


@pytest.mark.parametrize("replace", [False, True])
def test_no_attention_keeps_the_state(replace):
    cell = AUGRUCell(3, 5, replace)
    h = torch.randn(4, 5)
    assert torch.equal(cell(torch.randn(4, 3), h, torch.zeros(4)), h)


def test_agru_lets_the_weight_replace_the_gate():
    cell = AUGRUCell(3, 5, replace=True)
    x, h, a = torch.randn(4, 3), torch.randn(4, 5), torch.rand(4)
    with torch.no_grad():
        cell.ih.bias[:5] = 50.0  # an update gate of 1 ...
    scaled = AUGRUCell(3, 5)
    scaled.load_state_dict(cell.state_dict())
    torch.testing.assert_close(cell(x, h, a), scaled(x, h, a))  # ... scaled by a is a
    with torch.no_grad():
        cell.ih.bias[:5] = -50.0  # and AGRU does not read its gate
    torch.testing.assert_close(cell(x, h, a), scaled(x, h, a))


def test_augru_is_its_cell_step_by_step():
    net = AUGRU(3, 5)
    x, a = torch.randn(4, 7, 3), torch.rand(4, 7)
    h = torch.zeros(4, 5)
    for t, state in enumerate(net(x, a).unbind(1)):
        h = net.cell(x[:, t], h, a[:, t])
        torch.testing.assert_close(state, h)


def test_augru_gradients():
    net = AUGRU(2, 3).double()
    x = torch.randn(2, 4, 2, dtype=torch.double, requires_grad=True)
    a = torch.rand(2, 4, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(net, (x, a))


def test_events_first_keeps_order_and_last_state_reads_the_newest():
    tokens = torch.tensor([[0, 7, 0, 8, 9], [0, 0, 0, 0, 0], [3, 4, 5, 6, 7]])
    moved, mask = events_first(tokens, tokens > 0)
    assert moved.tolist() == [[7, 8, 9, 0, 0], [0, 0, 0, 0, 0], [3, 4, 5, 6, 7]]
    assert mask.sum(1).tolist() == [3, 0, 5]
    last = last_state(moved[..., None].float(), mask)
    assert last[:, 0].tolist() == [9, 0, 7]


def test_a_sequence_of_length_0_has_no_states_and_the_last_is_zero():
    none, mask = torch.zeros(3, 0, 4), torch.zeros(3, 0, dtype=torch.bool)
    assert AUGRU(4, 5)(none, torch.zeros(3, 0)).shape == (3, 0, 5)
    assert torch.equal(last_state(none, mask), torch.zeros(3, 4))
    tokens, real = events_first(torch.zeros(3, 0, dtype=torch.long), mask)
    assert tokens.tolist() == [[0]] * 3
    assert not real.any()
