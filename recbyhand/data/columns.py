"""A column of a reader's table as ids, numbers, whole seconds or categories; or what is wrong with it, by row.

Every function takes a list `wrong`, to which it adds complaints, so that a reader gets all of them at once.
"""

from __future__ import annotations

import datetime
import decimal
import itertools
import re
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from recbyhand.arguments import whole

MANY = 50  # different numbers; a feature of more is no category
FAR = 10**11  # seconds from 1970 to the year 5138: a later time counts something shorter
NAMES = {  # what others call the columns, without capitals and underscores
    "user": ("customer", "client", "member", "visitor", "account", "person", "reader", "viewer", "buyer"),
    "item": ("product", "sku", "article", "movie", "film", "book", "isbn", "song", "track", "asin"),
    "rating": ("ratings", "stars", "score"),
    "time": ("times", "timestamp", "date", "datetime", "ts", "when", "created", "day"),
    "title": ("titles",),
}


def readable(value) -> str:
    """A value of a table in a message: 7 and 'seven', not np.int64(7)."""
    return repr(value.item() if hasattr(value, "item") else value)


def complain(wrong: list[str], name: str, table, bad, problem: str, remedy: str) -> None:
    """Name the first bad row by its index label."""
    bad = np.asarray(bad)
    more = f" (and {bad.sum() - 1} more)" if bad.sum() > 1 else ""
    wrong.append(f"{name}, row {readable(table.index[bad.argmax()])}{more}: {problem}; {remedy}")


def near(table: pd.DataFrame, kind: str, free: Sequence) -> str | None:
    """The one of the `free` columns that seems to be meant: its name says so, or, for a time, its type."""

    def plain(column) -> str:
        return re.sub(r"[^a-z0-9]", "", str(column).lower())

    names = (kind, *NAMES[kind])
    endings = ("", "id", "ids", "no", "key", "code", "nr") if kind in ("user", "item") else ("", "at", "on")
    exact = [c for c in free if plain(c) in {name + end for name in names for end in endings}]
    if kind == "time" and not exact:
        exact = [
            c for c in free
            if pd.api.types.is_datetime64_any_dtype(table[c]) or isinstance(table[c].dtype, pd.PeriodDtype)
            or re.search(r"(^|_)(time|date|at)$", str(c).lower())
        ]  # fmt: skip
    if kind in ("user", "item") and not exact:
        exact = [c for c in free if kind in plain(c)]
    return str(exact[0]) if exact else None


def _of_present(read, table: pd.DataFrame, column: str, name: str, wrong: list[str], remedy: str):
    """Complains of what is missing in a column, and reads the rest: what is wrong there is said, too.

    The result has NA where nothing was; None if the rest cannot be read, or there is none.
    """
    missing = table[column].isna().to_numpy(bool)
    complain(wrong, name, table, missing, f"{column} is missing", remedy)
    rest = None if missing.all() else read(table[~missing], column, name, wrong)
    if rest is None:
        return None
    whole_ = np.full(len(table), pd.NA, dtype=object)
    whole_[~missing] = rest.to_numpy(object)
    return pd.Series(whole_, index=table.index)


def ids(table: pd.DataFrame, column: str, name: str, kind: str, wrong: list[str]) -> pd.Series | None:
    """Ids as int64 or text."""
    values = table[column]
    if values.isna().any():
        remedy = f'name it, or drop the row: dropna(subset="{column}")'
        return _of_present(lambda *of: ids(*of[:3], kind, of[3]), table, column, name, wrong, remedy)
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    text = f'make ids text: {name}["{column}"].astype(str)'
    if pd.api.types.is_float_dtype(values):
        broken = (values % 1 != 0) | (values.abs() >= 2**53)  # from there on, floats skip whole numbers
        if broken.any():
            problem = f"{column} {readable(values[broken].iloc[0])} is no whole number"
            return complain(wrong, name, table, broken, problem, text)
        return values.astype("int64")
    if isinstance(values.dtype, np.dtype) and values.dtype.kind == "i":  # no need to look at each
        return values.astype("int64")
    kinds = values.map(type)
    is_text = values.map(lambda v: isinstance(v, str)).astype(bool)
    is_whole = values.map(lambda v: isinstance(v, (int, np.integer)) and not isinstance(v, bool)).astype(bool)
    if is_text.all():
        bare = values.str.strip()
        spaced = (values != bare) & bare.isin(values)
        if spaced.any():
            shown, plain_ = readable(values[spaced].iloc[0]), readable(bare[spaced].iloc[0])
            problem = f"{column} {shown} has spaces around it, and {plain_} is there, too"
            return complain(
                wrong, name, table, spaced, problem, f'strip them: {name}["{column}"].str.strip()'
            )
        return values.astype(object)
    if is_whole.all():
        large = values.map(lambda v: not -(2**63) <= int(v) < 2**63).astype(bool)
        if large.any():
            problem = f"{column} {values[large].iloc[0]} is too large for a number of 64 bits"
            return complain(wrong, name, table, large, problem, text)
        return values.astype("int64")
    if kinds.nunique() == 1:
        problem = f"{column} is {readable(values.iloc[0])}, but ids are whole numbers or text"
        return complain(wrong, name, table, np.ones(len(values), bool), problem, text)
    odd = ~is_text if is_text.iloc[0] else ~is_whole if is_whole.iloc[0] else kinds != kinds.iloc[0]
    problem = f"{column} {readable(values[odd].iloc[0])} is unlike the others"
    return complain(wrong, name, table, odd, problem, text)


