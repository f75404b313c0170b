"""A saved model serves tables that have grown, and recommends from a history given on the spot."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import recbyhand as rbh
from recbyhand.data import ctr, from_frames


def shop(users: int = 30, items: int = 20):
    rng = np.random.default_rng(0)
    rows = [(f"c{u}", i, t) for u in range(users) for t, i in enumerate(rng.choice(items, 8, replace=False))]
    purchases = pd.DataFrame(rows, columns=["customer", "sku", "time"])
    purchases["rating"] = rng.choice([1, 5], len(purchases))
    customers = pd.DataFrame(
        {"customer": [f"c{u}" for u in range(users)], "born": rng.integers(1950, 2000, users)}
    )
    products = pd.DataFrame({"sku": range(items), "title": [f"Book {i}" for i in range(items)]})
    products["kind"] = [("novel", "poems", "travel")[i % 3] for i in range(items)]
    products["tags"] = [("old", "thin")[: 1 + i % 2] for i in range(items)]
    products["price"] = rng.random(items).round(2)
    return purchases, customers, products


HOW = {"user": "customer", "item": "sku", "bins": {"price": 4, "born": 5}}


def grown_shop():
    purchases, customers, products = shop()
    customers = pd.concat([pd.DataFrame({"customer": ["new"], "born": [1970]}), customers[1:]])  # c0 has left
    more = pd.DataFrame(
        {"sku": [100, 101], "title": ["A novel", "A map"], "kind": ["novel", "maps"], "price": [0.5, 99.0]}
    ).assign(tags=[("thin",), ()])
    products = pd.concat([more, products[1:]])  # and 0 is sold out
    bought = pd.DataFrame({"customer": "new", "sku": [3, 5, 100], "time": [50, 51, 52], "rating": 5})
    purchases = pd.concat([purchases[(purchases.customer != "c0") & (purchases.sku != 0)], bought])
    return purchases.reset_index(drop=True), customers, products


@pytest.fixture(scope="module")
def task():
    return ctr(from_frames(*shop(), **HOW), history=5)


@pytest.fixture(scope="module")
def later(task):
    return ctr(from_frames(*grown_shop(), **HOW, schema=task.schema))


def test_ids_stay_and_new_ones_follow(task, later):
    old, new = task.schema, later.schema
    assert new.continues(old)
    assert not old.continues(new)
    assert (new.n_users, new.n_items) == (old.n_users + 1, old.n_items + 2)
    assert new.user_id("new") == old.n_users
    assert new.titles[-2:] == ("A novel", "A map")
    assert new.title(2) == "Book 0"  # sold out, and still known
    assert new.user_fields == old.user_fields
    assert new.item_fields == old.item_fields
    assert torch.equal(new.user_table[: old.n_users], old.user_table)
    assert torch.equal(new.item_table[: old.n_items], old.item_table)


def test_new_values_are_unknown_and_said(task, later):
    kind, *tags, _ = later.schema.item_table[-2].tolist()
    fields = {field.name: field for field in task.schema.item_fields}
    assert fields["kind"].values[kind - 2] == "novel"
    assert [fields["tags"].values[tag - 2] for tag in tags if tag] == ["thin"]
    low, high = sorted(fields["price"].edges)[0], sorted(fields["price"].edges)[-1]
    assert low < high
    assert later.schema.item_table[-1, 0] == 1  # maps
    assert (
        fields["price"].values[later.schema.item_table[-1, -1] - 2].endswith("or more")
    )  # 99, by the old edges
    assert "new to the model: 1 users, 2 items; 1 values of kind, unknown to it: maps" in later.dataset.note
    same = ctr(from_frames(*shop(), **HOW, schema=task.schema))
    assert "nothing is new to the model" in same.dataset.note
    assert torch.equal(same.schema.item_table, task.schema.item_table)


KINDS = ["MatrixFactorization", "FM", "Poly2", "FNN", "NFM", "DeepFM", "WideDeep", "AFM", "DIN", "DIEN", "Popularity",
         "PooledSequence", "RNNFactorization", "RNNRecommender", "JointRNN", "FeatureMLP", "TwoTowerMLP"]  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_a_model_grows_and_says_the_same_of_what_it_knew(task, later, name, tmp_path):
    kind = getattr(rbh.models, name)
    torch.manual_seed(0)
    if name == "Popularity":
        model = kind(task).eval()
    else:
        wide = {"features": True} if name in ("DIN", "DIEN", "PooledSequence") else {}
        wide |= {"pairs": [["user", "kind"], ["born", "price"]]} if name == "Poly2" else {}
        model = kind(task.schema, dim=4, **wide).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
    rbh.save(model, tmp_path / "model.safetensors")
    model = rbh.load(tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"If the tables have grown: model\.grown\(task\.schema\)"):
        rbh.evaluate(model, later.test)
    grown = model.grown(later.schema)
    assert not grown.training
    batch = task.test[:]
    with torch.no_grad():
        assert torch.allclose(grown(batch), model(batch), atol=1e-6)
    rbh.evaluate(grown, later.test)
    assert len(rbh.recommend(grown, later, "new", k=3)) == 3


def test_a_new_item_is_described_by_its_features(task, later):
    torch.manual_seed(0)
    model = rbh.models.FM(task.schema, dim=4)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    model.eval()
    grown = model.grown(later.schema)
    one = later.users_at(torch.tensor([5]))
    with torch.no_grad():
        new = grown(later.candidates(one, later.schema.encode_items([100, 101])))
        assert (new[0] - new[1]).abs() > 1e-4  # a novel and a map
        plain = rbh.models.MatrixFactorization(task.schema, dim=4).grown(later.schema)
        new = plain(later.candidates(one, later.schema.encode_items([100, 101])))
        assert new[0] == new[1]  # ids alone know nothing of either


def test_what_does_not_continue_the_model_is_refused(task):
    other = ctr(from_frames(*grown_shop(), **HOW), history=5)
    model = rbh.models.FM(task.schema, dim=2)
    with pytest.raises(ValueError, match=r"schema=model\.schema"):
        model.grown(other.schema)
    purchases, customers, products = grown_shop()
    with pytest.raises(ValueError, match="the model knows the feature 'kind' of items, add this column"):
        ctr(from_frames(purchases, customers, products.drop(columns="kind"), **HOW, schema=task.schema))
    with pytest.raises(
        ValueError, match=r"built without the feature 'size': items\.drop\(columns=\['size'\]\)"
    ):
        ctr(from_frames(purchases, customers, products.assign(size="L"), **HOW, schema=task.schema))
    with pytest.raises(ValueError, match="history=7, but the model was built with histories of 5"):
        ctr(from_frames(*grown_shop(), **HOW, schema=task.schema), history=7)


# ------------------------------------------------------------------------------------------ a history on the spot


def test_a_visitor_is_a_user_with_that_history(task):
    schema = task.schema
    batch = task.visitor([3, 5])
    assert batch.user.tolist() == [1]
    assert batch.history.tolist() == [[schema.item_id(3), schema.item_id(5), 0, 0, 0]]
    assert batch.history_mask.tolist() == [[True, True, False, False, False]]
    assert batch.history_labels.tolist() == [[1, 1, 0, 0, 0]]
    past = batch.history_time[batch.history_mask]
    assert (past.diff() > 0).all()
    assert (past < batch.time).all()
    assert batch.time > max(part.time.max() for part in (task.train, task.valid, task.test))
    long = task.visitor(range(8), user="c4")
    assert long.history[0].tolist() == [schema.item_id(i) for i in range(3, 8)]  # the latest
    assert long.user.tolist() == [schema.user_id("c4")]
    assert not task.visitor([]).history_mask.any()
    with pytest.raises(KeyError, match="there is no item 77"):
        task.visitor([77])


def test_met_is_everything_met(task):
    everything = {task.schema.item_id(i) for u, i in shop()[0][["customer", "sku"]].to_numpy() if u == "c4"}
    assert set(task.met("c4").tolist()) == everything
    assert set(task.met("c4", [0, 1]).tolist()) == everything | {2, 3}
    assert task.met(history=[4]).tolist() == [6]
    assert task.met().tolist() == []


def test_recommend_from_a_history(task):
    torch.manual_seed(0)
    model = rbh.models.PooledSequence(task.schema, dim=4, features=True).eval()
    basket = list(range(8))  # longer than the window: what lies before it is not recommended either
    table = rbh.recommend(model, task, history=basket, k=20)
    assert set(table["title"]) == {f"Book {i}" for i in range(8, 20)}
    assert len(rbh.recommend(model, task, history=basket, k=20, seen=True)) == 20
    with pytest.raises(
        KeyError, match=r"there is no user 'nobody'.*recommend\(model, task, history=\[\.\.\.\]\)"
    ):
        rbh.recommend(model, task, "nobody")
    with pytest.raises(TypeError, match="say for whom"):
        rbh.recommend(model, task)
    with pytest.raises(TypeError, match=r"one text, 'Book 1'; give a list: history=\['Book 1'\]"):
        rbh.recommend(model, task, history="Book 1")
    with pytest.raises(KeyError, match="'Book 1': that is a title; give its id, 1"):
        rbh.recommend(model, task, history=["Book 1"])
    of_user = rbh.recommend(model, task, "c4", history=[1])
    assert "Book 1" not in set(of_user["title"])
