"""Wrong answers to the exercises of *A graph attention recommender*, and a part of the hint that each must get."""

import torch


def pairs(gu, gi, u, i):
    return (gu[:, None] == u) & (gi[:, None] == i)


def sampled(edges, k, shuffle=True, total=False, replace=False, by=1, swap=False, loose=False):
    order = torch.randperm(edges.shape[1]) if shuffle else torch.arange(edges.shape[1])
    if total:
        return edges[:, order[:k]]
    if loose:
        return torch.stack([edges[0], edges[1, order]])
    kept = []
    for target in edges[by].unique():
        mine = order[edges[by, order] == target]
        if replace:
            mine = mine[torch.randint(len(mine), (min(k, len(mine)),))]
        kept.append(mine[:k])
    out = edges[:, torch.cat(kept)]
    return out.flip(0) if swap else out


def often_first(edges, k):
    """The first neighbour of each node is always among those kept."""
    first = torch.stack([(edges[1] == t).nonzero()[0, 0] for t in edges[1].unique()])
    rest = torch.ones(edges.shape[1], dtype=torch.bool)
    rest[first] = False
    return torch.cat([edges[:, first], sampled(edges[:, rest], k - 1)], 1)


def heavy(user, a, k=2, sign=1):
    gone = torch.zeros(len(a), dtype=torch.bool)
    for u in user.unique():
        mine = (user == u).nonzero()[:, 0]
        gone[mine[(sign * a[mine]).argsort(descending=True)[:k]]] = True
    return gone


def local_places(user, a):
    gone = torch.zeros(len(a), dtype=torch.bool)
    for u in user.unique():
        gone[a[user == u].argsort(descending=True)[:2]] = True
    return gone


def any_row(f, user, item, edges):
    for b in range(len(user)):
        kept = edges[:, (edges[0] != user[b]) | (edges[1] != item[b])]
        if (f(user, item, edges) != f(user, item, kept)).any():
            return True
    return False


def some_rows(f, user, item, edges, rows=(0,)):
    for b in rows:
        kept = edges[:, (edges[0] != user[b]) | (edges[1] != item[b])]
        if f(user, item, edges)[b] != f(user, item, kept)[b]:
            return True
    return False


WRONG = [
    ("grec-1", "not divided", -0.3 + 0.2 * 3, "no longer sum to 1"),
    ("grec-1", "all three", 0.5 * 2 - 0.3 + 0.6, "all three"),
    ("grec-1", "mean", (-1 + 3) / 2, "plain mean"),
    (
        "grec-1",
        "softmax of weights",
        float(torch.tensor([0.3, 0.2]).softmax(0) @ torch.tensor([-1.0, 3.0])),
        "softmax of weights",
    ),
    ("grec-1", "change", 0.6 - 1.3, "the change"),
    ("grec-1", "swapped", 0.4 * -1 + 0.6 * 3, "swapped"),
    (
        "grec-2",
        "two rows",
        lambda gu, gi, u, i: torch.isin(gu, u).logical_and(torch.isin(gi, i)),
        "two different rows",
    ),
    ("grec-2", "users", lambda gu, gi, u, i: (gu[:, None] == u).any(1), "every edge of the batch's users"),
    ("grec-2", "films", lambda gu, gi, u, i: (gi[:, None] == i).any(1), "every edge of the batch's films"),
    ("grec-2", "what stays", lambda gu, gi, u, i: ~pairs(gu, gi, u, i).any(1), "what stays"),
    ("grec-2", "per row", lambda gu, gi, u, i: pairs(gu, gi, u, i).any(0), "The other axis"),
    (
        "grec-2",
        "either",
        lambda gu, gi, u, i: ((gu[:, None] == u) | (gi[:, None] == i)).any(1),
        "not one of them",
    ),
    ("grec-3", "the first k", lambda e, k: sampled(e, k, shuffle=False), "same neighbours at every call"),
    ("grec-3", "k in all", lambda e, k: sampled(e, k, total=True), "keeps them all"),
    ("grec-3", "with replacement", lambda e, k: sampled(e, k, replace=True), "without replacement"),
    ("grec-3", "by source", lambda e, k: sampled(e, k, by=0), "at most k"),
    ("grec-3", "upside down", lambda e, k: sampled(e, k, swap=True), "upside down"),
    ("grec-3", "loose", lambda e, k: sampled(e, k, loose=True), "stay together"),
    ("grec-3", "the first always", often_first, "far more often"),
    ("grec-3", "one less", lambda e, k: sampled(e, k - 1), "Node 0 has nine neighbours and keeps"),
    ("grec-3", "sources only", lambda e, k: sampled(e, k)[0], "sources above targets"),
    (
        "grec-4",
        "two in all",
        lambda user, a: torch.isin(torch.arange(len(a)), a.argsort(descending=True)[:2]),
        "Two in all",
    ),
    ("grec-4", "lightest", lambda user, a: heavy(user, a, sign=-1), "the control"),
    ("grec-4", "what stays", lambda user, a: ~heavy(user, a), "what stays"),
    ("grec-4", "one each", lambda user, a: heavy(user, a, 1), "One per user"),
    ("grec-4", "threshold", lambda user, a: a > a.sum() / len(a), "threshold"),
    ("grec-4", "places of one user", local_places, "Translate them"),
    ("grec-5", "always", lambda f, *x: True, "no edge at all"),
    ("grec-5", "never", lambda f, *x: False, "Walks of three edges"),
    ("grec-5", "any score", any_row, "that row's score alone"),
    ("grec-5", "first row", some_rows, "test every row"),
    (
        "grec-5",
        "a tensor of scores",
        lambda f, user, item, edges: f(user, item, edges),
        "Return True or False",
    ),
]

# Found by a second blind attack: answers of somebody who had seen neither the checks nor the solutions.
WRONG += [
    ("grec-2", "sums of ids", lambda gu, gi, u, i: torch.isin(gu + gi, u + i), "one number in your function"),
    (
        "grec-2",
        "a hundred items",
        lambda gu, gi, u, i: torch.isin(100 * gu + gi, 100 * u + i),
        "one number in your function",
    ),
    ("grec-4", "first two", lambda user, a: heavy(user, -torch.arange(len(a)).float()), "first two of each"),
    (
        "grec-4",
        "single edges stay",
        lambda user, a: heavy(user, a) & (torch.bincount(user)[user] > 1),
        "a single edge",
    ),
]
