import math

import numpy as np

from recbyhand.widgets import HistoryAttention

from ..harness import Case


def largest() -> HistoryAttention:
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 2, (6, 8, 50))
    return HistoryAttention(
        scores,
        forms=["linear", "additive", "dot", "bilinear", "elementwise", "unit of DIN"],
        targets=[f"Target {i}: a title of some length" for i in range(8)],
        history=[
            f"Film {i}: " + "a title of sixty letters, which is as long as they get"[:50] for i in range(50)
        ],
        relevant=rng.random((8, 50)) < 0.2,
        mask=np.arange(50) < 47,
    )


def said(text: str) -> HistoryAttention:
    return HistoryAttention(
        [[[1.0, 2.0]], [[0.5, -1.0]]],
        forms=[text, "b"],
        targets=[text * 2],
        history=[text, text * 3],
        relevant=[1, 0],
        title=text,
    )


CASE = Case(
    make=largest,
    touch=lambda scope: scope.get_by_role("application").press("ArrowDown"),
    texts=said,
    broken={
        "empty": (lambda: HistoryAttention([]), "There are no scores"),
        "no event": (lambda: HistoryAttention(np.zeros((2, 3, 0))), "There are no scores"),
        "nan": (lambda: HistoryAttention([[1.0, math.nan]]), "NaN"),
        "all masked": (lambda: HistoryAttention([1.0, 2.0], mask=[0, 0]), "Every event"),
    },
)