def numbers(table: pd.DataFrame, column: str, name: str, wrong: list[str]) -> pd.Series | None:
    """Finite numbers."""
    values = pd.to_numeric(table[column], errors="coerce").astype("float64")
    bad = ~np.isfinite(values)
    if bad.any():
        first = table[column][bad].iloc[0]
        problem = f"{column} is {readable(first)}, not a number"
        remedy = f'drop the row, or correct it: {name}["{column}"]'
        if pd.isna(first):
            remedy = f'drop the row, or correct it: dropna(subset="{column}")'
        elif isinstance(first, str) and re.fullmatch(r"\s*[-+]?\d*,\d+\s*", first):
            commas = f'{name}["{column}"].str.replace(",", ".").astype(float)'
            remedy = f'decimals have a comma: read_csv(..., decimal=","), or {commas}'
        return complain(wrong, name, table, bad, problem, remedy)
    return values


def seconds(table: pd.DataFrame, column: str, name: str, wrong: list[str]) -> pd.Series | None:
    """Times as whole seconds, int64: of numbers, datetimes (UTC), periods (their start) or time differences."""
    values, this = table[column], f'{name}["{column}"]'
    if isinstance(values.dtype, pd.PeriodDtype):
        values = values.dt.to_timestamp()
    dates = values.map(lambda v: isinstance(v, datetime.date))
    if values.dtype == object and dates.any() and (dates | values.isna()).all():
        real = values[dates].map(pd.Timestamp)
        zoned = real.map(lambda v: v.tzinfo is not None)
        if zoned.nunique() > 1:
            odd = dates.to_numpy(bool) & ~zoned.reindex(values.index, fill_value=True).to_numpy(bool)
            problem = f"{column} {values[odd].iloc[0]} has no time zone, and others have one"
            remedy = f"say that it is UTC: pd.to_datetime({this}, utc=True)"
            return complain(wrong, name, table, odd, problem, remedy)
        values = pd.to_datetime(values, utc=True)  # time zones may differ from row to row
    when = pd.api.types.is_datetime64_any_dtype(values)
    if when and values.dt.tz is not None:
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    if when or pd.api.types.is_timedelta64_dtype(values):
        if values.isna().any():
            remedy = f'drop the row, or correct it: dropna(subset="{column}")'
            return _of_present(seconds, table, column, name, wrong, remedy)
        exact = values.astype("datetime64[ns]" if when else "timedelta64[ns]").astype("int64")
        if when and (exact < 0).any():
            problem = f"{column} {values[exact < 0].iloc[0]} lies before 1970"
            remedy = f"count from the first event: {this} - {this}.min()"
            return complain(wrong, name, table, exact < 0, problem, remedy)
        if not when and (exact < 0).any():
            problem = f"{column} {values[exact < 0].iloc[0]} is negative"
            remedy = f"count from the first event: {this} - {this}.min()"
            return complain(wrong, name, table, exact < 0, problem, remedy)
        return exact // 10**9
    if pd.api.types.is_bool_dtype(values):
        wrong.append(f"{name}: {column} is True or False, and no time; time=None takes the order of the rows")
        return None
    return _counted(table, values, column, name, wrong)


