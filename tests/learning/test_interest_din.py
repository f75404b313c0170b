"""Chapter 4, DIN on the planted world: the target's own look at the history is worth it, and finds the cause."""

from __future__ import annotations

import pytest
import torch

import recbyhand as rbh
from recbyhand.models import DIN, PooledSequence

# Half the gap of the design's first trial (pooled .758, DIN .832); seed 0 with these models: .778 and .860.
MARGIN = 0.037
# Half the way from chance (.15) to what seed 0 showed (.995): the largest weight stands at a film of the cause.
PRECISION = 0.57


@pytest.fixture(scope="module")
def task():
    return rbh.data.ctr(rbh.data.planted("interests"))


# Eight epochs: some starts find likeness late. Seed 2 is below the mean after four, and after eight still
# .04 below the ceiling that seeds 0 and 1 reach.
def fitted(model, task, seed, epochs, weight_decay):
    rbh.fit(model, task, epochs=epochs, lr=0.01, weight_decay=weight_decay, seed=seed, progress=False)
    return model.eval(), rbh.evaluate(model, task.test)["auc"].item()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_din_beats_the_mean_and_looks_where_the_cause_is(task, seed):
    rbh.seed(seed)
    _, pooled = fitted(PooledSequence(task.schema, dim=16, hidden=(64,)), task, seed, 8, 0.1)
    rbh.seed(seed)
    model, din = fitted(DIN(task.schema, dim=16), task, seed, 8, 0.01)
    truth, test = task.dataset.truth, task.test[:]
    with torch.no_grad():
        a = model.attention(test)
    # The sign of all weights is a convention of the head: take the better one.
    found = max(truth.precision(sign * a, test).precision for sign in (1, -1))
    seen = f"seed {seed}: pooled {pooled:.3f}, DIN {din:.3f}, top weight {found:.3f}"
    print(seen)
    assert din > pooled + MARGIN, seen
    assert found > PRECISION, seen
