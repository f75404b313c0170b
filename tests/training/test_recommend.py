"""What a model recommends."""

import math

import pytest
import torch

import recbyhand as rbh
from recbyhand.models import FM, MatrixFactorization


@pytest.fixture(scope="module")
def task():
    return rbh.data.ctr(rbh.data.planted("crosses", users=60))


def trained(task, make=FM, **settings):
    rbh.seed(0)
    model = make(task.schema, dim=4)
    return model, rbh.fit(model, task, **{"epochs": 2, "batch_size": 256} | settings)


def test_recommend_by_hand(task):
    model, _ = trained(task)
    user = task.schema.user_ids[3]
    table = rbh.recommend(model, task, user, k=5)
    assert list(table) == ["rank", "title", "probability"]
    assert table["rank"].tolist() == [1, 2, 3, 4, 5]
    uid = task.schema.user_id(user)
    met = {i for p in (task.train, task.valid, task.test) for i in p.item[p.user == uid].tolist()}
    views = task.dataset.events
    met |= set(task.schema.encode_items(views["item"][views["user"] == user]).tolist())
    scores = {}
    for item in range(2, task.schema.n_items):
        batch = task.candidates(task.users_at(torch.tensor([uid])), torch.tensor([item]))
        scores[item] = torch.sigmoid(rbh.predict(model, batch)).item()
    best = sorted((i for i in scores if i not in met), key=lambda i: -scores[i])[:5]
    assert table["title"].tolist() == [task.schema.title(i) for i in best]
    assert table["probability"].tolist() == pytest.approx([scores[i] for i in best], abs=1e-6)
    everything = rbh.recommend(model, task, user, k=10**6, seen=True)
    assert len(everything) == task.schema.n_items - 2
    assert len(rbh.recommend(model, task, user, k=10**6)) == task.schema.n_items - 2 - len(met)


def test_one_user_at_a_time(task):
    with pytest.raises(TypeError, match=r"give one user, not \[1, 2\]"):
        rbh.recommend(FM(task.schema, dim=2), task, [1, 2])


def test_an_unknown_user_is_named(task):
    with pytest.raises(KeyError, match="no user 'nobody'"):
        rbh.recommend(FM(task.schema, dim=2), task, "nobody")


def test_a_probability_that_is_no_number_recommends_nothing(task):
    model = MatrixFactorization(task.schema, dim=2)
    torch.nn.init.constant_(model.mean, math.nan)
    with pytest.raises(ValueError, match="not a number"):
        rbh.recommend(model, task, user=task.schema.user_ids[0])
