"""What a run of `fit` is between two epochs (`State`), also in a file, and a model in a file (`save`, `load`)."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import math
import os
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from recbyhand.data.batch import Schema
from recbyhand.training.processes import Processes

_PROGRESS = ("epoch", "log", "best", "best_epoch", "kept")


@dataclass
class State:
    """All that a run of `fit` is between two epochs.

    `state_dict()` holds it as tensors and plain values, and `load_state_dict` puts it back into a state made the
    same way: what then follows is what would have followed. What a `sampler` remembers is not in it.
    """

    model: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler | None
    order: torch.Generator  # of the order of examples
    draws: torch.Generator  # of sampled negatives; torch's own, of the device, drops out
    epoch: int = 0  # epochs that are over
    log: list[dict] = field(default_factory=list)
    best: float = -math.inf
    best_epoch: int = 0
    kept: dict[str, Tensor] | None = None  # the weights of the best epoch

    def end_epoch(self, row: dict, value: float) -> None:
        """An epoch is over: its row of the log, and what it is worth (more is better; nan: nothing can tell)."""
        self.epoch = row["epoch"]
        self.log.append(row)
        if value > self.best or math.isnan(value):
            self.best, self.best_epoch = value, self.epoch
            self.kept = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}

    def table(self) -> pd.DataFrame:
        """The log, a row per epoch, with a column that marks the best."""
        columns = ["epoch", "loss", "valid_auc", "valid_log_loss", "seconds"]
        table = pd.DataFrame(self.log, columns=None if self.log else columns)
        table["best"] = table["epoch"] == self.best_epoch
        return table

    def state_dict(self) -> dict:
        """Tensors and plain values: `torch.save` writes it, and `torch.load` reads it with `weights_only=True`."""
        device = self.draws.device
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "random": {
                "order": self.order.get_state(),
                "draws": self.draws.get_state(),
                "cpu": torch.get_rng_state(),
                "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
            },
            **{name: getattr(self, name) for name in _PROGRESS},
        }

    def load_state_dict(self, saved: dict) -> None:
        """The inverse of `state_dict`. Sets torch's random numbers, too."""
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(saved["scheduler"])
        self.order.set_state(saved["random"]["order"])
        self.draws.set_state(saved["random"]["draws"])
        torch.set_rng_state(saved["random"]["cpu"])
        if saved["random"]["cuda"] is not None:
            torch.cuda.set_rng_state(saved["random"]["cuda"], self.draws.device)
        for name in _PROGRESS:
            setattr(self, name, saved[name])


# ------------------------------------------------------------------------------------------------ a run in a file


def write_state(path: Path, state: State, run: dict[str, str], processes: Processes) -> None:
    """Write the state to `path`, which until then holds the state before, and then this one: never half of one.

    `run` says in words what must be the same where the run goes on. Each process has random numbers of its own, and
    process 0 writes those of all.
    """
    saved = state.state_dict()
    random = processes.gather(saved.pop("random"))
    if processes.rank == 0:
        with in_one_go(path, path.with_name(f".{path.name}.unfinished")) as unfinished:
            torch.save({"run": run, "random": random, **saved}, unfinished)


def read_state(path: Path, state: State, run: dict[str, str], processes: Processes) -> bool:
    """Put the state in the file into `state`; False, and nothing done, where there is no file.

    Nothing in the file is executed. Raises ValueError for a file that `write_state` has not written, or of a run
    with other settings.
    """

    def read() -> dict | None:
        if not path.exists():
            return None
        content = io.BytesIO(path.read_bytes())
        try:
            saved = torch.load(content, map_location="cpu", weights_only=True)
            before = saved["run"]
        except (
            pickle.UnpicklingError,
            RuntimeError,
            OSError,
            EOFError,
            LookupError,
            TypeError,
            ValueError,
        ) as error:
            raise ValueError(f"resume: {path} is not a file that fit has written: {error}") from None
        for name, value in run.items():
            if before.get(name) != value:
                raise ValueError(
                    f"resume: {path} is of a run with {name}={before.get(name)}, not {value}. Give the same, or "
                    "another file; without the file, training begins anew."
                )
        return saved

    saved = processes.of_first(read)
    if saved is None:
        return False
    try:
        state.load_state_dict(saved | {"random": saved["random"][processes.rank]})
    except (KeyError, ValueError, RuntimeError) as error:
        raise ValueError(f"resume: {path} does not fit this model or optimizer: {error}") from error
    return True


