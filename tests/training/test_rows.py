"""Rows of a table that no batch reads are left alone; everywhere else it is AdamW."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import recbyhand as rbh
from recbyhand.training import RowAdamW, rows_only


@pytest.fixture(scope="module")
def task():
    return rbh.data.ctr(rbh.data.planted("interests", users=100))


def steps(optimizer: type, sparse: bool, ids: list[torch.Tensor], clip: float | None = None) -> nn.Embedding:
    torch.manual_seed(0)
    table = nn.Embedding(6, 3, sparse=sparse)
    made = optimizer(table.parameters(), lr=0.1, weight_decay=0.5)

    def losses(model, batch, _):
        return {"loss": (model(batch) ** 3).sum()}, None

    for some in ids:
        rbh.training.step(table, some, made, clip=clip, compute=losses)
    return table


@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("sparse", [True, False])
def test_it_is_adamw_where_every_row_is_read_and_where_gradients_are_dense(sparse, clip):
    g = torch.Generator().manual_seed(0)
    ids = [torch.cat([torch.arange(6), torch.randint(6, (9,), generator=g)]) for _ in range(5)]
    if not sparse:
        ids = [some[6:] for some in ids]  # not all are read
    wanted, found = steps(torch.optim.AdamW, False, ids, clip), steps(RowAdamW, sparse, ids, clip)
    assert torch.allclose(wanted.weight, found.weight, atol=1e-6)


def test_a_row_that_is_not_read_stays_and_one_that_was_does_not_drift():
    torch.manual_seed(0)
    start = nn.Embedding(6, 3).weight.detach().clone()
    once = steps(RowAdamW, True, [torch.tensor([1, 2, 2])])
    then = steps(RowAdamW, True, [torch.tensor([1, 2, 2]), torch.tensor([4])])
    assert torch.equal(once.weight[[0, 3, 4, 5]], start[[0, 3, 4, 5]])
    assert not torch.isclose(once.weight[[1, 2]], start[[1, 2]]).any()
    assert torch.equal(then.weight[[1, 2]], once.weight[[1, 2]])
    dense = steps(torch.optim.AdamW, False, [torch.tensor([1, 2, 2]), torch.tensor([4])])
    assert not torch.isclose(dense.weight[[0, 3]], start[[0, 3]]).any(), "AdamW moves them: the test sees it"


def test_the_norm_that_is_watched_is_that_of_the_gradient():
    """A row that is read twice has one gradient, the sum."""
    seen = []
    for sparse in (False, True):
        torch.manual_seed(0)
        table = nn.Embedding(6, 3, sparse=sparse)
        made = RowAdamW(table.parameters())
        rbh.training.step(
            table,
            torch.tensor([1, 1, 2, 5]),
            made,
            compute=lambda model, batch, _: ({"loss": model(batch).square().sum()}, None),
            look=lambda values, logits, norm: seen.append(norm),
        )
    assert torch.allclose(*seen)


def test_fit_trains_with_it_and_goes_on_where_it_was_cut(task, tmp_path):
    make = functools.partial(RowAdamW, lr=0.01)

    def run(epochs, **how):
        rbh.seed(0)
        model = rows_only(rbh.models.DIN(task.schema, dim=8))
        log = rbh.fit(model, task, epochs=epochs, optimizer=make, clip=5.0, progress=False, **how)
        return model, log

    uncut, log = run(4)
    assert log["loss"].iloc[-1] < log["loss"].iloc[0]
    run(2, resume=tmp_path / "run.pt")
    resumed, _ = run(4, resume=tmp_path / "run.pt")
    assert all(torch.equal(a, b) for a, b in zip(uncut.parameters(), resumed.parameters(), strict=True))


def test_a_gradient_of_rows_that_is_no_number_is_named(task):
    class Broken(rbh.models.MatrixFactorization):
        def loss(self, batch):
            z = F.binary_cross_entropy_with_logits(self(batch), batch.label)
            return {"click": z + 0 * (self.item(batch.item) * 0).sum().sqrt()}

    rbh.seed(0)
    model = rows_only(Broken(task.schema, dim=4))
    with pytest.raises(FloatingPointError, match="gradient of item"):
        rbh.fit(model, task, optimizer=RowAdamW, progress=False)
