"""Which pairs of fields matter: AFM's weights as a matrix and as arcs."""

from __future__ import annotations

import math

import numpy as np
import traitlets

from recbyhand.widgets import svg
from recbyhand.widgets.base import Floats, Widget, floats, number

MOST_FIELDS, MOST_EXAMPLES = 20, 100


class PairAttention(Widget):
    r"""One weight for every two fields: a triangle of cells, or arcs from field to field.

        names = [field.name for field in task.schema.fields]
        PairAttention(model.attention(batch), fields=names, examples=["user 7, Heat", "user 9, Alien"])

    `weights` (N, P), or (P,) for one example, with $P = F (F - 1) / 2$ in the order of
    `recbyhand.layers.PairwiseInteraction.pairs(F)` and of `model.pairs` of an AFM: (0, 1), (0, 2), ..., (F - 2, F - 1).
    At most 20 fields and 100 examples. `marked` names pairs to point out, such as the planted ones in
    `truth.fields`. Wrong shapes and unknown names raise `traitlets.TraitError`.
    """

    label = "Pair attention"

    weights = Floats(ndim=2, help="Weights of the pairs: (N, P), P = F (F - 1) / 2, at most 20 fields.")
    fields = traitlets.List(traitlets.Unicode(), help="Names of the F fields; numbered if empty.").tag(
        sync=True
    )
    examples = traitlets.List(traitlets.Unicode(), help="Names of the N examples; numbered if empty.").tag(
        sync=True
    )
    marked = traitlets.List(
        traitlets.List(traitlets.Unicode()), help="Pairs to point out, each as two names of fields."
    ).tag(sync=True)
    example = traitlets.Int(0, min=-1, help="The example shown; -1: the mean of all.").tag(sync=True)
    view = traitlets.Enum(("matrix", "arcs"), "matrix", help="How the pairs are drawn.").tag(sync=True)
    sort = traitlets.Bool(False, help="Fields with the largest sum of weights first.").tag(sync=True)
    threshold = number(0.0, 0, 1, "Hide weights below this share of the largest.")
    pair = traitlets.Int(0, min=0, help="Number of the chosen pair.").tag(sync=True)

    def __init__(self, weights=(), **settings):
        weights = floats(weights, "weights needs an array of numbers (N, P)")
        if weights.ndim == 1 and len(weights):  # one example
            weights = [weights]
        if "marked" in settings:
            settings["marked"] = [list(pair) for pair in settings["marked"]]
        super().__init__(weights=weights, **settings)

    @traitlets.validate("weights", "fields", "examples", "marked")
    def _fits(self, proposal):
        name, value = proposal.trait.name, proposal.value
        given = {n: value if n == name else getattr(self, n) for n in self._fits_together}
        examples, pairs = given["weights"].shape
        count = (1 + math.isqrt(1 + 8 * pairs)) // 2
        if count * (count - 1) // 2 != pairs:
            raise traitlets.TraitError(
                f"{pairs} weights are not one for every two of some fields (1, 3, 6, 10, 15, ...): pass (N, P) with "
                "P = F (F - 1) / 2, such as model.attention(batch) of an AFM"
            )
        if count > MOST_FIELDS or examples > MOST_EXAMPLES:
            raise traitlets.TraitError(
                f"{examples} examples of {count} fields are more than a reader can see: at most {MOST_EXAMPLES} and "
                f"{MOST_FIELDS}; pass weights[:{MOST_EXAMPLES}], or their mean over the examples, weights.mean(0)"
            )
        if pairs and given["fields"] and len(given["fields"]) != count:
            raise traitlets.TraitError(
                f"{len(given['fields'])} fields for {pairs} weights: pass {count} names, or none"
            )
        if given["examples"] and len(given["examples"]) != examples:
            raise traitlets.TraitError(
                f"{len(given['examples'])} examples for weights of shape {given['weights'].shape}: pass {examples} "
                "names, or none"
            )
        for pair in given["marked"]:
            if (
                len(pair) != 2
                or pair[0] == pair[1]
                or not set(pair) <= set(self._names(given["fields"], count))
            ):
                raise traitlets.TraitError(
                    f"marked holds {pair!r}: pass pairs of two different fields, of "
                    f"{self._names(given['fields'], count)}"
                )
        return value

    _fits_together = ("weights", "fields", "examples", "marked")

    @staticmethod
    def _names(fields, count: int) -> list[str]:
        return list(fields) or [f"field {i + 1}" for i in range(count)]

    def names(self) -> list[str]:
        """Names of the F fields."""
        return self._names(self.fields, (1 + math.isqrt(1 + 8 * self.weights.shape[1])) // 2)

    def pairs(self) -> list[tuple[str, str]]:
        """The P pairs by name, in the order of the weights."""
        names = self.names()
        return [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]

    def shown(self) -> np.ndarray:
        """(P,) weights of the chosen example, or the mean of all."""
        rows = self.weights.astype(np.float64)
        return rows.mean(0) if self.example < 0 else rows[min(self.example, len(rows) - 1)]

    def problem(self) -> str:
        if not self.weights.size:
            return "There is no pair: give the weights of at least two fields."
        if not np.isfinite(self.weights).all():
            return "The weights hold NaN or infinity: they cannot be drawn."
        return ""

    def describe(self) -> str:
        if self.problem():
            return super().describe()
        weights, pairs = self.shown(), self.pairs()
        top = int(weights.argmax())
        return (
            f"Weights of the {len(pairs)} pairs of {len(self.names())} fields; the largest, {weights[top]:.3f}, is of "
            f"{pairs[top][0]} × {pairs[top][1]}."
        )

    def static(self) -> str:
        if self.problem():
            return self.nothing()
        weights, names = self.shown(), self.names()
        count, reach = len(names), np.abs(weights).max() or 1.0
        w, hgt = max(14.0, min(54.0, 420 / count)), max(18.0, min(30.0, 420 / count))
        marked = {frozenset(pair) for pair in self.marked}
        marks = [svg.text(k * w + 6, (k + 0.65) * hgt, svg.short(names[k])) for k in range(count)]
        places = [(i, j) for i in range(count) for j in range(i + 1, count)]
        for (i, j), v in zip(places, weights, strict=True):
            x, y = i * w + 1, j * hgt + 1
            color = svg.COLORS[0] if v >= 0 else svg.COLORS[1]
            marks.append(svg.rect(x, y, w - 2, hgt - 2, fill=color, opacity=float(0.7 * abs(v) / reach)))
            edge = svg.COLORS[2] if {names[i], names[j]} in marked else svg.INK
            marks.append(
                svg.rect(
                    x, y, w - 2, hgt - 2, fill="none", stroke=edge, opacity=0.2 if edge == svg.INK else 1
                )
            )
            if w >= 34:
                marks.append(svg.text(x + w / 2 - 1, y + hgt / 2 + 3, f"{v:.2f}", 11, text_anchor="middle"))
        return svg.drawing((count - 1) * w + 210, count * hgt + 6, marks, self.describe())
