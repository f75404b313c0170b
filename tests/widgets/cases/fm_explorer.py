import math

import numpy as np

from recbyhand.widgets import FMExplorer

from ..harness import Case

CASE = Case(
    make=lambda: FMExplorer(
        np.random.default_rng(0).normal(size=(8, 6)).round(1), fields=[f"field {i}" for i in "abcdefgh"]
    ),
    touch=lambda scope: scope.locator("input.cell").first.press("ArrowUp"),
    texts=lambda text: FMExplorer([[1.0, 2.0], [0.5, 1.0]], fields=[text, text], title=text),
    broken={
        "empty": (lambda: FMExplorer([]), "There are no vectors"),
        "one field": (lambda: FMExplorer([[1.0, 2.0]]), "One field has no pair"),
        "nan": (lambda: FMExplorer([[1.0, math.nan], [1.0, 1.0]]), "NaN"),
    },
)
