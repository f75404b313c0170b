"""Each model's docstring has the same parts: the formula, what its settings mean, where it comes from."""

from __future__ import annotations

import inspect
import re

import pytest

from recbyhand import models

MODELS = [cls for name in models.__all__ if inspect.isclass(cls := getattr(models, name))]
MODELS = [cls for cls in MODELS if issubclass(cls, models.Recommender) and cls is not models.Recommender]
SHARED = set(
    re.findall(r"^(\w+) {2,}", inspect.getdoc(models.Recommender), flags=re.M)
)  # told once, in the base


def test_what_is_shared_is_told_in_the_base():
    assert {"dim", "hidden", "activation", "dropout", "users", "features"} <= SHARED


@pytest.mark.parametrize("model", MODELS, ids=[model.__name__ for model in MODELS])
def test_formula_settings_source(model):
    text, name = inspect.getdoc(model), model.__name__
    formula = any(mark in text for mark in ("$$", "logit =", "score ="))
    assert formula, f"{name}: begin the docstring with the formula of the logit"
    source = re.search(r"^Sources?: .*(\d{4}).*", text, flags=re.M)
    assert source, f"{name}: end the docstring with `Source: authors year, title, doi or arXiv id`"
    given = {*SHARED, "schema", "task", "graph"}
    silent = [
        s for s in inspect.signature(model).parameters if s not in given and not re.search(rf"\b{s}\b", text)
    ]
    assert not silent, f"{name}: say in the docstring what {', '.join(silent)} means"
