"""The training loop: one step, all epochs, and what a lesson calls."""

from __future__ import annotations

import functools
import inspect
import math
import re
import time
from collections.abc import Callable, Iterable

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from recbyhand.arguments import number, whole
from recbyhand.data.batch import Batch, batch_of, row_numbers
from recbyhand.evaluation import scale
from recbyhand.evaluation.metrics import auc, log_loss
from recbyhand.evaluation.predict import check_logits, check_model, check_schema, device_of, predict
from recbyhand.evaluation.ranking import evaluate_ranking
from recbyhand.training import randomness
from recbyhand.training.checkpoint import State, read_state, writable, write_state
from recbyhand.training.faster import check_faster, faster
from recbyhand.training.processes import ALONE, Processes
from recbyhand.training.rows import values as values_of
from recbyhand.training.watch import Watch, progress_bar


def losses(model: nn.Module, batch: Batch, generator: torch.Generator | None = None) -> tuple:
    r"""Named terms, () each, whose sum a step makes smaller; and the logits (B,), or None where they stay inside.

    $$\mathrm{loss} = -\frac1B \sum_b y_b \log \sigma(z_b) + (1 - y_b) \log(1 - \sigma(z_b)), \qquad
      z = \mathrm{model}(batch)$$

    for any `nn.Module` that gives logits. A model that has a method `loss(batch) -> {"name": term}` says itself
    what it minimises; if that takes a `generator`, it is handed this one. Raises TypeError or ValueError for a
    model that returns anything else.
    """
    own = getattr(model, "loss", None)
    if own is None:
        logits = check_logits(model, model(batch), len(batch))  # (B,)
        return {"loss": F.binary_cross_entropy_with_logits(logits, batch.label)}, logits
    takes = "generator" in inspect.signature(own).parameters
    terms = own(batch, generator=generator) if takes else own(batch)
    wrong = not isinstance(terms, dict) or not terms
    if wrong or not all(isinstance(term, Tensor) and term.ndim == 0 for term in terms.values()):
        raise TypeError(
            f"{type(model).__name__}.loss must return a dict of named scalar tensors, "
            f'such as {{"click": ..., "auxiliary": ...}}, averaged over the batch.'
        )
    return terms, None


