"""What all models share: they remember how they were built, so that they can be saved without pickle."""

from __future__ import annotations

from torch import Tensor, nn

from recbyhand.data.batch import Batch, Schema


class Recommender(nn.Module):
    """A model: built from a schema, called on a batch, answering with logits of shape (B,)."""

    schema: Schema
    settings: dict  # the keyword arguments it was built with

    def __new__(cls, schema: Schema, *args, **settings):
        model = super().__new__(cls)
        if args:
            raise TypeError(f"{cls.__name__} takes its settings by name: {cls.__name__}(schema, dim=16, ...)")
        object.__setattr__(model, "schema", schema)
        object.__setattr__(model, "settings", settings)
        return model

    def forward(self, batch: Batch) -> Tensor:
        raise NotImplementedError
