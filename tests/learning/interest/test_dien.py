"""Chapter 4 where interests drift: DIEN over DIN, and what its second loss is worth there."""

from __future__ import annotations

import pytest

import recbyhand as rbh
from recbyhand.models import DIEN, DIN

# Half the gaps seen at first (1000 users: DIN .60, DIEN .87, without the second loss .72).
OVER_DIN, OVER_NO_SECOND_LOSS = 0.13, 0.07


@pytest.fixture(scope="module")
def task():
    return rbh.data.ctr(rbh.data.planted("drift", users=500))


def auc(task, kind, seed: int, **settings) -> float:
    rbh.seed(seed)
    model = kind(task.schema, dim=16, **settings)
    rbh.fit(model, task, epochs=3, batch_size=512, lr=0.01, seed=seed, progress=False)
    return rbh.metrics.auc(task.test.label, rbh.metrics.predict(model, task.test))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_dien_follows_the_drift(task, seed):
    dien = auc(task, DIEN, seed)
    assert dien > auc(task, DIN, seed, unit=64) + OVER_DIN  # as many parameters, within 4 %
    if seed == 0:
        assert dien > auc(task, DIEN, seed, alpha=0.0) + OVER_NO_SECOND_LOSS
    ceiling = task.dataset.truth.ceiling(task.test).auc
    assert dien < ceiling.high + 0.004
