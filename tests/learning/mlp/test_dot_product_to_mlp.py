"""Only a network that sees both sides draws every table: by half the gap that was seen at first."""

from __future__ import annotations

import pytest
import torch

import recbyhand as rbh
from recbyhand.layers import MLP

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
