"""Chapter 5, query, key, value: what the source says of attention fails where ours holds."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recbyhand.layers import scaled_dot_product_attention
from tests.errata import fails


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_c67_a_longer_key_speaks_louder_and_keeps_its_cosine():
    q, k = torch.randn(4, 8), torch.randn(5, 8)

    def minds_length(similarity):
        assert not torch.allclose(similarity(q, k), similarity(q, 5 * k))

    minds_length(lambda q, k: q @ k.T)
    fails(minds_length, lambda q, k: F.cosine_similarity(q[:, None], k[None], dim=-1))


def test_c68_the_value_of_the_key_flows_into_the_output_of_the_query():
    q, k = torch.randn(4, 8), torch.randn(4, 8)
    v = torch.randn(4, 3, requires_grad=True)
    out, a = scaled_dot_product_attention(q, k, v, return_weights=True)

    def influence(of, on) -> torch.Tensor:
        """How the output of `on` changes with the value of `of`."""
        return torch.autograd.grad(out[on, 0], v, retain_graph=True)[0][of, 0]

    def check(key, query):  # the claim: the weight in the query's row is the key's influence on the query
        assert torch.allclose(influence(key, query), a[1, 2])

    check(key=2, query=1)
    fails(check, 1, 2)  # the source: the query's influence on the key


def test_c69_values_may_have_a_width_of_their_own():
    def check(attend):
        try:
            out = attend(torch.randn(1, 4, 8), torch.randn(1, 5, 8), torch.randn(1, 5, 3))
        except (RuntimeError, AssertionError):
            out = torch.empty(0)
        assert out.shape == (1, 4, 3)

    check(scaled_dot_product_attention)
    one_width = nn.MultiheadAttention(8, 1, batch_first=True)  # d_v = d, as the source says it must be
    fails(check, lambda q, k, v: one_width(q, k, v)[0])


def test_c70_rows_are_projected_from_the_right():
    X, linear = torch.randn(5, 3), nn.Linear(3, 4)

    def check(project):
        try:
            assert torch.allclose(project(X), linear(X), atol=1e-6)
        except RuntimeError as error:
            raise AssertionError(str(error)) from None

    check(lambda X: X @ linear.weight.T + linear.bias)
    fails(check, lambda X: linear.weight @ X + linear.bias)
