"""Events that are too many for memory: Parquet files, read in parts, and a task whose columns stay on disk.

    files     part by part      checked, and users and items counted; user, item, rating and time go to disk
    columns   part by part      every event goes to its place among those of its user
    columns   block by block    the events of some users at a time: sorted by time; then `ctr`: cut, with histories

What stays in memory belongs to a user or an item, never to an event. A tensor on disk (`torch.from_file`) is read
where a batch needs it; the system keeps in memory what there is room for.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from recbyhand.arguments import whole
from recbyhand.data.batch import Schema
from recbyhand.data.columns import readable
from recbyhand.data.ctr import Events, Examples, cut
from recbyhand.data.tables import Tables, check_like, from_frames, warn_of_like

_KINDS = {"user": torch.int32, "item": torch.int32, "rating": torch.float64, "time": torch.int64}


class Growing:
    """A column that is written to disk piece by piece, and then read as a tensor."""

    def __init__(self, path: Path, dtype: torch.dtype):
        self.path, self.dtype, self.n = path, dtype, 0
        self.file = open(path, "wb")

    def add(self, values) -> None:
        values = torch.as_tensor(values).to(self.dtype).numpy()
        self.file.write(np.ascontiguousarray(values).data)
        self.n += len(values)

    def tensor(self) -> Tensor:
        """(N,) on disk: what is written into it is written to the file."""
        self.file.close()
        return on_disk(self.path, self.n, self.dtype)


def on_disk(path: Path, n: int, dtype: torch.dtype) -> Tensor:
    """(n,) a tensor that is a file."""
    return torch.from_file(str(path), shared=True, size=n, dtype=dtype) if n else torch.empty(0, dtype=dtype)


class Stored(Tables):
    """Tables whose events are columns on disk, sorted by user and time. `ratings` would bring them all into memory."""

    def __init__(
        self, tables: Tables, columns: dict[str, Tensor], start: np.ndarray, rows: int, folder, keep
    ):
        super().__init__(**vars(tables) | {"ratings": None})
        self.columns = columns  # item (E,), rating (E,), time (E,); an item is its row in `items`
        self.start = start  # (users + 1,) row u of `users` has the events start[u] ... start[u + 1] - 1
        self.rows, self.folder, self.keep = rows, folder, keep

    @property
    def ratings(self) -> pd.DataFrame:
        user = np.repeat(self.users["user"].to_numpy(), np.diff(self.start))
        item = self.items["item"].to_numpy()[self.columns["item"].numpy()]
        rest = {name: self.columns[name].numpy() for name in ("rating", "time")}
        table = pd.DataFrame({"user": user, "item": item} | rest)
        return table.sort_values("time", kind="stable", ignore_index=True)

    @ratings.setter
    def ratings(self, _) -> None:
        """Tables has a field of this name, to be set; here the table is made when it is asked for."""

    def check_like(self, like: float) -> None:
        check_like(pd.Series([self.columns["rating"].max().item()]), like)

    def summary(self) -> dict[str, object]:
        n = len(self.columns["rating"])
        liked = sum(int((some >= self.like).sum()) for some in self.columns["rating"].split(self.rows))
        said = {"users": len(self.users), "items": len(self.items), "examples": n}
        said |= {"liked": f"{liked / n:.1%}", "user features": ", ".join(self.user_columns) or "none"}
        return said | {"item features": ", ".join(self.item_columns) or "none"}

    def blocks(self) -> Iterator[tuple[int, int, np.ndarray, dict[str, np.ndarray]]]:
        """Users `low` to `high` - 1, of each event its user (counted from `low`), and its item, rating and time."""
        low, users = 0, len(self.start) - 1
        while low < users:
            high = int(np.searchsorted(self.start, self.start[low] + self.rows, side="right")) - 1
            high = min(max(high, low + 1), users)
            user = np.repeat(np.arange(high - low), np.diff(self.start[low : high + 1]))
            rows = slice(int(self.start[low]), int(self.start[high]))
            yield low, high, user, {name: column[rows].numpy() for name, column in self.columns.items()}
            low = high

    def parts(
        self, schema: Schema, split: str, sizes: tuple[float, float], history_of: str
    ) -> tuple[list[Examples], Events, int, int]:
        """What `ctr` makes: training, validation and test, events, and how many users and sessions there are."""
        if split == "random":
            raise ValueError(
                'split="random" reads all rows at once: choose "user" or "global", or from_frames'
            )
        kinds = {"user": torch.int64, "item": torch.int64, "time": torch.int64, "label": torch.float32}
        kinds |= {"end": torch.int64, "cold_user": torch.bool}
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        made = [{name: Growing(folder / f"{p}-{name}", t) for name, t in kinds.items()} for p in range(3)]
        events = {"item": torch.int32, "time": torch.int64, "label": torch.float32}
        events = {name: Growing(folder / f"events-{name}", t) for name, t in events.items()}
        for column in events.values():
            column.add(torch.zeros(1))  # place 0 is a padding event
        count, trained = np.zeros(schema.n_users, np.int64), torch.zeros(schema.n_items, dtype=torch.bool)
        cuts = self._cuts(sizes) if split == "global" else None
        users = sessions = 0
        for low, high, user, columns in self.blocks():
            item, time = columns["item"].astype(np.int64) + 2, columns["time"]
            label = (columns["rating"] >= self.like).astype(np.float32)
            part = cut(user, time, *sizes) if cuts is None else np.searchsorted(cuts, time, side="right")
            kept = label > 0 if history_of == "liked" else slice(None)
            local = Events.of([column[kept] for column in (user, item, time, label)], high - low)
            before = events["item"].n - 1
            end = local.end(torch.from_numpy(user), torch.from_numpy(time)) + before
            cold = np.bincount(user[part == 0], minlength=high - low) == 0
            of = {"user": user + low + 2, "item": item, "time": time, "label": label, "end": end}
            of["cold_user"] = cold[user]
            for p, written in enumerate(made):
                for name, column in written.items():
                    column.add(torch.as_tensor(of[name])[torch.from_numpy(part == p)])
            for name, column in events.items():
                column.add(getattr(local, name)[1:])
            count[low + 2 : high + 2] = np.diff(local.start.numpy())
            trained[torch.from_numpy(item[part == 0])] = True
            users += int((np.diff(user, prepend=-1) > 0).sum())
            sessions += int(((np.diff(user, prepend=-1) > 0) | (np.diff(time, prepend=0) != 0)).sum())
        start = torch.from_numpy(1 + np.append(0, count.cumsum()))
        events = Events(**{name: column.tensor() for name, column in events.items()}, start=start)
        examples = []
        for p, written in enumerate(made):
            columns = {name: column.tensor() for name, column in written.items()}
            n, item = len(columns["label"]), columns["item"]
            cold = torch.cat([~trained[some] for some in item.split(self.rows)]) if n else item.bool()
            edge = torch.tensor(-1).expand(n)
            if p == 0:
                numbers = Growing(folder / "edge", torch.int64)
                for some in torch.arange(0, n, self.rows).tolist():
                    numbers.add(torch.arange(some, min(some + self.rows, n)))
                edge = numbers.tensor()
            examples.append(Examples(**columns, cold_item=cold, schema=schema, events=events, edge=edge))
        return examples, events, users, sessions

    def _cuts(self, sizes: tuple[float, float]) -> list[int]:
        """The first seconds of validation and of test, where one cut is for all; see `ctr.cut`."""
        time, people = self.columns["time"], int((np.diff(self.start) > 0).sum())
        valid, test = (size * people if size >= 1 else size * len(time) for size in sizes)

        def middle(second: int) -> float:
            """Rows before the middle of this second."""
            some = [((part < second).sum() + (part <= second).sum()) for part in time.split(self.rows)]
            return int(sum(some)) / 2

        def first(bound: float) -> int:
            low, high = int(time.min()), int(time.max()) + 1
            while low < high:  # the middle of a later second is never earlier
                second = (low + high) // 2
                low, high = (low, second) if middle(second) >= bound else (second + 1, high)
            return low

        test_from = len(time) - test
        return [first(round(test_from - valid, 6)), first(round(test_from, 6))]


def from_parquet(
    path,
    users: pd.DataFrame | None = None,
    items: pd.DataFrame | None = None,
    *,
    rows: int = 200_000,
    work=None,
    like: float | None = None,
    **settings,
) -> Stored:
    """A data set from events in Parquet files: the task is that of `from_frames`, the memory that of a part.

    path      a file, or a folder whose *.parquet files are read in the order of their names. They hold the `ratings`
              of `from_frames`; users and items are tables in memory, or left out, as there
    rows      how many events are held at a time
    work      an empty folder for columns, some 75 bytes an event, on a disk that has the room; it stays. Without it,
              a temporary folder, which goes with the data set
    like, settings   as in `from_frames`: user=, item=, rating=, time=, scale=, name=, ...; but no `schema`

    Needs polars (`pip install polars`). Refuses and warns of what `from_frames` does, with file and row, part by part:
    the first part that has a fault is the last one read. `ctr` takes it like any data set, but for split="random".
    """
    if "schema" in settings:
        raise TypeError(
            "from_parquet takes no schema: read what is new by from_frames(..., schema=model.schema)"
        )
    rows, scale = whole("rows", rows), settings.get("scale", (0, 5))
    names = {kind: settings.get(kind, kind) for kind in _KINDS}
    keep = _Temporary() if work is None else None  # goes with the last data set or task that holds it
    folder = Path(work or keep.path).expanduser()
    if not folder.is_dir() or any(folder.iterdir()):
        raise ValueError(f"work={str(folder)!r}: give a folder that is there and empty")
    given = {kind: name for kind, name in names.items() if kind in settings} | {"scale": scale}
    codes, raw = {"user": {}, "item": {}}, {name: Growing(folder / name, t) for name, t in _KINDS.items()}
    first, has, positives, heard = None, set(), False, []
    for where, part in _read(path, [name for name in names.values() if name is not None], rows):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                found = from_frames(part, like=1 if names["rating"] not in part else scale[0], **given)
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
        heard = heard or [f"{where}: {warning.message}" for warning in caught]
        before, has = has, {name for name in ("rating", "time") if names[name] in part}
        if first is not None and has != before:
            raise ValueError(f"{where}: it has {sorted(has)}, and the files before have {sorted(before)}")
        positives, part = found.positives, found.ratings
        if first is not None and (odd := [k for k in codes if part[k].dtype != first[k].dtype]):
            raise ValueError(f"{where}: {odd[0]}s are text here and numbers elsewhere: make all ids text")
        first = part.iloc[:1] if first is None else first
        for kind, known in codes.items():
            code, values = pd.factorize(part[kind])
            place = np.array([known.setdefault(value, len(known)) for value in values.tolist()])
            raw[kind].add(place[code])
        raw["rating"].add(part["rating"].to_numpy(copy=True))
        raw["time"].add(part["time"].to_numpy() + (0 if "time" in has else raw["time"].n))
    for message in heard:  # of the first part that has some: the next would say the same
        warnings.warn(message, stacklevel=2)
    columns = {name: column.tensor() for name, column in raw.items()}

    # The tables of users and items are checked as ever, by the first event.
    met = {kind: pd.Series([*known]).to_numpy() for kind, known in codes.items()}
    tables = [pd.DataFrame({kind: np.sort(ids)}) for kind, ids in met.items()]
    first = first.rename(columns={kind: name for kind, name in names.items() if name is not None})
    first = first.drop(columns=[names["rating"] or "rating"] if positives else [])
    title = {} if items is not None else {"title": "title"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        others = settings | title | {"like": 1 if positives else scale[0]}
        tables = from_frames(
            first, *(t if g is None else g for t, g in zip(tables, (users, items))), **others
        )
    tables.like = 1 if positives else 4 if like is None else like
    highest = columns["rating"].max().item()
    check_like(pd.Series([highest]), tables.like)
    if like is None and not positives and scale[1] > 5:
        liked = sum(int((some >= 4).sum()) for some in columns["rating"].split(rows))
        warn_of_like(liked / len(columns["rating"]), scale, "from_parquet")
    tables.note = f"{len(columns['time']):,} events, read in parts"
    tables.note += "" if "time" in has else ", in the order of their rows"
    tables.note += ", without ratings: every row is a positive" if positives else ""
    places = {kind: _places(getattr(tables, f"{kind}s"), kind, ids) for kind, ids in met.items()}
    start = _by_user(columns, places, len(tables.users), rows, folder)
    del columns["user"]
    stored = Stored(tables, columns, start, rows, folder, keep)
    _by_time(stored)
    return stored


class _Temporary:
    """A folder that is removed with this object."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="recbyhand-")
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def _read(path, names: list[str], rows: int) -> Iterator[tuple[str, pd.DataFrame]]:
    """Where each part stands, and the part, with the numbers of its rows in the file."""
    try:
        import polars
    except ImportError:
        raise ImportError("from_parquet reads by polars: pip install polars") from None
    path = Path(path).expanduser()
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files or not files[0].exists():
        raise FileNotFoundError(
            f"There is no file {path}." if files else f"No *.parquet in the folder {path}."
        )
    for file in files:
        scan = polars.scan_parquet(file)
        if {*names} <= {*scan.collect_schema()}:  # else all are read, so that what is meant can be named
            scan = scan.select(names)
        n = scan.select(polars.len()).collect().item()
        for at in range(0, n, rows):
            part = scan.slice(at, rows).collect()
            index = pd.RangeIndex(at, at + len(part))
            columns = {column.name: _array(column) for column in part.iter_columns()}
            yield f"{file.name}, rows from {at:,}", pd.DataFrame(columns, index=index)
    if not any(polars.scan_parquet(file).select(polars.len()).collect().item() for file in files):
        raise ValueError(f"{path} has no rows: there is nothing to learn from")


