"""What all models share: they remember how they were built, so that they can be saved without pickle."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from recbyhand.data.batch import Schema
from recbyhand.layers.embedding import FieldColumns


class Recommender(nn.Module):
    """A model: built from a schema, called on a batch, answering with logits of shape (B,).

    It remembers `schema` and `settings`; a model checks what it is given itself, by the helpers of `arguments` or
    the layers it uses. Raises TypeError without a schema, for settings not given by name, or of another name.

    Settings that mean the same in every model, where it has them:

    dim         d, the length of an embedding
    hidden      widths of the hidden layers of the MLP, such as (64, 32); () for none
    activation  between these layers: "relu", "prelu", "dice", ... (`layers.ACTIVATIONS`)
    dropout     the probability with which a number is dropped in training
    users       adds a vector per user id
    features    adds vectors of the features of users and items
    """

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
            several = signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD
            settings |= value if several else {name: value}  # a subclass may hand **settings on
        object.__setattr__(model, "schema", schema)
        object.__setattr__(model, "settings", {name: _plain(value) for name, value in settings.items()})
        return model

    def __init_subclass__(cls, **more):
        super().__init_subclass__(**more)
        for name in ("attention", "loss"):
            if name in vars(cls):
                setattr(cls, name, _naming_ids(vars(cls)[name]))

    def __call__(self, batch, *args, **settings):
        """The logits. IndexError names the row and the field of an id that is in no vocabulary of the model."""
        return _logits(self, batch, *args, **settings)

    def grown(self, schema: Schema) -> Recommender:
        """A copy for tables that have grown: `schema` begins with the users and items that the model knows.

        New users and items start as the unknown one does (id 1): a model with features tells them apart by
        these, and one without gives all new items of a user the same score. `ctr` makes such a schema of
        tables that were read with the model's: `from_frames(..., schema=model.schema)`.

        Raises ValueError for a schema that does not continue the model's.
        """
        old = self.schema
        if not schema.continues(old):
            raise ValueError(
                "this schema does not continue the model's: read the tables with its vocabulary, "
                "rbh.data.from_frames(..., schema=model.schema), and make the task anew"
            )
        model = type(self)(schema, **self.settings)
        modules, state = dict(self.named_modules()), self.state_dict()
        tables = {
            f"{name}.table.weight": module.rows_from(modules[name])
            for name, module in model.named_modules()
            if isinstance(module, FieldColumns)
        }
        known = {old.n_users: schema.n_users, old.n_items: schema.n_items}
        for name, value in model.state_dict().items():
            before = state[name]
            if name in tables:
                before = before[tables[name]]
            for axis, size in enumerate(value.shape):
                if before.shape[axis] != size:
                    if size not in known.values():
                        raise ValueError(f"{type(self).__name__}.{name} cannot grow: build the model anew")
                    rows = torch.arange(size, device=before.device)
                    before = before.index_select(axis, torch.where(rows < before.shape[axis], rows, 1))
            state[name] = before
        model.to(next(iter(state.values())).device).load_state_dict(state)
        return model.train(self.training)


def _naming_ids(method: Callable) -> Callable:
    """A method of a batch whose IndexError names the row and the field of an id that is in no vocabulary."""

    @functools.wraps(method)
    def named(self, batch, *args, **settings):
        try:
            return method(self, batch, *args, **settings)
        except IndexError as error:
            if hasattr(batch, "outside") and (outside := batch.outside(self.schema)):
                raise IndexError(outside) from error
            raise

    return named


_logits = _naming_ids(nn.Module.__call__)


def blocks(items: Tensor, users: int, pairs: int = 1 << 16) -> tuple[Tensor, ...]:
    """Items (I,) in pieces, none of which makes more than so many pairs with `users`: memory stays small."""
    return items.split(max(1, pairs // max(users, 1)))


def _plain(value):
    """Numbers of NumPy as Python's, lists as tuples: what JSON can hold. Anything else as it is."""
    if isinstance(value, np.generic):
        return value.item()
    return tuple(map(_plain, value)) if isinstance(value, (list, range, np.ndarray)) else value
