"""Chapter 3, Wide & Deep: it keeps exceptions like a table and reaches hidden pairs like a network, on three seeds."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest
import torch

import recbyhand as rbh
from recbyhand.evaluation.metrics import auc, predict
from recbyhand.models import FeatureMLP, Poly2, WideDeep

# Half of the smallest gap that seeds 0 to 2 showed: exceptions .88 against .40, hidden pairs .87 against .41.
GAP, N, CROSS = 0.2, 40, [("user", "item")]
MAKES = {
    "memory": (lambda s: Poly2(s, pairs=CROSS), 0.03),
    "rule": (lambda s: FeatureMLP(s, dim=8, hidden=(32,)), 0.03),
    "both": (lambda s: WideDeep(s, dim=8, hidden=(32,), crosses=CROSS), 0.01),
}


def world(seed: int):
    """The lesson's: like goes with like, one pair in ten is an exception, three in twenty are never shown."""
    g = torch.Generator().manual_seed(seed)
    sorts = torch.tensor([-1.0, 1.0]).repeat(N // 2)
    rule = 2 * torch.outer(*(sorts[torch.randperm(N, generator=g)] for _ in range(2)))
    draw = torch.rand(N, N, generator=g)
    exception, hidden = draw < 0.10, draw > 0.85
    truth = torch.where(exception, -rule, rule)

    def rows(pairs, times):
        pairs = pairs.nonzero().repeat(times, 1)
        label = torch.bernoulli(torch.sigmoid(truth[pairs.unbind(1)]), generator=g)
        return pd.DataFrame({"user": pairs[:, 0], "item": pairs[:, 1], "rating": 1 + 4 * label})

    anywhere = torch.ones_like(hidden)
    parts = [rows(~hidden, 15), rows(anywhere, 2), rows(anywhere, 6)]
    whole = rbh.data.ctr(rbh.data.from_frames(pd.concat(parts, ignore_index=True)), valid=0, test=0)
    task = SimpleNamespace(schema=whole.schema)
    as_made = whole.train.time.argsort().split([len(part) for part in parts])
    task.train, task.valid, task.test = map(whole.train.subset, as_made)
    return task, exception, hidden


@pytest.mark.parametrize("seed", range(3))
def test_memory_and_rule_in_one_model(seed):
    task, exception, hidden = world(seed)
    at, found = (task.test.user - 2, task.test.item - 2), {}
    for name, (make, lr) in MAKES.items():
        rbh.seed(seed)
        model = make(task.schema)
        rbh.fit(model, task, epochs=8, batch_size=512, lr=lr, progress=False)
        z = predict(model, task.test)
        found[name] = [auc(task.test.label[kind[at]], z[kind[at]]) for kind in (exception, hidden)]
    assert found["both"][0] > found["rule"][0] + GAP
    assert found["both"][1] > found["memory"][1] + GAP
