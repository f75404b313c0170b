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
        self.pairs, self.sizes, self._columns = tuple(tuple(pair) for pair in pairs), [], []
        for pair in self.pairs:
            if len(pair) != 2 or not where.keys() >= set(pair):
                raise KeyError(f"no pair {pair}: a pair is two of the fields {', '.join(where)}")
            a, b = pair
            self.sizes.append(self.fields[where[a]].size * self.fields[where[b]].size)
            if self.sizes[-1] > self.LARGEST:
                raise ValueError(
                    f"{a} x {b} needs a table of {self.sizes[-1]:,} weights: cross smaller fields"
                )
            columns = [(self.field_of == where[name]).nonzero()[:, 0].tolist() for name in pair]
            self._columns.append((*columns, self.fields[where[b]].size))
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
        x, sums, start = self.values(ids, self.table.weight.dtype), [], 0  # (B, C)
        for (a, b, n_b), size in zip(self._columns, self.sizes, strict=True):
            row = start + n_b * ids[:, a, None] + ids[:, None, b]  # (B, width of a, width of b)
            w = self.table(row)[..., 0]  # (B, width of a, width of b)
            sums.append((x[:, a, None] * x[:, None, b] * w).sum((1, 2)))  # (B,)
            start += size
        return torch.stack(sums, dim=1) if sums else x[:, :0]  # (B, P)


def feature_pairs(schema: Schema) -> tuple[tuple[str, str], ...]:
    """Every user feature with every item feature: the pairs crossed where none are named."""
    return tuple((a.name, b.name) for a in schema.user_fields for b in schema.item_fields)
