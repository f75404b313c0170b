"""Chapter 7, towers: the note's listing fails the properties that ours holds."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recbyhand.layers import MultiHeadAttention
from recbyhand.models import TwoTower
from tests.errata import fails
from tests.factories import make_batch, make_schema, pad

SCHEMA = make_schema()


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


class Listing(nn.Module):
    """Its energy compares no numbers, its rows hold one head each, its sum runs over them, and it has no mask."""

    def __init__(self, d: int, H: int):
        super().__init__()
        self.H, self.out = H, nn.Linear(d, d)

    def weights(self, q, e):
        q, k = q.view(len(q), self.H, -1), e.view(*e.shape[:2], self.H, -1)
        return torch.softmax(
            torch.einsum("bhq,bnhk->bhqn", q, k) / e.shape[-1] ** 0.5, dim=-1
        )  # (B, H, h, N)

    def rows(self, q, e):
        x = torch.einsum("bhqn,bnhk->bhqk", self.weights(q, e), e.view(*e.shape[:2], self.H, -1))
        return x.reshape(len(q), -1, e.shape[-1])

    def forward(self, q, e):
        return self.out(self.rows(q, e)).sum(dim=1)  # (B, d)


class Pooling(Listing):
    """The same without the bugs."""

    def weights(self, q, e):
        q, k = q.view(len(q), self.H, -1), e.view(*e.shape[:2], self.H, -1)
        return torch.softmax(torch.einsum("bhd,bnhd->bhn", q, k) / q.shape[-1] ** 0.5, dim=-1)  # (B, H, N)

    def rows(self, q, e):
        return torch.einsum("bhn,bnhd->bhd", self.weights(q, e), e.view(*e.shape[:2], self.H, -1)).flatten(1)[
            :, None
        ]


def test_t01_a_key_equal_to_the_query_wins():
    key = torch.zeros(1, 4, 8)
    key[0, 2, 1] = key[0, 2, 5] = 10.0

    def check(layer):
        w = layer.weights(key[:, 2], key).reshape(-1, 4)  # a row of weights per line
        assert (w.argmax(-1) == 2).all()
        assert w.max(-1).values.min() > 0.9

    check(Pooling(8, 2))
    fails(check, Listing(8, 2))


def test_t02_heads_stand_side_by_side():
    q, e = torch.randn(3, 8), torch.randn(3, 5, 8)
    k = e.view(3, 5, 2, 4).transpose(1, 2)
    theirs = F.scaled_dot_product_attention(q.view(3, 2, 1, 4), k, k).reshape(3, 8)

    def check(layer):
        assert torch.allclose(layer.rows(q, e)[:, 0], theirs, atol=1e-6)

    check(Pooling(8, 2))
    fails(check, Listing(8, 2))


def test_t03_the_bias_is_added_once():
    def check(layer, call):
        with torch.no_grad():
            layer.out.weight.zero_()
            layer.out.bias.fill_(1.0)
        assert torch.allclose(call(layer), torch.ones(1))

    q, e = torch.randn(1, 8), torch.randn(1, 4, 8)
    check(MultiHeadAttention(8, 2), lambda layer: layer(q[:, None], e))
    fails(check, Listing(8, 2), lambda layer: layer(q, e))


def test_t04_the_query_is_no_event():
    """In self-attention, events that change places take their outputs along; pooling gives one vector, whatever."""
    layer, x, p = MultiHeadAttention(8, 2).eval(), torch.randn(2, 5, 8), torch.randperm(5)

    def is_self_attention(attend):
        assert attend(x).shape == x.shape
        assert torch.allclose(attend(x[:, p]), attend(x)[:, p], atol=1e-5)

    is_self_attention(layer)
    fails(
        is_self_attention, lambda x: Pooling(8, 2)(torch.zeros(2, 8), x)[:, None]
    )  # the note's query: a user


def test_t05_padding_never_changes_a_user():
    batch = make_batch(SCHEMA)
    table = nn.Embedding(SCHEMA.n_items, 8)
    listing, model = Listing(8, 2), TwoTower(SCHEMA, dim=8).eval()
    query = torch.randn(len(batch), 8)

    def check(vectors):
        assert torch.allclose(vectors(batch), vectors(pad(batch, 2)), atol=1e-6)

    check(model.user_vectors)
    fails(check, lambda batch: listing(query, table(batch.history)))


def test_t06_one_table_unless_asked_for_two():
    def check(model):
        assert model.past is model.item

    check(TwoTower(SCHEMA))
    fails(check, TwoTower(SCHEMA, shared=False))


def test_t07_the_vectors_are_scored_and_trained():
    class Note(nn.Module):
        """Two vectors, and nothing after them."""

        def __init__(self):
            super().__init__()
            self.user, self.item = nn.Embedding(SCHEMA.n_users, 8), nn.Embedding(SCHEMA.n_items, 8)

        def forward(self, batch):
            return self.user(batch.user), self.item(batch.item)

    def is_a_system(model):
        logits = model(make_batch(SCHEMA))
        assert isinstance(logits, torch.Tensor)
        assert logits.shape == (8,)
        assert hasattr(model, "score_items")
        assert hasattr(model, "loss")

    is_a_system(TwoTower(SCHEMA))
    fails(is_a_system, Note())


def test_t08_an_unknown_user_is_scored_by_the_history():
    batch = make_batch(SCHEMA, lengths=[3] * 8)
    strangers = dataclasses.replace(batch, user=torch.ones_like(batch.user))
    other = dataclasses.replace(strangers, history=strangers.history.flip(0))
    ids = nn.Embedding(SCHEMA.n_users, 8)

    def check(vectors):
        assert not torch.allclose(vectors(strangers), vectors(other))

    check(TwoTower(SCHEMA, users=True).eval().user_vectors)
    fails(check, lambda batch: ids(batch.user))  # a vector of the id alone has nothing to say
