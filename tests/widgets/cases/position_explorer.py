from recbyhand.widgets import PositionExplorer

from ..harness import Case

CASE = Case(
    make=lambda: PositionExplorer(length=200, dim=64),
    touch=lambda scope: scope.get_by_role("slider", name="position M").press("ArrowRight"),
    texts=lambda text: PositionExplorer(title=text),
)
