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

import math

import numpy as np
import pandas as pd
from torch import Tensor

from recbyhand.arguments import number, whole
from recbyhand.evaluation.differences import interval, over_seeds, standard_error, verdict
from recbyhand.evaluation.predict import predict  # not of arrays, but lessons say rbh.metrics.predict

__all__ = [
    "auc",
    "auc_se",
    "gauc",
    "hit_rate_at_k",
    "log_loss",
    "ndcg_at_k",
    "over_seeds",
    "paired_difference",
    "predict",
    "verdict",
]


# ------------------------------------------------------------------------------------------ metrics of clicks


def array(values) -> np.ndarray:
    values = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    return values.astype(np.float64, copy=False)


def pair(label, score) -> tuple[np.ndarray, np.ndarray]:
    label, score = array(label), array(score)
    if label.ndim != 1 or label.shape != score.shape:
        raise ValueError(
            f"Labels and scores must be two vectors of one length, not {label.shape} and {score.shape}."
        )
    if not np.isin(label, (0.0, 1.0)).all():
        raise ValueError("Labels must be 0 or 1.")
    if np.isnan(score).any():
        raise ValueError(f"{int(np.isnan(score).sum())} scores are not a number (nan): they have no rank.")
    return label, score


def users_of(user, rows: int) -> np.ndarray:
    """Users numbered 0 ... U-1, one per row; without users every row is its own unit."""
    if user is None:
        return np.arange(rows)
    user = user.cpu().numpy() if isinstance(user, Tensor) else np.asarray(user)
    if user.shape != (rows,):
        raise ValueError(f"user needs one id for each of the {rows} rows, not the shape {user.shape}.")
    if (missing := pd.isna(user)).any():
        raise ValueError(
            f"{int(missing.sum())} of {rows} users are missing (nan), and would count as one user. Leave their "
            "rows out: keep = ~pd.isna(user), then label[keep], score[keep], user[keep]."
        )
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
    label, score = pair(label, score)
    m, n = label.sum(), (1 - label).sum()
    if m == 0 or n == 0:
        return math.nan
    return float((_midranks(score)[label == 1].sum() - m * (m + 1) / 2) / (m * n))


def auc_influence(label: np.ndarray, score: np.ndarray, group: np.ndarray) -> tuple[float, np.ndarray]:
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
    label, score = pair(label, score)
    return standard_error(auc_influence(label, score, users_of(user, len(label)))[1])


def gauc(label, score, user) -> float:
    """Group AUC: one AUC per user, averaged with the user's number of rows (impressions) as weight.

        GAUC = sum_u n_u AUC_u / sum_u n_u

    Users whose rows are all clicked or all not clicked have no AUC and are left out of both sums. It asks
    what a page asks: given this user, is the order right? A bias per user cannot help here. As in the paper
    on DIN (Zhou et al. 2018, arXiv:1706.06978). nan where no user has both classes.
    """
    label, score = pair(label, score)
    return gauc_influence(label, score, users_of(user, len(label)))[0]


def gauc_influence(label: np.ndarray, score: np.ndarray, group: np.ndarray) -> tuple[float, np.ndarray]:
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
    label, logit = pair(label, logit)
    return float(np.mean(np.logaddexp(0, logit) - label * logit)) if len(label) else math.nan


def log_loss_influence(label: np.ndarray, logit: np.ndarray, group: np.ndarray) -> tuple[float, np.ndarray]:
    loss = np.logaddexp(0, logit) - label * logit
    return float(loss.mean()), np.bincount(group, loss - loss.mean()) / len(loss)


INFLUENCE = {"auc": auc_influence, "gauc": gauc_influence, "log_loss": log_loss_influence}


# ---------------------------------------------------------------------------------------- metrics of rankings


def _relevance(relevant, score) -> tuple[np.ndarray, np.ndarray]:
    """Relevance and scores as tables (U, M) of one shape, neither with anything that has no meaning or no rank."""
    relevant = np.atleast_2d(relevant.cpu().numpy() if isinstance(relevant, Tensor) else np.asarray(relevant))
    score = np.atleast_2d(score.detach().cpu().numpy() if isinstance(score, Tensor) else np.asarray(score))
    if relevant.shape != score.shape:
        raise ValueError(f"relevant {relevant.shape} and score {score.shape} must have one shape (U, M).")
    if relevant.dtype.kind not in "biuf" or not (relevant >= 0).all() or not np.isfinite(relevant).all():
        raise ValueError(
            "relevant must be True or False (1 or 0) everywhere: nan, -1 and the like say nothing about an item. "
            "If they stand for items that nobody has judged, give relevant == 1."
        )
    if np.isnan(score).any():
        raise ValueError("Some scores are not a number (nan): they have no rank.")
    return relevant, score


def _binary(relevant: np.ndarray, remedy: str) -> np.ndarray:
    if not np.isin(relevant, (0, 1)).all():
        raise ValueError(
            f"relevant holds grades, up to {relevant.max():g}, where True or False is needed. {remedy}"
        )
    return relevant


