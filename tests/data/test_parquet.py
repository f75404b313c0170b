"""Events read in parts: the task is that of the same events in memory, to the last digit."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pandas as pd
import polars
import pytest
import torch

import recbyhand as rbh
from recbyhand.data import ctr, from_frames, from_parquet


def events(n: int = 3000, users: int = 60, items: int = 90) -> pd.DataFrame:
    """Ratings in random order, many of them in one second with others; no user rates an item twice in a second."""
    rng = np.random.default_rng(0)
    table = {"user": rng.integers(users, size=n) * 7, "item": rng.integers(items, size=n)}
    table |= {"rating": rng.choice([1, 2.5, 4, 5], n), "time": rng.integers(10**9, 10**9 + 2000, size=n)}
    return pd.DataFrame(table).drop_duplicates(["user", "item", "time"], ignore_index=True)


def write(table: pd.DataFrame, folder, files: int = 3) -> None:
    folder.mkdir(exist_ok=True)
    for n, rows in enumerate(np.array_split(np.arange(len(table)), files)):
        part = {name: polars.Series(table[name].iloc[rows].tolist()) for name in table}
        polars.DataFrame(part).write_parquet(folder / f"{n}.parquet")


def same(one: rbh.data.Task, other: rbh.data.Task) -> None:
    assert one.settings == other.settings
    assert one.schema.to_json() == other.schema.to_json()
    for name in ("user_table", "item_table"):
        assert torch.equal(getattr(one.schema, name), getattr(other.schema, name))
    for part in ("train", "valid", "test"):
        a, b = getattr(one, part), getattr(other, part)
        for name in ("user", "item", "time", "label", "end", "cold_user", "cold_item", "edge"):
            x, y = getattr(a, name), getattr(b, name)
            assert x.dtype == y.dtype
            assert torch.equal(x, y), f"{part}.{name}"
    for name in ("item", "time", "label", "start"):
        x, y = getattr(one.events, name), getattr(other.events, name)
        assert x.dtype == y.dtype
        assert torch.equal(x, y), f"events.{name}"


HOW = [
    {},
    {"history_of": "all", "history": 5},
    {"split": "global"},
    {"split": "global", "valid": 2, "test": 3, "history_of": "all"},
    {"valid": 0, "test": 2, "like": 2.5},
]


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("rows", [97, 100_000])
def test_the_task_is_that_of_the_events_in_memory(tmp_path, how, rows):
    table = events()
    write(table, tmp_path / "events")
    same(ctr(from_frames(table), **how), ctr(from_parquet(tmp_path / "events", rows=rows), **how))


def test_tables_names_text_and_dates(tmp_path):
    table = events(1500)
    when = pd.to_datetime(table["time"], unit="s", utc=True).dt.tz_convert("Europe/Vienna")
    table = table.assign(
        user="u" + table["user"].astype(str), item="i" + table["item"].astype(str), time=when
    )
    table.columns = ["customer", "sku", "stars", "bought"]
    people = pd.DataFrame({"customer": table["customer"].unique()[::-1]}).assign(age=lambda t: t.index % 5)
    things = pd.DataFrame({"sku": [*table["sku"].unique()[::-1], "never"]})
    things = things.assign(name="Thing " + things["sku"], price=np.arange(len(things)) * 1.5)
    how = {
        "user": "customer",
        "item": "sku",
        "rating": "stars",
        "time": "bought",
        "title": "name",
        "bins": 10,
    }
    write(table, tmp_path / "events")
    data = from_parquet(tmp_path / "events", people, things, rows=200, **how)
    same(ctr(from_frames(table, people, things, **how)), ctr(data))
    assert data.summary() == from_frames(table, people, things, **how).summary()
    assert "1,500 events" in repr(data).replace(f"{len(table):,}", "1,500")


@pytest.mark.filterwarnings("ignore:.*every label is 1")
@pytest.mark.parametrize("left_out", ["rating", "time"])
def test_without_ratings_or_times(tmp_path, left_out):
    table = events().drop_duplicates(["user", "item"]).drop(columns=left_out)
    write(table, tmp_path / "events")
    same(ctr(from_frames(table)), ctr(from_parquet(tmp_path / "events", rows=101)))


def test_training_and_rankings_are_the_same(tmp_path):
    table = events()
    write(table, tmp_path / "events")
    one, other = ctr(from_frames(table)), ctr(from_parquet(tmp_path / "events", rows=500))
    models = [
        rbh.train(lambda s: rbh.models.DIN(s, dim=8), task, epochs=2, batch_size=256) for task in (one, other)
    ]
    columns = ["loss", "valid_auc", "valid_log_loss"]
    assert models[0].log[columns].equals(models[1].log[columns])
    assert rbh.evaluate_ranking(models[0], one).equals(rbh.evaluate_ranking(models[1], other))
    shown = [
        rbh.recommend(m, t, user=7, k=3)["title"].tolist() for m, t in zip(models, (one, other), strict=True)
    ]
    assert shown[0] == shown[1]


def test_the_events_are_files_and_the_folder_goes_with_the_data(tmp_path):
    write(events(), tmp_path / "events")
    (tmp_path / "work").mkdir()
    task = ctr(from_parquet(tmp_path / "events", work=tmp_path / "work"))
    assert sum(file.stat().st_size for file in (tmp_path / "work").rglob("*") if file.is_file()) > 60 * len(
        task.train
    )
    task.train.label[0] = 7.0  # what is written into a tensor is written to its file
    assert any((np.fromfile(f, "float32") == 7).any() for f in (tmp_path / "work").rglob("0-label"))
    data = from_parquet(tmp_path / "events")
    folder = data.folder
    assert any(folder.iterdir())
    del data
    assert not folder.exists()


def test_what_is_wrong_is_named_with_its_file_and_row(tmp_path):
    table = events(400)
    table.loc[350, "rating"] = np.nan
    write(table, tmp_path / "events", files=2)
    with pytest.raises(
        ValueError, match=rf"1.parquet, rows from 100: ratings, row {350 - len(table) // 2}: rating is"
    ):
        from_parquet(tmp_path / "events", rows=100)
    table = events(400)
    write(pd.concat([table, table.iloc[:1]]), tmp_path / "twice")
    with pytest.raises(ValueError, match=r"user \d+ has item \d+ at time \d+ more than once"):
        from_parquet(tmp_path / "twice", rows=50)
    write(table, tmp_path / "lost")
    known = pd.DataFrame({"user": table["user"].unique()[:-1]})
    with pytest.raises(ValueError, match=r"user \d+ has events and is not in users"):
        from_parquet(tmp_path / "lost", known)
    with pytest.raises(ValueError, match=r"no column 'users', only .*user=.user."):
        from_parquet(tmp_path / "lost", user="users")
    with pytest.raises(ValueError, match="no rating reaches like=7"):
        from_parquet(tmp_path / "lost", like=7)
    with pytest.raises(ValueError, match="no rating reaches like=7"):
        ctr(from_parquet(tmp_path / "lost"), like=7)
    with pytest.raises(ValueError, match="random"):
        ctr(from_parquet(tmp_path / "lost"), split="random")
    with pytest.raises(ValueError, match="leave nothing to train on"):
        ctr(from_parquet(tmp_path / "lost"), test=1000)
    with pytest.raises(FileNotFoundError):
        from_parquet(tmp_path / "nowhere.parquet")
    with pytest.raises(ValueError, match="empty"):
        from_parquet(tmp_path / "lost", work=tmp_path)
    with pytest.raises(TypeError, match="from_frames"):
        from_parquet(tmp_path / "lost", schema=ctr(from_frames(table)).schema)


def test_files_that_differ_are_refused(tmp_path):
    table = events(400)
    write(table, tmp_path, files=2)
    polars.DataFrame({"user": ["a"], "item": [1], "rating": [5], "time": [7]}).write_parquet(
        tmp_path / "9.parquet"
    )
    with pytest.raises(ValueError, match=r"9.parquet, rows from 0: users are text here"):
        from_parquet(tmp_path)
    polars.DataFrame({"user": [1], "item": [1], "time": [7]}).write_parquet(tmp_path / "9.parquet")
    with pytest.raises(
        ValueError, match=r"it has \['time'\], and the files before have \['rating', 'time'\]"
    ):
        from_parquet(tmp_path)


def test_warnings_come_once(tmp_path):
    table = events(400).assign(time=lambda t: t["time"] * 1000)
    write(table, tmp_path / "events")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        from_parquet(tmp_path / "events", rows=50)
    assert len(caught) == 1, [str(c.message) for c in caught]
    assert "milliseconds" in str(caught[0].message)
    with pytest.warns(UserWarning, match=r"from_parquet\(\.\.\., like=8\)"):
        from_parquet(tmp_path / "events", rows=1000, scale=(0, 10), time=None)


@pytest.mark.parametrize("how", [{}, {"split": "global", "like": 5}], ids=str)
def test_nothing_brings_all_events_into_memory(tmp_path, monkeypatch, how):
    def all_of_them(_):
        raise MemoryError

    write(events(), tmp_path / "events")
    monkeypatch.setattr(rbh.data.parquet.Stored, "ratings", property(all_of_them, lambda *_: None))
    task = ctr(from_parquet(tmp_path / "events", rows=500), **how)
    rbh.train(lambda s: rbh.models.PooledSequence(s, dim=4), task, epochs=1)
    assert "examples" in repr(task) + repr(task.dataset) + repr(task.train)
    with pytest.raises(MemoryError):
        task.dataset.targets  # noqa: B018 - this would


def test_the_frame_is_there_for_those_who_ask(tmp_path):
    table = events(400)
    write(table, tmp_path / "events")
    one, other = from_frames(table).ratings, from_parquet(tmp_path / "events", rows=50).ratings
    by = ["time", "user", "item"]
    pd.testing.assert_frame_equal(
        one.sort_values(by, ignore_index=True), other.sort_values(by, ignore_index=True), check_dtype=False
    )


def test_without_polars_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ImportError, match="pip install polars"):
        from_parquet(tmp_path)
