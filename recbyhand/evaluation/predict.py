"""Asking a model for logits: what may be asked, where, and in which mode."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor, nn

from recbyhand.arguments import whole
from recbyhand.data.batch import batch_of
from recbyhand.evaluation import scale

__all__ = ["check_logits", "check_model", "check_schema", "device_of", "evaluating", "predict"]


def check_logits(model: nn.Module, logits, rows: int) -> Tensor:
    """The logits, if there is one per row; otherwise an error that says what to change in `forward`."""
    name = type(model).__name__
    if not isinstance(logits, Tensor):
        raise TypeError(f"{name}.forward returned a {type(logits).__name__}, not a tensor of logits (B,).")
    if logits.shape == (rows,):
        return logits
    shape = tuple(logits.shape)
    if shape == (rows, 1):
        cure = "Drop the last axis by name: logits.squeeze(-1)."
    elif shape == ():
        cure = "A bare .squeeze() drops the batch axis when B is 1, a bare .mean() always: name the axis, -1."
    elif shape == (rows, rows):
        cure = "Two terms, (B, 1) and (B,), were broadcast: squeeze(-1) the first before you add."
    else:
        cure = "One logit per row is needed: sum or project over all axes but the first."
    raise ValueError(
        f"{name}.forward returned logits of shape {shape} for a batch of {rows}, not ({rows},). {cure}"
    )


def check_model(model) -> None:
    """Refuse what is no model: the class in place of an instance, arguments in another order."""
    if not isinstance(model, nn.Module):
        got = f"the class {model.__name__}" if isinstance(model, type) else f"a {type(model).__name__}"
        raise TypeError(f"Give a model, as rbh.models.FM(task.schema) makes it, not {got}.")


def check_schema(model: nn.Module, schema) -> None:
    """Refuse a model whose vocabularies are not those of the data: its ids would mean other things."""
    check_model(model)
    own = getattr(model, "schema", None)
    if own is None or schema is None or own is schema:
        return
    for part in ("n_users", "n_items", "user_fields", "item_fields", "user_ids", "item_ids"):
        if getattr(own, part) != getattr(schema, part):
            if schema.continues(own):
                raise ValueError(
                    f"This {type(model).__name__} was built with another schema ({part} differs), which this one "
                    "seems to continue. If the tables have grown: model.grown(task.schema), to which new users and "
                    "items are unknown but for their features. If these are other tables, build it anew."
                )
            raise ValueError(
                f"This {type(model).__name__} was built with another schema ({part} differs): its ids mean "
                f"other users, items or features. Build it anew: {type(model).__name__}(task.schema, ...)."
            )


def device_of(model: nn.Module) -> torch.device:
    """Where the model's tensors live (the CPU if it has none)."""
    tensors = [*model.parameters(), *model.buffers()]
    return tensors[0].device if tensors else torch.device("cpu")


@contextlib.contextmanager
def evaluating(model: nn.Module):
    """Inside, the model is in evaluation mode and keeps no gradients; outside, every module's mode is as it was."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def predict(model: nn.Module, examples, batch_size: int = 2048) -> Tensor:
    """Logits (N,) on the CPU, computed in evaluation mode without gradients; every module's mode is restored.

    model       any module that takes a `Batch` and answers with one logit per row
    examples    whatever has a length and slices to a `Batch`: `task.test`, or a batch itself
    batch_size  rows scored at a time

    Raises TypeError for what is no model, ValueError for a model of another schema or logits of a wrong shape; warns
    of a model that returns probabilities.
    """
    check_schema(model, getattr(examples, "schema", None))
    batch_size = whole("batch_size", batch_size)
    device, logits = device_of(model), []
    with evaluating(model):
        for start in range(0, len(examples), batch_size):
            batch = batch_of(examples, slice(start, start + batch_size)).to(device)
            logits.append(check_logits(model, model(batch), len(batch)).float().cpu())
            if start == 0:
                scale.check_first(model, batch, logits[0])
    return torch.cat(logits) if logits else torch.zeros(0)