def _counted(table, values: pd.Series, column: str, name: str, wrong: list[str]) -> pd.Series | None:
    """Numbers that are said to be seconds. Whole ones stay exact; fractions are cut off."""
    this = f'{name}["{column}"]'
    exact = pd.to_numeric(values, errors="coerce")
    bad = exact.isna() | np.isinf(exact.astype("float64", errors="ignore").fillna(0).to_numpy("float64"))
    if bad.any():
        first = values[bad].iloc[0]
        day_first = isinstance(first, str) and re.match(r"\s*\d\d?[./]\d\d?[./]\d{2}", first)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pandas guesses which of two numbers is the day
            date = isinstance(first, str) and not pd.isna(pd.to_datetime(first, errors="coerce", utc=True))
        if pd.isna(first) and not bad.all():  # the others are numbers
            remedy = f'drop the row, or correct it: dropna(subset="{column}")'
        elif day_first:
            remedy = "convert the column, and say whether the day or the month comes first: "
            remedy += f"pd.to_datetime({this}, dayfirst=True, utc=True)"
        elif date:
            remedy = f"convert the column: pd.to_datetime({this}, utc=True)"
        else:
            remedy = f"drop the row, or convert the column: pd.to_datetime({this}, utc=True)"
        problem = f"{column} is {readable(first)}, not a number"
        return complain(wrong, name, table, bad, problem, remedy)
    for off, what, remedy in (
        (exact < 0, "negative", f"count seconds from an earlier beginning: {this} - {this}.min()"),
        (exact >= 2**62, "too large", f"count seconds from a later beginning: {this} - {this}.min()"),
    ):
        if off.any():
            first = exact[off].iloc[0]
            shown = f"{first:.15g}" if isinstance(first, float) else first
            return complain(wrong, name, table, off, f"{column} {shown} is {what}", remedy)
    return np.floor(exact).astype("int64") if pd.api.types.is_float_dtype(exact) else exact.astype("int64")


def warn_of_units(raw: pd.Series, time: pd.Series, user: pd.Series, this: str) -> None:
    """Numbers that cannot be seconds, and events whose order is lost because they fall into one second."""
    middle = float(time.median())
    if pd.api.types.is_string_dtype(raw) and pd.to_numeric(raw, errors="coerce").notna().all():
        raw, this = pd.to_numeric(raw), f"pd.to_numeric({this})"  # numbers written as text
    if pd.api.types.is_numeric_dtype(raw) and middle > FAR:
        power = 3 if middle < FAR * 10**3 else 6 if middle < FAR * 10**6 else 9
        unit = {3: "milliseconds", 6: "microseconds", 9: "nanoseconds"}[power]
        year = 1970 + int(middle / 31_556_952)
        warnings.warn(
            f"{this} has the median {middle:.3g}: as seconds that is the year {year}. Perhaps these are {unit}: "
            f"{this} // 10**{power}. Events of a user in one second are one session, so the unit matters.",
            stacklevel=3,  # the line that called from_frames
        )
    if not (pd.api.types.is_numeric_dtype(raw) or pd.api.types.is_datetime64_any_dtype(raw)):
        return
    pairs = pd.DataFrame({"user": user, "time": time, "raw": raw}).drop_duplicates()
    merged = int(pairs.duplicated(["user", "time"], keep=False).sum())
    if merged:
        row = pairs.index[pairs.duplicated(["user", "time"])][0]
        finer = f'({this} * 1000).round().astype("int64")'
        if pd.api.types.is_datetime64_any_dtype(raw):
            finer = f"({this} - {this}.min()) // pd.Timedelta('1ms')"
        warnings.warn(
            f"{this} has fractions of a second, which are cut off: {merged} times of the same user fall into one "
            f"second with another (row {readable(row)}), and are one session without order. If their order "
            f"matters, count something shorter: {finer}",
            stacklevel=3,  # the line that called from_frames
        )


