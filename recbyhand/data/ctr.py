"""From tables to examples: split by time, give every target the history that was known before it.

The rules, each held by a test in `tests/data/test_ctr.py`:

- Events of one user in the same second are one *session*. Their order is unknown, so none of them enters
  the history of another, and a session goes wholly into one part of the split.
- A history holds events strictly before its target, the latest L of them, oldest first, then padding.
  It rolls: the history of a test target may hold the user's earlier test events, as it would in a running
  service, where yesterday's clicks are known today. A ranking is made at one moment, the cut, and its
  history ends there.
- Users and items that training never saw stay in the test, flagged as cold.
"""

from __future__ import annotations

import copy
import dataclasses
import html
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from recbyhand.arguments import number, whole
from recbyhand.data.batch import Batch, Field, Schema, row_numbers
from recbyhand.data.tables import Tables, check_like, readable

MAX_VALUES = 10  # of a field with several values, the first ten of a row are kept


@dataclass(eq=False, repr=False)
class Events:
    """All events, sorted by user and time, in one array each; histories are windows on it.

    Place 0 is a padding event, so that a window may point there. Events of user u are at
    start[u] ... start[u + 1] - 1.
    """

    item: Tensor  # (1 + E,) int32
    time: Tensor  # (1 + E,) int64
    label: Tensor  # (1 + E,) float32
    start: Tensor  # (n_users + 1,) int64

    @classmethod
    def of(cls, columns: list[np.ndarray], n_users: int) -> Events:
        """From columns of user, item, time and label in any order."""
        user, item, time, label = columns
        order = np.lexsort((time, user))  # by user, then time; ties stay in table order
        start = 1 + np.searchsorted(user[order], np.arange(n_users + 1))

        def padded(values: np.ndarray, dtype: str) -> Tensor:
            return torch.from_numpy(np.concatenate([np.zeros(1, dtype), values[order].astype(dtype)]))

        arrays = padded(item, "int32"), padded(time, "int64"), padded(label, "float32")
        return cls(*arrays, torch.from_numpy(start))

    def end(self, user: Tensor, time: Tensor | None = None) -> Tensor:
        """Place after the last event of `user` strictly before `time` (of all, without a time); (B,) each."""
        low, high = self.start[user], self.start[user + 1]
        if time is None:
            return high
        while bool((low < high).any()):  # one binary search per row, all rows in step
            middle = (low + high) // 2
            earlier = (low < high) & (self.time[middle.clamp(max=len(self.time) - 1)] < time)
            low, high = torch.where(earlier, middle + 1, low), torch.where(earlier, high, middle)
        return low

    def window(self, user: Tensor, end: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The latest `length` events before `end`: ids, mask, labels and times, (B, L) each."""
        first = torch.maximum(self.start[user], end - length)  # (B,)
        place = torch.arange(length)  # (L,)
        mask = place < (end - first)[:, None]  # (B, L)
        place = (first[:, None] + place) * mask  # (B, L); 0 is the padding event
        return self.item[place].long(), mask, self.label[place], self.time[place]


@dataclass(eq=False, repr=False)
class Examples:
    """One part of a task. Slicing it gives a `Batch`, whose histories are gathered at that moment."""

    user: Tensor  # (N,) ids
    item: Tensor  # (N,)
    time: Tensor  # (N,) seconds
    label: Tensor  # (N,) float
    end: Tensor  # (N,) where the history ends in `events`
    cold_user: Tensor  # (N,) True: the user has no example in training
    cold_item: Tensor  # (N,) True: the item has no example in training
    schema: Schema
    events: Events
    edge: Tensor | None = None  # (N,) the row of `task.train` that an example is; -1 in the other parts

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, rows) -> Batch:
        """A slice, row numbers (tensor, array, list) or a mask (N,); one number gives a batch of 1."""
        rows = row_numbers(rows, len(self))
        user = self.user[rows]  # (B,)
        return Batch(
            user,
            self.item[rows],
            *self.events.window(user, self.end[rows], self.schema.history),
            self.time[rows],
            self.label[rows],
            self.schema,
            None if self.edge is None else self.edge[rows],
        )

    def subset(self, rows) -> Examples:
        """These rows as examples of their own, e.g. `task.test.subset(~task.test.cold_user)`."""
        rows = row_numbers(rows, len(self))
        columns = {k: v[rows] for k, v in vars(self).items() if isinstance(v, Tensor)}
        return dataclasses.replace(self, **columns)

    def __repr__(self) -> str:
        users, items = len(self.user.unique()), len(self.item.unique())
        return f"{len(self):,} examples of {users:,} users and {items:,} items"


@dataclass(eq=False, repr=False)
class Ranking:
    """One ranking of the full catalogue per test user who has training examples and a liked test item.

    `batch` has one row per user with the history at the cut; its item and label are 0. Seen items are those
    of the user's training and validation examples; relevant are liked test items that are not seen.
    """

    user: Tensor  # (U,) ids
    batch: Batch  # U rows
    seen: Tensor  # (S, 2) pairs of row and item, sorted
    relevant: Tensor  # (R, 2) pairs of row and item, sorted
    n_items: int

    def __len__(self) -> int:
        return len(self.user)

    def allowed(self, start: int = 0, stop: int | None = None) -> Tensor:
        """(rows, n_items) True where an item may be recommended, in rows `start` to `stop`."""
        allowed = ~self._table(self.seen, start, stop)
        allowed[:, :2] = False
        return allowed

    def is_relevant(self, start: int = 0, stop: int | None = None) -> Tensor:
        """(rows, n_items) True where an item is relevant; from row `start` to `stop`."""
        return self._table(self.relevant, start, stop)

    def _table(self, pairs: Tensor, start: int, stop: int | None) -> Tensor:
        start, stop, _ = slice(start, stop).indices(len(self))
        table = torch.zeros(max(stop - start, 0), self.n_items, dtype=torch.bool)
        first, last = torch.searchsorted(pairs[:, 0].contiguous(), torch.tensor([start, max(stop, start)]))
        row, item = pairs[first:last].T
        table[row - start, item] = True
        return table

    def __repr__(self) -> str:
        return f"{len(self):,} rankings of {self.n_items - 2:,} items, {len(self.relevant):,} relevant in all"


@dataclass(eq=False, repr=False)
class Task:
    """A click task: `train`, `valid` and `test` examples, and what was needed to make them."""

    train: Examples
    valid: Examples
    test: Examples
    schema: Schema
    dataset: Tables
    settings: dict
    events: Events

    def interactions(self) -> tuple[Tensor, Tensor, Tensor]:
        """Training targets as user, item and label, (N,) each: for counting, factorising, drawing graphs."""
        return self.train.user, self.train.item, self.train.label

    def users_at(self, user: Tensor, time: Tensor | None = None) -> Batch:
        """One row per user id with the history strictly before `time` (B,), or all of it; no item yet (0)."""
        user = torch.as_tensor(user, dtype=torch.long).reshape(-1)  # (B,)
        none = torch.zeros_like(user)
        if time is None:
            end = self.events.end(user)
            newest = self.events.time[(end - 1) * (end > self.events.start[user])]
            time = newest + (end > self.events.start[user]).long()  # a second after the newest event
        else:
            time = torch.as_tensor(time, dtype=torch.long).expand_as(user)
            end = self.events.end(user, time)
        window = self.events.window(user, end, self.schema.history)
        return Batch(user, none, *window, time, torch.zeros(len(user)), self.schema, none - 1)

    def candidates(self, batch: Batch, items: Tensor) -> Batch:
        """Every row of `batch` with every item: U rows and `items` (I,), or (U, I), give U * I examples.

        The answer of a model is reshaped by `model(task.candidates(batch, items)).view(U, I)`. All histories
        are repeated, so score large catalogues in chunks of users.
        """
        items = torch.as_tensor(items, dtype=torch.long, device=batch.user.device)
        items = torch.atleast_1d(items).expand(len(batch), -1)  # (U, I)
        row = torch.arange(len(batch), device=items.device).repeat_interleave(items.shape[1])  # (U * I,)
        return dataclasses.replace(batch[row], item=items.reshape(-1))  # (U * I,)

    def catalogue(self) -> Tensor:
        """Ids of all items, (n_items - 2,)."""
        return torch.arange(2, self.schema.n_items)

    def ranking(self) -> Ranking:
        """One ranking per test user at the cut; see `Ranking`.

        The cut is a user's first test second (`split="user"`), or everyone's (`split="global"`).
        """
        size = self.schema.n_items  # a pair of user and item is one number, user * size + item

        def pairs(part: Examples) -> Tensor:
            return part.user * size + part.item  # (N,)

        seen = torch.cat([pairs(self.train), pairs(self.valid)]).unique()  # (S,)
        liked = pairs(self.test.subset((self.test.label > 0) & ~self.test.cold_user)).unique()
        relevant = liked[~torch.isin(liked, seen)]  # (R,)
        user = (relevant // size).unique()  # (U,)
        seen = seen[torch.isin(seen // size, user)]
        cut = torch.full((self.schema.n_users,), torch.iinfo(torch.long).max)
        cut.scatter_reduce_(0, self.test.user, self.test.time, "amin")
        if self.settings["split"] == "global" and len(self.test):
            cut[:] = self.test.time.min()
        seen, relevant = (
            torch.stack([torch.searchsorted(user, p // size), p % size], dim=1) for p in (seen, relevant)
        )
        return Ranking(user, self.users_at(user, cut[user]), seen, relevant, size)

    def counts(self) -> pd.DataFrame:
        """What is in each part; cold rows are those whose user or item training never saw."""
        parts = {"train": self.train, "valid": self.valid, "test": self.test}
        return pd.DataFrame(
            {
                name: {
                    "examples": len(part),
                    "users": len(part.user.unique()),
                    "items": len(part.item.unique()),
                    "liked": float(part.label.mean()) if len(part) else float("nan"),
                    "cold user": int(part.cold_user.sum()),
                    "cold item": int(part.cold_item.sum()),
                }
                for name, part in parts.items()
            }
        ).T.astype({c: int for c in ("examples", "users", "items", "cold user", "cold item")})

    def _caption(self) -> str:
        s = self.settings
        return f"{self.dataset.name}, split={s['split']!r}, history={s['history']} ({s['history_of']})"

    def __repr__(self) -> str:
        return f"Task on {self._caption()}\n{self.counts().to_string(formatters={'liked': '{:.1%}'.format})}"

    def _repr_html_(self) -> str:
        shown = {"liked": "{:.1%}".format, **dict.fromkeys(("examples", "users", "items"), "{:,}".format)}
        table = self.counts().to_html(border=0, formatters=shown)
        return f"<p>Task on {html.escape(self._caption())}</p>{table}"


def ctr(
    dataset: Tables,
    *,
    history: int = 20,
    split: str = "user",
    history_of: str = "liked",
    like: float | None = None,
    valid: float | None = None,
    test: float | None = None,
    seed: int = 0,
) -> Task:
    """A click task: will this user like this item, given what came before?

    history      L, how many of the latest events a history holds
    split        "user": the last part of each user's targets is the test, the part before it validation;
                 "global": the same with one cut in time for all;
                 "random": rows drawn at random with `seed`, only there to show that it lies
    history_of   "liked": only events with label 1 enter histories; "all": every event, told apart by
                 `history_labels`
    like         a rating of at least this much is a 1; without it, as the data set says
    valid, test  fractions, or whole numbers of targets per user; without them, as the data set says

    A session (events of a user in one second; for "global", of anyone) that straddles a cut goes where its
    middle falls, so parts keep their sizes on average. Ids follow the rows of `dataset.users` and
    `dataset.items`, whether training sees them or not: the catalogue is complete and cold rows have features.

    Raises ValueError for a setting it does not know, or for a target whose user or item is in no table.
    """
    if not hasattr(dataset, "targets"):
        raise TypeError(
            f"ctr takes a data set, as rbh.data.from_frames(ratings) makes it, not {type(dataset).__name__}"
        )
    if split not in ("user", "global", "random"):
        raise ValueError(f'split={split!r}: choose "user", "global" or "random"')
    if history_of not in ("liked", "all"):
        raise ValueError(f'history_of={history_of!r}: choose "liked" or "all"')
    history, seed = whole("history", history), whole("seed", seed, least=0)
    if like is not None:
        if type(dataset).targets is not Tables.targets:
            raise ValueError(f"{dataset.name}: its labels are not made from ratings; leave out like={like}")
        check_like(dataset.ratings["rating"], like)
        dataset = copy.copy(dataset)
        dataset.like = like
    valid = dataset.valid if valid is None else valid
    test = dataset.test if test is None else test
    for name, size in (("valid", valid), ("test", test)):
        if number(name, size, least=0) >= 1 and size % 1:
            raise ValueError(f"{name}={size}: give a fraction below 1, or a whole number of targets per user")
    if valid < 1 and test < 1 and valid + test >= 1:
        raise ValueError(f"valid={valid} and test={test} leave nothing to train on")

    schema = _schema(dataset, history)
    user, item, time, label = _columns(dataset, dataset.targets, "targets")
    order = np.lexsort((time, user))  # examples lie sorted by user and time
    user, item, time, label = (column[order] for column in (user, item, time, label))
    if split == "user":
        part = _cut(user, time, valid, test)
    else:
        n, people = len(user), len(np.unique(user))
        sizes = [size * people if size >= 1 else size for size in (valid, test)]
        part = np.empty(n, dtype=np.int64)
        if split == "global":
            order = np.argsort(time, kind="stable")
            part[order] = _cut(np.zeros(n), time[order], *sizes)
        else:
            part[np.random.default_rng(seed).permutation(n)] = _cut(np.zeros(n), np.arange(n), *sizes)

    happened = _columns(dataset, dataset.events, "events", may_be_empty=True)
    if history_of == "liked":
        liked = happened[3] > 0
        happened = [column[liked] for column in happened]
    events = Events.of(happened, schema.n_users)

    user, item, time, label = map(torch.from_numpy, (user, item, time, label))
    end = events.end(user, time)
    in_training = torch.from_numpy(part == 0)
    if not in_training.any():
        raise ValueError(f"valid={valid} and test={test} leave nothing to train on: give smaller ones")
    cold_user, cold_item = torch.ones(schema.n_users, dtype=bool), torch.ones(schema.n_items, dtype=bool)
    cold_user[user[in_training]] = False
    cold_item[item[in_training]] = False
    everything = Examples(user, item, time, label, end, cold_user[user], cold_item[item], schema, events)
    parts = [everything.subset(torch.from_numpy(part == p)) for p in range(3)]
    for p, examples in enumerate(parts):
        examples.edge = torch.arange(len(examples)) if p == 0 else torch.full((len(examples),), -1)
    settings = {"history": history, "split": split, "history_of": history_of, "like": dataset.like}
    settings |= {"valid": valid, "test": test, "seed": seed}
    return Task(*parts, schema, dataset, settings, events)


def _cut(user: np.ndarray, time: np.ndarray, valid: float, test: float) -> np.ndarray:
    """Part (0 train, 1 validation, 2 test) of each row, for rows sorted by user and time."""
    new_user = np.append(True, user[1:] != user[:-1])
    new_session = new_user | np.append(True, time[1:] != time[:-1])
    begin, first = np.flatnonzero(new_user), np.flatnonzero(new_session)  # first rows of users, of sessions
    size = np.diff(first, append=len(user))
    of_user = np.cumsum(new_user)[first] - 1  # session -> user
    total = np.diff(begin, append=len(user))[of_user]
    middle = first - begin[of_user] + size / 2  # of the session, counted in rows of its user
    test_from = total - (test if test >= 1 else test * total)
    valid_from = test_from - (valid if valid >= 1 else valid * total)
    part = (middle >= valid_from.round(6)).astype(np.int64) + (middle >= test_from.round(6))
    return np.repeat(part, size)


def _columns(dataset: Tables, table: pd.DataFrame, name: str, may_be_empty: bool = False) -> list[np.ndarray]:
    """User ids, item ids, time and label of a table of targets or events."""
    missing = [c for c in ("user", "item", "time", "label") if c not in table]
    if missing:
        raise ValueError(f"{dataset.name}: {name} lack the column {missing[0]!r}")
    if not len(table) and not may_be_empty:
        raise ValueError(f"{dataset.name}: there are no {name}")
    columns = []
    for kind, known in (("user", dataset.users), ("item", dataset.items)):
        row = pd.Index(known[kind]).get_indexer(pd.Index(table[kind]))
        if (row < 0).any():
            at = int((row < 0).argmax())
            raise ValueError(
                f"{dataset.name}: row {readable(table.index[at])} of the {name} has {kind} "
                f"{readable(table[kind].iloc[at])}, which the table of {kind}s lacks: add its row, or drop the event"
            )
        columns.append(row.astype(np.int64) + 2)
    return [*columns, table["time"].to_numpy(np.int64), table["label"].to_numpy(np.float32)]


def _schema(dataset: Tables, history: int) -> Schema:
    for kind, table in (("user", dataset.users), ("item", dataset.items)):
        if table[kind].duplicated().any():
            twice = table[kind][table[kind].duplicated()].iloc[0]
            raise ValueError(
                f"{dataset.name}: {kind} {readable(twice)} has more than one row among the {kind}s: keep one"
            )
    names = ["user", "item", *dataset.user_columns, *dataset.item_columns]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(
            f"{dataset.name}: two fields are called {min(twice)!r} (the ids are 'user' and 'item'): rename the "
            "feature of the users or that of the items"
        )
    user_fields, user_table = _features(dataset.users, dataset.user_columns)
    item_fields, item_table = _features(dataset.items, dataset.item_columns)
    return Schema(
        n_users=len(dataset.users) + 2,
        n_items=len(dataset.items) + 2,
        user_fields=user_fields,
        item_fields=item_fields,
        user_table=user_table,
        item_table=item_table,
        history=history,
        user_ids=tuple(dataset.users["user"].tolist()),
        item_ids=tuple(dataset.items["item"].tolist()),
        titles=tuple(dataset.items["title"].astype(str)),
    )


def _features(table: pd.DataFrame, names: list[str]) -> tuple[tuple[Field, ...], Tensor]:
    """Fields, and their ids by user or item id: (rows + 2, columns). A missing value is 1, unknown."""
    fields, blocks = [], []
    for name in names:
        column = table[name].reset_index(drop=True)
        several = column.map(lambda v: isinstance(v, (tuple, list, set, frozenset, np.ndarray))).any()
        flat = column.map(lambda v: sorted(v) if isinstance(v, (set, frozenset)) else v).explode()
        row, flat = flat.index.to_numpy(), flat.reset_index(drop=True)
        if several:  # each value once per row
            keep = ~pd.DataFrame({"row": row, "value": flat}).duplicated()
            row, flat = row[keep], flat[keep]
        code, values = pd.factorize(flat, sort=True)  # -1 where missing
        nth = pd.Series(row).groupby(row).cumcount().to_numpy()
        width = int(min(nth.max(initial=0) + 1, MAX_VALUES))
        ids = np.zeros((len(table) + 2, width), dtype=np.int64)
        ids[1, 0] = 1
        ids[row[nth < width] + 2, nth[nth < width]] = code[nth < width] + 2
        fields.append(Field(name, len(values) + 2, width, tuple(map(str, values))))
        blocks.append(torch.from_numpy(ids))
    if not blocks:
        return (), torch.zeros(len(table) + 2, 0, dtype=torch.long)
    return tuple(fields), torch.cat(blocks, dim=1)
