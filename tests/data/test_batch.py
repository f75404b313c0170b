"""One road for features: a batch has ids, and what belongs to an id is looked up when a model asks."""

import copy
import dataclasses
import pickle

import pytest
import torch

import recbyhand as rbh
from recbyhand.models.base import Recommender
from tests.factories import make_batch, make_schema
from tests.models.cases import EVERY, cases, make


@pytest.fixture(scope="module")
def task():
    return rbh.data.ctr(rbh.data.movielens("100k", fallback=True), history=5)


def built(case, task) -> Recommender:
    """The model, with weights that all speak."""
    torch.manual_seed(0)
    model = make(case, task).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("case", cases(EVERY))
def test_another_item_brings_its_features(task, case):
    """Same rows, another item: as if the batch had been made with it."""
    model, part = built(case, task), task.test
    batch = part[0:50]
    other = part.item[50:100]
    changed = dataclasses.replace(part.subset(slice(0, 50)), item=other)[:]  # made with it
    with torch.no_grad():
        expected = model(changed)
        assert torch.equal(model(dataclasses.replace(batch, item=other)), expected)
        batch.item = other
        assert torch.equal(model(batch), expected)
        one = task.candidates(part[0:1], other)  # and every row of a ranking
        assert torch.allclose(model(one)[0], expected[0], atol=1e-6)


@pytest.mark.parametrize("case", cases(EVERY))
def test_models_run_on_the_device_of_their_batch(task, case):
    model = built(case, task).to("meta")
    assert model(task.test[0:3].to("meta")).device.type == "meta"


def test_features_are_those_of_the_ids():
    schema = make_schema()
    batch = make_batch(schema)
    assert torch.equal(batch.user_features, schema.user_table[batch.user])
    assert torch.equal(batch.item_features, schema.item_table[batch.item])
    assert torch.equal(schema.item_features(batch.history), schema.item_table[batch.history])
    assert torch.equal(
        batch.ids(), torch.cat([batch.user[:, None], batch.item[:, None], batch.user_features,
                                batch.item_features], dim=1)
    )  # fmt: skip
    other = dataclasses.replace(schema, item_table=schema.item_table.flip(0))
    swapped = dataclasses.replace(batch, schema=other)
    assert torch.equal(swapped.item_features, other.item_table[batch.item])
    for wrong in (-1, schema.n_items):  # an index of -1 would read the last item's features
        with pytest.raises(IndexError):
            schema.item_features(torch.tensor([wrong]))


def test_tables_move_once_per_device():
    schema = make_schema()
    batch = make_batch(schema).to("meta")
    assert batch.item_features.is_meta
    assert batch.ids().is_meta
    assert schema._tables_on(batch.item.device) is schema._tables_on(batch.user.device)
    for other in (copy.deepcopy(schema), pickle.loads(pickle.dumps(schema))):
        assert "_copies" not in vars(other) or not other._copies
        assert torch.equal(other.item_features(torch.arange(30)), schema.item_table)


def test_the_edge_of_a_row_is_its_number_in_training(task):
    train = task.train
    assert train[:].edge.tolist() == list(range(len(train)))
    rows = torch.tensor([5, 2, 9])
    assert train[rows].edge.tolist() == [5, 2, 9]
    assert train[rows][1:].edge.tolist() == [2, 9]
    assert train.subset(train.label > 0)[:].edge.tolist() == (train.label > 0).nonzero()[:, 0].tolist()
    for part in (task.valid, task.test, task.ranking()):
        batch = part.batch if hasattr(part, "batch") else part[:]
        assert batch.edge.tolist() == [-1] * len(batch)
    batch = train[rows]
    assert dataclasses.replace(batch, edge=None)[0:2].to("meta").edge is None


def test_a_batch_of_another_class_stays_one():
    class Nameless(rbh.data.Batch):
        def ids(self):
            ids = super().ids()
            ids[:, :2] = 1
            return ids

    batch = Nameless(**vars(make_batch(make_schema())))
    assert (batch[1:3].to("cpu").ids()[:, :2] == 1).all()
