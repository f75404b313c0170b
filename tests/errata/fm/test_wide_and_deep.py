"""Wide & Deep: the source's sum, its wide part and what it says of memory fail where the paper's forms hold."""

from __future__ import annotations

import re
from types import SimpleNamespace

import lessons
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

import recbyhand as rbh
from recbyhand.data import Batch, Field
from recbyhand.evaluation.metrics import auc, predict
from recbyhand.models import DeepFM, Poly2, WideDeep
from tests.errata import fails
from tests.factories import make_batch, make_schema

SCHEMA = make_schema()

LESSON = lessons.ROOT / "chapters" / "03_fm" / "wide_and_deep.ipynb"


class AsListed(DeepFM):
    """C21 and C22 together: no base, no single weights, and a sigmoid inside."""

    def forward(self, batch):
        v = self.embedding(batch.ids())  # (B, F, d)
        return self.interaction(v).sum(1) + torch.sigmoid(self.mlp(v.flatten(1)))[:, 0]  # (B,)


@pytest.mark.parametrize(("kind", "right"), [(DeepFM, True), (AsListed, False)])
def test_c22_a_base_rate_of_one_per_cent_can_be_said(kind, right):
    torch.manual_seed(0)
    schema = make_schema()
    model, batch = kind(schema, dim=4, hidden=(4,)), make_batch(schema, B=1000)
    label = (torch.arange(1000) % 100 == 0).float()
    torch.nn.init.zeros_(model.embedding.table.weight).requires_grad_(False)
    model.linear.requires_grad_(False)  # what remains to be learned is the base rate
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(200):
        optimiser.zero_grad()
        F.binary_cross_entropy_with_logits(model(batch), label).backward()
        optimiser.step()
    p = torch.sigmoid(model(batch))
    assert bool(((p - 0.01).abs() < 2e-3).all()) == right
    assert right or p.min() >= 0.5


def exceptions_learned(crosses, newest: bool) -> float:
    """C28: AUC on exceptions to a rule, whose rows are the newest or the oldest. All features are static."""
    n, g = 20, torch.Generator().manual_seed(0)
    sorts = torch.tensor([-1.0, 1.0]).repeat(n // 2)
    rule = 3 * torch.outer(sorts, sorts[torch.randperm(n, generator=g)])
    exception = torch.rand(n, n, generator=g) < 0.1
    truth = torch.where(exception, -rule, rule)

    def rows(times):
        pairs = torch.ones(n, n).nonzero().repeat(times, 1)
        label = torch.bernoulli(torch.sigmoid(truth[pairs.unbind(1)]), generator=g)
        return pd.DataFrame({"user": pairs[:, 0], "item": pairs[:, 1], "rating": 1 + 4 * label})

    train, test = rows(20), rows(10)
    rare = exception[train["user"].tolist(), train["item"].tolist()].numpy()
    train = train.iloc[(rare if newest else ~rare).argsort(kind="stable")]
    frame = pd.concat([train, test], ignore_index=True)  # the order is the time
    whole = rbh.data.ctr(rbh.data.from_frames(frame), valid=0, test=0).train
    by_time = whole.time.argsort()
    task = SimpleNamespace(train=whole.subset(by_time[: len(train)]), schema=whole.schema)
    task.valid = task.train.subset(torch.arange(0))
    asked = whole.subset(by_time[len(train) :])
    rbh.seed(0)
    model = WideDeep(whole.schema, dim=2, hidden=(8,), crosses=crosses)
    rbh.fit(model, task, epochs=6, lr=0.03, batch_size=256, progress=False)
    at = exception[asked.user - 2, asked.item - 2]
    return auc(asked.label[at], predict(model, asked)[at])


@pytest.mark.parametrize("newest", [True, False])
def test_c28_memory_is_of_frequent_pairs_not_of_recent_rows(newest):
    """The paper's memory has static pairs, old or new. The source's, recent rows of single features, has neither."""
    assert exceptions_learned([("user", "item")], newest) > 0.8
    assert exceptions_learned([], newest) < 0.6


def a_present_reason(text: str) -> bool:
    """C29: does a text hold TensorFlow's ready-made class for a reason to use the model today?"""
    text = " ".join(text.split())
    return bool(re.search("TensorFlow", text)) and not re.search("TensorFlow has since removed", text)


def test_c29_a_class_that_is_gone_is_no_reason():
    assert a_present_reason("The model owes its standing to a ready interface in TensorFlow.")
    cells = [cell.source for cell in lessons.read(LESSON).cells if cell.cell_type == "markdown"]
    told = [text for text in cells if "TensorFlow" in text]
    assert told
    assert not any(map(a_present_reason, told))


def test_c21_the_deep_part_can_lower_the_score():
    class DoubleSigmoid(DeepFM):
        def forward(self, batch):
            v = self.embedding(batch.ids())
            return self.interaction(v).sum(1) + torch.sigmoid(self.mlp(v.flatten(1)))[:, 0]

    def check(model):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.zero_()
            model.mlp[-1].bias.fill_(-50)
        assert (torch.sigmoid(model(make_batch(SCHEMA))) < 0.01).all()

    check(DeepFM(SCHEMA))
    fails(check, DoubleSigmoid(SCHEMA))


def xor_batch():
    """Four examples of two binary fields; the label is 1 where they differ."""
    schema = make_schema(10, 10, (Field("left", 4),), (Field("right", 4),))
    schema.user_table[[2, 3], 0] = schema.item_table[[2, 3], 0] = torch.tensor([2, 3])
    batch = make_batch(schema, B=4, user=[2, 2, 3, 3], item=[2, 3, 2, 3], label=[0, 1, 1, 0])
    return schema, batch


def train(model, batch: Batch, steps=200, lr=0.05):
    optimiser = torch.optim.Adam(model.parameters(), lr=lr)
    for _ in range(steps):
        optimiser.zero_grad()
        F.binary_cross_entropy_with_logits(model(batch), batch.label).backward()
        optimiser.step()
    return torch.sigmoid(model.eval()(batch)).detach()


def test_c27_the_wide_part_alone_fits_xor_only_with_crosses():
    schema, batch = xor_batch()

    def check(pairs):
        p = train(Poly2(schema, pairs=pairs), batch)
        assert (p - batch.label).abs().max() < 0.1

    check([("left", "right")])
    fails(check, [])
    assert torch.allclose(train(Poly2(schema, pairs=[]), batch), torch.tensor(0.5), atol=1e-2)
