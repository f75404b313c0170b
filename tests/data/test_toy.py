"""Batches for examples: what is given is kept, what is drawn is legal, what does not fit is refused."""

import pytest
import torch

import recbyhand as rbh
from recbyhand.data import Field, toy, toy_schema


def test_a_toy_needs_nothing():
    batch = toy()
    assert len(batch) == 8
    assert rbh.models.FM(batch.schema, dim=2)(batch).shape == (8,)
    assert torch.equal(toy().ids(), batch.ids())
    assert not torch.equal(toy(seed=1).ids(), batch.ids())


def test_what_is_drawn_is_legal():
    schema = toy_schema(9, 11, history=4)
    batch = toy(200, schema)
    assert batch.user.unique().tolist() == list(range(2, 9))
    assert batch.item.unique().tolist() == list(range(2, 11))
    n = batch.history_mask.sum(1)
    assert n.unique().tolist() == [0, 1, 2, 3, 4]
    assert torch.equal(batch.history_mask, torch.arange(4) < n[:, None])  # padding comes last
    assert torch.equal(batch.history > 1, batch.history_mask)
    assert torch.equal(batch.history_time > 0, batch.history_mask)
    steps = batch.history_time.diff(dim=1)[batch.history_mask[:, 1:]]
    assert (steps > 0).all()  # oldest first
    assert (batch.history_time < batch.time[:, None]).all()
    assert (batch.history_labels[~batch.history_mask] == 0).all()
    assert batch.label.unique().tolist() == [0, 1]
    assert batch.history_labels[batch.history_mask].unique().tolist() == [0, 1]
    assert batch.edge.tolist() == [-1] * 200


def test_ids_and_titles_are_one_for_each_row_of_a_table():
    """Rows 0 and 1 are padding and unknown: they have no id."""
    schema = toy_schema(9, 11)
    assert schema.user_ids == tuple(range(7))
    assert schema.item_ids == tuple(range(9))
    assert schema.titles == tuple(f"Film {i}" for i in range(9))


def test_what_is_given_is_kept():
    batch = toy(3, user=[2, 3, 1], item=torch.tensor([4, 5, 6]), history=[[5, 7], [], [9]], label=[0, 1, 0])
    assert batch.user.tolist() == [2, 3, 1]
    assert batch.item.tolist() == [4, 5, 6]
    assert batch.history.tolist() == [[5, 7, 0, 0, 0], [0] * 5, [9, 0, 0, 0, 0]]
    assert batch.history_mask.sum(1).tolist() == [2, 0, 1]
    assert batch.history_labels.tolist() == batch.history_mask.float().tolist()
    assert batch.history_time.tolist() == [[1, 2, 0, 0, 0], [0] * 5, [1, 0, 0, 0, 0]]
    assert batch.time.tolist() == [3, 1, 2]
    assert batch.label.tolist() == [0, 1, 0]
    assert toy(2, lengths=[3, 1], length=7).history_mask.sum(1).tolist() == [3, 1]
    assert toy(2, length=7).history.shape == (2, 7)
    assert len(toy(0)) == 0


def test_features_are_those_of_the_tables():
    kind = [Field("kind", 5)]
    schema = toy_schema(item_fields=kind, item_table=[[0], [1], [2], [3], [4]], user_fields=())
    assert (schema.n_users, schema.n_items) == (20, 5)
    assert toy(2, schema, item=[3, 2]).item_features.tolist() == [[3], [2]]
    assert toy(2, schema).user_features.shape == (2, 0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"user": [2]}, "user has 1 values for 2 rows"),
        ({"item": [2, 30]}, r"item has ids 0 to 29, not \[2, 30\]"),
        ({"history": [[2]]}, "history has 1 values for 2 rows"),
        ({"history": [[-1], []]}, "history has ids 0 to 29"),
        ({"history": [[2] * 6, []]}, r"a history holds 0 to 5 events, not \[6, 0\]: give length="),
        ({"lengths": [1, 9]}, "a history holds 0 to 5 events"),
        ({"label": [1]}, "label has 1 values for 2 rows"),
    ],
)
def test_refused(given, message):
    with pytest.raises(ValueError, match=message):
        toy(2, **given)


def test_longer_histories_by_the_remedy():
    assert toy(2, history=[[2] * 6, []], length=6).history_mask.sum(1).tolist() == [6, 0]


def test_a_table_of_another_width_is_refused():
    with pytest.raises(ValueError, match=r"the columns year \(1\), genres \(3\); this one is \[5, 2\]"):
        toy_schema(item_table=torch.zeros(5, 2))
