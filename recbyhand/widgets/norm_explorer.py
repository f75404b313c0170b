"""Batch norm against layer norm: which numbers are averaged with which."""

from __future__ import annotations

import numpy as np
import traitlets

from recbyhand.widgets import svg
from recbyhand.widgets.base import Floats, Widget, number

MOST = 8


class NormExplorer(Widget):
    r"""A small tensor (examples, features) normalised over the batch or over the features.

        NormExplorer([[1, 2, 3, 4], [2, 4, 6, 8], [0, 0, 1, 9]], norm="layer")

    $y = (x - \mu) / \sqrt{\sigma^2 + \epsilon}$ with mean and biased variance of each column (`norm="batch"`) or
    row (`norm="layer"`), without gain and shift: `recbyhand.layers.BatchNorm` in training and `LayerNorm` as
    they start. `values` (N, C), at most 8 by 8; every number can be changed in the drawing. Wrong shapes raise
    `traitlets.TraitError`.
    """

    label = "Norm explorer"

    values = Floats(ndim=2, help="The tensor (N, C), at most 8 by 8.")
    norm = traitlets.Enum(("batch", "layer"), "batch", help="Average each column, or each row.").tag(
        sync=True
    )
    epsilon = number(1e-5, 1e-8, 1, "Keeps the division finite where all values are equal.")
    rows = traitlets.List(traitlets.Unicode(), help="Names of the examples; numbered if empty.").tag(
        sync=True
    )
    columns = traitlets.List(traitlets.Unicode(), help="Names of the features; numbered if empty.").tag(
        sync=True
    )
    row = traitlets.Int(0, min=0, help="The chosen row.").tag(sync=True)
    column = traitlets.Int(0, min=0, help="The chosen column.").tag(sync=True)

    def __init__(self, values=((1, 2, 3, 4), (2, 4, 6, 8), (0, 0, 1, 9)), **settings):
        super().__init__(values=values, **settings)

    @traitlets.validate("values")
    def _shape(self, proposal):
        if max(proposal.value.shape) > MOST:
            raise traitlets.TraitError(
                f"values may be at most {MOST} by {MOST}, got {' by '.join(map(str, proposal.value.shape))}: "
                f"show a part of them, such as values[:{MOST}, :{MOST}]"
            )
        return proposal.value

    def normalised(self) -> np.ndarray:
        """The output (N, C) at the present settings."""
        x, axis = np.asarray(self.values, np.float64), 0 if self.norm == "batch" else 1
        return (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + self.epsilon)

    def problem(self) -> str:
        if not self.values.size:
            return "There are no values: give at least one row and one column."
        if not np.isfinite(self.values).all():
            return "The values hold NaN or infinity: they have no mean."
        return ""

    def describe(self) -> str:
        if self.problem():
            return super().describe()
        over = "each feature over the batch" if self.norm == "batch" else "each example over its features"
        return f"A tensor of {self.values.shape[0]} examples and {self.values.shape[1]} features, {over} normalised."

    def static(self) -> str:
        if self.problem():
            return self.nothing()
        marks, (n, c), size = [], self.values.shape, 58
        for block, (title, values) in enumerate((("input", self.values), ("output", self.normalised()))):
            left = 10 + block * (c * size + 40)
            marks.append(svg.text(left, 20, title))
            for i in range(n):
                for j in range(c):
                    lit = j == self.column if self.norm == "batch" else i == self.row
                    x, y = left + j * size, 30 + i * 32
                    marks.append(
                        svg.rect(x, y, size - 3, 29, fill=svg.COLORS[0], opacity=0.3 if lit else 0.06)
                    )
                    marks.append(svg.text(x + 27, y + 19, f"{values[i, j]:.2f}", text_anchor="middle"))
        return svg.drawing(50 + 2 * c * size, 40 + 32 * n, marks, self.describe())
