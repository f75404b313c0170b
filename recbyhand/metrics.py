"""How good is it, and how sure are we? Metrics of clicks and of rankings, each with its error.

Rows of one user are not independent: the user is the same person, and one history stands behind them all. So
every standard error here takes whole users as its units. For each metric we compute what each user adds to it
(the `influence` c_u, which sums to 0); then

    variance = U / (U - 1) * sum_u c_u^2,        paired:  c_u = c_u(model) - c_u(baseline).

For AUC this is DeLong's estimate (DeLong et al. 1988, doi:10.2307/2531595) with the rows of a user added up
before squaring: Obuchowski's extension to clusters (1997, doi:10.2307/2533958). It agrees with a bootstrap
over users, costs no resampling and repeats to the last digit. The error tells how much the number would change
with *other users*; it does not cover other random seeds of the training.
"""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from recbyhand.arguments import number, whole

__all__ = [
    "Comparison",
    "auc",
    "auc_se",
    "compare",
    "evaluate",
    "evaluate_ranking",
    "gauc",
    "hit_rate_at_k",
    "log_loss",
    "ndcg_at_k",
    "paired_difference",
    "predict",
    "verdict",
]


# ---------------------------------------------------------------------------------------------- predictions


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
            raise ValueError(
                f"This {type(model).__name__} was built with another schema ({part} differs): its ids mean "
                f"other users, items or features. Build it anew: {type(model).__name__}(task.schema, ...)."
            )


def device_of(model: nn.Module) -> torch.device:
    """Where the model's tensors live (the CPU if it has none)."""
    tensors = [*model.parameters(), *model.buffers()]
    return tensors[0].device if tensors else torch.device("cpu")


def predict(model: nn.Module, examples, batch_size: int = 2048) -> Tensor:
    """Logits (N,) on the CPU, computed in evaluation mode without gradients; every module's mode is restored.

    `examples` is anything that has a length and slices to a `Batch`: `task.test`, or a batch itself.
    """
    check_schema(model, getattr(examples, "schema", None))
    batch_size = whole("batch_size", batch_size)
    device, modes = device_of(model), [(module, module.training) for module in model.modules()]
    logits = []
    model.eval()
    try:
        with torch.no_grad():
            for start in range(0, len(examples), batch_size):
                batch = examples[start : start + batch_size].to(device)
                logits.append(check_logits(model, model(batch), len(batch)).float().cpu())
    finally:
        for module, mode in modes:
            module.training = mode
    return torch.cat(logits) if logits else torch.zeros(0)


# ------------------------------------------------------------------------------------------ metrics of clicks


def _array(values) -> np.ndarray:
    values = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    return values.astype(np.float64, copy=False)


def _pair(label, score) -> tuple[np.ndarray, np.ndarray]:
    label, score = _array(label), _array(score)
    if label.ndim != 1 or label.shape != score.shape:
        raise ValueError(
            f"Labels and scores must be two vectors of one length, not {label.shape} and {score.shape}."
        )
    if not np.isin(label, (0.0, 1.0)).all():
        raise ValueError("Labels must be 0 or 1.")
    if np.isnan(score).any():
        raise ValueError(f"{int(np.isnan(score).sum())} scores are not a number (nan): they have no rank.")
    return label, score


def _users(user, rows: int) -> np.ndarray:
    """Users numbered 0 ... U-1, one per row; without users every row is its own unit."""
    if user is None:
        return np.arange(rows)
    user = user.cpu().numpy() if isinstance(user, Tensor) else np.asarray(user)
    return np.unique(user, return_inverse=True)[1]


def _midranks(score: np.ndarray, group: np.ndarray | None = None) -> np.ndarray:
    """Ranks 1, 2, ... within each group, lowest score first; tied scores share the mean of their ranks."""
    if not len(score):
        return np.zeros(0)
    group = np.zeros(len(score), dtype=np.int64) if group is None else group
    order = np.lexsort((score, group))
    s, g = score[order], group[order]
    new_group = np.r_[True, g[1:] != g[:-1]]
    new_value = new_group | np.r_[True, s[1:] != s[:-1]]
    first = np.flatnonzero(new_value)  # where each run of ties starts
    last = np.r_[first[1:], len(s)] - 1
    start_of_group = np.maximum.accumulate(np.where(new_group, np.arange(len(s)), 0))
    mean = (first + last) / 2 - start_of_group[first] + 1
    ranks = np.empty(len(s))
    ranks[order] = np.repeat(mean, last - first + 1)
    return ranks