def _tie_groups(relevant: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, ...]:
    """For every relevant item: row, column, how many items of that row score higher, and how many the same.

    An item that scores -inf is in no list: as if infinitely many stood above it.
    """
    rows, items = np.nonzero(relevant)
    above, same = np.empty(len(rows), dtype=np.int64), np.empty(len(rows), dtype=np.int64)
    ascending = np.sort(score, axis=1)
    for row in np.unique(rows):
        mine = rows == row
        s = score[row, items[mine]]
        below, upto = np.searchsorted(ascending[row], s, "left"), np.searchsorted(ascending[row], s, "right")
        above[mine], same[mine] = score.shape[1] - upto, upto - below
    above[np.isneginf(score[rows, items])] = np.iinfo(np.int64).max // 2
    return rows, items, above, same


def hit_rates(relevant, score, k: int) -> np.ndarray:
    """Of each user (U,): 1 if a relevant item is among the first k, 0 if none is, nan if nothing is relevant."""
    k, (relevant, score) = whole("k", k), _relevance(relevant, score)
    _binary(relevant, "Say from which grade on an item counts, such as relevant >= 2.")
    rows, _, above, same = _tie_groups(relevant, score)
    hit, count = np.zeros(len(score)), np.bincount(rows, minlength=len(score))
    hit[rows[above + same <= k]] = 1
    # Ties across the cut: k - above of `same` items make it, any as likely; some of them are relevant.
    cut = (above < k) & (above + same > k)
    for row in np.unique(rows[cut]):
        mine = cut & (rows == row)
        good, tied, places = mine.sum(), same[mine][0], k - above[mine][0]
        miss = np.prod([(tied - good - i) / (tied - i) for i in range(places)])
        hit[row] = max(hit[row], 1 - miss)
    return np.where(count > 0, hit, math.nan)


GAINS = {"linear": lambda grade: grade, "exponential": lambda grade: 2.0**grade - 1}


def ndcgs(relevant, score, k: int, gains: str | None = None) -> np.ndarray:
    """NDCG@k of each user (U,), nan if nothing is relevant; see `ndcg_at_k`."""
    k, (relevant, score) = whole("k", k), _relevance(relevant, score)
    if gains is None:
        _binary(relevant, 'Say what a grade is worth: gains="linear" or gains="exponential".')
    elif gains not in GAINS:
        raise ValueError(f"gains={gains!r} is unknown: choose one of {', '.join(GAINS)}.")
    rows, items, above, same = _tie_groups(relevant, score)
    count = np.bincount(rows, minlength=len(score))
    discount = np.r_[0, np.cumsum(1 / np.log2(np.arange(k) + 2))]  # of the first 0, 1, ..., k places
    upto = np.minimum(above + same, k)
    expected = (
        discount[upto] - discount[np.minimum(above, k)]
    ) / same  # the mean over the places its ties cover
    ideal = discount[np.minimum(count, k)]
    if gains is not None:
        gain = GAINS[gains](relevant.astype(np.float64))  # (U, M)
        expected = expected * gain[rows, items]
        best = -np.sort(-gain, axis=1)[:, :k]  # (U, k) the grades in the best order
        ideal = (best * np.diff(discount)[: best.shape[1]]).sum(1)
    with np.errstate(invalid="ignore"):
        return np.bincount(rows, expected, len(count)) / np.where(count > 0, ideal, math.nan)


def hit_rate_at_k(relevant, score, k: int = 10) -> float:
    """The share of users with at least one relevant item among their k highest scores.

    relevant    (U, M) of True and False
    score       (U, M); an item to leave out of a user's list scores -inf, and is no hit if it is relevant

    Users with nothing relevant are left out. Tied scores count as if shuffled: the expected value is returned,
    so that the order of the columns never matters. Raises ValueError for relevance that is neither 1 nor 0.
    """
    return _mean(hit_rates(relevant, score, k))


def ndcg_at_k(relevant, score, k: int = 10, gains: str | None = None) -> float:
    """Normalised discounted cumulative gain, averaged over users:

        DCG@k = sum of g / log2(1 + place) over the items at places 1 ... k
        NDCG@k = DCG@k / best possible DCG@k

    The gain g of a relevant item is 1. `relevant` may hold grades (0, 1, 2, ...) where `gains` says what they
    are worth: "linear" g = grade, "exponential" g = 2^grade - 1. Shapes, -inf and ties as in `hit_rate_at_k`.

    Source: Järvelin and Kekäläinen 2002, doi:10.1145/582415.582418.
    """
    return _mean(ndcgs(relevant, score, k, gains))


def _mean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if not np.isnan(values).all() else math.nan


# ------------------------------------------------------------------------------------------------- differences


def paired_difference(
    metric: str, label, score, other, user=None, level: float = 0.95
) -> tuple[float, float, float, float]:
    """metric(score) - metric(other) on the same rows: difference, standard error, and the interval's ends.

    metric        "auc", "gauc" or "log_loss"
    label         (N,) of 0 and 1
    score, other  (N,) each, of two models; logits for log loss
    user          (N,) makes users the units; without it rows are
    level         of the interval, Student's t with U - 1 degrees of freedom

    What both models find hard about a user cancels in the difference; that is why a paired interval is narrower
    than two separate ones. Raises ValueError for rows that are not paired.
    """
    if metric not in list(INFLUENCE):
        raise ValueError(f"metric={metric!r} is unknown: choose one of {', '.join(INFLUENCE)}.")
    group, level = users_of(user, len(label)), number("level", level, 0, 1)
    first = INFLUENCE[metric](*pair(label, score), group)
    second = INFLUENCE[metric](*pair(label, other), group)
    return interval(first, second, level)
