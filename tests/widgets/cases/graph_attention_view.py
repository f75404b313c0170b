import math

import numpy as np

from recbyhand.widgets import GraphAttentionView

from ..harness import Case

LONG = "a title of sixty letters, which is as long as they get"


def largest() -> GraphAttentionView:
    rng = np.random.default_rng(0)
    return GraphAttentionView(
        rng.normal(size=(12, 4)),
        values=rng.normal(size=(12, 4)),
        centre="User 7 of many, with a long name",
        neighbours=[f"Film {i}: {LONG}" for i in range(12)],
        inner_of=np.repeat(np.arange(12), 4),
        inner=[f"User {i}: {LONG}" for i in range(48)],
        inner_logits=rng.normal(size=(48, 4)),
        inner_values=rng.normal(size=(48, 4, 4)),
        rings=["likes", "liked by"],
    )


CASE = Case(
    make=largest,
    touch=lambda scope: scope.get_by_role("application").press("ArrowDown"),
    texts=lambda text: GraphAttentionView(
        [[1.0, 0], [0.5, 0.5]],
        values=[[1, 0], [0, 1]],
        centre=text,
        neighbours=[text, text * 3],
        inner_of=[0],
        inner=[text],
        inner_logits=[[1.0]],
        rings=[text, text],
        score_name=text,
        title=text,
    ),
    broken={
        "empty": (lambda: GraphAttentionView([]), "There are no edges"),
        "no head": (lambda: GraphAttentionView(np.zeros((3, 0))), "There are no edges"),
        "nan": (lambda: GraphAttentionView([1.0, math.nan]), "NaN"),
        "infinite": (lambda: GraphAttentionView([1.0, 2.0], values=[1.0, math.inf]), "NaN"),
    },
)
