"""What a model is told about its inputs (`Schema`) and what it receives (`Batch`).

Ids: 0 is padding, 1 is unknown, real ids start at 2, in every vocabulary.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Field:
    """One categorical feature: its vocabulary size (padding and unknown included) and its columns.

    A field with several values (the genres of a film) takes `width` > 1 columns of ids, padded with 0.
    """

    name: str
    size: int
    width: int = 1
    values: tuple[str, ...] = ()  # readable value of id 2, 3, ...


@dataclass(frozen=True)
class Schema:
    """The vocabularies, and the features of every user and item by id.

    `user_table` is (n_users, Fu) and `item_table` (n_items, Fi) of feature ids, where Fu and Fi count
    columns (a field of width 3 takes three); rows 0 and 1 are padding and unknown.
    """

    n_users: int  # vocabulary sizes, ids 0 and 1 included
    n_items: int
    user_fields: tuple[Field, ...]
    item_fields: tuple[Field, ...]
    user_table: Tensor
    item_table: Tensor
    history: int  # L, the length of every history
    user_ids: tuple = ()  # the reader's own id of user 2, 3, ...
    item_ids: tuple = ()
    titles: tuple[str, ...] = ()  # title of item 2, 3, ...

    @property
    def fields(self) -> tuple[Field, ...]:
        """All fields a factorisation machine sees: user id, item id, user features, item features."""
        return (Field("user", self.n_users), Field("item", self.n_items), *self.user_fields, *self.item_fields)


@dataclass
class Batch:
    """B examples as tensors. Histories are oldest first, with padding after the newest event."""

    user: Tensor  # (B,)
    item: Tensor  # (B,)
    user_features: Tensor  # (B, Fu)
    item_features: Tensor  # (B, Fi)
    history: Tensor  # (B, L) item ids
    history_mask: Tensor  # (B, L) True = real
    history_labels: Tensor  # (B, L) float, 0 where padded
    history_time: Tensor  # (B, L) seconds, 0 where padded
    time: Tensor  # (B,) seconds
    label: Tensor  # (B,) float

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, rows) -> Batch:
        return Batch(*(getattr(self, f.name)[rows] for f in dataclasses.fields(self)))

    def to(self, device) -> Batch:
        return Batch(*(getattr(self, f.name).to(device) for f in dataclasses.fields(self)))

    def ids(self) -> Tensor:
        """(B, 2 + Fu + Fi): one column of ids per column of `Schema.fields`, in that order."""
        return torch.cat([self.user[:, None], self.item[:, None], self.user_features, self.item_features], dim=1)
