"""Vectors of items and of users: of an id, of its features, or of both."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbyhand.arguments import flag
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers.embedding import FeatureEmbedding, id_embedding


class ItemVectors(nn.Module):
    r"""The vector of an item's id; with `features`, joined by one vector per item field, $[v_i, v_{f_1}, \ldots]$.

    ids (...) -> (..., width), width = d, or d (1 + number of item fields). The features are looked up in the schema,
    so that the items of a history have them too.
    """

    def __init__(self, schema: Schema, dim: int, *, features: bool = False):
        super().__init__()
        self.id = id_embedding(schema.n_items, dim)
        features = flag("features", features)
        self.fields = FeatureEmbedding(schema.item_fields, dim) if features and schema.item_fields else None
        self.width = int(dim) * (1 + (len(schema.item_fields) if self.fields is not None else 0))
        self.schema = schema

    def forward(self, ids: Tensor) -> Tensor:
        v = self.id(ids)  # (..., d)
        if self.fields is None:
            return v
        columns = self.schema.item_features(ids)  # (..., Fi)
        f = self.fields(columns.flatten(0, -2)).flatten(1)  # (number of ids, item fields * d)
        return torch.cat([v, f.view(*ids.shape, self.width - v.shape[-1])], dim=-1)  # (..., width)


class UserVectors(nn.Module):
    r"""A vector per user id (`ids`), one per user field (`features`), $[v_u, v_{f_1}, \ldots]$, or neither.

    batch -> (B, width).
    """

    def __init__(self, schema: Schema, dim: int, *, ids: bool = False, features: bool = False):
        super().__init__()
        self.id = id_embedding(schema.n_users, dim) if ids else None
        self.fields = FeatureEmbedding(schema.user_fields, dim) if features and schema.user_fields else None
        self.width = dim * (ids + (len(schema.user_fields) if self.fields is not None else 0))

    def forward(self, batch: Batch) -> Tensor:
        # Empty and of the lowest type: joined with vectors of any precision, it leaves theirs as it is.
        parts = [batch.user.new_zeros(*batch.user.shape, 0, dtype=torch.bool)]  # (B, 0)
        if self.id is not None:
            parts.append(self.id(batch.user))  # (B, d)
        if self.fields is not None:
            parts.append(self.fields(batch.user_features).flatten(1))  # (B, user fields * d)
        return torch.cat(parts, dim=1)  # (B, width)
