"""Metrics against scikit-learn and against loops; their errors against bootstraps and simulated worlds."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics as sk

from recbyhand import metrics


def clicks(seed=0, users=40, rows=25, ties=False):
    """Labels, scores and users, where each user has a taste for clicking that scores know a little of."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), rows)
    z = rng.normal(size=users)[user] + rng.normal(size=len(user))
    label = (rng.random(len(user)) < 1 / (1 + np.exp(-z))).astype(float)
    score = z + rng.normal(size=len(user))
    return label, score.round(0 if ties else 12), user


@pytest.mark.filterwarnings("error")  # of a division by 0, too
@pytest.mark.parametrize("label", [[0, 0, 0], [1, 1, 1]])
def test_one_class_has_no_auc_and_no_error_of_it_and_nothing_is_divided_by_0(label):
    assert math.isnan(metrics.auc(label, [1, 2, 3]))
    assert math.isnan(metrics.auc_se(label, [1, 2, 3]))
    assert math.isnan(metrics.auc_se(label, [1, 2, 3], [7, 7, 8]))
    assert math.isnan(metrics.gauc(label, [1, 2, 3], [7, 7, 8]))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_auc_and_log_loss_are_those_of_scikit_learn(seed, ties):
    label, score, _ = clicks(seed, ties=ties)
    assert metrics.auc(label, score) == pytest.approx(sk.roc_auc_score(label, score), abs=1e-12)
    p = 1 / (1 + np.exp(-score))
    assert metrics.log_loss(label, score) == pytest.approx(sk.log_loss(label, p), abs=1e-10)


def test_auc_counts_pairs_and_a_tie_as_half():
    assert metrics.auc([1, 1, 0, 0], [3, 1, 1, 0]) == (1 + 1 + 0.5 + 1) / 4
    assert metrics.auc([0, 1, 0, 1], [7, 7, 7, 7]) == 0.5


def test_auc_takes_tensors_and_is_the_same_for_probabilities():
    label, score, _ = clicks()
    t = torch.from_numpy(score).requires_grad_()
    assert metrics.auc(torch.from_numpy(label), t) == metrics.auc(label, score)
    assert metrics.auc(label, torch.sigmoid(t)) == metrics.auc(label, score)


def test_one_class_has_no_auc_and_bad_input_is_refused():
    assert math.isnan(metrics.auc([1, 1], [0.2, 0.3]))
    assert math.isnan(metrics.auc([], []))
    with pytest.raises(ValueError, match="1 scores are not a number"):
        metrics.auc([0, 1], [0.1, math.nan])
    with pytest.raises(ValueError, match="0 or 1"):
        metrics.auc([0, 2], [0.1, 0.2])
    with pytest.raises(ValueError, match="one length"):
        metrics.auc([0, 1], [[0.1], [0.2]])


def test_log_loss_of_huge_logits_is_finite():
    assert metrics.log_loss([1, 0], [-1000.0, -1000.0]) == 500.0


@pytest.mark.parametrize("ties", [False, True])
def test_gauc_is_the_weighted_mean_of_one_auc_per_user(ties):
    label, score, user = clicks(4, users=30, rows=8, ties=ties)
    rows = np.random.default_rng(0).permutation(200)[:150]  # users of unequal size, in no order
    label, score, user = label[rows], score[rows], user[rows]
    total = weight = skipped = 0
    for u in np.unique(user):
        mine = user == u
        if len(np.unique(label[mine])) < 2:
            skipped += 1
            continue
        total += mine.sum() * sk.roc_auc_score(label[mine], score[mine])
        weight += mine.sum()
    assert skipped > 0
    assert metrics.gauc(label, score, user) == pytest.approx(total / weight, abs=1e-12)
    assert math.isnan(metrics.gauc([1, 1, 0], [1, 2, 3], [0, 0, 1]))


def test_a_bias_per_user_moves_auc_but_not_gauc():
    label, score, user = clicks()
    biased = score + 3 * np.random.default_rng(1).normal(size=40)[user]
    assert metrics.gauc(label, biased, user) == pytest.approx(metrics.gauc(label, score, user), abs=1e-12)
    assert abs(metrics.auc(label, biased) - metrics.auc(label, score)) > 0.02


def test_delong_by_double_loop():
    label, score, _ = clicks(1, users=5, rows=12, ties=True)
    pos, neg = score[label == 1], score[label == 0]
    kernel = (pos[:, None] > neg) + 0.5 * (pos[:, None] == neg)
    over_pos, over_neg = kernel.mean(1), kernel.mean(0)
    delong = over_pos.var(ddof=1) / len(pos) + over_neg.var(ddof=1) / len(neg)
    # Rows as units give DeLong's variance but for the small-sample factors, m / (m - 1) and its like.
    assert metrics.auc_se(label, score) == pytest.approx(math.sqrt(delong), rel=0.03)
    value, influence = metrics.auc_influence(label, score, np.arange(len(label)))
    assert value == pytest.approx(kernel.mean(), abs=1e-12)
    assert influence[label == 1] == pytest.approx((over_pos - value) / len(pos))
    assert influence[label == 0] == pytest.approx((over_neg - value) / len(neg))


