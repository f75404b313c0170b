"""The tables a task is made from: `Tables`, and `from_frames` for a reader's own."""

from __future__ import annotations

import html
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from recbyhand.arguments import number
from recbyhand.data import columns
from recbyhand.data.batch import Schema
from recbyhand.data.columns import complain, readable


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

    edges     where numbers were put into groups: name of the feature -> the edges between them
    schema    a trained model's, where the tables are to be read with its vocabulary
    positives True where there were no ratings: every row is a positive

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
    edges: dict[str, tuple[float, ...]] = field(default_factory=dict)
    schema: Schema | None = None
    positives: bool = False

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

    def check_like(self, like: float) -> None:
        """Refuses a threshold that no rating reaches."""
        check_like(self.ratings["rating"], like)

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
    user: str = "user",
    item: str = "item",
    rating: str | None = "rating",
    time: str | None = "time",
    title: str | None = "title",
    like: float | None = None,
    scale: tuple[float, float] = (0, 5),
    bins: int | Mapping[str, int | Sequence[float]] | None = None,
    split: Mapping[str, str | None] | None = None,
    schema: Schema | None = None,
    name: str = "my data",
) -> Tables:
    """A data set from your own tables; they are copied, checked and never changed.

    ratings   who, what, how much and when: the columns `user`, `item`, `rating`, `time`; others are left out.
              Without a rating (a table of purchases or views), every row is a positive: see `with_negatives`
    users     `user` and features; without this table, the users who rate
    items     `item`, `title` and features; without this table, the items rated; without titles, their ids
    user, item, rating, time, title
              the names of these columns in your tables, such as user="customer_id"; rating=None, time=None
              or title=None says that there is none
    like      a rating of at least this much counts as a click: 4, or as you say (clicks of 0 and 1: `like=1`)
    scale     lowest and highest rating there is
    bins      groups for numbers of which there are many: bins=10 for all, {"price": 10}, or {"price": [5, 20]}
    split     texts that hold several values: {"genres": "|"}; {"genres": None} keeps them whole
    schema    that of a trained model (`model.schema`): its groups and its vocabulary are used, see `ctr`

    Handled: ids may be whole numbers or text (whole numbers that pandas holds as 3.0 are made whole again).
    Times are seconds from any beginning, datetimes in any time zone (made UTC seconds), periods (their start)
    or time differences; fractions of a second are cut off. Rows may come in any order and are sorted by it.
    Without a time, rows are taken in the order in which they stand.
    Features are categories; missing ones are "unknown"; tuples or lists are several values.

    Warned of: times that cannot be seconds, order that is lost inside a second, and a scale beyond 5 without
    `like`.

    Refused, with one ValueError that names every fault, its row and a remedy: an empty table, a missing
    column, or one that is nearly called so, a missing, fractional or mixed id, or one that is there
    with and without spaces around it, a rating that is missing or off
    the scale, a time that is missing, negative, before 1970 or text, the same user, item and second twice, a
    user or item with two rows or with none in a table you give, a feature of many different fractions, of
    several values in one text or of tables in tables, and a `like` that no rating reaches.
    """
    if np.shape(scale) != (2,) or not number("scale[0]", scale[0]) < number("scale[1]", scale[1]):
        raise ValueError(f"scale={scale!r}: give the lowest and the highest rating there is, such as (0, 5)")
    if like is not None:
        number("like", like)
    given = {"ratings": ratings, "users": users, "items": items}
    for label, table in given.items():
        if not (isinstance(table, pd.DataFrame) or (table is None and label != "ratings")):
            raise TypeError(f"{label} is a {type(table).__name__}; give a pandas DataFrame")
    how = {"bins": bins, "split": dict(split or {}), "edges": _edges_of(schema)}
    wrong: list[str] = []
    _check_columns(ratings, "ratings", {"user": user, "item": item}, {"rating": rating, "time": time}, wrong)
    usable = not wrong
    events = _events(ratings, user, item, rating, time, scale, wrong) if usable else None
    people = _entities(users, "user", user, None, how, wrong)
    things = _entities(items, "item", item, title, how, wrong)
    for option in [*how["split"], *(bins if isinstance(bins, Mapping) else ())]:
        if not any(t is not None and option in t for t in (users, items)):
            wrong.append(f"there is no feature {option!r}: bins and split name columns of users or items")
    for kind, label, table in (("user", "users", people), ("item", "items", things)):
        if events is not None and table is not None and kind in events:
            _check_lost(ratings, events, label, table, kind, user if kind == "user" else item, wrong)
    positives = usable and (rating is None or rating not in ratings)
    guessed = like is None and not positives and scale[1] > 5
    like = 1 if positives else 4 if like is None else like
    if not wrong and not (events["rating"] >= like).any():
        wrong.append(_no_like(events["rating"], like))
    if wrong:
        faults = "".join(f"\n- {fault}" for fault in wrong)
        raise ValueError(wrong[0] if len(wrong) == 1 else f"{len(wrong)} things are to be mended:{faults}")
    timed = time is not None and time in ratings
    if timed:
        columns.warn_of_units(ratings[time], events["time"], events["user"], f'ratings["{time}"]')
    if guessed:
        warn_of_like((events["rating"] >= 4).mean(), scale, "from_frames")
    note = "from your own tables" + ("" if timed else ", in the order of their rows")
    note += ", without ratings: every row is a positive" if positives else ""
    people = _made_from(events, "user") if people is None else people
    things = _made_from(events, "item") if things is None else things
    titles = things["title"] if "title" in things else pd.Series(pd.NA, index=things.index, dtype=object)
    things["title"] = titles.astype(object).where(titles.notna(), things["item"]).astype(str)
    return Tables(
        name=name,
        users=people,
        items=things,
        ratings=events.sort_values("time", kind="stable", ignore_index=True),
        like=like,
        note=note,
        edges=how["edges"],
        schema=schema,
        positives=positives,
    )


