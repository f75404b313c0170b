import math

import numpy as np

from recbyhand.widgets import GradientReach

from ..harness import Case


def drawn(*cells: str, size: int = 4, value: float = 0.5, **settings) -> GradientReach:
    """Flat curves under any names."""
    reach = np.full((len(cells), 1, 1, size), value)
    return GradientReach(cells, scales=[1], keeps=[0], reach=reach, **settings)


CASE = Case(
    make=lambda: GradientReach(length=31),
    touch=lambda scope: scope.get_by_role("slider", name="steps back").press("ArrowRight"),
    texts=lambda text: drawn(text, "b", title=text),
    broken={
        "empty": (lambda: GradientReach(cells=[]), "There are no curves"),
        "nan": (lambda: drawn("a", value=math.nan), "NaN"),
    },
)
