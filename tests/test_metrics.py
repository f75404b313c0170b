"""Metrics against scikit-learn and against loops; their errors against bootstraps and simulated worlds."""

import math
import re

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics as sk
from torch import nn

import recbyhand as rbh
from recbyhand import metrics


@pytest.fixture(scope="module")
def task():
    return rbh.data.ctr(rbh.data.planted("interests", users=60))


@pytest.fixture(scope="module")
def counted(task):
    return {"mean": rbh.models.UserItemMean(task), "popular": rbh.models.Popularity(task)}


def clicks(seed=0, users=40, rows=25, ties=False):
    """Labels, scores and users, where each user has a taste for clicking that scores know a little of."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), rows)
    z = rng.normal(size=users)[user] + rng.normal(size=len(user))
    label = (rng.random(len(user)) < 1 / (1 + np.exp(-z))).astype(float)
    score = z + rng.normal(size=len(user))
    return label, score.round(0 if ties else 12), user


# ------------------------------------------------------------------------------------------------- of clicks


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


# ---------------------------------------------------------------------------------------------------- errors


def test_delong_by_double_loop():
    label, score, _ = clicks(1, users=5, rows=12, ties=True)
    pos, neg = score[label == 1], score[label == 0]
    kernel = (pos[:, None] > neg) + 0.5 * (pos[:, None] == neg)
    over_pos, over_neg = kernel.mean(1), kernel.mean(0)
    delong = over_pos.var(ddof=1) / len(pos) + over_neg.var(ddof=1) / len(neg)
    # Rows as units give DeLong's variance but for the small-sample factors, m / (m - 1) and its like.
    assert metrics.auc_se(label, score) == pytest.approx(math.sqrt(delong), rel=0.03)
    value, influence = metrics._auc_parts(label, score, np.arange(len(label)))
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
    parts = metrics._PARTS[metric]

    def value(s, rows):  # a user drawn twice is one user of twice the weight, which leaves its own AUC alone
        return parts(label[rows], s[rows], user[rows] if metric == "gauc" else np.zeros(len(rows), int))[0]

    se = metrics._standard_error(parts(label, score, user)[1])
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


# --------------------------------------------------------------------------------------------------- rankings


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


def test_evaluate_ranking_by_loop(task, counted, monkeypatch):
    model = counted["popular"]
    hits, ndcgs = [], []
    for user in task.test.user.unique().tolist():
        met = {i for part in (task.train, task.valid) for i in part.item[part.user == user].tolist()}
        mine = task.test.user == user
        liked = set(task.test.item[mine & (task.test.label > 0)].tolist()) - met
        if not liked or not (task.train.user == user).any():
            continue
        left = [i for i in range(2, task.schema.n_items) if i not in met]
        score = model.logit.numpy() + 1e-9 * np.arange(task.schema.n_items)  # not tied: compared below
        best = sorted(left, key=lambda i: -score[i])[:10]
        hits.append(bool(liked & set(best)))
        dcg = sum(1 / math.log2(place + 1) for place, i in enumerate(best, 1) if i in liked)
        ndcgs.append(dcg / sum(1 / math.log2(place + 1) for place in range(1, min(10, len(liked)) + 1)))

    class Untied(nn.Module):
        def forward(self, batch):
            return model.logit[batch.item].double() + 1e-9 * batch.item

    monkeypatch.setattr(Untied, "schema", task.schema, raising=False)
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)  # keep the tie-break through predict
    one = metrics.evaluate_ranking(Untied(), task).iloc[0]
    assert one["users"] == len(hits)
    assert one["HR@10"] == pytest.approx(np.mean(hits), abs=1e-12)
    assert one["NDCG@10"] == pytest.approx(np.mean(ndcgs), abs=1e-12)
    assert one["HR@10_se"] == pytest.approx(np.std(hits, ddof=1) / math.sqrt(len(hits)))
    monkeypatch.setattr(metrics, "_CHUNK", 3 * task.schema.n_items)  # three users at a time
    pd.testing.assert_series_equal(metrics.evaluate_ranking(Untied(), task).iloc[0], one)
    some = metrics.evaluate_ranking(Untied(), task, users=7)
    assert some["users"].item() == 7
    pd.testing.assert_frame_equal(some, metrics.evaluate_ranking(Untied(), task, users=7))


# ----------------------------------------------------------------------------------------------- the interface


class Scripted(nn.Module):
    """Answers whatever `answer(batch)` says."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer
        self.drop = nn.Dropout()

    def forward(self, batch):
        return self.answer(batch)