def _edges_of(schema: Schema | None) -> dict:
    fields = (*schema.user_fields, *schema.item_fields) if schema is not None else ()
    return {f.name: f.edges for f in fields if f.edges}


def check_like(rating: pd.Series, like: float) -> None:
    """Refuses a threshold that would make every label 0."""
    if not (rating >= number("like", like)).any():
        raise ValueError(_no_like(rating, like))


def warn_of_like(liked: float, scale: tuple[float, float], reader: str) -> None:
    """A scale beyond 5 without a word where a like begins."""
    warnings.warn(
        f"like=4 on a scale from {scale[0]:g} to {scale[1]:g} calls {liked:.0%} of the "
        f"rows liked. Say where a like begins: {reader}(..., like={0.8 * scale[1]:g}).",
        stacklevel=3,
    )


def _no_like(rating: pd.Series, like: float) -> str:
    return f"no rating reaches like={like}: the highest is {rating.max():g}; pass a lower like="


def _check_columns(table: pd.DataFrame, name: str, needed: dict, optional: dict, wrong: list[str]) -> None:
    """Are the columns there, or is one there that seems to be meant?"""
    only = str(table.columns[0]) if len(table.columns) == 1 else ""
    mark = next((m for m in (";", "\t", "|") if m in only), None)
    if mark is not None:
        wrong.append(
            f"{name} has one column, {only!r}: its file is cut at {mark!r}; read_csv(..., sep={mark!r})"
        )
        return
    taken = {*needed.values(), *optional.values()}
    free = [c for c in table.columns if c not in taken]
    for kind, column in {**needed, **optional}.items():
        if column is None or column in table:
            continue
        close = columns.near(table, kind, free)
        if kind in optional and close is None and column == kind:
            continue  # there is none, and none was announced
        if close is not None:
            remedy = f'from_frames(..., {kind}="{close}")'
            remedy += f", or {kind}=None for none" if kind in optional else ""
        elif table.index.name == column or column in (table.index.names or ()):
            remedy = f"it is the index: {name}.reset_index()"
        else:
            remedy = "add it"
        wrong.append(f"{name} has no column {column!r}, only {[*map(str, table.columns)]}: {remedy}")
    for column in taken & {*table.columns[table.columns.duplicated()]}:
        wrong.append(f"{name} has two columns called {column!r}: keep one")
    if not wrong and table.columns.duplicated().any() and name != "ratings":
        twice = table.columns[table.columns.duplicated()][0]
        wrong.append(f"{name} has two columns called {twice!r}: keep one")
    if not len(table):
        wrong.append(f"{name} has no rows: there is nothing to learn from")


