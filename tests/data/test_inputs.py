"""Nothing silent: what a reader's table says is kept, converted with a word, or refused with a remedy that works.

Where a message names a remedy, the test cuts it out of the message, runs it and tries again.
"""

from __future__ import annotations

import ast
import datetime
import decimal
import re
import uuid
import warnings

import numpy as np
import pandas as pd
import pytest

import recbyhand as rbh
from recbyhand.data import ctr, from_frames

ZONED = ["2024-03-31T00:30:00+01:00", "2024-03-31T03:30:00+02:00", "2024-03-31T04:00:00+02:00"]  # summer time


def table(n: int = 3, **columns) -> pd.DataFrame:
    base = {"user": [7] * n, "item": list(range(n)), "rating": [5] * n, "time": list(range(n))}
    return pd.DataFrame({**base, **columns}, index=range(100, 100 + n))


def refusal(*tables, **settings) -> str:
    with pytest.raises(ValueError, match=r";|:") as error:
        from_frames(*tables, **settings)
    return str(error.value)


def mended(ratings: pd.DataFrame, message: str, column: str = "time", name: str = "ratings") -> pd.DataFrame:
    """The table with the column that the message proposes: `ratings["time"]...` or pd.to_datetime(...)."""
    remedy = re.search(rf'((pd\.\w+\()?{name}\["{column}"\].*)$', message).group(1)
    return ratings.assign(**{column: eval(remedy, {"pd": pd, name: ratings, "ast": ast})})


# ------------------------------------------------------------------------------------------------------- times


