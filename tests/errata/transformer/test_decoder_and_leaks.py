"""Chapter 5, the decoder and its leaks: the source's forms fail the properties that ours hold."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recbyhand.layers import (
    DecoderLayer,
    EncoderLayer,
    MultiHeadAttention,
    causal_mask,
    scaled_dot_product_attention,
)
from tests.errata import fails

n, d = 20, 16


class Guesser(nn.Module):
    """Films 1 to 5 into the encoder, films 2 to 6 asked of the decoder; each switch is a form of the source."""

    def __init__(self, unshifted=False, swapped=False, window=False):
        super().__init__()
        self.unshifted, self.swapped, self.window = unshifted, swapped, window
        self.item, self.out = nn.Embedding(n, d), nn.Linear(d, n)
        self.start, self.place = nn.Parameter(torch.randn(d)), nn.Parameter(torch.randn(5, d))
        self.encoder, self.decoder = EncoderLayer(d, 1), DecoderLayer(d, 1)

    def forward(self, s):
        return self.read(self.item(s))

    def read(self, e):
        past, D = causal_mask(5), self.decoder
        free = None if self.window else past
        memory = self.encoder(e[:, :5] + self.place, free)
        x = e[:, 1:] if self.unshifted else torch.cat([self.start.expand(len(e), 1, d), e[:, 1:5]], 1)
        x, mask = x + self.place, past.tril(-1) if self.unshifted else past
        if not self.swapped:
            return self.out(D(x, memory, mask, free))
        x = D.join(x, lambda x: D.attention(x, mask=mask), D.norm_attention)
        x = D.join(memory, lambda m: D.cross(m, x), D.norm_cross)
        return self.out(D.join(x, D.feed_forward, D.norm_feed_forward))


def honest(model):
    """Untrained: no answer hears itself or what follows.  Trained on dice: the loss stays at its floor."""
    J = torch.autograd.functional.jacobian(model.read, torch.randn(1, 6, d))[0, :, :, 0]  # (5, n, 6, d)
    assert (J.norm(dim=(1, 3)).triu(1) == 0).all()


def at_the_floor(model, steps=120):
    def loss(users):
        s = torch.randint(n, (users, 6))
        return F.cross_entropy(model(s).transpose(1, 2), s[:, 1:])

    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(steps):
        optimiser.zero_grad()
        loss(64).backward()
        optimiser.step()
    with torch.no_grad():
        assert loss(2000) > math.log(n) - 0.05


def test_c54_the_decoder_asks_and_the_memory_answers():
    cross = MultiHeadAttention(8, heads=1)
    state, memory = torch.randn(1, 5, 8), torch.randn(1, 7, 8)

    def length(attend):
        assert attend(state, memory).shape == state.shape

    def content(attend):
        alike = state[:, :1].expand(1, 5, 8)
        assert (attend(alike, memory) - attend(alike, memory.flip(-1))).abs().max() > 1e-3

    for check in (length, content):
        check(lambda x, m: cross(x, m))
        fails(check, lambda x, m: cross(m, x))


def test_c55_every_place_may_look_at_something_and_the_first_not_ahead():
    q, k = torch.randn(1, 5, 8), torch.randn(1, 5, 8)

    def source(v, fill=-1e9):
        forbidden = torch.triu(torch.ones(5, 5)) != 0  # the diagonal, too
        return (q @ k.transpose(1, 2)).masked_fill(forbidden, fill).softmax(-1) @ v

    def check(attend):
        v = torch.randn(1, 5, 8, requires_grad=True)
        out = attend(v)
        assert out.isfinite().all()
        (gradient,) = torch.autograd.grad(out[0, 0].sum(), v)
        assert (gradient[0, 1:] == 0).all()

    check(lambda v: scaled_dot_product_attention(q, k, v, causal_mask(5)))
    fails(check, source)
    fails(check, lambda v: source(v, float("-inf")))
    assert causal_mask(5).any(-1).all()


@pytest.mark.parametrize("check", [honest, at_the_floor])
def test_no_leak(check):
    check(Guesser())


@pytest.mark.parametrize("check", [honest, at_the_floor])
def test_c56_the_input_is_shifted(check):
    fails(check, Guesser(unshifted=True))


@pytest.mark.parametrize("check", [honest, at_the_floor])
def test_c57_keys_from_the_decoder_leak(check):
    fails(check, Guesser(swapped=True))


@pytest.mark.parametrize("check", [honest, at_the_floor])
def test_c58_an_encoder_that_read_the_answers_leaks(check):
    fails(check, Guesser(window=True))


def test_c60_the_fill_fits_half_precision():
    q, k, v = torch.randn(3, 1, 4, 8).half()

    def source(q, k, v, mask):
        return (q @ k.transpose(1, 2) / 8**0.5).masked_fill(~mask, -1e9).softmax(-1) @ v

    def check(attend):
        try:
            assert attend(q, k, v, causal_mask(4)).isfinite().all()
        except RuntimeError as error:
            raise AssertionError(str(error)) from None

    check(scaled_dot_product_attention)
    fails(check, source)


def test_c60_the_mask_lies_where_the_scores_do():
    def check(mask):
        assert mask.device.type == "meta"

    check(causal_mask(4, torch.device("meta")))
    fails(check, torch.triu(torch.ones(4, 4)) == 0)