def resampled(function, user, times=400):
    """The spread of `function(rows)` when whole users are drawn with replacement."""
    rng = np.random.default_rng(0)
    rows = [np.flatnonzero(user == u) for u in np.unique(user)]
    draws = [np.concatenate([rows[u] for u in rng.integers(len(rows), size=len(rows))]) for _ in range(times)]
    return np.std([function(draw) for draw in draws])


@pytest.mark.parametrize("metric", ["auc", "gauc", "log_loss"])
def test_errors_agree_with_a_bootstrap_over_users(metric):
    label, score, user = clicks(2, users=60)
    rng = np.random.default_rng(3)
    other = score + rng.normal(size=60)[user] + rng.normal(size=len(user))  # errs by user and by row
    parts = metrics.INFLUENCE[metric]

    def value(s, rows):  # a user drawn twice is one user of twice the weight, which leaves its own AUC alone
        return parts(label[rows], s[rows], user[rows] if metric == "gauc" else np.zeros(len(rows), int))[0]

    se = metrics.standard_error(parts(label, score, user)[1])
    assert se == pytest.approx(resampled(lambda r: value(score, r), user), rel=0.12)
    difference, se, low, high = metrics.paired_difference(metric, label, score, other, user)
    assert se == pytest.approx(resampled(lambda r: value(score, r) - value(other, r), user), rel=0.12)
    assert low < difference < high
    assert difference == pytest.approx(parts(label, score, user)[0] - parts(label, other, user)[0])


def test_the_verdict_is_right_19_times_in_20_with_users_as_units_and_not_with_rows():
    """Two models of equal worth, each wrong about whole users in its own way."""
    rng = np.random.default_rng(0)
    users, rows, times = 50, 20, 400
    user = np.repeat(np.arange(users), rows)
    quiet = {"users": 0, "rows": 0}
    for _ in range(times):
        z = rng.normal(size=users * rows)
        label = (rng.random(len(z)) < 1 / (1 + np.exp(-2 * z))).astype(float)
        one, two = (z + rng.normal(size=users)[user] for _ in range(2))
        for unit, of in (("users", user), ("rows", None)):
            _, _, low, high = metrics.paired_difference("auc", label, one, two, of)
            quiet[unit] += metrics.verdict(low, high) == "not told apart"
    assert 0.925 <= quiet["users"] / times <= 0.975
    assert quiet["rows"] / times < 0.85  # what taking rows for independent would have cost


def test_verdicts_go_both_ways():
    assert metrics.verdict(0.01, 0.02) == "better"
    assert metrics.verdict(-0.02, -0.01) == "worse"
    assert metrics.verdict(-0.01, 0.02) == "not told apart"
    assert metrics.verdict(0.0, 0.0) == "not told apart"
    assert metrics.verdict(math.nan, math.nan) == "unknown"


def ranked(seed, users=12, items=30, ties=False):
    rng = np.random.default_rng(seed)
    score = rng.normal(size=(users, items))
    score = score.round(0) if ties else score
    return rng.random((users, items)) < rng.uniform(0, 0.3, size=(users, 1)), score


@pytest.mark.parametrize("seed", range(3))
def test_rankings_by_loop(seed):
    relevant, score = ranked(seed)
    relevant[0] = False  # nobody to please: left out
    hits, ndcgs = [], []
    for r, s in zip(relevant[1:], score[1:], strict=True):
        if not r.any():
            continue
        order = sorted(range(len(s)), key=lambda i: -s[i])[:10]
        hits.append(any(r[i] for i in order))
        dcg = sum(1 / math.log2(place + 1) for place, i in enumerate(order, 1) if r[i])
        ndcgs.append(dcg / sum(1 / math.log2(place + 1) for place in range(1, min(10, r.sum()) + 1)))
    assert metrics.hit_rate_at_k(relevant, score, 10) == pytest.approx(np.mean(hits))
    assert metrics.ndcg_at_k(relevant, score, 10) == pytest.approx(np.mean(ndcgs))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("k", [1, 3, 10, 30])
def test_ndcg_is_that_of_scikit_learn_ties_included(ties, k):
    relevant, score = ranked(5, ties=ties)
    some = relevant.any(1)
    expected = sk.ndcg_score(relevant[some], score[some], k=k)
    assert metrics.ndcg_at_k(relevant, score, k) == pytest.approx(expected, abs=1e-12)


def test_tied_hits_are_expected_hits():
    relevant, score = ranked(6, users=4, items=12, ties=True)
    relevant[:, :2] = True
    rng = np.random.default_rng(0)
    draws = [metrics.hit_rate_at_k(relevant, score + 1e-6 * rng.random(score.shape), 3) for _ in range(3000)]
    assert metrics.hit_rate_at_k(relevant, score, 3) == pytest.approx(np.mean(draws), abs=0.02)
    # A model that says the same of all items does not profit from the order of the catalogue.
    first = np.arange(100) == 0
    assert metrics.hit_rate_at_k(first, np.zeros(100), 10) == pytest.approx(0.1)


