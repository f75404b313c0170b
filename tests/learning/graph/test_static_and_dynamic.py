"""The dictionary lookup (arXiv:2105.14491): GATv2 and dot products learn it, one head of GAT cannot."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import recbyhand as rbh
from recbyhand.layers import DotGraphAttention, GATLayer, GATv2Layer

K = 6


def looked_up(layer, steps=250, d=64):
    """Share of queries that say the value of their key, on tables that nobody has seen."""
    rbh.seed(0)
    key, value, query = (nn.Embedding(K, d) for _ in range(3))
    layer, read = layer(d, d, self_loops=False), nn.Linear(d, K)
    one = torch.arange(K)
    edges = torch.stack([one.repeat(K), K + one.repeat_interleave(K)])

    def logits(values):  # (T, K) -> (T, K, K)
        T = len(values)
        h = torch.cat([key.weight + value(values), query.weight.expand(T, -1, -1)], 1).flatten(0, 1)
        every = (edges[:, None] + 2 * K * torch.arange(T)[:, None]).flatten(1)
        return read(layer(h, every).view(T, 2 * K, -1)[:, K:])

    modules = nn.ModuleList([key, value, query, layer, read])
    optimizer = torch.optim.Adam(modules.parameters(), lr=0.01)
    for _ in range(steps):
        values = torch.rand(32, K).argsort(1)
        loss = nn.functional.cross_entropy(logits(values).flatten(0, 1), values.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    fresh = torch.rand(200, K).argsort(1)
    with torch.no_grad():
        return (logits(fresh).argmax(-1) == fresh).float().mean().item()


@pytest.mark.parametrize("layer", [GATv2Layer, DotGraphAttention])
def test_dynamic_attention_looks_up(layer):
    assert looked_up(layer) > 0.9


def test_gat_guesses():
    assert looked_up(GATLayer) < 0.4
