"""Negatives for tables that have none: purchases, views, likes."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from recbyhand.arguments import whole
from recbyhand.data.ctr import Examples, Task

ROUNDS = 30  # a draw that meets a positive of its user is made again, so many times


def with_negatives(task: Task, ratio: int = 4, *, by: str = "uniform", seed: int = 0) -> Task:
    """The task with `ratio` negatives drawn for each positive of training and validation; the test stays.

    ratio  how many for each positive
    by     "uniform": any item of the catalogue, each as likely; "popularity": as often as it had been a
           training positive by then
    seed   the same seed draws the same

    A negative has the user, the time and the history of its positive, and another item: one that somebody had
    met by that time (there is no other sign of when an item came into the catalogue), and that is no positive
    of this user, earlier or later, in any part. (Leaving out the positives of the test tells training a little of
    it: a liked test item is never drawn against its user.) It is not *seen* (a ranking may recommend it) and moves no
    cut, since it is drawn after the split. Where no such item is found there are fewer negatives. Rows of the
    new training part have new numbers (`edge`).

    What a model then says is no probability of a click: it depends on `ratio` and `by`. And AUC over drawn
    rows measures the draw as much as the model. Judge by ranking: `rbh.evaluate_ranking(model, task)`.

    Raises ValueError for a task that has negatives drawn already, or no positive in training.
    """
    ratio, seed = whole("ratio", ratio), whole("seed", seed, least=0)
    if by not in ("uniform", "popularity"):
        raise ValueError(f'by={by!r}: choose "uniform" or "popularity"')
    if task.train.drawn is not None:
        raise ValueError("negatives have been drawn for this task already: start from the task that ctr made")
    if not bool((task.train.label > 0).any()):
        raise ValueError("no training label is 1, and negatives are drawn for positives")
    size, parts = task.schema.n_items, (task.train, task.valid, task.test)
    item, time, label = (torch.cat([getattr(part, n) for part in parts]) for n in ("item", "time", "label"))
    user = torch.cat([part.user for part in parts])
    positives = (user * size + item)[label > 0].unique()  # (P,) a pair of user and item is one number
    known = (item, time) if by == "uniform" else _positives(task.train)
    pool, since = _by_time(*known, first=by == "uniform")
    warm = torch.zeros(size, dtype=torch.bool)
    warm[task.train.item] = True  # before negatives: a drawn item does not make an item known
    generator = torch.Generator().manual_seed(seed)
    drawn = [_with_drawn(part, ratio, pool, since, positives, ~warm, generator) for part in parts[:2]]
    for part, first in zip(drawn, (0, None), strict=True):
        part.edge = torch.arange(len(part)) if first == 0 else torch.full((len(part),), -1)
    settings = task.settings | {"negatives": {"ratio": ratio, "by": by, "seed": seed}}
    return dataclasses.replace(task, train=drawn[0], valid=drawn[1], settings=settings)


def _positives(part: Examples) -> tuple[Tensor, Tensor]:
    return part.item[part.label > 0], part.time[part.label > 0]


def _by_time(item: Tensor, time: Tensor, first: bool) -> tuple[Tensor, Tensor]:
    """Items in the order of their times; only the `first` time of each, or all: then frequent ones are many."""
    order = time.argsort(stable=True)
    item, time = item[order], time[order]
    if first:
        _, at = np.unique(item.numpy(), return_index=True)
        at = torch.from_numpy(np.sort(at))
        item, time = item[at], time[at]
    return item, time


def _with_drawn(
    part: Examples, ratio: int, pool: Tensor, since: Tensor, positives: Tensor, cold: Tensor, generator
) -> Examples:
    rows = (part.label > 0).nonzero()[:, 0].repeat_interleave(ratio)  # (N,) the positive of each negative
    there = torch.searchsorted(
        since, part.time[rows], right=True
    )  # (N,) the first so many had been met by then
    item = torch.zeros_like(rows)
    todo = (there > 0).nonzero()[:, 0]
    for _ in range(ROUNDS):
        if not len(todo):
            break
        place = (torch.rand(len(todo), generator=generator, dtype=torch.float64) * there[todo]).long()
        item[todo] = pool[place]
        pairs = part.user[rows[todo]] * len(cold) + item[todo]
        at = torch.searchsorted(positives, pairs).clamp(max=len(positives) - 1)
        todo = todo[positives[at] == pairs]
    item[todo] = 0
    rows, item = rows[item > 0], item[item > 0]
    columns = {name: value for name, value in vars(part).items() if isinstance(value, Tensor)}
    joined = {name: torch.cat([value, value[rows]]) for name, value in columns.items()}
    n = len(part)
    joined["item"][n:], joined["label"][n:], joined["cold_item"][n:] = item, 0, cold[item]
    joined["drawn"] = torch.arange(n + len(rows)) >= n
    order = torch.from_numpy(np.lexsort((joined["drawn"], joined["time"], joined["user"])))
    return dataclasses.replace(part, **{name: value[order] for name, value in joined.items()})
