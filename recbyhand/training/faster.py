"""What `fit` may do to forward and loss to make them faster: compile them, and compute them in 16 bits.

Both change how the loss of a step is computed, and nothing else: weights, optimizer, running statistics and validation
are those of a plain run. So what they cost is rounding, and what they return is a plain model.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

PRECISIONS = ("float32", "bfloat16")
# Models of other shapes that one program may compile, one after the other; torch's own limit is 8.
_VARIANTS = 64


def check_faster(compile, precision: str) -> None:
    """Refuses settings of `fit` that mean nothing, with words that say what to give."""
    if not isinstance(compile, (bool, Mapping)):
        raise ValueError(
            f"compile={compile!r}: give True, False or keyword arguments of torch.compile, as a dict"
        )
    if precision == "float16":
        raise ValueError(
            'precision="float16" would need a loss that is scaled, since small gradients become 0 in it: "bfloat16" '
            "has the range of float32 and needs none"
        )
    if precision not in PRECISIONS:
        raise ValueError(f'precision={precision!r} is unknown: choose "float32" or "bfloat16"')


def faster(losses: Callable, compile, precision: str, device: torch.device) -> Callable:
    """`losses`, a function (model, batch, generator) -> terms, logits, in 16 bits or compiled or both.

    What it returns is in 32 bits, or in more where the model is.
    """
    compute = losses
    if precision == "bfloat16":

        def compute(model, batch, generator=None):
            with torch.autocast(device.type, torch.bfloat16):
                terms, logits = losses(model, batch, generator)
            terms = {name: _wide(term) for name, term in terms.items()}
            return terms, None if logits is None else _wide(logits)

    return compute if compile is False else _compiled(compute, {} if compile is True else dict(compile))


def _wide(number: Tensor) -> Tensor:
    return number.float() if number.dtype == torch.bfloat16 else number


def _compiled(compute: Callable, how: dict) -> Callable:
    from torch import _dynamo as compiler  # a second of imports, for those only who compile

    made = torch.compile(compute, **how)

    def compute_compiled(model, batch, generator=None):
        # A batch gathers its histories here, and not within the program. Batches differ by a row: one program for any.
        batch = dataclasses.replace(batch)
        for column in (c for c in vars(batch).values() if isinstance(c, Tensor)):
            compiler.maybe_mark_dynamic(column, 0)
        try:
            with compiler.config.patch(cache_size_limit=_VARIANTS):
                return made(model, batch, generator)
        except Exception as error:
            if re.search(r"C\+\+ compile|Compiler: .* is not found", str(error)):
                raise RuntimeError(
                    "compile=True needs a C++ compiler, and torch found none that works: install g++, clang or the "
                    "Build Tools of Visual Studio, or name yours in the environment variable CXX; without one, leave "
                    "compile out"
                ) from error
            raise

    return compute_compiled
