"""Wrong answers to the exercises of *The family tree*, and a part of the hint that each must get."""

import torch
from torch import nn

import recbyhand as rbh
from recbyhand.layers import MLP, FeatureEmbedding, FMInteraction, PairwiseInteraction

V = torch.tensor([[5.0, 1, 2], [3, 7, -1], [1, 4, 6]])
pairs = PairwiseInteraction()


def summed(make):
    return lambda v: sum(make(v, i, j) for i in range(len(v)) for j in range(i + 1, len(v)))


def pnn(width, read, out=lambda z: z[:, 0], base=rbh.models.Recommender):
    """A class that reads `read(v)` of `width(F, d)` numbers."""

    class PNN(base):
        def __init__(self, schema, *, dim=8, hidden=(32,)):
            super().__init__()
            F = len(schema.fields)
            self.embedding = FeatureEmbedding(schema.fields, dim)
            self.mlp = MLP([width(F, dim), *hidden, 1])

        def forward(self, batch):
            return out(self.mlp(read(self.embedding(batch.ids()))))

    return PNN


def all_of(F, d):
    return F * d + F * (F - 1) // 2


def right(v):
    return torch.cat([v.flatten(1), pairs(v).sum(-1)], 1)


class NoParts(rbh.models.Recommender):
    def __init__(self, schema, *, dim=8, hidden=(32,)):
        super().__init__()
        self.vectors = FeatureEmbedding(schema.fields, dim)

    def forward(self, batch):
        return self.vectors(batch.ids()).sum((1, 2))


class WithLinear(pnn(all_of, right)):
    def __init__(self, schema, *, dim=8, hidden=(32,)):
        super().__init__(schema, dim=dim, hidden=hidden)
        self.linear = FeatureEmbedding(schema.fields, 1, std=1)

    def forward(self, batch):
        return super().forward(batch) + self.linear(batch.ids()).sum((1, 2))


