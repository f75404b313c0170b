"""Several processes that train one model: each learns from its part of every batch, and all take the same step.

`torchrun --nproc-per-node 2 script.py` runs the script twice, side by side, and tells each process which one it is.
Nothing in the script changes: `fit` finds the others.

    one process     rows of a batch: 0 ... 1023                gradient: the mean over 1,024 rows
    two processes   0: rows 0 ... 511, 1: rows 512 ... 1023    the mean of both, exchanged while backwards still runs

So two processes follow the loss curve of one, but for rounding. Not the same as in one process are the random numbers
of dropout and of sampled negatives (each process draws its own) and what is no mean over rows: the statistics of a
batch (Dice) are those of a part, and a mean over events weighs the parts by their rows.
"""

from __future__ import annotations

import atexit
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn


@dataclass(frozen=True)
class Processes:
    """Which of how many processes this one is. Alone, it has all rows and nobody to ask."""

    rank: int = 0
    size: int = 1

    @classmethod
    def join(cls, device=None) -> Processes:
        """Find the others, if torchrun has started some, or the script itself. All of them must come here."""
        if not distributed.is_available():
            return cls()
        if not distributed.is_initialized():
            if not distributed.is_torchelastic_launched():
                return cls()
            distributed.init_process_group("nccl" if torch.device(device or "cpu").type == "cuda" else "gloo")
            atexit.register(_leave)
        return cls(distributed.get_rank(), distributed.get_world_size())

    def device(self, device):
        """Of a machine with several cards each process takes its own."""
        if self.size > 1 and device is not None and str(device) == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
            return f"cuda:{torch.cuda.current_device()}"
        return device

    def part(self, rows: Tensor) -> tuple[Tensor, float]:
        """This process's part of the rows of a batch, and its weight in the mean of all parts' gradients."""
        if self.size == 1:
            return rows, 1.0
        if len(rows) < self.size:
            raise ValueError(
                f"{self.size} processes cannot share a batch of {len(rows)} rows: give a larger batch_size"
            )
        mine = rows.tensor_split(self.size)[self.rank]
        return mine, len(mine) * self.size / len(rows)

    def losses(self, model: nn.Module, losses: Callable) -> Callable:
        """`losses`, whose gradients are from now on means over all processes. Weights become those of process 0."""
        if self.size == 1:
            return losses
        wrap = nn.parallel.DistributedDataParallel
        known = inspect.signature(wrap).parameters  # newer versions of torch give the setting a new name
        buffers = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
        shared = wrap(_Losses(model, losses), **{buffers: False}, find_unused_parameters=True)
        return lambda _, batch, generator: shared(batch, generator)

    def average_statistics(self, model: nn.Module) -> None:
        """What layers have counted (running means and variances), each from its own rows, becomes the mean of all."""
        if self.size == 1:
            return
        kept = model.state_dict(keep_vars=True)
        for name, buffer in model.named_buffers():
            if name in kept and buffer.is_floating_point():
                distributed.all_reduce(buffer)
                buffer /= self.size

    def sum(self, values: dict[str, float]) -> dict[str, float]:
        """The sums over all processes, by name."""
        if self.size == 1:
            return values
        parts = self.gather(values)
        return {name: sum(part.get(name, 0.0) for part in parts) for name in values}

    def gather(self, thing) -> list:
        """What each process has, in the order of their ranks."""
        if self.size == 1:
            return [thing]
        things = [None] * self.size
        distributed.all_gather_object(things, thing)
        return things

    def of_first(self, make: Callable):
        """What `make()` gives in process 0, for all: it is called there only."""
        if self.size == 1:
            return make()
        things = [make() if self.rank == 0 else None]
        distributed.broadcast_object_list(things)
        return things[0]


ALONE = Processes()


class _Losses(nn.Module):
    """The losses as a module's `forward`, for that is where DistributedDataParallel listens."""

    def __init__(self, model: nn.Module, losses: Callable):
        super().__init__()
        self.model, self.losses = model, losses

    def forward(self, batch, generator):
        return self.losses(self.model, batch, generator)


def _leave() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()
