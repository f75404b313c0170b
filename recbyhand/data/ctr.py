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
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from recbyhand.arguments import number, whole
from recbyhand.data.batch import Batch, Field, LazyBatch, Schema, row_numbers
from recbyhand.data.columns import readable
from recbyhand.data.tables import Tables

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
        place, mask = self.places(user, end, length)
        return self.item[place].long(), mask, self.label[place], self.time[place]

    def places(self, user: Tensor, end: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """Where the latest `length` events before `end` stand, (B, L), and which are real; the others are at 0."""
        first = torch.maximum(self.start[user], end - length)  # (B,)
        place = torch.arange(length)  # (L,)
        mask = place < (end - first)[:, None]  # (B, L)
        return (first[:, None] + place) * mask, mask


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
    drawn: Tensor | None = None  # (N,) True: a negative that `with_negatives` drew; None: there are none

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

    def lazily(self, rows) -> Batch:
        """The same batch, which gathers a column of its histories when a model reads it (see `LazyBatch`)."""
        if type(self).__getitem__ is not Examples.__getitem__:  # somebody's own way to make a batch
            return self[rows]
        rows, events, places = row_numbers(rows, len(self)), self.events, []
        user, end = self.user[rows], self.end[rows]  # (B,), (B,)

        def gather(column: str) -> Tensor:
            if not places:
                places.extend(events.places(user, end, self.schema.history))
            place, mask = places
            if column == "history_mask":
                return mask
            of = {"history": events.item, "history_labels": events.label, "history_time": events.time}[column]
            return of[place].long() if column == "history" else of[place]

        columns = {"item": self.item[rows], "time": self.time[rows], "label": self.label[rows]}
        edge = None if self.edge is None else self.edge[rows]
        return LazyBatch.of(gather, user=user, **columns, schema=self.schema, edge=edge)

    def subset(self, rows) -> Examples:
        """These rows as examples of their own, e.g. `task.test.subset(~task.test.cold_user)`."""
        rows = row_numbers(rows, len(self))
        columns = {k: v[rows] for k, v in vars(self).items() if isinstance(v, Tensor)}
        return dataclasses.replace(self, **columns)

    def observed(self) -> Examples:
        """Without the negatives that were drawn."""
        return self if self.drawn is None else self.subset(~self.drawn)

    def __repr__(self) -> str:
        users, items = len(self.user.unique()), len(self.item.unique())
        return f"{len(self):,} examples of {users:,} users and {items:,} items"


@dataclass(eq=False, repr=False)
class Ranking:
    """One ranking of the full catalogue per test user who has training examples and a liked test item.

    Test users without training examples (all of their rows are cold) have no ranking: no model knows them.

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

    def visitor(self, history: Iterable, user=None) -> Batch:
        """One row for somebody whose history is given on the spot: liked items as in the tables, oldest first.

        The person is unknown (id 1), or `user` as in the tables; the latest L items enter, as in training, and
        stand one second apart, up to the newest event of the task. Raises KeyError for an unknown item.
        """
        schema, L = self.schema, self.schema.history
        ids = [schema.item_id(item) for item in history][-L:]
        who = torch.tensor([1 if user is None else schema.user_id(user)])  # (1,)
        mask = torch.arange(L)[None] < len(ids)  # (1, L)
        newest = max(int(part.time.max()) for part in (self.train, self.valid, self.test) if len(part))
        newest = max(newest, int(self.events.time.max()))
        time = (newest - len(ids) + 1 + torch.arange(L)[None]) * mask  # (1, L)
        past = torch.tensor([ids + [0] * (L - len(ids))])  # (1, L)
        now, none = torch.tensor([newest + 1]), torch.zeros(1, dtype=torch.long)
        return Batch(who, none, past, mask, mask.float(), time, now, torch.zeros(1), schema, none - 1)

    def met(self, user=None, history: Iterable = ()) -> Tensor:
        """Ids of the items that a user has met, in any part of the task or before, and of those in `history`."""
        met = [torch.tensor([self.schema.item_id(item) for item in history], dtype=torch.long)]
        if user is not None:
            uid = self.schema.user_id(user)
            parts = [part.observed() for part in (self.train, self.valid, self.test)]
            met += [part.item[part.user == uid] for part in parts]
            met.append(self.events.item[self.events.start[uid] : self.events.start[uid + 1]].long())
        return torch.cat(met).unique()

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

    def before_test(self) -> Task:
        """The task as it stood before its test: validation plays the part of the test, for rankings that choose."""
        return replace(self, valid=self.valid.subset(slice(0, 0)), test=self.valid)

    def ranking(self) -> Ranking:
        """One ranking per test user at the cut; see `Ranking`.

        The cut is a user's first test second (`split="user"`), or everyone's (`split="global"`).
        """
        size = self.schema.n_items  # a pair of user and item is one number, user * size + item

        def pairs(part: Examples) -> Tensor:
            part = part.observed()
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
        s, drawn = self.settings, self.settings.get("negatives")
        more = f", {drawn['ratio']} negatives drawn for each positive ({drawn['by']})" if drawn else ""
        return f"{self.dataset.name}, split={s['split']!r}, history={s['history']} ({s['history_of']}){more}"

    def __repr__(self) -> str:
        return f"Task on {self._caption()}\n{self.counts().to_string(formatters={'liked': '{:.1%}'.format})}"

    def _repr_html_(self) -> str:
        shown = {"liked": "{:.1%}".format, **dict.fromkeys(("examples", "users", "items"), "{:,}".format)}
        table = self.counts().to_html(border=0, formatters=shown)
        return f"<p>Task on {html.escape(self._caption())}</p>{table}"


def ctr(
    dataset: Tables,
    *,
    history: int | None = None,
    split: str = "user",
    history_of: str = "liked",
    like: float | None = None,
    valid: float | None = None,
    test: float | None = None,
    seed: int = 0,
) -> Task:
    """A click task: will this user like this item, given what came before?

    history      L, how many of the latest events a history holds: 20, or that of the trained model's schema
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

    Tables that were read with the schema of a trained model (`from_frames(..., schema=model.schema)`) keep its
    ids: those of new users and items follow, new values of a feature are unknown (id 1), and
    `model.grown(task.schema)` serves them; the note of the tables says how many are new.

    Warns where nothing can be learned or measured: every label is 1 (then see `with_negatives`), or every user
    has one session only, so that none can be cut.

    Raises ValueError for a setting it does not know, or for a target whose user or item is in no table.
    """
    if not isinstance(dataset, Tables) and not hasattr(dataset, "targets"):
        raise TypeError(
            f"ctr takes a data set, as rbh.data.from_frames(ratings) makes it, not {type(dataset).__name__}"
        )
    if split not in ("user", "global", "random"):
        raise ValueError(f'split={split!r}: choose "user", "global" or "random"')
    if history_of not in ("liked", "all"):
        raise ValueError(f'history_of={history_of!r}: choose "liked" or "all"')
    known = getattr(dataset, "schema", None)
    history = (20 if known is None else known.history) if history is None else history
    history, seed = whole("history", history), whole("seed", seed, least=0)
    if like is not None:
        if type(dataset).targets is not Tables.targets:
            raise ValueError(f"{dataset.name}: its labels are not made from ratings; leave out like={like}")
        dataset.check_like(like)
        dataset = copy.copy(dataset)
        dataset.like = like
    valid = dataset.valid if valid is None else valid
    test = dataset.test if test is None else test
    for name, size in (("valid", valid), ("test", test)):
        if number(name, size, least=0) >= 1 and size % 1:
            raise ValueError(f"{name}={size}: give a fraction below 1, or a whole number of targets per user")
    if valid < 1 and test < 1 and valid + test >= 1:
        raise ValueError(f"valid={valid} and test={test} leave nothing to train on")

    schema, dataset = _schema(dataset, history)
    if hasattr(dataset, "parts"):  # events that stay on disk
        parts, events, users, sessions = dataset.parts(schema, split, (valid, test), history_of)
    else:
        parts, events, users, sessions = _parts(dataset, schema, split, (valid, test), history_of, seed)
    if not len(parts[0]):
        raise ValueError(f"valid={valid} and test={test} leave nothing to train on: give smaller ones")
    _warn(parts, test, dataset, users, sessions)
    settings = {"history": history, "split": split, "history_of": history_of, "like": dataset.like}
    settings |= {"valid": valid, "test": test, "seed": seed}
    return Task(*parts, schema, dataset, settings, events)


def _parts(
    dataset, schema: Schema, split: str, sizes: tuple[float, float], history_of: str, seed: int
) -> tuple[list[Examples], Events, int, int]:
    """Training, validation and test, the events of their histories, and how many users and sessions there are."""
    ids = [{raw: i for i, raw in enumerate(known, 2)} for known in (schema.user_ids, schema.item_ids)]
    user, item, time, label = _columns(dataset, dataset.targets, "targets", ids)
    order = np.lexsort((time, user))  # examples lie sorted by user and time
    user, item, time, label = (column[order] for column in (user, item, time, label))
    if split == "user":
        part = cut(user, time, *sizes)
    else:
        n, people = len(user), len(np.unique(user))
        sizes = [size * people if size >= 1 else size for size in sizes]
        part = np.empty(n, dtype=np.int64)
        if split == "global":
            order = np.argsort(time, kind="stable")
            part[order] = cut(np.zeros(n), time[order], *sizes)
        else:
            part[np.random.default_rng(seed).permutation(n)] = cut(np.zeros(n), np.arange(n), *sizes)

    happened = _columns(dataset, dataset.events, "events", ids, may_be_empty=True)
    if history_of == "liked":
        liked = happened[3] > 0
        happened = [column[liked] for column in happened]
    events = Events.of(happened, schema.n_users)

    user, item, time, label = map(torch.from_numpy, (user, item, time, label))
    end = events.end(user, time)
    in_training = torch.from_numpy(part == 0)
    cold_user, cold_item = torch.ones(schema.n_users, dtype=bool), torch.ones(schema.n_items, dtype=bool)
    cold_user[user[in_training]] = False
    cold_item[item[in_training]] = False
    everything = Examples(user, item, time, label, end, cold_user[user], cold_item[item], schema, events)
    parts = [everything.subset(torch.from_numpy(part == p)) for p in range(3)]
    for p, examples in enumerate(parts):
        examples.edge = torch.arange(len(examples)) if p == 0 else torch.full((len(examples),), -1)
    new_user = np.append(True, np.diff(everything.user) != 0)
    new_session = new_user | np.append(True, np.diff(everything.time) != 0)
    return parts, events, int(new_user.sum()), int(new_session.sum())


def cut(user: np.ndarray, time: np.ndarray, valid: float, test: float) -> np.ndarray:
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


def _columns(
    dataset: Tables, table: pd.DataFrame, name: str, ids: list[dict], may_be_empty: bool = False
) -> list[np.ndarray]:
    """User ids, item ids, time and label of a table of targets or events."""
    missing = [c for c in ("user", "item", "time", "label") if c not in table]
    if missing:
        raise ValueError(f"{dataset.name}: {name} lack the column {missing[0]!r}")
    if not len(table) and not may_be_empty:
        raise ValueError(f"{dataset.name}: there are no {name}")
    columns = []
    for kind, known in zip(("user", "item"), ids, strict=True):
        column = table[kind].map(known).to_numpy("float64", na_value=np.nan)
        if np.isnan(column).any():
            at = int(np.isnan(column).argmax())
            raise ValueError(
                f"{dataset.name}: row {readable(table.index[at])} of the {name} has {kind} "
                f"{readable(table[kind].iloc[at])}, which the table of {kind}s lacks: add its row, or drop the event"
            )
        columns.append(column.astype(np.int64))
    return [*columns, table["time"].to_numpy(np.int64), table["label"].to_numpy(np.float32)]


def _warn(parts: list[Examples], test: float, dataset: Tables, users: int, sessions: int) -> None:
    train, rows = parts[0], sum(map(len, parts))
    if (test or len(parts[1])) and bool((train.label == 1).all()):
        warnings.warn(
            f"{dataset.name}: every label is 1. Of positives alone a model learns to say yes. Draw negatives after "
            "the split, task = rbh.data.with_negatives(task), and judge by ranking, rbh.evaluate_ranking(model, task).",
            stacklevel=3,
        )
    if test > 0 and not len(parts[2]) and sessions == users < rows:
        warnings.warn(
            f"{dataset.name}: there is no test, since all events of a user have the same time (a date without the "
            "time of day?) and are one session, which is not cut. Give the time of day, or cut between dates: "
            'split="global".',
            stacklevel=3,
        )


def _schema(dataset: Tables, history: int) -> tuple[Schema, Tables]:
    """The schema, and the tables in the order of its ids; those of a trained model come first."""
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
    users, items, old, edges = dataset.users, dataset.items, dataset.schema, dataset.edges
    if old is not None:
        dataset = copy.copy(dataset)
        users, items, dataset.note = _in_order(dataset, old, history)
    user_fields, user_table = _features(users, dataset.user_columns, edges, old and old.user_fields)
    item_fields, item_table = _features(items, dataset.item_columns, edges, old and old.item_fields)
    if old is not None:
        _keep_old_rows(old, dataset, user_table, item_table)
    schema = Schema(
        n_users=len(users) + 2,
        n_items=len(items) + 2,
        user_fields=user_fields,
        item_fields=item_fields,
        user_table=user_table,
        item_table=item_table,
        history=history,
        user_ids=tuple(users["user"].tolist()),
        item_ids=tuple(items["item"].tolist()),
        titles=tuple(items["title"].astype(str)),
    )
    return schema, dataset


def _in_order(dataset: Tables, old: Schema, history: int) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """The tables with the rows of a trained model first, gone ones included, and a note of what is new to it."""
    if history != old.history:
        raise ValueError(f"history={history}, but the model was built with histories of {old.history}")
    tables, said = [], []
    for kind, table, known, fields, have in (
        ("user", dataset.users, old.user_ids, old.user_fields, dataset.user_columns),
        ("item", dataset.items, old.item_ids, old.item_fields, dataset.item_columns),
    ):
        wanted = [field.name for field in fields]
        if lost := [name for name in wanted if name not in have]:
            raise ValueError(
                f"{dataset.name}: the model knows the feature {lost[0]!r} of {kind}s, add this column"
            )
        if more := [name for name in have if name not in wanted]:
            drop = f"{kind}s.drop(columns={more!r})"
            raise ValueError(f"{dataset.name}: the model was built without the feature {more[0]!r}: {drop}")
        new = table[~table[kind].isin(known)]
        if len(new):
            said.append(f"{len(new)} {kind}s")
        table = (
            table.set_index(kind).astype(object).reindex([*known, *new[kind]]).rename_axis(kind).reset_index()
        )
        if kind == "item":
            titles = pd.Series([*old.titles, *new["title"]], dtype=object)
            table["title"] = table["title"].where(table["title"].notna(), titles)
        tables.append(table)
    new_values = [
        f"{len(values)} values of {field.name}, unknown to it: {', '.join(sorted(values)[:3])}"
        for table, fields in zip(tables, (old.user_fields, old.item_fields), strict=True)
        for field in fields
        if (values := _values(table[field.name]) - {*field.values})
    ]
    note = "; ".join([", ".join(said), *new_values]).strip("; ")
    note = f"new to the model: {note}" if note else "nothing is new to the model"
    return *tables, f"{dataset.note}; {note}"


def _values(column: pd.Series) -> set[str]:
    return {*map(_named, _one_a_row(column)[1].dropna())}


def _named(value) -> str:
    """A category as text: 1980 also where a column with a gap holds 1980.0."""
    whole_number = isinstance(value, (float, np.floating)) and value % 1 == 0
    return str(int(value) if whole_number else value)


def _keep_old_rows(old: Schema, dataset: Tables, user_table: Tensor, item_table: Tensor) -> None:
    """Users and items that the new tables no longer list keep the features that the model knew."""
    for kind, known, before, now in (
        ("user", old.user_ids, old.user_table, user_table),
        ("item", old.item_ids, old.item_table, item_table),
    ):
        gone = 2 + np.flatnonzero(~pd.Index(known).isin(getattr(dataset, f"{kind}s")[kind]))
        now[gone] = before[gone]


def _one_a_row(column: pd.Series) -> tuple[np.ndarray, pd.Series]:
    """Row numbers and values, several of a row one below the other, each once per row."""
    column = column.reset_index(drop=True)
    several = column.map(lambda v: isinstance(v, (tuple, list, set, frozenset, np.ndarray))).any()
    flat = column.map(lambda v: sorted(v) if isinstance(v, (set, frozenset)) else v).explode()
    row, flat = flat.index.to_numpy(), flat.reset_index(drop=True)
    if several:
        keep = ~pd.DataFrame({"row": row, "value": flat}).duplicated()
        row, flat = row[keep], flat[keep]
    return row, flat


def _features(
    table: pd.DataFrame, names: list[str], edges: dict, known: tuple[Field, ...] | None = None
) -> tuple[tuple[Field, ...], Tensor]:
    """Fields, and their ids by user or item id: (rows + 2, columns). A missing value is 1, unknown.

    With the fields of a trained model, these: a value that they lack is unknown, too.
    """
    fields, blocks = [], []
    for field in known or [Field(name, 0, edges=edges.get(name, ())) for name in names]:
        row, flat = _one_a_row(table[field.name])
        width = MAX_VALUES
        if known is None:
            code, values = pd.factorize(flat, sort=True)  # -1 where missing
            field = Field(field.name, len(values) + 2, 1, tuple(map(_named, values)), field.edges)
        else:
            ids = {value: i for i, value in enumerate(field.values)}
            code = flat.map(_named, na_action="ignore").map(ids).fillna(-1).to_numpy("int64")
            code = np.where(flat.isna(), -1, code)
            width = field.width
        nth = pd.Series(row).groupby(row).cumcount().to_numpy()
        width = int(min(nth.max(initial=0) + 1, width)) if known is None else width
        ids = np.zeros((len(table) + 2, width), dtype=np.int64)
        ids[1, 0] = 1
        ids[row[nth < width] + 2, nth[nth < width]] = code[nth < width] + 2
        fields.append(dataclasses.replace(field, width=width))
        blocks.append(torch.from_numpy(ids))
    if not blocks:
        return (), torch.zeros(len(table) + 2, 0, dtype=torch.long)
    return tuple(fields), torch.cat(blocks, dim=1)
