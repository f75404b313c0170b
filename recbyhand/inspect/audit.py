"""Is it a model, and does it play fair? Each property that a model of the book has, tried on yours: `audit`."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import html
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from recbyhand.console import printable
from recbyhand.data.batch import Batch
from recbyhand.evaluation.predict import check_logits, evaluating
from recbyhand.inspect.building import build
from recbyhand.training import losses, step
from recbyhand.training.randomness import random_state

HISTORY = ("history", "history_mask", "history_labels", "history_time")
STEPS, ROWS = 3, 128  # a model is looked at after so many steps on so many rows


class Fault(Exception):
    """What is wrong, in words and shapes, and what to do."""


@dataclass(frozen=True)
class Finding:
    """One line of a report: `passed` is None where the property could not be tried."""

    kind: str  # "interface", "leakage" or "data"
    name: str
    passed: bool | None
    said: str


@dataclass(frozen=True, repr=False)
class Audit:
    """What `audit` found, a line per property, `report["one logit per row"]`. In a notebook it shows as a table.

    reads  which inputs move the score: user, item, history, order (of the history) and time (how long ago)
    """

    model: str
    findings: tuple[Finding, ...]
    reads: dict[str, bool]

    @property
    def passed(self) -> bool:
        return all(finding.passed for finding in self.findings)

    @property
    def failed(self) -> list[str]:
        """The names of the lines that failed."""
        return [finding.name for finding in self.findings if finding.passed is False]

    def __getitem__(self, name: str) -> Finding:
        found = {finding.name: finding for finding in self.findings}
        if name not in found:
            raise KeyError(f"no line {name!r}: there are {', '.join(found)}")
        return found[name]

    def verdict(self) -> str:
        """One sentence."""
        n, held = len(self.findings), sum(finding.passed is True for finding in self.findings)
        reads = ", ".join(name for name, moved in self.reads.items() if moved) or "nothing that was tried"
        return f"{self.model}: {held} of {n} lines hold. It reads: {reads}."

    def __repr__(self) -> str:
        lines = [f"{MARK[f.passed][0]} {f.kind:<9} {f.name:<26} {f.said}".rstrip() for f in self.findings]
        return printable("\n".join([*lines, self.verdict()]))

    def _repr_html_(self) -> str:
        style, body, kind = "padding:.2em .6em;text-align:left;vertical-align:top", "", None
        for f in self.findings:
            sign, word, colour = MARK[f.passed]
            first, kind = f.kind if f.kind != kind else "", f.kind
            mark = (
                f"<span style='color:{colour};font-weight:bold' role='img' aria-label='{word}'>{sign}</span>"
            )
            cells = (first, mark, html.escape(f.name), html.escape(f.said))
            body += "<tr>" + "".join(f"<td style='{style}'>{cell}</td>" for cell in cells) + "</tr>"
        head = "".join(
            f"<th scope='col' style='{style}'>{name}</th>" for name in ("of", "held", "line", "what was seen")
        )
        return (
            "<div style='overflow-x:auto'><table style='color:inherit;background:none;font-size:.85em'>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div><p>{html.escape(self.verdict())}</p>"
        )


MARK = {
    True: ("✓", "held", "#0a8f6a"),
    False: ("✗", "failed", "#d0602a"),
    None: ("?", "not tried", "#808080"),
}


def audit(make: Callable, task) -> Audit:
    """Try a model for the faults that spoil a measurement. It takes a second or two, and trains for three steps only.

    make  the class, or a function: make(schema) gives a model; if its argument is called `task`, it gets the task
    task  the click task it is meant for, as `rbh.data.ctr` makes it

    Interface: logits (B,) for any batch, also of one row or of empty histories; finite; a loss to train on, from
    which every weight learns; predictions that repeat, that depend on their own row alone, and that leave the batch
    as it is; scores that differ by row, by item, by person.
    Leakage: no score moves when its label, what lies under the padding, or anything after training is changed. For
    the last, validation, test and later events of `task` are changed in place, the model is built and trained again,
    and they are put back.
    Data: the test is later than training, and a history is older than its row.

    What no audit of this kind sees: a model that read a file or `task.dataset`, a graph that was made outside `make`,
    an auxiliary loss that may look at its own answer. Raises TypeError where `make` makes no model.
    """
    python, numbers = random.getstate(), np.random.get_state()  # noqa: NPY002 - a model may draw from it
    try:
        subject, findings = Subject(make, task), {}
        for line in LINES:
            unmet = [need for need in line.needs if not findings[need].passed]
            seen = (None, f"After `{unmet[0]}`.") if unmet else _try(line, subject)
            findings[line.name] = Finding(line.kind, line.name, *seen)
    finally:
        random.setstate(python)
        np.random.set_state(numbers)  # noqa: NPY002
    sound = findings[SHAPE].passed and findings["finite numbers"].passed
    reads = {what: subject.moves(change) for what, change in READS.items()} if sound else {}
    return Audit(type(subject.fresh).__name__, tuple(findings.values()), reads)


def _try(line: Line, subject: Subject) -> tuple[bool, str]:
    try:
        with random_state(0, torch.device("cpu")):
            return True, line.look(subject) or ""
    except Fault as fault:
        return False, str(fault)
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        return False, f"It stopped with {type(error).__name__}: {first}"


# ------------------------------------------------------------------------------------------ what is looked at


class Subject:
    """The model in three states, and the rows it is asked."""

    def __init__(self, make: Callable, task):
        self.make, self.task = make, task
        with random_state(0, torch.device("cpu")):
            self.fresh = build(make, task).eval()
        spread = torch.linspace(0, len(task.train) - 1, min(ROWS, len(task.train))).long()  # (R,)
        self.rows = task.train[spread]
        self.ragged = _ragged(self.rows[:64])

    @property
    def trains(self) -> bool:
        return any(p.requires_grad for p in self.fresh.parameters())

    def taught(self) -> tuple[nn.Module, dict[str, Tensor | None]]:
        """A model built anew and trained for a few steps; and, by name, the summed size of each weight's gradients."""
        with random_state(0, torch.device("cpu")):
            model = build(self.make, self.task).train()
            weights = {n: p for n, p in model.named_parameters() if p.requires_grad and p.numel()}
            size: dict[str, Tensor | None] = dict.fromkeys(weights)
            if weights:
                optimizer = torch.optim.AdamW(weights.values(), lr=0.01)
                generator = torch.Generator().manual_seed(0)
                for _ in range(STEPS):
                    step(model, _copy(self.rows), optimizer, generator=generator)
                    for name, p in weights.items():
                        if p.grad is not None:
                            size[name] = p.grad.abs() + (0 if size[name] is None else size[name])
        return model.eval(), size

    @cached_property
    def loud(self) -> nn.Module:
        """A copy with large random weights: what it reads shows, however small it starts."""
        model = copy.deepcopy(self.fresh)
        g = torch.Generator().manual_seed(0)
        tables = [m for m in model.modules() if isinstance(m, nn.Embedding)]
        with torch.no_grad():
            for p in model.parameters():
                p.add_(0.1 * torch.randn(p.shape, generator=g).to(p))
            for table in tables:
                table.weight.copy_(torch.randn(table.weight.shape, generator=g))
                if table.padding_idx is not None:
                    table.weight[table.padding_idx] = 0
        return model.eval()

    def scores(self, batch: Batch, model: nn.Module | None = None) -> Tensor:
        """(B,) in evaluation mode, always with the same random numbers."""
        model = self.loud if model is None else model
        with random_state(0, torch.device("cpu")), evaluating(model):
            return model(_copy(batch)).detach().float()

    def moves(self, change: Callable[[Batch], Batch], tolerance: float = 1e-4) -> bool:
        """Does any score move when all rows are changed so?"""
        return bool(_apart(self.scores(self.rows), self.scores(change(self.rows)), tolerance).any())


