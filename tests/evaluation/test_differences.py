"""One rule for "A beats B over seeds": against SciPy's paired t test, in a simulated world, and what it refuses."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import recbyhand as rbh
from recbyhand.evaluation.differences import half_width, verdict

over_seeds = rbh.metrics.over_seeds


def recorded(a, b, **more):
    """A file of results: model a and model b, one row per seed, in no order."""
    rows = [
        {"model": name, "seed": s, "test_auc": v}
        for name, vs in (("A", a), ("B", b))
        for s, v in enumerate(vs)
    ]
    return pd.DataFrame(rows).assign(**more).sample(frac=1, random_state=0)


def test_it_is_the_paired_t_test_of_scipy():
    rng = np.random.default_rng(0)
    luck = rng.normal(size=6) * 0.05  # shared by both models: pairing takes it out
    a, b = 0.8 + luck + rng.normal(size=6) * 0.002, 0.79 + luck + rng.normal(size=6) * 0.002
    result = over_seeds(recorded(a, b), "A", "B")
    ends = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (result.low, result.high) == pytest.approx(tuple(ends), abs=1e-12)
    assert result.difference == pytest.approx((a - b).mean())
    assert result.differences.tolist() == pytest.approx(list(a - b))
    assert result.seeds == 6
    assert result.verdict == "better"
    assert stats.ttest_ind(a, b).pvalue > 0.05  # unpaired, the same runs say nothing
    other = over_seeds(recorded(a, b), "B", "A")
    assert other.verdict == "worse"
    assert other.half_width == result.half_width
    narrow = over_seeds(recorded(a, b), "A", "B", level=0.5)
    assert narrow.half_width < result.half_width


def test_what_was_found_is_not_to_be_changed():
    result = over_seeds(recorded([0.8, 0.9], [0.7, 0.75]), "A", "B")
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.verdict = "better"


def test_it_says_so_in_a_sentence():
    result = over_seeds(recorded([0.86, 0.87, 0.88], [0.76, 0.77, 0.79]), "A", "B")
    assert result.says() == "A 0.8700, B 0.7733 over 3 seeds: better (+0.0967 ± 0.0143)"
    same = over_seeds(recorded([0.7, 0.8, 0.9], [0.9, 0.8, 0.7]), "A", "B")
    assert "over 3 seeds: not told apart (+0.0000 ± " in same.says()


def test_it_is_wrong_once_in_twenty():
    rng = np.random.default_rng(1)
    runs = rng.normal(size=(1000, 2, 5))
    wrong = np.mean([over_seeds(recorded(a, b), "A", "B").verdict != "not told apart" for a, b in runs])
    assert 0.035 <= wrong <= 0.065


def test_less_loss_is_better():
    frame = recorded([0.5, 0.51, 0.52], [0.6, 0.61, 0.63]).rename(columns={"test_auc": "test_log_loss"})
    assert over_seeds(frame, "A", "B", "test_log_loss").verdict == "better"
    frame = frame.rename(columns={"test_log_loss": "seconds", "model": "cell"})
    assert over_seeds(frame, "A", "B", "seconds", column="cell").verdict == "worse"
    assert over_seeds(frame, "A", "B", "seconds", column="cell", lower_is_better=True).verdict == "better"


def test_what_cannot_be_paired_is_refused_and_the_remedies_help():
    frame = recorded([0.8, 0.81, 0.83], [0.7, 0.71, 0.72], chosen=True)
    searched = pd.concat([frame, frame[frame["seed"] == 0].assign(chosen=False, test_auc=0.1)])
    with pytest.raises(ValueError, match=r"A has 2 rows of seed 0: .*frame = frame\[frame\['chosen'\]\]"):
        over_seeds(searched, "A", "B")
    assert over_seeds(searched[searched["chosen"]], "A", "B") is not None
    short = frame[(frame["model"] == "A") | (frame["seed"] < 2)]
    with pytest.raises(ValueError, match=r"A has \[0, 1, 2\], B has \[0, 1\].*frame\['seed'\]\.isin"):
        over_seeds(short, "A", "B")
    assert over_seeds(short[short["seed"].isin([0, 1])], "A", "B").seeds == 2
    with pytest.raises(ValueError, match="Two models"):
        over_seeds(frame, "A", "A")
    with pytest.raises(KeyError, match="there is no column 'auc': there are model, seed, test_auc"):
        over_seeds(frame, "A", "B", "auc")
    with pytest.raises(KeyError, match="no row has model == 'DIN': there are"):
        over_seeds(frame, "A", "DIN")
    with pytest.raises(ValueError, match=r"test_auc of A is missing \(nan\) in some rows"):
        over_seeds(frame.assign(test_auc=frame["test_auc"].where(frame["seed"] > 0)), "A", "B")
    one = over_seeds(frame[frame["seed"] == 0], "A", "B")
    assert one.verdict == "unknown"
    assert math.isnan(one.half_width)


def test_half_width_is_students():
    assert half_width(1.0, 5) == pytest.approx(stats.t.ppf(0.975, 4))
    assert half_width(2.0, 10, 0.9) == pytest.approx(2 * stats.t.ppf(0.95, 9))
    assert verdict(0.1, 0.2) == verdict(0.2, 0.1) == "better"


def test_a_recorded_file_can_be_read():
    from browsing import ROOT

    (file,) = (ROOT / "benchmarks" / "results").rglob("crosses.csv")
    frame = pd.read_csv(file)
    chosen = frame[(frame["data"] == "crosses") & frame["chosen"]]
    result = over_seeds(chosen, "FM", "linear")
    assert result.verdict == "better"
    assert result.seeds >= 5
