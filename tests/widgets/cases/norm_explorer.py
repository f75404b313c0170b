import math

import numpy as np

from recbyhand.widgets import NormExplorer

from ..harness import Case

CASE = Case(
    make=lambda: NormExplorer(np.random.default_rng(0).normal(size=(8, 8)).round(1)),
    touch=lambda scope: scope.locator("input.cell").first.press("ArrowUp"),
    texts=lambda text: NormExplorer(
        [[1.0, 2.0], [0.5, 1.0]], rows=[text, text], columns=[text, "b"], title=text
    ),
    broken={
        "empty": (lambda: NormExplorer([]), "There are no values"),
        "nan": (lambda: NormExplorer([[1.0, math.nan], [1.0, 1.0]]), "NaN"),
    },
)