def test_predict_evaluates_in_batches_and_restores_every_mode(task):
    seen = []

    def answer(batch):
        seen.append((len(batch), model.training, torch.is_grad_enabled()))
        return batch.item.float()

    model = Scripted(answer)
    model.train()
    model.drop.eval()  # a part the reader has frozen stays frozen
    logits = metrics.predict(model, task.test, batch_size=250)
    assert torch.equal(logits, task.test.item.float())
    assert seen == [(250, False, False), (250, False, False), (100, False, False)]
    assert model.training
    assert not model.drop.training
    assert metrics.predict(model, task.test[0:1]).shape == (1,)
    assert metrics.predict(model, task.test[0:0]).shape == (0,)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda b: b.item.float()[:, None], r"\(64, 1\).*squeeze\(-1\)"),
        (lambda b: b.item.float().mean(), r"shape \(\).*name the axis"),
        (lambda b: b.item.float()[:-1], r"\(63,\) for a batch of 64"),
        (lambda b: [0.0] * len(b), "returned a list"),
    ],
)
def test_logits_of_the_wrong_shape_are_named(task, answer, message):
    with pytest.raises((ValueError, TypeError), match=message):
        metrics.predict(Scripted(answer), task.test[0:64])


def test_a_model_of_another_schema_is_refused(task, counted):
    other = rbh.data.ctr(rbh.data.planted("interests", users=61))
    with pytest.raises(ValueError, match="another schema"):
        rbh.evaluate(counted["mean"], other.test)


def test_evaluate_is_one_row_and_cold_rows_are_told_apart(task, counted):
    row = rbh.evaluate(counted["mean"], task.test)
    assert list(row) == ["auc", "auc_se", "gauc", "log_loss", "rows"]
    logits = metrics.predict(counted["mean"], task.test)
    assert row["auc"].item() == pytest.approx(sk.roc_auc_score(task.test.label, logits))
    assert row["rows"].item() == len(task.test)
    task.test.cold_item[:30] = True
    task.test.cold_user[20:40] = True
    parts = rbh.evaluate(counted["mean"], task.test, by="cold")
    task.test.cold_item[:], task.test.cold_user[:] = False, False
    assert parts["rows"].tolist() == [600, 560, 20, 30]
    assert parts.loc["cold user", "auc"] == metrics.auc(task.test.label[20:40], logits[20:40])
    with pytest.raises(ValueError, match="by="):
        rbh.evaluate(counted["mean"], task.test, by="age")
    with pytest.raises(TypeError, match=r"task\.test"):
        rbh.evaluate(counted["mean"], task)
    with pytest.raises(ValueError, match="no examples"):
        rbh.evaluate(counted["mean"], task.test[0:0])


def test_the_right_probabilities_reach_the_ceiling(task):
    world = rbh.data.planted("interests", users=200)
    big = rbh.data.ctr(world)
    p = dict(
        zip(
            zip(world.impressions.user, world.impressions.time, strict=True), world.impressions.p, strict=True
        )
    )
    ids = big.schema.user_ids
    p = np.array(
        [p[ids[u - 2], t] for u, t in zip(big.test.user.tolist(), big.test.time.tolist(), strict=True)]
    )
    row = rbh.evaluate(np.log(p / (1 - p)), big.test).iloc[0]
    assert abs(row["auc"] - float(metrics.auc((np.random.default_rng(0).random(len(p)) < p) * 1.0, p))) < 0.04
    assert row["auc"] > 0.8


# ------------------------------------------------------------------------------------------------ comparisons