def _apart(one: Tensor, other: Tensor, tolerance: float = 1e-4) -> Tensor:
    """(B,) True where two answers differ by more than rounding; nan equals nan."""
    scale = 1 + torch.maximum(one.abs(), other.abs()).nan_to_num(posinf=0).amax()
    return ~(((one - other).abs() <= tolerance * scale) | (one.isnan() & other.isnan()) | (one == other))


def _copy(batch: Batch) -> Batch:
    return batch._map(Tensor.clone)


def _ragged(batch: Batch) -> Batch:
    """Histories of every length: row i keeps its i oldest events at most, row 0 none."""
    L = batch.history.shape[1]
    keep = torch.arange(L) < (torch.arange(len(batch)) % (L + 1))[:, None]  # (B, L)
    mask = batch.history_mask & keep
    return dataclasses.replace(
        batch, **{n: getattr(batch, n) * mask for n in HISTORY if n != "history_mask"}, history_mask=mask
    )


def _first(wrong: Tensor, batch: Batch) -> str:
    """Which rows: "row 3 (an empty history) and 4 others"."""
    rows = wrong.nonzero()[:, 0].tolist()
    events = int(batch.history_mask[rows[0]].sum())
    others = f" and {len(rows) - 1} others" if len(rows) > 1 else ""
    return f"row {rows[0]} ({f'{events} events' if events else 'an empty history'}){others}"


