"""Planted faults: each is caught by its own line, and by no other; the models of the book have none."""

from __future__ import annotations

import dataclasses
import random
import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from recbyhand import layers, models
from recbyhand.data import ctr, from_frames, planted
from recbyhand.data.planted import stand_in
from recbyhand.inspect import audit
from recbyhand.inspect.audit import LINES, another_future
from tests.models.cases import COUNTING, LEARNING, cases, make


@pytest.fixture(scope="module")
def task():
    return ctr(planted("drift+crosses", users=60), history=7)


@pytest.fixture(scope="module")
def films():
    """A task with all features that the settings of `cases` name, and histories that are not all full."""
    whole = stand_in("100k")
    ratings = whole.ratings.query("user <= 60 and item <= 150")
    return ctr(
        from_frames(ratings, whole.users.query("user <= 60"), whole.items.query("item <= 150")), history=7
    )


class Good(nn.Module):
    """Pooling with everything in its place; the faulty ones below differ from it in one line."""

    def __init__(self, schema, dim=8):
        super().__init__()
        self.schema = schema
        self.user, self.item = (layers.id_embedding(n, dim) for n in (schema.n_users, schema.n_items))
        self.mlp = layers.MLP([4 * dim, 8, 1])

    def pooled(self, batch):
        mask = batch.history_mask
        return layers.weighted_sum(mask / mask.sum(1, keepdim=True).clamp(min=1), self.item(batch.history))

    def logits(self, batch):
        x, t, u = self.pooled(batch), self.item(batch.item), self.user(batch.user)
        return self.mlp(torch.cat([x, t, x * t, u], dim=1))  # (B, 1)

    def forward(self, batch):
        return self.logits(batch).squeeze(-1)


class Wide(Good):
    def forward(self, batch):
        return self.logits(batch)


class Broadcast(Good):
    def forward(self, batch):
        return self.logits(batch) + self.item(batch.item).sum(1)


class Squeezed(Good):
    def forward(self, batch):
        return self.logits(batch).squeeze()


class Pair(Good):
    def forward(self, batch):
        return super().forward(batch), self.pooled(batch)


class Boolean(Good):
    def forward(self, batch):
        return super().forward(batch) > 0


class NoHistoryNaN(Good):
    def pooled(self, batch):
        e, mask = self.item(batch.history), batch.history_mask
        return (e * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


class LossOfNothing(Good):
    def loss(self, batch):
        none = batch.label[batch.label > 1]
        return {
            "click": F.binary_cross_entropy_with_logits(self(batch), batch.label),
            "auxiliary": none.mean(),
        }


class LossList(Good):
    def loss(self, batch):
        return [F.binary_cross_entropy_with_logits(self(batch), batch.label)]


class Unused(Good):
    def __init__(self, schema, dim=8):
        super().__init__(schema, dim)
        self.gate = nn.Linear(dim, dim)


class CutOff(Good):
    def __init__(self, schema, dim=8):
        super().__init__(schema, dim)
        self.gate = nn.Linear(dim, 1, bias=False)

    def forward(self, batch):
        return super().forward(batch) + 0 * self.gate(self.pooled(batch)).squeeze(-1)


class AlwaysDropping(Good):
    def pooled(self, batch):
        return F.dropout(super().pooled(batch), 0.5)


class Counts(Good):
    def __init__(self, schema, dim=8):
        super().__init__(schema, dim)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, batch):
        self.seen += 1
        return super().forward(batch)


class BatchStatistics(Good):
    def pooled(self, batch):
        x = super().pooled(batch)
        return x - x.mean(0)


class SoftmaxOverRows(Good):
    def forward(self, batch):
        return super().forward(batch) * super().forward(batch).softmax(0)


class NextRow(Good):
    """The next row of the same user says what came later."""

    def pooled(self, batch):
        return super().pooled(batch).roll(-1, 0)


class InPlace(Good):
    def pooled(self, batch):
        batch.history.masked_fill_(batch.history_mask, 5)
        return super().pooled(batch)


class InPlaceLoss(Good):
    def loss(self, batch):
        batch.label.mul_(0.9).add_(0.05)
        return {"click": F.binary_cross_entropy_with_logits(self(batch), batch.label)}


class Constant(Good):
    def forward(self, batch):
        return super().forward(batch).sum() * 0 + self.mlp[-1].bias.expand(len(batch))


