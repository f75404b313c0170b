"""Training a model, asking it for recommendations, keeping it: `seed`, `fit`, `recommend`, `save`, `load`."""

from __future__ import annotations

import contextlib
import inspect
import json
import math
import os
import random
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbyhand.arguments import number, whole
from recbyhand.data.batch import Schema
from recbyhand.evaluation.metrics import auc, log_loss
from recbyhand.evaluation.predict import check_logits, check_model, check_schema, device_of, predict

__all__ = ["fit", "load", "predict", "recommend", "save", "seed", "train"]


def seed(n: int = 0) -> None:
    """Seed Python, NumPy and torch. Call it before anything random, initial weights included.

    On one machine, results then repeat to the last digit. On a GPU, this also asks for deterministic kernels.
    """
    n = whole("seed", n, least=0, most=2**32 - 1)
    random.seed(n)
    np.random.seed(n)  # noqa: NPY002 - a reader's own code may draw from the global state
    torch.manual_seed(n)
    if torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)


def fit(
    model: nn.Module,
    task,
    epochs: int = 3,
    lr: float = 5e-3,
    batch_size: int = 1024,
    weight_decay: float = 0.01,
    patience: int | None = None,
    monitor: str = "auc",
    device=None,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Train with AdamW on `task.train`, keep the weights of the best epoch on `task.valid`.

    The loss is binary cross-entropy of `model(batch)` and the labels, or, where the model has a method
    `loss(batch) -> {"name": term}`, the sum of its terms. If `loss` takes a `generator`, it is handed one
    (of the model's device).

    patience    stop when so many epochs in a row have not improved on the best; without it, run all `epochs`
    monitor     what "best" means: validation "auc" (higher; the default, since AUC is what the book reports)
                or "log_loss" (lower; also minds whether the probabilities are right). Where validation has
                only one class, there is no AUC and log loss decides; without validation rows, the last epoch
    device      where to train ("cuda"); without it, where the model is. The model stays there
    seed        of the order of examples, dropout and sampled negatives: the same initial weights and the same
                seed give the same model. The global random state is left as it was

    Returns one row per epoch: epoch, loss, one column per named term, valid_auc, valid_log_loss, seconds and
    best (True for the epoch whose weights the model now has). An interrupt (the stop button) ends training
    early and keeps what was learned.

    Raises FloatingPointError at the first loss or gradient that is not finite, naming epoch, step and rows.
    """
    check_model(model)
    if not hasattr(task, "train"):
        raise TypeError(f"fit takes a whole task, as rbh.data.ctr(data) makes it, not {type(task).__name__}")
    check_schema(model, task.schema)
    if monitor not in ("auc", "log_loss"):
        raise ValueError(f'monitor={monitor!r} is unknown: choose "auc" or "log_loss".')
    if len(task.train) == 0:
        raise ValueError("The training set is empty: there is nothing to learn from.")
    epochs, batch_size, seed = (
        whole("epochs", epochs),
        whole("batch_size", batch_size),
        whole("seed", seed, 0),
    )
    lr, weight_decay = number("lr", lr, least=0), number("weight_decay", weight_decay, least=0)
    if patience is not None and whole("patience", patience) and len(task.valid) == 0:
        raise ValueError("Early stopping (patience) needs validation rows, and task.valid has none.")
    if device is not None:
        try:
            model.to(device)
        except (AssertionError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"device={device!r} is not to be had here ({reason}): leave it out") from error
    weights = [p for p in model.parameters() if p.requires_grad]
    if not weights:
        raise ValueError(f"{type(model).__name__} has no weights to train. Evaluate it as it is.")
    device = device_of(model)
    optimiser = torch.optim.AdamW(weights, lr=lr, weight_decay=weight_decay)
    steps = math.ceil(len(task.train) / batch_size)
    order = torch.Generator().manual_seed(seed)
    log, best, kept = [], -math.inf, None
    modes = [(module, module.training) for module in model.modules()]
    with _random_state(seed, device), _bar(epochs * steps, progress) as bar:
        loss_of = _loss_function(model, torch.Generator(device).manual_seed(seed + 1))
        try:
            for epoch in range(1, epochs + 1):
                started = time.perf_counter()
                model.train()
                shuffled = torch.randperm(len(task.train), generator=order)
                row = dict.fromkeys(["epoch", "loss"], 0.0)
                # Parts of nearly one size: no last batch of one row, whose batch statistics mean nothing.
                for step, rows in enumerate(shuffled.tensor_split(steps), start=1):
                    terms, logits = loss_of(task.train[rows].to(device))
                    values = _descend(model, terms, logits, optimiser, f"in epoch {epoch}, step {step}", rows)
                    for name, value in values.items():
                        row[name] = row.get(name, 0.0) + value * len(rows) / len(shuffled)
                    bar.update()
                row["epoch"] = epoch
                row |= _validate(model, task.valid)
                row["seconds"] = time.perf_counter() - started
                log.append(row)
                bar.set_postfix_str(f"valid AUC {row['valid_auc']:.4f}")
                value = -row["valid_log_loss"]
                if monitor == "auc" and not math.isnan(row["valid_auc"]):
                    value = row["valid_auc"]
                if value > best or math.isnan(value):
                    best, best_epoch = value, epoch
                    kept = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
                elif patience is not None and epoch - best_epoch >= patience:
                    break
        except KeyboardInterrupt:
            bar.close()
            keeps = f"The weights of epoch {best_epoch} are kept" if kept else "What was learned is kept"
            print(f"Interrupted in epoch {len(log) + 1}. {keeps}.")
    if kept:
        model.load_state_dict(kept)
    for module, mode in modes:
        module.training = mode
    columns = ["epoch", "loss", "valid_auc", "valid_log_loss", "seconds"]
    frame = pd.DataFrame(log, columns=None if log else columns)
    frame["best"] = frame["epoch"] == (best_epoch if kept else -1)
    return frame


def train(make, task, seed: int = 0, **how) -> nn.Module:
    """Build, seed, fit: `make(task.schema)` gives the model, `how` goes to `fit`; the same seed serves both.

    Returns the model in evaluation mode; what `fit` returned is kept as `model.log`.
    """
    globals()["seed"](seed)
    model = make(task.schema)
    model.log = fit(model, task, seed=seed, **{"progress": False} | how)
    return model.eval()


def _loss_function(model: nn.Module, generator: torch.Generator):
    """batch -> named terms, each a scalar; their sum is what gets minimised."""
    own = getattr(model, "loss", None)
    if own is None:

        def terms(batch):
            logits = check_logits(model, model(batch), len(batch))
            return {"loss": F.binary_cross_entropy_with_logits(logits, batch.label)}, logits

        return terms
    extra = {"generator": generator} if "generator" in inspect.signature(own).parameters else {}

    def terms(batch):
        result = own(batch, **extra)
        wrong = not isinstance(result, dict) or not result
        if wrong or not all(isinstance(v, Tensor) and v.ndim == 0 for v in result.values()):
            raise TypeError(
                f"{type(model).__name__}.loss must return a dict of named scalar tensors, "
                f'such as {{"click": ..., "auxiliary": ...}}, averaged over the batch.'
            )
        return result, None

    return terms


def _descend(model, terms, logits, optimiser, where: str, rows: Tensor) -> dict[str, float]:
    """One step downhill; the value of the loss and of each named term."""
    loss = sum(terms.values())
    values = {"loss": loss.item()} | {name: term.item() for name, term in terms.items() if len(terms) > 1}
    if not math.isfinite(values["loss"]):
        named = [name for name, value in values.items() if name != "loss" and not math.isfinite(value)]
        bad = rows if logits is None else rows[~torch.isfinite(logits.detach()).cpu()]
        what = f"The loss is {values['loss']} {where}" + (f" (term: {', '.join(named)})" if named else "")
        raise _not_finite(what, bad if len(bad) else rows, optimiser)
    optimiser.zero_grad()
    loss.backward()
    # Clipping at infinity changes nothing; it is the cheap way to the norm of all gradients.
    weights = optimiser.param_groups[0]["params"]
    if not math.isfinite(float(nn.utils.clip_grad_norm_(weights, math.inf))):
        names = [n for n, p in model.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
        what = f"The loss is finite but the gradient of {', '.join(names[:3])} is not {where}"
        raise _not_finite(what, rows, optimiser)
    optimiser.step()
    return values


def _not_finite(what: str, rows: Tensor, optimiser) -> FloatingPointError:
    some = ", ".join(map(str, rows[:8].tolist())) + (f", ... ({len(rows)} in all)" if len(rows) > 8 else "")
    error = FloatingPointError(
        f"{what}, at rows {some} of task.train. Look at model(task.train[[{int(rows[0])}]]); usual causes: a "
        f"logarithm, division or square root at 0, a softmax over a row that is masked altogether, or steps "
        f"that are too large (lr is {optimiser.param_groups[0]['lr']:g}; try a tenth)."
    )
    error.rows = rows  # all of them, for the reader to look at
    return error


def _validate(model: nn.Module, valid) -> dict[str, float]:
    if len(valid) == 0:
        return {"valid_auc": math.nan, "valid_log_loss": math.nan}
    logits = predict(model, valid)
    return {"valid_auc": auc(valid.label, logits), "valid_log_loss": log_loss(valid.label, logits)}


@contextlib.contextmanager
def _random_state(seed: int, device: torch.device):
    """Inside, torch's random numbers depend on `seed` alone; outside, nothing has changed."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _bar(total: int, progress: bool):
    """A progress bar that removes itself; none where nobody watches (a log file, a book being built)."""
    from tqdm import tqdm

    # A kernel has no terminal to look at; but a program that executes notebooks says it answers no questions.
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    kernel = getattr(shell, "kernel", None)
    watched = getattr(kernel, "_allow_stdin", False) if kernel else sys.stdout.isatty()
    return tqdm(total=total, leave=False, file=sys.stdout, disable=not (progress and watched), unit="step")


# ------------------------------------------------------------------------------------------ recommendations


def recommend(model: nn.Module, task, user, k: int = 10, seen: bool = False) -> pd.DataFrame:
    """The k most probable items of the whole catalogue for one user, now: with all of the user's history.

    `user` is named as in the tables. Items the user has met (in any part of the task, or in the history) are
    left out, unless `seen=True`. Columns: rank, title, probability. Ties keep the order of the catalogue.

    Raises KeyError for a user who is not in the tables, ValueError for k below 1 or a logit that is no number.
    """
    check_schema(model, task.schema)
    k = whole("k", k)
    uid, items = task.schema.user_id(user), task.catalogue()
    if not seen:
        met = [part.item[part.user == uid] for part in (task.train, task.valid, task.test)]
        start, stop = task.events.start[uid], task.events.start[uid + 1]
        met = torch.cat([*met, task.events.item[start:stop].long()])
        items = items[~torch.isin(items, met)]
    logits = predict(model, task.candidates(task.users_at(torch.tensor([uid])), items))
    if logits.isnan().any():
        raise ValueError(f"{int(logits.isnan().sum())} logits are not a number (nan): they have no rank.")
    top = torch.argsort(logits, descending=True, stable=True)[:k]
    return pd.DataFrame(
        {
            "rank": range(1, len(top) + 1),
            "title": [task.schema.title(i) for i in items[top].tolist()],
            "probability": torch.sigmoid(logits[top]).tolist(),
        }
    )


# --------------------------------------------------------------------------------------------- keeping models

_FORMAT = "1"


def save(model: nn.Module, path) -> None:
    """Write weights, schema and settings to one safetensors file: tensors, and JSON in the header. No pickle.

    Raises TypeError for a model that is not one of `recbyhand.models`, or a setting that JSON cannot hold,
    OSError where the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    name = type(model).__name__
    if _model_class(name) is not type(model):
        raise TypeError(
            f"{name} is not a model of recbyhand.models, so load could not find it. Save its state_dict."
        )
    try:
        settings = json.dumps(model.settings)
    except TypeError as error:
        raise TypeError(
            f"A setting of {name} cannot be written as JSON: {error}. Use numbers and strings."
        ) from None
    schema = model.schema
    # A weight may be used twice under two names; a file of tensors has no aliases, so each is written out.
    tensors = {f"model.{k}": v.detach().cpu().clone().contiguous() for k, v in model.state_dict().items()}
    tensors |= {
        "schema.user_table": schema.user_table.cpu().clone(),
        "schema.item_table": schema.item_table.cpu().clone(),
    }
    header = {"recbyhand": _FORMAT, "model": name, "settings": settings, "schema": schema.to_json()}
    path = Path(path).expanduser()
    if path.is_dir():
        raise FileNotFoundError(f"{path} is a folder: add a name, such as {path / 'model.safetensors'}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent}: make it first, or save elsewhere.")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(tensors, unfinished, metadata=header)
        os.replace(unfinished, path)  # in one go: a reader never meets half a file
    except SafetensorError as error:  # a full disk, a folder that is not ours
        raise OSError(f"{path} could not be written: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def load(path) -> nn.Module:
    """The model that `save` wrote, on the CPU, in evaluation mode.

    The class is looked up by name among `recbyhand.models` and nowhere else, and nothing in the file is ever
    executed. Raises ValueError for a file that `save` has not written.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise ValueError(f"{path} is not a file of rbh.save: {error}") from None
    if header.get("recbyhand") != _FORMAT:
        raise ValueError(
            f"{path} was not written by rbh.save of this version (no recbyhand header {_FORMAT})."
        )
    cls = _model_class(header.get("model", ""))
    if cls is None:
        raise ValueError(f"{path} holds a {header.get('model')!r}, and recbyhand.models has no such model.")
    try:
        tables = tensors.pop("schema.user_table"), tensors.pop("schema.item_table")
        schema, settings = Schema.from_json(header["schema"], *tables), json.loads(header["settings"])
        settings = {
            k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()
        }  # JSON has no tuples
        with torch.random.fork_rng(devices=[]):  # initial weights are drawn and thrown away
            model = cls(schema, **settings)
        kinds = [v.dtype for k, v in tensors.items() if k.startswith("model.") and v.is_floating_point()]
        model.to(kinds[0] if kinds else torch.float32)  # a model saved in float64 comes back in float64
        model.load_state_dict({name.removeprefix("model."): tensor for name, tensor in tensors.items()})
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} does not fit {cls.__name__} of this version: {error}") from error
    return model.eval()


def _model_class(name: str) -> type | None:
    import recbyhand.models as models
    from recbyhand.models.base import Recommender

    found = getattr(models, name, None) if name and not name.startswith("_") else None
    return (
        found
        if isinstance(found, type) and issubclass(found, Recommender) and found is not Recommender
        else None
    )
