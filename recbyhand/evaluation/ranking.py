"""Lists of the whole catalogue: scoring every item for a user, and how good the first k are."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from recbyhand.arguments import whole
from recbyhand.evaluation.differences import mean_influence, standard_error
from recbyhand.evaluation.metrics import hit_rates, ndcgs
from recbyhand.evaluation.predict import check_logits, check_schema, device_of, evaluating

__all__ = ["evaluate_ranking", "ranked", "ranking_row", "retrieved", "score_catalogue"]

TABLE = 1 << 21  # scores (users x items) held at a time
ROWS = (
    1 << 16
)  # (user, item) rows made at a time for a model that takes them one by one: 30 MB, histories of 20


def scores_items(model: nn.Module) -> bool:
    """Whether `model.score_items` is to be believed: it is there, and `forward` was not changed without it."""
    if not hasattr(model, "score_items") or "forward" in vars(model):
        return False
    lines = [vars(cls) for cls in type(model).__mro__]
    where = [
        next((i for i, line in enumerate(lines) if name in line), -1) for name in ("score_items", "forward")
    ]
    return "score_items" in vars(model) or where[0] <= where[1]


def score_catalogue(model: nn.Module, task, batch, items: Tensor | None = None) -> Tensor:
    """Logits (U, I) on the CPU: of every row of `batch` (its user, history, features) with every item.

    model  any model. One with a method `score_items(batch, items) -> (U, I)` reads each user once; any other is
           given rows of a user and an item (`task.candidates`), in blocks, and reads the user once per item
    task   where features of the items are found
    batch  U users, as `task.users_at(users)` or `task.ranking().batch` make them
    items  ids (I,) that are common to all; without them, the catalogue

    Raises ValueError for a model of another schema, or for scores of a wrong shape.
    """
    check_schema(model, task.schema)
    items = task.catalogue() if items is None else torch.as_tensor(items, dtype=torch.long).reshape(-1)
    device, name, direct = device_of(model), type(model).__name__, scores_items(model)
    scores = torch.zeros(len(batch), len(items))
    size = max(1, (TABLE if direct else ROWS) // max(len(items), 1))
    with evaluating(model):
        for start in range(0, len(batch), size):
            some, out = batch[start : start + size], scores[start : start + size]
            if direct:
                logits = model.score_items(some.to(device), items.to(device))
                if not isinstance(logits, Tensor) or logits.shape != out.shape:
                    got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
                    raise ValueError(
                        f"{name}.score_items gave {got}: {len(out)} users and {len(items)} items need "
                        f"logits {tuple(out.shape)}."
                    )
                logits = logits.float().cpu()
            else:
                logits = torch.cat(
                    [_row_by_row(model, task, some, i, device) for i in items.split(ROWS)], dim=1
                )
            scores = scores.to(logits.dtype)
            scores[start : start + size] = logits
    return scores


def _row_by_row(model: nn.Module, task, batch, items: Tensor, device) -> Tensor:
    rows = task.candidates(batch, items)  # U * I examples
    logits = [check_logits(model, model(some), len(some)) for some in _parts(rows, device)]
    return torch.cat(logits).float().cpu().view(len(batch), -1)


def _parts(rows, device, size: int = 4096):
    for start in range(0, len(rows), size):
        yield rows[start : start + size].to(device)


def evaluate_ranking(
    model: nn.Module, task, k: int = 10, users: int | None = None, seed: int = 0
) -> pd.DataFrame:
    """Hit rate and NDCG at k over the full catalogue, with standard errors (users as units), as one row.

    k      places of a list that count
    users  so many of the users, drawn with `seed`, where all of them would take too long

    One list per test user (`task.ranking()`): the history ends at the cut, relevant are the liked test items,
    items seen in training or validation are removed. Column `users` counts the lists, `left_out` the test users
    who have none: training never saw them, or they like nothing new in the test.
    Scores are made by `score_catalogue`, in blocks: memory stays small.
    """
    values = ranked(model, task, k, users, seed)
    row = ranking_row(values) | {"left_out": len(task.test.user.unique()) - len(task.ranking())}
    return pd.DataFrame([row], index=[type(model).__name__])


def ranking_row(values: dict[str, np.ndarray]) -> dict[str, float]:
    """Means and their errors of what `ranked` gives."""
    row = {}
    for name, of_users in values.items():
        row[name], influence = mean_influence(of_users)
        row[f"{name}_se"] = standard_error(influence)
    return row | {"users": len(of_users)}


def ranked(model, task, k: int = 10, users: int | None = None, seed: int = 0) -> dict[str, np.ndarray]:
    """Hit rate and NDCG at k of each test user, in the order of `task.ranking()`: two arrays (U,) by name."""
    check_schema(model, task.schema)
    k, seed = whole("k", k), whole("seed", seed, least=0)
    ranking, items = task.ranking(), task.catalogue()
    rows = np.arange(len(ranking))
    if not len(rows):
        raise ValueError("No test user with training examples likes a test item: there is nothing to rank.")
    if users is not None and whole("users", users) < len(rows):
        rows = np.sort(np.random.default_rng(seed).choice(rows, users, replace=False))
    hits, gains, size = [], [], max(1, TABLE // len(items))
    for start in range(0, len(ranking), size):  # users start ... stop - 1
        stop = min(start + size, len(ranking))
        mine = torch.from_numpy(rows[(start <= rows) & (rows < stop)] - start)
        if not len(mine):
            continue
        score = score_catalogue(model, task, ranking.batch[start:stop][mine], items)  # (U, I)
        score = score.masked_fill(~ranking.allowed(start, stop)[mine][:, items], -math.inf)
        relevant = ranking.is_relevant(start, stop)[mine][:, items]
        hits.append(hit_rates(relevant, score, k))
        gains.append(ndcgs(relevant, score, k))
    return {f"HR@{k}": np.concatenate(hits), f"NDCG@{k}": np.concatenate(gains)}


def retrieved(model, task, k: int = 100) -> Tensor:
    """Ids (U, k) of the k best items of each test user, best first, in the order of `task.ranking()`.

    Items seen in training or validation are left out, as in `evaluate_ranking`; ties keep the order of the
    catalogue. Raises ValueError where a user has fewer than k items left.
    """
    k, ranking, items, tops = whole("k", k), task.ranking(), task.catalogue(), []
    size = max(1, TABLE // max(len(items), 1))
    for start in range(0, len(ranking), size):
        stop = min(start + size, len(ranking))
        allowed = ranking.allowed(start, stop)[:, items]  # (u, I)
        if len(allowed) and int(allowed.sum(1).min()) < k:
            raise ValueError(f"k={k}: a user has only {int(allowed.sum(1).min())} items that may be listed")
        score = score_catalogue(model, task, ranking.batch[start:stop], items).masked_fill(
            ~allowed, -math.inf
        )
        tops.append(items[score.argsort(dim=1, descending=True, stable=True)[:, :k]])  # (u, k)
    return torch.cat(tops) if tops else torch.zeros(0, k, dtype=torch.long)
