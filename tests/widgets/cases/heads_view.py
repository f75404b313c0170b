import math

import numpy as np

from recbyhand.widgets import HeadsView

from ..harness import Case


def softmax(scores: np.ndarray) -> np.ndarray:
    raised = np.exp(scores - scores.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def largest() -> HeadsView:
    rng = np.random.default_rng(0)
    scores = np.where(np.tril(np.ones((51, 51))) > 0, rng.normal(0, 2, (8, 51, 51)), -np.inf)
    titles = [
        f"Film {i}: " + "a title of sixty letters, which is as long as they get"[:50] for i in range(51)
    ]
    return HeadsView(softmax(scores), titles=titles, contributions=rng.normal(size=8), rest=0.5)


CASE = Case(
    make=largest,
    touch=lambda scope: scope.get_by_role("application").press("ArrowUp"),
    texts=lambda text: HeadsView(
        [[[1.0, 0], [0.5, 0.5]]] * 2,
        titles=[text, text * 3],
        heads=[text, text * 2],
        contributions=[1, 2],
        score_name=text,
        title=text,
    ),
    broken={
        "empty": (lambda: HeadsView([]), "There are no weights"),
        "no event": (lambda: HeadsView(np.zeros((2, 0, 0))), "There are no weights"),
        "nan": (lambda: HeadsView([[[1.0, math.nan], [1, 0]]]), "NaN"),
        "all masked": (lambda: HeadsView(np.zeros((2, 3, 3))), "Every event is masked"),
        "masked by hand": (lambda: HeadsView([[[0.5, 0.5]]], mask=[0, 0]), "Every event is masked"),
    },
)
