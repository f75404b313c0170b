"""The tables a task is made from: `Tables`, and `from_frames` for a reader's own."""

from __future__ import annotations

import difflib
import html
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import pandas as pd

from recbyhand.arguments import number


@dataclass(eq=False, repr=False, kw_only=True)
class Tables:
    """Three tables and a name; what a click is and what a history is made of are derived from them.

    users     one row per user: `user` and feature columns (strings)
    items     one row per item: `item`, `title` and feature columns; a column of tuples holds several values
    ratings   `user`, `item`, `rating`, `time` (int64, seconds)
    note      where the tables came from, in one line
    licence   what may be done with them, and whom to cite
    like      a rating of at least this much counts as a click
    real      False where the tables were generated in place of a data set that could not be had

    A data set knows how it wants to be split: `valid` and `test` are fractions of a user's targets, or,
    where they are whole numbers (1 or more), so many targets of each user.
    """

    name: str
    users: pd.DataFrame
    items: pd.DataFrame
    ratings: pd.DataFrame
    note: str = ""
    licence: str = ""
    like: float = 4
    real: bool = True
    valid: float = 0.1
    test: float = 0.1

    @property
    def targets(self) -> pd.DataFrame:
        """What a model is asked about: user, item, time and label (1 = liked)."""
        return self._labelled(self.like)

    @property
    def events(self) -> pd.DataFrame:
        """What histories are made of: user, item, time and label."""
        return self._labelled(self.like)

    def _labelled(self, like: float) -> pd.DataFrame:
        label = (self.ratings["rating"] >= like).astype("float32")
        return self.ratings[["user", "item", "time"]].assign(label=label)

    @property
    def user_columns(self) -> list[str]:
        """Names of the user features."""
        return [c for c in self.users.columns if c != "user"]

    @property
    def item_columns(self) -> list[str]:
        """Names of the item features."""
        return [c for c in self.items.columns if c not in ("item", "title")]

    def summary(self) -> dict[str, object]:
        """Counts for display: what there is to learn from."""
        targets = self.targets
        return {
            "users": len(self.users),
            "items": len(self.items),
            "examples": len(targets),
            "liked": f"{targets['label'].mean():.1%}" if len(targets) else "-",
            "user features": ", ".join(self.user_columns) or "none",
            "item features": ", ".join(self.item_columns) or "none",
        }

    def __repr__(self) -> str:
        counts = ", ".join(f"{key} {value}" for key, value in self.summary().items())
        lines = f"{type(self).__name__} {self.name!r}: {counts}", self.note, self.licence
        return "\n".join(filter(None, lines))

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<span style='margin-right:1.2em;display:inline-block'>{html.escape(key)} "
            f"<b>{html.escape(f'{value:,}' if isinstance(value, int) else str(value))}</b></span>"
            for key, value in self.summary().items()
        )
        note = f"<div style='opacity:.75'>{html.escape(self.note)}</div>" if self.note else ""
        licence = f"<small style='opacity:.75'>{html.escape(self.licence)}</small>" if self.licence else ""
        return (
            "<div style='border-left:3px solid currentColor;padding:.3em .8em;margin:.4em 0'>"
            f"<b>{html.escape(self.name)}</b>{note}<div>{cells}</div>{licence}</div>"
        )