def auc(label, score) -> float:
    """The share of (positive, negative) pairs in the right order, a tie counting one half (Mann-Whitney U):

        AUC = (sum of the positives' ranks - m (m + 1) / 2) / (m n)        m positives, n negatives

    label (N,) of 0 and 1; score (N,), logits or probabilities. nan where a class is missing: no pair, no AUC.
    """
    label, score = _pair(label, score)
    m, n = label.sum(), (1 - label).sum()
    if m == 0 or n == 0:
        return math.nan
    return float((_midranks(score)[label == 1].sum() - m * (m + 1) / 2) / (m * n))


def _auc_parts(label: np.ndarray, score: np.ndarray, group: np.ndarray) -> tuple[float, np.ndarray]:
    """AUC, and each user's influence on it.

    A positive's placement is the share of negatives below it, a negative's the share of positives above it.
    """
    groups = group.max(initial=-1) + 1
    positive = label == 1
    m, n = positive.sum(), (~positive).sum()
    if m == 0 or n == 0:
        return math.nan, np.full(groups, math.nan)
    ranks = _midranks(score)
    placement = np.empty(len(score))
    placement[positive] = (ranks[positive] - _midranks(score[positive])) / n
    placement[~positive] = 1 - (ranks[~positive] - _midranks(score[~positive])) / m
    value = placement[positive].mean()
    share = (placement - value) / np.where(positive, m, n)
    return float(value), np.bincount(group, share, groups)


def auc_se(label, score, user=None) -> float:
    """The standard error of AUC, with users as units given `user` (N,), or else with rows.

    With rows it is DeLong's, but for the factor of small samples: U / (U - 1) here, m / (m - 1) and n / (n - 1)
    in the two halves there.
    """
    label, score = _pair(label, score)
    return _standard_error(_auc_parts(label, score, _users(user, len(label)))[1])


def gauc(label, score, user) -> float:
    """Group AUC: one AUC per user, averaged with the user's number of rows (impressions) as weight.

        GAUC = sum_u n_u AUC_u / sum_u n_u

    Users whose rows are all clicked or all not clicked have no AUC and are left out of both sums. It asks
    what a page asks: given this user, is the order right? A bias per user cannot help here. As in the paper
    on DIN (Zhou et al. 2018, arXiv:1706.06978). nan where no user has both classes.
    """
    label, score = _pair(label, score)
    return _gauc_parts(label, score, _users(user, len(label)))[0]


def _gauc_parts(label: np.ndarray, score: np.ndarray, group: np.ndarray) -> tuple[float, np.ndarray]:
    rows = np.bincount(group)
    m = np.bincount(group, label, len(rows))
    n = rows - m
    rank_sum = np.bincount(group, np.where(label == 1, _midranks(score, group), 0), len(rows))
    both = (m > 0) & (n > 0)
    if not both.any():
        return math.nan, np.full(len(rows), math.nan)
    per_user = np.divide(rank_sum - m * (m + 1) / 2, m * n, out=np.zeros(len(rows)), where=both)
    weight = np.where(both, rows, 0) / rows[both].sum()
    value = float((weight * per_user).sum())
    return value, weight * (per_user - value)


def log_loss(label, logit) -> float:
    """Mean binary cross-entropy of logits z: log(1 + e^z) - y z, exact for large |z|. Lower is better."""
    label, logit = _pair(label, logit)
    return float(np.mean(np.logaddexp(0, logit) - label * logit)) if len(label) else math.nan


def _log_loss_parts(label: np.ndarray, logit: np.ndarray, group: np.ndarray) -> tuple[float, np.ndarray]:
    loss = np.logaddexp(0, logit) - label * logit
    return float(loss.mean()), np.bincount(group, loss - loss.mean()) / len(loss)


