"""The list that one user would see now."""

from __future__ import annotations

import pandas as pd
import torch
from torch import nn

from recbyhand.arguments import whole
from recbyhand.evaluation.predict import check_schema
from recbyhand.evaluation.ranking import score_catalogue

__all__ = ["recommend"]


def recommend(model: nn.Module, task, user, k: int = 10, seen: bool = False) -> pd.DataFrame:
    """The k most probable items of the whole catalogue for one user, now: with all of the user's history.

    user  named as in the tables
    k     how many; fewer where the catalogue has no more
    seen  True keeps the items that the user has met, in any part of the task or in the history

    Columns: rank, title, probability. Ties keep the order of the catalogue.

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
    logits = score_catalogue(model, task, task.users_at(torch.tensor([uid])), items)[0]  # (I,)
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
