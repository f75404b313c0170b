"""recbyhand: deep-learning recommender algorithms, built by hand in PyTorch."""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

# Name -> module. Loaded on first use, so that `import recbyhand` costs little beyond torch and pandas.
_HOME = {
    "seed": "training",
    "fit": "training",
    "train": "training",
    "save": "training",
    "load": "training",
    "recommend": "evaluation",
    "predict": "evaluation",
    "evaluate": "evaluation",
    "evaluate_ranking": "evaluation",
    "compare": "evaluation",
    "claim": "claims",
    "recorded": "results",
    "show": "inspect.source",
    "check": "exercises",
    "hint": "exercises",
    "quiz": "exercises",
    "practice": "exercises",
    "progress": "exercises",
}
_MODULES = (
    "data",
    "layers",
    "models",
    "training",
    "evaluation",
    "metrics",
    "inspect",
    "plots",
    "widgets",
    "exercises",
)

__all__ = [*_HOME, *_MODULES]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(importlib.import_module(f"recbyhand.{_HOME[name]}"), name)
    if name in _MODULES:
        where = "evaluation.metrics" if name == "metrics" else name
        return importlib.import_module(f"recbyhand.{where}")
    raise AttributeError(f"module 'recbyhand' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