def _array(column) -> np.ndarray:
    """A column of polars as pandas would have it: times in UTC, gaps as nan or None."""
    if getattr(column.dtype, "time_zone", None):
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return column.to_numpy(writable=True)


def _places(table: pd.DataFrame, kind: str, ids: np.ndarray) -> np.ndarray:
    """The row of each id in the table of users or items."""
    place = pd.Index(table[kind]).get_indexer(pd.Index(ids))
    if (place < 0).any():
        lost = readable(ids[place.argmin()])
        raise ValueError(
            f"{kind} {lost} has events and is not in {kind}s: add its row, or leave its events out"
        )
    return place


def _by_user(columns: dict[str, Tensor], places: dict, users: int, rows: int, folder: Path) -> np.ndarray:
    """Put every event among those of its user, in the order of the files; returns where each user's begin."""
    count = np.zeros(users, np.int64)
    for some in columns["user"].split(rows):
        user, n = np.unique(places["user"][some.numpy()], return_counts=True)
        count[user] += n
    start = np.append(0, count.cumsum())
    free, before = start[:-1].copy(), dict(columns)
    for name in ("item", "rating", "time"):
        columns[name] = on_disk(folder / f"{name}-by-user", len(before[name]), before[name].dtype)
    for at in range(0, len(before["user"]), rows):
        some = {name: column[at : at + rows].numpy() for name, column in before.items()}
        some["item"] = places["item"][some["item"]].astype(np.int32)
        user = places["user"][some["user"]]
        order = np.argsort(user, kind="stable")
        user = user[order]
        nth = np.arange(len(user)) - np.searchsorted(user, user)  # of this user in this part
        slot = free[user] + nth
        for name in ("item", "rating", "time"):
            columns[name].numpy()[slot] = some[name][order]
        user, n = np.unique(user, return_counts=True)
        free[user] += n
    for name in before:
        (folder / name).unlink()
    return start


def _by_time(stored: Stored) -> None:
    """Sort the events of each user by time; those of one second stay in the order of the files."""
    for low, _, user, columns in stored.blocks():
        order = np.lexsort((columns["time"], user))
        for column in columns.values():
            column[:] = column[order]
        item, time = columns["item"], columns["time"]
        tied = np.flatnonzero((np.diff(user) == 0) & (np.diff(time) == 0))
        tied = np.union1d(tied, tied + 1)
        twice = pd.DataFrame({"user": user[tied], "item": item[tied], "time": time[tied]})
        twice = twice[twice.duplicated()]
        if len(twice):
            who, what, when = twice.iloc[0]
            who, what = stored.users["user"].iloc[low + who], stored.items["item"].iloc[what]
            raise ValueError(
                f"user {readable(who)} has item {readable(what)} at time {when} more than once: keep one of them"
            )