def test_nobody_relevant_is_nan():
    assert math.isnan(metrics.hit_rate_at_k(np.zeros((2, 5), bool), np.zeros((2, 5))))
    assert math.isnan(metrics.ndcg_at_k(np.zeros(5, bool), np.zeros(5)))


# ----------------------------------------------------------------------------------- what has no meaning is refused


@pytest.mark.parametrize("metric", [metrics.hit_rate_at_k, metrics.ndcg_at_k])
@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf, None, "yes"])
def test_relevance_that_says_nothing_is_refused_and_its_remedy_helps(metric, bad):
    relevant = np.array([[1, bad, 0]], dtype=object if bad is None or bad == "yes" else float)
    with pytest.raises(ValueError, match=r"relevant must be True or False.*give relevant == 1"):
        metric(relevant, [[3, 2, 1]], 1)
    assert metric(relevant == 1, [[3, 2, 1]], 1) == 1


def test_grades_need_a_word_on_what_they_are_worth():
    grades, score = np.array([3, 2, 3, 0, 1, 2]), -np.arange(6.0)
    with pytest.raises(ValueError, match=r'grades, up to 3.*gains="linear" or gains="exponential"'):
        metrics.ndcg_at_k(grades, score, 6)
    with pytest.raises(ValueError, match=r"grades, up to 3.*relevant >= 2"):
        metrics.hit_rate_at_k(grades, score, 6)
    with pytest.raises(ValueError, match="gains='log' is unknown: choose one of linear, exponential"):
        metrics.ndcg_at_k(grades, score, 6, gains="log")
    assert metrics.hit_rate_at_k(grades >= 2, score, 1) == 1
    linear = metrics.ndcg_at_k(grades, score, 6, gains="linear")
    assert linear == pytest.approx(sk.ndcg_score(grades[None], score[None], k=6), abs=1e-12)
    assert linear == pytest.approx(0.9608, abs=1e-4)  # the worked example of many textbooks
    exponential = metrics.ndcg_at_k(grades, score, 6, gains="exponential")
    assert exponential == pytest.approx(sk.ndcg_score(2.0 ** grades[None] - 1, score[None], k=6), abs=1e-12)


@pytest.mark.parametrize("k", [1, 3, 30])
@pytest.mark.parametrize("ties", [False, True])
def test_graded_ndcg_is_that_of_scikit_learn(ties, k):
    rng = np.random.default_rng(8)
    grades, (_, score) = rng.integers(0, 4, (12, 30)), ranked(8, ties=ties)
    expected = sk.ndcg_score(grades, score, k=k)
    assert metrics.ndcg_at_k(grades, score, k, gains="linear") == pytest.approx(expected, abs=1e-12)
    binary = metrics.ndcg_at_k(grades > 1, score, k)
    assert metrics.ndcg_at_k(grades > 1, score, k, gains="exponential") == pytest.approx(binary, abs=1e-12)


def test_what_is_excluded_is_no_hit():
    score = np.array([[1.0, -math.inf, -math.inf]])
    excluded, both = np.array([[0, 1, 0]]), np.array([[1, 1, 0]])
    for k in (1, 2, 3, 10):
        assert metrics.hit_rate_at_k(excluded, score, k) == 0
        assert metrics.ndcg_at_k(excluded, score, k) == 0
    assert metrics.hit_rate_at_k(both, score, 3) == 1
    assert metrics.ndcg_at_k(both, score, 3) == pytest.approx(1 / (1 + 1 / math.log2(3)))


@pytest.mark.parametrize("missing", [math.nan, None, pd.NA])
def test_missing_users_are_refused_and_the_remedy_helps(missing):
    label, score = np.array([0, 1, 0, 1, 1.0]), np.arange(5.0)
    user = np.array([7, 7, 8, 8, missing], dtype=float if missing is math.nan else object)
    for measure in (metrics.gauc, metrics.auc_se):
        with pytest.raises(ValueError, match=r"1 of 5 users are missing.*keep = ~pd\.isna\(user\)"):
            measure(label, score, user)
    with pytest.raises(ValueError, match="1 of 5 users are missing"):
        metrics.paired_difference("auc", label, score, -score, user)
    keep = ~pd.isna(user)
    assert metrics.gauc(label[keep], score[keep], user[keep]) == 1


def test_users_of_another_length_are_refused():
    for user in ([1, 1, 2], [[1], [1]], 7):
        with pytest.raises(ValueError, match="user needs one id for each of the 2 rows, not the shape"):
            metrics.gauc([0, 1], [0.1, 0.2], user)
        with pytest.raises(ValueError, match="user needs one id for each of the 2 rows, not the shape"):
            metrics.auc_se([0, 1], [0.1, 0.2], user)
