"""Chapter 5, BST: what the source's listing does fails where ours holds."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from recbyhand.data import toy
from recbyhand.models import BST
from tests.errata import fails


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_c75_other_time_gaps_give_another_score():
    batch = toy(6, lengths=[3, 5, 1, 2, 5, 4])
    later = dataclasses.replace(batch, time=batch.time + 40 * 86_400)  # the same films in the same order

    def minds_time(**settings):
        model = BST(batch.schema, dim=8, **settings).eval()
        assert not torch.allclose(model(batch), model(later), atol=1e-6)

    minds_time()
    fails(lambda: minds_time(positions="sinusoidal"))  # the source: the encoder of translation, called BST


def test_c75_the_target_is_one_of_the_events():
    batch = toy(6, lengths=[3, 5, 1, 2, 5, 4])
    other = dataclasses.replace(batch, item=(batch.item - 1) % 28 + 2)

    def events_see_the_target(mask):
        model = BST(batch.schema, dim=8)
        (x, real), (y, _) = model.tokens(batch), model.tokens(other)
        may = real[:, None] & mask  # (B, T, T)
        a, b = (model.encoder(tokens, may)[:, 0] for tokens in (x, y))
        assert not torch.allclose(a, b, atol=1e-6)

    events_see_the_target(torch.ones(6, 6, dtype=torch.bool))
    without = torch.ones(6, 6, dtype=torch.bool)
    without[:-1, -1] = False  # nobody but the target itself may look at it: DIN's direction only
    fails(lambda: events_see_the_target(without))


def test_c05_a_batch_of_one_keeps_its_axis():
    batch = toy(4, lengths=[3, 5, 1, 2])

    def check(model):
        assert model(batch[:1]).shape == (1,)

    class Squeezed(BST):  # the listing's last line
        def forward(self, batch):
            return super().forward(batch)[:, None].squeeze()

    check(BST(batch.schema, dim=8))
    fails(check, Squeezed(batch.schema, dim=8))
