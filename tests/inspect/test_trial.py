"""A trial is honest by construction: this is how one could be dishonest, and is not."""

import sys

import pandas as pd
import pytest
import torch
from torch import nn

from recbyhand.data import ctr, planted
from recbyhand.inspect import trial as run
from recbyhand.models import FM, Popularity


@pytest.fixture(scope="module")
def task():
    return ctr(planted("drift+crosses", users=40), history=5)


class Line(nn.Module):
    def __init__(self, schema):
        super().__init__()
        self.item = nn.Embedding(schema.n_items, 1)
        self.start = float(self.item.weight[2].detach())

    def forward(self, batch):
        return self.item(batch.item).squeeze(-1)


@pytest.fixture(scope="module")
def result(task):
    return run(
        {"line": Line, "FM": lambda schema: FM(schema, dim=4)}, task, seeds=3, epochs=2, rates=(0.001, 0.05)
    )


def test_every_side_has_the_same_budget(result):
    rows = result.rows
    for _, mine in rows.groupby("model"):
        assert sorted(mine[mine["seed"] == 0]["lr"]) == [0.001, 0.05]
        assert mine[mine["chosen"]]["seed"].tolist() == [0, 1, 2]
        assert mine[mine["chosen"]]["lr"].nunique() == 1


def test_validation_chooses_and_the_test_is_looked_at_for_what_was_chosen(result):
    for _, mine in result.rows.groupby("model"):
        first = mine[mine["seed"] == 0]
        assert first.loc[first["valid"].idxmax(), "chosen"]
        assert mine["test_auc"].notna().equals(mine["chosen"])


def test_the_test_is_opened_after_the_last_training(task, monkeypatch):
    order = []
    module = sys.modules["recbyhand.inspect.trial"]
    fit, evaluate = module.fit, module.evaluate
    monkeypatch.setattr(module, "fit", lambda *a, **k: order.append("fit") or fit(*a, **k))
    monkeypatch.setattr(module, "evaluate", lambda *a, **k: order.append("test") or evaluate(*a, **k))
    run({"a": Line, "b": Line}, task, seeds=3, epochs=1, rates=(0.01,))
    assert order == ["fit"] * 6 + ["test"] * 6


def test_columns_are_the_ladders_and_a_place_is_found_among_others(result):
    others = result.rows.assign(model="old", test_auc=0.999, seed=range(len(result.rows)))
    table = result.place(others)
    assert table.index[0] == "old"
    assert table["where"].tolist() == ["recorded", "here", "here"]
    assert result.place().loc["FM", "seeds"] == 3
    with pytest.raises(
        ValueError, match=r"nobody else was measured on 'drift\+crosses': there are rows on 'x'"
    ):
        result.place(others.assign(data="x"))


def test_what_it_says_is_paired_over_seeds(result):
    found = result.against("FM", "line")
    assert found.seeds == 3
    assert result.says("FM", "line") == found.says()
    assert "The test was looked at once" in repr(result)
    assert "<table" in result._repr_html_()


def test_it_repeats(task, result):
    again = run(
        {"line": Line, "FM": lambda schema: FM(schema, dim=4)}, task, seeds=3, epochs=2, rates=(0.001, 0.05)
    )
    timeless = ["data", "model", "lr", "seed", "valid", "test_auc", "chosen"]
    pd.testing.assert_frame_equal(again.rows[timeless], result.rows[timeless])


def test_seeds_are_of_the_initial_weights(task):
    starts = []

    def make(schema):
        model = Line(schema)
        starts.append(model.start)
        return model

    run({"a": make}, task, seeds=3, epochs=1, rates=(0.01,))
    assert len(set(starts)) == 3


@pytest.mark.parametrize(
    ("models", "settings", "error", "said"),
    [
        ({}, {}, ValueError, "Nothing to try"),
        ({"a": Line}, {"seeds": 2}, ValueError, "seeds=2: give a whole number, at least 3"),
        ({"a": Line}, {"rates": ()}, ValueError, "one at least"),
        ({"a": Line}, {"rates": (0.1, 0.1)}, ValueError, "each once"),
        ({"a": torch.nn.Linear(1, 1)}, {}, TypeError, "built more than once"),
        ({"a": Popularity}, {}, ValueError, "no weights to train"),
    ],
)
def test_what_is_refused(task, models, settings, error, said):
    with pytest.raises(error, match=said):
        run(models, task, **{"epochs": 1} | settings)