@dataclass(frozen=True)
class Line:
    """A property: `look` returns a remark or raises `Fault`; it is not tried before those it `needs` hold."""

    kind: str
    name: str
    needs: tuple[str, ...]
    look: Callable[[Subject], str | None]


LINES: list[Line] = []
SHAPE = "one logit per row"


def line(kind: str, name: str, *needs: str) -> Callable:
    """Register the decorated function as the line of this name."""

    def register(look: Callable) -> Callable:
        LINES.append(Line(kind, name, needs, look))
        return look

    return register


# -------------------------------------------------------------------------------------------------- interface


@line("interface", SHAPE)
def _shape(it: Subject) -> str:
    batches = {"64 rows": it.ragged, "a single row": it.ragged[-1:], "padding only": _emptied(it.ragged[:3])}
    for what, batch in batches.items():
        with evaluating(it.fresh):
            logits = it.fresh(_copy(batch))
        try:
            check_logits(it.fresh, logits, len(batch))
        except (TypeError, ValueError) as error:
            raise Fault(f"With {what}: {error}") from None
        if not logits.is_floating_point():
            raise Fault(f"Logits are floating-point numbers; these are {logits.dtype}.")
    return "also of one row, and of padding only"


@line("interface", "finite numbers", SHAPE)
def _finite(it: Subject) -> None:
    for model in (it.fresh, it.loud):
        scores = it.scores(it.ragged, model)
        if (wrong := ~scores.isfinite()).any():
            raise Fault(
                f"{_first(wrong, it.ragged)}: the score is {scores[wrong][0].item()}. Look for a division by the "
                "number of events, a softmax over nothing, the logarithm of 0."
            )


@line("interface", "a loss to train on", SHAPE)
def _loss(it: Subject) -> str:
    if not it.trains:
        return "no weights: it counts"
    model = copy.deepcopy(it.fresh).train()
    for batch in (it.rows, it.ragged):
        terms, _ = losses(model, _copy(batch), torch.Generator().manual_seed(0))
        for name, term in terms.items():
            if not torch.isfinite(term):
                raise Fault(f"The term {name!r} of the loss is {term.item()} on {len(batch)} training rows.")
        sum(terms.values()).backward()
        for name, p in model.named_parameters():
            if p.grad is not None and not p.grad.isfinite().all():
                raise Fault(f"The loss is finite, but the gradient of {name} {tuple(p.shape)} is not.")
    return ", ".join(terms)


@line("interface", "every weight learns", SHAPE, "a loss to train on")
def _learns(it: Subject) -> str:
    _, size = it.taught()
    named = dict(it.fresh.named_parameters())
    for name, gradient in size.items():
        shape = tuple(named[name].shape)
        if gradient is None:
            raise Fault(
                f"{name} {shape} gets no gradient: nothing that the loss uses comes from it. Use it or drop it."
            )
        # A single number added to all scores of a softmax moves nothing: that one may stand still.
        if named[name].numel() > 1 and not gradient.any():
            raise Fault(
                f"The gradient of {name} {shape} is 0 in every place, after {STEPS} steps: is it multiplied by 0, "
                "cut off by .detach(), or behind a unit that never opens?"
            )
    return f"{sum(p.numel() for p in named.values() if p.requires_grad):,} numbers"


@line("interface", "predictions repeat", SHAPE)
def _repeats(it: Subject) -> None:
    before = copy.deepcopy(it.loud.state_dict())
    with evaluating(it.loud):
        answers = [it.loud(_copy(it.rows)) for _ in range(2)]
    if _apart(*answers).any():
        raise Fault(
            "Asked twice in evaluation mode, it gives two answers: dropout or noise goes on. F.dropout needs "
            "training=self.training; nn.Dropout knows by itself."
        )
    for name, value in it.loud.state_dict().items():
        if not torch.equal(value, before[name]):
            raise Fault(f"Predicting changes {name}: only training may.")


