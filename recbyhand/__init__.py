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
    "recommend": "training.recommend",
    "predict": "metrics",
    "evaluate": "metrics",
    "evaluate_ranking": "metrics",
    "compare": "metrics",
    "claim": "claims",
    "show": "source",
    "check": "exercises",
    "hint": "exercises",
    "quiz": "exercises",
}
_MODULES = ("data", "layers", "models", "training", "metrics", "plots", "widgets", "exercises")

__all__ = [*_HOME, *_MODULES]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(importlib.import_module(f"recbyhand.{_HOME[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"recbyhand.{name}")
    raise AttributeError(f"module 'recbyhand' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
