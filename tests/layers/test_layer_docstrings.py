"""Each layer's docstring has the same parts: the formula, the shapes, what its settings mean, where it comes from."""

from __future__ import annotations

import inspect
import re

import pytest
from torch import nn

from recbyhand import layers

LAYERS = [
    cls
    for name in layers.__all__
    if inspect.isclass(cls := getattr(layers, name)) and issubclass(cls, nn.Module)
]
ORDINARY = {  # no paper to name: what any textbook has, and what only this package has
    "Attention", "Conv1d", "ElementwiseAttention", "FeatureEmbedding", "ItemVectors", "LinearAttention", "MLP",
    "UserVectors",
}  # fmt: skip
# Told once in the base class, in the module's first lines, or plain.
SHARED = {
    "d",
    "dim",
    "d_in",
    "d_out",
    "d_h",
    "schema",
    "fields",
    "n",
    "std",
    "normalise",
    "heads",
    "concat",
    "bias",
}
SHARED |= {
    "args",
    "kwargs",
    "how",
    "settings",
    "attention",
    "length",
    "max_length",
    "affine",
    "p",
    "kernel",
    "self_loops",
    "dropout",
}


@pytest.mark.parametrize("layer", LAYERS, ids=[layer.__name__ for layer in LAYERS])
def test_formula_shapes_settings_source(layer):
    text, name = inspect.getdoc(layer), layer.__name__
    assert "$" in text, f"{name}: give the formula, in $...$ or $$...$$"
    assert re.search(r"\((\.\.\.|B|N|E)[,)]", text), f"{name}: give the shapes, such as x (B, L, d) -> (B, d)"
    if name not in ORDINARY:
        assert re.search(r"Sources?: [^\n]*", text), (
            f"{name}: end with `Source: authors year, title, doi or arXiv id`"
        )
        assert re.search(r"Sources?:[\s\S]*\d{4}", text), f"{name}: the source has no year"
    settings = inspect.signature(layer).parameters
    silent = [s for s in settings if s not in SHARED and not re.search(rf"\b{s}\b", text)]
    assert not silent, f"{name}: say in the docstring what {', '.join(silent)} means"
