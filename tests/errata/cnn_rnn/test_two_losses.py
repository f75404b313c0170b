"""Chapter 2, two losses: the source's softmax, twice, over users, under a lid, fails what ours holds (C18 to C20b)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from recbyhand.layers import full_softmax_loss

N = 1000


def ours(scores, target):
    """Scores (N, M) through the packaged loss: states are the scores, item vectors the unit vectors."""
    items = torch.cat([torch.zeros(2, scores.shape[1]), torch.eye(scores.shape[1])])
    return full_softmax_loss(scores, target + 2, items)


def twice(scores, target):
    """C19: a softmax, then a cross-entropy that has one inside."""
    return F.cross_entropy(scores.softmax(-1), target)


def over_users(scores, target):
    """C20: what `nn.Softmax()` takes for its axis on three axes."""
    return F.cross_entropy(scores.softmax(0).flatten(0, 1), target.flatten())


def perfect_is_free(loss) -> bool:
    target = torch.arange(5)
    return bool(loss(50.0 * F.one_hot(target, N).float(), target) < 1e-3)


def test_c19_a_perfect_prediction_costs_nothing():
    assert perfect_is_free(ours)
    assert not perfect_is_free(twice)
    target = torch.tensor([3])
    floor = twice(50.0 * F.one_hot(target, N).float(), target)
    assert math.isclose(floor, math.log(math.e + N - 1) - 1, rel_tol=1e-5)


def test_c20_probabilities_sum_to_one_over_the_films():
    scores = torch.randn(7, 4, N, generator=torch.Generator().manual_seed(0))

    def sums_to_one(p):
        return torch.allclose(p.sum(-1), torch.ones(7, 4), atol=1e-5)

    assert sums_to_one(scores.softmax(-1))
    assert not sums_to_one(scores.softmax(0))


def test_c20_a_batch_of_one_still_learns():
    target = torch.arange(4)[None]

    def gradient(loss, scores):
        return torch.autograd.grad(loss(scores), scores)[0].abs().max()

    scores = torch.randn(1, 4, N, requires_grad=True)
    assert gradient(lambda s: ours(s[0], target[0]), scores) > 0.01
    assert gradient(lambda s: over_users(s, target), scores) == 0
    assert math.isclose(over_users(scores, target).item(), math.log(N), rel_tol=1e-5)


def test_c20b_the_right_film_can_get_nearly_all():
    """With weights as large as they like, a linear layer reaches it, one under a tanh does not."""
    target = torch.tensor([3])
    state = 50.0 * F.one_hot(target, N).float()
    free = nn.Linear(N, N, bias=False)
    with torch.no_grad():
        free.weight.copy_(torch.eye(N))
        best = {"free": free(state).softmax(-1).max(), "lid": torch.tanh(free(state)).softmax(-1).max()}
        assert ours(free(state), target) < 1e-3
    assert best["free"] > 0.9
    lid = math.e / (math.e + (N - 1) / math.e)
    assert best["lid"] <= lid
    scores = 2.0 * F.one_hot(target, N).float() - 1  # the best a tanh can do
    assert math.isclose(scores.softmax(-1).max(), lid, rel_tol=1e-4)


def test_c18_the_loss_is_a_mean():
    """Four copies of a place cost as much as one; a sum, which the source's text names, costs four times as much."""
    scores, target = torch.randn(1, N, generator=torch.Generator().manual_seed(0)), torch.tensor([3])
    once, often = ours(scores, target), ours(scores.repeat(4, 1), target.repeat(4))
    assert torch.allclose(once, often)
    assert torch.allclose(F.cross_entropy(scores.repeat(4, 1), target.repeat(4), reduction="sum"), 4 * once)
