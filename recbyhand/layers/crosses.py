"""Crossed features: one weight for every combination of two fields' values, looked up in a table."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recbyhand.data.batch import Field, Schema
from recbyhand.layers.embedding import FieldColumns


class CrossedWeights(FieldColumns):
    r"""The summed weights of chosen pairs of fields: ids (B, C) -> (B, P), one number per pair.

    $$s_{ab} = \sum_{i \in a} \sum_{j \in b} x_i x_j\, w_{ij}$$

    `pairs` are names, such as [("gender", "genres")]. The weight of values i and j stands in row i n_b + j of
    a table of n_a n_b rows: nothing is hashed, nothing collides, and the table grows with the product of the
    vocabularies (`sizes`). Weights start at 0; a combination that training never shows keeps 0, for ever.
    Raises KeyError for an unknown field, ValueError for a table of more than `LARGEST` rows.
    Source: Chang et al. 2010, Training and testing low-degree polynomial data mappings, JMLR 11 (with hashing).
    """

    LARGEST = 50_000_000  # rows: 200 MB, and twice that again for Adam

    def __init__(self, fields: Sequence[Field], pairs: Sequence[Sequence[str]]):
        super().__init__(fields)
        where = {field.name: f for f, field in enumerate(self.fields)}
        self.pairs, self.sizes, self._widths = tuple(tuple(pair) for pair in pairs), [], []
        columns = []  # of each combination: its column of a and of b, n_b, and where the rows of its pair start
        for pair in self.pairs:
            if len(pair) != 2 or not where.keys() >= set(pair):
                raise KeyError(f"no pair {pair}: a pair is two of the fields {', '.join(where)}")
            a, b = pair
            self.sizes.append(self.fields[where[a]].size * self.fields[where[b]].size)
            if self.sizes[-1] > self.LARGEST:
                raise ValueError(
                    f"{a} x {b} needs a table of {self.sizes[-1]:,} weights: cross smaller fields"
                )
            of_a, of_b = ((self.field_of == where[name]).nonzero()[:, 0].tolist() for name in pair)
            columns += [(i, j, self.fields[where[b]].size, sum(self.sizes[:-1])) for i in of_a for j in of_b]
            self._widths.append(len(of_a) * len(of_b))
        self.register_buffer("_columns", torch.tensor(columns).reshape(-1, 4).T, persistent=False)  # (4, K)
        self.table = nn.Embedding(sum(self.sizes), 1)
        nn.init.zeros_(self.table.weight)

    def rows_from(self, old: CrossedWeights) -> Tensor:
        """For each combination its row in the table of `old`, whose vocabularies may end earlier."""
        where, rows, start = {field.name: f for f, field in enumerate(self.fields)}, [], 0
        for pair, size in zip(self.pairs, old.sizes, strict=True):
            a, b = (
                torch.where(ids < before, ids, 1)
                for name in pair
                for ids, before in [
                    (torch.arange(self.fields[where[name]].size), old.fields[where[name]].size)
                ]
            )
            rows.append((start + old.fields[where[pair[1]]].size * a[:, None] + b).reshape(-1))
            start += size
        return torch.cat(rows) if rows else torch.arange(0)

    def forward(self, ids: Tensor) -> Tensor:
        self.check(ids)
        x = self.values(ids, self.table.weight.dtype)  # (B, C)
        if not self.pairs:
            return x[:, :0]  # (B, 0)
        a, b, n_b, start = (
            self._columns
        )  # (K,) each: all combinations of columns of all pairs, looked up at once
        row = start + n_b * ids.index_select(1, a) + ids.index_select(1, b)  # (B, K)
        w = x.index_select(1, a) * x.index_select(1, b) * self.table.weight.view(-1).take(row)  # (B, K)
        return torch.stack([part.sum(1) for part in w.split(self._widths, dim=1)], dim=1)  # (B, P)


def feature_pairs(schema: Schema) -> tuple[tuple[str, str], ...]:
    """Every user feature with every item feature: the pairs crossed where none are named."""
    return tuple((a.name, b.name) for a in schema.user_fields for b in schema.item_fields)
