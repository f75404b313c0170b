"""Wrong numbers are refused by name, with what to give instead: in one place, for everything public."""

import inspect
import json
import math

import numpy as np
import pytest
import torch

import recbyhand as rbh
from recbyhand import metrics, models
from recbyhand.arguments import number, whole
from recbyhand.inspect import gradient_reach
from recbyhand.models import FM, Recommender
from tests.factories import make_batch, make_schema
from tests.models.cases import LEARNING, make

SCHEMA = make_schema()


@pytest.mark.parametrize("value", [3, 3.0, np.int64(3), np.float32(3), np.uint8(3)])
def test_a_whole_number_however_it_is_held(value):
    assert whole("k", value) == 3
    assert type(whole("k", value)) is int


@pytest.mark.parametrize("value", [2.5, 0, -1, "3", None, True, math.nan, math.inf, [3], 11])
def test_what_is_no_whole_number_from_1_to_10(value):
    with pytest.raises(ValueError, match=r"k=.*: give a whole number, at least 1, at most 10$"):
        whole("k", value, most=10)


@pytest.mark.parametrize("value", ["3", None, True, math.nan, math.inf, -0.1, 1.1])
def test_what_is_no_number_from_0_to_1(value):
    with pytest.raises(ValueError, match=r"share=.*: give a finite number, at least 0, at most 1$"):
        number("share", value, 0, 1)
    assert number("share", np.float32(1), 0, 1) == 1.0
    with pytest.raises(ValueError, match="above 0"):
        number("reg", 0, above=0)


NUMBERS = {
    "int": (2.5, -1, "8", None, True, 4.0),
    "float": ("a", None, math.nan),
    "bool": ("no", 2, None),
    "bool | str": ("no", 2, None),
}


@pytest.mark.parametrize("name", LEARNING)
def test_every_setting_of_every_model_is_checked_by_its_name(name):
    """This test reads the kinds of settings off the signature; the models check, and read nothing."""
    parameters = list(inspect.signature(getattr(models, name).__init__).parameters.values())[2:]
    assert parameters
    for parameter in parameters:
        kind = parameter.annotation
        several = (0,), (2.5,), (-1,), 32, "ab", None
        for wrong in NUMBERS.get(
            kind, several if kind.endswith(("Sequence[int]", "tuple[int, ...]")) else ()
        ):
            with pytest.raises(ValueError, match=rf"^{parameter.name}(\[0\])?=.*: give "):
                make(name, SCHEMA, **{parameter.name: wrong})
        own = ("Graph", "Integral")  # checked by the models themselves (layers=0 is legal there)
        assert (
            kind in (*NUMBERS, *own, "str", "int | None", "Sequence[Sequence[str]] | None") or "[int" in kind
        ), kind


@pytest.mark.parametrize("name", LEARNING)
def test_every_model_takes_dim_and_numbers_of_numpy(name):
    model = make(name, SCHEMA, dim=np.int64(4))
    assert model(make_batch(SCHEMA)).shape == (8,)
    assert type(model.settings["dim"]) is int or name == "Poly2"


def test_settings_of_your_own_model_are_remembered_as_json_holds_them():
    class Mine(Recommender):
        def __init__(self, schema, *, heads=2, sizes=(8,), pairs=(), name: int | None = None, other=None):
            super().__init__()

    given = {
        "heads": np.int64(3),
        "sizes": [4, np.int64(2)],
        "pairs": [["a", "b"]],
        "other": np.array([1, 2]),
    }
    settings = {"heads": 3, "sizes": (4, 2), "pairs": (("a", "b"),), "other": (1, 2), "name": None}
    assert Mine(SCHEMA, **given).settings == settings
    assert json.loads(json.dumps(Mine(SCHEMA, **given).settings))["sizes"] == [4, 2]
    assert Mine(SCHEMA, name="x").settings["name"] == "x"  # nobody reads an annotation


@pytest.fixture(scope="module")
def task():
    return rbh.data.ctr(rbh.data.planted("crosses", users=8), history=5)


WHOLE = (2.5, 0, -1, "a", None, True)
SEEDS = ("a", 1.5, -1, None)


def fit(task, **settings):
    return rbh.fit(FM(task.schema, dim=2), task, **settings)


def planted(task, **settings):
    return rbh.data.planted("order", **{"users": 3, **settings})


def ctr(task, **settings):
    return rbh.data.ctr(task.dataset, **settings)


def recommend(task, k):
    return rbh.recommend(FM(task.schema, dim=2), task, 1, k=k)


def ranking(task, **settings):
    return rbh.evaluate_ranking(FM(task.schema, dim=2), task, **settings)


def predict(task, batch_size):
    return rbh.predict(FM(task.schema, dim=2), task.test, batch_size)


def ndcg(task, k):
    return metrics.ndcg_at_k(torch.eye(4) > 0, torch.rand(4, 4), k)


def hit_rate(task, k):
    return metrics.hit_rate_at_k(torch.eye(4) > 0, torch.rand(4, 4), k)


def als(task, **settings):
    return models.als(*task.interactions(), **settings)


def reach(task, **settings):
    return gradient_reach(**{"cell": "gru", "length": 3, "dim": 2, "scale": 1.0, **settings})


def pair(task, level):
    return metrics.paired_difference("auc", [0, 1, 1], [1, 2, 3], [3, 2, 1], level=level)


CASES = [
    (fit, "epochs", WHOLE),
    (fit, "batch_size", WHOLE),
    (fit, "patience", (2.5, 0, -1, "a", True)),
    (fit, "lr", (-1, "a", None, math.nan, math.inf)),
    (fit, "weight_decay", (-1, "a", None, math.nan)),
    (fit, "seed", SEEDS),
    (lambda task, seed: rbh.seed(seed), "seed", (*SEEDS, 2**32)),
    (planted, "users", (2.5, 1, 0, -1, "a", True)),
    (planted, "seed", SEEDS),
    (planted, "strength", ("a", math.nan, math.inf, 51, -51, True)),
    (ctr, "history", (2.5, 0, -1, "a", True, math.nan, math.inf)),
    (ctr, "valid", ("a", math.nan, -0.1, True)),
    (ctr, "test", ("a", math.inf, -0.1, True)),
    (ctr, "seed", SEEDS),
    (recommend, "k", WHOLE),
    (ranking, "k", WHOLE),
    (ranking, "users", (2.5, 0, -1, "a", True)),
    (ranking, "seed", SEEDS),
    (predict, "batch_size", WHOLE),
    (ndcg, "k", WHOLE),
    (hit_rate, "k", WHOLE),
    (als, "dim", WHOLE),
    (als, "sweeps", (2.5, -1, "a", None)),
    (als, "reg", (0, -1, "a", math.nan)),
    (reach, "dim", WHOLE),
    (reach, "length", WHOLE),
    (pair, "level", (-0.5, 2, "a", None)),
]


@pytest.mark.parametrize(("call", "name", "wrong"), CASES, ids=lambda v: getattr(v, "__name__", str(v)[:20]))
def test_every_number_is_refused_with_its_name(task, call, name, wrong):
    for value in wrong:
        with pytest.raises(ValueError, match=rf"^{name}=.*: give a (whole|finite) number"):
            call(task, **{name: value})


def test_numbers_of_numpy_will_do(task):
    rbh.seed(np.int64(3))
    assert len(fit(task, epochs=np.int64(1), seed=np.int64(0))) == 1
    assert len(recommend(task, k=np.int64(2))) == 2