def from_frames(
    ratings: pd.DataFrame,
    users: pd.DataFrame | None = None,
    items: pd.DataFrame | None = None,
    *,
    like: float = 4,
    scale: tuple[float, float] = (0, 5),
    name: str = "my data",
) -> Tables:
    """A data set from your own tables; they are copied, checked and never changed.

    ratings   `user`, `item`, `rating` and, if there is one, `time`; other columns are left out
    users     `user` and features; without this table, the users who rate
    items     `item`, `title` and features; without this table, the items rated; without titles, their ids
    like      a rating of at least this much counts as a click (clicks of 0 and 1: `like=1`)
    scale     lowest and highest rating there is

    Handled: ids may be whole numbers or text (whole numbers that pandas holds as 3.0 are made whole again).
    `time` is seconds from any beginning, whole or not, or a datetime column (made UTC seconds); rows may come
    in any order and are sorted by it. Without `time`, rows are taken in the order in which they stand.
    Features are categories; missing ones are "unknown"; tuples or lists are several values.

    Refused, with a ValueError that names the row and the remedy: an empty table, a missing column, a missing,
    fractional or mixed id, a rating that is missing or off the scale, a time that is missing, negative or
    text, the same user, item and time twice, a user or item with two rows or with none in a table you give,
    a feature of many different fractions or of tables in tables, and a `like` that no rating reaches.
    """
    if np.shape(scale) != (2,) or not number("scale[0]", scale[0]) < number("scale[1]", scale[1]):
        raise ValueError(f"scale={scale!r}: give the lowest and the highest rating there is, such as (0, 5)")
    _check_columns(ratings, "ratings", ("user", "item", "rating"))
    table = pd.DataFrame(
        {
            "user": _ids(ratings, "user", "ratings"),
            "item": _ids(ratings, "item", "ratings"),
            "rating": _numbers(ratings, "rating", "ratings", "drop the row, or correct it"),
            "time": _seconds(ratings) if "time" in ratings else np.arange(len(ratings)),
        },
        index=ratings.index,
    )
    off = ~table["rating"].between(*scale)
    if off.any():
        rating = table["rating"][off].iloc[0]
        _refuse(
            "ratings", table, off, f"rating {rating:g} is off the scale {scale}", "correct it, or pass scale="
        )
    check_like(table["rating"], like)
    twice = table.duplicated(["user", "item", "time"])
    if twice.any():
        user, item, time = table.loc[twice, ["user", "item", "time"]].iloc[0]
        remedy = 'keep one: ratings.drop_duplicates(["user", "item", "time"])'
        _refuse(
            "ratings",
            table,
            twice,
            f"user {readable(user)} rated {readable(item)} at time {time} in a row above too",
            remedy,
        )
    note = "from your own tables" + ("" if "time" in ratings else ", in the order of their rows")
    users = _entities(users, "user", table)
    items = _entities(items, "item", table)
    titles = items["title"] if "title" in items else pd.Series(pd.NA, index=items.index, dtype=object)
    items["title"] = titles.astype(object).where(titles.notna(), items["item"]).astype(str)
    ratings = table.sort_values("time", kind="stable", ignore_index=True)
    return Tables(name=name, users=users, items=items, ratings=ratings, like=like, note=note)


def check_like(rating: pd.Series, like: float) -> None:
    """Refuses a threshold that would make every label 0."""
    if not (rating >= number("like", like)).any():
        raise ValueError(
            f"no rating reaches like={like}: the highest is {rating.max():g}; pass a lower like="
        )


def _entities(table: pd.DataFrame | None, kind: str, ratings: pd.DataFrame) -> pd.DataFrame:
    """The table of users or items, checked against the ratings; made from them where none is given."""
    name = kind + "s"
    if table is None:
        return pd.DataFrame({kind: np.sort(ratings[kind].unique())})
    _check_columns(table, name, (kind,))
    table = table.assign(**{kind: _ids(table, kind, name)})
    twice = table[kind].duplicated()
    if twice.any():
        raw = table[kind][twice].iloc[0]
        _refuse(
            name,
            table,
            twice,
            f"{kind} {readable(raw)} has a row above too",
            f'{name}.drop_duplicates("{kind}")',
        )
    lost = ~ratings[kind].isin(table[kind])
    if lost.any():
        raw, known = ratings[kind][lost].iloc[0], table[kind].iloc[0]
        if isinstance(raw, str) != isinstance(known, str):
            pair = f"{readable(raw)} and {readable(known)}"
            remedy = f"ids such as {pair} never match: make both text with .astype(str)"
        else:
            remedy = f"add its row, or keep ratings[ratings.{kind}.isin({name}.{kind})]"
        _refuse("ratings", ratings, lost, f"{kind} {readable(raw)} is not in {name}", remedy)
    several = pd.api.types.is_list_like
    for column in table.columns.drop([kind, "title"], errors="ignore"):
        deep = table[column].map(lambda v: isinstance(v, dict) or (several(v) and any(map(several, v))))
        if deep.astype(bool).any():
            value = str(table[column][deep.to_numpy(bool)].iloc[0])[:60]
            remedy = "take the part you mean, such as the names of the genres"
            _refuse(
                name,
                table,
                deep,
                f"{column} is {value}, but a value is text, a number or a tuple of these",
                remedy,
            )
        numbers = table[column].dropna()
        fractions = pd.api.types.is_float_dtype(numbers) and (numbers % 1 != 0).any()
        if fractions and numbers.nunique() > 50:
            raise ValueError(
                f"column {column!r} of {name} has {numbers.nunique()} different numbers, but a feature is a "
                f"category: put them in groups, pd.qcut({name}[{column!r}], 10).astype(str)"
            )
    return table.rename(columns=str).reset_index(drop=True)


