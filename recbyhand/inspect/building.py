"""How a reader's function makes a model."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from torch import nn

from recbyhand.evaluation.predict import check_model
from recbyhand.training import randomness


def build(make: Callable, task, seed: int = 0) -> nn.Module:
    """Seed, then `make(task.schema)`; or `make(task)` where its first argument is called `task`.

    Raises TypeError where what comes out is no model.
    """
    if not callable(make) or isinstance(make, nn.Module):
        raise TypeError(
            f"give what makes a model, such as the class, and not a {type(make).__name__}: it is built more than once"
        )
    try:
        first = next(iter(inspect.signature(make).parameters), "")
    except ValueError:
        first = ""
    randomness.seed(seed)
    model = make(task if first == "task" else task.schema)
    check_model(model)
    return model
