"""Chapter 1 on planted worlds: each mechanism beats its predecessor by half the gap that was seen at first."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import recbyhand as rbh
from recbyhand.layers import MLP
from recbyhand.models import ConcatMLP, FeatureMLP, MatrixFactorization, UserItemMean, als

# "factors", seed 0: user + item mean .628, MF on clicks .806, ALS on clicks .814, on stars .835, best .862.
GAP = 0.09


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_factorisation_learns_what_a_sum_of_effects_cannot(seed):
    world = rbh.data.planted("factors", seed=seed)
    task = rbh.data.ctr(world)
    shape = task.schema.n_users, task.schema.n_items

    def score(model) -> float:
        return rbh.evaluate(model, task.test)["auc"].item()

    def solved(value, reg):
        factors = als(task.train.user, task.train.item, value, shape=shape, dim=4, reg=reg)
        return MatrixFactorization.from_factors(task.schema, factors)

    baseline = score(UserItemMean(task))
    assert score(solved(task.train.label, 5.0)) > baseline + GAP
    rbh.seed(seed)
    trained = MatrixFactorization(task.schema, dim=8)
    rbh.fit(trained, task, epochs=10, lr=0.05, batch_size=4096, weight_decay=1.0, progress=False)
    assert score(trained) > baseline + GAP

    # Without the noise of clicks, four dimensions hold the truth: the gap to the ceiling is noise.
    exact = solved(torch.logit(world.truth.probability(task.train)), 0.1)
    assert score(exact) > world.truth.ceiling(task.test).auc.low


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


# The table of tastes in "crosses" copied with two numbers a side, seed 0: dot product .423 (its floor), two
# towers .423, concatenation .010 of mean squared error.
CLOSER = 0.2


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_only_a_network_that_sees_both_sides_draws_a_table_of_high_rank(seed):
    table = torch.tensor(rbh.data.planted("crosses", seed=seed, users=2).truth.cross, dtype=torch.float32)
    floor = (torch.linalg.svdvals(table)[2:] ** 2).sum() / table.numel()
    group, kind = torch.cartesian_prod(torch.arange(8), torch.arange(8)).T
    rbh.seed(seed)

    def error(score, *parts) -> float:
        user, item = torch.nn.Parameter(torch.randn(8, 2)), torch.nn.Parameter(torch.randn(8, 2))
        weights = [user, item, *(w for part in parts for w in part.parameters())]
        adam = torch.optim.Adam(weights, lr=0.02)
        for _ in range(600):
            loss = (score(user[group], item[kind]) - table[group, kind]).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
        return loss.item()

    left, right, both = MLP([2, 32, 2]), MLP([2, 32, 2]), MLP([4, 32, 1])
    dot = error(lambda u, v: (u * v).sum(1))
    towers = error(lambda u, v: (left(u) * right(v)).sum(1), left, right)
    concat = error(lambda u, v: both(torch.cat([u, v], 1))[:, 0], both)
    assert min(dot, towers) > floor - 1e-4
    assert concat < dot - CLOSER
