"""Wrong answers to the exercises of *Messages*, and a part of the hint that each must get."""

import torch
from torch.nn.functional import normalize

from recbyhand.layers import gcn_neighbours, mean_neighbours
from recbyhand.layers.graph import degrees, sum_neighbours, with_self_loops


def root(edges, n, power=0.5):
    return degrees(edges, n) ** power


def unit(x):
    return x / x.norm()


def light(h, edges, L, loops=False, aggregate=gcn_neighbours, parts=slice(None), divide=True):
    every = [h]
    for _ in range(L):
        more = {"self_loops": loops} if aggregate is gcn_neighbours else {}
        every.append(aggregate(every[-1], edges, **more))
    every = torch.stack(every[parts])
    return every.mean(0) if divide else every.sum(0)


def off(x):
    return x[~torch.eye(len(x), dtype=torch.bool)]


def cosines(h):
    return normalize(h) @ normalize(h).T


WRONG = [
    ("msg-1", "no loops", torch.tensor([0.5, 0.7071]), "Heat itself is missing, and the loops"),
    ("msg-1", "degrees without loops", torch.tensor([0.5, 1.7071]), "A loop raises each degree"),
    ("msg-1", "mean of three", torch.tensor([1 / 3, 1]), "mean of the three"),
    ("msg-1", "sum", torch.tensor([1.0, 3]), "That is the sum"),
    ("msg-1", "no root", torch.tensor([1 / 9, 2 / 9 + 1 / 6]), "forgot the root"),
    ("msg-2", "sum", sum_neighbours, "That is the sum"),
    ("msg-2", "flipped", lambda h, e: mean_neighbours(h, e.flip(0)), "other way"),
    ("msg-2", "loops", lambda h, e: mean_neighbours(h, with_self_loops(e, len(h))), "No self loops"),
    ("msg-2", "by nodes", lambda h, e: sum_neighbours(h, e) / len(h), "not of nodes"),
    ("msg-2", "nan", lambda h, e: sum_neighbours(h, e) / degrees(e, len(h))[:, None], "0 / 0"),
    ("msg-3", "constant", lambda e, n: unit(torch.ones(n)), "Constants stay"),
    ("msg-3", "degree", lambda e, n: unit(root(e, n, 1.0)), "itself is too much"),
    ("msg-3", "no length", lambda e, n: root(e, n), "make its length 1"),
    ("msg-3", "inverse", lambda e, n: unit(root(e, n, -0.5)), "The other way"),
    ("msg-3", "negative", lambda e, n: -unit(root(e, n)), "positive numbers"),
    ("msg-4", "last", lambda h, e, L: light(h, e, L, parts=slice(-1, None)), "That is the last layer"),
    ("msg-4", "sum", lambda h, e, L: light(h, e, L, divide=False), "divide by L + 1"),
    ("msg-4", "no start", lambda h, e, L: light(h, e, L, parts=slice(1, None)), "one of the layers"),
    ("msg-4", "mean", lambda h, e, L: light(h, e, L, aggregate=mean_neighbours), "a plain mean"),
    ("msg-4", "loops", lambda h, e, L: light(h, e, L, loops=True), "no self loops"),
    ("msg-4", "undivided", lambda h, e, L: light(h, e, L, aggregate=sum_neighbours), "are not divided"),
    ("msg-5", "diagonal", lambda h: 1 - cosines(h).mean(), "The diagonal is among"),
    ("msg-5", "cosine", lambda h: off(cosines(h)).mean(), "That is the mean cosine"),
    ("msg-5", "products", lambda h: 1 - off(h @ h.T).mean(), "Those are products"),
    ("msg-5", "columns", lambda h: 1 - off(cosines(h.T)).mean(), "You compare columns"),
    ("msg-5", "distance", lambda h: off(torch.cdist(h, h)).mean(), "mean distance"),
]

# Found by a second blind attack: answers of somebody who had seen neither the checks nor the solutions.


def bent(h, edges, L):
    layers = [h]
    for _ in range(L):
        layers.append(torch.relu(gcn_neighbours(layers[-1], edges, self_loops=False)))
    return torch.stack(layers).mean(0)


WRONG += [
    (
        "msg-2",
        "root",
        lambda h, e: (
            sum_neighbours(h, e) / torch.bincount(e[1], minlength=len(h)).clamp(min=1).sqrt()[:, None]
        ),
        "not by its root",
    ),
    (
        "msg-2",
        "degree of the source",
        lambda h, e: sum_neighbours(h, e) / torch.bincount(e[0], minlength=len(h)).clamp(min=1)[:, None],
        "that leave a node",
    ),
    (
        "msg-2",
        "overwritten",
        lambda h, e: (
            torch.zeros_like(h).index_put((e[1],), h[e[0]])
            / torch.bincount(e[1], minlength=len(h)).clamp(min=1)[:, None]
        ),
        "overwrites the one before",
    ),
    ("msg-3", "sums to 1", lambda e, n: root(e, n) / root(e, n).sum(), "Your numbers sum to 1"),
    ("msg-3", "largest is 1", lambda e, n: root(e, n) / root(e, n).max(), "largest number is 1"),
    ("msg-4", "activation", bent, "no activation"),
    ("msg-5", "centred", lambda h: 1 - off(cosines(h - h.mean(0))).mean(), "mean off first"),
    ("msg-5", "half", lambda h: 1 - cosines(h).triu(1).sum() / (len(h) * (len(h) - 1)), "each pair once"),
    ("msg-5", "n squared", lambda h: 1 - (cosines(h).sum() - len(h)) / len(h) ** 2, "divide by n²"),
]
