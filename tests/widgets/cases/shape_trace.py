from recbyhand.widgets import ShapeTrace

from ..harness import Case


def said(text: str) -> ShapeTrace:
    """A trace whose model, code, tensors and settings carry the text (as a field of data could not)."""
    widget = ShapeTrace("FM", title=text, model_name=text, letters={text: 3, "F": 6, "C": 8})
    code, steps = list(widget.code), list(widget.steps)
    code[0] = {"name": text, "rows": [{**row, "text": text} for row in code[0]["rows"]]}
    steps[0] = {
        **steps[0],
        "calls": [text],
        "entries": [{**e, "name": text, "text": text} for e in steps[0]["entries"]],
    }
    widget.code, widget.steps = code, steps
    return widget


def without_steps() -> ShapeTrace:
    widget = ShapeTrace("FM")
    widget.steps = []
    return widget


CASE = Case(
    make=lambda: ShapeTrace("DIEN", step=8),
    touch=lambda scope: scope.get_by_role("slider", name="B, batch").press("ArrowRight"),
    texts=said,
    broken={"no steps": (without_steps, "There is no line to show")},
)