_PARTS = {"auc": _auc_parts, "gauc": _gauc_parts, "log_loss": _log_loss_parts}


def _standard_error(influence: np.ndarray) -> float:
    """From the influence of U independent users; nan for a single one, whose spread is unknown."""
    u = len(influence)
    return math.sqrt(u / (u - 1) * float((influence**2).sum())) if u > 1 else math.nan


# ---------------------------------------------------------------------------------------- metrics of rankings


def _tie_groups(relevant, score) -> tuple[np.ndarray, ...]:
    """For every relevant item: its row, how many items of that row score higher, and how many the same."""
    relevant = np.atleast_2d(relevant.cpu().numpy() if isinstance(relevant, Tensor) else np.asarray(relevant))
    score = np.atleast_2d(score.detach().cpu().numpy() if isinstance(score, Tensor) else np.asarray(score))
    if relevant.shape != score.shape:
        raise ValueError(f"relevant {relevant.shape} and score {score.shape} must have one shape (U, M).")
    if np.isnan(score).any():
        raise ValueError("Some scores are not a number (nan): they have no rank.")
    rows, items = np.nonzero(relevant)
    above, same = np.empty(len(rows), dtype=np.int64), np.empty(len(rows), dtype=np.int64)
    ascending = np.sort(score, axis=1)
    for row in np.unique(rows):
        mine = rows == row
        s = score[row, items[mine]]
        below, upto = np.searchsorted(ascending[row], s, "left"), np.searchsorted(ascending[row], s, "right")
        above[mine], same[mine] = score.shape[1] - upto, upto - below
    return rows, above, same, np.bincount(rows, minlength=len(score))


def _hit_rates(relevant, score, k: int) -> np.ndarray:
    k = whole("k", k)
    rows, above, same, count = _tie_groups(relevant, score)
    hit = np.zeros(len(count))
    hit[rows[above + same <= k]] = 1
    # Ties across the cut: k - above of `same` items make it, any as likely; some of them are relevant.
    cut = (above < k) & (above + same > k)
    for row in np.unique(rows[cut]):
        mine = cut & (rows == row)
        good, tied, places = mine.sum(), same[mine][0], k - above[mine][0]
        miss = np.prod([(tied - good - i) / (tied - i) for i in range(places)])
        hit[row] = max(hit[row], 1 - miss)
    return np.where(count > 0, hit, math.nan)


def _ndcgs(relevant, score, k: int) -> np.ndarray:
    k = whole("k", k)
    rows, above, same, count = _tie_groups(relevant, score)
    gain = np.r_[0, np.cumsum(1 / np.log2(np.arange(k) + 2))]  # of the first 0, 1, ..., k places
    upto = np.minimum(above + same, k)
    expected = (gain[upto] - gain[np.minimum(above, k)]) / same  # the mean over the places its ties cover
    ideal = gain[np.minimum(count, k)]
    with np.errstate(invalid="ignore"):
        return np.bincount(rows, expected, len(count)) / np.where(count > 0, ideal, math.nan)


def hit_rate_at_k(relevant, score, k: int = 10) -> float:
    """The share of users with at least one relevant item among their k highest scores.

    relevant (U, M) of bool, score (U, M); an item to leave out of a user's ranking scores -inf. Users with
    nothing relevant are left out. Tied scores count as if shuffled: the expected value is returned, so that
    the order of the columns never matters.
    """
    rates = _hit_rates(relevant, score, k)
    return float(np.nanmean(rates)) if not np.isnan(rates).all() else math.nan


def ndcg_at_k(relevant, score, k: int = 10) -> float:
    """Normalised discounted cumulative gain, averaged over users:

        DCG@k = sum of 1 / log2(1 + place) over relevant items at places 1 ... k
        NDCG@k = DCG@k / best possible DCG@k

    Shapes and ties as in `hit_rate_at_k` (Järvelin and Kekäläinen 2002, doi:10.1145/582415.582418).
    """
    values = _ndcgs(relevant, score, k)
    return float(np.nanmean(values)) if not np.isnan(values).all() else math.nan