def test_large_whole_numbers_stay_exact():
    for time in (
        2**53 + np.arange(8),
        [*map(int, 2**53 + np.arange(8))],
        pd.array(2**53 + np.arange(8), "Int64"),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = from_frames(table(8, time=time))
        assert data.ratings["time"].tolist() == [2**53 + k for k in range(8)]


def test_two_events_within_a_second_can_be_mended():
    ratings = table(2, item=[4, 4], time=[100.1, 100.8])
    message = refusal(ratings)
    assert "row 101: user 7 rated 4 at time 100 in a row above too" in message
    remedy = message.split("a second: ")[1]
    kept = eval(remedy, {"ratings": ratings})
    assert from_frames(kept).ratings["time"].tolist() == [100]
    stamps = pd.to_datetime([100.1, 100.8], unit="s")
    ratings = table(2, item=[4, 4], time=stamps)
    kept = eval(refusal(ratings).split("a second: ")[1], {"ratings": ratings})
    assert from_frames(kept).ratings["time"].tolist() == [100]


def test_rows_that_are_the_same_are_mended_by_dropping():
    ratings = table(2, item=[4, 4], time=[100, 100])
    kept = eval(refusal(ratings).split("keep one: ")[1], {"ratings": ratings})
    assert len(from_frames(kept).ratings) == 1


@pytest.mark.parametrize("dates", [False, True])
def test_order_that_is_lost_in_a_second_is_warned_of(dates):
    time = [100.1, 100.8, 105.0]
    ratings = table(time=pd.to_datetime(time, unit="s") if dates else time)
    with pytest.warns(UserWarning, match=r"2 times of the same user fall into one second.*row 101") as caught:
        from_frames(ratings)
    finer = str(caught[0].message).split("count something shorter: ")[1]
    again = ratings.assign(time=eval(finer, {"ratings": ratings, "pd": pd}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert from_frames(again).ratings["time"].is_unique


@pytest.mark.parametrize("column", ["timestamp", "Time", "purchased_at", "date", "event_time", "when"])
def test_a_time_by_another_name_is_not_passed_over(column):
    ratings = table(time=[30, 10, 20]).rename(columns={"time": column})
    message = refusal(ratings)
    assert message.endswith(f'from_frames(..., time="{column}"), or time=None for none')
    assert from_frames(ratings, time=column).ratings["item"].tolist() == [1, 2, 0]
    data = from_frames(ratings, time=None)
    assert data.ratings["item"].tolist() == [0, 1, 2]
    assert "in the order of their rows" in data.note


def test_a_column_of_dates_is_a_time_whatever_its_name():
    ratings = table().rename(columns={"time": "seen"}).assign(seen=pd.to_datetime(["2021", "2020", "2022"]))
    assert 'time="seen"' in refusal(ratings)


def test_what_has_a_unit_is_converted():
    expected = [60, 120, 180]
    differences = pd.to_timedelta([60, 120, 180], unit="s")
    periods = pd.PeriodIndex(["1970-01", "1970-02", "1970-03"], freq="M")
    assert from_frames(table(time=differences)).ratings["time"].tolist() == expected
    assert from_frames(table(time=differences.as_unit("ns"))).ratings["time"].tolist() == expected
    assert from_frames(table(time=periods)).ratings["time"].tolist() == [0, 31 * 86400, 59 * 86400]
    days = [datetime.date(1970, 1, day) for day in (1, 2, 3)]
    assert from_frames(table(time=days)).ratings["time"].tolist() == [0, 86400, 2 * 86400]


@pytest.mark.parametrize(("power", "unit"), [(3, "milliseconds"), (6, "microseconds"), (9, "nanoseconds")])
def test_what_cannot_be_seconds_is_warned_of(power, unit):
    seconds = [1_600_000_000, 1_600_000_000 + 60, 1_600_000_000 + 120]
    ratings = table(time=[second * 10**power for second in seconds])
    with pytest.warns(
        UserWarning, match=f"as seconds that is the year .* Perhaps these are {unit}"
    ) as caught:
        from_frames(ratings)
    remedy = re.search(r'ratings\["time"\] // 10\*\*\d', str(caught[0].message)).group()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = from_frames(ratings.assign(time=eval(remedy, {"ratings": ratings})))
    assert data.ratings["time"].tolist() == seconds


def test_time_zones_that_differ_from_row_to_row():
    seconds = [1711841400, 1711848600, 1711850400]
    message = refusal(table(time=ZONED))
    assert "row 100 (and 2 more): time is '2024-03-31T00:30:00+01:00', not a number" in message
    assert from_frames(mended(table(time=ZONED), message)).ratings["time"].tolist() == seconds
    aware = [datetime.datetime.fromisoformat(text) for text in ZONED]
    assert (
        from_frames(table(time=pd.Series(aware, dtype=object).tolist())).ratings["time"].tolist() == seconds
    )


def test_rows_with_and_without_a_time_zone():
    mixed = pd.Series([pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-02", tz="UTC"), None], dtype=object)
    ratings = table(time=mixed.to_numpy())
    message = refusal(ratings)
    assert "row 100: time 2024-01-01 00:00:00 has no time zone, and others have one" in message
    message = refusal(mended(ratings, message))
    assert "row 102: time is missing" in message
    assert len(from_frames(mended(ratings[:2], refusal(ratings))).ratings) == 2


@pytest.mark.parametrize("time", [pd.to_datetime(["1969-12-31", "1970-01-02", "1971-01-01"]), [-5, 3, 4]])
def test_before_1970_and_negative(time):
    ratings = table(time=time)
    message = refusal(ratings)
    if not isinstance(time, list):
        assert "row 100: time 1969-12-31 00:00:00 lies before 1970" in message
        assert "count seconds" not in message  # none were given
    assert from_frames(mended(ratings, message)).ratings["time"].iloc[0] == 0


def test_a_date_alone_leaves_nothing_to_cut():
    ratings = pd.DataFrame({"user": np.repeat(range(20), 5), "item": np.tile(range(5), 20)})
    ratings["rating"] = [5, 1, 4, 2, 3] * 20
    ratings["time"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.repeat(range(20), 5), unit="D")
    with pytest.warns(UserWarning, match='there is no test, since all events of a user.*split="global"'):
        task = ctr(from_frames(ratings))
    assert len(task.test) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(ctr(from_frames(ratings), split="global").test)
        assert len(ctr(from_frames(ratings.assign(time=range(100)))).test)


# ------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("kind", "column"),
    [("user", "userId"), ("user", "customer_id"), ("user", "User"), ("item", "movieId"), ("item", "sku"),
     ("item", "ISBN"), ("item", "product"), ("rating", "Rating"), ("rating", "stars")],
)  # fmt: skip
def test_near_misses_of_names(kind, column):
    ratings = table().rename(columns={kind: column})
    message = refusal(ratings)
    assert f"ratings has no column '{kind}'" in message
    assert f'from_frames(..., {kind}="{column}")' in message
    assert len(from_frames(ratings, **{kind: column}).ratings) == 3


def test_a_name_that_is_given_must_be_there():
    assert "ratings has no column 'stars', only" in refusal(table(), rating="stars")
    assert "ratings has no column 'at'" in refusal(table(), time="at")


def test_an_index_that_holds_the_ids():
    ratings = table().set_index("user")
    message = refusal(ratings)
    assert message.endswith("it is the index: ratings.reset_index()")
    assert len(from_frames(eval("ratings.reset_index()", {"ratings": ratings})).ratings) == 3


def test_a_title_by_another_name():
    items = pd.DataFrame({"item": [0, 1, 2], "Title": ["A", "B", "C"]})
    assert "items has no column 'title'" in (message := refusal(table(), None, items))
    assert 'from_frames(..., title="Title"), or title=None for none' in message
    assert from_frames(table(), None, items, title="Title").items["title"].tolist() == ["A", "B", "C"]
    assert from_frames(table(), None, items, title=None).item_columns == ["Title"]


def shop():
    purchases = pd.DataFrame(
        {
            "customer_id": ["a", "a", "b", "c"],
            "sku": [1, 2, 2, 3],
            "purchased_at": pd.to_datetime(
                ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"], utc=True
            ),
        }
    )
    customers = pd.DataFrame({"customer_id": ["a", "b", "c"], "born": [1980.0, None, 2001.0]})
    products = pd.DataFrame({"sku": [1, 2, 3], "title": ["X", "Y", "Z"], "price": [1.5, 9.0, 25.0]})
    return purchases, customers, products


NAMES = {"user": "customer_id", "item": "sku", "time": "purchased_at"}


def test_a_shops_tables_as_they_are():
    before = [frame.copy() for frame in shop()]
    data = from_frames(*(tables := shop()), **NAMES, bins={"price": [5, 20]})
    for old, new in zip(before, tables, strict=True):
        pd.testing.assert_frame_equal(old, new)
    assert data.positives
    assert data.like == 1
    assert data.targets["label"].tolist() == [1] * 4
    assert "without ratings: every row is a positive" in data.note
    assert data.users.columns.tolist() == ["user", "born"]
    assert data.items["price"].tolist() == ["below 5", "5 to 20", "20 or more"]
    assert [field.values for field in ctr(data, valid=0, test=0).schema.fields[2:]] == [
        ("1980", "2001"), ("20 or more", "5 to 20", "below 5")
    ]  # fmt: skip


def test_all_complaints_at_once():
    purchases, customers, products = shop()
    message = refusal(purchases, customers, products)
    for part in (
        'user="customer_id"',
        'item="sku"',
        'time="purchased_at"',
        "users has no column",
        "items has no",
    ):
        assert part in message
    assert message.startswith("5 things are to be mended:\n- ratings has no column 'user'")
    purchases.loc[0, "customer_id"] = None
    products["price"] = 0.5
    products.loc[3] = [3, "again", 1.0]
    products["genre"] = ["a|b", "a", "b|a", "b"]
    message = refusal(purchases, customers, products, **NAMES)
    assert message.startswith("3 things")
    assert "ratings, row 0: customer_id is missing" in message
    assert "items, row 0 (and 1 more): genre 'a|b' seems to be several values" in message
    assert "items, row 3: sku 3 has a row above too" in message


def test_what_hangs_on_a_missing_id_is_told_in_the_same_round():
    """Duplicates, unknown ids and ids of another kind in the rows that have one; the remedies, taken together, help."""
    purchases, customers, products = shop()
    purchases = pd.concat([purchases, purchases.iloc[[0, 2]]], ignore_index=True)
    purchases.loc[1, "customer_id"] = None
    purchases.loc[3, "sku"] = 99
    products = pd.concat([products, products.iloc[[0]]], ignore_index=True)
    products["sku"] = products["sku"].astype(float)
    products.loc[1, "sku"] = np.nan
    message = refusal(purchases, customers, products, **NAMES)
    assert message.startswith("5 things are to be mended")
    assert "ratings, row 1: customer_id is missing" in message
    assert "ratings, row 4 (and 1 more): user 'a' has 1 at time 2024-01-01" in message
    assert "items, row 1: sku is missing" in message
    assert "items, row 3: sku 1 has a row above too" in message
    assert "ratings, row 1 (and 3 more): sku 2 is not in items" in message
    assert "price" not in message  # three prices are a category
    for remedy in re.findall(r'dropna\(subset="customer_id"\)|ratings\.drop_duplicates\(\[.*?\]\)', message):
        purchases = eval(
            remedy if remedy.startswith("ratings") else f"ratings.{remedy}", {"ratings": purchases}
        )
    products = products.dropna(subset="sku").drop_duplicates("sku")
    known = re.search(r'ratings\[ratings\["sku"\]\.isin\(items\["sku"\]\)\]', message).group()
    purchases = eval(known, {"ratings": purchases, "items": products})
    data = from_frames(purchases, customers, products, **NAMES)
    assert data.ratings["item"].tolist() == [1]
    assert data.items["item"].dtype == "int64"


def test_what_hangs_on_a_missing_time_is_told_in_the_same_round():
    time = pd.to_datetime(["2024-01-01", None, "2024-01-01", "2023-01-01"])
    ratings = table(4, item=[4, 5, 4, 6], time=time)
    message = refusal(ratings)
    assert "row 101: time is missing" in message
    assert "row 102: user 7 rated 4 at time 2024-01-01 00:00:00 in a row above too" in message
    kept = eval(message.split("keep one: ")[1].splitlines()[0], {"ratings": ratings.dropna(subset="time")})
    assert from_frames(kept).ratings["item"].tolist() == [6, 4]


@pytest.mark.parametrize("side", ["ratings", "users"])
def test_ids_that_are_decimals_in_one_table_are_made_numbers(side):
    tables = {"ratings": table(), "users": pd.DataFrame({"user": [7]})}
    tables[side]["user"] = tables[side]["user"].map(lambda number: f"{number}.0")
    message = refusal(*tables.values())
    assert "never match: make both numbers" in message
    tables[side]["user"] = eval(message.split("make both numbers, ")[1], {"pd": pd, **tables})
    assert from_frames(*tables.values()).users["user"].tolist() == [7]


def test_ids_that_are_missing_altogether_are_one_complaint():
    assert refusal(table(user=[None] * 3)).startswith("ratings, row 100 (and 2 more): user is missing")


def test_one_complaint_needs_no_list():
    assert refusal(table(rating=[5, np.nan, 3])).startswith("ratings, row 101: rating is nan")


# ---------------------------------------------------------------------------------------------------- features


def prices(kind) -> pd.DataFrame:
    return pd.DataFrame({"item": range(200), "price": [kind(f"{k / 7:.2f}") for k in range(200)]})


@pytest.mark.parametrize("kind", [float, decimal.Decimal, str, lambda text: np.float32(text)])
def test_many_fractional_numbers_are_put_into_groups_on_request(kind):
    items = prices(kind)
    message = refusal(table(), None, items)
    assert "column 'price' of items has 200 different numbers" in message
    bins = eval(re.search(r"bins=(\{.*?\})", message).group(1))
    for given in (bins, 10):
        data = from_frames(table(), None, items, bins=given)
        counts = data.items["price"].value_counts()
        assert len(counts) == 10
        assert counts.between(18, 22).all()
        assert len(data.edges["price"]) == 9
    by_hand = eval(re.search(r"pd\.qcut.*$", message).group(), {"pd": pd, "items": items})
    assert from_frames(table(), None, items.assign(price=by_hand)).items["price"].nunique() == 10


def test_bins_leave_small_vocabularies_and_gaps_alone():
    users = pd.DataFrame({"user": [7], "age": [31], "zip": ["01234"]})
    assert from_frames(table(), users, bins=10).users["age"].tolist() == [31]
    items = prices(float)
    items.loc[0, "price"] = None
    assert from_frames(table(), None, items, bins=10).items["price"].isna().tolist() == [True] + [False] * 199
    assert "there is no feature 'cost': bins and split name columns" in refusal(
        table(), None, items, bins={"cost": 5, "price": 5}
    )
    with pytest.raises(ValueError, match="give rising edges"):
        from_frames(table(), None, items, bins={"price": [5, 5]})
    with pytest.raises(ValueError, match=r"bins\['price'\]=1: give a whole number, at least 2"):
        from_frames(table(), None, items, bins={"price": 1})


@pytest.mark.parametrize("mark", ["|", ";", ","])
def test_several_values_in_one_text(mark):
    genres = [f"Action{mark} Drama", "Drama", f"Drama{mark}War{mark}Action", "Action", "War"]
    items = pd.DataFrame({"item": range(5), "genres": genres})
    message = refusal(table(), None, items)
    assert (
        f"items, row 0 (and 1 more): genres {genres[0]!r} seems to be several values in one text" in message
    )
    split, keep = map(eval, re.search(r"split=(\{.*?\})\), or (\{.*?\})", message).groups())
    data = from_frames(table(), None, items, split=split)
    assert data.items["genres"].tolist()[:3] == [("Action", "Drama"), ("Drama",), ("Drama", "War", "Action")]
    assert from_frames(table(), None, items, split=keep).items["genres"].tolist() == genres


def test_texts_with_commas_of_their_own_are_left_alone():
    names = ["Austen, Jane", "Eco, Umberto", "Melville, Herman", "Woolf, Virginia", "Austen, Jane"]
    items = pd.DataFrame({"item": range(5), "author": names})
    assert from_frames(table(), None, items).items["author"].tolist() == names


def test_lists_written_as_text():
    items = pd.DataFrame({"item": range(3), "genres": ["['Action', 'Drama']", "['War']", "[]"]})
    message = refusal(table(), None, items)
    assert "is the text \"['Action', 'Drama']\", not a list" in message
    data = from_frames(table(), None, mended(items, message, "genres", "items"))
    assert data.items["genres"].tolist() == [["Action", "Drama"], ["War"], []]


# --------------------------------------------------------------------------------------------------------- ids


@pytest.mark.parametrize(
    ("users", "message"),
    [
        ([uuid.UUID(int=k) for k in range(3)], "user is UUID.*but ids are whole numbers or text"),
        ([b"a", b"b", b"c"], "user is b'a', but ids are whole numbers or text"),
        (np.array([1, 2, 2**64 - 1], dtype="uint64"), "row 102: user 18446744073709551615 is too large"),
        ([1.5, 2.5, 3.5], "row 100 .*: user 1.5 is no whole number"),
    ],
)
def test_ids_of_other_kinds(users, message):
    ratings = table(user=users)
    text = refusal(ratings)
    assert re.search(message, text)
    assert "unlike" not in text
    data = from_frames(mended(ratings, text, "user"))
    assert data.users["user"].map(type).eq(str).all()
    assert data.users["user"].nunique() == 3


def test_unsigned_ids_that_fit_are_numbers():
    assert from_frames(table(user=np.array([1, 2, 3], "uint64"))).users["user"].tolist() == [1, 2, 3]


def test_encode_refuses_what_cannot_be_known():
    numbers = ctr(from_frames(table()), valid=0, test=0).schema
    texts = ctr(from_frames(table(user=list("abc"), item=list("xyz"))), valid=0, test=0).schema
    with pytest.raises(
        TypeError, match=r"user '7': the ids of users are numbers, such as 7: encode_users\(map\(int"
    ):
        numbers.encode_users(["7", "8"])
    assert numbers.encode_users(map(int, ["7", "8"])).tolist() == [2, 1]
    with pytest.raises(TypeError, match="item 3: the ids of items are text, such as 'x'"):
        texts.encode_items([3])
    assert texts.encode_items(map(str, [3, "y"])).tolist() == [1, 3]
    assert numbers.encode_users(np.array([7, 9])).tolist() == [2, 1]
    assert numbers.encode_items(pd.Series([0, 5])).tolist() == [2, 1]


@pytest.mark.parametrize(
    "name", ["FM", "DIN", "MatrixFactorization", "RNNFactorization", "PooledSequence", "WideDeep"]
)
def test_ids_outside_their_vocabulary_are_named_by_every_model(name):
    batch = rbh.data.toy(4)
    model = getattr(rbh.models, name)(batch.schema, dim=4)
    for field, wrong in (("user", -1), ("item", 30), ("item", -1)):
        outside = rbh.data.toy(4)
        getattr(outside, field)[2] = wrong
        if name in ("DIN", "RNNFactorization", "PooledSequence") and field == "user":
            continue  # they do not read the user
        with pytest.raises(IndexError, match=rf"row 2 of the batch: {field} has ids 0 to \d+, got {wrong}"):
            model(outside)
    if name in ("DIN", "PooledSequence", "RNNFactorization"):
        outside = rbh.data.toy(4)
        outside.history[3, 0] = 30
        with pytest.raises(IndexError, match="row 3 of the batch: history has ids 0 to 29, got 30"):
            model(outside)


# ----------------------------------------------------------------- what a newcomer's three files had in them


def test_ids_that_differ_by_spaces_alone():
    ratings = table(user=["C-1", " C-1", "C-2"])
    message = refusal(ratings)
    assert "row 101: user ' C-1' has spaces around it, and 'C-1' is there, too" in message
    assert sorted(from_frames(mended(ratings, message, "user")).users["user"]) == ["C-1", "C-2"]
    alone = from_frames(table(user=["C-1", " C-3", "C-2"]))  # nothing says that this one is a slip
    assert " C-3" in set(alone.users["user"])


def test_decimals_with_a_comma():
    ratings = table(rating=["4,5", "3", "0,5"])
    message = refusal(ratings)
    assert "row 100 (and 1 more): rating is '4,5', not a number; decimals have a comma" in message
    assert from_frames(mended(ratings, message, "rating")).ratings["rating"].tolist() == [4.5, 3.0, 0.5]


def test_a_missing_rating_or_time_can_be_dropped_as_told():
    for column in ("rating", "time"):
        ratings = table(**{column: [5.0, None, 4.0]})
        remedy = re.search(r"dropna\(.*?\)", refusal(ratings)).group()
        assert len(from_frames(eval(f"ratings.{remedy}", {"ratings": ratings})).ratings) == 2


def test_dates_whose_day_comes_first():
    ratings = table(time=["03.04.2024", "04.04.2024", "25.04.2024"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # pandas' own guess stays unsaid
        message = refusal(ratings)
    assert "say whether the day or the month comes first" in message
    when = pd.to_datetime(from_frames(mended(ratings, message)).ratings["time"], unit="s")
    assert when.dt.month.tolist() == [4, 4, 4]
    assert when.dt.day.tolist() == [3, 4, 25]


def test_milliseconds_written_as_text():
    ratings = table(time=["1700000000000.0", "1700000100000.0", "1700000200000.0"])
    with pytest.warns(UserWarning, match="Perhaps these are milliseconds") as said:
        from_frames(ratings)
    remedy = re.search(r"milliseconds: (pd\.to_numeric\(.*?\) // 10\*\*3)", str(said[0].message)).group(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = from_frames(ratings.assign(time=eval(remedy, {"pd": pd, "ratings": ratings})))
    assert data.ratings["time"].tolist() == [1_700_000_000, 1_700_000_100, 1_700_000_200]


def test_a_row_that_is_there_twice_is_shown_as_the_table_has_it():
    message = refusal(table(item=[1, 2, 2], time=pd.to_datetime(["2024-01-05", "2024-01-06", "2024-01-06"])))
    assert "row 102: user 7 rated 2 at time 2024-01-06 00:00:00 in a row above too" in message


def test_a_file_cut_at_another_sign(tmp_path):
    path = tmp_path / "stars.csv"
    table().to_csv(path, sep=";", index=False)
    message = refusal(pd.read_csv(path))
    assert message.startswith("ratings has one column, 'user;item;rating;time'")
    read = re.search(r"read_csv\(\.\.\., (sep=.*?)\)", message).group(1)
    assert len(from_frames(eval(f"pd.read_csv(path, {read})", {"pd": pd, "path": path})).ratings) == 3


def test_a_like_on_a_longer_scale_is_no_guess_in_silence():
    ratings = table(4, rating=[9, 4, 7, 2])
    with pytest.warns(
        UserWarning, match="like=4 on a scale from 1 to 10 calls 75% of the rows liked"
    ) as said:
        from_frames(ratings, scale=(1, 10))
    like = float(re.search(r"like=(\d+)\)", str(said[0].message)).group(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert from_frames(ratings, scale=(1, 10), like=like).like == 8
        from_frames(table(4, rating=[5, 4, 3, 2]), scale=(1, 5))
