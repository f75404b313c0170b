"""Implicit data: the source's table of vectors fails the property that ours holds."""

from __future__ import annotations

import torch
from torch import nn

from recbyhand.layers import id_embedding
from recbyhand.models import MatrixFactorization
from tests.errata import fails
from tests.factories import make_batch, make_schema


class Capped(nn.Module):
    """C08: the source's embedding."""

    def __init__(self, weight):
        super().__init__()
        self.table = nn.Embedding(*weight.shape, _weight=weight.clone(), max_norm=1)

    def forward(self, batch):
        return self.table(batch.user).sum(-1)


def survives_a_look(model, batch) -> bool:
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        model.eval()(batch)
    return all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_c08_looking_up_changes_no_weight():
    schema = make_schema()
    batch = make_batch(schema)
    assert not survives_a_look(Capped(3 * torch.ones(schema.n_users, 4)), batch)
    model = MatrixFactorization(schema, dim=4)
    with torch.no_grad():
        for weight in model.parameters():
            weight.fill_(3.0)
    assert survives_a_look(model, batch)


def test_c08_a_look_up_does_not_change_the_table():
    def check(table):
        with torch.no_grad():
            table.weight *= 100
        before = table.weight.detach().clone()
        table.eval()(torch.arange(5))
        assert torch.equal(before, table.weight)

    check(id_embedding(10, 4))
    fails(check, nn.Embedding(10, 4, max_norm=1))
