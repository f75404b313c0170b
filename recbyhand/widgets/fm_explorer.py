"""The pair sum of a factorisation machine, pair by pair and from two squares."""

from __future__ import annotations

import numpy as np
import traitlets

from recbyhand.widgets import svg
from recbyhand.widgets.base import Floats, Widget

MOST_FIELDS, MOST_DIMS = 8, 6


class FMExplorer(Widget):
    r"""Every pair's inner product in a triangle, beside the identity that needs no pair.

        FMExplorer([[1.0, 0.5], [0.5, -1.0], [2.0, 1.0]], fields=["user", "film", "genre"])

    $\sum_{i<j} v_i \cdot v_j = \tfrac12 \sum_k \bigl[(\sum_i v_{ik})^2 - \sum_i v_{ik}^2\bigr]$, the same as
    `recbyhand.layers.FMInteraction(scalar=True)`. `vectors` (F, d), at most 8 by 6; every number can be
    changed in the drawing. `half=False` leaves the factor out: twice the sum. Wrong shapes raise
    `traitlets.TraitError`.
    """

    label = "FM explorer"

    vectors = Floats(ndim=2, help="One vector per field: (F, d), at most 8 by 6.")
    fields = traitlets.List(traitlets.Unicode(), help="Names of the fields; numbered if empty.").tag(
        sync=True
    )
    half = traitlets.Bool(True, help="Multiply by 1/2, as is right.").tag(sync=True)

    def __init__(
        self, vectors=((1.0, 0.5, -1.0), (0.5, 1.0, 1.0), (-1.0, 2.0, 0.5), (1.5, -0.5, 1.0)), **settings
    ):
        super().__init__(vectors=vectors, **settings)

    @traitlets.validate("vectors")
    def _shape(self, proposal):
        fields, dims = proposal.value.shape
        if fields > MOST_FIELDS or dims > MOST_DIMS:
            raise traitlets.TraitError(
                f"vectors may be at most {MOST_FIELDS} fields by {MOST_DIMS} dimensions, got {fields} by {dims}: "
                f"show a part of them, such as vectors[:{MOST_FIELDS}, :{MOST_DIMS}]"
            )
        return proposal.value

    def pair_sum(self) -> float:
        """The sum over pairs, from the two squares, with or without the factor."""
        v = np.asarray(self.vectors, np.float64)
        return float((0.5 if self.half else 1.0) * ((v.sum(0) ** 2) - (v**2).sum(0)).sum())

    def names(self) -> list[str]:
        own = list(self.fields)
        return [own[i] if i < len(own) and own[i] else f"field {i + 1}" for i in range(len(self.vectors))]

    def problem(self) -> str:
        if not self.vectors.size:
            return "There are no vectors: give at least one field and one dimension."
        if not np.isfinite(self.vectors).all():
            return "The vectors hold NaN or infinity: their products are not numbers."
        if len(self.vectors) < 2:
            return "One field has no pair: give at least two vectors."
        return ""

    def describe(self) -> str:
        if self.problem():
            return super().describe()
        fields, dims = self.vectors.shape
        return f"Inner products of every two of {fields} vectors of size {dims}; they sum to {self.pair_sum():.3f}."

    def static(self) -> str:
        v, names, size, left = np.asarray(self.vectors, np.float64), self.names(), 62, 110
        if self.problem():
            return self.nothing()
        products = v @ v.T
        most = np.abs(products[np.triu_indices(len(v), 1)]).max() or 1.0
        marks = []
        for i in range(len(v) - 1):
            marks.append(svg.text(left - 8, 60 + i * 34, svg.short(names[i], 14), text_anchor="end"))
            for j in range(i + 1, len(v)):
                x, y = left + (j - 1) * size, 40 + i * 34
                color = svg.COLORS[0] if products[i, j] >= 0 else svg.COLORS[1]
                share = 0.45 * abs(products[i, j]) / most
                marks.append(svg.rect(x, y, size - 3, 31, fill=color, opacity=float(share)))
                marks.append(svg.text(x + 29, y + 20, f"{products[i, j]:.2f}", text_anchor="middle"))
        for j in range(1, len(v)):
            marks.append(
                svg.text(left + (j - 1) * size + 29, 30, svg.short(names[j], 8), text_anchor="middle")
            )
        bottom = 40 + 34 * (len(v) - 1) + 24
        marks.append(
            svg.text(8, bottom, f"sum of the pairs {self.pair_sum() * (1 if self.half else 0.5):.3f}")
        )
        return svg.drawing(max(left + size * (len(v) - 1) + 10, 260), bottom + 14, marks, self.describe())
