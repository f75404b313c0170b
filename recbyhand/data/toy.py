"""Small schemas and batches for examples, exercises and tests: you give what matters, the rest is drawn.

>>> batch = toy(4, user=[2, 2, 3, 3], item=[2, 3, 2, 3], label=[0, 1, 1, 0])
>>> model = rbh.models.FM(batch.schema, dim=4)
>>> model(batch)                                       # (4,)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from recbyhand.arguments import whole
from recbyhand.data.batch import Batch, Field, Schema

USER_FIELDS = (Field("gender", 4), Field("age", 6))
ITEM_FIELDS = (Field("year", 7), Field("genres", 9, 3))  # a film has one to three genres


def toy_schema(
    n_users: int = 20,
    n_items: int = 30,
    *,
    user_fields: Sequence[Field] = USER_FIELDS,
    item_fields: Sequence[Field] = ITEM_FIELDS,
    user_table=None,
    item_table=None,
    history: int = 5,
    seed: int = 0,
) -> Schema:
    """A schema of made-up users and films, 20 and 30 with padding and unknown, with random features.

    `user_table` (n_users, Fu) and `item_table` (n_items, Fi), where given, are the features themselves; then
    the sizes are those of the tables.
    """
    g = torch.Generator().manual_seed(whole("seed", seed, least=0))
    tables = []
    for n, fields, given in ((n_users, user_fields, user_table), (n_items, item_fields, item_table)):
        tables.append(_features(n, fields, g) if given is None else torch.as_tensor(given).long())
        if tables[-1].ndim != 2 or tables[-1].shape[1] != sum(field.width for field in fields):
            names = ", ".join(f"{field.name} ({field.width})" for field in fields) or "none"
            raise ValueError(
                f"a table of features has a row per id and the columns {names}; this one is {[*tables[-1].shape]}"
            )
    n_users, n_items = map(len, tables)
    return Schema(
        n_users=n_users,
        n_items=n_items,
        user_fields=tuple(user_fields),
        item_fields=tuple(item_fields),
        user_table=tables[0],
        item_table=tables[1],
        history=whole("history", history),
        user_ids=tuple(range(n_users - 2)),
        item_ids=tuple(range(n_items - 2)),
        titles=tuple(f"Film {i}" for i in range(n_items - 2)),
    )


def toy(
    rows: int = 8,
    schema: Schema | None = None,
    *,
    user=None,
    item=None,
    history: Sequence[Sequence[int]] | None = None,
    lengths: Sequence[int] | None = None,
    label=None,
    length: int | None = None,
    seed: int = 0,
) -> Batch:
    """A batch of `rows` examples of known users and items; what is not given is drawn with `seed`.

    schema   without it, `toy_schema()`; it is `batch.schema`
    user, item, label   one value per row
    history  item ids of each row, oldest first, of any number: toy(2, history=[[5, 7], []]); liked, in
             seconds 1, 2, ..., with the target a second after the last
    lengths  or only how many events each random history holds; else all lengths, with an empty one in row 0
    length   L, where it is not the schema's

    Raises ValueError for what does not fit the number of rows, or for an id that the schema does not have.
    """
    schema = toy_schema() if schema is None else schema
    rows, g = whole("rows", rows, least=0), torch.Generator().manual_seed(whole("seed", seed, least=0))
    L = schema.history if length is None else whole("length", length)

    def drawn(low: int, high: int, *shape: int) -> Tensor:
        return torch.randint(low, high, shape, generator=g)

    users = drawn(2, schema.n_users, rows) if user is None else _ids("user", user, rows, schema.n_users)
    items = drawn(2, schema.n_items, rows) if item is None else _ids("item", item, rows, schema.n_items)
    n = drawn(0, L + 1, rows)  # (B,) events in each history
    if history is not None:
        past = [
            _ids("history", events, len(events), schema.n_items) for events in _each("history", history, rows)
        ]
        lengths = [len(events) for events in past]
    if lengths is not None:
        n = torch.tensor(_each("lengths", lengths, rows), dtype=torch.long)
        if rows and not 0 <= n.min() <= n.max() <= L:
            raise ValueError(f"a history holds 0 to {L} events, not {n.tolist()}: give length=")
    elif rows >= 2:
        n[0], n[-1] = 0, L
    mask = torch.arange(L) < n[:, None]  # (B, L)
    seconds = drawn(1, 1000, rows, L).cumsum(1)  # (B, L)
    ids = drawn(2, schema.n_items, rows, L) * mask  # (B, L)
    labels = drawn(0, 2, rows, L).float() * mask  # (B, L)
    time = (seconds * mask).sum(1) + drawn(1, 1000, rows)  # (B,)
    if history is not None:
        ids = torch.stack([pad(events, (0, L - len(events))) for events in past]) if rows else ids
        labels, seconds, time = mask.float(), torch.arange(1, L + 1).expand(rows, L), n + 1
    label = drawn(0, 2, rows) if label is None else torch.as_tensor(_each("label", label, rows))
    return Batch(
        user=users,
        item=items,
        history=ids,
        history_mask=mask,
        history_labels=labels,
        history_time=seconds * mask,
        time=time,
        label=label.float(),
        schema=schema,
        edge=torch.full((rows,), -1),
    )


def _each(name: str, values, rows: int):
    if len(values) != rows:
        raise ValueError(f"{name} has {len(values)} values for {rows} rows")
    return values


def _ids(name: str, ids, n: int, size: int) -> Tensor:
    ids = torch.as_tensor(_each(name, ids, n), dtype=torch.long)
    if ((ids < 0) | (ids >= size)).any():
        raise ValueError(f"{name} has ids 0 to {size - 1}, not {ids.tolist()}")
    return ids


def _features(n: int, fields: Sequence[Field], g: torch.Generator) -> Tensor:
    """(n, columns) of feature ids; row 0 is padding, row 1 unknown; the values of a field are distinct."""
    columns = []
    for field in fields:
        ids = torch.zeros(n, field.width, dtype=torch.long)
        for row in range(2, n):
            most = min(field.width, field.size - 2)
            count = int(torch.randint(1, most + 1, (1,), generator=g))
            ids[row, :count] = torch.randperm(field.size - 2, generator=g)[:count] + 2
        ids[1, 0] = 1
        columns.append(ids)
    return torch.cat(columns, 1) if columns else torch.zeros(n, 0, dtype=torch.long)
