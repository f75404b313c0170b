"""Random numbers that repeat."""

from __future__ import annotations

import contextlib
import os
import random

import numpy as np
import torch

from recbyhand.arguments import whole


def seed(n: int = 0) -> None:
    """Seed Python, NumPy and torch. Call it before anything random, initial weights included.

    On one machine, results then repeat to the last digit. On a GPU, this also asks for deterministic kernels.
    Raises ValueError unless n is a whole number from 0 to 2^32 - 1.
    """
    n = whole("seed", n, least=0, most=2**32 - 1)
    random.seed(n)
    np.random.seed(n)  # noqa: NPY002 - a reader's own code may draw from the global state
    torch.manual_seed(n)
    if torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)


@contextlib.contextmanager
def random_state(seed: int, device: torch.device):
    """Inside, torch's random numbers depend on `seed` alone; outside, nothing has changed."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
