"""Tools to look inside: the source that runs (`show`), the shapes that pass (`tracing`), how far a gradient reaches.

And two that judge: `audit` tries a model for faults, `trial` lets several compete on equal terms.
"""

from recbyhand.inspect.audit import Audit, audit
from recbyhand.inspect.reach import gradient_reach, state_gradient
from recbyhand.inspect.source import show
from recbyhand.inspect.trial import Trial, trial

__all__ = ["Audit", "Trial", "audit", "gradient_reach", "show", "state_gradient", "trial"]
