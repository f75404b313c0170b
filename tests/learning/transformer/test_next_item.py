"""SASRec on a planted walk: the kind of the last film decides the next one, and who cannot see the order guesses."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

import recbyhand as rbh
from recbyhand.models import SASRec

# Half the gap of the first trial (seed 0, full softmax: HR@10 .827, popularity .102), fixed before anything was tuned.
MARGIN = 0.36


def walk(users=600, length=24, kinds=12, size=10, follow=0.8, seed=0) -> pd.DataFrame:
    """Each film is, with probability `follow`, of the kind that follows the last one's on a hidden circle."""
    rng = np.random.default_rng(seed)
    circle = rng.permutation(kinds)
    after, rows = dict(zip(circle, np.roll(circle, -1), strict=True)), []
    for user in range(users):
        free, kind = {k: list(rng.permutation(size)) for k in range(kinds)}, rng.integers(kinds)
        for time in range(length):
            kind = after[kind] if rng.random() < follow else rng.integers(kinds)
            kind = kind if free[kind] else max(free, key=lambda k: len(free[k]))
            rows.append((user, f"{kind}.{free[kind].pop()}", time, 1))
    return pd.DataFrame(rows, columns=["user", "item", "time", "rating"])


@pytest.fixture(scope="module")
def task():
    with pytest.warns(UserWarning, match="every label is 1"):
        return rbh.data.ctr(rbh.data.from_frames(walk(), like=1), valid=1, test=1)


@pytest.fixture(scope="module")
def newest(task):
    """The newest training row of each user: one pass over its history asks for all the others."""
    user = task.train.user
    return (user != torch.cat([user[1:], user.new_zeros(1)])).nonzero()[:, 0]


def hits(model, task) -> float:
    return rbh.evaluate_ranking(model, task)["HR@10"].item()


@pytest.mark.parametrize(("loss", "seed"), [("softmax", 0), ("softmax", 1), ("softmax", 2), ("sampled", 3), ("bce", 4)])
def test_the_last_film_decides_the_next(task, newest, loss, seed):
    epochs = 14 if loss == "bce" else 6  # one negative a question teaches less of it
    how = {"epochs": epochs, "lr": 0.01, "batch_size": 64, "sampler": newest}
    model = rbh.train(lambda s: SASRec(s, dim=16, layers=1, dropout=0.1, loss=loss), task, seed=seed, **how)
    reached = hits(model, task)
    assert reached > hits(rbh.models.Popularity(task), task) + MARGIN

    class Shuffled(SASRec):  # the same weights, which read the same films in another order
        def score_items(self, batch, items):
            turned = batch.history.flip(1)
            return model.score_items(dataclasses.replace(batch, history=turned), items)

        def forward(self, batch):
            return model(batch)

    assert batch_is_full(task), "flipping moves no padding"
    assert reached > hits(Shuffled(task.schema), task) + MARGIN


def batch_is_full(task) -> bool:
    return bool(task.ranking().batch.history_mask.all())


def test_the_newest_place_looks_at_the_newest_film(task, newest):
    how = {"epochs": 6, "lr": 0.01, "batch_size": 64, "sampler": newest}
    model = rbh.train(lambda s: SASRec(s, dim=16, layers=1, dropout=0.1, loss="softmax"), task, **how)
    looks = model.attention(task.ranking().batch)[0][:, 0, -1]  # (U, L) of the newest place
    share = looks[:, -1].mean().item()
    print(share)