def step(
    model: nn.Module,
    batch: Batch,
    optimizer: Optimizer,
    *,
    clip: float | None = None,
    generator: torch.Generator | None = None,
    look: Callable | None = None,
    compute: Callable = losses,
    weight: float = 1.0,
) -> dict[str, Tensor]:
    """One step downhill on one batch: forwards, backwards, and the optimizer moves the weights.

    clip        the largest norm the gradient may have: a longer one is shortened to it
    generator   for a model whose `loss` samples
    look        called as look(values, logits, norm) before the weights move; may raise. Logits have their graph
    compute, weight   where several processes share a batch: what makes gradients common, and the weight of this part

    Returns "loss" and, where there are several, its terms: (), detached, on the device of the model.
    """
    terms, logits = compute(model, batch, generator)
    loss = sum(terms.values())  # ()
    optimizer.zero_grad()
    (loss if weight == 1 else weight * loss).backward()
    weights = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    for w in (w for w in weights if w.grad.is_sparse):
        w.grad = w.grad.coalesce()  # each row once: only then is the norm that of the gradient
    norm = nn.utils.get_total_norm([values_of(p.grad) for p in weights])  # ()
    values = {"loss": loss} | (terms if len(terms) > 1 else {}) | {"loss": loss}
    values = {name: value.detach() for name, value in values.items()}
    if look is not None:
        look(values, logits, norm)
    if clip is not None:
        nn.utils.clip_grads_with_norm_([w for w in weights if not w.grad.is_sparse], clip, norm)
        for rows in (values_of(w.grad) for w in weights if w.grad.is_sparse):
            rows.mul_((clip / (norm + 1e-6)).clamp(max=1.0))
    optimizer.step()
    return values


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
    *,
    optimizer: Callable[[list[nn.Parameter]], Optimizer] | Optimizer | None = None,
    schedule: Callable | None = None,
    clip: float | None = None,
    sampler: Iterable[int] | None = None,
    resume=None,
    compile: bool | dict = False,
    precision: str = "float32",
) -> pd.DataFrame:
    """Train on `task.train`, keep the weights of the best epoch on `task.valid`. What is minimised: see `losses`.

    model       any `nn.Module` from a batch to logits (B,)
    lr, weight_decay   of AdamW, unless there is an `optimizer`, which has its own
    patience    stop when so many epochs in a row have not improved on the best; without it, run all `epochs`
    monitor     what "best" means on validation: "auc" (higher; the default, since AUC is what the book reports),
                "log_loss" (lower; also minds whether the probabilities are right), "NDCG@10" or "HR@10" (at any
                k, over the full catalogue). Where validation has only one class, there is no AUC and log loss
                decides; without validation rows, the last epoch
    device      where to train ("cuda"); without it, where the model is. The model stays there
    seed        of the order of examples, dropout and sampled negatives: the same initial weights and the same
                seed give the same model. The global random state is left as it was
    optimizer   a function of the parameters, such as `functools.partial(torch.optim.SGD, lr=0.1)`, or an optimizer
    schedule    a function step -> factor on the rate (step = 0, 1, ... over all epochs), or a function of the
                optimizer that makes a scheduler of torch, such as `functools.partial(ExponentialLR, gamma=0.99)`;
                it moves on after every step
    clip        the largest norm of a gradient (see `step`)
    sampler     row numbers of `task.train`, read anew each epoch: a sampler of torch, a list, a tensor. Without
                it, every row once, in random order
    resume      a file for the state of the run, written after each epoch. A run that finds it goes on where that
                one was cut, whatever cut it, and ends as it would have ended, to the last digit (what a sampler
                remembers is not in the file); one that was at its end gives back what it had. `epochs` and
                `patience` may be others than before; delete the file to begin anew
    compile     forward and loss as one program that `torch.compile` makes in the first step, which takes from seconds
                to minutes and, on the CPU, a C++ compiler: for long runs. Another model of the same class and sizes
                finds it made. The same results but for rounding and the random numbers of dropout. A dict holds
                arguments of `torch.compile`
    precision   "bfloat16": the matrix products of forward and loss in 16 bits, by `torch.autocast`, which pays on
                processors with instructions for it. Weights, optimizer, running statistics and the loss stay in 32
                bits. Validation and what is returned are as ever, with both options

    Under `torchrun` the processes share every batch, and each ends with the same model: see `training.processes`.

    Returns one row per epoch: epoch, loss, one column per named term, valid_auc, valid_log_loss, valid_ and the
    name of a ranking to monitor, seconds and best (True for the epoch whose weights the model now has). The model
    is then in evaluation mode; an exception leaves the mode as it was. An interrupt (the stop button) ends training
    early and keeps what was learned.

    Raises FloatingPointError at the first loss or gradient that is not finite, naming epoch, step and rows, and
    after an epoch that leaves scores of validation not finite, naming epoch and rate. ValueError for a file to
    resume from that is of a run with other settings. Warns where `forward` returns probabilities: at the first step if
    it ends in a sigmoid, otherwise at the end, if no output on validation ever left [0, 1] and the labels ask for it.
    """
    check_model(model)
    if not hasattr(task, "train"):
        raise TypeError(f"fit takes a whole task, as rbh.data.ctr(data) makes it, not {type(task).__name__}")
    check_schema(model, task.schema)
    epochs, batch_size, seed = (
        whole("epochs", epochs),
        whole("batch_size", batch_size),
        whole("seed", seed, 0),
    )
    patience = None if patience is None else whole("patience", patience)
    clip = None if clip is None else number("clip", clip, above=0)
    if len(task.train) == 0:
        raise ValueError("The training set is empty: there is nothing to learn from.")
    _check_monitor(monitor, task, patience)
    check_faster(compile, precision)
    resume = None if resume is None else writable(resume)
    processes = Processes.join(device)
    if device is not None:
        try:
            model.to(processes.device(device))
        except (AssertionError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"device={device!r} is not to be had here ({reason}): leave it out") from error
    device, optimizer = device_of(model), _optimizer(model, optimizer, lr, weight_decay)
    compute = faster(losses, compile, precision, device)
    own = seed + processes.rank * 1_000_003  # what depends on rows is drawn anew in each process
    state = State(
        model,
        optimizer,
        _scheduler(schedule, optimizer),
        order=torch.Generator().manual_seed(seed),
        draws=torch.Generator(device).manual_seed(own + 1),
    )
    settings = epochs, batch_size, patience, monitor, clip, sampler
    modes = [(module, module.training) for module in model.modules()]
    try:
        with randomness.random_state(own, device), progress_bar(progress and processes.rank == 0) as bar:
            keep = None
            if resume is not None:
                about = _about(state, task, batch_size, seed, monitor, clip, processes)
                about |= {"compile": repr(compile), "precision": repr(precision)}
                read_state(resume, state, about, processes)
                keep = functools.partial(write_state, resume, state, about, processes)
            try:
                run(state, task, *settings, bar, processes, keep, compute)
            except KeyboardInterrupt:
                bar.close()
                keeps = f"The weights of epoch {state.best_epoch}" if state.kept else "What was learned"
                print(
                    f"Interrupted in epoch {state.epoch + 1}. {keeps} {'are' if state.kept else 'is'} kept."
                )
    except BaseException:
        for module, mode in modes:
            module.training = mode
        raise
    if state.kept:
        model.load_state_dict(state.kept)
    model.eval()
    return state.table()


