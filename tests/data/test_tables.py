"""A reader's own tables: what is handled, and what is refused with the row and the remedy named."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pandas as pd
import pytest

from recbyhand.data import Tables, ctr, from_frames


def ratings(**changes) -> pd.DataFrame:
    table = {
        "user": [7, 7, 8, 9],
        "item": [1, 2, 2, 3],
        "rating": [5, 3, 4, 1],
        "time": [30, 10, 20, 40],
    }
    return pd.DataFrame({**table, **changes}, index=[100, 101, 102, 103])


def test_order_labels_and_tables_made_from_the_ratings():
    before = ratings()
    data = from_frames(before)
    assert isinstance(data, Tables)
    assert data.ratings["time"].tolist() == [10, 20, 30, 40]  # sorted by time
    assert data.targets["label"].tolist() == [0, 1, 1, 0]
    assert data.targets.equals(data.events)
    assert data.users["user"].tolist() == [7, 8, 9]
    assert data.items["title"].tolist() == ["1", "2", "3"]
    pd.testing.assert_frame_equal(before, ratings())  # untouched
    assert data.ratings["time"].dtype == "int64"


def test_without_time_the_order_of_rows_is_the_order_of_events():
    data = from_frames(ratings().drop(columns="time"))
    assert data.ratings["item"].tolist() == [1, 2, 2, 3]
    assert data.ratings["time"].tolist() == [0, 1, 2, 3]
    assert "order of their rows" in data.note


@pytest.mark.parametrize("zone", [None, "Europe/Paris"])
@pytest.mark.parametrize("unit", ["s", "ms", "ns"])
def test_datetimes_become_utc_seconds(zone, unit):
    stamps = pd.to_datetime([1_000_000_030, 1_000_000_010, 1_000_000_020, 1_000_000_040], unit="s", utc=True)
    stamps = stamps.tz_convert(zone) if zone else stamps.tz_localize(None)
    data = from_frames(ratings(time=stamps.as_unit(unit)))
    assert data.ratings["time"].tolist() == [1_000_000_000 + s for s in (10, 20, 30, 40)]


def test_fractions_of_a_second_are_one_second():
    with pytest.warns(UserWarning, match="fractions of a second"):
        data = from_frames(ratings(time=[30.2, 30.9, 20.0, 1.5]))
    assert data.ratings["time"].tolist() == [1, 20, 30, 30]


@pytest.mark.parametrize(
    "user",
    [
        ["ann", "ann", "bo", "cy"],
        pd.Categorical(["ann", "ann", "bo", "cy"]),
        pd.array(["ann", "ann", "bo", "cy"], dtype="string"),
        np.array(["ann", "ann", "bo", "cy"]),
    ],
)
def test_text_ids(user):
    task = ctr(from_frames(ratings(user=user)), valid=0, test=0)
    assert task.schema.user_ids == ("ann", "bo", "cy")
    assert task.schema.user_id("bo") == 3


@pytest.mark.parametrize(
    "user",
    [[7.0, 7.0, 8.0, 9.0], pd.array([7, 7, 8, 9], dtype="Int64"), np.array([7, 7, 8, 9], dtype=object)],
)
def test_whole_numbers_in_other_clothes(user):
    data = from_frames(ratings(user=user))
    assert data.users["user"].tolist() == [7, 8, 9]
    assert data.users["user"].dtype == "int64"


def test_own_titles_and_features():
    items = pd.DataFrame(
        {
            "item": [3, 2, 1, 5],
            "title": ["C", None, "A", "E"],
            "genres": [("x", "y"), ["y"], (), ("x",)],
            "year": ["90s", "80s", None, "90s"],
        }
    )
    data = from_frames(ratings(), items=items)
    assert data.items["title"].tolist() == ["C", "2", "A", "E"]
    schema = ctr(data, valid=0, test=0).schema
    assert schema.titles == ("C", "2", "A", "E")  # item 5, which nobody rated, is in the catalogue
    genres, year = schema.item_fields
    assert (genres.name, genres.width, genres.size, genres.values) == ("genres", 2, 4, ("x", "y"))
    assert year.values == ("80s", "90s")
    expected = [[0, 0, 0], [1, 0, 1], [2, 3, 3], [3, 0, 2], [1, 0, 1], [2, 0, 3]]  # 1: unknown
    assert schema.item_table.tolist() == expected


REFUSED = {
    "empty": (ratings()[:0], {}, "ratings has no rows"),
    "no rating": (ratings().rename(columns={"rating": "stars"}), {}, "no column 'rating'"),
    "userId": (ratings().rename(columns={"user": "userId"}), {}, r'from_frames\(\.\.\., user="userId"\)'),
    "no item, but a time": (ratings().drop(columns="item"), {}, "no column 'item'.*: add it"),
    "two users": (pd.concat([ratings(), ratings()[["user"]]], axis=1), {}, "two columns called 'user'"),
    "off scale": (ratings(rating=[5, 3, 9, 8]), {}, r"row 102 \(and 1 more\): rating 9 is off the scale"),
    "nan rating": (ratings(rating=[5, np.nan, 4, 1]), {}, "row 101: rating is nan"),
    "infinite": (ratings(rating=[5, np.inf, 4, 1]), {}, "row 101: rating is inf"),
    "text rating": (ratings(rating=["5", "good", "4", "1"]), {}, "row 101: rating is 'good'"),
    "like": (ratings(rating=[1, 0, 1, 0]), {}, "no rating reaches like=4: the highest is 1"),
    "negative time": (ratings(time=[30, 10, -1, 40]), {}, "row 102: time -1 is negative"),
    "far time": (ratings(time=[30, 10, 1e300, 40]), {}, r"row 102: time 1e\+300 is too large"),
    "nan time": (ratings(time=[30, 10, np.nan, 40]), {}, "row 102: time is nan"),
    "text time": (ratings(time=["1", "2", "1999-01-01", "4"]), {}, r"row 102: time is .*pd\.to_datetime"),
    "no date": (ratings(time=pd.to_datetime(["2001", "2002", None, "2003"])), {}, "row 102: time is missing"),
    "nan user": (ratings(user=[7, None, 8, 9]), {}, "row 101: user is missing"),
    "half id": (ratings(user=[7, 7.5, 8, 9]), {}, "row 101: user 7.5 is no whole number"),
    "mixed": (ratings(user=["7", 7, "8", "9"]), {}, r"row 101: user 7 is unlike.*astype\(str\)"),
    "twice": (
        pd.concat([ratings(), ratings()[2:3].set_axis([200])]),
        {},
        "row 200: user 8 rated 2 at time 20",
    ),
    "user twice": (ratings(), {"users": pd.DataFrame({"user": [7, 8, 9, 8]})}, "users, row 3: user 8 has"),
    "user lost": (ratings(), {"users": pd.DataFrame({"user": [7, 8]})}, "row 103: user 9 is not in users"),
    "item lost": (ratings(), {"items": pd.DataFrame({"item": [1, 2]})}, "row 103: item 3 is not in items"),
    "no item": (ratings(), {"items": pd.DataFrame({"title": ["a"]})}, "items has no column 'item'"),
    "text like": (ratings(), {"like": "4"}, "like='4': give a finite number"),
    "nan like": (ratings(), {"like": np.nan}, "like=nan: give a finite number"),
    "one end": (ratings(), {"scale": 5}, r"scale=5: give the lowest and the highest"),
    "no scale": (ratings(), {"scale": None}, "scale=None: give the lowest and the highest"),
    "scale turned": (ratings(), {"scale": (5, 0)}, r"scale=\(5, 0\): give the lowest and the highest"),
    "tables in a cell": (
        ratings(),
        {"items": pd.DataFrame({"item": [1, 2, 3], "genres": [(), [{"id": 1, "name": "war"}], None]})},
        r"items, row 1: genres is \[\{'id': 1.*a value is text, a number or a tuple of these",
    ),
    "a table in a cell": (
        ratings(),
        {"users": pd.DataFrame({"user": [7, 8, 9], "home": [{"city": "x"}, None, {}]})},
        r"users, row 0 \(and 1 more\): home is \{'city': 'x'\}",
    ),
    "kinds": (ratings(), {"users": pd.DataFrame({"user": ["7", "8", "9"]})}, "never match: make both text"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_row_and_remedy(case):
    table, others, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        from_frames(table, **others)


def test_a_feature_of_many_numbers_is_refused():
    many = pd.DataFrame({"user": range(60), "item": 0, "rating": 5})
    users = pd.DataFrame({"user": range(60), "income": np.linspace(0, 1, 60)})
    with pytest.raises(ValueError, match=r"'income' of users has 60 different numbers.*qcut"):
        from_frames(many, users)


def test_not_a_frame():
    with pytest.raises(TypeError, match="give a pandas DataFrame"):
        from_frames({"user": [1]})


def test_clicks_of_0_and_1():
    data = from_frames(ratings(rating=[1, 0, 1, 0]), like=1)
    assert data.targets["label"].tolist() == [0, 1, 1, 0]


def test_display_escapes_what_it_shows():
    data = from_frames(ratings(), name="<script>alert(1)</script>")
    assert "<script" not in data._repr_html_()
    assert "&lt;script" in data._repr_html_()
    assert "users 3, items 3, examples 4" in repr(data)


def test_columns_named_by_numbers():
    users = pd.DataFrame({"user": [7, 8, 9], 5: ["a", "b", "a"]})
    data = from_frames(ratings(), users)
    assert data.user_columns == ["5"]
    assert "user features 5" in repr(data)
    assert ctr(data).schema.user_fields[0].name == "5"


SCALE = {"user": range(20), "item": range(20), "rating": [1, 2, 3, 4, 5] * 4, "time": range(20)}


@pytest.mark.parametrize(
    ("says", "changed", "cut"),
    [
        ("milliseconds", {"time": 1_600_000_000_000}, False),
        ("fractions of a second", {"user": 1, "rating": 5, "time": np.arange(20) / 10}, False),
        ("on a scale from 0 to 10", {"rating": [2, 4, 6, 8, 10] * 4}, False),
        ("every label is 1", {"user": 1, "rating": 5}, True),
        ("there is no test", {"user": [1, 2] * 10, "rating": [4, 3] * 10, "time": 5}, True),
    ],
)
def test_a_warning_points_to_the_readers_line(says, changed, cut):
    """Not into the package, and not above: in a notebook, that would be a line of IPython."""
    table = pd.DataFrame({**SCALE, **changed})

    def read():
        here = inspect.currentframe().f_lineno
        data = from_frames(table, scale=(0, 10) if "scale" in says else (0, 5))
        if cut:
            ctr(data, history=3)
        return here + 3 if cut else here + 1

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        line = read()
    told = [(w.filename, w.lineno) for w in caught if says in str(w.message)]
    assert told == [(__file__, line)]


def test_ids_in_an_index_of_several_levels_are_found_there():
    with pytest.raises(ValueError, match=r"no column 'user'.*it is the index: ratings\.reset_index\(\)"):
        from_frames(ratings().set_index(["user", "time"]))
