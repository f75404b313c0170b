"""Measurements that took longer than a lesson may: recorded by `benchmarks/`, read by lessons."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

_PACKAGE = Path(__file__).resolve().parent
# In a checkout; in an installed package, into which setup.py copies them, so that a notebook elsewhere has them too.
_PLACES = _PACKAGE.parent / "benchmarks" / "results", _PACKAGE / "recorded"


def recorded(name: str) -> pd.DataFrame:
    """The table `benchmarks/results/<name>.csv` ("interest/din"), a row per run, each with its commit.

    Raises FileNotFoundError where there is none of this name.
    """
    for place in _PLACES:
        if (file := place / f"{name}.csv").is_file():
            return pd.read_csv(file, dtype={"commit": str})
    known = [f.relative_to(p).with_suffix("").as_posix() for p in _PLACES for f in sorted(p.rglob("*.csv"))]
    raise FileNotFoundError(f"no recorded table {name!r}; there are: {', '.join(known) or 'none'}")
