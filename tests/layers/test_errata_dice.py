"""Dice and batch normalisation as the source has them: each test passes for ours and fails for theirs."""

import pytest
import torch
from torch import nn

from recbyhand.layers import BatchNorm, Dice


class DiceInsideTheCall(nn.Module):
    """C40, C41: a new BatchNorm on every call, alpha fixed."""

    def forward(self, s):
        p = torch.sigmoid(nn.BatchNorm1d(s.shape[1])(s))
        return p * s + (1 - p) * 0.1 * s


class DiceAffine(nn.Module):
    """C42: the gate's normalisation has a trainable gain and shift."""

    def __init__(self, channels):
        super().__init__()
        self.norm = BatchNorm(channels, affine=True)

    def forward(self, s):
        p = torch.sigmoid(self.norm(s))
        return p * s + (1 - p) * 0.1 * s


def fails(check, *wrong):
    with pytest.raises(AssertionError):
        check(*wrong)


def test_c40_eval_does_not_depend_on_the_batch_and_the_state_is_kept():
    def check(dice):
        s = torch.randn(8, 4)
        dice(s)
        dice.eval()
        assert "running_mean" in str(list(dice.state_dict()))
        assert torch.allclose(dice(s)[:3], dice(s[:3]))  # but for the last bit of a vectorised sigmoid

    check(Dice(4))
    fails(check, DiceInsideTheCall())


def test_c41_alpha_is_learned_per_channel():
    def check(dice):
        dice(torch.randn(8, 4)).pow(2).sum().backward()
        alphas = [p for p in dice.parameters() if p.requires_grad]
        assert len(alphas) == 1
        assert alphas[0].shape == (4,)
        assert (alphas[0].grad != 0).all()

    check(Dice(4))
    fails(check, DiceInsideTheCall())


def test_c42_no_parameter_can_turn_the_gate_around():
    def check(dice):
        with torch.no_grad():
            for parameter in dice.parameters():
                parameter.fill_(-1.0)
        s = torch.linspace(-3, 3, 50)[:, None]
        gate = dice(s).detach()
        alpha = dice.alpha.detach() if hasattr(dice, "alpha") else 0.1
        p = (gate / s - alpha) / (1 - alpha)
        assert (p.diff(dim=0) >= -1e-5).all()

    check(Dice(1))
    fails(check, DiceAffine(1))


def test_c43_prelu_and_dice_are_not_expectations():
    """E[PReLU(x)] is not the mean of P(x > 0) x + (1 - P) a x."""
    x = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    prelu = torch.where(x > 0, x, 0.1 * x).mean()
    P = (x > 0).float().mean()
    assert prelu > 0.3
    assert abs((P * x + (1 - P) * 0.1 * x).mean()) < 0.05


def test_c44_eps_keeps_a_constant_batch_finite():
    def check(dice):
        assert torch.isfinite(dice(torch.ones(8, 2))).all()

    check(Dice(2))
    fails(check, Dice(2, eps=0.0))


def test_c45_batch_norm_has_gain_shift_and_running_averages():
    names = set(BatchNorm(2).state_dict())
    assert names == {"gain", "bias", "running_mean", "running_var"}
    assert set(nn.BatchNorm1d(2).state_dict()) - {"num_batches_tracked"} == {
        "weight",
        "bias",
        "running_mean",
        "running_var",
    }


def test_c46_leaky_relu_has_a_fixed_slope_and_prelu_a_learned_one():
    assert list(nn.LeakyReLU().parameters()) == []
    assert len(list(nn.PReLU().parameters())) == 1
    x = -torch.ones(1000)
    assert len(nn.RReLU()(x).unique()) > 900  # random in training
    assert len(nn.RReLU().eval()(x).unique()) == 1  # the mean slope in eval
