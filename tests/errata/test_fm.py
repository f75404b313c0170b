"""Chapter 3: the source's forms fail the properties that ours hold. C21 to C32 are in tests/models, but for C22."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from recbyhand.models import FM
from tests.factories import make_batch, make_schema


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
