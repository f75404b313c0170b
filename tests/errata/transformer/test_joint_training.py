"""Chapter 5, joint training: what the source's listing does fails where ours holds."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from recbyhand.data import toy
from recbyhand.layers import full_softmax_loss
from recbyhand.models import Transformer4Rec
from tests.errata import fails


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def lively(batch, kind=Transformer4Rec):
    model = kind(batch.schema, dim=8).eval()
    with torch.no_grad():
        model.item.weight[2:].normal_()
    return model


class AsksForTheTarget(Transformer4Rec):
    """The source: the predicted history ends with the target, whatever its label."""

    def loss(self, batch, generator=None):
        s, _, real = self.states(batch)
        n = real.sum(1) - 1  # (B,)
        rows = torch.arange(len(batch))
        target = full_softmax_loss(s[rows, n], batch.item, self.item.weight)
        terms = super().loss(batch, generator)
        return terms | {"auxiliary": terms["auxiliary"] + self.alpha * target}


def test_c59_a_disliked_target_is_no_answer():
    batch = toy(6, lengths=[3, 5, 1, 2, 5, 4], label=[0] * 6)
    other = dataclasses.replace(batch, item=(batch.item - 1) % 28 + 2)

    def check(model):
        assert torch.isclose(model.loss(batch)["auxiliary"], model.loss(other)["auxiliary"])

    check(lively(batch))
    fails(check, lively(batch, AsksForTheTarget))


def test_c19_a_sure_and_right_next_film_costs_nothing():
    items = torch.eye(32)
    state, came = 50 * items[5:6], torch.tensor([5])

    def check(loss):
        assert loss(state, came, items) < 1e-3

    check(full_softmax_loss)
    fails(check, lambda s, t, e: F.cross_entropy(torch.softmax(s @ e.T, dim=-1), t))


def test_c20_probabilities_sum_to_one_over_the_films():
    scores = torch.randn(3, 4, 7)  # (B, L, M)

    def check(softmax):
        assert torch.allclose(softmax(scores).sum(-1), torch.ones(3, 4))

    check(lambda s: s.softmax(dim=-1))
    fails(check, lambda s: s.softmax(dim=0))  # what Softmax() without dim takes for three axes


def test_the_same_question_gets_the_same_answer():
    """The source's listing draws what it feeds to the decoder; a score must not depend on the draw."""
    batch = toy(6, lengths=[3, 5, 1, 2, 5, 4])

    def check(model):
        assert torch.equal(model(batch), model(batch))

    class DrawsItsInput(Transformer4Rec):
        def forward(self, batch):
            drawn = torch.randint(2, batch.schema.n_items, batch.history.shape) * batch.history_mask
            return super().forward(dataclasses.replace(batch, history=drawn))

    check(lively(batch))
    fails(check, lively(batch, DrawsItsInput))
