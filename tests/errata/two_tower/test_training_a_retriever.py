"""Chapter 7, training a retriever: what the note lacks, and what a listing that trains does wrong."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import recbyhand as rbh
from recbyhand.models import TwoTower
from tests.errata import fails
from tests.factories import make_batch, make_schema

SCHEMA = make_schema()


@pytest.fixture(scope="module")
def task():
    return rbh.data.ctr(rbh.data.planted("factors", users=60))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_t07_no_history_holds_its_target_or_what_comes_after(task):
    def check(batch_of):
        for part in (task.train, task.test):
            batch = batch_of(part)
            assert not ((batch.history_time >= batch.time[:, None]) & batch.history_mask).any()

    check(lambda part: part[:])
    fails(
        check, lambda part: dataclasses.replace(task.users_at(part.user), time=part.time)
    )  # all that there is


def test_t07_a_ranking_is_made_at_the_cut(task):
    ranking = task.ranking()
    first = torch.full((task.schema.n_users,), torch.iinfo(torch.long).max)
    first.scatter_reduce_(0, task.test.user, task.test.time, "amin")

    def check(batch):
        assert ((batch.history_time < first[ranking.user][:, None]) | ~batch.history_mask).all()

    check(ranking.batch)
    fails(check, task.users_at(ranking.user))


def test_t07_cosines_have_a_temperature():
    """Vectors of length 1 without one: the softmax over 500 films cannot come near its answer."""
    u = F.normalize(torch.randn(1, 8), dim=1)
    logits = torch.cat([u @ u.T, -(u @ u.T).expand(1, 499)], dim=1)  # the surest there is

    def check(temperature):
        assert (logits / temperature).softmax(1)[0, 0] > 0.9

    check(TwoTower(SCHEMA).temperature)
    fails(check, 1.0)


def test_t07_the_correction_learns_log_p_and_its_lack_does_not():
    """The minimum of the expected loss of two films a batch, where both orders of a pair are known."""
    p, q = torch.tensor([0.4, 0.6]), torch.tensor([0.8, 0.2])

    def minimum(correct):
        x = torch.zeros((), requires_grad=True)  # s_0 - s_1
        step = torch.optim.LBFGS([x], max_iter=100)
        c = correct * (q[0] / q[1]).log()

        def loss():
            step.zero_grad()
            value = p[0] * q[1] * F.softplus(c - x) + p[1] * q[0] * F.softplus(x - c)
            value.backward()
            return value

        step.step(loss)
        return x.item()

    def check(correct):
        assert math.isclose(minimum(correct), math.log(0.4 / 0.6), abs_tol=1e-3)

    check(True)
    fails(check, False)
    assert math.isclose(minimum(False), math.log(0.4 / 0.6 / 4), abs_tol=1e-3)


def test_t08_a_stranger_has_a_list_of_the_history():
    batch = make_batch(SCHEMA, lengths=[3] * 8)
    strangers = dataclasses.replace(batch, user=torch.ones_like(batch.user))
    items = torch.arange(2, SCHEMA.n_items)

    class Ids(nn.Module):
        """The note's user without a history: a vector per id."""

        def __init__(self):
            super().__init__()
            self.user, self.item = nn.Embedding(SCHEMA.n_users, 8), nn.Embedding(SCHEMA.n_items, 8)

        def score_items(self, batch, items):
            return self.user(batch.user) @ self.item(items).T

    def check(model):
        scores = model.score_items(strangers, items)
        assert torch.isfinite(scores).all()
        assert not torch.allclose(scores[0], scores[1])

    check(TwoTower(SCHEMA, users=True).eval())
    check(TwoTower(SCHEMA).eval())
    fails(check, Ids())