# --------------------------------------------------------------------------------------- models against data


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

    `by="cold"` adds rows for warm examples (user and item both have training rows), cold users and cold
    items; an example of a cold user and a cold item counts in both. Where one class is missing, AUC is nan.
    """
    _check_examples(examples)
    logits = _scored(model, examples).numpy()
    label, user = _array(examples.label), _array(examples.user)
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


_CHUNK = 65_536  # (user, item) rows made at a time: some 30 MB with histories of 20


def evaluate_ranking(
    model: nn.Module, task, k: int = 10, users: int | None = None, seed: int = 0
) -> pd.DataFrame:
    """Hit rate and NDCG at k over the full catalogue, with standard errors (users as units), as one row.

    One ranking per test user (`task.ranking()`): the history ends at the cut, relevant are the liked test
    items, items seen in training or validation are removed. Users are scored in chunks: memory stays small.
    `users` draws that many of them at random, with `seed`, where all of them would take too long.
    """
    row = _ranking_row(_ranked(model, task, k, users, seed))
    return pd.DataFrame([row], index=[type(model).__name__])


def _ranking_row(values: dict[str, np.ndarray]) -> dict[str, float]:
    row = {}
    for name, of_users in values.items():
        row[name], influence = _mean_parts(of_users)
        row[f"{name}_se"] = _standard_error(influence)
    return row | {"users": len(of_users)}


def _mean_parts(values: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean of one value per user, and each user's influence on it."""
    mean = float(values.mean())
    return mean, (values - mean) / len(values)


