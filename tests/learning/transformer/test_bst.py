"""Chapter 5, BST: where time decides, the time gaps are worth it, and the target looks where the cause is.

World `fading`. After two epochs BST has not converged (the lesson says so), yet it is ahead of DIN, which sees no
time. DIN's number is the best of its seeds in the bench: it is not trained here again.
"""

from __future__ import annotations

from functools import partial

import pytest
import torch

import recbyhand as rbh
from benchmarks.transformer.succession import by_hand

DIN = 0.64  # the best of its seeds in benchmarks/results/transformer/bst.csv
MARGIN = 0.02


def test_two_layers_can_read_neighbours():
    """The world `succession` is within reach of two layers: weights set by hand score as the truth does."""
    task = rbh.data.ctr(rbh.data.planted("succession"))
    auc = rbh.evaluate(by_hand(task.schema, task.dataset.truth).eval(), task.test)["auc"].item()
    ceiling = task.dataset.truth.ceiling(task.test).auc
    assert ceiling.low < auc < ceiling.high


@pytest.fixture(scope="module")
def task():
    return rbh.data.ctr(rbh.data.planted("fading"))


@pytest.mark.parametrize("seed", [0, 1])
def test_time_gaps_are_worth_it(task, seed):
    how = {"epochs": 2, "lr": 0.005, "batch_size": 256}
    model = rbh.train(partial(rbh.models.BST, layers=2, norm="pre"), task, seed=seed, **how)
    auc, test = rbh.evaluate(model, task.test)["auc"].item(), task.test[:]
    with torch.no_grad():
        looks = model.attention(test)[0].mean(1)[:, -1, :-1]  # (B, L) heads averaged; the target's row
    found = task.dataset.truth.precision(looks, test)
    print(auc, found)
    assert auc > DIN + MARGIN
    assert found.precision > 2 * found.chance
    assert auc < task.dataset.truth.ceiling(task.test).auc.high
