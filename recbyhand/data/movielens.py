"""MovieLens, the real data of this book: found, verified, and read into three `Tables`.

F. M. Harper and J. A. Konstan (2015). The MovieLens Datasets: History and Context. ACM TiiS 5(4), 19.
https://doi.org/10.1145/2827872
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from recbyhand.data.download import DataDamaged, DataUnavailable, fetch, short
from recbyhand.data.tables import Tables

SITE = "https://files.grouplens.org/datasets/movielens/"

CITE = "Cite: Harper and Konstan (2015), The MovieLens Datasets, ACM TiiS 5(4), 19, doi:10.1145/2827872."
LICENCE = (
    "MovieLens data, GroupLens, University of Minnesota: for research; no commercial use without their "
    "permission; imply no endorsement by them; {share}. " + CITE
)
PRIVATE = LICENCE.format(share="do not redistribute")
SHARED = LICENCE.format(share="may be redistributed under these same conditions")

AGES = (18, 25, 35, 45, 50, 56)  # the first age of each group but the first, as in MovieLens 1M
AGE_GROUPS = ("Under 18", "18-24", "25-34", "35-44", "45-49", "50-55", "56+")
OCCUPATIONS = (  # MovieLens 1M: code = position
    "other", "academic/educator", "artist", "clerical/admin", "college/grad student", "customer service",
    "doctor/health care", "executive/managerial", "farmer", "homemaker", "K-12 student", "lawyer",
    "programmer", "retired", "sales/marketing", "scientist", "self-employed", "technician/engineer",
    "tradesman/craftsman", "unemployed", "writer",
)  # fmt: skip
GENRES = (  # MovieLens 100K: flag columns in this order
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip


@dataclass(frozen=True)
class _File:
    """What is known of a published file: its content's SHA-256, and how its rows look.

    Of ML-1M's `ratings.dat` the hash of the whole is not known to us: it is checked by the hash of its first
    `prefix` bytes, by its number of rows, and row by row when it is read.
    """

    name: str
    sha256: str
    rows: int  # without the header
    sep: str
    columns: tuple[str, ...]
    numbers: tuple[str, ...] = ()  # those of the columns that hold numbers
    encoding: str = "latin-1"
    header: bool = False
    prefix: int | None = None


RATING = ("user", "item", "rating", "time")


@dataclass(frozen=True)
class _Release:
    folder: str
    title: str
    licence: str
    files: tuple[_File, ...]  # ratings first
    read: Callable[..., tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]]
    part: _File | None = None  # stands in for the ratings where only it is there
    part_label: str = ""


def movielens(
    name: str = "100k", *, folder: str | Path | None = None, download: bool = True, fallback: bool = True
) -> Tables:
    """MovieLens `"100k"`, `"1m"` or `"latest-small"` as `Tables`.

    users    `user`, `age` (7 groups), `gender`, `occupation`; of "latest-small" nothing but `user` is known
    items    `item`, `title` (as published), `year` (decade of the title's year, "1990s", or "unknown"),
             `genres` (tuple; ("unknown",) where none is listed)
    ratings  `user`, `item`, `rating`, `time` (seconds since 1970, UTC), in the order of the file

    Looked for in `folder` if given, else in the folder that the environment variable RECBYHAND_DATA names,
    then in the user's cache: each time as the sub-folder `ml-100k`, `ml-1m` or `ml-latest-small`. Where there
    is none it is downloaded, once, into `folder` or else the cache. Every file is verified each time it is
    read. Of "1m" a file `ratings.first487650.dat` (users 1-2999 of 6040) is accepted too; `name` and `note`
    then say so.

    With `fallback=True` a generated world with the same columns takes the place of a copy that cannot be had;
    it says so when it is made and whenever it is shown. A damaged local copy is never replaced: it raises.

    Raises
    ------
    ValueError       `name` is none of the three
    DataDamaged      (a ValueError) a local file is missing, cut, edited or re-encoded; the row is named
    DataUnavailable  (a RuntimeError) there is no copy, none could be downloaded, and `fallback=False`
    """
    key = str(name).lower().removeprefix("ml-")
    if key not in RELEASES:
        raise ValueError(f"There is no MovieLens {name!r}; choose one of {', '.join(map(repr, RELEASES))}.")
    release = RELEASES[key]
    places = _places(release, folder)
    for place in places:
        if place.is_dir():
            return _read(release, place)
    try:
        if not download:
            looked = " or ".join(short(place) for place in places)
            raise DataUnavailable(
                f"There is no {looked}, and download=False. Set RECBYHAND_DATA to the folder that holds "
                f"{release.folder}/, or allow the download."
            )
        names = [file.name for file in release.files]
        fetch(f"{SITE}{release.folder}.zip", names, places[-1], lambda new: _verify(new, release.files))
    except DataUnavailable as error:
        if not fallback:
            raise
        return _stand_in(key, release, error)
    return _read(release, places[-1])


def _places(release: _Release, folder: str | Path | None) -> list[Path]:
    """Where the files may be, in this order; a download goes to the last place."""
    if folder is None:
        import pooch  # here, not above: `import recbyhand` stays quick

        shared = os.environ.get("RECBYHAND_DATA")
        roots = [*([shared] if shared else []), pooch.os_cache("recbyhand")]
    else:
        roots = [folder]
    paths = [Path(root).expanduser() for root in roots]
    return [path if path.name == release.folder else path / release.folder for path in paths]


def _read(release: _Release, folder: Path) -> Tables:
    files, part = list(release.files), False
    if release.part and not (folder / files[0].name).exists() and (folder / release.part.name).exists():
        files[0], part = release.part, True
    ratings, items, users = release.read(folder, *files)
    whole = f"part: {release.part_label}" if part else "whole"
    if part:
        users = users[users["user"].isin(ratings["user"].unique())].reset_index(drop=True)
    counts = f"{len(ratings):,} ratings of {len(items):,} films by {len(users):,} users"
    return Tables(
        name=f"{release.folder} ({whole})" if part else release.folder,
        users=users,
        items=items,
        ratings=ratings,
        note=f"{release.title}, {whole}: {counts}; real data, files verified.",
        licence=release.licence,
    )


def _stand_in(key: str, release: _Release, error: Exception) -> Tables:
    from recbyhand.data.planted import stand_in

    data = stand_in(key)
    data.real = False
    data.name = f"stand-in for {release.folder}"
    data.note = (
        f"STAND-IN: these are NOT real films and NOT real people. {release.title} could not be had, so this "
        f"world was generated with the same columns; its results say nothing about MovieLens. Reason: {error}"
    )
    print(data.note)  # shown even where the data set itself is not: nobody should miss it
    return data


# --- verifying ------------------------------------------------------------------------------------------


def _load(folder: Path, file: _File) -> bytes:
    """The content of a file that is what was published, or `DataDamaged` with what is wrong with it."""
    path = folder / file.name
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataDamaged(path, f"cannot be read ({error.strerror})", _repair(folder)) from error
    if hashlib.sha256(raw[: file.prefix]).hexdigest() == file.sha256:
        if file.prefix is None or raw.count(b"\n") == file.rows:
            return raw
    raise DataDamaged(path, _damage(raw, file), _repair(folder))


def _verify(folder: Path, files: tuple[_File, ...]) -> None:
    for file in files:
        _load(folder, file)


def _repair(folder: Path) -> str:
    return (
        f"Put the published file there again, or delete the folder {short(folder)} and run this again to "
        "download it. (Tables of your own: rbh.data.from_frames.)"
    )


def _damage(raw: bytes, file: _File) -> str:
    """What is wrong with a file whose hash is not the published one: the likeliest cause or the bad row."""
    if not raw.strip():
        return "is empty"
    if raw[:512].lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "is a web page, not data"
    if raw.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        return "is a compressed archive: unpack it"
    if raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return "was saved anew in another encoding (it begins with a byte order mark)"
    try:
        raw.decode("utf-8")
        utf8 = True
    except UnicodeDecodeError as error:
        utf8, row = False, raw.count(b"\n", 0, error.start) + 1
    if file.encoding == "utf-8" and not utf8:
        return f"was saved anew in another encoding: row {row} is not UTF-8"
    if file.encoding == "latin-1" and utf8 and not raw.isascii():
        return "was saved anew in UTF-8; the published file is Latin-1 (ISO-8859-1)"
    return _bad_row(raw, file) or "has the right rows and columns, but a value or the line ends were changed"


def _bad_row(raw: bytes, file: _File) -> str | None:
    lines = raw.decode(file.encoding).removesuffix("\n").split("\n")
    lines = [line.removesuffix("\r") for line in lines]
    rows = csv.reader(lines) if file.header else (line.split(file.sep) for line in lines)
    where = [file.columns.index(column) for column in file.numbers]
    for number, row in enumerate(rows, start=1):
        first = number == 1 and file.header
        missing = [column for column in file.columns if column not in row] if first else []
        if missing:
            return f"lacks the column {', '.join(missing)}: its header is {','.join(row)!r}"
        if len(row) != len(file.columns):
            if number == len(lines) and not raw.endswith(b"\n"):
                return f"was cut off in row {number:,} of {file.rows + file.header:,}"
            return (
                f"is malformed in row {number}: {len(row)} columns, not {len(file.columns)} "
                f"({file.sep.join(row)[:60]!r})"
            )
        for column in [] if first else where:
            if not row[column].replace(".", "", 1).isdigit():
                name, value = file.columns[column], row[column]
                return f"is malformed in row {number}: {name} is {value!r}, not a number"
    count = len(lines) - file.header
    if count < file.rows:
        return f"has {count:,} rows, not {file.rows:,}: it was cut off"
    if count > file.rows:
        return f"has {count:,} rows, not {file.rows:,}: another edition, or something was added"
    return None


# --- reading --------------------------------------------------------------------------------------------


def _table(raw: bytes, file: _File, columns: tuple[str, ...], dtype="int64") -> pd.DataFrame:
    """The named columns by pandas' C reader, which knows separators of one character only.

    Split at ":", a row `1::1193::5::978300760` has an empty cell between any two: every other cell is read.
    """
    step = len(file.sep)
    table = pd.read_csv(
        io.BytesIO(raw),
        sep=file.sep[0],
        header=None,
        skiprows=int(file.header),
        usecols=[step * file.columns.index(column) for column in columns],
        dtype=dtype,
        encoding=file.encoding,
        quoting=csv.QUOTE_MINIMAL if file.header else csv.QUOTE_NONE,
        keep_default_na=False,
    )
    return table.set_axis(list(columns), axis=1)


def _read_100k(folder: Path, ratings: _File, items: _File, users: _File):
    rated = _table(_load(folder, ratings), ratings, RATING)
    raw = _load(folder, items)
    films = _table(raw, items, ("item", "title"), {0: "int64", 1: "str"})
    flags = _table(raw, items, GENRES).to_numpy(bool)  # (items, 19)
    genres = [tuple(GENRES[g] for g in np.flatnonzero(row)) for row in flags]
    columns = ("user", "age", "gender", "occupation")
    people = _table(_load(folder, users), users, columns, {0: "int64", 1: "int64", 2: "str", 3: "str"})
    return rated.astype({"rating": "float64"}), _films(films["item"], films["title"], genres), _people(people)


def _read_1m(folder: Path, ratings: _File, items: _File, users: _File):
    raw = _load(folder, ratings)
    try:
        rated = _table(raw, ratings, RATING)
        sound = rated["rating"].between(1, 5).all() and rated["user"].nunique() == rated["user"].max()
    except ValueError:  # a cell that is empty or not a number
        sound = False
    if not sound:
        damage = _bad_row(raw, ratings) or "holds a rating outside 1 to 5, or skips a user"
        raise DataDamaged(folder / ratings.name, damage, _repair(folder))
    lines = _load(folder, items).decode("latin-1").removesuffix("\n").split("\n")  # titles hold single colons
    number, title, genres = zip(*(line.split("::") for line in lines), strict=True)
    films = _films(np.array(number, dtype="int64"), title, [tuple(g.split("|")) for g in genres])
    columns = ("user", "gender", "age", "occupation")
    people = _table(_load(folder, users), users, columns, {0: "int64", 2: "str", 4: "int64", 6: "int64"})
    people["occupation"] = [OCCUPATIONS[code] for code in people["occupation"]]
    return rated.astype({"rating": "float64"}), films, _people(people)


def _read_latest(folder: Path, ratings: _File, items: _File):
    raw = _load(folder, ratings)
    rated = _table(raw, ratings, ratings.columns, {0: "int64", 1: "int64", 2: "float64", 3: "int64"})
    films = _table(_load(folder, items), items, items.columns, {0: "int64", 1: "str", 2: "str"})
    genres = [("unknown",) if g == "(no genres listed)" else tuple(g.split("|")) for g in films["genres"]]
    rated = rated.set_axis(list(RATING), axis=1)
    people = pd.DataFrame({"user": np.sort(rated["user"].unique())})
    return rated, _films(films["movieId"], films["title"], genres), people


def _films(item, title, genres) -> pd.DataFrame:
    title = pd.Series(title).str.strip()
    # The last bracket that starts with four digits: "2001: A Space Odyssey (1968)", "Death Note (2006-2007)".
    year = title.str.extract(r".*\((\d{3})\d(?:\D\d*)?\)", expand=False)
    decade = (year + "0s").fillna("unknown")
    return pd.DataFrame({"item": item, "title": title, "year": decade, "genres": genres})


def _people(people: pd.DataFrame) -> pd.DataFrame:
    group = np.searchsorted(AGES, people["age"], side="right")
    return people.assign(age=[AGE_GROUPS[g] for g in group])[["user", "age", "gender", "occupation"]]


MOVIE = ("item", "title", "genres")
CSV_RATING, CSV_MOVIE = ("userId", "movieId", "rating", "timestamp"), ("movieId", "title", "genres")
FIRST = "1273c4edfe3c0ff9e3a0a0d55819faeb947da0ad7df3927333b51ebefbeedc3d"  # the first 487,650 rows of ML-1M
# fmt: off
RELEASES = {
    "100k": _Release(
        "ml-100k", "MovieLens 100K", PRIVATE, (
            _File("u.data", "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490", 100_000,
                  "\t", RATING, numbers=RATING),
            _File("u.item", "553841ebc7de3a0fd0d6b62a204ea30c1e651aacfb2814c7a6584ac52f2c5701", 1_682,
                  "|", ("item", "title", "released", "video", "imdb", *GENRES), numbers=("item", *GENRES)),
            _File("u.user", "f120e114da2e8cf314fd28f99417c94ae9ddf1cb6db8ce0e4b5995d40e90e62c", 943,
                  "|", ("user", "age", "gender", "occupation", "zip"), numbers=("user", "age")),
        ),
        _read_100k,
    ),
    "1m": _Release(
        "ml-1m", "MovieLens 1M", PRIVATE, (
            _File("ratings.dat", FIRST, 1_000_209, "::", RATING, numbers=RATING, prefix=11_908_773),
            _File("movies.dat", "0140fc2356357c1a851d0f52e893a1e4d3696df632c4141cea8d5bc3d621f0b9", 3_883,
                  "::", MOVIE, numbers=("item",)),
            _File("users.dat", "1dc3a95300cb19f7c10e027daf29b8cdf1d908dab65b5edfb45950aa389a10a3", 6_040,
                  "::", ("user", "gender", "age", "occupation", "zip"),
                  numbers=("user", "age", "occupation")),
        ),
        _read_1m,
        part=_File("ratings.first487650.dat", FIRST, 487_650, "::", RATING, numbers=RATING),
        part_label="users 1-2999 of 6040",
    ),
    "latest-small": _Release(
        "ml-latest-small", "MovieLens latest-small (September 2018)", SHARED, (
            _File("ratings.csv", "aa289ca83157595d0df6aea1be6a4ded676ddc4385472e8313a8ed9805352646", 100_836,
                  ",", CSV_RATING, numbers=CSV_RATING, encoding="utf-8", header=True),
            _File("movies.csv", "5a5f32dd9bb3797b8e728a1b98958789d2b13f294a69fdfbc5727f8a9611aa07", 9_742,
                  ",", CSV_MOVIE, numbers=("movieId",), encoding="utf-8", header=True),
        ),
        _read_latest,
    ),
}
