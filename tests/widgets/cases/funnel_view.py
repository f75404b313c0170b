import math
from itertools import pairwise

import numpy as np

from recbyhand.widgets import FunnelView

from ..harness import Case


def example(films: int = 60, dim: int = 6, seed: int = 0, **settings) -> FunnelView:
    """A funnel with weights drawn at random, of the shapes that `TwoTower` and `DIN` have."""
    draw = np.random.default_rng(seed)
    sizes = {"tower": [dim + 2, 12, dim], "mlp": [3 * dim + 3, 10, 1]}
    numbers = {"pool.bias": draw.normal(size=dim), "tower.user": draw.normal(size=2)}
    for name, size in sizes.items():
        for k, (n_in, n_out) in enumerate(pairwise(size)):
            numbers[f"{name}.{k}"] = draw.normal(size=(n_out, n_in)) / n_in**0.5
            numbers[f"{name}.{k}.bias"] = draw.normal(size=n_out)
    numbers["mlp.0.dice"] = draw.normal(size=(3, 10))
    hidden = 9
    for part in ("event", "target", "product"):
        numbers[f"unit.{part}"] = draw.normal(size=(hidden, dim))
    numbers |= {
        "unit.bias": draw.normal(size=hidden),
        "unit.dice": draw.normal(size=(3, hidden)),
        "unit.out": draw.normal(size=hidden),
        "unit.shift": 1.0,
        "mlp.user": draw.normal(size=3),
    }
    items = draw.normal(size=(films, dim))
    how = {
        "titles": [f"Film {i}" for i in range(films)],
        "items": items / np.linalg.norm(items, axis=1, keepdims=True),
        "keys_of": draw.normal(size=(films, 2)),
        "pooled": draw.normal(size=(films, 2, dim)),
        "vectors": draw.normal(size=(films, dim)) / 2,
        "numbers": numbers,
        "scale": 5.0,
        "history": [3, 1, 4, 15, 9],
    }
    return FunnelView(**{**how, **settings})


LONG = "a title of sixty letters, which is as long as they get"
CASE = Case(
    make=lambda: example(300, 16, titles=[f"Film {i}: {LONG}" for i in range(300)], history=[*range(20)]),
    touch=lambda scope: scope.get_by_role("slider", name="retrieve").press("ArrowRight"),
    texts=lambda text: example(2, titles=[text, text * 3], history=[1], title=text),
    broken={
        "empty": (lambda: FunnelView(), "There are no films"),
        "nan": (lambda: example(items=np.full((60, 6), math.nan)), "NaN"),
    },
)
