"""A model remembers how it was built."""

import copy
import json
from dataclasses import replace

import pytest
import torch
from torch.utils._pytree import tree_leaves

from recbyhand.models import FM, MatrixFactorization
from recbyhand.training import losses
from tests.factories import make_batch, make_schema
from tests.models.cases import LEARNING, WITH_HISTORY, WITHOUT_HISTORY, cases, make

SCHEMA = make_schema()


def test_settings_hold_what_was_given_and_the_defaults():
    assert FM(SCHEMA).settings == {"dim": 16}
    assert FM(SCHEMA, dim=4).settings == {"dim": 4}
    assert FM(schema=SCHEMA, dim=4).schema is SCHEMA
    assert MatrixFactorization(SCHEMA, biases=False).settings == {"dim": 16, "biases": False}


def test_settings_of_a_subclass_that_hands_them_on():
    class Mine(FM):
        def __init__(self, schema, *, extra=1, **settings):
            super().__init__(schema, **settings)

    assert Mine(SCHEMA, dim=3).settings == {"extra": 1, "dim": 3}


def test_a_copy_keeps_schema_and_settings_and_shares_no_weight():
    model = FM(SCHEMA, dim=4)
    twin = copy.deepcopy(model)
    assert twin.settings == model.settings
    assert twin.schema.n_users == SCHEMA.n_users
    batch = make_batch(SCHEMA)
    before = model(batch)
    with torch.no_grad():
        twin.bias += 1
    assert torch.equal(model(batch), before)
    assert torch.allclose(twin(batch), before + 1)


def test_a_model_that_needs_more_than_a_schema_can_be_copied_too():
    class Graph(FM):
        def __init__(self, schema, graph, *, dim=4):
            super().__init__(schema, dim=dim)

    model = Graph(SCHEMA, "a graph")
    assert model.settings == {"graph": "a graph", "dim": 4}
    assert copy.deepcopy(model).settings == model.settings


def test_settings_go_by_name():
    with pytest.raises(TypeError, match=r"by name, FM\(schema, dim=\.\.\.\)"):
        FM(SCHEMA, 8)
    with pytest.raises(TypeError, match=r"width.*dim=\.\.\."):
        FM(SCHEMA, width=8)


@pytest.mark.parametrize("case", cases(WITHOUT_HISTORY | WITH_HISTORY))
def test_json_settings_and_weights_rebuild_the_model(case):
    model = make(case, SCHEMA).eval()
    kind = type(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    again = kind(SCHEMA, **json.loads(json.dumps(model.settings))).eval()
    again.load_state_dict(model.state_dict())
    batch = make_batch(SCHEMA)
    assert torch.equal(again(batch), model(batch))


def test_a_model_is_built_from_a_schema():
    with pytest.raises(TypeError, match=r"FM is built from a schema, such as task\.schema, not dict"):
        FM({"schema": SCHEMA})


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("case", cases(LEARNING))
def test_weights_of_another_precision(case, dtype):
    """Nothing in a model has a precision of its own that does not fit the next layer."""
    torch.manual_seed(0)
    model = make(case, SCHEMA).eval()
    batch = make_batch(SCHEMA)
    with torch.no_grad():
        expected = model(batch)
        torch.testing.assert_close(model.to(dtype)(batch).to(dtype), expected.to(dtype), atol=5e-2, rtol=2e-2)


@pytest.mark.parametrize("case", cases(LEARNING))
def test_nobody_asks_the_device(case):
    """Tensors of "meta" have no values: a step by way of the CPU, or a question for a number, fails on them.

    A two-tower retriever learns from the likes of a batch alone, and asks how many they are: it alone may.
    """
    model = make(case, SCHEMA).to("meta")
    _answers_without_values(model.eval(), case)
    _answers_without_values(model.train(), case)


def _answers_without_values(model, case):
    batch = make_batch(SCHEMA).to("meta")
    logits = model(batch)
    assert logits.device.type == "meta"
    if hasattr(model, "attention") and "mean" not in case[1].values():
        weights = model.attention(batch)  # a tensor, one for each layer, or two
        assert {a.device.type for a in tree_leaves(weights)} == {"meta"}
    click = torch.nn.functional.binary_cross_entropy_with_logits(logits, batch.label)
    click.backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad and p.numel())
    if case[0] == "TwoTower" and model.kind != "bce":
        return
    terms, _ = losses(model, batch)
    sum(terms.values()).backward()


def test_matrix_factorisation_starts_with_small_vectors_and_no_opinion():
    model = MatrixFactorization(make_schema(n_users=2002, n_items=1002), dim=8)
    for table in (model.user, model.item):
        assert table.weight[2:].std().item() == pytest.approx(0.05, rel=0.05)
    for silent in (model.mean, model.user_bias.weight, model.item_bias.weight):
        assert not silent.any()


METHODS = [
    pytest.param(case.values[0], name, id=f"{case.id}-{name}")
    for case in cases(LEARNING)
    for name in ("forward", "attention", "loss")
    if hasattr(make(case.values[0], SCHEMA), name)
    if name != "attention" or "mean" not in case.values[0][1].values()  # these have none, and say so
]


@pytest.mark.parametrize(("case", "name"), METHODS)
@pytest.mark.parametrize("off", [0, 3, -10_000], ids=["one too large", "too large", "negative"])
def test_an_id_outside_its_vocabulary_is_named_by_each_method(case, name, off):
    """Also where the method is called directly; whoever does not look at a field may pass it over."""
    torch.manual_seed(0)
    model, batch = make(case, SCHEMA).eval(), make_batch(SCHEMA)
    method = model if name == "forward" else getattr(model, name)
    seen = []
    for field, size in (("user", SCHEMA.n_users), ("item", SCHEMA.n_items), ("history", SCHEMA.n_items)):
        ids = getattr(batch, field).clone()
        ids.view(len(batch), -1)[1, 0] = wrong = size + off
        try:
            method(replace(batch, **{field: ids}))
        except IndexError as error:
            seen.append((str(error), f"row 1 of the batch: {field} has ids 0 to {size - 1}, got {wrong}"))
    assert seen
    assert [said for said, _ in seen] == [expected for _, expected in seen]
