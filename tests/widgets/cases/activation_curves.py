import math

from recbyhand.widgets import ActivationCurves

from ..harness import Case

CASE = Case(
    make=lambda: ActivationCurves(
        functions=["sigmoid", "tanh", "relu", "leaky_relu", "prelu", "rrelu", "dice"]
    ),
    touch=lambda scope: scope.get_by_role("slider", name="look at s").press("ArrowRight"),
    texts=lambda text: ActivationCurves(title=text),
    broken={
        "no function": (lambda: ActivationCurves(functions=[]), "No activation is chosen"),
        "empty": (lambda: ActivationCurves(values=[]), "The batch is empty"),
        "nan": (lambda: ActivationCurves(values=[1.0, math.nan]), "NaN"),
        "infinite": (lambda: ActivationCurves(values=[1.0, math.inf]), "infinity"),
    },
)
