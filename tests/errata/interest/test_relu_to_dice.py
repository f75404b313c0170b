"""From ReLU to Dice: the source's normalisation, gate and slopes fail the properties that ours hold (C40 to C46)."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recbyhand.layers import BatchNorm, Dice, get_activation
from tests.errata import fails


def indicator(s):
    return (s > 0).to(s.dtype)


def probability(s):
    """C43: the source's reading of p."""
    return (s > 0).to(s.dtype).mean()


def gates_prelu(p) -> bool:
    """p s + (1 - p) alpha s is PReLU's output, in the mean as in every number."""
    s, alpha = torch.randn(100_000), 0.1
    claimed, output = p(s) * s + (1 - p(s)) * alpha * s, F.prelu(s, torch.tensor([alpha]))
    return bool((claimed.mean() - output.mean()).abs() < 0.01) and torch.allclose(claimed, output)


def test_c43_the_gate_of_prelu_is_an_indicator():
    assert not gates_prelu(probability)
    assert gates_prelu(indicator)


def test_c43_dice_goes_over_into_prelu():
    """A gate at 0 that is narrow enough: the softened indicator becomes the indicator."""
    dice = Dice(1, alpha=0.1).eval()
    dice.norm.running_var.fill_(1e-6)
    s = torch.linspace(-3, 3, 50)[:, None]
    assert torch.allclose(dice(s), F.prelu(s, torch.tensor([0.1])), atol=1e-3)


class NewEachCall(nn.Module):
    """C40: statistics of whoever is there, in eval too."""

    def forward(self, s):
        p = torch.sigmoid(nn.BatchNorm1d(s.shape[1])(s))
        return p * s + (1 - p) * 0.1 * s


def serves_one_row(dice) -> bool:
    try:
        with torch.no_grad():
            dice(torch.randn(16, 4))
            return bool(dice.eval()(torch.randn(1, 4)).isfinite().all())
    except ValueError:
        return False


def test_c40_a_single_row_is_served():
    assert not serves_one_row(NewEachCall())
    assert serves_one_row(Dice(4))


class FractionOnly(nn.Module):
    """C45: the formula as the source prints it."""

    def forward(self, x):
        return (x - x.mean(0)) / torch.sqrt(x.var(0, unbiased=False) + 1e-5)


def can_be_the_identity(norm) -> bool:
    x = 2 + 3 * torch.randn(512, 4)
    weights = list(norm.parameters())
    if weights:
        optimiser = torch.optim.Adam(weights, lr=0.1)
        for _ in range(200):
            optimiser.zero_grad()
            (norm(x) - x).square().mean().backward()
            optimiser.step()
    return bool((norm(x) - x).square().mean() < 0.01)


def predicts_row_by_row(norm) -> bool:
    x = 2 + 3 * torch.randn(64, 4)
    norm(x)
    norm.eval()
    return torch.allclose(norm(x)[:5], norm(x[:5]), atol=1e-5)


@pytest.mark.parametrize("holds", [can_be_the_identity, predicts_row_by_row])
def test_c45_gain_shift_and_running_averages_are_part_of_batch_normalisation(holds):
    assert not holds(FractionOnly())
    assert holds(BatchNorm(4))


class SmallPReLU(nn.Module):
    """C46: 'LeakyReLU' as the source has it, a PReLU whose slope starts small."""

    def __init__(self):
        super().__init__()
        self.alpha = nn.Parameter(torch.tensor(0.01))

    def forward(self, x):
        return torch.where(x > 0, x, self.alpha * x)


def keeps_its_slope(layer) -> bool:
    """Training moves nothing."""
    first = layer(-torch.ones(1, 4)).detach()
    weights = list(layer.parameters())
    if weights:
        optimiser = torch.optim.SGD(weights, lr=1.0)
        layer(-torch.ones(1, 4)).sum().backward()
        optimiser.step()
    return torch.equal(layer(-torch.ones(1, 4)).detach(), first)


def test_c46_a_leaky_relu_is_no_small_prelu():
    assert not keeps_its_slope(SmallPReLU())
    assert not keeps_its_slope(get_activation("prelu", 4))
    assert keeps_its_slope(get_activation("leaky_relu", 4))


def follows_the_input(negative) -> bool:
    """`negative(layer, x)`: which share of each unit's numbers is negative; most for one input, few for another."""
    layer = nn.Linear(8, 4)
    x = layer.weight.detach().repeat_interleave(50, 0)  # rows that the units like, each its own
    return bool((negative(layer, x) - negative(layer, -x)).abs().max() > 0.2)


def test_c46_it_is_pre_activations_that_are_negative():
    assert not follows_the_input(lambda layer, x: (layer.weight < 0).float().mean(1))
    assert follows_the_input(lambda layer, x: (layer(x) < 0).float().mean(0))


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
