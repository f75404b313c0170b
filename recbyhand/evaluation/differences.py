"""Two models, one difference: its error, its interval, and the word for it. Over users, or over seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recbyhand.arguments import number

__all__ = ["OverSeeds", "half_width", "interval", "mean_influence", "over_seeds", "standard_error", "verdict"]


def standard_error(influence: np.ndarray) -> float:
    """From the influence of U independent users; nan for a single one, whose spread is unknown."""
    u = len(influence)
    return math.sqrt(u / (u - 1) * float((influence**2).sum())) if u > 1 else math.nan


def mean_influence(values: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean of one value per user, and each user's influence on it."""
    mean = float(values.mean())
    return mean, (values - mean) / len(values)


def half_width(se: float, units: int, level: float = 0.95) -> float:
    """Half an interval of Student's t with `units` - 1 degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(max(units - 1, 1), (1 + level) / 2)) * se


def interval(first, second, level: float = 0.95) -> tuple[float, float, float, float]:
    """Difference, standard error and ends, from two pairs of (value, influence of each user on it)."""
    difference, influence = first[0] - second[0], first[1] - second[1]
    se = standard_error(influence)
    half = half_width(se, len(influence), level)
    return difference, se, difference - half, difference + half


def verdict(low: float, high: float) -> str:
    """What an interval of a difference (more is better) says, in both directions.

    "better" above 0, "worse" below it, "not told apart" around it (which is not "equal"), "unknown" for nan.
    """
    low, high = min(low, high), max(low, high)
    if math.isnan(low) or math.isnan(high):
        return "unknown"
    return "better" if low > 0 else "worse" if high < 0 else "not told apart"


@dataclass(frozen=True)
class OverSeeds:
    """What `over_seeds` finds of `model` against `other`: one difference per seed, their mean, and its interval."""

    model: str
    other: str
    value: float  # the mean of `model` over the seeds
    other_value: float
    difference: float  # value - other_value
    half_width: float  # of the interval; a mean difference smaller than this is not told apart
    differences: pd.Series  # by seed
    verdict: str  # "better", "worse", "not told apart", of `model`

    @property
    def low(self) -> float:
        return self.difference - self.half_width

    @property
    def high(self) -> float:
        return self.difference + self.half_width

    @property
    def seeds(self) -> int:
        return len(self.differences)

    def says(self) -> str:
        """One sentence, such as "DIN 0.8601, PooledSequence 0.7580 over 5 seeds: better (+0.1021 ± 0.0034)"."""
        means = f"{self.model} {self.value:.4f}, {self.other} {self.other_value:.4f} over {self.seeds} seeds"
        return f"{means}: {self.verdict} ({self.difference:+.4f} ± {self.half_width:.4f})"


def over_seeds(
    frame: pd.DataFrame,
    model: str,
    other: str,
    metric: str = "test_auc",
    *,
    column: str = "model",
    lower_is_better: bool | None = None,
    level: float = 0.95,
) -> OverSeeds:
    """Is `model` better than `other` beyond what the seed of a training does? Paired over the recorded seeds.

    frame            one row per training, such as a file of benchmarks/results: `column` names what was trained,
                     "seed" the seed, `metric` how good it came out. Pick one data set and one setting first
    model, other     two values of `column`; both need the same seeds, two at least (five make a claim)
    metric           the column of values
    lower_is_better  without it, true of a metric whose name has "loss" in it
    level            of the interval

    With d_s the difference of seed s, the interval is mean(d) ± t sd(d) / sqrt(S), with S - 1 degrees of freedom.
    The verdict is `better` or `worse` where it leaves out 0. It speaks of further trainings on these data and
    this test; `compare` speaks of other users and one training. A claim on both needs both.

    Raises KeyError for a column or a model that is not there, ValueError for seeds that cannot be paired.
    """
    level = number("level", level, 0, 1)
    for name in (column, "seed", metric):
        if name not in frame:
            raise KeyError(f"there is no column {name!r}: there are {', '.join(map(str, frame.columns))}")
    values = []
    for name in (model, other):
        mine = frame[frame[column] == name]
        if not len(mine):
            known = ", ".join(map(str, frame[column].unique()))
            raise KeyError(f"no row has {column} == {name!r}: there are {known}")
        if mine["seed"].duplicated().any():
            seed = mine["seed"][mine["seed"].duplicated()].iloc[0]
            chosen = ", such as frame = frame[frame['chosen']]" if "chosen" in frame else ""
            raise ValueError(
                f"{name} has {int((mine['seed'] == seed).sum())} rows of seed {seed}: keep one data set and one "
                f"setting first{chosen}."
            )
        if mine[metric].isna().any():
            raise ValueError(
                f"{metric} of {name} is missing (nan) in some rows: there is no difference to take."
            )
        values.append(mine.set_index("seed")[metric].astype(float))
    first, second = values
    if model == other or set(first.index) != set(second.index):
        raise ValueError(
            f"Seeds are paired: {model} has {sorted(first.index)}, {other} has {sorted(second.index)}. Two models "
            "with the same seeds are needed; keep those that both have: frame[frame['seed'].isin([...])]."
        )
    differences = (first - second).sort_index()
    mean = float(differences.mean())
    se = float(differences.std(ddof=1)) / math.sqrt(len(differences)) if len(differences) > 1 else math.nan
    half = half_width(se, len(differences), level)
    sign = -1 if ("loss" in metric if lower_is_better is None else lower_is_better) else 1
    word = verdict(sign * (mean - half), sign * (mean + half))
    return OverSeeds(model, other, float(first.mean()), float(second.mean()), mean, half, differences, word)
