"""Chapter 3, AFM: the source's attention fails what ours holds."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from recbyhand.layers import FMInteraction, PairwiseInteraction
from recbyhand.models import AFM
from tests.factories import make_batch, make_schema

SCHEMA = make_schema()


class Listing(AFM):
    """C30: attention after pooling, a softmax over an axis of size 1."""

    def attention(self, batch):
        v = self.embedding(batch.ids())  # (B, F, d)
        self.pooled = v.sum(1) ** 2 - (v**2).sum(1)  # (B, d)
        return (torch.relu(self.W(self.pooled)) @ self.h[:, None]).softmax(dim=1)  # (B, 1)

    def forward(self, batch):
        a = self.attention(batch)  # (B, 1)
        return self.bias + self.linear(batch.ids()).sum((1, 2)) + (a * self.pooled) @ self.p  # (B,)


def made(kind):
    torch.manual_seed(0)
    model = kind(SCHEMA, dim=4)
    torch.nn.init.normal_(model.embedding.table.weight)
    return model


def attention_learns(model) -> bool:
    batch = make_batch(SCHEMA)
    F.binary_cross_entropy_with_logits(model(batch), batch.label).backward()
    return all(bool(w.grad.abs().max() > 0) for w in (model.h, model.W.weight, model.W.bias))


def one_weight_per_pair(model) -> bool:
    n = len(SCHEMA.fields)
    a = model.attention(make_batch(SCHEMA))
    return a.shape[1] == n * (n - 1) // 2 and bool((a.amax(1) > a.amin(1)).all())


def tells_pairs_apart(pool) -> bool:
    """Two rows with the same sum of pairs, but other pairs: (1, 0, 0) and (1/2, 1/3, 1/6)."""
    rows = torch.tensor([[[1.0], [1.0], [0.0]], [[1.0], [0.5], [1 / 3]]])
    first, second = pool(rows)
    return not torch.allclose(first, second, atol=1e-4)


def test_c30_the_attention_learns():
    assert attention_learns(made(AFM))
    assert not attention_learns(made(Listing))


def test_c30_the_listing_is_twice_an_fm_without_attention():
    model, batch = made(Listing), make_batch(SCHEMA)
    rest = model.bias + model.linear(batch.ids()).sum((1, 2))  # (B,)
    twice = 2 * FMInteraction()(model.embedding(batch.ids())) @ model.p  # (B,)
    assert torch.allclose(model(batch), rest + twice, rtol=1e-4)


def test_c30_training_leaves_the_listing_without_attention():
    """What the lesson shows: the loss falls, and W, b and h are to the last bit what they were."""
    batch = make_batch(SCHEMA, B=64)
    moved = {}
    for kind in (AFM, Listing):
        model = made(kind)
        before = {name: value.detach().clone() for name, value in model.named_parameters()}
        optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
        losses = []
        for _ in range(20):
            optimiser.zero_grad()
            loss = F.binary_cross_entropy_with_logits(model(batch), batch.label)
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0]
        moved[kind] = {name for name, value in model.named_parameters() if not value.equal(before[name])}
    attention = {"W.weight", "W.bias", "h"}
    assert attention <= moved[AFM]
    assert not attention & moved[Listing]


def test_c31_what_is_pooled_first_cannot_be_weighed():
    def ours(v):
        e = PairwiseInteraction()(v)  # (B, P, d)
        return ((2 * e).softmax(1) * e).sum(1)  # (B, d)

    def pooled_first(v):
        pooled = FMInteraction()(v)  # (B, d)
        return (2 * pooled).sigmoid() * pooled  # any attention on the pooled vector

    assert tells_pairs_apart(ours)
    assert not tells_pairs_apart(pooled_first)


def test_c32_there_is_a_weight_of_every_pair_to_read_out():
    assert one_weight_per_pair(made(AFM))
    assert not one_weight_per_pair(made(Listing))


def loud(model):
    torch.nn.init.normal_(model.embedding.table.weight)
    return model


def test_c31_the_weight_of_one_pair_moves_the_output_by_that_pair():
    model, batch = loud(AFM(SCHEMA)), make_batch(SCHEMA)
    e = model.products(model.embedding(batch.ids()))  # (B, P, d)
    a = model.attention(batch).detach().requires_grad_()
    model.weights = lambda e, ids: a
    model(batch).sum().backward()
    assert torch.allclose(a.grad, e @ model.p, atol=1e-5)
