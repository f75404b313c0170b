"""Layers on a graph against PyTorch Geometric, against dense formulas with a mask, and against what must hold."""

import math

import pytest
import torch
from torch_geometric.nn import GATConv, GATv2Conv, GCNConv, LGConv, SAGEConv

from recbyhand.layers import (
    DotGraphAttention,
    EdgeAttention,
    GATLayer,
    GATv2Layer,
    degrees,
    gcn_neighbours,
    masked_softmax,
    mean_neighbours,
    sample_neighbours,
    scatter_softmax,
    sum_neighbours,
    sum_weighted_neighbours,
    with_self_loops,
)

N, D, OUT = 9, 5, 4
ISOLATED = 7  # no edge ends here, none starts here
EDGES = torch.tensor(
    [[0, 1, 1, 2, 3, 4, 5, 6, 8, 8, 2, 2], [1, 0, 2, 1, 4, 3, 6, 5, 0, 1, 2, 6]]
)  # 2 -> 2 is a loop
KINDS = {
    "gat": GATLayer,
    "gatv2": GATv2Layer,
    "gatv2 shared": lambda *a, **k: GATv2Layer(*a, share=True, **k),
    "dot": DotGraphAttention,
    "dot, d_key": lambda *a, **k: DotGraphAttention(*a, d_key=3, **k),
    "cosine": lambda *a, **k: DotGraphAttention(*a, score="cosine", **k),
    "distance": lambda *a, **k: DotGraphAttention(*a, score="distance", **k),
}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def h():
    return torch.randn(N, D, dtype=torch.float64)


def made(kind, *args, **how):
    return KINDS[kind](*args, **how).double()


# --- PyTorch Geometric ---------------------------------------------------------------------------------------------


def gat_pair(heads, concat, loops, bias=True):
    mine = GATLayer(D, OUT, heads, concat=concat, self_loops=loops, bias=bias).double()
    theirs = GATConv(D, OUT, heads, concat=concat, add_self_loops=loops, bias=bias).double()
    weights = {
        "lin.weight": mine.linear.weight,
        "att_src": mine.a_source[None],
        "att_dst": mine.a_target[None],
    }
    return mine, theirs, weights


def gatv2_pair(heads, concat, loops, bias=True, share=False):
    mine = GATv2Layer(D, OUT, heads, concat=concat, self_loops=loops, bias=bias, share=share).double()
    theirs = GATv2Conv(
        D, OUT, heads, concat=concat, add_self_loops=loops, bias=bias, share_weights=share
    ).double()
    weights = {"lin_l.weight": mine.source.weight, "lin_r.weight": mine.target.weight, "att": mine.a[None]}
    if theirs.lin_l.bias is not None:  # theirs has two more, which can do nothing that the others cannot
        weights |= {"lin_l.bias": torch.zeros(heads * OUT), "lin_r.bias": torch.zeros(heads * OUT)}
    return mine, theirs, weights


@pytest.mark.parametrize("loops", [True, False])
@pytest.mark.parametrize("concat", [True, False])
@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("pair", [gat_pair, gatv2_pair])
def test_equal_to_pytorch_geometric(h, pair, heads, concat, loops):
    mine, theirs, weights = pair(heads, concat, loops)
    with torch.no_grad():
        mine.bias.normal_()
        theirs.load_state_dict(
            {name: w.detach().double() for name, w in weights.items()} | {"bias": mine.bias}
        )
    out, edges, a = mine(h, EDGES, return_weights=True)
    expected, (their_edges, their_a) = theirs(h, EDGES, return_attention_weights=True)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)
    assert torch.equal(edges, their_edges)
    torch.testing.assert_close(a, their_a, rtol=0, atol=1e-12)


@pytest.mark.parametrize("pair", [gat_pair, gatv2_pair])
def test_gradients_are_those_of_pytorch_geometric(h, pair):
    mine, theirs, weights = pair(2, True, True)
    theirs.load_state_dict(
        {name: w.detach().double() for name, w in weights.items()} | {"bias": mine.bias.detach()}
    )
    x, y = h.clone().requires_grad_(), h.clone().requires_grad_()
    mine(x, EDGES).square().sum().backward()
    theirs(y, EDGES).square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=0, atol=1e-11)


def test_gatv2_with_shared_weights_is_theirs(h):
    mine, theirs, weights = gatv2_pair(2, True, True, share=True)
    theirs.load_state_dict(
        {name: w.detach().double() for name, w in weights.items()} | {"bias": mine.bias.detach()}
    )
    torch.testing.assert_close(mine(h, EDGES), theirs(h, EDGES), rtol=0, atol=1e-12)
    assert sum(p.numel() for p in mine.parameters()) == 2 * OUT * (D + 2)


