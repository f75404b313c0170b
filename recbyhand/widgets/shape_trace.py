"""A model's `forward`, line by line, with the shape of every tensor."""

from __future__ import annotations

import inspect

import traitlets

from recbyhand import models
from recbyhand.data.batch import Schema
from recbyhand.inspect import tracing
from recbyhand.models.base import Recommender
from recbyhand.models.graph_base import GraphModel
from recbyhand.widgets import svg
from recbyhand.widgets.base import Widget

TINTS = {"B": 0, "L": 1, "d": 2}  # the colour of an axis in svg.COLORS


class ShapeTrace(Widget):
    """The lines of a model's `forward`, and the shape of every tensor on them, for any B, L and d.

        ShapeTrace(rbh.models.DIN)
        ShapeTrace(rbh.models.FNN, task)           # with the fields of your data
        ShapeTrace(rbh.models.AFM(schema, dim=8))  # with the settings of this model

    `model` is a `Recommender` (instance, class, or the name of a packaged one), your own too; `task_or_schema` says
    which fields it has (by default the instance's, else two user and two item features). The model is built anew and
    run at ten sizes, and each axis becomes a formula in B (batch), L (history), d (embedding), F (fields), C (columns
    of ids), P (pairs), H (heads) and the model's own whole-number settings, which all ten must agree with; an axis
    that no formula fits is shown as it was recorded, with a question mark. Methods that `forward` calls on the model
    are walked through too. `shapes()` gives the same as data. Raises `traitlets.TraitError` for what is no model, or
    cannot be built or run at other sizes.
    """

    label = "Shape trace"

    model_name = traitlets.Unicode(help="Name of the model.").tag(sync=True)
    code = traitlets.List(help="The methods that ran: name, and rows of source.").tag(sync=True)
    steps = traitlets.List(help="The rows with tensors, in the order they were completed.").tag(sync=True)
    letters = traitlets.Dict(help="Sizes that stand still: fields, pairs, settings.").tag(sync=True)
    moving = traitlets.List(traitlets.Unicode(), help="Which of B, L, d some shape depends on.").tag(
        sync=True
    )
    unit = traitlets.Int(1, min=1, help="d is a multiple of this (2 H, say).").tag(sync=True)
    B = traitlets.Int(32, min=1, max=256, help="Examples in the batch.").tag(sync=True)
    L = traitlets.Int(20, min=1, max=100, help="Length of the histories.").tag(sync=True)
    d = traitlets.Int(16, min=1, max=128, help="Size of an embedding.").tag(sync=True)
    step = traitlets.Int(0, min=0, help="The present step.").tag(sync=True)

    def __init__(self, model="MatrixFactorization", task_or_schema=None, **settings):
        cls, given, schema = _model(model, task_or_schema)
        try:
            given = cls(schema).settings if given is None else given
            trace = tracing.Family(cls, given, schema).trace(int(settings.get("B", 32)))
        except Exception as error:
            raise traitlets.TraitError(
                f"{cls.__name__} cannot be traced: it is built anew from a schema and its settings and run at several "
                f"sizes, and this failed with {type(error).__name__}: {error}"
            ) from error
        if not trace.steps:
            raise traitlets.TraitError(f"{cls.__name__}.forward handles no tensor: there is no shape to show")
        dim = given.get("dim") if type(given.get("dim")) is int else 16
        found = {"L": min(100, schema.history), "d": min(128, dim), "model_name": cls.__name__}
        found |= {"code": _as_listed(cls, trace.code), "steps": trace.steps, "letters": trace.letters}
        super().__init__(**{**found, "moving": trace.moving, "unit": trace.unit, **settings})

    @traitlets.validate("step")
    def _within(self, proposal):
        if proposal.value >= max(1, len(self.steps)):
            raise traitlets.TraitError(f"step must be below {len(self.steps)}, the number of steps")
        return proposal.value

    def sizes(self, **sizes: int) -> dict[str, int]:
        """Every letter's value, at the present B, L and d or those given."""
        now = {**self.letters, "B": self.B, "L": self.L, "d": self.d, **sizes}
        return now | ({"d/H": now["d"] // now["H"]} if "H" in now else {})

    def shapes(self, **sizes: int) -> list[dict]:
        """Each tensor as {function, line, kind, name, call, text, shape}, in the order of the walk.

        `line` counts from the beginning of the class that defines the function, as in the listing of `rbh.show`.
        `kind` is "input" of the function, "from" and "to" of a `call`, "value" assigned, or "return"; `text` the
        formula, (B, L + 1, d); `shape` the numbers at the present B, L, d or those given: `shapes(B=2, d=3)`.
        """
        now, found = self.sizes(**sizes), []
        for step in self.steps:
            block = self.code[step["block"]]
            for e in step["entries"]:
                found.append(
                    {
                        "function": block["name"],
                        "line": block["rows"][step["row"]]["number"],
                        "kind": e["kind"],
                        "name": e["name"],
                        "call": None if e["call"] is None else step["calls"][e["call"]],
                        "text": e["text"],
                        "shape": tuple(tracing.evaluate(axis, now) for axis in e["shape"]),
                    }
                )
        return found

    def problem(self) -> str:
        return "" if self.steps else "There is no line to show."

    def describe(self) -> str:
        if self.problem():
            return super().describe()
        last = [r for r in self.shapes() if r["kind"] == "return"]
        ends = f"; at the end stands {last[-1]['text']}" if last else ""
        return f"The shapes in {self.model_name}.forward, line by line, in {len(self.steps)} steps{ends}."

    def static(self) -> str:
        if self.problem():
            return self.nothing()
        marks, y, widest = [], 24, 420
        mono = {"font_family": "ui-monospace, monospace", "style": "white-space:pre"}
        for b, block in enumerate(self.code):
            for row in block["rows"]:
                for text in row["text"].splitlines():
                    marks.append(svg.text(12, y, text, **mono, **({} if row["run"] else {"opacity": 0.5})))
                    widest, y = max(widest, 24 + 7.3 * len(text)), y + 18
                said = ", ".join(
                    f"{e['name']} {e['text']}".strip()
                    for step in self.steps[row["step"] : row["step"] + 1 if row["step"] >= 0 else 0]
                    for e in step["entries"]
                    if e["kind"] in ("input", "value", "return")
                )
                if said:
                    indent = len(row["text"]) - len(row["text"].lstrip())
                    x = 12 + 7.3 * (indent + 2)
                    marks.append(svg.text(x, y, f"→ {said}", fill=svg.COLORS[0], **mono))
                    widest, y = max(widest, x + 12 + 7.3 * (len(said) + 2)), y + 22
            y += 12 if b + 1 < len(self.code) else 0
        marks = [svg.rect(0.5, 0.5, widest - 1, y - 1, fill="none", stroke="#8884", rx=6), *marks]
        marks += [svg.line(6, 6, 6, y - 6, stroke=svg.COLORS[0], stroke_width=2)]
        return svg.drawing(widest, y, marks, self.describe())


def _as_listed(cls: type, code: list[dict]) -> list[dict]:
    """The rows with the numbers that they have where `rbh.show` lists the class; of a cell, those of the cell."""
    for block in code:
        owner = next((kind for kind in cls.__mro__ if block["name"] in vars(kind)), None)
        try:
            above = inspect.getsourcelines(owner)[1] - 1
        except (OSError, TypeError):  # typed at a prompt
            continue
        for row in block["rows"]:
            row["number"] -= above
    return code


def _model(model, task_or_schema) -> tuple[type[Recommender], dict | None, Schema]:
    """Class, settings (None: the defaults) and schema of what was given."""
    if isinstance(model, str):
        known = [n for n in models.__all__ if inspect.isclass(getattr(models, n)) and n != "Recommender"]
        known = [n for n in known if issubclass(getattr(models, n), Recommender)]
        known = [n for n in known if not issubclass(getattr(models, n), GraphModel)]
        if model not in known:
            raise traitlets.TraitError(f"there is no model {model!r}; there are {', '.join(known)}")
        model = getattr(models, model)
    cls = model if inspect.isclass(model) else type(model)
    if not issubclass(cls, Recommender) or cls is Recommender:
        raise traitlets.TraitError(
            f"model must be a Recommender (an instance, a class, or a name such as 'DIN'), got {cls.__name__}: "
            "derive your own from recbyhand.models.Recommender, which remembers how it was built"
        )
    if issubclass(cls, GraphModel):
        raise traitlets.TraitError(f"{cls.__name__} works on a whole graph, and has no trace of one batch")
    schema = getattr(task_or_schema, "schema", task_or_schema)
    if schema is None:
        schema = tracing.small_schema() if inspect.isclass(model) else model.schema
    if not isinstance(schema, Schema):
        raise traitlets.TraitError(
            f"task_or_schema must be a task (rbh.data.ctr(...)) or a Schema, got {type(schema).__name__}"
        )
    return cls, None if inspect.isclass(model) else model.settings, schema
