"""Nobody is left out of the general tests."""

import inspect

from recbyhand import models
from recbyhand.models import Recommender
from tests.models.cases import EVERY


def test_every_model_is_in_the_list():
    named = {name: getattr(models, name) for name in models.__all__}
    kinds = {name for name, kind in named.items() if inspect.isclass(kind) and issubclass(kind, Recommender)}
    missing = kinds - {"Recommender"} - EVERY.keys()
    assert not missing, f"add {', '.join(missing)} to tests/models/cases.py: settings for the general tests"
    assert not EVERY.keys() - kinds, (
        "tests/models/cases.py names models that recbyhand.models does not export"
    )
