"""Rankings of the whole catalogue by loop, and models that score all items of a user at once."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import recbyhand as rbh
from recbyhand.evaluation import ranking
from tests.models.cases import cases, make, with_method


@pytest.fixture(scope="module")
def task():
    return rbh.data.ctr(rbh.data.planted("interests", users=60))


@pytest.fixture(scope="module")
def counted(task):
    return {"mean": rbh.models.UserItemMean(task), "popular": rbh.models.Popularity(task)}


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
    one = rbh.evaluate_ranking(Untied(), task).iloc[0]
    assert one["users"] == len(hits)
    assert one["HR@10"] == pytest.approx(np.mean(hits), abs=1e-12)
    assert one["NDCG@10"] == pytest.approx(np.mean(ndcgs), abs=1e-12)
    assert one["HR@10_se"] == pytest.approx(np.std(hits, ddof=1) / math.sqrt(len(hits)))
    monkeypatch.setattr(ranking, "TABLE", 3 * task.schema.n_items)  # three users at a time
    pd.testing.assert_series_equal(rbh.evaluate_ranking(Untied(), task).iloc[0], one)
    some = rbh.evaluate_ranking(Untied(), task, users=7)
    assert some["users"].item() == 7
    pd.testing.assert_frame_equal(some, rbh.evaluate_ranking(Untied(), task, users=7))


# ----------------------------------------------------------------------------- all items of a user at once


class Blocks(nn.Module):
    """The same model without `score_items`: rows of one user and one item."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, batch):
        return self.model(batch)


M = rbh.models
CASES = cases(with_method("score_items"))


@pytest.fixture(scope="module")
def rich():
    """A task with features of users and items, a user without any history, and a user who is unknown."""
    task = rbh.data.ctr(rbh.data.movielens("100k", fallback=True), history=6)
    users = task.users_at(torch.tensor([5, 1, 9, 12]))
    users.history[2], users.history_mask[2] = 0, False
    return task, users, torch.tensor([3, 1, 40, 7, 2, 61])


def alive(case, task):
    """The model in float64, every weight large enough to matter (biases start at 0); padding stays 0."""
    rbh.seed(0)
    model = make(case, task).double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))
        for table in model.modules():
            if isinstance(table, nn.Embedding) and table.padding_idx is not None:
                table.weight[table.padding_idx] = 0
        for name, p in model.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                p.add_(torch.rand_like(p))
    return model


@pytest.mark.parametrize("case", CASES)
def test_score_items_is_forward_on_candidates(rich, case, monkeypatch):
    task, users, items = rich
    model = alive(case, task)
    assert ranking.scores_items(model)
    for blocks in (1 << 16, 8):  # all at once; two items at a time
        monkeypatch.setattr("recbyhand.models.base.blocks.__defaults__", (blocks,))
        with torch.no_grad():
            expected = model(task.candidates(users, items)).view(4, 6)
            scores = model.score_items(users, items)
        assert scores.shape == (4, 6)
        assert (scores - expected).abs().max() < 1e-10
    assert expected.std() > 0.01


@pytest.mark.parametrize("case", CASES)
def test_rankings_are_the_same_on_both_roads(task, case):
    model = alive(case, task).float()
    fast, slow = (rbh.evaluate_ranking(m, task, k=5).iloc[0] for m in (model, Blocks(model)))
    assert fast.tolist() == pytest.approx(slow.tolist(), abs=1e-9)


def test_a_forward_that_was_changed_is_believed_and_not_what_it_inherits(task):
    class Turned(M.MatrixFactorization):
        def forward(self, batch):
            return -super().forward(batch)

    class Both(Turned):
        def score_items(self, batch, items):
            return -super().score_items(batch, items)

    class Neither(M.MatrixFactorization):
        pass

    batch = task.ranking().batch[:3]
    rbh.seed(0)
    model = Turned(task.schema)
    assert not ranking.scores_items(model)
    assert ranking.scores_items(Both(task.schema))
    assert ranking.scores_items(Neither(task.schema))
    scores = rbh.evaluation.score_catalogue(model, task, batch)
    assert torch.equal(scores.flatten(), rbh.predict(model, task.candidates(batch, task.catalogue())))
    patched = Neither(task.schema)
    patched.forward = lambda batch: batch.item.float()
    assert rbh.evaluation.score_catalogue(patched, task, batch)[0].tolist() == task.catalogue().tolist()