class ForgetsItem(Good):
    def logits(self, batch):
        x, u = self.pooled(batch), self.user(batch.user)
        return self.mlp(torch.cat([x, x, x, u], dim=1))


class ForgetsPerson(Good):
    def logits(self, batch):
        t = self.item(batch.item)
        return self.mlp(torch.cat([t, t, t, self.user(torch.full_like(batch.user, 2))], dim=1))


class ReadsLabel(Good):
    def forward(self, batch):
        return super().forward(batch) + 1e-4 * batch.label


class ReadsLabelInTheEmbedding(Good):
    def pooled(self, batch):
        return super().pooled(batch) * (1 + batch.label[:, None])


class ForgetsMask(Good):
    """As torch-like code has it: padding ids are 0, so that nobody sees it, until they are not."""

    def pooled(self, batch):
        return self.item(batch.history).sum(1) / batch.history_mask.sum(1, keepdim=True).clamp(min=1)


class DividesByL(Good):
    def pooled(self, batch):
        return layers.weighted_sum(
            batch.history_mask / max(batch.history.shape[1], 1), self.item(batch.history)
        )


class LastColumn(Good):
    """The place after the last real event is padding: it is the last event only where the history is full."""

    def pooled(self, batch):
        return self.item(batch.history)[:, -1] * batch.history_mask[:, -1:]


class TimeUnderPadding(Good):
    def pooled(self, batch):
        gap = (batch.time[:, None] - batch.history_time).clamp(min=1).log().mean(1, keepdim=True)
        return super().pooled(batch) * gap


class CountsTheTest(Good):
    """Popularity of all rows, those of the test among them."""

    def __init__(self, task, dim=8):
        super().__init__(task.schema, dim)
        likes = sum(
            torch.bincount(p.item, p.label, task.schema.n_items) for p in (task.train, task.valid, task.test)
        )
        self.register_buffer("likes", likes.float())

    def forward(self, batch):
        return super().forward(batch) + self.likes[batch.item].log1p()


class LooksAhead(Good):
    """What the user views next, looked up when it is asked."""

    def __init__(self, task, dim=8):
        super().__init__(task.schema, dim)
        self.events = [task.events]

    def pooled(self, batch):
        events = self.events[0]
        newest = events.item[events.end(batch.user) - 1].long()
        return super().pooled(batch) + self.item(newest)


class Stops(Good):
    def forward(self, batch):
        return self.item(batch.history).view(64, -1).sum(1)


FAULTS = [
    (Wide, "one logit per row", r"shape \(64, 1\).*squeeze\(-1\)"),
    (Broadcast, "one logit per row", r"\(64, 64\).*were broadcast"),
    (Squeezed, "one logit per row", r"a single row.*shape \(\).*bare \.squeeze"),
    (Pair, "one logit per row", "returned a tuple"),
    (Boolean, "one logit per row", "torch.bool"),
    (Stops, "one logit per row", "It stopped with RuntimeError: shape"),
    (NoHistoryNaN, "finite numbers", r"row 0 \(an empty history\).*nan"),
    (LossOfNothing, "a loss to train on", "'auxiliary' of the loss is nan"),
    (LossList, "a loss to train on", "dict of named scalar tensors"),
    (Unused, "every weight learns", r"gate.weight \(8, 8\) gets no gradient"),
    (CutOff, "every weight learns", r"gate.weight \(1, 8\) is 0 in every place"),
    (AlwaysDropping, "predictions repeat", "dropout"),
    (Counts, "predictions repeat", "Predicting changes seen"),
    (BatchStatistics, "each row by itself", "Row 0 scores .* alone"),
    (SoftmaxOverRows, "each row by itself", "over the batch axis 0"),
    (NextRow, "each row by itself", "looked up by their place"),
    (InPlace, "the batch stays as it is", "batch.history is changed in place"),
    (InPlaceLoss, "the batch stays as it is", "batch.label is changed in place"),
    (Constant, "scores tell rows apart", "All 128 rows score"),
    (ForgetsItem, "reads the item", "moves no score"),
    (ForgetsPerson, "reads the person", "the same list"),
    (ReadsLabel, "blind to the label", "reads the answer"),
    (ReadsLabelInTheEmbedding, "blind to the label", "reads the answer"),
    (ForgetsMask, "blind to padding", r"row 0 \(an empty history\) and 5\d others: what lies in history"),
    (DividesByL, "blind to padding", "two more columns of padding after .* not by L"),
    (LastColumn, "blind to padding", "more columns of padding after"),
    (TimeUnderPadding, "blind to padding", "what lies in history_time"),
    (CountsTheTest, "blind to the future", "while it is built and trained"),
    (LooksAhead, "blind to the future", "while it is asked"),
]
# They cannot help failing a second line: what is nan or constant is so for the loss as well.
ALSO = {
    NoHistoryNaN: {"a loss to train on"},
    LossList: {"the batch stays as it is"},
    Constant: {"every weight learns"},
}


