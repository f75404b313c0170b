"""Chapter 4, "Pooling is blind": the source's head ranks alike for everybody; ours does not."""

from __future__ import annotations

import pytest
import torch

from recbyhand.models import PooledSequence
from tests.factories import make_batch, make_schema

SCHEMA = make_schema(n_users=22, n_items=60, history=8)


class OneLayer(PooledSequence):
    """C33: the source's "MLP", one linear layer and tanh on [x, t]."""

    def __init__(self, schema, **settings):
        super().__init__(schema, head="concat", hidden=(), **settings)

    def forward(self, batch):
        return torch.tanh(super().forward(batch))  # (B,)


def distinct_lists(kind, **settings) -> int:
    """Into how many orders twenty users with films in their histories put the catalogue."""
    torch.manual_seed(0)
    model = kind(SCHEMA, dim=8, **settings).double()
    with torch.no_grad():
        model.item.id.weight[2:].normal_()
    users = make_batch(SCHEMA, B=20, lengths=[1 + row % 8 for row in range(20)])
    row, items = torch.arange(20).repeat_interleave(58), torch.arange(2, 60).repeat(20)
    wide = users[row]
    wide.item = items
    with torch.no_grad():
        z = model(wide).view(20, 58)
    return len(z.argsort(dim=1, stable=True).unique(dim=0))


@pytest.mark.parametrize("pooling", ["mean", "sum"])
@pytest.mark.parametrize("head", [{}, {"hidden": ()}, {"head": "concat"}])
def test_c33_users_differ_in_their_lists(head, pooling):
    """Ours: a product, a hidden layer, or both."""
    assert distinct_lists(PooledSequence, pooling=pooling, **head) > 1
    assert not distinct_lists(OneLayer, pooling=pooling) > 1


def test_c33_the_gap_of_two_films_is_the_same_for_everybody():
    """The reason: z_u(t) - z_u(t') has no u in it."""
    torch.manual_seed(0)
    batch = make_batch(SCHEMA, B=20)

    def gaps(model):
        scores = []
        for film in (5, 6):
            batch.item = torch.full((20,), film)
            scores.append(model.double()(batch))
        return scores[0] - scores[1]

    assert gaps(PooledSequence(SCHEMA, head="concat", hidden=())).std() < 1e-12
    assert gaps(PooledSequence(SCHEMA)).std() > 1e-6