def _events(ratings, user, item, rating, time, scale, wrong: list[str]) -> pd.DataFrame | None:
    """User, item, rating and time of every row; without the columns that are at fault."""
    found = {
        "user": columns.ids(ratings, user, "ratings", "user", wrong),
        "item": columns.ids(ratings, item, "ratings", "item", wrong),
    }
    if rating is not None and rating in ratings:
        found["rating"] = values = columns.numbers(ratings, rating, "ratings", wrong)
        if values is not None and not values.between(*scale).all():
            off = ~values.between(*scale)
            problem = f"{rating} {values[off].iloc[0]:g} is off the scale {scale}"
            complain(wrong, "ratings", ratings, off, problem, "correct it, or pass scale=")
    else:
        found["rating"] = pd.Series(1.0, index=ratings.index)
    if time is not None and time in ratings:
        found["time"] = columns.seconds(ratings, time, "ratings", wrong)
    else:
        found["time"] = pd.Series(np.arange(len(ratings)), index=ratings.index)
    events = pd.DataFrame({k: v for k, v in found.items() if v is not None}, index=ratings.index)
    if {"user", "item", "time"} <= {*events}:
        keys = events[["user", "item", "time"]]
        twice = events.duplicated([*keys]) & keys.notna().all(axis=1)
        if twice.any():
            who, what, when = events.loc[twice.to_numpy(), ["user", "item", "time"]].iloc[0]
            if time in ratings and not pd.api.types.is_numeric_dtype(ratings[time]):
                when = ratings.loc[twice.to_numpy(), time].iloc[0]  # as the table has it
            done = "rated" if rating is not None and rating in ratings else "has"
            problem = f"user {readable(who)} {done} {readable(what)} at time {when} in a row above too"
            keys = f'["{user}", "{item}", "{time}"]'
            remedy = f"keep one: ratings.drop_duplicates({keys})"
            if time in ratings and not ratings[[user, item, time]].dropna().duplicated().any():
                cut = f'ratings["{time}"] // 1'
                if not pd.api.types.is_numeric_dtype(ratings[time]):
                    cut = f'ratings["{time}"].dt.floor("s")'
                remedy = f"keep one a second: ratings.assign({time}={cut}).drop_duplicates({keys})"
            complain(wrong, "ratings", ratings, twice, problem, remedy)
    return events


def _made_from(events: pd.DataFrame, kind: str) -> pd.DataFrame:
    return pd.DataFrame({kind: np.sort(events[kind].unique())})


def _entities(table, kind: str, column: str, title: str | None, how: dict, wrong: list[str]):
    """The table of users or items with its ids, titles and features; None where there is none, or no ids."""
    if table is None:
        return None
    name = kind + "s"
    before = len(wrong)
    column = kind if column not in table and kind in table else column
    optional = {"title": title} if kind == "item" else {}
    _check_columns(table, name, {kind: column}, optional, wrong)
    if (len(wrong) > before and column not in table) or table.columns.duplicated().any() or not len(table):
        return None
    found = {kind: columns.ids(table, column, name, kind, wrong)}
    if kind == "item" and title is not None and title in table:
        found["title"] = table[title]
    for feature in table.columns.drop([c for c in (column, title) if c in table]):
        found[str(feature)] = columns.check_feature(table, feature, name, how, wrong)
    if found[kind] is None:
        return None
    twice = found[kind].duplicated() & found[kind].notna()
    if twice.any():
        problem = f"{column} {readable(found[kind][twice].iloc[0])} has a row above too"
        complain(wrong, name, table, twice, problem, f'{name}.drop_duplicates("{column}")')
    return pd.DataFrame(found).reset_index(drop=True)


def _check_lost(ratings, events, name: str, table, kind: str, column: str, wrong: list[str]) -> None:
    lost = (
        ~events[kind].isin(table[kind].dropna()) & events[kind].notna()
    )  # missing ids are told of elsewhere
    if not lost.any():
        return
    raw, known = events[kind][lost].iloc[0], table[kind].dropna().iloc[0]
    if isinstance(raw, str) != isinstance(known, str):
        remedy = f"ids such as {readable(raw)} and {readable(known)} never match: "
        text, others, place = events[kind].dropna(), table[kind].dropna(), f'ratings["{column}"]'
        if isinstance(known, str):
            text, others, place = others, text, f'{name}["{column}"]'
        same = pd.to_numeric(text, errors="coerce").isin(others.astype("int64")).any()
        if same and not text.isin(others.astype(str)).any():  # '373.0' for 373
            remedy += f"make both numbers, pd.to_numeric({place})"
        else:
            remedy += "make both text with .astype(str)"
    else:
        remedy = f'add its row, or keep ratings[ratings["{column}"].isin({name}["{column}"])]'
    complain(wrong, "ratings", ratings, lost, f"{column} {readable(raw)} is not in {name}", remedy)
