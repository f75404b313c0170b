"""Tools to look inside: the source that runs (`show`), the shapes that pass (`tracing`), how far a gradient reaches."""

from recbyhand.inspect.reach import gradient_reach, state_gradient
from recbyhand.inspect.source import show

__all__ = ["gradient_reach", "show", "state_gradient"]
