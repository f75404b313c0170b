"""Models against data: one model's row of metrics, and several models side by side."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from recbyhand.evaluation import scale
from recbyhand.evaluation.differences import interval, mean_influence, verdict
from recbyhand.evaluation.metrics import INFLUENCE, array, auc, auc_se, gauc, log_loss, pair, users_of
from recbyhand.evaluation.predict import predict
from recbyhand.evaluation.ranking import ranked, ranking_row
from recbyhand.evaluation.table import cells, name_of, page

__all__ = ["Comparison", "compare", "evaluate"]


def _scored(model, examples) -> Tensor:
    """A model's logits; or logits that somebody has computed already, given instead of a model."""
    if isinstance(model, (nn.Module, type)):
        return predict(model, examples)
    logits = torch.as_tensor(np.asarray(model) if not isinstance(model, Tensor) else model).detach().cpu()
    if logits.shape != (len(examples),):
        raise ValueError(
            f"Expected a model, or {len(examples)} logits, one per row; got shape {tuple(logits.shape)}."
        )
    return logits


def evaluate(model: nn.Module, examples, by: str | None = None) -> pd.DataFrame:
    """AUC with its standard error (users as units), GAUC, log loss and the number of rows, as one row.

    model     a model, or logits (N,) that are known already
    examples  a part of a task, such as `task.test`, or a batch
    by        "cold" adds rows for warm examples (user and item both have training rows), cold users and cold
              items; an example of a cold user and a cold item counts in both

    Where one class is missing, AUC is nan. Raises TypeError for what holds no examples, ValueError for none; warns of
    probabilities in place of logits.
    """
    _check_examples(examples)
    logits = _scored(model, examples).numpy()
    label, user = array(examples.label), array(examples.user)
    scale.check_labels(model, label, logits)
    name = type(model).__name__ if isinstance(model, nn.Module) else "given logits"
    if by is None:
        parts = {name: np.ones(len(label), dtype=bool)}
    elif by == "cold":
        if not hasattr(examples, "cold_user"):
            raise TypeError(
                "A batch does not know who is cold: evaluate task.test, or task.test.subset(rows)."
            )
        cold_user, cold_item = examples.cold_user.cpu().numpy(), examples.cold_item.cpu().numpy()
        parts = {
            "all": np.ones(len(label), dtype=bool),
            "warm": ~(cold_user | cold_item),
            "cold user": cold_user,
            "cold item": cold_item,
        }
    else:
        raise ValueError(f'by={by!r} is unknown: use by=None or by="cold".')
    return pd.DataFrame({k: _row(label[v], logits[v], user[v]) for k, v in parts.items()}).T.astype(
        {"rows": int}
    )


def _row(label: np.ndarray, logit: np.ndarray, user: np.ndarray) -> dict[str, float]:
    return {
        "auc": auc(label, logit),
        "auc_se": auc_se(label, logit, user),
        "gauc": gauc(label, logit, user),
        "log_loss": log_loss(label, logit),
        "rows": len(label),
    }


def compare(
    models: Mapping[str, nn.Module],
    examples,
    baseline: str | None = None,
    metric: str = "auc",
    columns: Mapping[str, object] | None = None,
) -> Comparison:
    """Models side by side on the same rows: metrics with their errors, paired differences from a baseline.

    models     {"name": model}; in place of a model, logits (N,) that are known already
    baseline   the name that all others are measured against; without it, the first
    metric     what the difference is taken of: "auc", "gauc" or "log_loss"; or, with the whole task in place of
               examples, "HR@10" or "NDCG@10" (at any k), of the rankings that `evaluate_ranking` makes
    columns    further columns, e.g. {"seconds": {"FM": 1.2, "DIN": 4.5}}; the number of parameters is there

    The verdict is read off the 95 % interval (users as units): "better" or "worse" where it leaves out 0, "not
    told apart" where it does not, which is not "equal": `half_width` of the result says how large a difference
    these rows could have shown. With 20 models and no true difference, expect one verdict to be wrong.

    Raises TypeError for what holds no examples, ValueError for an unknown baseline or metric.
    """
    if not isinstance(models, Mapping) or not models:
        raise ValueError('Nothing to compare: give {"name": model, ...}.')
    kind, _, k = str(metric).partition("@")
    ranking = kind in ("HR", "NDCG") and k.isdecimal()
    if not ranking and metric not in list(INFLUENCE):
        raise ValueError(
            f"metric={metric!r} is unknown: choose one of {', '.join(INFLUENCE)}, HR@10, NDCG@10."
        )
    if not ranking:
        _check_examples(examples)
    elif not hasattr(examples, "ranking"):
        raise TypeError(f"{metric} takes the full catalogue: give the whole task, not a part of it.")
    baseline = next(iter(models)) if baseline is None else baseline
    if baseline not in models:
        raise ValueError(f"baseline={baseline!r} is none of the models: {', '.join(models)}.")
    rows, parts = {}, {}
    for name, model in models.items():
        if ranking:
            values = ranked(model, examples, int(k))
            parts[name], row = mean_influence(values[metric]), ranking_row(values)
            size = row.pop("users")
        else:
            logits, label, user = (
                _scored(model, examples).numpy(),
                array(examples.label),
                array(examples.user),
            )
            parts[name] = INFLUENCE[metric](*pair(label, logits), users_of(user, len(label)))
            row = _row(label, logits, user)
            size = row.pop("rows")
        trained = model.parameters() if isinstance(model, nn.Module) else ()
        row["parameters"] = sum(p.numel() for p in trained if p.requires_grad)
        rows[name] = row
    table = pd.DataFrame.from_dict(rows, orient="index").astype({"parameters": int})
    for column, values in (columns or {}).items():
        table[column] = pd.Series(values) if isinstance(values, Mapping) else values
    sign = -1 if metric == "log_loss" else 1
    for name in models:
        difference, _, low, high = interval(parts[name], parts[baseline])
        table.loc[name, ["difference", "low", "high"]] = difference, low, high
    table.loc[baseline, ["difference", "low", "high"]] = math.nan
    table["verdict"] = [
        "baseline" if name == baseline else verdict(sign * row.low, sign * row.high)
        for name, row in table.iterrows()
    ]
    best = None
    if len(models) > 1 and table[metric].notna().all():
        first = (sign * table[metric]).idxmax()
        ends = [sorted(sign * e for e in interval(parts[first], parts[n])[2:]) for n in models if n != first]
        best = first if all(low > 0 for low, _ in ends) else None
    users = len(parts[baseline][1])
    left_out = len(examples.test.user.unique()) - users if ranking else 0
    return Comparison(table, baseline, metric, best, rows=size, users=users, left_out=left_out)


