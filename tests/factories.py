"""Small schemas and batches for tests: `rbh.data.toy`, in the words that the tests use.

`make_schema()` has ids, single-valued features and a multi-valued one (`genres`, padded with 0);
`make_batch(schema, B=8)` has histories of every length, and with B >= 2 an empty one in row 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from recbyhand.data.batch import Batch, Field, Schema
from recbyhand.data.toy import ITEM_FIELDS, USER_FIELDS, toy, toy_schema

__all__ = ["ITEM_FIELDS", "USER_FIELDS", "make_batch", "make_schema", "pad"]


def make_schema(
    n_users: int = 20,
    n_items: int = 30,
    user_fields: Sequence[Field] = USER_FIELDS,
    item_fields: Sequence[Field] = ITEM_FIELDS,
    history: int = 5,
    seed: int = 0,
    **tables,
) -> Schema:
    """`n_users` and `n_items` are vocabulary sizes: padding and unknown are counted."""
    fields = {"user_fields": user_fields, "item_fields": item_fields}
    return toy_schema(n_users, n_items, **fields, history=history, seed=seed, **tables)


def make_batch(schema: Schema, B: int = 8, L: int | None = None, seed: int = 0, **given) -> Batch:
    """A batch of B known users and items; `lengths` are the numbers of real events in the histories."""
    return toy(B, schema, length=L, seed=seed, **given)


def pad(batch: Batch, extra: int) -> Batch:
    """The same batch with `extra` more padded positions in every history."""
    names = ("history", "history_mask", "history_labels", "history_time")
    return replace(batch, **{n: torch.nn.functional.pad(getattr(batch, n), (0, extra)) for n in names})
