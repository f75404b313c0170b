"""Attention forms: against loops, and the properties every form must have."""

import pytest
import torch

from recbyhand.layers import (
    AdditiveAttention,
    BilinearAttention,
    DotAttention,
    ElementwiseAttention,
    LinearAttention,
    LocalActivationUnit,
    masked_softmax,
    weighted_sum,
)

FORMS = [
    LinearAttention,
    AdditiveAttention,
    DotAttention,
    BilinearAttention,
    ElementwiseAttention,
    LocalActivationUnit,
]
B, L, D = 4, 6, 3


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def inputs():
    mask = torch.ones(B, L, dtype=torch.bool)
    mask[1, 4:] = False
    mask[2] = False  # an empty history
    return torch.randn(B, D), torch.randn(B, L, D), mask


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_padding_has_no_weight_and_no_influence(form, normalise):
    attention = form(D, normalise=normalise).eval()
    target, history, mask = inputs()
    weights = attention(target, history, mask)
    assert weights.shape == (B, L)
    assert (weights[~mask] == 0).all()
    other = torch.where(mask[..., None], history, torch.full_like(history, 9.0))
    torch.testing.assert_close(attention(target, other, mask), weights)
    if normalise:
        torch.testing.assert_close(weights.sum(1), torch.tensor([1.0, 1.0, 0.0, 1.0]))


@pytest.mark.parametrize("form", FORMS)
def test_order_of_events_does_not_matter(form):
    attention = form(D).eval()
    target, history, mask = inputs()
    order = torch.randperm(L)
    torch.testing.assert_close(
        attention(target, history[:, order], mask[:, order]), attention(target, history, mask)[:, order]
    )


@pytest.mark.parametrize("form", FORMS)
def test_only_the_linear_form_is_blind_to_the_target(form):
    attention = form(D).eval()
    target, history, mask = inputs()
    same = torch.allclose(attention(target, history, mask), attention(target.flip(0), history, mask))
    assert same == (form is LinearAttention)


def test_unnormalised_weights_keep_how_strong_the_interest_is():
    unit = LocalActivationUnit(D).eval()
    target, history, mask = inputs()
    once = weighted_sum(unit(target, history, mask), history)
    history, mask = torch.cat([history, history], 1), torch.cat([mask, mask], 1)
    torch.testing.assert_close(weighted_sum(unit(target, history, mask), history), 2 * once)


def test_an_untrained_unit_adds_the_history_up():
    """From the small vectors a model starts with: near 1 whatever the seed, where torch's own start is near 0."""
    target, history, mask = inputs()
    for seed in range(20):
        torch.manual_seed(seed)
        weights = LocalActivationUnit(D).eval()(0.05 * target, 0.05 * history, mask)
        assert ((weights[mask] - 1).abs() < 0.3).all()


def one_score(form, layer, t, e):
    """The formula of each form for one target and one event, with plain vectors."""
    if form is LinearAttention:
        return layer.linear.weight[0] @ e + layer.linear.bias[0]
    if form is AdditiveAttention:
        w = torch.cat([layer.event.weight, layer.target.weight], dim=1)  # one matrix on [e, t]
        return layer.out.weight[0] @ torch.tanh(w @ torch.cat([e, t]) + layer.event.bias)
    if form is DotAttention:
        return e @ t / len(t) ** 0.5
    if form is BilinearAttention:
        return e @ layer.weight.weight @ t
    if form is ElementwiseAttention:
        return (
            sum(w * x * y for w, x, y in zip(layer.linear.weight[0], e, t, strict=True))
            + layer.linear.bias[0]
        )
    w = torch.cat([layer.event.weight, layer.target.weight, layer.product.weight], dim=1)
    s = w @ torch.cat([e, t, e * t]) + layer.event.bias
    dice = layer.dice
    p = torch.sigmoid((s - dice.norm.running_mean) / (dice.norm.running_var + dice.norm.eps).sqrt())
    return layer.out.weight[0] @ (p * s + (1 - p) * dice.alpha * s) + layer.out.bias[0]


@pytest.mark.parametrize("form", FORMS)
def test_scores_equal_a_loop(form):
    layer = form(D, normalise=False).eval()
    target, history, mask = inputs()
    loop = torch.stack(
        [torch.stack([one_score(form, layer, t, e) for e in h]) for t, h in zip(target, history, strict=True)]
    )
    torch.testing.assert_close(layer(target, history, mask), loop * mask)


def test_masked_softmax_in_half_precision():
    scores = torch.tensor([[9.0, 1.0, 5.0]]).half()
    weights = masked_softmax(scores, torch.tensor([[True, False, True]]))
    assert weights.isfinite().all()
    assert weights[0, 1] == 0
    torch.testing.assert_close(
        weights[0, [0, 2]].float(), torch.tensor([9.0, 5.0]).softmax(0), atol=1e-3, rtol=0
    )
