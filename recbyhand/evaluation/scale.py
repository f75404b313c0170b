"""Is it a logit? Who returns probabilities where logits are asked for is told so, by what can be known.

Three things tell, in this order. The graph of autograd, if a sigmoid or a softmax stands at its end: that is certain,
however small the logits of others are. The labels, where outputs between 0 and 1 fit them better as they are than
behind another sigmoid. And a whole training whose outputs never left [0, 1] although its labels ask for it.
"""

from __future__ import annotations

import re
import sys
import warnings
import weakref
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["check_end", "check_labels", "check_range", "forget", "last_step"]

_PACKAGE = str(Path(__file__).resolve().parents[1])
_BOUNDED = {"Sigmoid": "sigmoid", "Softmax": "softmax", "Hardsigmoid": "hard sigmoid"}
_SAME = {  # what leaves a probability one
    "Alias", "AsStrided", "Clamp", "ClampMax", "ClampMin", "Clone", "Expand", "Index", "Mean", "Permute",
    "ReshapeAlias", "Select", "Slice", "Split", "Squeeze", "T", "ToCopy", "Transpose", "Unbind", "UnsafeView",
    "Unsqueeze", "View",
}  # fmt: skip
_ROWS, _STEPS, _SPREAD = 50, 100, 0.2  # fewer tell nothing: so few rows, steps, or so narrow a range
_TOLD: weakref.WeakSet = weakref.WeakSet()  # models whose owner knows


def last_step(outputs: Tensor) -> str:
    """ "sigmoid" or "softmax" where that is what was done last to make `outputs`, shapes apart; otherwise ""."""
    node = outputs.grad_fn
    while node is not None:
        found = re.fullmatch(r"(\w+?)Backward\d*", node.name())
        name = found[1] if found else ""
        if name in _BOUNDED:
            return _BOUNDED[name]
        before = [parent for parent, _ in node.next_functions if parent is not None]
        node = before[0] if name in _SAME and len(before) == 1 else None
    return ""


def check_end(model: nn.Module, outputs: Tensor) -> None:
    """Warns, once per model, where `forward` ended in a sigmoid or softmax. `outputs` (B,) have their graph."""
    if (last := last_step(outputs)) and model not in _TOLD:
        way = "leave out the sigmoid" if "sigmoid" in last else "of two classes, z[:, 1] - z[:, 0] before it"
        _tell(
            model,
            f"{type(model).__name__}.forward ends in a {last}: it returns probabilities where logits are asked for. "
            f"{_ON_TOP} Return the logit: {way}.",
        )


def check_range(model: nn.Module, low: float, high: float, label: Tensor, steps: int) -> None:
    """Warns where all outputs on validation, after all epochs, lay in [low, high] within [0, 1], and labels (N,) or
    the ends of that range say that logits would not."""
    if low < 0 or high > 1 or high - low < _SPREAD or len(label) < _ROWS or steps < _STEPS or model in _TOLD:
        return
    rate = label.mean().item()
    # To be right on average, logits lie around log(rate / (1 - rate)): below 0 or above 1, if not in between.
    if 0.5 < rate < 0.73 and not (low < 0.05 and high > 0.95):
        return
    _tell(
        model,
        f"After every epoch, all outputs of {type(model).__name__}.forward on validation lay between {low:.2f} and "
        f"{high:.2f}, as probabilities do and logits hardly ever, and logits are asked for. {_ON_TOP} If forward "
        f"makes probabilities, return the logit: leave out the sigmoid, or torch.logit(p, eps=1e-6).",
    )


def check_labels(model, label: np.ndarray, outputs: np.ndarray) -> None:
    """Warns where `outputs` (N,) between 0 and 1 fit the labels better as probabilities than as logits."""
    fits = len(outputs) >= _ROWS and len(np.unique(label)) == 2 and outputs.min() >= 0 and outputs.max() <= 1
    if not fits or np.ptp(outputs) < _SPREAD or (isinstance(model, nn.Module) and model in _TOLD):
        return
    p = np.clip(outputs.astype(float), 1e-3, 1 - 1e-3)
    as_they_are = -np.where(label > 0, np.log(p), np.log1p(-p)).mean()
    behind_one = np.logaddexp(0, np.where(label > 0, -outputs, outputs)).mean()
    if as_they_are < behind_one - 0.01:
        whose = f"outputs of {type(model).__name__}" if isinstance(model, nn.Module) else "given logits"
        _tell(
            model,
            f"All {len(outputs):,} {whose} lie between 0 and 1, and read as probabilities they fit the labels better "
            f"(log loss {as_they_are:.3f}) than as logits ({behind_one:.3f}), which are asked for. {_ON_TOP} Return "
            f"the logit: leave out the sigmoid, or torch.logit(p, eps=1e-6).",
        )


def forget(model: nn.Module) -> None:
    """The next training tells again."""
    _TOLD.discard(model)


_ON_TOP = (
    "rbh.fit and rbh.evaluate put a sigmoid on top, so no prediction could leave the range from 0.50 to 0.73."
)


def _tell(model, words: str) -> None:
    if isinstance(model, nn.Module):
        _TOLD.add(model)
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(words, stacklevel=level)


def check_first(model: nn.Module, batch, outputs: Tensor) -> None:
    """As `check_end`, of `outputs` (B,) without a graph: two rows are asked again where all are in [0, 1]."""
    if model in _TOLD or not len(outputs) or not bool(((outputs >= 0) & (outputs <= 1)).all()):
        return
    with torch.enable_grad():
        check_end(model, model(batch[: min(2, len(batch))]))