def _check_columns(table: pd.DataFrame, name: str, needed: tuple[str, ...]) -> None:
    if not isinstance(table, pd.DataFrame):
        raise TypeError(f"{name} is a {type(table).__name__}; give a pandas DataFrame")
    for column in needed:
        if column not in table:
            free = [str(c) for c in table.columns if c not in (*needed, "time", "title")]
            close = difflib.get_close_matches(column, free, n=1, cutoff=0.5)
            close = close or [c for c in free if column in c.lower()][:1]
            remedy = f'{name}.rename(columns={{"{close[0]}": "{column}"}})' if close else "add it"
            raise ValueError(f"{name} has no column {column!r}, only {[*map(str, table.columns)]}: {remedy}")
    if table.columns.duplicated().any():
        raise ValueError(
            f"{name} has two columns called {table.columns[table.columns.duplicated()][0]!r}: keep one"
        )
    if not len(table):
        raise ValueError(f"{name} has no rows: there is nothing to learn from")


def readable(value) -> str:
    """A value of a table in a message: 7 and 'seven', not np.int64(7)."""
    return repr(value.item() if hasattr(value, "item") else value)


def _refuse(name: str, table: pd.DataFrame, bad: pd.Series, problem: str, remedy: str) -> NoReturn:
    """ValueError that names the first bad row by its index label."""
    bad = np.asarray(bad)
    more = f" (and {bad.sum() - 1} more)" if bad.sum() > 1 else ""
    raise ValueError(f"{name}, row {readable(table.index[bad.argmax()])}{more}: {problem}; {remedy}")


def _ids(table: pd.DataFrame, kind: str, name: str) -> pd.Series:
    """Ids as int64 or text."""
    ids = table[kind]
    if ids.isna().any():
        _refuse(
            name,
            table,
            ids.isna(),
            f"{kind} is missing",
            f'name it, or drop the row: dropna(subset="{kind}")',
        )
    if isinstance(ids.dtype, pd.CategoricalDtype):
        ids = ids.astype(ids.cat.categories.dtype)
    if pd.api.types.is_float_dtype(ids):
        broken = (ids % 1 != 0) | (ids.abs() >= 2**53)  # from there on, floats skip whole numbers
        if broken.any():
            _refuse(
                name,
                table,
                broken,
                f"{kind} {readable(ids[broken].iloc[0])} is no whole number",
                "make ids text",
            )
        return ids.astype("int64")
    if pd.api.types.is_integer_dtype(ids) and not (ids > np.iinfo("int64").max).any():
        return ids.astype("int64")
    text = ids.map(lambda v: isinstance(v, str)).astype(bool)
    whole = ids.map(lambda v: isinstance(v, (int, np.integer)) and abs(int(v)) < 2**63).astype(bool)
    if text.all():
        return ids.astype(object)
    if whole.all():
        return ids.astype("int64")
    odd = ~text if text.iloc[0] else ~whole
    _refuse(
        name,
        table,
        odd,
        f"{kind} {readable(ids[odd].iloc[0])} is unlike the others",
        "make all text: .astype(str)",
    )


def _numbers(table: pd.DataFrame, column: str, name: str, remedy: str) -> pd.Series:
    """A column of finite numbers."""
    numbers = pd.to_numeric(table[column], errors="coerce").astype("float64")
    bad = ~np.isfinite(numbers)
    if bad.any():
        _refuse(name, table, bad, f"{column} is {readable(table[column][bad].iloc[0])}, not a number", remedy)
    return numbers


def _seconds(ratings: pd.DataFrame) -> pd.Series:
    """Times as whole seconds, int64."""
    time = ratings["time"]
    if pd.api.types.is_datetime64_any_dtype(time):
        if time.dt.tz is not None:
            time = time.dt.tz_convert("UTC").dt.tz_localize(None)
        if time.isna().any():
            _refuse("ratings", ratings, time.isna(), "time is missing", "drop the row, or correct it")
        time = time.astype("datetime64[s]").astype("int64")
    remedy = "drop the row, or convert the column: pd.to_datetime(ratings.time)"
    seconds = np.floor(_numbers(ratings.assign(time=time), "time", "ratings", remedy))
    for off, what, other in (
        (seconds < 0, "negative", "an earlier"),
        (seconds >= 2**62, "too large", "a later"),
    ):
        if off.any():
            first = f"time {seconds[off].iloc[0]:.15g} is {what}"
            _refuse("ratings", ratings, off, first, f"count seconds, from {other} beginning")
    return seconds.astype("int64")