def test_scores_of_a_wrong_shape_are_named(task):
    class Short(M.MatrixFactorization):
        def score_items(self, batch, items):
            return torch.zeros(len(batch))

    with pytest.raises(
        ValueError, match=r"Short\.score_items gave \(7,\): 7 users and \d+ items need logits \(7, "
    ):
        rbh.evaluate_ranking(Short(task.schema), task, users=7)


def test_scoring_leaves_the_mode_as_it_was(task):
    model = M.DIN(task.schema).train()
    model.unit.eval()
    rbh.evaluation.score_catalogue(model, task, task.ranking().batch[:2])
    assert model.training
    assert not model.unit.training


def test_who_is_left_out_is_counted(task, counted):
    row = rbh.evaluate_ranking(counted["popular"], task).iloc[0]
    assert row["users"] + row["left_out"] == len(task.test.user.unique())
    said = rbh.compare(counted, task, metric="HR@10").caption()
    assert row["left_out"] == 0 or f"{int(row['left_out'])} test users have nothing to rank" in said


def test_recommend_takes_the_fast_road(task):
    rbh.seed(0)
    model, user = M.DIN(task.schema), task.schema.user_ids[3]
    fast, slow = rbh.recommend(model, task, user), rbh.recommend(Blocks(model), task, user)
    assert fast["title"].tolist() == slow["title"].tolist()
    assert fast["probability"].tolist() == pytest.approx(slow["probability"].tolist(), abs=1e-6)


def test_blocks_bound_the_pairs():
    from recbyhand.models.base import blocks

    items = torch.arange(10)
    assert [len(part) for part in blocks(items, users=3, pairs=12)] == [4, 4, 2]
    assert [len(part) for part in blocks(items, users=100, pairs=12)] == [1] * 10
    assert torch.equal(torch.cat(blocks(items, users=0)), items)


def test_retrieved_by_loop(task, counted, monkeypatch):
    monkeypatch.setattr(ranking, "TABLE", 500)  # several blocks of users
    model, ranks = counted["popular"], task.ranking()
    ids = rbh.evaluation.retrieved(model, task, k=7)
    assert ids.shape == (len(ranks), 7)
    for row, user in enumerate(ranks.user.tolist()):
        met = {i for part in (task.train, task.valid) for i in part.item[part.user == user].tolist()}
        left = [i for i in range(2, task.schema.n_items) if i not in met]
        assert ids[row].tolist() == sorted(left, key=lambda i: -float(model.logit[i]))[:7]
    with pytest.raises(ValueError, match="that may be listed"):
        rbh.evaluation.retrieved(model, task, k=task.schema.n_items)


class OfFactors(nn.Module):
    """What `als` found, as a model: nothing but two tables."""

    def __init__(self, found):
        super().__init__()
        self.found = found

    def forward(self, batch):
        return (self.found.user[batch.user] * self.found.item[batch.item]).sum(1)  # (B,)


def test_a_list_of_equal_scores_is_no_recommendation_and_says_so():
    """Whoever bought nothing has the vector 0 in ALS: .5 for all, in the order of the file."""
    task = rbh.data.ctr(rbh.data.planted("crosses", users=60))
    likes = task.train.label > 0
    found = rbh.models.implicit_als(
        task.train.user[likes],
        task.train.item[likes],
        shape=(task.schema.n_users, task.schema.n_items),
        dim=4,
    )
    model, known = OfFactors(found), task.schema.user_ids[3]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rbh.recommend(model, task, known, k=5)
    with pytest.warns(UserWarning, match=r"All \d+ items have the same score") as caught:
        rbh.recommend(model, task, history=[])
    remedy = str(caught[0].message).split("popular: ")[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown = eval(remedy, {"rbh": rbh, "task": task})
    counts = torch.bincount(task.train.item[likes], minlength=task.schema.n_items)
    assert shown["title"][0] in {task.schema.title(i) for i in counts.topk(3).indices.tolist()}
