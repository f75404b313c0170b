"""Layers on a graph. A graph is a list of edges: `edges` (2, E) holds the source and the target of each.

A message travels from source to target, so the neighbours of node i are the sources of the edges that end in i.
A graph without directions has each edge twice, once each way. Nothing here makes an N x N matrix: time and memory
grow in proportion to the number of edges. Every function and layer answers with one row per node, in the order of
`h` (N, d); the order of the edges does not matter. An edge that is listed twice counts twice.

Letters: N nodes, E edges, H heads.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def check_edges(edges: Tensor, n: int) -> None:
    """Refuses what is no list of edges between n nodes: a float or square adjacency matrix, a node too many."""
    if not isinstance(edges, Tensor) or edges.ndim != 2 or edges.shape[0] != 2 or edges.is_floating_point():
        got = f"{edges.dtype} {tuple(edges.shape)}" if isinstance(edges, Tensor) else type(edges).__name__
        raise ValueError(
            f"edges are node numbers (2, E), sources above targets, not {got}; of an adjacency matrix A with "
            "A[i, j] = 1 where i hears from j: A.nonzero().T.flip(0)"
        )
    if edges.device.type == "cpu" and edges.numel() and (edges.min() < 0 or edges.max() >= n):
        raise IndexError(f"nodes are 0 to {n - 1}, but edges name {int(edges.min())} to {int(edges.max())}")


def with_self_loops(edges: Tensor, n: int) -> Tensor:
    """Every node hears from itself exactly once: loops there are go, and N new ones come last. (2, E' + N)"""
    own = torch.arange(n, device=edges.device).expand(2, -1)  # (2, N)
    return torch.cat([edges[:, edges[0] != edges[1]], own], dim=1)  # (2, E' + N)


def scatter_sum(messages: Tensor, target: Tensor, n: int) -> Tensor:
    """Add up the messages (E, ...) that arrive at each of n nodes -> (N, ...); zero where none does."""
    return messages.new_zeros(n, *messages.shape[1:]).index_add(0, target, messages)  # (N, ...)


def scatter_softmax(scores: Tensor, target: Tensor, n: int) -> Tensor:
    r"""Softmax among the edges that end in the same node: scores (E, ...) -> weights (E, ...).

    $$\alpha_{ij} = \frac{\exp e_{ij}}{\sum_{k \in N(i)} \exp e_{ik}}$$

    What `masked_softmax` does with a mask (N, N), in O(E). The largest score of each node is taken off first, so
    that no exponential overflows; this changes no weight.
    """
    where = target.view(-1, *[1] * (scores.ndim - 1)).expand_as(scores)  # (E, ...)
    lowest = scores.new_full((n, *scores.shape[1:]), torch.finfo(scores.dtype).min)  # (N, ...)
    largest = lowest.scatter_reduce(0, where, scores.detach(), "amax")  # (N, ...)
    e = torch.exp(scores - largest.index_select(0, target))  # (E, ...)
    return e / scatter_sum(e, target, n).index_select(0, target)  # (E, ...)


# ------------------------------------------------------------------------------------ aggregation without weights


def degrees(edges: Tensor, n: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """(N,) how many edges end in each node."""
    return scatter_sum(torch.ones_like(edges[1], dtype=dtype), edges[1], n)


def sum_neighbours(h: Tensor, edges: Tensor) -> Tensor:
    r"""$\sum_{j \in N(i)} h_j$: h (N, d), edges (2, E) -> (N, d)."""
    check_edges(edges, len(h))
    return scatter_sum(h.index_select(0, edges[0]), edges[1], len(h))  # (N, d)


def mean_neighbours(h: Tensor, edges: Tensor) -> Tensor:
    r"""$\frac{1}{|N(i)|} \sum_{j \in N(i)} h_j$: h (N, d), edges (2, E) -> (N, d).

    Zero where there is no neighbour. GraphSAGE's layer is a linear map of this plus another of h itself.
    Source: Hamilton, Ying and Leskovec 2017, Inductive representation learning, arXiv:1706.02216.
    """
    return sum_neighbours(h, edges) / degrees(edges, len(h), h.dtype).clamp(min=1)[:, None]  # (N, d)


def gcn_neighbours(h: Tensor, edges: Tensor, self_loops: bool = True) -> Tensor:
    r"""$\sum_{j \in N(i)} h_j / \sqrt{d_i d_j}$, where d counts the edges that end in a node.

    h (N, d), edges (2, E) -> (N, d). With self loops, i is among its own neighbours: the aggregation of a graph
    convolutional network, whose layer maps h linearly first. Without, that of LightGCN.
    Sources: Kipf and Welling 2017, arXiv:1609.02907; He et al. 2020, LightGCN, arXiv:2002.02126.
    """
    check_edges(edges, len(h))
    if self_loops:
        edges = with_self_loops(edges, len(h))  # (2, E + N)
    root = degrees(edges, len(h), h.dtype).clamp(min=1).rsqrt()[:, None]  # (N, 1)
    return root * scatter_sum((root * h).index_select(0, edges[0]), edges[1], len(h))  # (N, d)


def sample_neighbours(edges: Tensor, n: int, most: int, generator: torch.Generator | None = None) -> Tensor:
    """At most `most` incoming edges of each of n nodes, drawn without replacement: (2, E') with E' <= n * most."""
    shuffled = edges[:, torch.randperm(edges.shape[1], generator=generator, device=edges.device)]  # (2, E)
    by_target = shuffled[:, shuffled[1].argsort(stable=True)]  # (2, E)
    count = torch.bincount(by_target[1], minlength=n)  # (N,)
    first = (count.cumsum(0) - count)[by_target[1]]  # (E,) place of the first edge of the same target
    rank = torch.arange(edges.shape[1], device=edges.device) - first  # (E,)
    return by_target[:, rank < most]  # (2, E')


# ------------------------------------------------------------------------------------------------------ attention


def sum_weighted_neighbours(a: Tensor, v: Tensor, edges: Tensor) -> Tensor:
    r"""$\sum_{j \in N(i)} \alpha_{ij} v_j$: weights a (E, H), values v (N, H, d), edges (2, E) -> (N, H, d).

    The same as `scatter_sum(a[..., None] * v[source], target, n)`. That would write a message (H, d) per edge to
    memory, keep it for the gradient and write three more there, which takes longer than the arithmetic. Here a few
    thousand edges have their turn at a time, their messages stay in the processor's cache, and none is kept.
    """
    return WeightedSum.apply(a, v, *edges)


class WeightedSum(torch.autograd.Function):
    """`sum_weighted_neighbours` and its first derivatives, portion by portion."""

    @staticmethod
    def forward(ctx, a, v, source, target):
        ctx.save_for_backward(a, v, source, target)
        out = v.new_zeros(v.shape, dtype=torch.result_type(a, v))  # (N, H, d)
        for a_ij, j, i in portions(a, source, target):
            out.index_add_(0, i, a_ij[..., None] * v.index_select(0, j))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, to_out):
        a, v, source, target = ctx.saved_tensors
        to_a, to_v = [], torch.zeros_like(to_out)  # (N, H, d)
        for a_ij, j, i in portions(a, source, target):
            to_i = to_out.index_select(0, i)  # (e, H, d)
            to_a.append((to_i * v.index_select(0, j)).sum(-1))  # (e, H)
            to_v.index_add_(0, j, a_ij[..., None] * to_i)
        return torch.cat(to_a), to_v, None, None


def portions(*of_edges: Tensor):
    """Some edges of each tensor (E, ...) after the other; on a GPU, which has no such cache, all at once."""
    at_once = 8192 if of_edges[0].device.type == "cpu" else max(1, len(of_edges[0]))
    return zip(*(x.split(at_once) for x in of_edges))


class EdgeAttention(nn.Module):
    r"""What the forms share: score every edge, softmax per node, weighted sum of the sources' values, per head.

    $$h'_i = \Big\Vert_{k=1}^{H} \sum_{j \in N(i)} \alpha^k_{ij} v^k_j,
      \qquad \alpha^k_{ij} = \mathrm{softmax}_{j \in N(i)}\, e^k_{ij}$$

    h (N, d_in), edges (2, E) -> (N, H * d_out), or (N, d_out) with `concat=False`, where the *outputs* of the heads
    are averaged. A form says what the values and the scores are.

    self_loops  every node is among its own neighbours, once. Without, a node that no edge ends in gets zero
                (the bias, if there is one)
    dropout     each weight is dropped with this probability while training, and the others are not rescaled to
                sum to 1, only by 1 / (1 - p)

    `return_weights=True` also returns the edges used, (2, E'), loops included and last, and their weights (E', H),
    before dropout. Source: Velickovic et al. 2018, Graph attention networks, arXiv:1710.10903.
    """

    def __init__(
        self,
        d_in: int,
        d_out: int,
        heads: int = 1,
        concat: bool = True,
        dropout: float = 0.0,
        self_loops: bool = True,
        bias: bool = True,
    ):
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is the share of weights dropped, 0 <= dropout < 1; got {dropout}")
        if min(d_in, d_out, heads) < 1:
            raise ValueError(f"d_in={d_in}, d_out={d_out} and heads={heads} must be at least 1")
        self.heads, self.d_out, self.concat, self.self_loops = int(heads), int(d_out), concat, self_loops
        self.width = self.heads * self.d_out if concat else self.d_out
        self.dropout = nn.Dropout(dropout)
        self.bias = nn.Parameter(torch.zeros(self.width)) if bias else None

    def values_and_scores(self, h: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """(N, H, d_out) what a node sends, and (E, H) how much an edge counts."""
        raise TypeError(
            "EdgeAttention is what the forms share; use one of them, such as GATLayer(d_in, d_out)."
        )

    def split(self, x: Tensor) -> Tensor:
        """(N, H * d) -> (N, H, d)."""
        return x.view(len(x), self.heads, -1)

    def forward(self, h: Tensor, edges: Tensor, return_weights: bool = False):
        check_edges(edges, len(h))
        if self.self_loops:
            edges = with_self_loops(edges, len(h))  # (2, E)
        v, e = self.values_and_scores(h, edges)  # (N, H, d), (E, H)
        a = scatter_softmax(e, edges[1], len(h))  # (E, H)
        out = sum_weighted_neighbours(self.dropout(a), v, edges)  # (N, H, d)
        out = out.flatten(1) if self.concat else out.mean(1)  # (N, H * d) or (N, d)
        out = out if self.bias is None else out + self.bias
        return (out, edges, a) if return_weights else out


class GATLayer(EdgeAttention):
    r"""$e_{ij} = \mathrm{LeakyReLU}(a^\top [W h_i, W h_j])$, values $W h_j$.

    The vector a is two halves, so $a^\top [W h_i, W h_j]$ is one number per node as target plus one per node as
    source: scores cost O(N), not O(E d). It also means that all targets rank their sources alike (static
    attention, arXiv:2105.14491). Beside W, a head has 2 d_out numbers. `negative_slope` is the LeakyReLU's. h (N,
    d_in), edges (2, E) -> (N, H * d_out).
    Source: Velickovic et al. 2018, Graph attention networks, arXiv:1710.10903.
    """

    def __init__(self, d_in: int, d_out: int, heads: int = 1, *, negative_slope: float = 0.2, **how):
        super().__init__(d_in, d_out, heads, **how)
        self.linear = nn.Linear(d_in, heads * d_out, bias=False)
        self.a_target = nn.Parameter(torch.empty(heads, d_out))
        self.a_source = nn.Parameter(torch.empty(heads, d_out))
        self.negative_slope = negative_slope
        for weight in (self.linear.weight, self.a_target, self.a_source):
            nn.init.xavier_uniform_(weight)

    def values_and_scores(self, h: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        v = self.split(self.linear(h))  # (N, H, d)
        as_source, as_target = (v * self.a_source).sum(-1), (v * self.a_target).sum(-1)  # (N, H), (N, H)
        e = as_source.index_select(0, edges[0]) + as_target.index_select(0, edges[1])  # (E, H)
        return v, F.leaky_relu(e, self.negative_slope)


class GATv2Layer(EdgeAttention):
    r"""$e_{ij} = a^\top \mathrm{LeakyReLU}(W_t h_i + W_s h_j)$, values $W_s h_j$.

    The nonlinearity now stands between the two linear maps, so that each target can rank its sources in its own
    way (dynamic attention). $[W_t, W_s]$ is the paper's W on the pair $[h_i, h_j]$; `share=True` sets W_t = W_s.
    `negative_slope` is the LeakyReLU's. h (N, d_in), edges (2, E) -> (N, H * d_out).
    Source: Brody, Alon and Yahav 2022, How attentive are graph attention networks?, arXiv:2105.14491.
    """

    def __init__(
        self,
        d_in: int,
        d_out: int,
        heads: int = 1,
        *,
        negative_slope: float = 0.2,
        share: bool = False,
        **how,
    ):
        super().__init__(d_in, d_out, heads, **how)
        self.source = nn.Linear(d_in, heads * d_out, bias=False)
        self.target = self.source if share else nn.Linear(d_in, heads * d_out, bias=False)
        self.a = nn.Parameter(torch.empty(heads, d_out))
        self.negative_slope = negative_slope
        for weight in (self.source.weight, self.target.weight, self.a):
            nn.init.xavier_uniform_(weight)

    def values_and_scores(self, h: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        v, t = self.split(self.source(h)), self.split(self.target(h))  # (N, H, d), (N, H, d)
        both = v.index_select(0, edges[0]) + t.index_select(0, edges[1])  # (E, H, d)
        return v, (F.leaky_relu(both, self.negative_slope) * self.a).sum(-1)  # (E, H)


SCORES = ("dot", "cosine", "distance")


class DotGraphAttention(EdgeAttention):
    r"""Query of the target, key and value of the source: $q_i = W_q h_i$, $k_j = W_k h_j$, $v_j = W_v h_j$.

    score="dot"       $e_{ij} = q_i \cdot k_j / \tau$, with $\tau = \sqrt{d_{key}}$ unless given: the attention of
                      the Transformer (arXiv:1706.03762) among neighbours
    score="cosine"    $e_{ij} = \cos(q_i, k_j) / \tau$, $\tau = 0.1$ unless given: a cosine alone lies in [-1, 1],
                      and a softmax of it is nearly uniform
    score="distance"  $e_{ij} = -\lVert q_i - k_j \rVert^2 / \tau$, $\tau = 1$ unless given: near is much, hence
                      the sign

    `d_key` is the length of a head's query and key; without it, d_out. `temperature` is $\tau$. h (N, d_in), edges
    (2, E) -> (N, H * d_out).
    Source: Vaswani et al. 2017, arXiv:1706.03762, for the product; the others are this book's.
    """

    def __init__(
        self,
        d_in: int,
        d_out: int,
        heads: int = 1,
        *,
        score: str = "dot",
        temperature: float | None = None,
        d_key: int | None = None,
        **how,
    ):
        super().__init__(d_in, d_out, heads, **how)
        if score not in SCORES:
            raise ValueError(f"score={score!r}: choose one of {', '.join(map(repr, SCORES))}")
        d_key = d_out if d_key is None else d_key
        if temperature is None:
            temperature = {"dot": d_key**0.5, "cosine": 0.1, "distance": 1.0}[score]
        if not temperature > 0:
            raise ValueError(f"temperature={temperature}: give a number above 0")
        self.score, self.temperature = score, float(temperature)
        self.query = nn.Linear(d_in, heads * d_key, bias=False)
        self.key = nn.Linear(d_in, heads * d_key, bias=False)
        self.value = nn.Linear(d_in, heads * d_out, bias=False)
        for linear in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(linear.weight)

    def values_and_scores(self, h: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v = (self.split(linear(h)) for linear in (self.query, self.key, self.value))  # (N, H, d) each
        if self.score == "cosine":
            q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)  # (N, H, d)
        q, k = q.index_select(0, edges[1]), k.index_select(0, edges[0])  # (E, H, d), (E, H, d)
        e = -(q - k).square().sum(-1) if self.score == "distance" else (q * k).sum(-1)  # (E, H)
        return v, e / self.temperature