def check_feature(table, column: str, name: str, how: Mapping, wrong: list[str]) -> pd.Series:
    """One feature: `how["split"]` cuts texts at a separator, `how["bins"]` puts numbers into groups.

    Returns the column as categories, or as tuples of categories.
    """
    values, this = table[column], f'{name}["{column}"]'
    several = pd.api.types.is_list_like
    deep = values.map(lambda v: isinstance(v, dict) or (several(v) and any(map(several, v)))).to_numpy(bool)
    if deep.any():
        value = str(values[deep].iloc[0])[:60]
        problem = f"{column} is {value}, but a value is text, a number or a tuple of these"
        complain(wrong, name, table, deep, problem, "take the part you mean, such as the names of the genres")
        return values
    if column in how["split"]:
        mark = how["split"][column]
        if mark is None:
            return values
        return values.map(
            lambda v: tuple(filter(None, map(str.strip, v.split(mark)))) if isinstance(v, str) else v
        )
    _one_text(table, column, name, wrong)
    as_numbers = _as_numbers(values)
    if as_numbers is None:
        return values
    edges, bins = how["edges"].get(column), how["bins"]
    bins = bins.get(column) if isinstance(bins, Mapping) else bins
    if edges is None and bins is not None and as_numbers.nunique() > (bins if np.ndim(bins) == 0 else 0):
        edges = _edges(column, as_numbers, bins)
    if edges is not None:
        how["edges"][column] = tuple(edges)
        return _grouped(as_numbers, edges)
    fractions = (as_numbers.dropna() % 1 != 0).any()
    if fractions and as_numbers.nunique() > MANY:
        wrong.append(
            f"column {column!r} of {name} has {as_numbers.nunique()} different numbers, but a feature is a "
            f"category: put them in groups, from_frames(..., bins={{{column!r}: 10}}), or by hand, such as "
            f"pd.qcut({this}.astype(float), 10).astype(str)"
        )
    return values


def _as_numbers(values: pd.Series) -> pd.Series | None:
    """The column as floats where it holds nothing but numbers, also as Decimal or as text with a fraction."""
    if pd.api.types.is_bool_dtype(values) or isinstance(values.dtype, pd.CategoricalDtype):
        return None
    if pd.api.types.is_numeric_dtype(values):
        return values.astype("float64")
    real = values.dropna()
    kinds = (int, float, decimal.Decimal, np.number, str)
    if not len(real) or not real.map(lambda v: isinstance(v, kinds) and not isinstance(v, bool)).all():
        return None
    found = pd.to_numeric(real.map(str), errors="coerce")
    text_without_fraction = real.map(lambda v: isinstance(v, str)).any() and not (found % 1 != 0).any()
    if found.isna().any() or text_without_fraction:  # 01234 is a postcode
        return None
    return found.astype("float64").reindex(values.index)


def _edges(column: str, values: pd.Series, bins) -> list[float]:
    if np.ndim(bins):
        edges = [float(edge) for edge in bins]
        if edges != sorted(set(edges)) or not edges:
            raise ValueError(f"bins of {column!r} are {list(bins)}: give rising edges, such as [0, 10, 20]")
        return edges
    count = whole(f"bins[{column!r}]", bins, least=2)
    inner = np.unique(values.dropna().quantile(np.arange(1, count) / count).to_numpy())
    return [float(f"{edge:.6g}") for edge in inner]


def _grouped(values: pd.Series, edges: Sequence[float]) -> pd.Series:
    """Text: "below 5", "5 to 10", "10 or more"; missing stays missing."""
    names = [f"below {edges[0]:g}"]
    names += [f"{low:g} to {high:g}" for low, high in itertools.pairwise(edges)]
    names += [f"{edges[-1]:g} or more"]
    group = np.searchsorted(np.asarray(edges), values.to_numpy("float64"), side="right")
    return pd.Series(np.array(names, object)[group], index=values.index).where(values.notna(), None)


def _one_text(table, column: str, name: str, wrong: list[str]) -> None:
    """Several values in one text: "Action|Drama"."""
    values = table[column]
    text = values[values.map(lambda v: isinstance(v, str)).to_numpy(bool)]
    listed = values.map(
        lambda v: isinstance(v, str) and re.fullmatch(r"\[.*\]|\(.*,.*\)", v.strip()) is not None
    )
    listed = listed.to_numpy(bool)
    if listed.any():
        problem = f"{column} is the text {values[listed].iloc[0]!r}, not a list"
        remedy = f'read it: {name}["{column}"].map(ast.literal_eval)'
        return complain(wrong, name, table, listed, problem, remedy)
    whole_texts = text.nunique()
    for mark in "|;," if len(text) else "":
        joined = text.str.contains(mark, regex=False)
        parts = text.str.split(mark).explode().str.strip()
        if joined.sum() > 1 and parts.nunique() < whole_texts:
            at = values.index.isin(text.index[joined.to_numpy()])
            problem = f"{column} {text[joined].iloc[0]!r} seems to be several values in one text"
            remedy = f'split it: from_frames(..., split={{"{column}": "{mark}"}}), or {{"{column}": None}} to keep it'
            return complain(wrong, name, table, at, problem, remedy)
    return None
