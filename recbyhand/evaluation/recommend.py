"""The list that one user would see now."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import pandas as pd
import torch
from torch import nn

from recbyhand.arguments import whole
from recbyhand.evaluation import scale
from recbyhand.evaluation.predict import check_schema, device_of, evaluating
from recbyhand.evaluation.ranking import score_catalogue

__all__ = ["recommend"]


def recommend(
    model: nn.Module, task, user=None, k: int = 10, seen: bool = False, history: Iterable | None = None
) -> pd.DataFrame:
    """The k most probable items of the whole catalogue for one user, now: with all of the user's history.

    user     named as in the tables
    k        how many; fewer where the catalogue has no more
    seen     True keeps the items that the user has met, in any part of the task or in the history
    history  liked items as in the tables, oldest first, in place of the history in the tables: for somebody
             new, or a basket. Models that read no history then know nothing but the `user`, if one is given

    Columns: rank, title, probability. Ties keep the order of the catalogue.

    Raises KeyError for a user or an item that is not in the tables, ValueError for k below 1 or a logit that is
    no number. Warns where all items have the same score, or of probabilities in place of logits.
    """
    check_schema(model, task.schema)
    k = whole("k", k)
    items = task.catalogue()
    if isinstance(history, str):
        raise TypeError(f"history is one text, {history!r}; give a list: history=[{history!r}]")
    if history is not None:
        history = list(history)
        batch = task.visitor(history, user)
    elif user is None:
        raise TypeError("say for whom: a user of the tables, or history=[...] for somebody new")
    else:
        try:
            batch = task.users_at(torch.tensor([task.schema.user_id(user)]))
        except KeyError as error:
            new = "for somebody new: recommend(model, task, history=[...])"
            raise KeyError(f"{error.args[0]}; {new}") from None
    if not seen:
        items = items[~torch.isin(items, task.met(user, history or ()))]
    logits = score_catalogue(model, task, batch, items)[0]  # (I,)
    if logits.isnan().any():
        raise ValueError(f"{int(logits.isnan().sum())} logits are not a number (nan): they have no rank.")
    with evaluating(model):
        scale.check_first(model, task.candidates(batch, items[:2]).to(device_of(model)), logits)
    if len(logits) > 1 and bool((logits == logits[0]).all()):
        warnings.warn(
            f"All {len(logits):,} items have the same score: this {type(model).__name__} knows nothing of this user, "
            "and the list is the order of the catalogue. Show what is popular: "
            "rbh.recommend(rbh.models.Popularity(task), task, history=[])",
            stacklevel=2,
        )
    top = torch.argsort(logits, descending=True, stable=True)[:k]
    return pd.DataFrame(
        {
            "rank": range(1, len(top) + 1),
            "title": [task.schema.title(i) for i in items[top].tolist()],
            "probability": torch.sigmoid(logits[top]).tolist(),
        }
    )
