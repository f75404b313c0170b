"""What all models share: they remember how they were built, so that they can be saved without pickle."""

from __future__ import annotations

import inspect

from torch import Tensor, nn

from recbyhand import arguments
from recbyhand.data.batch import Schema


class Recommender(nn.Module):
    """A model: built from a schema, called on a batch, answering with logits of shape (B,)."""

    schema: Schema
    settings: dict  # every setting it was built with, defaults included

    def __new__(cls, schema: Schema | None = None, *args, **settings):
        model = super().__new__(cls)
        if schema is None:  # a copy is being made: it brings its own schema and settings
            return model
        if not hasattr(schema, "n_users"):
            got = type(schema).__name__
            raise TypeError(f"{cls.__name__} is built from a schema, such as task.schema, not {got}")
        signature = inspect.signature(cls.__init__)
        try:
            given = signature.bind(model, schema, *args, **settings)
        except TypeError as error:
            names = ", ".join(f"{name}=..." for name in list(signature.parameters)[2:])
            raise TypeError(f"{error}: settings go by name, {cls.__name__}(schema, {names})") from None
        given.apply_defaults()
        settings = {}
        for name, value in list(given.arguments.items())[2:]:  # without self and schema
            parameter = signature.parameters[name]
            if parameter.kind is parameter.VAR_KEYWORD:  # a subclass that hands **settings on
                settings |= value
            else:
                settings[name] = arguments.setting(parameter, value)
        object.__setattr__(model, "schema", schema)
        object.__setattr__(model, "settings", settings)
        return model


def blocks(items: Tensor, users: int, pairs: int = 1 << 16) -> tuple[Tensor, ...]:
    """Items (I,) in pieces, none of which makes more than so many pairs with `users`: memory stays small."""
    return items.split(max(1, pairs // max(users, 1)))
