"""What a model is told about its inputs (`Schema`) and what it receives (`Batch`).

Ids: 0 is padding, 1 is unknown, real ids start at 2, in every vocabulary.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
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
    edges: tuple[float, ...] = ()  # of numbers that were put into groups: the edges between them


@dataclass(frozen=True, eq=False, repr=False)
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
        ids = Field("user", self.n_users), Field("item", self.n_items)
        return (*ids, *self.user_fields, *self.item_fields)

    def user_id(self, raw) -> int:
        """The id of a user named as in the tables. KeyError with a suggestion if there is no such user."""
        return _look_up(self._users, raw, "user")

    def item_id(self, raw) -> int:
        """The id of an item named as in the tables. KeyError with a suggestion if there is no such item."""
        try:
            return _look_up(self._items, raw, "item")
        except KeyError:
            if isinstance(raw, str) and raw in self.titles:
                named = self.item_ids[self.titles.index(raw)]
                raise KeyError(f"there is no item {raw!r}: that is a title; give its id, {named!r}") from None
            raise

    def encode_users(self, raw: Iterable) -> Tensor:
        """Ids of many users (n,); one that the tables did not have is 1, unknown.

        Raises TypeError for text where ids are numbers, and the other way round: none of these can be known.
        """
        return _encode(self._users, raw, "user")

    def encode_items(self, raw: Iterable) -> Tensor:
        """Ids of many items (n,); one that the tables did not have is 1, unknown. TypeError as for users."""
        return _encode(self._items, raw, "item")

    def title(self, item: int) -> str:
        """Title of an item id, also of 0 and 1."""
        item = int(item)
        if not 0 <= item < self.n_items:
            raise IndexError(f"item ids are 0 to {self.n_items - 1}, not {item}")
        return self.titles[item - 2] if item >= 2 else ("padding", "unknown")[item]

    def continues(self, old: Schema) -> bool:
        """Does it begin with all users and items of `old`, and describe them by the same fields?"""
        users, items = self.user_ids[: len(old.user_ids)], self.item_ids[: len(old.item_ids)]
        same = (users, items, self.user_fields, self.item_fields, self.history)
        return same == (old.user_ids, old.item_ids, old.user_fields, old.item_fields, old.history)

    def user_features(self, user: Tensor) -> Tensor:
        """The features of users by id: (...) -> (..., Fu), on the device of the ids."""
        return _look_up_rows(self._tables_on(user.device)[0], user)

    def item_features(self, item: Tensor) -> Tensor:
        """The features of items by id: (...) -> (..., Fi), on the device of the ids."""
        return _look_up_rows(self._tables_on(item.device)[1], item)

    def _tables_on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        if device not in self._copies:  # one copy per device, made when first asked for
            self._copies[device] = self.user_table.to(device), self.item_table.to(device)
        return self._copies[device]

    @cached_property
    def _copies(self) -> dict:
        return {}

    def __getstate__(self) -> dict:
        return {name: value for name, value in vars(self).items() if name != "_copies"}

    @cached_property
    def _users(self) -> dict:
        return {raw: i for i, raw in enumerate(self.user_ids, start=2)}

    @cached_property
    def _items(self) -> dict:
        return {raw: i for i, raw in enumerate(self.item_ids, start=2)}

    def to_json(self) -> str:
        """Everything but the two tables, which are tensors and travel beside it."""
        skip = ("user_table", "item_table")
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in skip}
        for side in ("user_fields", "item_fields"):
            plain[side] = [dataclasses.asdict(field) for field in plain[side]]
        return json.dumps(plain, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, user_table: Tensor, item_table: Tensor) -> Schema:
        """The inverse of `to_json`."""
        plain = json.loads(text)
        for side in ("user_fields", "item_fields"):
            plain[side] = tuple(
                Field(**{**f, "values": tuple(f["values"]), "edges": tuple(f.get("edges", ()))})
                for f in plain[side]
            )
        for ids in ("user_ids", "item_ids", "titles"):
            plain[ids] = tuple(plain[ids])
        return cls(**plain, user_table=user_table, item_table=item_table)

    def __repr__(self) -> str:
        def names(fields):
            return ", ".join(f"{f.name} ({f.size}{f' x {f.width}' if f.width > 1 else ''})" for f in fields)

        return (
            f"Schema: {self.n_users} user ids, {self.n_items} item ids, history {self.history}; "
            f"user features: {names(self.user_fields) or 'none'}; "
            f"item features: {names(self.item_fields) or 'none'}"
        )


def _encode(index: dict, raw: Iterable, kind: str) -> Tensor:
    known = next(iter(index), None)
    ids = []
    for value in raw:
        value = value.item() if hasattr(value, "item") else value
        if known is not None and isinstance(value, str) != isinstance(known, str):
            such, other = ("text", "str") if isinstance(known, str) else ("numbers", "int")
            raise TypeError(
                f"{kind} {value!r}: the ids of {kind}s are {such}, such as {known!r}: encode_{kind}s(map({other}, ...))"
            )
        ids.append(index.get(value, 1))
    return torch.tensor(ids, dtype=torch.long)


def _look_up(index: dict, raw, kind: str) -> int:
    if np.ndim(raw):
        raise TypeError(f"give one {kind}, not {raw!r}")
    raw = raw.item() if hasattr(raw, "item") else raw  # numbers of NumPy and PyTorch too
    if raw in index:
        return index[raw]
    texts = {str(known): known for known in index}
    if str(raw) in texts:
        hint = f"did you mean {texts[str(raw)]!r}?"
    elif close := difflib.get_close_matches(str(raw), texts, n=3):
        hint = "close: " + ", ".join(repr(texts[c]) for c in close)
    else:
        hint = "known ones begin " + ", ".join(repr(known) for known in list(index)[:3])
    raise KeyError(f"there is no {kind} {raw!r}; {hint}")


def row_numbers(rows, n: int) -> Tensor:
    """`rows` of n, as a tensor to index with: a slice, one number, numbers or a mask, however they are held.

    Raises IndexError for rows that are not there, and for what is none of these.
    """
    wrong = "rows are picked by a slice, by whole numbers or by a mask of True and False"
    if isinstance(rows, slice):  # numbers, so that what they pick is a copy: writing into it changes nothing
        return torch.from_numpy(np.arange(*rows.indices(n)))
    if not isinstance(rows, Tensor):
        rows = np.array(rows, ndmin=1)
        if rows.size and rows.dtype.kind not in "iub":
            raise IndexError(f"{wrong}, not by {rows.tolist()!r}")
        rows = torch.from_numpy(rows)
    if rows.dtype == torch.bool:
        if rows.shape != (n,):
            raise IndexError(f"a mask needs one value for each of the {n} examples, not {list(rows.shape)}")
        return rows
    if rows.numel() and rows.is_floating_point():
        raise IndexError(f"{wrong}, not by {rows.dtype}")
    rows = rows.long().reshape(-1)  # (R,)
    if rows.device.type == "cpu" and (outside := (rows < -n) | (rows >= n)).any():
        raise IndexError(f"row {int(rows[outside][0])} of {n} examples")
    return rows


def _look_up_rows(table: Tensor, ids: Tensor) -> Tensor:
    return table.index_select(0, ids.reshape(-1)).view(*ids.shape, table.shape[1])


@dataclass
class Batch:
    """B examples as tensors of ids. Histories are oldest first, with padding after the newest event.

    Features are not copied: they are looked up in the schema, by id, when a model asks. So
    `dataclasses.replace(batch, item=other)` is the same rows with another item, features included.
    """

    user: Tensor  # (B,)
    item: Tensor  # (B,)
    history: Tensor  # (B, L) item ids
    history_mask: Tensor  # (B, L) True = real
    history_labels: Tensor  # (B, L) float, 0 where padded
    history_time: Tensor  # (B, L) seconds, 0 where padded
    time: Tensor  # (B,) seconds
    label: Tensor  # (B,) float
    schema: Schema
    edge: Tensor | None = None  # (B,) the row of `task.train` each example is; -1: it is of another part

    @property
    def user_features(self) -> Tensor:
        """(B, Fu) feature ids of the users."""
        return self.schema.user_features(self.user)

    @property
    def item_features(self) -> Tensor:
        """(B, Fi) feature ids of the items."""
        return self.schema.item_features(self.item)

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, rows) -> Batch:
        """A slice, row numbers (tensor, array, list) or a mask (B,); one number gives a batch of 1."""
        rows = row_numbers(rows, len(self))
        return self._map(lambda tensor: tensor[rows])

    def to(self, device) -> Batch:
        return self._map(lambda tensor: tensor.to(device))

    def _map(self, change) -> Batch:
        columns = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return type(self)(**{k: change(v) if isinstance(v, Tensor) else v for k, v in columns.items()})

    def outside(self, schema: Schema) -> str:
        """Which id is outside the vocabularies of `schema`, in words; "" where none is."""
        for name, size in (("user", schema.n_users), ("item", schema.n_items), ("history", schema.n_items)):
            ids = getattr(self, name).reshape(len(self), -1)  # (B, 1) or (B, L)
            wrong = (ids < 0) | (ids >= size)
            if ids.device.type != "meta" and bool(wrong.any()):
                row, column = wrong.nonzero()[0].tolist()
                return f"row {row} of the batch: {name} has ids 0 to {size - 1}, got {int(ids[row, column])}"
        return ""

    def ids(self) -> Tensor:
        """(B, 2 + Fu + Fi): one column of ids per column of `Schema.fields`, in that order."""
        pair = torch.stack([self.user, self.item], dim=1)  # (B, 2)
        return torch.cat([pair, self.user_features, self.item_features], dim=1)  # (B, 2 + Fu + Fi)


_OF_HISTORIES = ("history", "history_mask", "history_labels", "history_time")


class LazyBatch(Batch):
    """A batch that gathers each column of its histories when it is first read: `fit` and `predict` make such ones.

    A model meets a `Batch` like any other, but what it does not read is never gathered: for matrix factorisation
    that was nearly half of a step. Only `vars(batch)` shows the difference.
    """

    @classmethod
    def of(cls, gather: Callable[[str], Tensor], **columns) -> LazyBatch:
        """`columns` are there; `gather` makes those of the histories, by name."""
        batch = object.__new__(cls)
        vars(batch).update(columns, _gather=gather)
        return batch

    def __getattr__(self, name: str) -> Tensor:
        if name not in _OF_HISTORIES or "_gather" not in vars(self):
            raise AttributeError(f"a batch has no {name!r}")
        vars(self)[name] = value = vars(self)["_gather"](name)
        return value

    def to(self, device) -> Batch:
        there = {
            k: v.to(device) if isinstance(v, Tensor) else v for k, v in vars(self).items() if k != "_gather"
        }
        return self.of(lambda name: getattr(self, name).to(device), **there)


def batch_of(examples, rows) -> Batch:
    """`examples[rows]`, lazily where the examples can."""
    lazily = getattr(examples, "lazily", None)
    return examples[rows] if lazily is None else lazily(rows)
