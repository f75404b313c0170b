"""Chapter 4, from ReLU to Dice: what tests/layers/test_errata_dice.py leaves out of C39 to C46."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recbyhand.layers import BatchNorm, Dice, get_activation


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


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