@line("interface", "each row by itself", SHAPE, "predictions repeat")
def _alone(it: Subject) -> None:
    together = it.scores(it.rows)
    back = torch.arange(len(it.rows)).flip(0)
    for what, rows in {
        "alone": None,
        "with the rows turned round": back,
        "in half the batch": back[::2],
    }.items():
        if rows is None:
            rows = torch.arange(8)
            other = torch.cat([it.scores(it.rows[i : i + 1]) for i in range(8)])
        else:
            other = it.scores(it.rows[rows])
        if (wrong := _apart(together[rows], other)).any():
            at = int(wrong.nonzero()[0, 0])
            a, b = together[rows][at].item(), other[at].item()
            raise Fault(
                f"Row {int(rows[at])} scores {a:.4f} in a batch of {len(it.rows)} and {b:.4f} {what}. A mean, a "
                "softmax or a norm runs over the batch axis 0, or rows are looked up by their place."
            )


@line("interface", "the batch stays as it is", SHAPE)
def _intact(it: Subject) -> None:
    for model, mode in ((copy.deepcopy(it.fresh), True), (it.fresh, False)):
        for batch in (it.rows, it.ragged):
            mine = _copy(batch)
            model.train(mode)
            losses(model, mine, torch.Generator().manual_seed(0)) if mode and it.trains else model(mine)
            for name, value in vars(mine).items():
                if isinstance(value, Tensor) and not torch.equal(value, getattr(batch, name)):
                    raise Fault(
                        f"batch.{name} is changed in place: work on a copy, without a trailing underscore."
                    )
    it.fresh.eval()


@line("interface", "scores tell rows apart", SHAPE)
def _varies(it: Subject) -> None:
    scores = it.scores(it.rows)
    if not _apart(scores, scores[0].expand_as(scores)).any():
        raise Fault(f"All {len(scores)} rows score {scores[0].item():.4f}, even with random weights.")


@line("interface", "reads the item", SHAPE, "scores tell rows apart")
def _item(it: Subject) -> None:
    if not it.moves(READS["item"]):
        raise Fault(
            "Another batch.item moves no score: every film is as good as the next. Let it enter the head."
        )


@line("interface", "reads the person", SHAPE, "scores tell rows apart")
def _person(it: Subject) -> None:
    if not it.moves(lambda batch: READS["user"](READS["history"](batch))):
        raise Fault("Another user with another history moves no score: everybody gets the same list.")


# ---------------------------------------------------------------------------------------------------- leakage


@line("leakage", "blind to the label", SHAPE)
def _label(it: Subject) -> None:
    for other in (1 - it.rows.label, torch.full_like(it.rows.label, 0.5)):
        if it.moves(lambda batch, other=other: dataclasses.replace(batch, label=other), tolerance=0):
            raise Fault(
                "With another batch.label the score is another: `forward` reads the answer. Only `loss` may."
            )


@line("leakage", "blind to padding", SHAPE)
def _padding(it: Subject) -> None:
    batch, g = it.ragged, torch.Generator().manual_seed(1)
    ids = torch.randint(2, it.task.schema.n_items, batch.history.shape, generator=g)
    noise = {
        "history": ids,
        "history_labels": torch.ones_like(batch.history_labels),
        "history_time": ids + 1_600_000_000,
    }
    before = it.scores(batch)
    for name, other in noise.items():
        value = getattr(batch, name)
        under = torch.where(batch.history_mask, value, other.to(value))
        if (wrong := _apart(before, it.scores(dataclasses.replace(batch, **{name: under})))).any():
            raise Fault(
                f"{_first(wrong, batch)}: what lies in {name} where history_mask is False moves the score. Mask it."
            )
    for where, width in {"after": (0, 2), "before": (2, 0)}.items():
        wider = dataclasses.replace(batch, **{n: pad(getattr(batch, n), width) for n in HISTORY})
        if (wrong := _apart(before, it.scores(wider))).any():
            raise Fault(
                f"{_first(wrong, batch)}: two more columns of padding {where} the events move the score. Divide by the "
                "number of events and not by L, and count places with `age(mask)`."
            )


