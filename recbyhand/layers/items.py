"""Item vectors: of an id alone, or of an id and its features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbyhand.data.batch import Schema
from recbyhand.layers.embedding import FeatureEmbedding, id_embedding


class ItemVectors(nn.Module):
    """ids (...) -> (..., width): the vector of the id; with `features`, joined by one vector per item field.

    width = d, or d (1 + number of item fields). The features are looked up in the schema's item table, so
    that the items of a history have them too.
    """

    item_table: Tensor  # (M, Fi)

    def __init__(self, schema: Schema, dim: int, *, features: bool = False):
        super().__init__()
        self.id = id_embedding(schema.n_items, dim)
        self.fields = FeatureEmbedding(schema.item_fields, dim) if features and schema.item_fields else None
        self.width = dim * (1 + (len(schema.item_fields) if self.fields is not None else 0))
        self.register_buffer("item_table", schema.item_table, persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        v = self.id(ids)  # (..., d)
        if self.fields is None:
            return v
        columns = self.item_table[ids]  # (..., Fi)
        f = self.fields(columns.flatten(0, -2)).flatten(1)  # (prod(...), Fi' d)
        return torch.cat([v, f.view(*ids.shape, -1)], dim=-1)  # (..., width)
