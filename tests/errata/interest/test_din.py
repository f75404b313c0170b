"""Chapter 4, DIN: the source's listing fails the properties that ours holds."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recbyhand.layers import MLP, LocalActivationUnit, weighted_sum
from recbyhand.models import DIN
from tests.factories import make_batch, make_schema

SCHEMA = make_schema(n_users=40, n_items=40)


class Listing(nn.Module):
    """As printed: films score themselves, one linear layer, Dice and dropout on the logit, a flag for eval."""

    def __init__(self, schema, dim=8):
        super().__init__()
        self.items = nn.Embedding(schema.n_items, dim)
        self.score = nn.Linear(dim, 1)
        self.dense = nn.Linear(2 * dim, 1)
        self.norm = nn.BatchNorm1d(1)

    def attention(self, batch):
        return torch.softmax(self.score(self.items(batch.history)), dim=1)[..., 0]  # (B, L)

    def linear(self, batch):
        x = weighted_sum(self.attention(batch), self.items(batch.history))  # (B, d)
        return self.dense(torch.cat([x, self.items(batch.item)], 1))  # (B, 1)

    def output(self, z):
        p = torch.sigmoid(self.norm(z))
        return p * z + (1 - p) * 0.1 * z  # (B, 1)

    def forward(self, batch, training=False):
        return F.dropout(self.output(self.linear(batch)), 0.5, training).squeeze(-1)  # (B,)


def ours() -> DIN:
    model = DIN(SCHEMA, dim=8).eval()
    with torch.no_grad():
        model.item.id.weight[2:] *= 20
        # Any weights: the gates are where training might have left them.
        for dice in (model.unit.dice, model.mlp[1]):
            dice.norm.running_mean.normal_()
    return model


@pytest.fixture
def asked():
    """20 users, each with the same 15 films."""
    people = make_batch(SCHEMA, B=21)[1:]  # row 0 has no history
    row = torch.arange(20).repeat_interleave(15)
    return dataclasses.replace(people[row], item=torch.arange(2, 17).repeat(20))


def follows_the_target(model, batch) -> bool:
    weights = model.attention(batch).view(20, 15, -1)
    return not torch.allclose(weights, weights[:, :1].expand_as(weights))


def different_rankings(scores) -> int:
    return len(scores.view(20, 15).argsort(1).unique(dim=0))


def test_c34_attention_follows_the_target_and_users_differ_in_what_they_get(asked):
    with torch.no_grad():
        theirs, model = Listing(SCHEMA).eval(), ours()
        assert not follows_the_target(theirs, asked)
        assert different_rankings(theirs.linear(asked)) == 1
        z = theirs.linear(asked).view(20, 15)
        assert (z - z[:1]).std(1).max() < 1e-5  # the gap between two users is the same for every film
        assert follows_the_target(model, asked)
        assert different_rankings(model(asked)) > 10


def keeps_the_strength(unit) -> bool:
    target, history = torch.randn(3, 4), torch.randn(3, 5, 4)
    twice = torch.cat([history, history], 1)

    def x(events):
        return weighted_sum(unit(target, events, torch.ones(events.shape[:2], dtype=torch.bool)), events)

    return torch.allclose(x(twice), 2 * x(history), atol=1e-5)


def test_c35_a_history_shown_twice_gives_twice_the_vector():
    assert not keeps_the_strength(LocalActivationUnit(4, normalise=True).eval())
    assert keeps_the_strength(LocalActivationUnit(4).eval())


def over_the_history(scores, batch) -> bool:
    """Scores have an axis of length L that a softmax shares out."""
    return scores.shape[:2] == batch.history.shape and bool((scores.softmax(1) < 1).any())


def test_c37_scores_have_the_axis_of_the_history():
    batch, listing = make_batch(SCHEMA, B=6), Listing(SCHEMA)
    e = listing.items(batch.history)
    assert e.shape == (*batch.history.shape, 8), "not (batch, k), as the comment says"
    assert not over_the_history(listing.score(e.sum(1)), batch), "what the comments describe"
    assert (listing.score(e.sum(1)).softmax(1) == 1).all()
    assert over_the_history(listing.score(e), batch)
    assert ours().attention(batch).shape == batch.history.shape


def can_be_sure(head, last: nn.Linear) -> bool:
    """With a bias of -20 the probability is next to nothing."""
    with torch.no_grad():
        last.bias.fill_(-20)
        return bool(torch.sigmoid(head()).max() < 1e-6)


def test_c38_the_output_is_linear():
    batch, theirs, model = make_batch(SCHEMA, B=6), Listing(SCHEMA).eval(), ours()
    assert not can_be_sure(lambda: theirs(batch), theirs.dense)
    assert can_be_sure(lambda: model(batch), model.mlp[-1])
    assert isinstance(MLP([4, 3, 1], activation="dice")[-1], nn.Linear)


def is_alone_in_eval(model, batch) -> bool:
    """What the caller does to infer: eval(), and, where there is a flag, the flag."""
    with torch.no_grad():
        return torch.allclose(model(batch)[:1], model(batch[:4])[:1], atol=1e-6)


def test_c39_a_score_does_not_depend_on_its_company():
    batch, theirs = make_batch(SCHEMA, B=12), Listing(SCHEMA)
    assert theirs.training, "the flag alone leaves it so"
    assert not is_alone_in_eval(theirs, batch)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        theirs(batch[:1])
    assert is_alone_in_eval(ours(), batch)
    assert DIN(SCHEMA, dim=8).train()(batch[:1]).shape == (1,)
