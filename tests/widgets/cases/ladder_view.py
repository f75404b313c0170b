import math

import numpy as np

from recbyhand.widgets import LadderView

from ..harness import Case


def ladder(names=("A", "B"), kinds=("one", "two"), worlds=("w", "v"), **settings) -> LadderView:
    """Scores drawn at random; costs that grow with the place."""
    draw, shape = np.random.default_rng(0), (len(worlds), len(names))
    score = np.stack([draw.uniform(0.5, 0.9, shape), draw.uniform(0, 0.2, shape)], axis=1)
    cost = np.stack(
        [np.broadcast_to(scale * np.arange(len(names)), shape) for scale in (1000, 2, 0.5)], axis=1
    )
    how = {
        "kinds": [kinds[i % len(kinds)] for i in range(len(names))],
        "worlds": list(worlds),
        "metrics": ["AUC", "NDCG@10"],
        "costs": ["parameters", "training (s)", "scoring (µs a row)"],
        "score": score,
        "error": score / 50,
        "cost": cost,
    }
    return LadderView(names, **{**how, **settings})


KINDS = ("counting", "factors and layers", "crosses", "sequences", "attention", "graphs", "towers")
CASE = Case(
    make=lambda: ladder(
        [f"ARatherLongNameOfAModel{i}" for i in range(32)], KINDS, [f"world {i}" for i in range(8)]
    ),
    touch=lambda scope: scope.get_by_role("button", name="parameters").click(),
    texts=lambda text: ladder((text, "B"), (text, "k"), (text,), title=text),
    broken={
        "empty": (lambda: LadderView(), "There are no models"),
        "nan": (lambda: ladder(score=np.full((2, 2, 2), math.nan)), "No model of these kinds was measured"),
    },
)