def undirected():
    clean = EDGES[:, EDGES[0] != EDGES[1]]
    return torch.cat([clean, clean.flip(0)], dim=1).unique(dim=1)


def test_gcn_lightgcn_and_graphsage_are_theirs(h):
    edges = undirected()
    gcn, light, sage = (
        GCNConv(D, D, bias=False),
        LGConv(),
        SAGEConv(D, D, aggr="mean", root_weight=False, bias=False),
    )
    with torch.no_grad():
        gcn.lin.weight.copy_(torch.eye(D))
        sage.lin_l.weight.copy_(torch.eye(D))
    gcn, sage = gcn.double(), sage.double()
    torch.testing.assert_close(gcn_neighbours(h, edges), gcn(h, edges), rtol=0, atol=1e-7)
    torch.testing.assert_close(gcn_neighbours(h, edges, self_loops=False), light(h, edges), rtol=0, atol=1e-7)
    torch.testing.assert_close(mean_neighbours(h, edges), sage(h, edges), rtol=0, atol=1e-12)


# --- dense formulas ------------------------------------------------------------------------------------------------


def adjacency(edges, n=N):
    """A[i, j] = how often j sends to i."""
    return torch.zeros(n, n, dtype=torch.float64).index_put(
        (edges[1], edges[0]), torch.ones(()).double(), accumulate=True
    )


def test_aggregations_by_matrices(h):
    a = adjacency(EDGES)
    d = a.sum(1)
    assert torch.equal(degrees(EDGES, N).double(), d)
    torch.testing.assert_close(sum_neighbours(h, EDGES), a @ h)
    torch.testing.assert_close(mean_neighbours(h, EDGES), a @ h / d.clamp(min=1)[:, None])
    edges = undirected()
    a = adjacency(edges) + torch.eye(N)
    root = a.sum(1).rsqrt().diag()
    torch.testing.assert_close(gcn_neighbours(h, edges), root @ a @ root @ h)


def dense_scores(layer, kind, h):
    """(N targets, N sources, H)."""
    split = layer.split
    if kind == "gat":
        v = split(layer.linear(h))
        a = torch.cat([layer.a_target, layer.a_source], dim=-1)  # (H, 2 d)
        pairs = torch.cat([v[:, None].expand(N, N, -1, -1), v[None].expand(N, N, -1, -1)], dim=-1)
        return v, torch.nn.functional.leaky_relu((pairs * a).sum(-1), 0.2)
    if kind.startswith("gatv2"):
        v, t = split(layer.source(h)), split(layer.target(h))
        return v, (torch.nn.functional.leaky_relu(t[:, None] + v[None], 0.2) * layer.a).sum(-1)
    q, k, v = split(layer.query(h)), split(layer.key(h)), split(layer.value(h))
    if kind == "distance":
        return v, -(torch.cdist(q.transpose(0, 1), k.transpose(0, 1)).permute(1, 2, 0) ** 2)
    dot = torch.einsum("ihd,jhd->ijh", q, k)
    if kind == "cosine":
        return v, dot / (q.norm(dim=-1)[:, None] * k.norm(dim=-1)[None]) / 0.1
    return v, dot / math.sqrt(q.shape[-1])


@pytest.mark.parametrize("kind", KINDS)
def test_equal_to_the_dense_formula_with_a_mask(h, kind):
    layer = made(kind, D, OUT, 3)
    v, e = dense_scores(layer, kind, h)
    mask = adjacency(with_self_loops(EDGES, N)) > 0
    a = masked_softmax(e.permute(2, 0, 1), mask)  # (H, N, N)
    expected = torch.einsum("hij,jhd->ihd", a, v).flatten(1)
    torch.testing.assert_close(layer(h, EDGES), expected, rtol=0, atol=1e-12)


def test_dot_attention_of_one_head_is_torchs(h):
    layer = DotGraphAttention(D, OUT).double()
    mask = adjacency(with_self_loops(EDGES, N)) > 0
    expected = torch.nn.functional.scaled_dot_product_attention(
        layer.query(h)[None], layer.key(h)[None], layer.value(h)[None], attn_mask=mask
    )[0]
    torch.testing.assert_close(layer(h, EDGES), expected, rtol=0, atol=1e-12)


# --- softmax per node ----------------------------------------------------------------------------------------------


