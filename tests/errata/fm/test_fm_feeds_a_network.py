"""*FM feeds a network*: the source's forms of FNN and NFM fail the properties that ours hold."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from recbyhand.models import FM, FNN, NFM
from tests.errata import fails
from tests.factories import make_batch, make_schema

SCHEMA = make_schema()


class ImprovedFNN(NFM):
    """C25: the source's "improved FNN", which is NFM less the ½, the base and the linear part."""

    def forward(self, batch):
        v = self.embedding(batch.ids())  # (B, F, d)
        f = v.sum(1) ** 2 - (v**2).sum(1)  # (B, d)
        return self.mlp(f)[:, 0]  # (B,)


class WithHalf(ImprovedFNN):
    """The same with the ½: the linear part alone is missing."""

    def forward(self, batch):
        return self.mlp(self.interaction(self.embedding(batch.ids())))[:, 0]  # (B,)


def trained_fm() -> FM:
    torch.manual_seed(0)
    fm = FM(SCHEMA, dim=4)
    with torch.no_grad():
        for parameter in fm.parameters():
            parameter.normal_()
    return fm


def contains_fm(kind) -> bool:
    """With the simplest network, no hidden layer and all weights 1, NFM is FM."""
    fm, batch = trained_fm(), make_batch(SCHEMA)
    model = kind(SCHEMA, dim=4, hidden=())
    model.load_state_dict(fm.state_dict(), strict=False)
    with torch.no_grad():
        model.mlp[-1].weight.fill_(1)
        model.mlp[-1].bias.zero_()
        return torch.allclose(model(batch), fm(batch), atol=1e-4)


def test_c25_nfm_contains_fm_and_the_improved_fnn_does_not():
    assert contains_fm(NFM)
    assert not contains_fm(ImprovedFNN)
    assert not contains_fm(WithHalf)


@pytest.mark.parametrize(("frozen", "moves"), [(False, True), (True, False)])
def test_c26_one_step_moves_all_that_came_from_the_fm(frozen, moves):
    """Base, weights and vectors; that every looked-up row moves: below."""
    fm = trained_fm()
    model = FNN.from_fm(fm, hidden=(8,), frozen=frozen)
    batch = make_batch(SCHEMA)
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01)
    torch.nn.functional.binary_cross_entropy_with_logits(model(batch), batch.label).backward()
    optimiser.step()
    for name in ("bias", "linear.table.weight", "embedding.table.weight"):
        moved = not torch.equal(model.state_dict()[name], fm.state_dict()[name])
        assert moved == moves, name


def test_c26_fine_tuning_reaches_the_embeddings():
    def check(model):
        before = model.embedding.table.weight.detach().clone()
        optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01)
        batch = make_batch(SCHEMA)
        F.binary_cross_entropy_with_logits(model(batch), batch.label).backward()
        optimiser.step()
        looked_up = before.abs().sum(1) > 0
        looked_up &= torch.isin(torch.arange(len(before)), batch.user)  # the rows of these users
        assert looked_up.any()
        assert (model.embedding.table.weight != before).any(1)[looked_up].all()

    fm = FM(SCHEMA)
    check(FNN.from_fm(fm))
    fails(check, FNN.from_fm(fm, frozen=True))
