"""Watching a training: the mean loss of an epoch, the first number that is not finite, a progress bar."""

from __future__ import annotations

import math
import sys

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from recbyhand.evaluation import scale
from recbyhand.training.rows import values as values_of

EVERY = {
    "cpu": 1
}  # steps from one look to the next; on any other kind of device, where a look waits for it, 50


class Watch:
    """Sums the losses of an epoch, weighted by rows, and stops at the first step that is not finite.

    What a step gives stays on its device; `look` fetches the numbers of several steps at once. On the CPU it
    looks at every step before the weights move. Elsewhere up to 50 steps later, when the weights have moved on
    (and, after a gradient that is not finite, are worth nothing): the error still names the step and its rows.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer, device: torch.device):
        self.model, self.optimizer, self.device = model, optimizer, device
        self.every = EVERY.get(device.type, 50)
        self.low, self.high, self.steps = math.inf, -math.inf, 0  # of logits on validation; of this run
        scale.forget(model)

    def start(self, epoch: int, rows: int) -> None:
        """A new epoch, of so many rows in all."""
        self.epoch, self.rows, self.means, self.seen = epoch, rows, {}, []

    def see(self, step: int, rows: Tensor, values: dict[str, Tensor], logits: Tensor | None, norm: Tensor):
        """One step: its rows, its loss and terms, (), its logits (B,) if known, the norm () of its gradient.

        The first one's logits are looked at: are they probabilities?
        """
        if self.steps == 0 and logits is not None:
            scale.check_end(self.model, logits)
        self.steps += 1
        self.seen.append((step, rows, values, None if logits is None else logits.detach(), norm))
        if len(self.seen) >= self.every:
            self.look()

    def look(self) -> dict[str, float]:
        """The means so far. Raises FloatingPointError, whose `rows` are those to look at."""
        steps, self.seen = self.seen, []
        given = [number for _, _, values, _, norm in steps for number in (*values.values(), norm)]
        numbers = iter(torch.stack([n.to(self.device) for n in given]).tolist() if given else ())  # one wait
        for step, rows, names, logits, _ in steps:
            values, norm = {name: next(numbers) for name in names}, next(numbers)
            where = f"in epoch {self.epoch}, step {step}"
            if not math.isfinite(values["loss"]):
                named = [name for name, v in values.items() if name != "loss" and not math.isfinite(v)]
                bad = rows if logits is None else rows[~torch.isfinite(logits).cpu()]
                terms = f" (term: {', '.join(named)})" if named else ""
                raise self._not_finite(
                    f"The loss is {values['loss']} {where}{terms}", bad if len(bad) else rows
                )
            if not math.isfinite(norm):
                names = (
                    self._wrong_gradients() if step == steps[-1][0] else []
                )  # of earlier ones, none is left
                of = f"gradient of {', '.join(names[:3])}" if names else "gradient"
                raise self._not_finite(f"The loss is finite but the {of} is not {where}", rows)
            for name, value in values.items():
                self.means[name] = self.means.get(name, 0.0) + value * len(rows) / self.rows
        return self.means

    def _wrong_gradients(self) -> list[str]:
        given = ((name, p.grad) for name, p in self.model.named_parameters() if p.grad is not None)
        return [name for name, gradient in given if not values_of(gradient).isfinite().all()]

    def _not_finite(self, what: str, rows: Tensor) -> FloatingPointError:
        some = ", ".join(map(str, rows[:8].tolist())) + (
            f", ... ({len(rows)} in all)" if len(rows) > 8 else ""
        )
        error = FloatingPointError(
            f"{what}, at rows {some} of task.train. Look at model(task.train[[{int(rows[0])}]]); usual causes: a "
            f"logarithm, division or square root at 0, a softmax over a row that is masked altogether, or steps "
            f"that are too large ({self._rate()})."
        )
        error.rows = rows  # all of them, for the reader to look at
        return error

    def check_scores(self, logits: Tensor) -> None:
        """Raises FloatingPointError for logits (N,) of validation that are not all finite."""
        if wrong := int((~logits.isfinite()).sum()):
            raise FloatingPointError(
                f"After epoch {self.epoch}, {wrong:,} of {len(logits):,} logits of task.valid are not finite, though "
                f"every loss was. The usual cause: steps that are too large ({self._rate()})."
            )
        self.low, self.high = min(self.low, logits.min().item()), max(self.high, logits.max().item())

    def _rate(self) -> str:
        return f"lr is {float(self.optimizer.param_groups[0]['lr']):g}; try a tenth"


def progress_bar(progress: bool):
    """A progress bar that removes itself; none where nobody watches (a log file, a book being built)."""
    from tqdm import tqdm

    # A kernel has no terminal to look at; but a program that executes notebooks says it answers no questions.
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    kernel = getattr(shell, "kernel", None)
    watched = getattr(kernel, "_allow_stdin", False) if kernel else sys.stdout.isatty()
    return tqdm(leave=False, file=sys.stdout, disable=not (progress and watched), unit="step")
