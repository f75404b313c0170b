"""Chapter 5, deep without breaking: the source's sentences and listing fail the properties that ours hold."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from recbyhand.layers import EncoderLayer, FeedForward, LayerNorm, TransformerEncoder
from tests.errata import fails


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def silent(norm: str) -> EncoderLayer:
    """A layer whose two parts are 0: only ways around and norms are left."""
    layer = EncoderLayer(8, norm=norm).double()
    for linear in (layer.attention.out, layer.feed_forward[3]):
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
    return layer


def test_c71_only_a_free_way_around_keeps_the_gradient():
    def check(layer):
        x = torch.randn(1, 3, 8, dtype=torch.double, requires_grad=True)
        layer(x).sum().backward()
        assert torch.allclose(x.grad, torch.ones_like(x))

    check(silent("pre"))
    fails(check, silent("post"))  # the listing's form, of which the source says that its gradient cannot be 0


def test_c71_a_residual_may_have_gradient_0():
    def nonzero(f):  # the source's claim
        a = torch.tensor([1.0, 2.0], requires_grad=True)
        (a + f(a)).sum().backward()
        assert (a.grad != 0).all()

    nonzero(lambda a: 0.5 * a)
    fails(nonzero, lambda a: -a)


def test_c72_layer_norm_has_gain_and_bias():
    trained = nn.LayerNorm(6)
    nn.init.normal_(trained.weight)
    nn.init.normal_(trained.bias)

    class Printed(LayerNorm):
        """The "complete formula": neither gain nor bias."""

        def forward(self, x):
            return (x - x.mean(-1, keepdim=True)) / torch.sqrt(
                x.var(-1, unbiased=False, keepdim=True) + self.eps
            )

    def check(kind):
        norm = kind(6)
        with torch.no_grad():
            norm.gain.copy_(trained.weight)
            norm.bias.copy_(trained.bias)
        x = torch.randn(4, 6)
        assert torch.allclose(norm(x), trained(x), atol=1e-6)

    check(LayerNorm)
    fails(check, Printed)


def test_c73_the_mean_runs_over_the_numbers_of_one_vector():
    def check(norm):
        x = torch.randn(4, 6)
        assert torch.allclose(norm(x)[0], norm(x[:1])[0], atol=1e-6)

    check(LayerNorm(6))
    fails(check, lambda x: (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt())


class Listing(nn.Module):
    """An encoder part that keeps the rate for itself; its feed-forward has half the width and a rate of its own."""

    def __init__(self, d: int, drop_rate: float = 0.1):
        super().__init__()
        self.drop = nn.Dropout(drop_rate)
        self.feed = FeedForward(d, d // 2, dropout=0.1)

    def forward(self, x):
        return x + self.drop(self.feed(x))


def test_c76_a_rate_of_0_drops_nothing():
    x = torch.randn(32, 5, 8)

    def check(layer):
        layer.train()
        assert torch.equal(layer(x), layer(x))

    check(TransformerEncoder(8, heads=2, layers=2, dropout=0.0))
    fails(check, Listing(8, drop_rate=0))


def test_c76_the_hidden_layer_is_four_times_as_wide():
    def check(feed):
        assert feed[0].out_features == 4 * feed[0].in_features

    check(FeedForward(8))
    fails(check, Listing(8).feed)


def test_c77_the_feed_forward_part_keeps_the_width_not_the_vector():
    def same_vector(feed):  # the source's words
        x = torch.randn(3, 8)
        assert feed(x).shape == x.shape
        assert torch.allclose(feed(x), x)

    same_vector(nn.Identity())
    fails(same_vector, FeedForward(8))