def run(
    state: State,
    task,
    epochs: int,
    batch_size: int,
    patience: int | None,
    monitor: str,
    clip: float | None,
    sampler: Iterable[int] | None,
    bar,
    processes: Processes = ALONE,
    keep: Callable | None = None,
    compute: Callable = losses,
) -> None:
    """The loop itself: from the epoch after `state.epoch` to the last. `keep()` is called after each."""
    model, device = state.model, device_of(state.model)
    watch, compute = Watch(model, state.optimizer, device), processes.losses(model, compute)
    for epoch in range(state.epoch + 1, epochs + 1):
        if patience is not None and state.epoch - state.best_epoch >= patience:
            break
        started = time.perf_counter()
        model.train()
        order = _order(len(task.train), sampler, state.order)  # (N,)
        if sampler is not None:  # which may draw: all processes follow the first
            order = processes.of_first(lambda order=order: order)
        steps = math.ceil(len(order) / batch_size)
        bar.total = bar.n + (epochs + 1 - epoch) * steps
        watch.start(epoch, len(order))
        # Parts of nearly one size: no last batch of one row, whose batch statistics mean nothing.
        for n, rows in enumerate(order.tensor_split(steps), start=1):
            rows, weight = processes.part(rows)
            batch, look = batch_of(task.train, rows).to(device), functools.partial(watch.see, n, rows)
            shared = {"compute": compute, "weight": weight}
            step(model, batch, state.optimizer, clip=clip, generator=state.draws, look=look, **shared)
            if state.scheduler is not None:
                state.scheduler.step()
            bar.update()
        processes.average_statistics(model)
        row = {"epoch": epoch} | processes.sum(watch.look()) | validate(model, task, monitor, watch)
        state.end_epoch(row | {"seconds": time.perf_counter() - started}, _score(row, monitor))
        if keep is not None:
            keep()
        bar.set_postfix_str(f"valid AUC {row['valid_auc']:.4f}")
    scale.check_range(model, watch.low, watch.high, task.valid.label, watch.steps)


def validate(model: nn.Module, task, monitor: str, watch: Watch) -> dict[str, float]:
    """AUC and log loss of `task.valid` and, if it is monitored, a ranking; nan without rows."""
    if len(task.valid) == 0:
        return {"valid_auc": math.nan, "valid_log_loss": math.nan}
    logits, label = predict(model, task.valid), task.valid.label  # (N,), (N,)
    watch.check_scores(logits)
    row = {"valid_auc": auc(label, logits), "valid_log_loss": log_loss(label, logits)}
    if k := _places(monitor):
        row[f"valid_{monitor}"] = evaluate_ranking(model, task.before_test(), k)[monitor].item()
    return row


def train(make: Callable, task, seed: int = 0, **how) -> nn.Module:
    """Seed, build, fit: `make(task.schema)` gives the model, `how` goes to `fit`; the same seed serves both.

    Returns the model, in evaluation mode; what `fit` returned is kept as `model.log`.
    """
    randomness.seed(seed)
    model = make(task.schema)
    model.log = fit(model, task, seed=seed, **{"progress": False} | how)
    return model


