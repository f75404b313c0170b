"""Sinusoidal positions: the table, one row, dot products by distance, and the sum of two positions."""

from __future__ import annotations

import numpy as np
import traitlets

from recbyhand.widgets import svg
from recbyhand.widgets.base import Widget, number


class PositionExplorer(Widget):
    r"""The positional encoding of the Transformer, to be turned in every direction.

        PositionExplorer(length=50, dim=32, base=10000, position=10)

    $PE(p, 2i) = \sin(p / b^{2i/d})$, $PE(p, 2i+1) = \cos(p / b^{2i/d})$, as `recbyhand.layers.PositionalEncoding`.
    The dot product of two positions depends on their distance alone; $PE(M+N)$ follows from $PE(M)$ and $PE(N)$
    by the rules of sine and cosine, with $\cos(M+N) = \cos M \cos N - \sin M \sin N$: `sign="plus"` shows the
    misprint. `dim` is even. Wrong values raise `traitlets.TraitError`.
    """

    label = "Position explorer"

    length = traitlets.Int(50, min=2, max=200, help="Number of positions.").tag(sync=True)
    dim = traitlets.Int(32, min=2, max=64, help="Size d of the encoding, even.").tag(sync=True)
    base = number(10_000.0, 2, 1e5, "The base b of the wavelengths.")
    position = traitlets.Int(10, min=0, help="The chosen position M.").tag(sync=True)
    offset = traitlets.Int(5, min=0, help="What is added to it, N.").tag(sync=True)
    sign = traitlets.Enum(("minus", "plus"), "minus", help="The sign in cos(M + N).").tag(sync=True)

    @traitlets.validate("dim")
    def _even(self, proposal):
        if proposal.value % 2:
            raise traitlets.TraitError(f"dim must be even (a sine and a cosine each), got {proposal.value}")
        return proposal.value

    @traitlets.validate("position", "offset")
    def _inside(self, proposal):
        if proposal.value >= self.length:
            raise traitlets.TraitError(
                f"{proposal.trait.name} must be below length = {self.length}, got {proposal.value}"
            )
        return proposal.value

    def encoding(self) -> np.ndarray:
        """The table (length, dim)."""
        angle = np.arange(self.length)[:, None] / self.base ** (np.arange(0, self.dim, 2) / self.dim)
        return np.stack([np.sin(angle), np.cos(angle)], axis=2).reshape(self.length, self.dim)

    def describe(self) -> str:
        return (
            f"Sinusoidal encodings of {self.length} positions in {self.dim} dimensions, base {self.base:g}."
        )

    def static(self) -> str:
        pe = self.encoding()
        x, y, width, height = 40, 30, 560, 220
        marks = [
            svg.pixels(x, y, width, height, np.clip(pe, 0, 1)),
            svg.pixels(x, y, width, height, np.clip(-pe, 0, 1), svg.COLORS[1]),
            svg.rect(x, y, width, height, fill="none", stroke=svg.INK, opacity=0.4),
            svg.text(x, 20, "position (rows) by dimension (columns): blue is positive, orange negative"),
            svg.text(x - 6, y + 12, "0", text_anchor="end"),
            svg.text(x - 6, y + height, str(self.length - 1), text_anchor="end"),
            svg.text(x, y + height + 16, "0"),
            svg.text(x + width, y + height + 16, str(self.dim - 1), text_anchor="end"),
        ]
        return svg.drawing(620, 276, marks, self.describe())