def _ranked(model, task, k: int, users: int | None = None, seed: int = 0) -> dict[str, np.ndarray]:
    """Hit rate and NDCG at k of each test user, in the order of the users."""
    check_schema(model, task.schema)
    k, seed = whole("k", k), whole("seed", seed, least=0)
    ranking, items = task.ranking(), task.catalogue()
    rows = np.arange(len(ranking))
    if not len(rows):
        raise ValueError("No test user with training examples likes a test item: there is nothing to rank.")
    if users is not None and whole("users", users) < len(rows):
        rows = np.sort(np.random.default_rng(seed).choice(rows, users, replace=False))
    hits, ndcgs, size = [], [], max(1, _CHUNK // len(items))
    for start in range(0, len(ranking), size):  # users start ... stop - 1
        stop = min(start + size, len(ranking))
        mine = torch.from_numpy(rows[(start <= rows) & (rows < stop)] - start)
        if not len(mine):
            continue
        score = predict(model, task.candidates(ranking.batch[start:stop][mine], items)).view(len(mine), -1)
        score = score.masked_fill(~ranking.allowed(start, stop)[mine][:, items], -math.inf)
        relevant = ranking.is_relevant(start, stop)[mine][:, items]
        hits.append(_hit_rates(relevant, score, k))
        ndcgs.append(_ndcgs(relevant, score, k))
    return {f"HR@{k}": np.concatenate(hits), f"NDCG@{k}": np.concatenate(ndcgs)}


def paired_difference(
    metric: str, label, score, other, user=None, level: float = 0.95
) -> tuple[float, float, float, float]:
    """metric(score) - metric(other) on the same rows: difference, standard error, and the interval's ends.

    metric is "auc", "gauc" or "log_loss"; `user` (N,) makes users the units, without it rows are. What both
    models find hard about a user cancels in the difference; that is why a paired interval is narrower than
    two separate ones. Student's t with U - 1 degrees of freedom.
    """
    if metric not in list(_PARTS):
        raise ValueError(f"metric={metric!r} is unknown: choose one of {', '.join(_PARTS)}.")
    group, level = _users(user, len(label)), number("level", level, 0, 1)
    first = _PARTS[metric](*_pair(label, score), group)
    second = _PARTS[metric](*_pair(label, other), group)
    return _paired(first, second, level)


def _paired(first, second, level: float = 0.95) -> tuple[float, float, float, float]:
    from scipy.special import stdtrit

    difference, influence = first[0] - second[0], first[1] - second[1]
    se = _standard_error(influence)
    reach = float(stdtrit(max(len(influence) - 1, 1), (1 + level) / 2)) * se
    return difference, se, difference - reach, difference + reach


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
    told apart" where it does not. With 20 models and no true difference, expect one verdict to be wrong.
    """
    if not isinstance(models, Mapping) or not models:
        raise ValueError('Nothing to compare: give {"name": model, ...}.')
    kind, _, k = str(metric).partition("@")
    ranking = kind in ("HR", "NDCG") and k.isdecimal()
    if not ranking and metric not in list(_PARTS):
        raise ValueError(f"metric={metric!r} is unknown: choose one of {', '.join(_PARTS)}, HR@10, NDCG@10.")
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
            values = _ranked(model, examples, int(k))
            parts[name], row = _mean_parts(values[metric]), _ranking_row(values)
            size = row.pop("users")
        else:
            logits, label, user = (
                _scored(model, examples).numpy(),
                _array(examples.label),
                _array(examples.user),
            )
            parts[name] = _PARTS[metric](*_pair(label, logits), _users(user, len(label)))
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
        difference, _, low, high = _paired(parts[name], parts[baseline])
        table.loc[name, ["difference", "low", "high"]] = difference, low, high
    table.loc[baseline, ["difference", "low", "high"]] = math.nan
    table["verdict"] = [
        "baseline" if name == baseline else verdict(sign * row.low, sign * row.high)
        for name, row in table.iterrows()
    ]
    best = None
    if len(models) > 1 and table[metric].notna().all():
        first = (sign * table[metric]).idxmax()
        ends = [sorted(sign * e for e in _paired(parts[first], parts[n])[2:]) for n in models if n != first]
        best = first if all(low > 0 for low, _ in ends) else None
    return Comparison(table, baseline, metric, best, rows=size, users=len(parts[baseline][1]))


def verdict(low: float, high: float) -> str:
    """What an interval of a difference (more is better) says, in both directions."""
    low, high = min(low, high), max(low, high)
    if math.isnan(low) or math.isnan(high):
        return "unknown"
    return "better" if low > 0 else "worse" if high < 0 else "not told apart"


def _check_examples(examples) -> None:
    if hasattr(examples, "train") and hasattr(examples, "test"):
        raise TypeError("This is a whole task: say which part of it, e.g. task.test.")
    if not hasattr(examples, "label"):
        raise TypeError(f"Give examples, such as task.test, not {type(examples).__name__}.")
    if len(examples) == 0:
        raise ValueError("There are no examples to evaluate on.")


_STYLE = "padding:.25em .3em;white-space:nowrap;border-bottom:1px solid rgba(127,127,127,.35)"


def _name(metric: str) -> str:
    return {"auc": "AUC", "gauc": "GAUC", "log_loss": "log loss"}.get(metric, metric)


@dataclass(frozen=True, repr=False)
class Comparison:
    """The result of `compare`: `table` is a DataFrame; in a notebook it shows as a table with error bars."""

    table: pd.DataFrame
    baseline: str
    metric: str
    best: str | None  # the model that beats every other beyond the noise, if there is one
    rows: int
    users: int

    def caption(self) -> str:
        """What the table shows, in one paragraph."""
        alike = "auc" in self.table and self.table["auc"].isna().all()
        nothing = " There is no AUC (nan) where all labels are alike." if alike else ""
        unit = "rankings" if "@" in self.metric else "rows"
        best = (
            f"{self.best} is best, outside the noise." if self.best else "No model is best outside the noise."
        )
        return (
            f"{self.rows:,} {unit} of {self.users:,} users. ± is one standard error. The difference in "
            f"{_name(self.metric)} from {self.baseline} is taken on the same {unit}, with its 95 % interval; "
            f"both take whole users as units. {best}" + nothing
        )

    def says(self, model: str, other: str | None = None) -> str:
        """The verdict on `model` against `other` as a sentence; one of the two is the baseline."""
        other = self.baseline if other is None else other
        if self.baseline not in (model, other) or model == other:
            raise ValueError(f"One of the two must be the baseline, {self.baseline}: not {model} and {other}.")
        word = self.table.loc[model if self.baseline == other else other, "verdict"]
        if self.baseline == model:
            word = {"better": "worse", "worse": "better"}.get(word, word)
        a, b = (self.table.loc[name, self.metric] for name in (model, other))
        return f"{model} {a:.4f}, {other} {b:.4f}: {word}"

    def _cells(self) -> pd.DataFrame:
        t, other = self.table, self.table.index != self.baseline
        cells = pd.DataFrame(index=t.index)
        own = list(t.columns[: list(t.columns).index("parameters")])  # metrics; some with an error
        first = self.metric if "@" in self.metric else "auc"
        cells[_name(first)] = [f"{v:.4f} ± {se:.4f}" for v, se in zip(t[first], t[f"{first}_se"])]
        # The verdict stands early: a narrow page shows the first columns without scrolling.
        cells["difference"] = [f"{d:+.4f}" if o else "" for d, o in zip(t["difference"], other, strict=True)]
        cells["95 % interval"] = [
            f"{low:+.4f} to {high:+.4f}" if o else ""
            for low, high, o in zip(t["low"], t["high"], other, strict=True)
        ]
        cells["verdict"] = t["verdict"]
        for metric in own:
            if metric != first and not metric.endswith("_se"):
                cells[_name(metric)] = [f"{v:.4f}" for v in t[metric]]
        for column in t.columns[len(own) : list(t.columns).index("difference")]:
            cells[column] = [_plain(v) for v in t[column]]
        return cells

    def __repr__(self) -> str:
        return f"{self._cells().to_string()}\n{textwrap.fill(self.caption(), 100)}"

    def _repr_html_(self) -> str:
        cells = self._cells()
        head = "".join(
            f"<th scope='col' style='{_STYLE};text-align:right'>{html.escape(c)}</th>" for c in cells
        )
        body = ""
        for name, row in cells.iterrows():
            best = name == self.best
            wraps = "white-space:normal;min-width:6em;text-align:left"
            body += f"<tr><th scope='row' style='{_STYLE};{wraps}'>{html.escape(str(name))}</th>"
            for column, text in row.items():
                text = html.escape(str(text))
                if best and column == _name(self.metric):
                    text = f"<strong>{text}</strong>"
                if column == "95 % interval":
                    text += self._bar(name)
                body += f"<td style='{_STYLE};text-align:right;font-variant-numeric:tabular-nums'>{text}</td>"
            body += "</tr>"
        # The caption stands outside the box that scrolls: it wraps, however wide the table is.
        return (
            "<div role='group' aria-label='Comparison of models' tabindex='0' style='overflow-x:auto'>"
            "<table style='border-collapse:collapse;color:inherit;background:none;font-size:.82em'>"
            f"<thead><tr><th scope='col' style='{_STYLE};text-align:left'>model</th>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table></div>"
            f"<p style='margin:.4em .45em;font-size:.9em'>{html.escape(self.caption())}</p>"
        )

    def _bar(self, name: str) -> str:
        """The interval as a line with a dot, above a mark at 0; all rows share one scale."""
        ends = self.table[["low", "high"]].to_numpy(float)
        row = self.table.loc[name]
        if not np.isfinite([row["low"], row["high"]]).all():
            return ""
        left, right = min(0.0, np.nanmin(ends)), max(0.0, np.nanmax(ends))
        scale = 112 / ((right - left) or 1)
        low, mid, high, zero = (
            4 + scale * (v - left) for v in (row["low"], row["difference"], row["high"], 0)
        )
        return (
            "<svg aria-hidden='true' width='120' height='12' viewBox='0 0 120 12' style='display:block;"
            "margin-left:auto' stroke='currentColor' fill='currentColor'>"
            f"<line x1='{zero:.1f}' x2='{zero:.1f}' y1='0' y2='12' stroke-dasharray='2 2'/>"
            f"<line x1='{low:.1f}' x2='{high:.1f}' y1='6' y2='6' stroke-width='2'/>"
            f"<circle cx='{mid:.1f}' cy='6' r='3' stroke='none'/></svg>"
        )


def _plain(value) -> str:
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    return (
        ("" if math.isnan(value) else f"{value:.3g}")
        if isinstance(value, (float, np.floating))
        else str(value)
    )
