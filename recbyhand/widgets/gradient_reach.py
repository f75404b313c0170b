"""How far back a recurrent cell hears: the gradient of its last state against distance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import torch
import traitlets
from torch import nn

from recbyhand.inspect.reach import CELLS, gradient_reach, state_gradient
from recbyhand.widgets import svg
from recbyhand.widgets.base import Floats, Widget

NAMES = {"rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}
MOST = 7  # curves that colours tell apart
FLOOR = 1e-8  # the lowest value drawn


class GradientReach(Widget):
    r"""$\lVert \partial h_T / \partial x_{T-k} \rVert$ against k on a logarithmic axis, a curve for each cell.

        GradientReach()                                       # fresh RNN, GRU and LSTM, over a range of scales
        GradientReach.of({"before": cell, "after": trained}, x)        # cells of your own; x (B, T, d_in)

    Computed in Python by autograd through `RNNCell`, `GRUCell` and `LSTMCell` (`recbyhand.inspect.gradient_reach`):
    for each of `scales`, the factor of the recurrent weights' orthogonal blocks, and each of `keeps`, the bias of
    the gate that keeps the state (z of the GRU, f of the LSTM). The browser chooses among these curves.
    Unknown names and wrong shapes raise `traitlets.TraitError`; a cell of another kind raises `TypeError`.
    """

    label = "Gradient reach"

    cells = traitlets.List(traitlets.Unicode(), help="Names of the C cells, at most 7.").tag(sync=True)
    scales = Floats(help="The S factors of the recurrent weights.")
    keeps = Floats(help="The K biases of the gate that keeps the state.")
    reach = Floats(ndim=4, help="The norms (C, K, S, T); entry k of the last axis is k steps back.")
    shown = traitlets.List(traitlets.Unicode(), help="The cells whose curves are drawn.").tag(sync=True)
    scale = traitlets.Int(0, min=0, help="Which of the scales, counted from 0.").tag(sync=True)
    keep = traitlets.Int(0, min=0, help="Which of the biases, counted from 0.").tag(sync=True)
    distance = traitlets.Int(10, min=0, help="The distance k that is read off.").tag(sync=True)
    relative = traitlets.Bool(False, help="Divide each curve by its value at k = 0.").tag(sync=True)

    def __init__(
        self,
        cells: Sequence[str] = ("rnn", "gru", "lstm"),
        *,
        length: int = 31,
        dim: int = 16,
        scales: Sequence[float] = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0),
        keeps: Sequence[float] = (0.0, 1.0, 2.0, 4.0),
        seed: int = 0,
        **settings,
    ):
        if "reach" not in settings:
            if unknown := [c for c in cells if c not in CELLS]:
                raise traitlets.TraitError(
                    f"unknown cells {unknown}: choose among {list(CELLS)}, or pass your own to "
                    "GradientReach.of({name: cell}, x)"
                )
            curves = [
                [[_curve(c, length, dim, s, 0.0 if c == "rnn" else b, seed) for s in scales] for b in keeps]
                for c in cells  # an RNN has no gate to bias
            ]
            settings["reach"] = curves if np.size(curves) else np.zeros((0, 0, 0, 0))
            if np.size(curves):
                settings.setdefault("scale", int(np.argmin(np.abs(np.asarray(scales) - 1))))
            cells = [NAMES[c] for c in cells]
        settings.setdefault("distance", min(10, max(0, np.shape(settings["reach"])[-1] - 1)))
        settings.setdefault("shown", list(cells))
        super().__init__(cells=list(cells), scales=scales, keeps=keeps, **settings)

    @classmethod
    def of(cls, cells: Mapping[str, nn.Module], x: torch.Tensor, **settings) -> GradientReach:
        """The curves of given cells (`RNNCell`, `GRUCell`, `LSTMCell`), over the sequences x (B, T, d_in)."""
        curves = [state_gradient(cell, x).double().numpy() for cell in cells.values()]
        reach = np.reshape(curves, (len(curves), 1, 1, -1)) if curves else np.zeros((0, 0, 0, 0))
        return cls(list(cells), scales=[1.0], keeps=[0.0], reach=reach, **settings)

    @traitlets.validate("cells", "scales", "keeps", "reach", "shown", "scale", "keep", "distance")
    def _fits(self, proposal):
        name, value = proposal.trait.name, proposal.value
        now = {
            n: value if n == name else getattr(self, n)
            for n in ("cells", "scales", "keeps", "reach", "shown")
        }
        C, K, S, T = now["reach"].shape
        if len(set(now["cells"])) < len(now["cells"]):
            raise traitlets.TraitError(f"a name stands twice among the cells {now['cells']}: pass each once")
        if len(now["cells"]) > MOST:
            raise traitlets.TraitError(
                f"{len(now['cells'])} curves are too many to tell apart: pass at most {MOST}"
            )
        if now["reach"].size and (C, K, S) != tuple(len(now[n]) for n in ("cells", "keeps", "scales")):
            raise traitlets.TraitError(
                f"reach of shape {now['reach'].shape} does not fit {len(now['cells'])} cells, {len(now['keeps'])} "
                f"keeps and {len(now['scales'])} scales: pass (cells, keeps, scales, length)"
            )
        if strange := [c for c in now["shown"] if c not in now["cells"]]:
            raise traitlets.TraitError(f"no curve is named {strange[0]!r}: choose among {now['cells']}")
        most = {"scale": S, "keep": K, "distance": T}.get(name)
        if most is not None and value >= max(1, most):
            raise traitlets.TraitError(f"{name} counts from 0 and must be below {most}, got {value}")
        return value

    def problem(self) -> str:
        if not self.reach.size:
            return "There are no curves: give at least one cell and one step."
        if not np.isfinite(self.reach).all():
            return "The gradients hold NaN or infinity: make the weights smaller."
        return ""

    def describe(self) -> str:
        if self.problem():
            return super().describe()
        length = self.reach.shape[-1]
        return f"Gradient of the last state against distance, 0 to {length - 1} steps back, of {', '.join(self.cells)}."

    def static(self) -> str:
        if self.problem():
            return self.nothing()
        curves = np.log10(np.maximum(self.reach[:, self.keep, self.scale], FLOOR))  # (C, T)
        left, top, width, height = 52, 34, 500, 220
        low, high = np.floor(curves.min()), np.ceil(max(curves.max(), curves.min() + 1))
        marks = [svg.text(left, 20, "norm of the last state's gradient against distance (steps back)")]

        def at(k, v):
            x = left + width * k / max(1, curves.shape[1] - 1)
            return x, top + height * (high - v) / (high - low)

        for power in np.arange(low, high + 1, max(1, (high - low) // 4)):
            y = at(0, power)[1]
            marks.append(svg.line(left, y, left + width, y, opacity=0.2))
            marks.append(svg.text(left - 8, y + 4, f"1e{power:.0f}", 11, text_anchor="end"))
        for i, (name, curve) in enumerate(zip(self.cells, curves)):
            if name in self.shown:
                marks.append(svg.path([at(k, v) for k, v in enumerate(curve)], stroke=svg.COLORS[i]))
            marks.append(
                svg.text(left + width + 10, top + 14 + 18 * i, svg.short(name, 16), fill=svg.COLORS[i])
            )
        for k in (0, curves.shape[1] - 1):
            marks.append(svg.text(at(k, low)[0], top + height + 16, str(k), 11, text_anchor="middle"))
        return svg.drawing(left + width + 130, top + height + 26, marks, self.describe())


@lru_cache(maxsize=256)
def _curve(cell: str, length: int, dim: int, scale: float, keep: float, seed: int) -> np.ndarray:
    return gradient_reach(cell, length, dim, scale, keep, seed=seed).numpy()