def test_scatter_softmax_sums_to_one_and_does_not_care_for_a_constant():
    scores, target = torch.randn(12, 2, dtype=torch.float64), EDGES[1]
    a = scatter_softmax(scores, target, N)
    sums = torch.zeros(N, 2, dtype=torch.float64).index_add(0, target, a)
    reached = degrees(EDGES, N) > 0
    torch.testing.assert_close(sums[reached], torch.ones_like(sums[reached]))
    assert (sums[~reached] == 0).all()
    shift = torch.randn(N, 2, dtype=torch.float64)[target]
    torch.testing.assert_close(a, scatter_softmax(scores + shift, target, N))
    torch.testing.assert_close(scatter_softmax(scores[:, 0], target, N), a[:, 0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_scatter_softmax_survives_huge_scores(dtype):
    scores = torch.tensor([1e4, 1e4, -1e4, -1e4, -1e4], dtype=dtype)
    a = scatter_softmax(scores, torch.tensor([0, 0, 0, 1, 1]), 2)
    torch.testing.assert_close(a, torch.tensor([0.5, 0.5, 0, 0.5, 0.5], dtype=dtype))


def test_scatter_softmax_gradcheck():
    scores = torch.randn(12, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: scatter_softmax(s, EDGES[1], N), scores)


# --- the weighted sum, portion by portion ---------------------------------------------------------------------------


def test_weighted_sum_is_the_sum_of_all_messages():
    """More edges than one portion holds: values and gradients of the plain formula."""
    n, e = 50, 20_000
    edges = torch.randint(n, (2, e))
    a = torch.randn(e, 3, dtype=torch.float64, requires_grad=True)
    v = torch.randn(n, 3, 2, dtype=torch.float64, requires_grad=True)
    to_out = torch.randn(n, 3, 2, dtype=torch.float64)
    got = sum_weighted_neighbours(a, v, edges)
    plain = torch.zeros_like(v).index_add(0, edges[1], a[..., None] * v[edges[0]])
    torch.testing.assert_close(got, plain, rtol=0, atol=1e-11)
    for mine, theirs in zip(
        torch.autograd.grad(got, (a, v), to_out), torch.autograd.grad(plain, (a, v), to_out)
    ):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-11)


def test_weighted_sum_keeps_no_message_for_the_gradient():
    """What is kept is no larger than its inputs: with all messages, it would hold E * H * d numbers."""
    n, e, heads, d = 20, 10_000, 4, 64
    kept = []
    a, v = torch.rand(e, heads, requires_grad=True), torch.rand(n, heads, d, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()) or x, lambda x: x):
        sum_weighted_neighbours(a, v, torch.randint(n, (2, e))).sum().backward()
    assert max(kept) < e * heads * d / 10


def test_weighted_sum_of_mixed_precision_is_that_of_the_wider():
    """Under autocast values are bfloat16 where weights are float32."""
    edges = torch.tensor([[0, 1, 1], [1, 0, 1]])
    a, v = torch.rand(3, 1, requires_grad=True), torch.rand(2, 1, 4, dtype=torch.bfloat16, requires_grad=True)
    out = sum_weighted_neighbours(a, v, edges)
    out.sum().backward()
    assert (out.dtype, a.grad.dtype, v.grad.dtype) == (torch.float32, torch.float32, torch.bfloat16)


# --- properties ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_nodes_and_order_of_edges_do_not_matter(h, kind):
    layer = made(kind, D, OUT, 2)
    out = layer(h, EDGES)
    p = torch.randperm(N)
    place = p.argsort()  # node i now stands at place[i]
    moved = place[EDGES][:, torch.randperm(EDGES.shape[1])]
    torch.testing.assert_close(layer(h[p], moved), out[p], rtol=0, atol=1e-12)