@pytest.mark.parametrize(("fault", "line", "said"), FAULTS, ids=[row[0].__name__ for row in FAULTS])
def test_a_fault_is_caught_by_its_own_line(task, fault, line, said):
    report = audit(fault, task)
    found = report[line]
    assert found.passed is False, report
    assert re.search(said, found.said), found.said
    assert not report.passed
    assert set(report.failed) - {line} <= ALSO.get(fault, set()), report


def test_every_line_can_fail():
    tested = {line for _, line, _ in FAULTS}
    assert {line.name for line in LINES if line.kind != "data"} == tested


def test_a_sound_model_passes(task):
    report = audit(Good, task)
    assert report.passed, report
    assert report.failed == []
    assert report.reads == {"user": True, "item": True, "history": True, "order": False, "time": False}
    assert report.verdict() == "Good: 15 of 15 lines hold. It reads: user, item, history."
    assert "<td" in report._repr_html_()
    with pytest.raises(KeyError, match="one logit per row"):
        report["one logit"]


@pytest.mark.parametrize("case", cases(LEARNING))
def test_the_models_of_the_book_pass(films, case):
    def build(task):
        return make(case, task, dim=8)

    report = audit(build, films)
    if (
        case[0] == "LightGCN" and "biases" in case[1]
    ):  # BPR takes the difference of two items of a user: b cancels
        assert report.failed == ["every weight learns"]
        assert "mean () gets no gradient" in report["every weight learns"].said
    else:
        assert report.passed, report


@pytest.mark.parametrize("name", COUNTING)
def test_what_counts_passes_but_is_not_always_personal(films, name):
    report = audit(getattr(models, name), films)
    assert report["a loss to train on"].said == "no weights: it counts"
    assert report.failed == (["reads the person"] if name == "Popularity" else []), report


def test_what_is_read(task):
    gru = audit(lambda schema: models.RNNRecommender(schema, dim=4), task).reads
    assert gru["order"]
    assert not gru["time"]


def test_a_task_that_shows_the_test(task):
    report = audit(Good, ctr(planted("drift", users=60), history=7, split="random"))
    assert report.failed == ["the test is new, and later"]
    assert "split by time" in report["the test is new, and later"].said
    twice = dataclasses.replace(task, test=task.train.subset(slice(0, 50)))
    assert "50 rows of the test" in audit(Good, twice)["the test is new, and later"].said
    late = dataclasses.replace(task.train, end=task.train.end + 1)
    report = audit(Good, dataclasses.replace(task, train=late))
    assert report["histories are older"].passed is False
    assert "task.train, row 0" in report["histories are older"].said


def test_nothing_is_left_changed(task):
    before = [t.clone() for t in (task.test.label, task.test.item, task.events.item, task.events.label)]
    with another_future(task):
        assert not torch.equal(task.test.label, before[0])
        assert not torch.equal(task.events.item, before[2])
    state, python = torch.get_rng_state(), random.getstate()
    audit(LooksAhead, task)
    assert random.getstate() == python
    after = (task.test.label, task.test.item, task.events.item, task.events.label)
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))
    assert torch.equal(torch.get_rng_state(), state)


def test_another_future_leaves_the_past(task):
    before = task.train[:]
    with another_future(task):
        now = task.train[:]
        assert all(
            torch.equal(getattr(before, n), getattr(now, n))
            for n in ("item", "label", "history", "history_labels")
        )


def test_what_makes_no_model_is_refused(task):
    with pytest.raises(TypeError, match="it is built more than once"):
        audit(Good(task.schema), task)
    with pytest.raises(TypeError, match="Give a model"):
        audit(lambda schema: 3, task)
