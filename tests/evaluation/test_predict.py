"""Asking a model for logits: batches, modes, shapes, schemas."""

import pytest
import torch
from torch import nn

import recbyhand as rbh


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


def test_predict_evaluates_in_batches_and_restores_every_mode(task):
    seen = []

    def answer(batch):
        seen.append((len(batch), model.training, torch.is_grad_enabled()))
        return batch.item.float()

    model = Scripted(answer)
    model.train()
    model.drop.eval()  # a part the reader has frozen stays frozen
    logits = rbh.predict(model, task.test, batch_size=250)
    assert torch.equal(logits, task.test.item.float())
    assert seen == [(250, False, False), (250, False, False), (100, False, False)]
    assert model.training
    assert not model.drop.training
    assert rbh.predict(model, task.test[0:1]).shape == (1,)
    assert rbh.predict(model, task.test[0:0]).shape == (0,)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda b: b.item.float()[:, None], r"\(64, 1\).*squeeze\(-1\)"),
        (lambda b: b.item.float().mean(), r"shape \(\).*name the axis"),
        (
            lambda b: b.item.float()[:, None] + b.item.float(),
            r"\(64, 64\).*squeeze\(-1\) the first before you add",
        ),
        (lambda b: b.item.float()[:-1], r"\(63,\) for a batch of 64.*One logit per row is needed"),
        (lambda b: [0.0] * len(b), "returned a list"),
    ],
)
def test_logits_of_the_wrong_shape_are_named(task, answer, message):
    with pytest.raises((ValueError, TypeError), match=message):
        rbh.predict(Scripted(answer), task.test[0:64])


def test_a_model_of_another_schema_is_refused(task, counted):
    other = rbh.data.ctr(rbh.data.planted("interests", users=61))
    with pytest.raises(ValueError, match="another schema"):
        rbh.evaluate(counted["mean"], other.test)
