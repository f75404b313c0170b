"""Chapter 4, "Five ways to attend": the source's softmax "for a single sample" attends to nothing; ours does."""

from __future__ import annotations

import pytest
import torch

from recbyhand import layers

B, L, D = 3, 5, 4


class OneAtATime(layers.BilinearAttention):
    """C36: a = softmax(l(x)) taken at its word, one film at a time."""

    def forward(self, target, history, mask):
        s = self.score(target, history, mask)[..., None]  # (B, L, 1)
        return s.softmax(dim=-1).squeeze(-1) * mask  # (B, L)


class OverTheBatch(layers.BilinearAttention):
    """C36, read otherwise: normalised over the rows of the batch."""

    def forward(self, target, history, mask):
        return self.score(target, history, mask).softmax(dim=0) * mask  # (B, L)


def inputs():
    torch.manual_seed(0)
    mask = torch.ones(B, L, dtype=torch.bool)
    mask[1, 3:] = False
    return torch.randn(B, D), torch.randn(B, L, D), mask


def attends(form) -> bool:
    """The target turns the weights, they share 1 among the films, and the scores learn."""
    target, history, mask = inputs()
    weights = form(target, history, mask)
    turned = not torch.allclose(weights, form(target.flip(0), history, mask))
    shared = torch.allclose(weights.sum(1), torch.ones(B))
    layers.weighted_sum(weights, history).square().sum().backward()
    learns = any(bool(p.grad.abs().sum() > 1e-6) for p in form.parameters())
    return turned and shared and learns


def rows_are_apart(form) -> bool:
    """The first row alone gets what it gets in company."""
    target, history, mask = inputs()
    with torch.no_grad():
        return torch.allclose(form(target, history, mask)[:1], form(target[:1], history[:1], mask[:1]))


def test_c36_a_softmax_over_one_element_is_one():
    """The degenerate reading by itself."""
    assert bool((torch.randn(4, 1).softmax(1) == 1).all())


@pytest.mark.parametrize("form", [layers.BilinearAttention, layers.AdditiveAttention])
def test_c36_attention_looks_at_the_target_and_shares(form):
    assert attends(form(D))
    assert not attends(OneAtATime(D))
    assert not attends(OverTheBatch(D))


def test_c36_the_set_is_one_history():
    assert rows_are_apart(layers.BilinearAttention(D))
    assert not rows_are_apart(OverTheBatch(D))


def test_c36_the_source_is_sum_pooling():
    """What the degenerate form comes to: every film weighs 1."""
    target, history, mask = inputs()
    assert torch.equal(OneAtATime(D)(target, history, mask), mask.float())
    weights = layers.BilinearAttention(D)(target, history, mask)
    assert not torch.allclose(weights, mask.float())
