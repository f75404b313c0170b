"""Sigmoid to Dice: the curves, their derivatives, and the batch that moves Dice's gate."""

from __future__ import annotations

import numpy as np
import traitlets

from recbyhand.widgets import svg
from recbyhand.widgets.base import Floats, Widget, number

FUNCTIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "prelu", "rrelu", "dice")


class ActivationCurves(Widget):
    r"""Activations and their derivatives; for Dice, the batch of pre-activations its gate slides over.

        ActivationCurves(functions=["prelu", "dice"], mean=1.0, spread=0.5)
        ActivationCurves(values=layer_output[:, 3])      # your own pre-activations of one channel

    Dice is $p(s)\,s + (1 - p(s))\,\alpha\,s$ with $p(s) = \mathrm{sigmoid}((s - E) / \sqrt{Var + \epsilon})$,
    E and Var from the batch while `training`, else `running_mean` and `running_var`; the derivative shown
    holds both fixed. RReLU shows the band of its random slopes while training, else its mean slope.
    Same mathematics as `recbyhand.layers.Dice` and torch. Wrong values raise `traitlets.TraitError`.
    """

    label = "Activation curves"

    functions = traitlets.List(
        traitlets.Enum(FUNCTIONS), ["prelu", "dice"], help=f"The curves drawn, of {', '.join(FUNCTIONS)}."
    ).tag(sync=True)
    show_derivative = traitlets.Bool(True, help="Draw the derivatives too.").tag(sync=True)
    s = number(1.0, -6, 6, "The pre-activation whose values are listed.")
    leaky_slope = number(0.01, 0, 0.5, "LeakyReLU's slope below 0: fixed.")
    prelu_alpha = number(0.25, -0.5, 1.5, "PReLU's slope below 0: learned.")
    lower = number(1 / 8, 0, 1, "RReLU's lowest random slope.")
    upper = number(1 / 3, 0, 1, "RReLU's highest random slope.")
    dice_alpha = number(0.25, -0.5, 1.5, "Dice's slope where the gate is closed: learned, one per channel.")
    values = Floats(
        ndim=1, help="A batch of pre-activations (B,) of one channel; a normal sample if not given."
    )
    mean = number(0.0, -4, 4, "The batch is shifted to this mean.")
    spread = number(1.0, 0, 4, "The batch is stretched to this standard deviation; 0 makes it constant.")
    epsilon = number(1e-8, 1e-9, 1, "Keeps the division finite where the batch is constant.")
    training = traitlets.Bool(True, help="Normalise by the batch (True) or by the running averages.").tag(
        sync=True
    )
    running_mean = traitlets.Float(0.0, help="Running average of the batch means.").tag(sync=True)
    running_var = traitlets.Float(1.0, min=0, help="Running average of the batch variances.").tag(sync=True)
    pushed = traitlets.Int(0, min=0, help="Batches pushed through while training.").tag(sync=True)

    def __init__(self, **settings):
        if "values" not in settings:
            z = np.random.default_rng(0).standard_normal(64)
            settings["values"] = (z - z.mean()) / z.std()
        super().__init__(**settings)
        # A reader's own batch keeps its mean and spread until a slider moves it.
        own = np.asarray(self.values, np.float64)
        if own.size and np.isfinite(own).all():
            if "mean" not in settings:
                self.mean = round(float(np.clip(own.mean(), -4, 4)), 6)
            if "spread" not in settings:
                self.spread = round(float(np.clip(own.std(), 0, 4)), 6)

    @traitlets.validate("running_mean", "running_var")
    def _finite(self, proposal):
        if not np.isfinite(proposal.value):
            raise traitlets.TraitError(f"{proposal.trait.name} must be finite, got {proposal.value}")
        return proposal.value

    def curve(self, name: str, s: np.ndarray) -> np.ndarray:
        """f(s) of one activation at this widget's settings (RReLU by its mean slope)."""
        if name == "sigmoid":
            return 1 / (1 + np.exp(-s))
        if name == "tanh":
            return np.tanh(s)
        if name == "dice":
            moments = (self.mean, self.spread**2) if self.training else (self.running_mean, self.running_var)
            scaled = (s - moments[0]) / np.sqrt(moments[1] + self.epsilon)
            p = 1 / (1 + np.exp(-np.clip(scaled, -500, 500)))
            return p * s + (1 - p) * self.dice_alpha * s
        slope = {
            "relu": 0.0,
            "leaky_relu": self.leaky_slope,
            "prelu": self.prelu_alpha,
            "rrelu": (self.lower + self.upper) / 2,
        }
        return np.where(s > 0, s, slope[name] * s)

    def problem(self) -> str:
        if not self.functions:
            return "No activation is chosen: press one of the names above."
        if "dice" in self.functions and not self.values.size:
            return "The batch is empty: Dice needs at least one pre-activation."
        if "dice" in self.functions and not np.isfinite(self.values).all():
            return "The batch holds NaN or infinity: Dice of it is not a number."
        return ""

    def describe(self) -> str:
        if self.problem():
            return super().describe()
        return f"Curves of {', '.join(self.functions) or 'no activation'} for s from -6 to 6."

    def static(self) -> str:
        if self.problem():
            return self.nothing()
        width, height, low, high = 640, 260, -2.5, 6.0

        def x(v):
            return 40 + (v + 6) / 12 * (width - 60)

        def y(v):
            return height - 30 - (np.clip(v, low, high) - low) / (high - low) * (height - 50)

        marks = [
            svg.line(x(-6), y(0), x(6), y(0), opacity=0.4),
            svg.line(x(0), y(low), x(0), y(high), opacity=0.4),
        ]
        marks += [svg.text(x(v), height - 12, f"{v:g}", text_anchor="middle") for v in range(-6, 7, 2)]
        marks += [svg.text(32, y(v) + 4, f"{v:g}", text_anchor="end") for v in (-2, 0, 2, 4, 6)]
        s = np.linspace(-6, 6, 121)
        for i, name in enumerate(self.functions):
            color = svg.COLORS[FUNCTIONS.index(name)]
            marks.append(svg.path(zip(x(s), y(self.curve(name, s)), strict=True), stroke=color))
            marks.append(svg.text(56, 28 + 18 * i, name, fill=color, font_weight=600))
        return svg.drawing(width, height, marks, self.describe())
