"""C21-C31: what the source does with the FM family. Each check passes for ours and fails for theirs.

C30 and C32, its AFM, are in tests/errata/test_fm_afm.py.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recbyhand.data import Batch, Field
from recbyhand.layers import FMInteraction, PairwiseInteraction
from recbyhand.models import AFM, FM, FNN, DeepFM, Poly2
from tests.factories import make_batch, make_schema

SCHEMA = make_schema()


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def fails(check, *wrong):
    with pytest.raises(AssertionError):
        check(*wrong)


def xor_batch():
    """Four examples of two binary fields; the label is 1 where they differ."""
    schema = make_schema(10, 10, (Field("left", 4),), (Field("right", 4),))
    schema.user_table[[2, 3], 0] = schema.item_table[[2, 3], 0] = torch.tensor([2, 3])
    batch = make_batch(schema, B=4, user=[2, 2, 3, 3], item=[2, 3, 2, 3], label=[0, 1, 1, 0])
    return schema, batch


def train(model, batch: Batch, steps=200, lr=0.05):
    optimiser = torch.optim.Adam(model.parameters(), lr=lr)
    for _ in range(steps):
        optimiser.zero_grad()
        F.binary_cross_entropy_with_logits(model(batch), batch.label).backward()
        optimiser.step()
    return torch.sigmoid(model.eval()(batch)).detach()


def test_c21_the_deep_part_can_lower_the_score():
    class DoubleSigmoid(DeepFM):
        def forward(self, batch):
            v = self.embedding(batch.ids())
            return self.interaction(v).sum(1) + torch.sigmoid(self.mlp(v.flatten(1)))[:, 0]

    def check(model):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.zero_()
            model.mlp[-1].bias.fill_(-50)
        assert (torch.sigmoid(model(make_batch(SCHEMA))) < 0.01).all()

    check(DeepFM(SCHEMA))
    fails(check, DoubleSigmoid(SCHEMA))


def test_c23_the_factor_one_half():
    def check(pooling):
        v = torch.randn(2, 5, 3, dtype=torch.float64)
        assert torch.allclose(pooling(v), PairwiseInteraction()(v).sum(1))
        assert pooling(torch.ones(1, 2, 1)).item() == 1

    check(FMInteraction())
    check(FMInteraction(method="identity"))
    fails(check, lambda v: v.sum(1) ** 2 - (v**2).sum(1))


def test_c24_neither_cancellation_nor_overflow():
    def check(pooling):
        assert abs(pooling(torch.tensor([[[1e4], [1e-3]]])).item() - 10) < 1e-2
        assert torch.isfinite(pooling(torch.full((1, 50, 1), 6, dtype=torch.float16))).all()

    def naive(v):
        return 0.5 * (v.sum(1) ** 2 - (v**2).sum(1))

    check(FMInteraction())
    fails(check, naive)
    fails(check, FMInteraction(method="identity"))  # safe from overflow only
    assert naive(torch.full((1, 50, 1), 6, dtype=torch.float16)).isinf()
    assert FMInteraction(method="identity")(torch.full((1, 50, 1), 6, dtype=torch.float16)) == 44100


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


def test_c27_the_wide_part_alone_fits_xor_only_with_crosses():
    schema, batch = xor_batch()

    def check(pairs):
        p = train(Poly2(schema, pairs=pairs), batch)
        assert (p - batch.label).abs().max() < 0.1

    check([("left", "right")])
    fails(check, [])
    assert torch.allclose(train(Poly2(schema, pairs=[]), batch), torch.tensor(0.5), atol=1e-2)


def loud(model):
    nn.init.normal_(model.embedding.table.weight)
    return model


def test_c31_the_weight_of_one_pair_moves_the_output_by_that_pair():
    model, batch = loud(AFM(SCHEMA)), make_batch(SCHEMA)
    e = model.products(model.embedding(batch.ids()))  # (B, P, d)
    a = model.attention(batch).detach().requires_grad_()
    model.weights = lambda e, ids: a
    model(batch).sum().backward()
    assert torch.allclose(a.grad, e @ model.p, atol=1e-5)
