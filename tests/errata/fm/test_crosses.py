"""Crosses: without base and linear part, without the half, by the difference of squares, the properties fail."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from recbyhand.layers import FMInteraction, PairwiseInteraction
from recbyhand.models import AFM, FM, NFM, DeepFM, MatrixFactorization, WideDeep
from tests.errata import fails
from tests.factories import make_batch, make_schema

SCHEMA = make_schema()


class PairsOnly(FM):
    """C22: the source's listings, without base and linear part."""

    def forward(self, batch):
        return self.interaction(self.embedding(batch.ids()))  # (B,)


def fitted(kind) -> torch.Tensor:
    """Probabilities after training on one click in a hundred, where nothing interacts: all vectors start at 0."""
    torch.manual_seed(0)
    schema = make_schema()
    batch = make_batch(schema, B=1000)
    batch.label = torch.zeros(1000)
    batch.label[::100] = 1
    model = kind(schema, dim=4)
    with torch.no_grad():
        model.embedding.table.weight.zero_()
    # One weight for all: what remains to be learned is the base rate.
    model.linear.requires_grad_(False)
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        F.binary_cross_entropy_with_logits(model(batch), batch.label).backward()
        optimiser.step()
    return torch.sigmoid(model(batch)).detach()


def says_the_base_rate(p: torch.Tensor) -> bool:
    return bool((p - 0.01).abs().max() < 1e-3)


def test_c22_the_base_rate_can_be_said():
    assert says_the_base_rate(fitted(FM))
    assert not says_the_base_rate(fitted(PairsOnly))


@pytest.mark.parametrize(("kind", "moves"), [(FM, True), (PairsOnly, False)])
def test_c22_an_unknown_user_of_an_unknown_film_still_has_a_base_rate(kind, moves):
    """All vectors of what training never showed are zero; w_0 is what is left to say."""
    schema = make_schema()
    model, batch = kind(schema, dim=4), make_batch(schema, user=[1], item=[1], B=1)
    assert batch.ids().max() == 1
    with torch.no_grad():
        model.bias.fill_(-4.6)
    assert bool(torch.sigmoid(model(batch)) < 0.011) == moves


def test_c22_a_base_rate_can_be_expressed():
    """With all vectors at zero, one click in a hundred is fitted exactly: by mu, or not at all."""

    def check(model):
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.requires_grad_(name in ("mean", "bias"))
                parameter.zero_()
        batch = make_batch(SCHEMA, B=100)
        batch.label = (torch.arange(100) == 0).float()
        optimiser = torch.optim.LBFGS(model.parameters(), max_iter=50)

        def closure():
            optimiser.zero_grad()
            loss = F.binary_cross_entropy_with_logits(model(batch), batch.label)
            if loss.requires_grad:
                loss.backward()
            return loss

        optimiser.step(closure)
        assert torch.allclose(torch.sigmoid(model(batch)), torch.tensor(0.01), atol=1e-3)

    for right in (MatrixFactorization, FM, NFM, DeepFM, WideDeep, AFM):
        check(right(SCHEMA))
    fails(check, MatrixFactorization(SCHEMA, biases=False))


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