# ----------------------------------------------------------------------------------- what is handed to `fit`


def _places(monitor: str) -> int | None:
    """10 for "NDCG@10" and "HR@10"; None for what is no ranking."""
    found = re.fullmatch(r"(?:NDCG|HR)@([1-9]\d*)", str(monitor))
    return int(found[1]) if found else None


def _check_monitor(monitor: str, task, patience: int | None) -> None:
    if monitor not in ("auc", "log_loss") and not _places(monitor):
        raise ValueError(f'monitor={monitor!r} is unknown: choose "auc", "log_loss", "NDCG@10" or "HR@10".')
    if patience is not None and len(task.valid) == 0:
        raise ValueError("Early stopping (patience) needs validation rows, and task.valid has none.")
    if _places(monitor) and not len(task.before_test().ranking()):
        raise ValueError(
            f"monitor={monitor!r} needs a user who trains and likes an item of validation: none does."
        )


def _score(row: dict, monitor: str) -> float:
    """What the epoch is worth: more is better, nan if nothing tells."""
    value = row.get(f"valid_{monitor}", math.nan)
    return -row["valid_log_loss"] if monitor == "log_loss" or math.isnan(value) else value


def _about(state: State, task, batch_size: int, seed: int, monitor: str, clip, processes: Processes) -> dict:
    """What must be the same where a run goes on, in words: model, data, steps."""
    model, train = state.model, task.train
    of_model = getattr(model, "settings", None)
    plain = {name: v for name, v in (of_model or {}).items() if isinstance(v, (str, int, float, tuple))}
    about = {"model": type(model).__name__} | {f"{type(model).__name__}.{k}": v for k, v in plain.items()}
    sums = {
        f"sum of task.train.{name}": getattr(train, name).sum().item() for name in ("user", "item", "label")
    }
    about |= {"rows": len(train)} | sums
    about |= {"batch_size": batch_size, "seed": seed, "monitor": monitor, "clip": clip}
    about |= {"optimizer": type(state.optimizer).__name__} | state.optimizer.defaults
    about |= {"schedule": type(state.scheduler).__name__, "processes": processes.size}
    return {name: repr(value) for name, value in about.items()}


_ADAMW = {"lr": 5e-3, "weight_decay": 0.01}


def _optimizer(model: nn.Module, make, lr: float, weight_decay: float) -> Optimizer:
    weights = [p for p in model.parameters() if p.requires_grad]
    if not weights:
        raise ValueError(f"{type(model).__name__} has no weights to train. Evaluate it as it is.")
    own = {"lr": number("lr", lr, least=0), "weight_decay": number("weight_decay", weight_decay, least=0)}
    if make is None:
        return AdamW(weights, **own)
    if own != _ADAMW:
        raise ValueError(
            "lr and weight_decay are those of AdamW: give your optimizer its own, and leave them out"
        )
    made = make if isinstance(make, Optimizer) else make(weights)
    if not isinstance(made, Optimizer):
        raise TypeError(f"optimizer makes an optimizer of torch from parameters, not a {type(made).__name__}")
    moved = {id(p) for group in made.param_groups for p in group["params"]}
    if not moved <= {id(p) for p in model.parameters()}:
        raise ValueError("optimizer moves weights that are not this model's: make it after the model")
    return made


def _scheduler(schedule, optimizer: Optimizer) -> LRScheduler | None:
    if schedule is None:
        return None
    try:
        made = schedule(optimizer)
    except TypeError:  # a function of numbers does not take an optimizer
        made = None
    if not isinstance(made, LRScheduler):
        return LambdaLR(optimizer, schedule)
    if isinstance(made, ReduceLROnPlateau):
        raise ValueError(
            "ReduceLROnPlateau waits for a metric, and a schedule moves by steps: choose another"
        )
    return made


def _order(n: int, sampler: Iterable[int] | None, generator: torch.Generator) -> Tensor:
    """The rows of one epoch in their order."""
    if sampler is None:
        return torch.randperm(n, generator=generator)  # (N,)
    rows = torch.arange(n)[row_numbers(sampler if isinstance(sampler, Tensor) else list(sampler), n)]  # (N,)
    if len(rows) == 0:
        raise ValueError(
            "sampler gives no rows: it is read anew each epoch, so a list will do, a generator will not"
        )
    return rows
