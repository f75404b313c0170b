"""The models that count, against counting by hand."""

import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import recbyhand as rbh
from recbyhand.models import ItemNeighbours, Popularity, UserItemMean


def small_task():
    """User 0 rates items 0-4, and so on; the last two of each user are for validation and test."""
    rng = np.random.default_rng(0)
    rows = [
        (u, int(i), 5 if (u + i) % 3 else 2, t)
        for u in range(12)
        for t, i in enumerate(rng.permutation(9)[:7])
    ]
    return rbh.data.ctr(
        rbh.data.from_frames(pd.DataFrame(rows, columns=["user", "item", "rating", "time"])), valid=1, test=1
    )


@pytest.fixture(scope="module")
def task():
    return small_task()


def test_popularity_ranks_by_the_number_of_likes(task):
    _, item, label = task.interactions()
    likes = [sum(y for i, y in zip(item.tolist(), label.tolist(), strict=True) if i == j) for j in range(11)]
    logit = Popularity(task).logit
    assert len(set(likes)) > 3
    for i in range(2, 11):
        for j in range(2, 11):
            assert (likes[i] > likes[j]) == bool(logit[i] > logit[j])


def test_popularity_gives_the_most_probable_line(task):
    """scikit-learn's logistic regression on the logarithm of the counts finds the same line."""
    from sklearn.linear_model import LogisticRegression

    big = rbh.data.ctr(rbh.data.planted("factors", users=100))
    _, item, label = big.interactions()
    x = torch.log1p(torch.bincount(item, label, big.schema.n_items))
    line = LogisticRegression(C=1e6, solver="newton-cholesky").fit(x[item, None], label)
    assert line.coef_[0, 0] > 0.1
    expected = line.intercept_[0] + line.coef_[0, 0] * x[2:].numpy()
    assert Popularity(big).logit[2:].numpy() == pytest.approx(expected, abs=2e-3)


def test_popularity_never_ranks_the_less_liked_higher():
    """Film 0 is shown to all and liked by few: its likes are many, its rate is low. The count decides."""
    rows = [(u, 0, 5 if u < 8 else 1, 0) for u in range(40)] + [(u, 1 + u % 4, 5, 1) for u in range(20)]
    rows += [(u, 9, 5, 2 + t) for u in range(40) for t in range(2)]  # for validation and test
    task = rbh.data.ctr(
        rbh.data.from_frames(
            pd.DataFrame(rows, columns=["user", "item", "rating", "time"]).drop_duplicates(["user", "item"])
        ),
        valid=0,
        test=1,
    )
    logit = Popularity(task).logit
    assert logit[task.schema.item_id(0)] > logit[task.schema.item_id(1)]
    assert torch.isfinite(logit).all()


def test_user_and_item_mean_by_hand(task):
    user, item, label = (x.tolist() for x in task.interactions())
    rows = list(zip(user, item, label, strict=True))
    m = (sum(label) + 1) / (len(label) + 2)

    def s(p):
        return math.log(p / (1 - p))

    def mean(column, key):
        mine = [r[2] for r in rows if r[column] == key]
        return (sum(mine) + 10 * m) / (len(mine) + 10)

    batch = task.test[0:12]
    expected = [
        s(mean(0, u)) + s(mean(1, i)) - s(m)
        for u, i in zip(batch.user.tolist(), batch.item.tolist(), strict=True)
    ]
    assert UserItemMean(task)(batch).tolist() == pytest.approx(expected, abs=1e-5)


def test_the_unknown_say_nothing(task):
    model = UserItemMean(task)
    batch = task.test[0:1]
    batch.user, batch.item = torch.ones(2, 1, dtype=torch.long)
    assert model(batch).item() == pytest.approx(model.mean.item(), abs=1e-5)


@pytest.mark.parametrize("model", [Popularity, UserItemMean])
@pytest.mark.parametrize("rating", [1, 5])
def test_one_class_is_finite(model, rating):
    rows = [(u, i, rating if i < 3 else 5, i) for u in range(3) for i in range(4)]  # only the test may differ
    frame = pd.DataFrame(rows, columns=["user", "item", "rating", "time"])
    task = rbh.data.ctr(rbh.data.from_frames(frame), valid=1, test=1)
    assert torch.isfinite(model(task)(task.test[0:3])).all()


@pytest.mark.parametrize("model", [Popularity, UserItemMean])
def test_everything_takes_them(model, task, tmp_path):
    model = model(task)
    assert rbh.evaluate(model, task.test)["rows"].item() == 12
    assert 0 <= rbh.evaluate_ranking(model, task, k=3)["HR@3"].item() <= 1
    assert len(rbh.recommend(model, task, user=3, k=2)) == 2
    rbh.save(model, tmp_path / "counts")
    assert torch.equal(rbh.predict(rbh.load(tmp_path / "counts"), task.test), rbh.predict(model, task.test))
    with pytest.raises(ValueError, match="no weights to train"):
        rbh.fit(model, task)


def test_user_and_item_mean_are_hard_to_beat_on_movielens():
    place = Path(os.environ.get("RECBYHAND_DATA", "."))
    if not (place / "ml-100k" / "u.data").exists():
        pytest.skip("no copy of MovieLens 100K")
    task = rbh.data.ctr(rbh.data.movielens("100k"))
    assert rbh.evaluate(UserItemMean(task), task.test)["auc"].item() == pytest.approx(0.770, abs=0.003)
    assert rbh.evaluate(Popularity(task), task.test)["auc"].item() == pytest.approx(0.705, abs=0.003)


def test_item_neighbours_sum_cosines_over_the_history(task):
    user, item, label = (column.tolist() for column in task.interactions())
    fans = [
        {u for u, i, y in zip(user, item, label, strict=True) if i == j and y}
        for j in range(task.schema.n_items)
    ]

    def near(i, j):
        return (
            len(fans[i] & fans[j]) / math.sqrt(len(fans[i]) * len(fans[j]))
            if i != j and fans[i] and fans[j]
            else 0
        )

    model, batch = ItemNeighbours(task), task.test[:]
    expected = [
        sum(near(i, j) for j, real in zip(past, mask, strict=True) if real)
        for i, past, mask in zip(
            batch.item.tolist(), batch.history.tolist(), batch.history_mask.tolist(), strict=True
        )
    ]
    assert len(set(expected)) > 3
    torch.testing.assert_close(model(batch), torch.tensor(expected))
    scores = model.score_items(batch, task.catalogue())  # (U, I)
    torch.testing.assert_close(scores.gather(1, batch.item[:, None] - 2)[:, 0], model(batch))
