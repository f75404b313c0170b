import math

import numpy as np

from recbyhand.widgets import AttentionHeatmap

from ..harness import Case

TITLES = [
    f"Film {i}: " + "a title of sixty letters, which is as long as they get"[: 60 - len(f"Film {i}: ")]
    for i in range(64)
]


def largest() -> AttentionHeatmap:
    scores = np.random.default_rng(0).normal(0, 2, (64, 64))
    return AttentionHeatmap(
        scores, rows=TITLES, columns=TITLES, mask=np.tril(np.ones((64, 64))), title="Causal"
    )


CASE = Case(
    make=largest,
    touch=lambda scope: scope.get_by_role("slider", name="temperature").press("ArrowRight"),
    texts=lambda text: AttentionHeatmap(
        [[1.0, 2.0]], rows=[text], columns=[text, text * 3], row_name=text, column_name=text, title=text
    ),
    broken={
        "empty": (lambda: AttentionHeatmap([]), "There are no scores"),
        "no columns": (lambda: AttentionHeatmap(np.zeros((3, 0))), "There are no scores"),
        "nan": (lambda: AttentionHeatmap([[1.0, math.nan]]), "NaN"),
        "all masked": (lambda: AttentionHeatmap([[1.0, 2.0]], mask=[0, 0]), "Every key is masked"),
    },
)
