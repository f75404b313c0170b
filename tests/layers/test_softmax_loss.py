"""The catalogue softmax, its sampled form, and negatives."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recbyhand.layers import (
    Conv1d,
    full_softmax_loss,
    negative_sampling_loss,
    sample_negatives,
    sampled_softmax_loss,
)
from recbyhand.layers.softmax_loss import gbce_loss, pick


def test_conv1d_equals_torch():
    torch.manual_seed(0)
    ours, theirs = Conv1d(3, 4, 2), nn.Conv1d(3, 4, 2)
    with torch.no_grad():
        theirs.weight.copy_(ours.weight)
        theirs.bias.copy_(ours.bias)
    x = torch.randn(5, 3, 7)
    torch.testing.assert_close(ours(x), theirs(x))
    with pytest.raises(ValueError, match="does not fit"):
        ours(x[..., :1])


def test_negatives_are_real_items_but_never_the_positive():
    positive = torch.arange(2, 7).repeat(2000)
    negatives = sample_negatives(positive, n_items=7, n=3, generator=torch.Generator().manual_seed(0))
    assert negatives.shape == (10_000, 3)
    assert ((negatives >= 2) & (negatives < 7)).all()
    assert (negatives != positive[:, None]).all()
    for item in range(2, 7):  # uniform over the four others
        counts = torch.bincount(negatives[positive == item].flatten(), minlength=7)
        assert counts[item] == 0
        others = counts[counts > 0].float() / counts.sum()
        assert len(others) == 4
        assert (others - 0.25).abs().max() < 0.03
    with pytest.raises(ValueError, match="two real items"):
        sample_negatives(positive, n_items=3)


def skewed():
    g = torch.Generator().manual_seed(0)
    items, state = torch.randn(40, 4, generator=g), torch.randn(6, 4, generator=g)
    q = torch.rand(40, generator=g) ** 3 + 1e-3
    return state, torch.randint(2, 40, (6,), generator=g), items, q, g


def test_full_softmax_is_a_cross_entropy_over_real_items():
    state, target, items, _, _ = skewed()
    by_hand = torch.stack(
        [-(items[2:] @ h).softmax(0)[i - 2].log() for h, i in zip(state, target, strict=True)]
    ).mean()
    torch.testing.assert_close(full_softmax_loss(state, target, items), by_hand)
    perfect = F.one_hot(target, 40).float() * 50
    assert full_softmax_loss(perfect, target, torch.eye(40)) < 1e-3  # logits, not probabilities


@pytest.mark.parametrize(("correct", "close"), [(True, True), (False, False)])
def test_sampled_softmax_approaches_the_full_one_only_with_the_correction(correct, close):
    state, target, items, q, g = skewed()
    sampled = sampled_softmax_loss(state, target, items, 50_000, q, correct, g)
    error = (sampled - full_softmax_loss(state, target, items)).abs()
    assert (error < 0.03) == close


def test_negative_sampling_is_two_binary_cross_entropies_averaged():
    torch.manual_seed(0)
    state, right, wrong = torch.randn(3, 7, 4)  # (7, 4) each
    loss = 0.0
    for h, e, other in zip(state, right, wrong, strict=True):
        loss += F.binary_cross_entropy_with_logits(h @ e, torch.tensor(1.0))
        loss += F.binary_cross_entropy_with_logits(h @ other, torch.tensor(0.0))
    torch.testing.assert_close(negative_sampling_loss(state, right, wrong), loss / 7)
    none = torch.zeros(0, 4)
    assert negative_sampling_loss(none, none, none) == 0


def test_places_without_a_target_change_no_loss():
    """On a device nobody counts the places that have a next event: all stay, and those without have target 0."""
    g = torch.Generator().manual_seed(0)
    items, state, target = (
        torch.randn(9, 4, generator=g),
        torch.randn(6, 4, generator=g),
        torch.tensor([3, 0, 5, 8, 0, 2]),
    )
    real = target > 0
    other = torch.tensor([4, 2, 6, 7, 3, 5])
    for loss in (
        lambda h, t, o: full_softmax_loss(h, t, items),
        lambda h, t, o: sampled_softmax_loss(h, t, items, 5, generator=torch.Generator().manual_seed(1)),
        lambda h, t, o: gbce_loss(h, t, items, 5, generator=torch.Generator().manual_seed(1)),
        lambda h, t, o: negative_sampling_loss(h, items[t], items[o], t),
    ):
        torch.testing.assert_close(loss(state, target, other), loss(state[real], target[real], other[real]))
        assert loss(state[:2], target[:2] * 0, other[:2]) == 0


def test_pick_chooses_on_the_cpu_and_marks_elsewhere():
    mask, target, state = (
        torch.tensor([[True, False], [True, True]]),
        torch.tensor([[3, 4], [5, 6]]),
        torch.randn(2, 2, 3),
    )
    ids, h = pick(mask, target, state)
    assert ids.tolist() == [3, 5, 6]
    assert torch.equal(h, state[mask])
    ids, h = pick(mask.to("meta"), target.to("meta"), state.to("meta"))
    assert (ids.shape, h.shape) == ((4,), (4, 3))
