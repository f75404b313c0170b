import math

import numpy as np

from recbyhand.widgets import PairAttention

from ..harness import Case


def largest() -> PairAttention:
    scores = np.random.default_rng(0).normal(0, 2, (12, 66))
    weights = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    return PairAttention(
        weights,
        fields=[f"field {i} with a name" for i in range(12)],
        examples=[f"user {n}" for n in range(12)],
        marked=[("field 2 with a name", "field 5 with a name")],
    )


CASE = Case(
    make=largest,
    touch=lambda scope: scope.get_by_role("slider", name="hide below").press("ArrowRight"),
    texts=lambda text: PairAttention(
        [[0.2, 0.3, 0.5], [1.0, 0, 0]],
        fields=[text, text * 3, "b"],
        examples=[text, "a"],
        title=text,
        marked=[(text, "b")],
    ),
    broken={
        "empty": (lambda: PairAttention([]), "There is no pair"),
        "one field": (lambda: PairAttention(np.zeros((3, 0)), fields=["user"]), "There is no pair"),
        "nan": (lambda: PairAttention([[0.5, math.nan, 0.5]]), "NaN"),
    },
)