@contextlib.contextmanager
def in_one_go(path: Path, unfinished: Path) -> Iterator[Path]:
    """A place to write to, which takes the name `path` when all is written: a reader never meets half a file.

    Whatever happens before that, a kill, a full disk or a power cut, leaves `path` as it was.
    """
    try:
        yield unfinished
        with open(unfinished, "rb") as file:
            os.fsync(file.fileno())  # on the disk, and not only on its way
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def writable(path) -> Path:
    """The path of a file to write, with `~` spelled out. FileNotFoundError for a folder, or where there is none."""
    path = Path(path).expanduser()
    if path.is_dir():
        raise FileNotFoundError(f"{path} is a folder: add a name, such as {path / 'model.safetensors'}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent}: make it first, or save elsewhere.")
    return path


# --------------------------------------------------------------------------------------------- a model in a file

_FORMAT = "1"


def save(model: nn.Module, path) -> None:
    """Write weights, schema and settings to one safetensors file: tensors, and JSON in the header. No pickle.

    A setting that is an object of `recbyhand.data` and names its tensors (`tensors()`, as a graph does) is written
    beside the weights. Raises TypeError for a model that is not one of `recbyhand.models`, or a setting that
    neither JSON nor tensors can hold, OSError where the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    name = type(model).__name__
    if _model_class(name) is not type(model):
        raise TypeError(
            f"{name} is not a model of recbyhand.models, so load could not find it. Save its state_dict."
        )
    tensors, settings = {}, {}
    for key, value in model.settings.items():
        kind = type(value).__name__
        if _class_of("data", kind) is type(value) and hasattr(value, "tensors"):
            tensors |= {f"settings.{key}.{part}": tensor for part, tensor in value.tensors().items()}
            value = {_MADE_OF_TENSORS: kind}
        settings[key] = value
    try:
        settings = json.dumps(settings)
    except TypeError as error:
        raise TypeError(
            f"A setting of {name} cannot be written as JSON: {error}. Use numbers and strings."
        ) from None
    schema = model.schema
    tensors |= {f"model.{key}": value for key, value in model.state_dict().items()}
    tensors |= {"schema.user_table": schema.user_table, "schema.item_table": schema.item_table}
    # A weight may be used twice under two names; a file of tensors has no aliases, so each is written out.
    tensors = {key: value.detach().cpu().clone().contiguous() for key, value in tensors.items()}
    header = {"recbyhand": _FORMAT, "model": name, "settings": settings, "schema": schema.to_json()}
    path = writable(path)
    try:
        with in_one_go(path, path.with_name(f".{path.name}.{os.getpid()}")) as unfinished:
            save_file(tensors, unfinished, metadata=header)
    except SafetensorError as error:  # a full disk, a folder that is not ours
        raise OSError(f"{path} could not be written: {error}") from error


def load(path) -> nn.Module:
    """The model that `save` wrote, on the CPU, in evaluation mode.

    Classes are looked up by name in `recbyhand.models` and `recbyhand.data` and nowhere else, and nothing in the
    file is ever executed. Raises ValueError for a file that `save` has not written.
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
        settings = {key: _setting(key, value, tensors) for key, value in settings.items()}
        with torch.random.fork_rng(devices=[]):  # initial weights are drawn and thrown away
            model = cls(schema, **settings)
        kinds = [v.dtype for k, v in tensors.items() if k.startswith("model.") and v.is_floating_point()]
        model.to(kinds[0] if kinds else torch.float32)  # a model saved in float64 comes back in float64
        model.load_state_dict(_below("model.", tensors))
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} does not fit {cls.__name__} of this version: {error}") from error
    return model.eval()


_MADE_OF_TENSORS = "class of recbyhand.data"


def _setting(name: str, value, tensors: dict[str, Tensor]):
    """A setting as the model had it: JSON has no tuples, and leaves objects that are made of tensors to the file."""
    if isinstance(value, dict) and _MADE_OF_TENSORS in value:
        kind = value[_MADE_OF_TENSORS]
        made = getattr(_class_of("data", kind), "from_tensors", None)
        if made is None:
            raise ValueError(f"{name} is a {kind!r}, and recbyhand.data has none that is made of tensors")
        return made(_below(f"settings.{name}.", tensors))
    return tuple(value) if isinstance(value, list) else value


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _class_of(module: str, name: str) -> type | None:
    """The class that `recbyhand.models` or `recbyhand.data` offers by this name."""
    module = importlib.import_module(f"recbyhand.{module}")
    found = getattr(module, name, None) if name in module.__all__ else None
    return found if isinstance(found, type) else None


def _model_class(name: str) -> type | None:
    from recbyhand.models.base import Recommender

    found = _class_of("models", name)
    return found if found and issubclass(found, Recommender) and found is not Recommender else None
