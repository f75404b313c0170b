"""Chapter 5, position: what the source prints and lists fails the properties that ours holds."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recbyhand.layers import PositionalEncoding, TransformerEncoder
from tests.errata import fails


class Listing(nn.Module):
    """The table as a plain attribute, with room for as many cosines as sines, 512 long."""

    def __init__(self, d: int):
        super().__init__()
        angle = torch.arange(512.0)[:, None] / 10000 ** (torch.arange(0, d, 2) / d)
        self.table = torch.zeros(512, d)
        self.table[:, 0::2] = angle.sin()
        self.table[:, 1::2] = angle.cos()

    def forward(self, x):
        return x + self.table[: x.shape[1]]


def test_c61_the_cosine_of_a_sum_has_a_minus():
    table = PositionalEncoding(16).table
    M, N = table[5], table[9]

    def check(cosine):
        assert (table[14, 1::2] - cosine).abs().max() < 1e-5

    check(M[1::2] * N[1::2] - M[0::2] * N[0::2])
    fails(check, M[1::2] * N[1::2] + M[0::2] * N[0::2])


def test_c62_the_table_follows_the_module():
    def check(module):
        assert module.double().table.dtype == torch.float64

    check(PositionalEncoding(8))
    fails(check, Listing(8))


def test_c63_an_odd_width_builds_and_a_long_sequence_is_explained():
    def builds(kind):
        try:
            assert kind(7)(torch.zeros(1, 3, 7)).shape == (1, 3, 7)
        except RuntimeError as error:
            raise AssertionError(str(error)) from None

    def explains(module):
        with pytest.raises((ValueError, RuntimeError)) as error:
            module(torch.zeros(1, 600, 8))
        assert "max_length" in str(error.value)

    builds(PositionalEncoding)
    fails(builds, Listing)
    explains(PositionalEncoding(8))
    fails(explains, Listing(8))


def test_c64_films_are_as_loud_as_places():
    torch.manual_seed(0)
    d = 128
    film = nn.Embedding(50, d, max_norm=1)(torch.arange(50)).detach()[None]  # (1, 50, d)

    def check(module):
        place = module(torch.zeros_like(film))
        both = module(film)
        ratio = (both - place).norm(dim=-1).mean() / place.norm(dim=-1).mean()
        assert 0.5 < ratio < 2

    check(PositionalEncoding(d, scale=True))
    fails(check, Listing(d))


def read_off(positions: bool, depth: int = 6) -> float:
    """Share of places that a linear probe reads off the output of `depth` layers; chance is 1 / 8."""
    torch.manual_seed(0)
    encoder = TransformerEncoder(32, 4, depth).eval()
    x = torch.randn(1000, 8, 32) / 2
    x = PositionalEncoding(32)(x) if positions else x
    with torch.no_grad():
        h = F.pad(encoder(x), (0, 1), value=1.0).flatten(0, 1)
    place = torch.arange(8).repeat(1000)
    W = torch.linalg.lstsq(h[:4000], F.one_hot(place[:4000]).float()).solution
    return ((h[4000:] @ W).argmax(1) == place[4000:]).float().mean().item()


def test_c65_position_is_still_there_after_six_layers():
    def vanished(share):  # the source's consensus
        assert share < 2 / 8

    vanished(read_off(positions=False))
    fails(vanished, read_off(positions=True))


def test_c66_rows_of_the_table_are_places_of_one_sequence():
    x = torch.zeros(3, 5, 4)  # three users, five items each

    def check(encoded):
        assert torch.equal(encoded[0], encoded[1])  # the same places for every user
        assert encoded[0, 1, 0] == pytest.approx(math.sin(1))

    check(PositionalEncoding(4)(x))
    fails(check, x + PositionalEncoding(4).table[:3, None])  # a row for each user
