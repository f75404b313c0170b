"""Tables of positives only: negatives are drawn after the split, by rules that each have a test here."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

import recbyhand as rbh
from recbyhand.data import ctr, from_frames, with_negatives


def purchases(users: int = 60, items: int = 40, each: int = 12) -> pd.DataFrame:
    """Popular items first; a new item comes into the catalogue every 50 seconds."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(users):
        times = np.sort(rng.choice(2000, each, replace=False))
        for time in times:
            there = min(items, 5 + time // 50)
            rows.append((user, int(there * rng.random() ** 2), int(time)))
    return pd.DataFrame(rows, columns=["user", "item", "time"]).drop_duplicates()


@pytest.fixture(scope="module")
def plain():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ctr(from_frames(purchases()), history=5)


@pytest.fixture(scope="module", params=["uniform", "popularity"])
def task(request, plain):
    return with_negatives(plain, 4, by=request.param)


def pairs(part) -> set:
    return set(zip(part.user.tolist(), part.item.tolist(), strict=True))


def test_ctr_says_what_is_missing_and_the_remedy_works():
    with pytest.warns(UserWarning, match=r"every label is 1.*rbh.data.with_negatives\(task\)") as caught:
        task = ctr(from_frames(purchases()), history=5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        remedy = str(caught[0].message).split("task = ")[1].split(", and")[0]
        task = eval(remedy, {"rbh": rbh, "task": task})
        assert 0.19 < task.train.label.mean() < 0.22
        rated = purchases().assign(rating=[5, 1] * (len(purchases()) // 2) + [5] * (len(purchases()) % 2))
        ctr(from_frames(rated))


def test_each_positive_of_training_and_validation_gets_its_negatives(plain, task):
    for before, after in ((plain.train, task.train), (plain.valid, task.valid)):
        assert torch.equal(after.drawn, after.label == 0)
        assert pairs(after.observed()) == pairs(before)
        assert len(after) >= 4.5 * len(before)
        assert len(after) <= 5 * len(before)
        moments = set(zip(before.user.tolist(), before.time.tolist(), before.end.tolist(), strict=True))
        assert set(zip(after.user.tolist(), after.time.tolist(), after.end.tolist(), strict=True)) == moments
        key = after.user * 10**6 + after.time
        assert (key.diff() >= 0).all()  # by user and time, as ever
    assert task.test is plain.test
    assert task.events is plain.events


def test_a_negative_is_no_positive_of_its_user_earlier_or_later(plain, task):
    positive = pairs(plain.train) | pairs(plain.valid) | pairs(plain.test)
    for part in (task.train, task.valid):
        assert not pairs(part.subset(part.drawn)) & positive


def test_a_negative_was_in_the_catalogue_at_that_time(plain, task):
    parts = (plain.train, plain.valid, plain.test)
    item, time = (torch.cat([getattr(part, name) for part in parts]) for name in ("item", "time"))
    first = torch.full((plain.schema.n_items,), 10**9).scatter_reduce(0, item, time, "amin")
    for part in (task.train, task.valid):
        assert (first[part.item] <= part.time).all()
        assert (part.item >= 2).all()


def test_negatives_are_not_seen_and_move_no_cut(plain, task):
    before, after = plain.ranking(), task.ranking()
    for name in ("user", "seen", "relevant"):
        assert torch.equal(getattr(before, name), getattr(after, name))
    assert torch.equal(before.batch.time, after.batch.time)
    assert torch.equal(before.batch.history, after.batch.history)
    for user in (0, 7):
        assert torch.equal(plain.met(user), task.met(user))
    assert torch.equal(plain.test.cold_item, task.test.cold_item)


def test_edges_are_rows_of_the_new_training_part(task):
    assert task.train[:].edge.tolist() == list(range(len(task.train)))
    assert set(task.valid[:].edge.tolist()) == {-1}


def test_seeded(plain, task):
    by = task.settings["negatives"]["by"]
    again, other = with_negatives(plain, 4, by=by), with_negatives(plain, 4, by=by, seed=1)
    assert torch.equal(again.train.item, task.train.item)
    assert not torch.equal(other.train.item, task.train.item)
    assert f"4 negatives drawn for each positive ({by})" in repr(task)


def test_by_popularity_popular_items_are_drawn_oftener(plain):
    count = torch.bincount(plain.train.item, minlength=plain.schema.n_items).float()
    mean = {}
    for by in ("uniform", "popularity"):
        train = with_negatives(plain, 4, by=by).train
        mean[by] = count[train.item[train.drawn]].mean()
    assert mean["popularity"] > 1.2 * mean["uniform"]


def test_refused(plain, task):
    with pytest.raises(ValueError, match="drawn for this task already"):
        with_negatives(task)
    with pytest.raises(ValueError, match='choose "uniform" or "popularity"'):
        with_negatives(plain, by="random")
    with pytest.raises(ValueError, match="ratio=0: give a whole number, at least 1"):
        with_negatives(plain, 0)


def test_it_trains_and_ranks(plain):
    task = with_negatives(plain)
    rbh.seed(0)
    model = rbh.models.MatrixFactorization(task.schema, dim=4)
    log = rbh.fit(model, task, epochs=3, progress=False)
    assert 0.3 < log["loss"].iloc[-1] < 0.69  # of positives alone it falls towards 0
    row = rbh.evaluate_ranking(model, task)
    assert row["users"].item() == len(plain.ranking())
