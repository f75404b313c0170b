"""Who attends to what: scores or weights as a matrix with titles."""

from __future__ import annotations

import numpy as np
import traitlets

from recbyhand.widgets import svg
from recbyhand.widgets.base import Floats, Widget, floats, number

MOST = 64


class AttentionHeatmap(Widget):
    r"""Queries by keys: a softmax of scores over each row, with titles, a mask and a temperature.

        AttentionHeatmap(scores, rows=targets, columns=history_titles, mask=batch.history_mask)
        AttentionHeatmap(model.attention(batch), softmax=False)     # weights that are normalised already

    $a_{ij} = \exp(s_{ij} / T) / \sum_{j' \text{ real}} \exp(s_{ij'} / T)$; masked weights are 0, and a row without any
    real column is all zeros, as in `recbyhand.layers.masked_softmax`. `scores` (Q, K), with Q and K at most 64;
    `mask` (Q, K) or (K,), True where real. Wrong shapes and labels raise `traitlets.TraitError`.
    """

    label = "Attention heatmap"

    scores = Floats(ndim=2, help="Scores, or weights if softmax is off: (Q, K), at most 64 by 64.")
    rows = traitlets.List(traitlets.Unicode(), help="Titles of the Q rows; numbered if empty.").tag(sync=True)
    columns = traitlets.List(traitlets.Unicode(), help="Titles of the K columns; numbered if empty.").tag(
        sync=True
    )
    row_name = traitlets.Unicode("query", help="What a row is.").tag(sync=True)
    column_name = traitlets.Unicode("key", help="What a column is.").tag(sync=True)
    mask = Floats(ndim=2, help="1 where a column is real for a row, 0 where it is masked; empty: all real.")
    use_mask = traitlets.Bool(True, help="Leave masked columns out of the softmax.").tag(sync=True)
    show_mask = traitlets.Bool(True, help="Hatch the masked cells.").tag(sync=True)
    softmax = traitlets.Bool(True, help="Show softmax weights; off: the scores as they are.").tag(sync=True)
    temperature = number(1.0, 0.1, 10, "Scores are divided by this before the softmax.")
    sort = traitlets.Enum(
        ("given", "row", "total"), "given", help="Order of the columns, largest first."
    ).tag(sync=True)
    row = traitlets.Int(0, min=0, help="The chosen row.").tag(sync=True)
    column = traitlets.Int(0, min=0, help="The chosen column.").tag(sync=True)

    def __init__(self, scores=(), **settings):
        mask = settings.pop("mask", None)
        if mask is not None:
            mask = floats(mask, "mask needs an array of numbers (rows, columns)")
            if mask.ndim == 1:  # one mask for all rows
                mask = np.tile(mask, (len(scores), 1))
            settings["mask"] = mask
        super().__init__(scores=scores, **settings)

    @traitlets.validate("scores", "mask", "rows", "columns")
    def _shapes(self, proposal):
        name, value = proposal.trait.name, proposal.value
        if name == "scores" and max(value.shape) > MOST:
            raise traitlets.TraitError(
                f"scores of shape {value.shape} are more than a reader can see: pass at most {MOST} rows and columns, "
                f"such as scores[:{MOST}, :{MOST}]"
            )
        shape = value.shape if name == "scores" else self.scores.shape
        mask = value if name == "mask" else self.mask
        if mask.size and mask.shape != shape:
            raise traitlets.TraitError(
                f"mask of shape {mask.shape} does not fit scores of shape {shape}: pass (Q, K) or (K,); to change "
                "several at once, set them inside `with widget.hold_trait_notifications():`"
            )
        for axis, labels in enumerate(("rows", "columns")):
            given = value if name == labels else getattr(self, labels)
            if given and len(given) != shape[axis]:
                raise traitlets.TraitError(
                    f"{len(given)} {labels} for scores of shape {shape}: pass {shape[axis]}, or none"
                )
        return value

    def real(self) -> np.ndarray:
        """(Q, K) bool: what is no padding. A score of minus infinity is a mask, however it came there."""
        real = ~np.isneginf(self.scores)
        return real & (self.mask > 0) if self.mask.size and self.use_mask else real

    def weights(self) -> np.ndarray:
        """What is drawn: (Q, K) weights, or scores where softmax is off; 0 where masked."""
        real = self.real()
        if not self.softmax or not self.scores.size:
            return np.where(real, self.scores, 0)
        scaled = np.where(real, self.scores.astype(np.float64) / self.temperature, -np.inf)
        top = scaled.max(1, keepdims=True)
        raised = np.exp(scaled - np.where(np.isfinite(top), top, 0))
        return raised / np.maximum(raised.sum(1, keepdims=True), 1e-300)

    def opacity(self) -> np.ndarray:
        """(Q, K) how opaque a cell is: the root of its weight, or its score over the largest, masked or not."""
        if self.softmax:
            return np.sqrt(self.weights())
        finite = self.scores[np.isfinite(self.scores)]
        return np.abs(self.weights()) / (np.abs(finite).max(initial=0) or 1)

    def problem(self) -> str:
        if not self.scores.size:
            return "There are no scores: give at least one row and one column."
        if np.isnan(self.scores).any() or np.isposinf(self.scores).any():
            return "The scores hold NaN or infinity: no weights can be drawn."
        if not self.real().any():
            return (
                f"Every {self.column_name} is masked: there is nothing to attend to, and all weights are 0."
            )
        return ""

    def describe(self) -> str:
        if self.problem():
            return super().describe()
        rows, columns = self.scores.shape
        what = "Softmax weights" if self.softmax else "Scores"
        return f"{what} of {rows} rows ({self.row_name}) over {columns} columns ({self.column_name})."

    def static(self) -> str:
        rows, columns = self.scores.shape
        if self.problem():
            return self.nothing()
        names = [list(self.rows) or [f"{self.row_name} {i + 1}" for i in range(rows)]]
        names.append(list(self.columns) or [f"{self.column_name} {j + 1}" for j in range(columns)])
        size = min(26.0, max(9.0, 460 / columns))
        left, top = (min(28, max(map(len, labels))) * 7.0 + 16 for labels in names)
        marks = [svg.pixels(left, top, columns * size, rows * size, self.opacity())]
        marks.append(
            svg.rect(left, top, columns * size, rows * size, fill="none", stroke=svg.INK, opacity=0.4)
        )
        every = int(np.ceil(11 / size))
        for i in range(0, rows, every):
            y = top + (i + 0.5) * size + 4
            marks.append(svg.text(left - 8, y, svg.short(names[0][i]), 11, text_anchor="end"))
        for j in range(0, columns, every):
            x, y = left + (j + 0.5) * size + 4, top - 8
            turned = f"rotate(-90 {x:.1f} {y:.1f})"
            marks.append(svg.text(x, y, svg.short(names[1][j]), 11, transform=turned))
        return svg.drawing(left + columns * size + 12, top + rows * size + 12, marks, self.describe())