@line("leakage", "blind to the future", SHAPE, "a loss to train on")
def _future(it: Subject) -> None:
    rows = torch.linspace(0, len(it.task.test) - 1, min(64, len(it.task.test))).long()
    asked = (it.rows, it.task.test[rows])  # gathered now, with the histories they have
    first, _ = it.taught()
    before = [it.scores(batch, first) for batch in asked]
    with another_future(it.task):
        changed = [it.scores(batch, first) for batch in asked]
        second, _ = it.taught()
    after = [it.scores(batch, second) for batch in asked]
    for one, two, said in (
        (before, changed, "while it is asked"),
        (before, after, "while it is built and trained"),
    ):
        if any(_apart(a, b, 1e-7).any() for a, b in zip(one, two, strict=True)):
            raise Fault(
                f"Other validation and test rows, and other events after training, move the scores {said}: it "
                "reads them from the task. Take task.train, or task.interactions(), and nothing else."
            )


@contextlib.contextmanager
def another_future(task) -> Iterator[None]:
    """Inside, all that comes after training is another: labels turned round, items exchanged. Then it is put back."""
    events, g = task.events, torch.Generator().manual_seed(0)
    known = events.start[:-1].clone().scatter_reduce(0, task.train.user, task.train.end, "amax")  # (users,)
    place = torch.arange(len(events.item))
    owner = torch.searchsorted(events.start, place, right=True) - 1  # (1 + E,)
    later = place[(place > 0) & (place >= known[owner.clamp(0, len(known) - 1)])]
    tensors = [part_of for part in (task.valid, task.test) for part_of in (part.label, part.item)]
    tensors += [events.item, events.label]
    kept = [tensor.clone() for tensor in tensors]
    try:
        for part in (task.valid, task.test):
            part.label.copy_(1 - part.label)
            part.item.copy_(part.item[torch.randperm(len(part.item), generator=g)])
        events.item[later] = events.item[later[torch.randperm(len(later), generator=g)]]
        events.label[later] = 1 - events.label[later]
        yield
    finally:
        for tensor, value in zip(tensors, kept, strict=True):
            tensor.copy_(value)


# ------------------------------------------------------------------------------------------------------- data


@line("data", "the test is new, and later")
def _later(it: Subject) -> None:
    train, test, size = it.task.train.observed(), it.task.test.observed(), it.task.schema.n_items
    keys = [torch.stack([part.user * size + part.item, part.time], 1) for part in (train, test)]
    both = torch.cat([key.unique(dim=0) for key in keys])
    if again := len(both) - len(both.unique(dim=0)):
        raise Fault(f"{again} rows of the test (user, item and second) are in training, too.")
    newest = torch.full((it.task.schema.n_users,), -1).scatter_reduce(0, train.user, train.time, "amax")
    if early := int((test.time < newest[test.user]).sum()):
        raise Fault(
            f"{early} of {len(test):,} test rows are older than a training row of their user: split by time."
        )


@line("data", "histories are older")
def _older(it: Subject) -> None:
    for name in ("train", "valid", "test"):
        part = getattr(it.task, name)
        for start in range(0, len(part), 8192):
            batch = part[start : start + 8192]
            wrong = (batch.history_mask & (batch.history_time >= batch.time[:, None])).any(1)
            if wrong.any():
                raise Fault(
                    f"task.{name}, row {start + int(wrong.nonzero()[0, 0])}: an event is not older than the row."
                )


# ----------------------------------------------------------------------------------------------------- helpers


def _emptied(batch: Batch) -> Batch:
    return dataclasses.replace(batch, **{name: torch.zeros_like(getattr(batch, name)) for name in HISTORY})


def _turned(batch: Batch) -> Batch:
    """The same events, the newest first; their times stay where they are."""
    place = torch.arange(batch.history.shape[1]).expand_as(batch.history)
    last = batch.history_mask.sum(1, keepdim=True) - 1
    place = torch.where(batch.history_mask, last - place, place)  # padding comes after the newest event
    return dataclasses.replace(batch, history=batch.history.gather(1, place))


def _rolled(batch: Batch, *names: str) -> Batch:
    return dataclasses.replace(batch, **{name: getattr(batch, name).roll(1, 0) for name in names})


READS = {
    "user": lambda batch: _rolled(batch, "user"),
    "item": lambda batch: _rolled(batch, "item"),
    "history": lambda batch: _rolled(batch, *HISTORY),
    "order": _turned,
    "time": lambda batch: dataclasses.replace(batch, time=batch.time + 30 * 86_400),
}
