"""Models side by side: verdicts off the interval, the best, what is shown, what is refused."""

import math
import re

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from torch import nn

import recbyhand as rbh
from recbyhand import metrics
from recbyhand.evaluation.table import cells


@pytest.fixture(scope="module")
def task():
    return rbh.data.ctr(rbh.data.planted("interests", users=60))


@pytest.fixture(scope="module")
def counted(task):
    return {"mean": rbh.models.UserItemMean(task), "popular": rbh.models.Popularity(task)}


class Scripted(nn.Module):
    """Answers whatever `answer(batch)` says."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer
        self.drop = nn.Dropout()

    def forward(self, batch):
        return self.answer(batch)


def test_evaluate_is_one_row_and_cold_rows_are_told_apart(task, counted):
    row = rbh.evaluate(counted["mean"], task.test)
    assert list(row) == ["auc", "auc_se", "gauc", "log_loss", "rows"]
    logits = rbh.predict(counted["mean"], task.test)
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


@pytest.fixture
def comparison(task, counted):
    truth = torch.where(task.test.label > 0, 2.0, -2.0)  # a model that knows
    models = {"mean": counted["mean"], "<b>knows</b>": truth, "same": counted["mean"], "inverse": -truth}
    return rbh.compare(models, task.test, columns={"seconds": {"mean": 1.25}, "note": "<i>"})


def test_compare_reads_verdicts_off_the_interval(comparison, task, counted):
    table = comparison.table
    assert table["verdict"].tolist() == ["baseline", "better", "not told apart", "worse"]
    logits = rbh.predict(counted["mean"], task.test)
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
    assert page.count("scope='col'") == len(cells(comparison).columns) + 1
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
            score = rbh.predict(model, task.candidates(ranking.batch[row], items))
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


@pytest.mark.parametrize("metric", ["auc", "log_loss"])
def test_of_two_that_are_the_same_none_is_best(task, counted, metric):
    comparison = rbh.compare({"one": counted["mean"], "two": counted["mean"]}, task.test, metric=metric)
    assert comparison.best is None
    two = comparison.table.loc["two"]
    assert (two["difference"], two["low"], two["high"], two["verdict"]) == (0, 0, 0, "not told apart")


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


def test_the_smallest_difference_that_the_rows_could_have_shown(task):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, len(task.test)))
    noise = rbh.compare({"a": a, "b": b}, task.test)
    half = noise.half_width("b")
    difference, _, low, high = metrics.paired_difference("auc", task.test.label, b, a, task.test.user)
    assert half == pytest.approx((high - low) / 2)
    assert half == pytest.approx(noise.half_width("a", "b"))
    assert noise.says("b", "a", width=True).endswith(f"not told apart ({difference:+.4f} ± {half:.4f})")
    assert noise.says("a", "b", width=True).endswith(f"not told apart ({-difference:+.4f} ± {half:.4f})")
    assert noise.says("b") == noise.says("b", "a") == noise.says("b", "a", width=True).rsplit(" (", 1)[0]
    three = rbh.compare({"a": a, "b": b, "c": -b}, task.test)
    with pytest.raises(
        ValueError, match=r'must be the baseline, a: not b and c\. Compare anew, with baseline="c"'
    ):
        three.says("b", "c")
    assert rbh.compare({"a": a, "b": b, "c": -b}, task.test, baseline="c").says("b", "c")
