"""Small schemas and batches for tests: random, but legal in everything a model may rely on.

`make_schema()` has ids, single-valued features and a multi-valued one (`genres`, padded with 0);
`make_batch(schema, B=8)` has histories of every length, and with B >= 2 an empty one in row 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recbyhand.data.batch import Batch, Field, Schema

USER_FIELDS = (Field("gender", 4), Field("age", 6))
ITEM_FIELDS = (Field("year", 7), Field("genres", 9, 3))


def feature_table(n: int, fields: Sequence[Field], generator: torch.Generator) -> Tensor:
    """(n, columns) of feature ids; row 0 is padding, row 1 unknown; the values of a field are distinct."""
    columns = []
    for field in fields:
        ids = torch.zeros(n, field.width, dtype=torch.long)
        for row in range(2, n):
            most = min(field.width, field.size - 2)
            count = int(torch.randint(1, most + 1, (1,), generator=generator))
            ids[row, :count] = torch.randperm(field.size - 2, generator=generator)[:count] + 2
        ids[1, 0] = 1
        columns.append(ids)
    return torch.cat(columns, 1) if columns else torch.zeros(n, 0, dtype=torch.long)


def make_schema(
    n_users: int = 20,
    n_items: int = 30,
    user_fields: Sequence[Field] = USER_FIELDS,
    item_fields: Sequence[Field] = ITEM_FIELDS,
    history: int = 5,
    seed: int = 0,
) -> Schema:
    """`n_users` and `n_items` are vocabulary sizes: padding and unknown are counted."""
    g = torch.Generator().manual_seed(seed)
    return Schema(
        n_users=n_users,
        n_items=n_items,
        user_fields=tuple(user_fields),
        item_fields=tuple(item_fields),
        user_table=feature_table(n_users, user_fields, g),
        item_table=feature_table(n_items, item_fields, g),
        history=history,
        user_ids=tuple(range(n_users - 2)),
        item_ids=tuple(range(n_items - 2)),
        titles=tuple(f"Film {i}" for i in range(n_items - 2)),
    )


def make_batch(
    schema: Schema,
    B: int = 8,
    L: int | None = None,
    seed: int = 0,
    *,
    user: Sequence[int] | None = None,
    item: Sequence[int] | None = None,
    lengths: Sequence[int] | None = None,
) -> Batch:
    """A batch of B known users and items; `lengths` are the numbers of real events in the histories."""
    g = torch.Generator().manual_seed(seed)
    L = schema.history if L is None else L

    def integers(low: int, high: int, *shape: int) -> Tensor:
        return torch.randint(low, high, shape, generator=g)

    users = integers(2, schema.n_users, B) if user is None else torch.tensor(user)
    items = integers(2, schema.n_items, B) if item is None else torch.tensor(item)
    n = integers(0, L + 1, B)
    if lengths is not None:
        n = torch.tensor(lengths)
    elif B >= 2:
        n[0], n[-1] = 0, L
    mask = torch.arange(L) < n[:, None]
    seconds = integers(1, 1000, B, L).cumsum(1)
    return Batch(
        user=users,
        item=items,
        user_features=schema.user_table[users],
        item_features=schema.item_table[items],
        history=integers(2, schema.n_items, B, L) * mask,
        history_mask=mask,
        history_labels=integers(0, 2, B, L).float() * mask,
        history_time=seconds * mask,
        time=(seconds * mask).sum(1) + integers(1, 1000, B),
        label=integers(0, 2, B).float(),
    )


def pad(batch: Batch, extra: int) -> Batch:
    """The same batch with `extra` more padded positions in every history."""
    fields = dict(vars(batch))
    for name in ("history", "history_mask", "history_labels", "history_time"):
        fields[name] = torch.nn.functional.pad(fields[name], (0, extra))
    return Batch(**fields)
