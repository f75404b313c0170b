import math

import numpy as np

from recbyhand.widgets import GateExplorer

from ..harness import Case

DRAW = np.random.default_rng(0)
INPUTS = DRAW.normal(size=(20, 16)).round(2)
AUGRU = DRAW.normal(0, 0.5, (48, 34)).round(2)
LSTM = DRAW.normal(0, 0.5, (64, 34)).round(2)
ATTENTION = DRAW.uniform(size=20).round(2)
LONG = [f"A film whose title runs to about sixty characters, part {t}" for t in range(20)]

CASE = Case(
    make=lambda: GateExplorer(
        INPUTS, augru=AUGRU, lstm=LSTM, cell="augru", attention=ATTENTION, titles=LONG, step=3
    ),
    touch=lambda scope: scope.get_by_role("slider").press("ArrowUp"),
    texts=lambda text: GateExplorer(title=text, titles=[text] * 8, cell="augru"),
    broken={
        "empty": (lambda: GateExplorer([]), "There is no history"),
        "nan": (lambda: GateExplorer([[math.nan, 1.0]], gru=np.zeros((3, 5))), "NaN"),
        "no weights": (lambda: GateExplorer(np.zeros((0, 4)), cell="lstm"), "There is no history"),
    },
)
