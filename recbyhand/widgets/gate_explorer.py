"""A recurrent cell step by step: what its gates let through, unit by unit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import traitlets
from torch import nn

from recbyhand.layers.recurrence import AUGRU, AUGRUCell, GRUCell, LSTMCell, RNNCell
from recbyhand.widgets import svg
from recbyhand.widgets.base import Floats, Widget

MOST_STEPS, MOST_UNITS = 20, 16
CELLS = {"rnn": RNNCell, "gru": GRUCell, "lstm": LSTMCell, "augru": AUGRUCell}
GATES = {"rnn": 1, "gru": 3, "lstm": 4, "augru": 3}  # blocks of rows in a cell's weights
NAMES = {"rnn": "RNN", "gru": "GRU", "lstm": "LSTM", "augru": "AUGRU"}


def packed(layer: nn.Module) -> tuple[str, np.ndarray]:
    """Name and weights of a cell, side by side: [W_ih, b_ih, W_hh, b_hh], (gates d_h, d_in + 1 + d_h + 1).

    Takes the package's cells and `AUGRU`, and torch's `RNN`, `GRU`, `LSTM` (one layer, one direction) and
    their cells. Any other layer raises `traitlets.TraitError`.
    """
    layer = layer.cell if isinstance(layer, AUGRU) else layer
    if getattr(layer, "replace", False):
        raise traitlets.TraitError(
            "the widget draws AUGRU; this layer is an AGRU: make it with replace=False"
        )
    name = next((name for name, kind in CELLS.items() if isinstance(layer, kind)), None)
    if name:
        parts = [layer.ih.weight, layer.ih.bias, layer.hh.weight, layer.hh.bias]
    else:
        name = type(layer).__name__.lower().removesuffix("cell")
        if (
            not isinstance(layer, (nn.RNNBase, nn.RNNCellBase))
            or getattr(layer, "nonlinearity", "tanh") != "tanh"
        ):
            raise traitlets.TraitError(
                f"cannot step through {type(layer).__name__}: pass an RNN (tanh), GRU, LSTM or AUGRU of "
                "recbyhand.layers or torch.nn"
            )
        if isinstance(layer, nn.RNNBase) and (layer.num_layers > 1 or layer.bidirectional or layer.proj_size):
            raise traitlets.TraitError(
                "the widget steps through one layer in one direction, without a projection: copy the weights "
                "of that layer into a cell of its own and pass the cell"
            )
        end = "_l0" if isinstance(layer, nn.RNNBase) else ""
        zero = torch.zeros(len(getattr(layer, f"weight_ih{end}")))
        parts = [getattr(layer, n + end, None) for n in ("weight_ih", "bias_ih", "weight_hh", "bias_hh")]
        parts = [zero if part is None else part for part in parts]  # bias=False
    columns = [p.detach().cpu().float().reshape(len(p), -1) for p in parts]
    return name, torch.cat(columns, dim=1).numpy()


def demo() -> dict:
    """Random cells of all four kinds, one random history and its attention."""
    draw = np.random.default_rng(3)
    steps, d_in, d_h = 8, 4, 6
    given = {
        name: draw.normal(0, 0.4 if name == "rnn" else 1.1, (gates * d_h, d_in + 1 + d_h + 1)).round(2)
        for name, gates in GATES.items()
    }
    # With all attention 1 the AUGRU is the GRU: its update gate is the same one, written the other way round.
    z = given["gru"][d_h : 2 * d_h]
    given["augru"] = np.concatenate([-z, given["gru"][:d_h], given["gru"][2 * d_h :]])
    return {
        **given,
        "inputs": draw.normal(0, 1, (steps, d_in)).round(2),
        "attention": [0.1, 0.9, 0.05, 0.5, 1, 0, 0.3, 0.8],
    }


class GateExplorer(Widget):
    r"""A recurrent cell over one history: at each step its gates, its candidate and its state, unit by unit.

        GateExplorer()                                               # random cells of all four kinds
        GateExplorer.of(layer, inputs, titles=titles)                # a trained cell; inputs (L, d_in)
        GateExplorer.of([gru, augru], inputs, attention=a)           # several, to switch between

    The recurrences are those of `recbyhand.layers` (`RNNCell`, `GRUCell`, `LSTMCell`, `AUGRUCell`), from a zero
    state. AUGRU: $h' = (1 - a u) h + a u n$; with attention $a = 1$ that is a GRU whose update gate is written
    the other way round, $u = 1 - z$; with $a = 0$ the state is kept. The attention of a step can be dragged.
    `inputs` (L, d_in) with L at most 20 and d_in at most 16; states of at most 16 units. A cell's weights are
    `[W_ih, b_ih, W_hh, b_hh]` side by side, as `packed(layer)` gives them. Wrong shapes and a cell without
    weights raise `traitlets.TraitError`.
    """

    label = "Gate explorer"

    inputs = Floats(ndim=2, help="The history (L, d_in), oldest first; at most 20 by 16.")
    cell = traitlets.Enum(
        tuple(GATES), "gru", help='The cell that is stepped through: "rnn", "gru", "lstm" or "augru".'
    ).tag(sync=True)
    rnn = Floats(ndim=2, help="Weights of the RNN, [W_ih, b_ih, W_hh, b_hh]; empty: not offered.")
    gru = Floats(ndim=2, help="Weights of the GRU, blocks of rows r, z, n.")
    lstm = Floats(ndim=2, help="Weights of the LSTM, blocks of rows i, f, g, o.")
    augru = Floats(ndim=2, help="Weights of the AUGRU, blocks of rows u, r, n.")
    attention = Floats(help="AUGRU's attention to each step (L,), in [0, 1]; empty: 1 everywhere.")
    titles = traitlets.List(traitlets.Unicode(), help="Titles of the L events; numbered if empty.").tag(
        sync=True
    )
    step = traitlets.Int(0, min=0, help="The chosen step, counted from 0.").tag(sync=True)
    unit = traitlets.Int(0, min=0, help="The chosen unit of the state, counted from 0.").tag(sync=True)

    def __init__(self, inputs=None, **settings):
        if inputs is None and not set(settings) & set(GATES):
            settings = {**demo(), **settings}
        elif inputs is not None:
            settings["inputs"] = inputs
        offered = [name for name in GATES if len(settings.get(name, ()))]
        if offered and "gru" not in offered:
            settings.setdefault("cell", offered[0])
        super().__init__(**settings)

    @classmethod
    def of(
        cls,
        layer: nn.Module | Sequence[nn.Module],
        inputs,
        attention=None,
        titles: Sequence[str] | None = None,
        **settings,
    ) -> GateExplorer:
        """A widget of one cell or layer, or of several of different kinds; the weights are copied.

        inputs (L, d_in), attention (L,) or None. The first layer is shown first.
        """
        layers = [packed(one) for one in ([layer] if isinstance(layer, nn.Module) else layer)]
        if attention is not None:
            settings["attention"] = attention
        if layers:
            settings.setdefault("cell", layers[0][0])
        return cls(inputs, titles=list(titles or ()), **dict(layers), **settings)

    @traitlets.validate("inputs", "cell", *GATES, "attention", "titles", "step")
    def _fits(self, proposal):
        name, value = proposal.trait.name, proposal.value
        now = {n: value if n == name else getattr(self, n) for n in ("inputs", "cell", "attention", "titles")}
        steps, d_in = now["inputs"].shape
        if steps > MOST_STEPS or d_in > MOST_UNITS:
            raise traitlets.TraitError(
                f"inputs of shape {now['inputs'].shape} are more than a reader can follow: pass at most "
                f"{MOST_STEPS} steps of {MOST_UNITS} numbers, such as inputs[-{MOST_STEPS}:]"
            )
        for kind, gates in GATES.items():
            weights = value if name == kind else getattr(self, kind)
            units = len(weights) // gates
            if weights.size and (len(weights) % gates or weights.shape[1] != d_in + units + 2):
                raise traitlets.TraitError(
                    f"{kind} weights of shape {weights.shape} do not fit inputs of size {d_in}: pass "
                    f"[W_ih, b_ih, W_hh, b_hh] side by side, ({gates} d_h, {d_in} + 1 + d_h + 1), or use "
                    "GateExplorer.of(layer, inputs)"
                )
            if units > MOST_UNITS:
                raise traitlets.TraitError(
                    f"a state of {units} units is too wide to draw: show a cell of at most {MOST_UNITS}"
                )
            if kind == now["cell"] and not weights.size and steps:
                offered = [k for k in GATES if k != kind and getattr(self, k).size]
                raise traitlets.TraitError(
                    f'no weights were given for cell="{kind}": pass {kind}=..., or choose one of {offered}'
                )
        a = now["attention"]
        if a.size and len(a) != steps:
            raise traitlets.TraitError(f"{len(a)} attention weights for {steps} steps: pass {steps}, or none")
        if a.size and not ((a >= 0) & (a <= 1)).all():
            raise traitlets.TraitError(f"attention must lie in [0, 1], got {a.min():g} to {a.max():g}")
        if now["titles"] and len(now["titles"]) != steps:
            raise traitlets.TraitError(
                f"{len(now['titles'])} titles for {steps} steps: pass {steps}, or none"
            )
        if name == "step" and value >= max(1, steps):
            raise traitlets.TraitError(f"step must be below the number of steps, {steps}; got {value}")
        return value

    @torch.no_grad()
    def states(self) -> np.ndarray:
        """The state after every step (L, d_h), by the package's cell in double precision."""
        weights, d_in = torch.tensor(np.array(getattr(self, self.cell))).double(), self.inputs.shape[1]
        d_h = len(weights) // GATES[self.cell]
        cell = CELLS[self.cell](d_in, d_h).double()
        w_ih, b_ih, w_hh, b_hh = weights.split([d_in, 1, d_h, 1], dim=1)
        cell.load_state_dict(
            {"ih.weight": w_ih, "ih.bias": b_ih[:, 0], "hh.weight": w_hh, "hh.bias": b_hh[:, 0]}
        )
        h = c = torch.zeros(1, d_h, dtype=torch.float64)
        states = []
        a = self.attention if self.attention.size else np.ones(len(self.inputs))
        for x_t, a_t in zip(np.array(self.inputs, np.float64), a):
            x = torch.tensor(x_t)[None]
            if self.cell == "lstm":
                h, c = cell(x, h, c)
            elif self.cell == "augru":
                h = cell(x, h, torch.tensor([float(a_t)], dtype=torch.float64))
            else:
                h = cell(x, h)
            states.append(h[0].numpy())
        return np.array(states).reshape(-1, d_h)

    def problem(self) -> str:
        if not self.inputs.size or not getattr(self, self.cell).size:
            return "There is no history: give at least one step."
        if not (np.isfinite(self.inputs).all() and np.isfinite(getattr(self, self.cell)).all()):
            return "The inputs or the weights hold NaN or infinity."
        return ""

    def describe(self) -> str:
        if self.problem():
            return super().describe()
        units = len(getattr(self, self.cell)) // GATES[self.cell]
        kind = "An" if self.cell != "gru" else "A"
        return f"{kind} {NAMES[self.cell]} with {units} units over a history of {len(self.inputs)} events."

    def static(self) -> str:
        if self.problem():
            return self.nothing()
        states = self.states()
        steps, units = states.shape
        left, top, w, hgt = 60, 34, 30.0, 16.0
        marks = [svg.text(left, 20, "state after each step: blue is positive, orange negative")]
        if self.cell == "augru":
            top += 60
            a = self.attention if self.attention.size else np.ones(steps)
            marks.append(svg.text(left - 8, top - 10, "attention", 11, text_anchor="end"))
            for t, v in enumerate(a.tolist()):
                height = 50 * v
                marks.append(svg.rect(left + t * w + 2, top - 6 - height, w - 4, height, fill=svg.COLORS[3]))
        across = states.T
        marks.append(svg.pixels(left, top, steps * w, units * hgt, np.clip(across, 0, 1)))
        marks.append(svg.pixels(left, top, steps * w, units * hgt, np.clip(-across, 0, 1), svg.COLORS[1]))
        marks.append(svg.rect(left, top, steps * w, units * hgt, fill="none", stroke=svg.INK, opacity=0.4))
        for t in range(steps):
            x = left + (t + 0.5) * w
            marks.append(svg.text(x, top + units * hgt + 16, str(t + 1), 11, text_anchor="middle"))
        for t, title in enumerate(self.titles):
            marks.append(
                svg.text(left, top + units * hgt + 38 + 16 * t, svg.short(f"{t + 1} {title}", 60), 11)
            )
        height = top + units * hgt + 30 + 16 * len(self.titles)
        return svg.drawing(max(420, left + steps * w + 12), height, marks, self.describe())
