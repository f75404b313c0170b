"""The path from tables to batches, against loops over rows, and its promises as properties.

Hypothesis makes small tables with many ties; the same promises are then asked of ML-100K, where there is one.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import os
import time as clock
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recbyhand.data import Batch, Schema, Tables, Task, ctr, from_frames, planted
from recbyhand.models import MatrixFactorization
from recbyhand.training import fit

L = 3
PARTS = ("train", "valid", "test")


def tables(user, item, rating, time, **more) -> Tables:
    """A data set whose users are u0 ... u4 and items i0 ... i6, some of them without events."""
    ratings = pd.DataFrame({"user": user, "item": item, "rating": rating, "time": np.asarray(time, "int64")})
    ratings["user"] = [f"u{u}" for u in ratings["user"]]
    ratings["item"] = [f"i{i}" for i in ratings["item"]]
    users = pd.DataFrame({"user": [f"u{u}" for u in range(5)], "group": list("abcab")})
    items = pd.DataFrame({"item": [f"i{i}" for i in range(7)], "title": [f"Item {i}" for i in range(7)]})
    items["tags"] = [("x",), ("x", "y"), (), ("y",), ("z", "x", "y"), ("z",), ("x",)]
    return Tables(name="small", users=users, items=items, ratings=ratings, **more)


@st.composite
def small(draw) -> Tables:
    event = st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(1, 5), st.integers(0, 9))
    events = draw(st.lists(event, min_size=8, max_size=60, unique_by=lambda e: (e[0], e[1], e[3])))
    return tables(*zip(*events, strict=True))


@pytest.fixture(scope="session")
def ml100k() -> Tables:
    folder = Path(os.environ.get("RECBYHAND_DATA", "../shared/data")) / "ml-100k"
    if not (folder / "u.data").exists():
        pytest.skip("no copy of ML-100K")
    columns = ["user", "item", "rating", "time"]
    ratings = pd.read_csv(folder / "u.data", sep="\t", names=columns)
    users = pd.read_csv(folder / "u.user", sep="|", names=["user", "age", "gender", "occupation", "zip"])
    items = pd.read_csv(folder / "u.item", sep="|", header=None, encoding="latin-1")
    flags = items.iloc[:, 5:].to_numpy(bool)
    items = pd.DataFrame(
        {"item": items[0], "title": items[1], "genres": [tuple(np.where(f)[0]) for f in flags]}
    )
    return Tables(name="ml-100k", users=users.drop(columns=["zip", "age"]), items=items, ratings=ratings)


def rows(task: Task) -> pd.DataFrame:
    """All examples in one table."""
    columns = ("user", "item", "time", "label", "cold_user", "cold_item")
    parts = [
        pd.DataFrame({c: getattr(getattr(task, part), c).numpy() for c in columns}).assign(part=i)
        for i, part in enumerate(PARTS)
    ]
    return pd.concat(parts, ignore_index=True)


def history_by_loop(task: Task, user: int, time: int, history_of: str = "liked") -> list[tuple]:
    """(time, item, label) of the latest events strictly before, in order of time, by looking at every row."""
    found = []
    for row in task.dataset.events.itertuples():
        if task.schema.user_id(row.user) == user and row.time < time:
            if row.label or history_of == "all":
                found.append((row.time, task.schema.item_id(row.item), row.label))
    return sorted(found, key=lambda event: event[0])[-task.schema.history :]  # stable: ties in table order


def events_in(batch: Batch, row: int) -> list[tuple]:
    mask = batch.history_mask[row]
    columns = (batch.history_time, batch.history, batch.history_labels)
    return [tuple(event) for event in zip(*(c[row][mask].tolist() for c in columns), strict=True)]


# ---- promises --------------------------------------------------------------------------------------------


def no_event_is_lost_or_in_two_parts(task: Task) -> None:
    targets = task.dataset.targets
    table = {
        "user": task.schema.encode_users(targets["user"]).numpy(),
        "item": task.schema.encode_items(targets["item"]).numpy(),
        "time": targets["time"].to_numpy(),
        "label": targets["label"].to_numpy(),
    }
    by = ["user", "time", "item", "label"]
    expected = pd.DataFrame(table)[by].sort_values(by, ignore_index=True)
    pd.testing.assert_frame_equal(rows(task)[by].sort_values(by, ignore_index=True), expected)


def a_session_is_in_one_part(task: Task) -> None:
    assert (rows(task).groupby(["user", "time"])["part"].nunique() == 1).all()


def time_never_runs_backwards(task: Task) -> None:
    table = rows(task)
    one = ["user"] if task.settings["split"] == "user" else []
    groups = [g for _, g in table.groupby(one)] if one else [table]
    for group in groups:
        for earlier, later in ((0, 1), (1, 2), (0, 2)):
            before, after = group["time"][group["part"] == earlier], group["time"][group["part"] == later]
            assert not len(before) or not len(after) or before.max() < after.min()


def cold_is_what_training_lacks(task: Task) -> None:
    table = rows(task)
    for kind in ("user", "item"):
        known = set(table[kind][table["part"] == 0])
        assert table[f"cold_{kind}"].tolist() == [v not in known for v in table[kind]]


def histories_are_legal(task: Task) -> None:
    for part in PARTS:
        examples = getattr(task, part)
        batch = examples[:]
        mask, before = batch.history_mask, batch.history_time
        assert batch.history.shape == (len(examples), task.schema.history)
        assert (before[mask] < batch.time[:, None].expand_as(before)[mask]).all()  # strictly before
        assert (mask[:, :-1] >= mask[:, 1:]).all()  # padding only after the newest
        both = mask[:, :-1] & mask[:, 1:]
        assert (before[:, :-1][both] <= before[:, 1:][both]).all()  # oldest first
        assert (batch.history[mask] >= 2).all()
        for column in (batch.history, batch.history_labels, before):
            assert (column[~mask] == 0).all()


# ---- on small random tables ------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(data=small(), split=st.sampled_from(["user", "global"]))
def test_parts(data, split):
    task = ctr(data, history=L, split=split, valid=0.2, test=0.3)
    no_event_is_lost_or_in_two_parts(task)
    a_session_is_in_one_part(task)
    time_never_runs_backwards(task)
    cold_is_what_training_lacks(task)
    histories_are_legal(task)


@settings(max_examples=20, deadline=None)
@given(data=small(), seed=st.integers(0, 3))
def test_parts_of_the_random_split(data, seed):
    task = ctr(data, history=L, split="random", valid=0.2, test=0.3, seed=seed)
    no_event_is_lost_or_in_two_parts(task)
    cold_is_what_training_lacks(task)
    histories_are_legal(task)
    assert len(task.test) == pytest.approx(0.3 * len(data.targets), abs=0.51)
    again = ctr(data, history=L, split="random", valid=0.2, test=0.3, seed=seed)
    assert torch.equal(task.test.item, again.test.item)


def test_the_random_split_mixes_users_and_times_and_heeds_the_seed():
    data = tables([i % 4 for i in range(200)], [i % 6 for i in range(200)], [5] * 200, range(200))
    task, other = (ctr(data, split="random", seed=seed) for seed in (0, 1))
    assert set(task.test.user.tolist()) == {2, 3, 4, 5}
    assert task.test.time.min() < 100 < task.train.time.max()
    assert task.test.time.tolist() != other.test.time.tolist()


@settings(max_examples=40, deadline=None)
@given(
    data=small(),
    split=st.sampled_from(["user", "global", "random"]),
    of=st.sampled_from(["liked", "all"]),
)
def test_histories_equal_those_of_a_loop(data, split, of):
    task = ctr(data, history=L, split=split, history_of=of, valid=0.2, test=0.2)
    for part in PARTS:
        batch = getattr(task, part)[:]
        for row in range(len(batch)):
            user, time = int(batch.user[row]), int(batch.time[row])
            assert events_in(batch, row) == history_by_loop(task, user, time, of)


@settings(max_examples=40, deadline=None)
@given(data=small(), split=st.sampled_from(["user", "global"]))
def test_ranking_equals_that_of_a_loop(data, split):
    task = ctr(data, history=L, split=split, valid=0.2, test=0.3)
    ranking, table = task.ranking(), rows(task)
    users = []
    for user, mine in table.groupby("user"):
        seen = set(mine["item"][mine["part"] < 2])
        test = mine[mine["part"] == 2]
        relevant = set(test["item"][test["label"] > 0]) - seen
        if not relevant or not (mine["part"] == 0).any():
            continue
        row = len(users)
        users.append(user)
        allowed, is_relevant = ranking.allowed(row, row + 1)[0], ranking.is_relevant(row, row + 1)[0]
        assert set(allowed.nonzero()[:, 0].tolist()) == set(range(2, task.schema.n_items)) - seen
        assert set(is_relevant.nonzero()[:, 0].tolist()) == relevant
        cut = test["time"].min() if split == "user" else table["time"][table["part"] == 2].min()
        assert events_in(ranking.batch, row) == history_by_loop(task, user, cut)
        assert ranking.batch.time[row] == cut
    assert ranking.user.tolist() == users == ranking.batch.user.tolist()
    assert torch.equal(
        ranking.allowed(),
        torch.cat(
            [ranking.allowed(i, i + 1) for i in range(len(users))]
            or [torch.zeros(0, task.schema.n_items, dtype=torch.bool)]
        ),
    )


# ---- by hand ---------------------------------------------------------------------------------------------


def test_a_session_goes_where_its_middle_falls():
    # u0: six events of which the last four are one session; 20 % and 20 %: the cuts are at 3.6 and 4.8
    task = ctr(tables([0] * 6, range(6), [5] * 6, [1, 2, 3, 3, 3, 3]), valid=0.2, test=0.2)
    assert [len(getattr(task, part)) for part in PARTS] == [2, 4, 0]  # its middle is at 4
    # of two events, one second: nothing can be held out
    task = ctr(tables([0] * 2, range(2), [5] * 2, [1, 1]), valid=0.2, test=0.2)
    assert [len(getattr(task, part)) for part in PARTS] == [2, 0, 0]


@pytest.mark.parametrize("n", [1, 5, 10, 14, 15, 100])
def test_sizes_without_ties(n):
    data = tables([0] * n, [0] * n, [5] * n, range(n))
    task = ctr(data)
    assert len(task.test) == int(n / 10 + 0.5)
    assert len(task.test) + len(task.valid) == int(n / 5 + 0.5)


@pytest.mark.parametrize("split", ["user", "global"])
def test_whole_numbers_are_targets_per_user(split):
    data = tables([0] * 9 + [1] * 9, [0] * 18, [5] * 18, range(18), valid=2, test=3)
    task = ctr(data, split=split)
    assert [len(getattr(task, part)) for part in PARTS] == [8, 4, 6]
    task = ctr(data, split=split, test=1)
    assert [len(getattr(task, part)) for part in PARTS] == [12, 4, 2]


def test_a_test_history_rolls_and_a_ranking_does_not():
    task = ctr(
        tables([0] * 10, [0, 1, 2, 3, 4, 5, 6, 0, 1, 2], [5] * 10, range(10)), history=2, valid=2, test=3
    )
    second = task.test[1]
    assert second.history.tolist() == [
        [task.schema.item_id("i6"), task.schema.item_id("i0")]
    ]  # i0: a test event
    ranking = task.ranking()
    assert len(ranking) == 0  # i0, i1, i2 were all seen before
    task = ctr(tables([0] * 4, [0, 1, 2, 3], [5] * 4, range(4)), history=2, valid=0, test=2)
    ranking = task.ranking()
    assert ranking.batch.history.tolist() == [[2, 3]]
    assert ranking.is_relevant().nonzero().tolist() == [[0, 4], [0, 5]]


def test_history_of_all_keeps_the_labels():
    data = tables([0] * 3, [0, 1, 2], [5, 1, 4], [10, 20, 30])
    batch = ctr(data, history=4, history_of="all", valid=0, test=0).train[2:3]
    assert batch.history.tolist() == [[2, 3, 0, 0]]
    assert batch.history_labels.tolist() == [[1, 0, 0, 0]]
    assert batch.history_time.tolist() == [[10, 20, 0, 0]]
    liked = ctr(data, history=4, valid=0, test=0).train[2:3]
    assert liked.history.tolist() == [[2, 0, 0, 0]]


def test_like():
    data = tables([0] * 3, [0, 1, 2], [5, 3, 4], [10, 20, 30])
    assert ctr(data, valid=0, test=0).train.label.tolist() == [1, 0, 1]
    task = ctr(data, like=5, valid=0, test=0)
    assert task.train.label.tolist() == [1, 0, 0]
    assert task.settings["like"] == 5
    assert data.like == 4


def test_targets_and_events_may_differ():
    @dataclasses.dataclass(eq=False, repr=False, kw_only=True)
    class Shown(Tables):
        views: pd.DataFrame

        @property
        def events(self):
            return self.views

        @property
        def targets(self):
            return self.ratings.assign(label=np.float32(1))

    plain = tables([0, 0], [0, 1], [5, 5], [10, 20])
    views = pd.DataFrame({"user": "u0", "item": ["i5", "i4", "i3"], "time": [15, 10, 5], "label": 1.0})
    fields = {f.name: getattr(plain, f.name) for f in dataclasses.fields(plain)}
    data = Shown(**fields, views=views)
    batch = ctr(data, history=3, valid=0, test=0).train[:]
    assert batch.history.tolist() == [[5, 0, 0], [5, 6, 7]]  # i3; i3, i4, i5
    with pytest.raises(ValueError, match="not made from ratings"):
        ctr(data, like=3)


def test_without_any_event_histories_are_empty():
    task = ctr(tables([0, 0, 1], [0, 1, 2], [1, 2, 3], [1, 2, 3]), history=2, valid=0, test=0)
    assert not task.train[:].history_mask.any()


# ---- schema ----------------------------------------------------------------------------------------------


@pytest.fixture
def task() -> Task:
    rng = np.random.default_rng(0)
    n = 200
    return ctr(
        tables(rng.integers(0, 4, n), rng.integers(0, 6, n), rng.integers(1, 6, n), rng.permutation(n)),
        history=L,
    )


def test_the_schema_is_of_the_full_tables(task):
    schema = task.schema
    assert (schema.n_users, schema.n_items) == (7, 9)  # u4 and i6 have no events
    assert [f.name for f in schema.fields] == ["user", "item", "group", "tags"]
    assert schema.user_table.tolist() == [[0], [1], [2], [3], [4], [2], [3]]
    tags = [[0, 0, 0], [1, 0, 0], [2, 0, 0], [2, 3, 0], [1, 0, 0], [3, 0, 0], [4, 2, 3], [4, 0, 0], [2, 0, 0]]
    assert schema.item_table.tolist() == tags
    batch = task.test[:]
    assert torch.equal(batch.item_features, schema.item_table[batch.item])
    assert torch.equal(batch.user_features, schema.user_table[batch.user])
    assert batch.ids().shape == (len(batch), sum(f.width for f in schema.fields))
    assert schema.title(2) == "Item 0"
    assert [schema.title(i) for i in (0, 1)] == ["padding", "unknown"]


def test_looking_up_ids(task):
    assert task.schema.user_id("u3") == 5
    assert task.schema.item_id("i0") == 2
    assert task.schema.encode_items(["i6", "film"]).tolist() == [8, 1]
    assert task.schema.encode_users([]).shape == (0,)
    with pytest.raises(KeyError, match="no user 'u33'; close: 'u3'"):
        task.schema.user_id("u33")
    numbers = ctr(from_frames(pd.DataFrame({"user": [7, 8], "item": 3, "rating": 5})), valid=0, test=0).schema
    assert numbers.user_id(np.int64(8)) == numbers.user_id(torch.tensor(8)) == 3
    with pytest.raises(KeyError, match=r"no user '7'; did you mean 7\?"):
        numbers.user_id("7")
    with pytest.raises(KeyError, match="known ones begin 7, 8"):
        numbers.user_id(100)


def test_schema_round_trip(task):
    schema = task.schema
    back = Schema.from_json(schema.to_json(), schema.user_table, schema.item_table)
    for field in dataclasses.fields(Schema):
        before, after = getattr(schema, field.name), getattr(back, field.name)
        assert torch.equal(before, after) if isinstance(before, torch.Tensor) else before == after
    assert back.user_id("u3") == 5


def test_a_row_with_too_many_values_keeps_the_first_ten():
    data = tables([0, 0], [0, 1], [5, 5], [1, 2])
    data.items["tags"] = [tuple(range(15, 0, -1)), (3, 3, None)] + [()] * 5
    schema = ctr(data, valid=0, test=0).schema
    assert schema.item_fields[0].width == 10
    assert [schema.item_fields[0].values[i - 2] for i in schema.item_table[2].tolist()] == [
        str(v) for v in range(15, 5, -1)
    ]
    assert schema.item_table[3, :3].tolist() == [4, 1, 0]  # 3 once, then the unknown


# ---- batches ---------------------------------------------------------------------------------------------


def equal(a: Batch, b: Batch) -> bool:
    names = [f.name for f in dataclasses.fields(Batch) if f.name != "schema"]
    return a.schema is b.schema and all(torch.equal(getattr(a, name), getattr(b, name)) for name in names)


def test_indexing(task):
    part, n = task.train, len(task.train)
    everything = part[:]
    mask = part.label > 0
    places = mask.nonzero()[:, 0]
    for chosen in (part[mask], part[places], part[mask.numpy()], part[places.tolist()], part.subset(mask)[:]):
        assert equal(chosen, everything[mask])
    assert equal(part[5:9], everything[5:9])
    assert equal(part[-1], everything[n - 1 : n])
    assert equal(everything[-1], part[-1])
    assert equal(part[np.int64(3)], part[3:4])
    assert equal(part[places.int()], part[places])
    assert len(part[[]]) == len(part[0:0]) == len(part[torch.zeros(n, dtype=torch.bool)]) == 0
    assert part[[]].history.shape == (0, L)
    assert equal(part[[3, 3]], everything[[3, 3]])
    with pytest.raises(IndexError, match=f"row {n} of {n} examples"):
        part[n]
    with pytest.raises(IndexError, match="a mask needs one value for each"):
        part[mask[:-1]]
    assert len(part[5:2]) == len(everything[5:2]) == 0
    for rows in (torch.tensor(3), np.int64(3), [3], np.array([3]), (3,), range(3, 4)):
        assert equal(part[rows], everything[rows])
        assert equal(part[rows], part[3:4])
    assert equal(everything[mask.numpy()], everything[mask])
    for whole in (part, everything):  # task.train and a batch take the same rows and refuse the same
        for rows in (n, -n - 1, [n], torch.tensor([n])):
            with pytest.raises(IndexError, match=f"row -?[0-9]+ of {n} examples"):
                whole[rows]
        for rows in ("a", None, 1.5, [0.5], torch.tensor([0.5]), [None]):
            with pytest.raises(IndexError, match="rows are picked by a slice, by whole numbers or by a mask"):
                whole[rows]
    for item in (-1, task.schema.n_items):
        with pytest.raises(IndexError, match="item ids are 0 to"):
            task.schema.title(item)


def test_to_moves_every_tensor_and_types_are_fixed(task):
    batch = task.train[:4].to("meta")
    tensors = [f.name for f in dataclasses.fields(Batch) if f.name != "schema"]
    assert all(getattr(batch, name).is_meta for name in (*tensors, "user_features", "item_features"))
    assert batch.ids().is_meta
    batch = task.train[:4]
    long = ("user", "item", "user_features", "item_features", "history", "history_time", "time")
    assert all(getattr(batch, name).dtype == torch.long for name in long)
    assert batch.label.dtype == batch.history_labels.dtype == torch.float32
    assert batch.history_mask.dtype == torch.bool


def test_one_candidate_for_all(task):
    one = task.candidates(task.test[0:3], 5)
    assert one.item.tolist() == [5, 5, 5]
    assert equal(one, task.candidates(task.test[0:3], [5]))


def test_candidates(task):
    some = task.users_at([2, 3])
    items = task.catalogue()
    assert items.tolist() == list(range(2, 9))
    wide = task.candidates(some, items)
    assert wide.item.view(2, 7).tolist() == [items.tolist()] * 2
    assert wide.user.view(2, 7).tolist() == [[u] * 7 for u in some.user.tolist()]
    assert torch.equal(wide.history.view(2, 7, L)[1, 6], some.history[1])
    assert torch.equal(wide.item_features, task.schema.item_table[wide.item])
    assert len(wide) == 14
    own = torch.tensor([[2, 3], [4, 5]])
    assert task.candidates(some, own).item.tolist() == [2, 3, 4, 5]
    assert some.item.tolist() == [0, 0]  # unchanged


def test_users_at(task):
    now = task.users_at([2, 6])  # u0, and u4 who has no events
    assert events_in(now, 0) == history_by_loop(task, 2, 10**6)
    assert not now.history_mask[1].any()
    assert now.time[0] == now.history_time[0].max() + 1
    assert now.time[1] == 0
    then = task.users_at(torch.tensor([2, 3]), 50)
    assert [events_in(then, i) for i in (0, 1)] == [history_by_loop(task, u, 50) for u in (2, 3)]
    assert then.time.tolist() == [50, 50]


def test_interactions_are_training_only(task):
    user, item, label = task.interactions()
    table = rows(task).query("part == 0")
    assert user.tolist() == table["user"].tolist()
    assert item.tolist() == table["item"].tolist()
    assert label.tolist() == table["label"].tolist()


def test_display(task):
    task.dataset = copy.copy(task.dataset)
    task.dataset.name = "<b>"
    assert "Task on &lt;b&gt;" in task._repr_html_()
    assert task.counts().loc["train", "examples"] == len(task.train)
    for thing in (task, task.train, task.schema, task.ranking()):
        assert 10 < len(repr(thing)) < 700


# ---- refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"split": "time"}, 'choose "user", "global" or "random"'),
        ({"history_of": "clicks"}, 'choose "liked" or "all"'),
        ({"history": 0}, "give a whole number, at least 1"),
        ({"test": 1.5}, "give a fraction below 1"),
        ({"valid": -0.1}, "give a finite number, at least 0"),
        ({"like": 6}, "no rating reaches like=6: the highest is 5"),
        ({"like": math.nan}, "like=nan: give a finite number"),
        ({"valid": 0.5, "test": 0.5}, "leave nothing to train on"),
        ({"test": 1000}, "leave nothing to train on"),
    ],
)
def test_refused_settings(setting, message):
    with pytest.raises(ValueError, match=message):
        ctr(tables([0] * 9, [0] * 9, [5] * 9, range(9)), **setting)


def test_refused_tables():
    data = tables([0] * 9, [0] * 9, [5] * 9, range(9))
    stranger = copy.copy(data)
    stranger.ratings = data.ratings.assign(item=["i0"] * 4 + ["i9"] * 5)
    with pytest.raises(
        ValueError, match="row 4 of the targets has item 'i9', which the table of items lacks"
    ):
        ctr(stranger)
    double = copy.copy(data)
    double.users = pd.concat([data.users, data.users[:1]])
    with pytest.raises(ValueError, match="user 'u0' has more than one row"):
        ctr(double)
    empty = copy.copy(data)
    empty.ratings = data.ratings[:0]
    with pytest.raises(ValueError, match="there are no targets"):
        ctr(empty)


def test_writing_into_a_batch_changes_no_data():
    task = ctr(tables([0, 0, 0, 1, 1], [0, 1, 2, 0, 1], [5, 1, 5, 4, 2], range(5)))
    for rows in (slice(0, 3), slice(None), 0, torch.arange(2), [0, 1]):
        before, batch = task.train[:], task.train[rows]
        for tensor in vars(batch).values():
            if isinstance(tensor, torch.Tensor):
                tensor.fill_(1)
        assert equal(task.train[:], before)
    assert torch.equal(task.train[::-1].item, task.train.item.flip(0))


@pytest.mark.parametrize("history", [3.0, np.int64(3)])
def test_history_is_a_whole_number_however_it_is_written(history):
    task = ctr(tables([0, 0, 0], [0, 1, 2], [5, 1, 5], range(3)), history=history)
    assert task.train[:].history.shape[1] == 3
    assert '"history": 3,' in task.schema.to_json()
    with pytest.raises(ValueError, match="whole number"):
        ctr(task.dataset, history=2.5)


# ---- on ML-100K ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["user", "global"])
def test_movielens(ml100k, split):
    begin = clock.process_time()
    task = ctr(ml100k, split=split)
    assert clock.process_time() - begin < 2  # seconds
    no_event_is_lost_or_in_two_parts(task)
    a_session_is_in_one_part(task)
    time_never_runs_backwards(task)
    cold_is_what_training_lacks(task)
    histories_are_legal(task)
    for part in PARTS:
        assert len(getattr(task, part)) == pytest.approx({"train": 80_000}.get(part, 10_000), rel=0.02)
    batch = task.test[torch.arange(0, len(task.test), 499)]
    for row in range(len(batch)):
        assert not set(batch.history[row].tolist()) & {int(batch.item[row])}  # nobody rates a film twice


def test_what_the_book_says_of_movielens(ml100k):
    assert ml100k.ratings.duplicated(["user", "time"], keep=False).mean() == pytest.approx(0.76, abs=0.005)
    task = ctr(ml100k, split="global")
    assert task.test.cold_user.float().mean() == pytest.approx(0.86, abs=0.005)


@pytest.mark.parametrize("column", ["year", "item"])
def test_two_fields_of_one_name_are_refused(column):
    """Fields are chosen by name (crosses, pairs): with two of a name, one would be taken for the other."""
    ratings = pd.DataFrame({"user": [1, 1, 2], "item": [1, 2, 1], "rating": [5, 1, 4]})
    users = pd.DataFrame({"user": [1, 2], column: ["a", "b"]})
    items = pd.DataFrame({"item": [1, 2], "year": ["x", "y"]})
    with pytest.raises(ValueError, match=f"two fields are called '{column}'.*rename"):
        ctr(from_frames(ratings, users, items))


def test_tables_alone_are_no_data_set():
    with pytest.raises(TypeError, match=r"from_frames.*not DataFrame"):
        ctr(pd.DataFrame({"user": [1], "item": [1], "rating": [5]}))


def test_before_its_test_a_task_ranks_for_validation():
    """Relevant are liked validation items, seen is training alone, and the history ends where validation begins."""
    task = ctr(planted("crosses", users=30))
    before, ranking = task.before_test(), task.before_test().ranking()
    assert (len(before.train), len(before.valid), len(before.test)) == (len(task.train), 0, len(task.valid))
    for row, user in enumerate(ranking.user.tolist()):
        train, valid = (part.subset(part.user == user) for part in (task.train, task.valid))
        seen = set(train.item.tolist())
        liked = {i for i, y in zip(valid.item.tolist(), valid.label.tolist(), strict=True) if y} - seen
        assert set(ranking.seen[ranking.seen[:, 0] == row, 1].tolist()) == seen
        assert set(ranking.relevant[ranking.relevant[:, 0] == row, 1].tolist()) == liked
        assert ranking.batch.time[row] == valid.time.min()
        assert (ranking.batch.history_time[row] < valid.time.min()).all()


def test_a_lazy_batch_is_the_same_batch(task):
    part, rows = task.train, torch.tensor([7, 3, 3])
    assert equal(part.lazily(rows), part[rows])
    assert equal(part.lazily(slice(2, 9)).to("cpu")[1:3], part[3:5])
    other = dataclasses.replace(part.lazily(rows), item=part.item[:3])
    assert equal(other, dataclasses.replace(part[rows], item=part.item[:3]))
    assert part.lazily(rows).to("meta").history.is_meta
    for copied in (copy.deepcopy(part.lazily(rows)[:]), copy.copy(part.lazily(rows))):
        assert torch.equal(copied.history_time, part[rows].history_time)
    with pytest.raises(AttributeError, match="has no 'histories'"):
        getattr(part.lazily(rows), "histories")  # noqa: B009


def test_a_lazy_batch_gathers_what_is_read_and_nothing_else(task, monkeypatch):
    asked, places = [], type(task.events).places
    monkeypatch.setattr(type(task.events), "places", lambda *args: asked.append(1) or places(*args))
    batch = task.train.lazily([5, 6]).to("cpu")
    assert len(batch.ids()) == len(batch) == 2
    assert not asked
    before = set(vars(batch))
    assert batch.history.shape == batch.history_mask.shape == (2, L)
    assert set(vars(batch)) - before == {"history", "history_mask"}
    assert asked == [1]
    fit(MatrixFactorization(task.schema, dim=2), task, epochs=1)
    assert asked == [1]


def test_examples_with_a_way_of_their_own_keep_it(task):
    class Reversed(type(task.train)):
        def __getitem__(self, rows):
            return super().__getitem__(rows)[::-1]

    part = Reversed(**vars(task.train))
    assert equal(part.lazily([5, 6]), task.train[[6, 5]])