@pytest.mark.parametrize("loops", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_no_gradient_from_those_who_are_no_neighbours(h, kind, loops):
    layer = made(kind, D, OUT, 2, self_loops=loops)
    mask = adjacency(with_self_loops(EDGES, N) if loops else EDGES) > 0
    for node in range(N):
        x = h.clone().requires_grad_()
        layer(x, EDGES)[node].sum().backward()
        # Without a loop a target still asks: its own vector moves its weights, unless one neighbour has them all.
        heard = mask[node].clone()
        if not loops and heard.sum() > 1 and kind != "cosine" and not kind.startswith("gat"):
            heard[node] = True
        got = x.grad.abs().sum(1) > 0
        assert not (got & ~heard & (torch.arange(N) != node)).any(), node
        assert got[mask[node]].all(), node


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_an_isolated_node(h, kind, bias):
    with_loops, without = (made(kind, D, OUT, 2, bias=bias, self_loops=loops) for loops in (True, False))
    with torch.no_grad():
        for layer in (with_loops, without):
            if bias:
                layer.bias.normal_()
    v, _ = with_loops.values_and_scores(h, EDGES)
    own = v[ISOLATED].flatten() + (with_loops.bias if bias else 0)
    torch.testing.assert_close(with_loops(h, EDGES)[ISOLATED], own)
    torch.testing.assert_close(
        without(h, EDGES)[ISOLATED], without.bias.detach() if bias else torch.zeros(2 * OUT).double()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_no_edge_at_all(h, kind):
    none = torch.zeros(2, 0, dtype=torch.long)
    assert torch.isfinite(made(kind, D, OUT)(h, none)).all()
    out, edges, a = made(kind, D, OUT, 2, self_loops=False)(h, none, return_weights=True)
    assert (out == 0).all()
    assert edges.shape == (2, 0)
    assert a.shape == (0, 2)
    assert (sum_neighbours(h, none) == 0).all()
    assert (mean_neighbours(h, none) == 0).all()


def test_an_edge_that_is_listed_twice_counts_twice():
    h = torch.eye(3, dtype=torch.float64)
    edges = torch.tensor([[1, 1, 2], [0, 0, 0]])
    torch.testing.assert_close(mean_neighbours(h, edges)[0], torch.tensor([0, 2 / 3, 1 / 3]).double())
    layer = DotGraphAttention(3, 3, self_loops=False, bias=False).double()
    with torch.no_grad():
        layer.query.weight.zero_()  # all scores alike
        layer.value.weight.copy_(torch.eye(3))
    torch.testing.assert_close(layer(h, edges)[0], torch.tensor([0, 2 / 3, 1 / 3]).double())


def test_loops_are_there_once():
    edges = with_self_loops(with_self_loops(EDGES, N), N)
    assert (edges[0] == edges[1]).sum() == N
    assert torch.equal(edges[0, -N:], torch.arange(N))


def test_heads_are_concatenated_or_averaged(h):
    layer = GATLayer(D, OUT, 3, bias=False).double()
    side_by_side = layer(h, EDGES)
    layer.concat = False
    assert side_by_side.shape == (N, 3 * OUT)
    torch.testing.assert_close(layer(h, EDGES), side_by_side.view(N, 3, OUT).mean(1))
    assert GATLayer(D, OUT, 3).width == 3 * OUT
    assert GATLayer(D, OUT, 3, concat=False).width == OUT


def test_dropout_drops_weights_while_training(h):
    layer = GATLayer(D, OUT, 2, dropout=0.5).double()
    layer.eval()
    plain, _, kept = layer(h, EDGES, return_weights=True)
    layer.train()
    dropped, _, a = layer(h, EDGES, return_weights=True)
    torch.testing.assert_close(a, kept)  # weights are returned as they were before dropout
    assert not torch.allclose(dropped, plain)
    many = torch.stack([layer(h, EDGES) for _ in range(4000)]).mean(0)
    torch.testing.assert_close(many, plain, rtol=0, atol=0.15)


@pytest.mark.parametrize("kind", KINDS)
def test_gradcheck(h, kind):
    layer = made(kind, D, OUT, 2)
    assert torch.autograd.gradcheck(lambda x: layer(x, EDGES), h.clone().requires_grad_(), fast_mode=True)
    for p in layer.parameters():
        assert torch.isfinite(p).all()


@pytest.mark.parametrize("kind", KINDS)
def test_equal_vectors_have_a_gradient(kind):
    """A distance of 0 or a vector of length 0 must not end in nan."""
    x = torch.zeros(N, D, requires_grad=True)
    KINDS[kind](D, OUT, 2)(x, EDGES).square().sum().backward()
    assert torch.isfinite(x.grad).all()


def test_same_seed_same_layer():
    for kind in KINDS:
        torch.manual_seed(3)
        first = KINDS[kind](D, OUT, 2)
        torch.manual_seed(3)
        second = KINDS[kind](D, OUT, 2)
        for a, b in zip(first.parameters(), second.parameters(), strict=True):
            assert torch.equal(a, b)


# --- what the scores are for ---------------------------------------------------------------------------------------


def star(n):
    """Nodes 1 ... n send to node 0."""
    return torch.stack([torch.arange(1, n + 1), torch.zeros(n, dtype=torch.long)])


def identity(layer):
    with torch.no_grad():
        for linear in (layer.query, layer.key, layer.value):
            linear.weight.copy_(torch.eye(len(linear.weight)))
    return layer


def test_the_nearest_key_has_the_largest_weight():
    h = torch.tensor([[0.0, 0.0], [0.1, 0.0], [3.0, 3.0], [-2.0, 1.0]])
    layer = identity(DotGraphAttention(2, 2, score="distance", self_loops=False))
    _, _, a = layer(h, star(3), return_weights=True)
    assert a[:, 0].argmax() == 0


def test_a_temperature_makes_a_cosine_sharp():
    h = torch.tensor([[1.0, 0.0], [2.0, 0.0], *[[-1.0, 0.0]] * 9])
    for temperature, sharp in ((0.1, True), (1.0, False)):
        layer = DotGraphAttention(2, 2, score="cosine", temperature=temperature, self_loops=False)
        _, _, a = identity(layer)(h, star(10), return_weights=True)
        assert (a[0, 0] > 0.9) == sharp, temperature
    assert DotGraphAttention(2, 2, score="cosine").temperature == 0.1


def complete(n):
    return torch.cartesian_prod(torch.arange(n), torch.arange(n)).T


def test_gat_ranks_neighbours_alike_for_all_and_gatv2_need_not():
    """Each target prefers its own key: GATv2 has weights for that, no GAT can (arXiv:2105.14491)."""
    n = 5
    h = torch.eye(n)
    for _ in range(20):
        _, edges, a = GATLayer(n, 4, self_loops=False)(h, complete(n), return_weights=True)
        table = torch.zeros(n, n).index_put((edges[1], edges[0]), a[:, 0])
        assert len(table.argmax(1).unique()) == 1
    layer = GATv2Layer(n, n, self_loops=False)
    with torch.no_grad():
        layer.source.weight.copy_(torch.eye(n))
        layer.target.weight.copy_(torch.eye(n))
        layer.a.fill_(-1)
        layer.target.weight.mul_(-1)  # LeakyReLU(key - query) is smallest, and least bad, where the two agree
    _, edges, a = layer(h, complete(n), return_weights=True)
    table = torch.zeros(n, n).index_put((edges[1], edges[0]), a[:, 0])
    assert torch.equal(table.argmax(1), torch.arange(n))


def test_attention_adds_two_vectors_to_a_graph_convolution():
    count = lambda m: sum(p.numel() for p in m.parameters())  # noqa: E731
    assert count(GATLayer(16, 8)) == count(GCNConv(16, 8)) + 2 * 8 == 152


# --- sampling ------------------------------------------------------------------------------------------------------


def test_sampled_neighbours_are_neighbours_and_few():
    edges = torch.randint(50, (2, 2000), generator=torch.Generator().manual_seed(1)).unique(dim=1)
    drawn = sample_neighbours(edges, 50, 5, torch.Generator().manual_seed(0))
    full, some = degrees(edges, 50), degrees(drawn, 50)
    assert torch.equal(some, full.clamp(max=5))
    key = lambda e: e[0] * 50 + e[1]  # noqa: E731
    assert torch.isin(key(drawn), key(edges)).all()
    assert len(key(drawn).unique()) == drawn.shape[1]
    assert torch.equal(drawn, sample_neighbours(edges, 50, 5, torch.Generator().manual_seed(0)))
    everything = sample_neighbours(edges, 50, 1000)
    assert torch.equal(key(everything).sort().values, key(edges).sort().values)


def test_every_neighbour_is_drawn_equally_often():
    g = torch.Generator().manual_seed(0)
    seen = torch.zeros(11)
    for _ in range(2000):
        seen += torch.bincount(sample_neighbours(star(10), 11, 3, g)[0], minlength=11)
    assert ((seen[1:] / 2000 - 0.3).abs() < 0.05).all()


# --- refusals ------------------------------------------------------------------------------------------------------


def test_what_is_no_list_of_edges_is_refused(h):
    for wrong in (torch.eye(N), torch.eye(N).long(), [[0], [1]], EDGES.double()):
        with pytest.raises(ValueError, match="sources above targets"):
            GATLayer(D, OUT)(h.float(), wrong)
    with pytest.raises(IndexError, match="nodes are 0 to 8, but edges name 0 to 9"):
        GATLayer(D, OUT)(h.float(), torch.tensor([[0], [9]]))
    with pytest.raises(ValueError, match="'dot', 'cosine', 'distance'"):
        DotGraphAttention(D, OUT, score="euclid")
    with pytest.raises(ValueError, match="temperature"):
        DotGraphAttention(D, OUT, temperature=0.0)
    with pytest.raises(ValueError, match="dropout"):
        GATLayer(D, OUT, dropout=1.0)
    with pytest.raises(ValueError, match="heads=0"):
        GATLayer(D, OUT, 0)
    with pytest.raises(TypeError, match="what the forms share"):
        EdgeAttention(D, OUT)(h.float(), EDGES)
