"""Arguments that are numbers, checked in one place: a wrong one is refused by name, with what to give instead."""

from __future__ import annotations

import math
from numbers import Integral, Real

import numpy as np


def whole(name: str, value, least: int = 1, most: float = math.inf, kind: type = Real) -> int:
    """`value` as an int. ValueError if it is no whole number from `least` to `most`.

    NumPy's 3 is one, and so is 3.0, unless `kind` is Integral.
    """
    if not _is_number(value, kind) or value % 1 != 0 or not least <= value <= most:
        raise ValueError(f"{name}={value!r}: give a whole number{_range(least, most)}")
    return int(value)


def number(
    name: str, value, least: float = -math.inf, most: float = math.inf, above: float = -math.inf
) -> float:
    """`value` as a float. ValueError if it is no finite number from `least` to `most`, or not above `above`."""
    if not _is_number(value) or not math.isfinite(value) or not least <= value <= most or value <= above:
        raise ValueError(f"{name}={value!r}: give a finite number{_range(least, most, above)}")
    return float(value)


def size(name: str, value, least: int = 1) -> int:
    """`value` as an int, if it is held as one: the width of a layer, not 4.0. Raises ValueError."""
    return whole(name, value, least, kind=Integral)


def sizes(name: str, value) -> tuple[int, ...]:
    """Several of them, such as the hidden layers (64, 32), or none. Raises ValueError."""
    if not isinstance(value, (tuple, list, range, np.ndarray)):
        raise ValueError(f"{name}={value!r}: give a tuple of whole numbers, such as (64, 32), or () for none")
    return tuple(size(f"{name}[{i}]", width) for i, width in enumerate(value))


def flag(name: str, value) -> bool:
    """`value` as a bool. ValueError for what merely counts as true, such as "no"."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name}={value!r}: give True or False")
    return bool(value)


def _is_number(value, kind: type = Real) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _range(least: float, most: float, above: float = -math.inf) -> str:
    limits = {f"at least {least}": least, f"at most {most}": most, f"above {above}": above}
    return "".join(f", {text}" for text, limit in limits.items() if math.isfinite(limit))