@pytest.fixture
def comparison(task, counted):
    truth = torch.where(task.test.label > 0, 2.0, -2.0)  # a model that knows
    models = {"mean": counted["mean"], "<b>knows</b>": truth, "same": counted["mean"], "inverse": -truth}
    return rbh.compare(models, task.test, columns={"seconds": {"mean": 1.25}, "note": "<i>"})


def test_compare_reads_verdicts_off_the_interval(comparison, task, counted):
    table = comparison.table
    assert table["verdict"].tolist() == ["baseline", "better", "not told apart", "worse"]
    logits = metrics.predict(counted["mean"], task.test)
    difference, _, low, high = metrics.paired_difference(
        "auc", task.test.label, torch.where(task.test.label > 0, 2.0, -2.0), logits, task.test.user
    )
    assert table.loc["<b>knows</b>", ["difference", "low", "high"]].tolist() == [difference, low, high]
    assert table["seconds"].tolist()[0] == 1.25
    assert table["parameters"].tolist() == [0, 0, 0, 0]
    assert comparison.best == "<b>knows</b>"


def test_less_log_loss_is_better(task, counted):
    # What knows half the truth is better than what knows nothing; the sign of a loss is turned round.
    half, none = torch.where(task.test.label > 0, 1.0, -1.0), torch.zeros(len(task.test))
    table = rbh.compare({"none": none, "half": half}, task.test, metric="log_loss").table
    assert table.loc["half", "verdict"] == "better"
    assert table.loc["half", "high"] < 0
    back = rbh.compare({"none": none, "half": half}, task.test, baseline="half", metric="log_loss")
    assert back.table.loc["none", "verdict"] == "worse"
    assert back.best == "half"


def test_no_model_is_marked_best_within_the_noise(task):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, len(task.test)))
    noise = rbh.compare({"a": a, "b": b}, task.test)
    assert noise.best is None
    assert "No model is best outside the noise" in noise.caption()
    assert "<strong>" not in noise._repr_html_()


def test_the_table_is_accessible_and_escapes_names(comparison):
    page = comparison._repr_html_()
    assert page.count("<table") == page.count(comparison.caption().split(". ")[1]) == 1
    assert "No model" not in page
    assert page.count("scope='row'") == len(comparison.table)
    assert page.count("scope='col'") == len(comparison._cells().columns) + 1
    assert "<b>knows" not in page
    assert "&lt;b&gt;knows" in page
    assert "<i>" not in page
    assert page.count("<strong>") == 1
    assert page.count("aria-hidden='true'") == 3  # one drawing per difference; its numbers stand beside it
    assert not re.search(r"(?<!current)color:\s*#|background:\s*#", page)  # the page's own colours
    assert "not told apart" in repr(comparison)
    assert "nan" not in page


def test_compare_says_what_is_wrong(task, counted):
    with pytest.raises(ValueError, match="Nothing to compare"):
        rbh.compare({}, task.test)
    with pytest.raises(ValueError, match="none of the models: mean, popular"):
        rbh.compare(counted, task.test, baseline="DIN")
    with pytest.raises(ValueError, match="metric='f1'"):
        rbh.compare(counted, task.test, metric="f1")
    with pytest.raises(ValueError, match="600 logits"):
        rbh.compare({"a": torch.zeros(3)}, task.test)
    with pytest.raises(TypeError, match=r"task\.test"):
        rbh.compare(counted, task)

    with pytest.raises(ValueError, match="Nothing to compare"):
        rbh.compare(next(iter(counted.values())), task.test)
    with pytest.raises(TypeError, match=r"NDCG@10 takes the full catalogue: give the whole task"):
        rbh.compare(counted, task.test, metric="NDCG@10")
    for metric in ("NDCG", "NDCG@", "MRR@10", ["auc"]):
        with pytest.raises(ValueError, match=r"metric=.* is unknown: choose one of auc.*NDCG@10"):
            rbh.compare(counted, task.test, metric=metric)
    with pytest.raises(ValueError, match="k=0: give a whole number"):
        rbh.compare(counted, task, metric="HR@0")
    with pytest.raises(ValueError, match="metric='ndcg' is unknown"):
        metrics.paired_difference("ndcg", [0, 1], [0, 1], [1, 0])
    with pytest.raises(TypeError, match=r"Give a model, .*not the class Popularity"):
        rbh.evaluate(rbh.models.Popularity, task.test)
    with pytest.raises(TypeError, match=r"Give examples, such as task\.test, not Popularity"):
        rbh.evaluate(task.test, counted["popular"])
    with pytest.raises(TypeError, match="A batch does not know who is cold"):
        rbh.evaluate(counted["popular"], task.test[:20], by="cold")


