"""Wrong answers to the exercises of *Attention on edges*, and a part of the hint that each must get."""

import math

import torch

from recbyhand.layers import DotGraphAttention
from recbyhand.layers.graph import scatter_softmax, scatter_sum

INF = float("-inf")


def attend(q, k, v, edges, root=True, flip=False, over_all=False, mean=False, shift=True):
    source, target = edges.flip(0) if flip else edges
    e = (q[target] * k[source]).sum(1) / (q.shape[1] ** 0.5 if root else 1)
    if mean:
        e = torch.zeros_like(e)
    if over_all:
        a = e.softmax(0)
    elif shift:
        a = scatter_softmax(e, target, len(q))
    else:
        a = e.exp() / scatter_sum(e.exp(), target, len(q))[target]
    return scatter_sum(a[:, None] * v[source], target, len(q))


def with_loops(q, k, v, edges):
    own = torch.arange(len(q)).expand(2, -1)
    return attend(q, k, v, torch.cat([edges[:, edges[0] != edges[1]], own], 1))


def moves(f, h, A, nodes=None, allowed=None):
    """True if nothing moves that may not, looking at some nodes only."""
    allowed = A if allowed is None else allowed
    before = f(h, A)
    for j in range(len(h)):
        changed = h.clone()
        changed[j] += 1
        moved = ((f(changed, A) - before).abs() > 1e-6).any(1)
        bad = moved & ~allowed[:, j]
        if (bad if nodes is None else bad[nodes]).any():
            return False
    return True


def by_rounds(f, h, A):
    reach = (A.float() @ A.float()) > 0  # two steps are let through
    return moves(f, h, A, allowed=reach)


WRONG = [
    ("edge-1", "no LeakyReLU", torch.tensor([1, -2, INF]).softmax(0), "LeakyReLU is missing"),
    ("edge-1", "ReLU", torch.tensor([1, 0, INF]).softmax(0), "a fifth"),
    ("edge-1", "no mask", torch.tensor([1, -0.4, 3]).softmax(0), "no edge, no weight"),
    ("edge-1", "mask is zero", torch.tensor([1, -0.4, 0]).softmax(0), "minus infinity"),
    (
        "edge-1",
        "mask after",
        torch.tensor([1, -0.4, 3]).softmax(0) * torch.tensor([1, 1, 0]),
        "before the softmax",
    ),
    ("edge-1", "scores", [1, -0.4, 0], "Those are scores"),
    ("edge-2", "no mask", lambda e, A: torch.softmax(e, 1), "does not enter"),
    ("edge-2", "mask after", lambda e, A: torch.softmax(e, 1) * A, "after the softmax"),
    ("edge-2", "mask is zero", lambda e, A: torch.where(A, e, 0.0).softmax(1), "minus infinity"),
    ("edge-2", "nan", lambda e, A: torch.where(A, e, INF).softmax(1), "has nan"),
    ("edge-2", "large number", lambda e, A: torch.where(A, e, -1e9).softmax(1), "hears everybody alike"),
    ("edge-2", "columns", lambda e, A: torch.where(A, e, INF).softmax(0).nan_to_num(), "not each column"),
    ("edge-3", "weights summed", lambda a, v: a.sum(0) @ v.sum(0), "summed over the heads"),
    ("edge-3", "outputs summed", lambda a, v: torch.einsum("hij,hjd->id", a, v), "but summed"),
    ("edge-3", "mean", lambda a, v: torch.matmul(a, v).mean(0), "last layer"),
    ("edge-3", "alternating", lambda a, v: torch.einsum("hij,hjd->idh", a, v).flatten(1), "alternate"),
    ("edge-3", "reshaped", lambda a, v: (a @ v).reshape(v.shape[1], -1), "mixes nodes up"),
    ("edge-4", "no root", lambda *x: attend(*x, root=False), "root of d"),
    ("edge-4", "other way", lambda *x: attend(*x, flip=True), "the other way"),
    ("edge-4", "all edges", lambda *x: attend(*x, over_all=True), "over all edges"),
    ("edge-4", "mean", lambda *x: attend(*x, mean=True), "That is a mean"),
    ("edge-4", "loops", with_loops, "No self loops"),
    ("edge-4", "overflow", lambda *x: attend(*x, shift=False), "overflows"),
    ("edge-5", "always", lambda f, h, A: True, "without a mask"),
    ("edge-5", "never", lambda f, h, A: False, "A masked softmax"),
    ("edge-5", "symmetric", lambda f, h, A: moves(f, h, A, allowed=A | A.T), "wrong way round"),
    ("edge-5", "two steps", by_rounds, "Two layers"),
    ("edge-5", "not the last", lambda f, h, A: moves(f, h, A, nodes=slice(0, 5)), "the last node alone"),
    ("edge-5", "says a layer", lambda f, h, A: DotGraphAttention(3, 3), "True or False"),
]

# Found by a second blind attack: answers of somebody who had seen neither the checks nor the solutions.


def by_edge(score=lambda q, k, e: (q[e[1]] * k[e[0]]).sum(1), value=0, total=1):
    def answer(q, k, v, edges):
        w = torch.exp(score(q, k, edges) / q.shape[1] ** 0.5)
        sums = torch.zeros(len(q)).index_add(0, edges[total], w)
        return torch.zeros_like(v).index_add(0, edges[1], (w / sums[edges[total]])[:, None] * v[edges[value]])

    return answer


def dense(q, k, v, edges):
    A = torch.zeros(len(q), len(q), dtype=torch.bool)
    A[edges[1], edges[0]] = True
    return (q @ k.T / q.shape[1] ** 0.5).masked_fill(~A, -torch.inf).softmax(1).nan_to_num() @ v


WRONG += [
    ("edge-1", "torch's slope", [*torch.tensor([1.0, -0.02]).softmax(0).tolist(), 0], "The slope is 0.2"),
    ("edge-1", "other order", [0, *torch.tensor([1.0, -0.4]).softmax(0).tolist()], "the order is not"),
    (
        "edge-2",
        "overflow",
        lambda e, A: (e.exp() * A) / (e.exp() * A).sum(1, keepdim=True).clamp(min=1e-9),
        "an exponential overflows",
    ),
    (
        "edge-2",
        "clamped",
        lambda e, A: (e.exp() * A) / (e.exp() * A).sum(1, keepdim=True).clamp(min=1),
        "below 1",
    ),
    (
        "edge-3",
        "last head first",
        lambda alpha, v: torch.cat(list((alpha @ v).flip(0)), 1),
        "last head comes first",
    ),
    (
        "edge-3",
        "squeezed",
        lambda alpha, v: (alpha @ v).transpose(0, 1).flatten(1).squeeze(),
        "With one node",
    ),
    (
        "edge-4",
        "query of the source",
        by_edge(lambda q, k, e: (q[e[0]] * k[e[1]]).sum(1)),
        "the key is the source's",
    ),
    ("edge-4", "values of the target", by_edge(value=1), "its own value back"),
    ("edge-4", "sums per source", by_edge(total=0), "sums over a source's edges"),
    ("edge-4", "a matrix of all pairs", dense, "a matrix of all pairs"),
    ("edge-2", "not divided", lambda e, A: e.exp() * A, "Those are exponentials"),
]

WRONG += [
    (
        "edge-1",
        "slope everywhere",
        [math.exp(0.2) / (math.exp(0.2) + math.exp(-0.4)), 1 / (1 + math.exp(0.6)), 0],
        "above 0",
    )
]
