"""BatchNorm, LayerNorm, Dice and PositionalEncoding against torch and closed forms."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recbyhand.layers import BatchNorm, Dice, LayerNorm, PositionalEncoding


def padded(B=6, L=5, C=3, dtype=torch.float32, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(B, L, C, generator=g, dtype=dtype) * 2 + 1
    mask = torch.arange(L) < torch.tensor([0, 1, 2, 3, 4, 5])[:B, None]
    return x, mask


@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_equals_torch_in_training_and_eval(affine):
    torch.manual_seed(0)
    ours, torchs = BatchNorm(3, affine=affine), nn.BatchNorm1d(3, affine=affine)
    if affine:
        for parameter in (ours.gain, ours.bias):
            nn.init.normal_(parameter)
        torchs.weight.data, torchs.bias.data = ours.gain.data.clone(), ours.bias.data.clone()
    for _ in range(5):
        x = torch.randn(16, 3) * 3 + 2
        assert torch.allclose(ours(x), torchs(x), atol=1e-5)
    assert torch.allclose(ours.running_mean, torchs.running_mean, atol=1e-6)
    assert torch.allclose(ours.running_var, torchs.running_var, atol=1e-5)
    assert torch.allclose(ours.eval()(x), torchs.eval()(x), atol=1e-5)


def test_layer_norm_equals_torch():
    torch.manual_seed(0)
    ours, torchs = LayerNorm(7), nn.LayerNorm(7)
    nn.init.normal_(ours.gain), nn.init.normal_(ours.bias)
    torchs.weight.data, torchs.bias.data = ours.gain.data.clone(), ours.bias.data.clone()
    x = torch.randn(4, 5, 7) * 3 + 2
    assert torch.allclose(ours(x), torchs(x), atol=1e-5)
    assert torch.isfinite(ours(torch.ones(2, 7))).all()


def test_layer_norm_gradcheck():
    layer = LayerNorm(4).double()
    assert torch.autograd.gradcheck(layer, (torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True),))


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("training", [True, False])
def test_dice_equals_its_formula_on_torchs_batch_norm(axes, training):
    torch.manual_seed(0)
    dice = Dice(3).train(training)
    nn.init.normal_(dice.alpha)
    nn.init.normal_(dice.norm.running_mean), nn.init.uniform_(dice.norm.running_var, 0.5, 2)
    s = torch.randn(6, 3) if axes == 2 else torch.randn(6, 5, 3)
    mean, var = dice.norm.running_mean.clone(), dice.norm.running_var.clone()
    standard = F.batch_norm(s.reshape(-1, 3), mean, var, training=training, eps=1e-8).reshape(s.shape)
    p = torch.sigmoid(standard)
    assert torch.allclose(dice(s), p * s + (1 - p) * dice.alpha * s, atol=1e-5)
    assert torch.allclose(dice.norm.running_var, var, atol=1e-6)


@pytest.mark.parametrize("make", [lambda: BatchNorm(3), lambda: Dice(3)])
def test_padded_positions_stay_out_of_the_statistics(make):
    x, mask = padded()
    layers = make(), make()
    noise = torch.where(mask[..., None], x, torch.tensor(1e4))
    longer = torch.cat([x, torch.full((6, 4, 3), -7.0)], dim=1)
    longer_mask = torch.cat([mask, torch.zeros(6, 4, dtype=torch.bool)], dim=1)
    out = layers[0](x, mask)[mask]
    assert torch.allclose(out, layers[1](noise, mask)[mask])
    assert torch.allclose(out, make()(longer, longer_mask)[longer_mask])
    assert torch.allclose(out, make()(x[mask]))  # the real positions alone
    for ours, theirs in zip(layers[0].buffers(), layers[1].buffers(), strict=True):
        assert torch.allclose(ours, theirs)


@pytest.mark.parametrize("make", [lambda: BatchNorm(3), lambda: Dice(3)])
@pytest.mark.parametrize("real", [0, 1])
def test_too_few_positions_for_a_variance_fall_back_on_the_running_averages(make, real):
    layer = make()
    layer(torch.randn(20, 3) + 4)
    before = copy.deepcopy(layer.state_dict())
    x = torch.randn(1, 3)
    if real:
        out = layer(x)
    else:
        out = layer(x[:, None], torch.zeros(1, 1, dtype=torch.bool))[:, 0]
    assert torch.equal(out, layer.eval()(x))
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())


def test_dice_of_a_constant_batch_is_finite():
    for value in (0.0, 3.0, -1e3):
        s = torch.full((8, 2), value, requires_grad=True)
        Dice(2)(s).sum().backward()
        assert torch.isfinite(s.grad).all()
    assert torch.allclose(Dice(2, alpha=0.1)(torch.full((8, 2), 2.0)), torch.tensor(2 * (0.5 + 0.5 * 0.1)))


def test_dice_gradcheck():
    s, mask = padded(dtype=torch.float64)
    dice = Dice(3).double()
    weight = torch.randn_like(s) * mask[..., None]
    assert torch.autograd.gradcheck(lambda x: (dice(x, mask) * weight).sum(), (s.requires_grad_(),))


def test_masked_statistics_keep_float32_under_autocast():
    x, mask = padded(B=6, L=5, C=3)
    x, plain, cast = x + 1000, BatchNorm(3), BatchNorm(3)
    expected = plain(x, mask)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(cast(x, mask), expected)
    assert torch.equal(cast.running_var, plain.running_var)


def test_dice_keeps_its_statistics_in_float32_under_autocast():
    dice = Dice(4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = dice(torch.ones(8, 4, dtype=torch.bfloat16) * 300)
    assert torch.isfinite(out).all()
    assert dice.norm.running_mean.dtype == torch.float32


@pytest.mark.parametrize("dim", [1, 2, 5, 8])
def test_positional_encoding_equals_the_formula(dim):
    table = PositionalEncoding(dim, max_length=9)(torch.zeros(1, 9, dim))[0]
    for pos in range(9):
        for k in range(dim):
            angle = pos / 10000 ** ((k - k % 2) / dim)
            expected = math.cos(angle) if k % 2 else math.sin(angle)
            assert table[pos, k].item() == pytest.approx(expected, abs=1e-6)


def test_positional_encoding_adds_is_not_saved_and_knows_its_length():
    layer = PositionalEncoding(4, max_length=6)
    x = torch.randn(2, 3, 4)
    assert torch.equal(layer(x), x + layer.table[:3])
    assert layer.state_dict() == {}
    assert layer(x.double()).dtype == torch.float64
    with pytest.raises(ValueError, match=r"7 positions.*max_length=6"):
        layer(torch.zeros(1, 7, 4))


@pytest.mark.parametrize("mask", [None, torch.ones(4, dtype=torch.bool)])
@pytest.mark.parametrize("make", [BatchNorm, Dice])
def test_a_batch_is_normalised_without_a_question_to_the_device(make, mask):
    layer = make(3).to("meta")
    y = layer(torch.zeros(4, 3, device="meta", requires_grad=True), None if mask is None else mask.to("meta"))
    y.sum().backward()
    assert y.device.type == "meta"


@pytest.mark.parametrize("real", [0, 1, 2])
def test_too_few_real_positions_leave_no_trace_and_no_nan(real):
    norm = BatchNorm(2)
    norm.running_mean.fill_(0.5)
    norm.running_var.fill_(4.0)
    x = torch.tensor([[1.0, 2.0], [3.0, 7.0], [5.0, -1.0]], requires_grad=True)
    y = norm(x, torch.arange(3) < real)
    (y * torch.tensor([[1.0, 2.0]])).square().sum().backward()
    assert x.grad.isfinite().all()
    if real < 2:
        torch.testing.assert_close(y, (x - 0.5) / (4.0 + 1e-5) ** 0.5)
        assert norm.running_mean.tolist() == [0.5, 0.5]
        assert norm.running_var.tolist() == [4.0, 4.0]
    else:
        torch.testing.assert_close(
            norm.running_mean, 0.9 * torch.tensor([0.5, 0.5]) + 0.1 * torch.tensor([2.0, 4.5])
        )
        torch.testing.assert_close(
            norm.running_var, 0.9 * torch.tensor([4.0, 4.0]) + 0.1 * torch.tensor([2.0, 12.5])
        )
