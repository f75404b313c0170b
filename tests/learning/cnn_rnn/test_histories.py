"""Chapter 2 where order decides: a recurrent network reads it, a mean cannot."""

from __future__ import annotations

import pytest
import torch

import recbyhand as rbh
from recbyhand.models import PooledSequence, RNNRecommender

MARGIN = 0.15  # half the gap between a mean and a recurrent network in tests/data/test_planted_learning.py


@pytest.fixture(scope="module")
def task():
    return rbh.data.ctr(rbh.data.planted("order", users=500))


def trained(task, kind, seed: int, **settings):
    rbh.seed(seed)
    model = kind(task.schema, **settings)
    rbh.fit(model, task, epochs=8, batch_size=512, lr=0.01, seed=seed, progress=False)
    return model


def auc(model, batch) -> float:
    return rbh.metrics.auc(batch.label, rbh.metrics.predict(model, batch))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_plain_cell_reads_the_order(task, seed):
    rnn = trained(task, RNNRecommender, seed, cell="rnn", hidden_size=16)
    batch = task.test[:]
    read = auc(rnn, batch)
    assert read > auc(trained(task, PooledSequence, seed), batch) + MARGIN
    assert read < task.dataset.truth.ceiling(task.test).auc.high + 0.004
    order = torch.rand(batch.history.shape, generator=torch.Generator().manual_seed(0)).argsort(1)
    batch.history = batch.history.gather(1, order)
    assert auc(rnn, batch) < read - MARGIN, "it is the order that it reads"