WRONG = [
    ("family-1", "own numbers", 5 * 7 + 5 * 6 + 7 * 6, "for itself"),
    ("family-1", "twice", (V * V.T).sum() - (V.diagonal() ** 2).sum(), "once from each side"),
    ("family-1", "whole", (V * V.T).sum(), "whole table"),
    ("family-1", "diagonal", 1 + (V.diagonal() ** 2).sum(), "diagonal is in your sum"),
    ("family-1", "not added", [3, 2, -4], "three pairs"),
    ("family-1", "sign", 3 + 2 + 4, "sign"),
    ("family-2", "own vectors", summed(lambda v, i, j: v[i, i] @ v[j, j]), "ITSELF"),
    ("family-2", "with itself", summed(lambda v, i, j: (v[i, j] ** 2).sum()), "`v[j, i]`"),
    ("family-2", "whole", lambda v: (v * v.permute(1, 0, 2)).sum(), "the diagonal too"),
    ("family-2", "half of the whole", lambda v: (v * v.permute(1, 0, 2)).sum() / 2, "leave out i = j"),
    ("family-2", "not summed over d", summed(lambda v, i, j: v[i, j] * v[j, i]), "sum over d"),
    ("family-3", "elementwise", lambda v: pairs(v), "sum over the last axis"),
    ("family-3", "added up", lambda v: FMInteraction(scalar=True)(v), "as FM does"),
    ("family-3", "square", lambda v: torch.einsum("bid,bjd->bij", v, v), "whole square"),
    ("family-3", "pooled", lambda v: FMInteraction()(v), "NFM's pool"),
    (
        "family-3",
        "below the diagonal",
        lambda v: torch.stack([(v[:, i] * v[:, j]).sum(-1) for i in range(4) for j in range(i)], 1),
        "another order",
    ),
    ("family-4", "no class", lambda schema: None, "A class is asked for"),
    ("family-4", "no recommender", pnn(all_of, right, base=nn.Module), "Derive it from"),
    ("family-4", "no parts", NoParts, "two parts"),
    ("family-4", "axis left", pnn(all_of, right, out=lambda z: z), "axis of length 1"),
    ("family-4", "squeezed", pnn(all_of, right, out=lambda z: z.squeeze()), "loses its axis"),
    (
        "family-4",
        "products only",
        pnn(lambda F, d: F * (F - 1) // 2, lambda v: pairs(v).sum(-1)),
        "products only",
    ),
    ("family-4", "vectors only", pnn(lambda F, d: F * d, lambda v: v.flatten(1)), "FNN's way"),
    (
        "family-4",
        "pooled",
        pnn(lambda F, d: F * d + d, lambda v: torch.cat([v.flatten(1), FMInteraction()(v)], 1)),
        "pooled the products",
    ),
    ("family-4", "sigmoid", pnn(all_of, right, out=lambda z: torch.sigmoid(z[:, 0])), "after the network"),
    (
        "family-4",
        "products first",
        pnn(all_of, lambda v: torch.cat([pairs(v).sum(-1), v.flatten(1)], 1)),
        "before the vectors",
    ),
    ("family-4", "detached", pnn(all_of, lambda v: right(v.detach())), "No gradient"),
    ("family-5", "product", lambda x, y, z: x * y * z > 0, "(2, 0, 0)"),
    ("family-5", "not negative", lambda x, y, z: not x * y * z < 0, "(2, 1, 0)"),
    ("family-5", "always", lambda *w: True, "2, 2 and -2"),
    ("family-5", "positive", lambda *w: all(x > 0 for x in w), "two of them"),
    ("family-5", "signs", lambda *w: sum(x < 0 for x in w) % 2 == 0, "exactly one weight"),
    ("family-1", "whole rows", (V @ V.T).triu(1).sum(), "of whole rows"),
    ("family-2", "own second", summed(lambda v, i, j: v[i, j] @ v[j, j]), "i is its partner"),
    (
        "family-2",
        "partners added",
        lambda v: FMInteraction(scalar=True)(v.sum(1)[None])[0],
        "for all partners",
    ),
    ("family-3", "mean", lambda v: pairs(v).mean(-1), "mean over d"),
    (
        "family-4",
        "mean",
        pnn(all_of, lambda v: torch.cat([v.flatten(1), pairs(v).mean(-1)], 1)),
        "products are means",
    ),
    (
        "family-5",
        "all zero",
        lambda x, y, z: x * y * z > 0 or (x, y, z) == (0, 0, 0),
        "Two zeros can be said",
    ),
    ("family-5", "sum", lambda *w: sum(w) > 0, "sum says nothing"),
    ("family-1", "rows", 1 * 2 + 3 * -1 + 1 * 4, "stand in one row"),
    ("family-1", "columns", 3 * 1 + 1 * 4 + 2 * -1, "stand in one column"),
    (
        "family-2",
        "partners averaged",
        summed(lambda v, i, j: v[i].mean(0) @ v[j].mean(0)),
        "You average what",
    ),
    ("family-2", "mean", lambda v: summed(lambda v, i, j: v[i, j] @ v[j, i])(v) / 6, "mean over the pairs"),
    ("family-2", "one partner", summed(lambda v, i, j: v[i, 0] @ v[j, 0]), "makes 2."),
    (
        "family-3",
        "cosines",
        lambda v: torch.stack(
            [torch.cosine_similarity(v[:, i], v[:, j]) for i in range(4) for j in range(i + 1, 4)], 1
        ),
        "cosines",
    ),
    ("family-3", "neighbours", lambda v: (v[:, 1:] * v[:, :-1]).sum(2), "neighbours only"),
    ("family-3", "sizes", lambda v: pairs(v).sum(-1).abs(), "The toy"),
    (
        "family-4",
        "columns",
        pnn(
            all_of,
            lambda v: torch.cat(
                [
                    v.flatten(1),
                    *[(v[:, i] * v[:, [j]][:, 0]).sum(1, True) for j in range(5) for i in range(j)],
                ],
                1,
            ),
        ),
        "their order is not",
    ),
    ("family-4", "linear part", WithLinear, "Something is added"),
]

WRONG += [("family-1", "for itself", 1 * 7 + 2 * 6 - 1 * 6, "on the diagonal. Take")]


def sums_first(v):
    n = len(v)
    return sum(v[i, j].sum() * v[j, i].sum() for i in range(n) for j in range(i + 1, n))


WRONG += [("family-2", "sums first", sums_first, "add up each vector first")]