def _check_examples(examples) -> None:
    if hasattr(examples, "train") and hasattr(examples, "test"):
        raise TypeError("This is a whole task: say which part of it, e.g. task.test.")
    if not hasattr(examples, "label"):
        raise TypeError(f"Give examples, such as task.test, not {type(examples).__name__}.")
    if len(examples) == 0:
        raise ValueError("There are no examples to evaluate on.")


@dataclass(frozen=True, repr=False)
class Comparison:
    """The result of `compare`: `table` is a DataFrame; in a notebook it shows as a table with error bars.

    `table` has one row per model: the metrics, each with its standard error where it has one, the number of
    parameters, further columns, then difference, low, high and verdict against the baseline.
    """

    table: pd.DataFrame
    baseline: str
    metric: str
    best: str | None  # the model that beats every other beyond the noise, if there is one
    rows: int
    users: int
    left_out: int = 0  # of rankings: test users who have none

    def caption(self) -> str:
        """What the table shows, in one paragraph."""
        alike = "auc" in self.table and self.table["auc"].isna().all()
        nothing = " There is no AUC (nan) where all labels are alike." if alike else ""
        unit = "rankings" if "@" in self.metric else "rows"
        best = (
            f"{self.best} is best, outside the noise." if self.best else "No model is best outside the noise."
        )
        left = f" {self.left_out:,} test users have nothing to rank." if self.left_out else ""
        return (
            f"{self.rows:,} {unit} of {self.users:,} users.{left} ± is one standard error. The difference in "
            f"{name_of(self.metric)} from {self.baseline} is taken on the same {unit}, with its 95 % interval; "
            f"both take whole users as units. {best}" + nothing
        )

    def half_width(self, model: str, other: str | None = None) -> float:
        """Half the 95 % interval of their difference: a smaller difference these rows cannot tell from none."""
        row = self.table.loc[self._not_baseline(model, other)]
        return float(row["high"] - row["low"]) / 2

    def says(self, model: str, other: str | None = None, width: bool = False) -> str:
        """The verdict on `model` against `other` as a sentence; one of the two is the baseline.

        `width=True` adds the difference and half its interval: "...: not told apart (+0.0031 ± 0.0102)".
        """
        other = self.baseline if other is None else other
        name = self._not_baseline(model, other)
        sign, word = 1, self.table.loc[name, "verdict"]
        if self.baseline == model:
            sign, word = -1, {"better": "worse", "worse": "better"}.get(word, word)
        a, b = (self.table.loc[n, self.metric] for n in (model, other))
        said = f"{model} {a:.4f}, {other} {b:.4f}: {word}"
        if not width:
            return said
        return (
            f"{said} ({sign * self.table.loc[name, 'difference']:+.4f} ± {self.half_width(model, other):.4f})"
        )

    def _not_baseline(self, model: str, other: str | None) -> str:
        other = self.baseline if other is None else other
        if self.baseline not in (model, other) or model == other:
            raise ValueError(
                f"One of the two must be the baseline, {self.baseline}: not {model} and {other}. "
                f'Compare anew, with baseline="{other}".'
            )
        return model if self.baseline == other else other

    def __repr__(self) -> str:
        return f"{cells(self).to_string()}\n{textwrap.fill(self.caption(), 100)}"

    def _repr_html_(self) -> str:
        return page(self)
