"""Features know strangers: by half the gap that was seen at first."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import recbyhand as rbh
from recbyhand.models import ConcatMLP, FeatureMLP

# "crosses" with a fifth of the people hidden, seed 0: ids .51 and features .84 on strangers, best .845.
STRANGERS = 0.15


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_features_know_strangers_and_ids_do_not(seed):
    world = rbh.data.planted("crosses", seed=seed)
    task = rbh.data.ctr(world)
    new = torch.rand(task.schema.n_users, generator=torch.Generator().manual_seed(seed)) < 0.2  # (n_users,)
    strangers = task.test.subset(new[task.test.user])
    known = {part: getattr(task, part) for part in ("train", "valid")}
    task = dataclasses.replace(task, **{name: part.subset(~new[part.user]) for name, part in known.items()})

    def score(model) -> float:
        rbh.fit(model, task, epochs=8, lr=0.01, batch_size=2048, patience=2, progress=False)
        return rbh.evaluate(model, strangers)["auc"].item()

    rbh.seed(seed)
    ids, features = score(ConcatMLP(task.schema, hidden=(64, 32))), score(FeatureMLP(task.schema, ids=False))
    assert features > ids + STRANGERS
    assert features > world.truth.ceiling(strangers).auc.low
