"""Chapter 6, static and dynamic: one ranking for all, a score without a query, and what is sparse already."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch_geometric.nn import GATConv, GATv2Conv

from recbyhand.layers import DotGraphAttention, GATLayer, GATv2Layer
from tests.errata import fails

N = 6
EVERYBODY = torch.stack(
    [torch.arange(N).repeat(N), N + torch.arange(N).repeat_interleave(N)]
)  # keys to queries


def favourites(weights):
    """(N,) the key that each query weighs most; weights (N * N, 1)."""
    return weights.view(N, N).argmax(1)


def ours(layer):
    def weigh(h):
        with torch.no_grad():
            return layer(h, EVERYBODY, return_weights=True)[2]

    return weigh


def theirs(layer):
    def weigh(h):
        with torch.no_grad():
            return layer(h, EVERYBODY, return_attention_weights=True)[1][1]

    return weigh


@pytest.mark.parametrize("seed", range(3))
def test_q05_each_query_may_have_its_own_ranking(seed):
    """At weights drawn at random, in our layers and in PyTorch Geometric's."""
    torch.manual_seed(seed)
    h = torch.randn(2 * N, 8)

    def dynamic(weigh):
        rank = weigh(h).view(N, N).argsort(1)  # (query, key)
        assert not (rank == rank[0]).all()

    for layer in (GATv2Layer, DotGraphAttention):
        dynamic(ours(layer(8, 16, self_loops=False)))
    dynamic(theirs(GATv2Conv(8, 16, add_self_loops=False)))
    fails(dynamic, ours(GATLayer(8, 16, self_loops=False)))
    fails(dynamic, theirs(GATConv(8, 16, add_self_loops=False)))


def test_q05_gat_is_static_in_every_head_and_at_any_width():
    torch.manual_seed(0)
    for d, heads in ((2, 1), (64, 4), (512, 2)):
        h = torch.randn(2 * N, d)
        a = ours(GATLayer(d, d // heads, heads, self_loops=False))(h).view(N, N, heads)
        rank = a.argsort(1)  # (query, key, head)
        assert (rank == rank[:1]).all()


def test_q05_the_dictionary_is_read_by_distance():
    """GATv2 with the numbers of the lesson, key i for query i; no GAT can, by the test above."""
    v2 = GATv2Layer(1, 2, self_loops=False, bias=False)
    with torch.no_grad():
        v2.target.weight.copy_(torch.tensor([[1.0], [-1]]))
        v2.source.weight.copy_(torch.tensor([[-1.0], [1]]))
        v2.a.fill_(-1)
    word = torch.arange(float(N)).repeat(2)[:, None]  # (2 N, 1)

    def check(weigh):
        assert torch.equal(favourites(weigh(word)), torch.arange(N))

    check(ours(v2))
    torch.manual_seed(0)
    fails(check, ours(GATLayer(1, 2, self_loops=False)))


def test_q06_the_context_depends_on_the_step():
    g = torch.Generator().manual_seed(0)
    words, states, v = (torch.randn(*n, generator=g) for n in ((4, 3), (2, 3), (3,)))

    def check(score):
        first, second = (score(s).softmax(0) @ words for s in states)
        assert not torch.allclose(first, second)

    check(lambda s: torch.tanh(words + s) @ v)
    fails(check, lambda s: torch.tanh(words) @ v)  # e_i without a query


def test_q09_attention_on_edges_is_sparse():
    """Weights for edges only: their number grows with E, not with N squared."""

    def sparse(count):
        assert count(1000, 3000) <= 3000 + 1000
        assert count(2000, 6000) < 2.5 * count(1000, 3000)

    def of_edges(n, e):
        edges = torch.randint(n, (2, e), generator=torch.Generator().manual_seed(0))
        return GATLayer(4, 4)(torch.zeros(n, 4), edges, return_weights=True)[2].numel()

    sparse(of_edges)
    fails(sparse, lambda n, e: n * n)  # a full matrix, as the source fears


def test_q10_a_text_opens_with_its_subject():
    lessons = sorted((Path(__file__).parents[3] / "chapters").glob("*/*.ipynb"))

    def check(opening):
        first = opening.splitlines()[0]
        assert first.startswith("# ")
        assert not any(word in opening.lower() for word in ("as requested", "certainly", "happy to help"))

    for path in lessons:
        check("".join(json.loads(path.read_text(encoding="utf8"))["cells"][0]["source"]))
    fails(check, "Certainly! Here is the article as requested.\n\n# Attention on graphs")