@pytest.mark.parametrize("metric", ["HR@5", "NDCG@5"])
def test_rankings_are_compared_in_pairs(metric):
    """The oracle: a bootstrap over users of the difference, each user's value computed alone."""
    world = rbh.data.planted("factors", users=150)
    task = rbh.data.ctr(world)
    table = torch.randn(task.schema.n_users, task.schema.n_items, generator=torch.Generator().manual_seed(0))
    popular = rbh.models.Popularity(task)

    def noisy(share):
        return Scripted(lambda batch: popular.logit[batch.item] + share * table[batch.user, batch.item])

    models = {"popular": noisy(0.0), "noisy": noisy(0.3), "noise": noisy(1e6)}
    comparison = rbh.compare(models, task, metric=metric)
    ranking, items = task.ranking(), task.catalogue()
    values = {}
    for name, model in models.items():
        values[name] = []
        for row in range(len(ranking)):
            score = metrics.predict(model, task.candidates(ranking.batch[row], items))
            score = score.masked_fill(~ranking.allowed(row, row + 1)[0, items], -math.inf)
            one = metrics.hit_rate_at_k if metric == "HR@5" else metrics.ndcg_at_k
            values[name].append(one(ranking.is_relevant(row, row + 1)[:, items], score[None], k=5))
    rng = np.random.default_rng(0)
    draws = rng.integers(len(ranking), size=(4000, len(ranking)))
    for name in ("noisy", "noise"):
        difference = np.array(values[name]) - values["popular"]
        row = comparison.table.loc[name]
        assert row[metric] == pytest.approx(np.mean(values[name]))
        assert row["difference"] == pytest.approx(difference.mean())
        low, high = np.quantile(difference[draws].mean(1), [0.025, 0.975])
        assert (row["low"], row["high"]) == pytest.approx((low, high), abs=0.12 * (high - low))
        # Paired: narrower than two errors of their own would have it.
        apart = math.hypot(row[f"{metric}_se"], comparison.table.loc["popular", f"{metric}_se"])
        assert row["high"] - row["low"] < 3.92 * apart or name == "noise"
    assert comparison.table.loc["noise", "verdict"] == "worse"
    alone = rbh.evaluate_ranking(models["noisy"], task, k=5).iloc[0]
    assert comparison.table.loc["noisy", metric] == alone[metric]
    assert comparison.table.loc["noisy", f"{metric}_se"] == alone[f"{metric}_se"]


def test_labels_all_alike_are_said_to_be(task, counted):
    liked = task.test.subset(task.test.label > 0)
    said = "There is no AUC (nan) where all labels are alike."
    assert said in rbh.compare(counted, liked).caption()
    assert said not in rbh.compare(counted, task.test).caption()
    assert rbh.evaluate(counted["mean"], liked)["auc"].isna().all()


def test_a_comparison_of_rankings_shows_rankings(task, counted):
    comparison = rbh.compare(counted, task, metric="NDCG@10", columns={"seconds": 1.5})
    shown = repr(comparison)
    users = comparison.users
    assert (
        re.sub(r"\s+", " ", shown)
        .strip()
        .startswith("NDCG@10 difference 95 % interval verdict HR@10 parameters seconds")
    )
    assert f"{users} rankings of {users} users" in shown
    assert "The difference in NDCG@10 from mean is taken on the same rankings" in comparison.caption()
    assert comparison._repr_html_().count("±") == len(counted) + 1
