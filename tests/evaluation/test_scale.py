"""Probabilities where logits are asked for: told of, and the remedy helps; small logits are left in peace."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import pytest
import torch
from torch import nn

import recbyhand as rbh
from recbyhand.evaluation import scale
from recbyhand.models import FM, MatrixFactorization


@pytest.fixture(scope="module")
def task():
    return rbh.data.ctr(rbh.data.planted("crosses", users=60))


class Logits(FM):
    """The remedy: what is left when the sigmoid is left out."""

    def end(self, z):
        return z

    def forward(self, batch):
        return self.end(super().forward(batch))


class Sigmoid(Logits):
    def end(self, z):
        return torch.sigmoid(z[:, None]).squeeze(-1)


class LastLayer(Logits):
    def end(self, z):
        return nn.Sequential(nn.Identity(), nn.Sigmoid())(z).clamp(1e-6, 1 - 1e-6)


class TwoClasses(Logits):
    def end(self, z):
        return torch.softmax(torch.stack([0 * z, z], 1), dim=1)[:, 1]


class ByHand(Logits):
    def end(self, z):
        return 1 / (1 + torch.exp(-z))


class SmallLogits(Logits):
    def end(self, z):
        return z / 100


def of_rate(task, rate: float):
    """The task with labels of this rate, which its users decide; all parts alike."""

    def relabelled(part):
        likes = (part.user * 37 % 100 < 100 * rate).float()  # (N,)
        return replace(part, label=likes)

    return replace(task, **{name: relabelled(getattr(task, name)) for name in ("train", "valid", "test")})


def fitted(make, task, epochs=2, **how):
    rbh.seed(0)
    model = make(task.schema, dim=4)
    rbh.fit(model, task, epochs=epochs, **{"batch_size": 64, "lr": 0.02} | how)
    return model


@pytest.mark.parametrize(
    ("make", "last", "remedy"),
    [
        (Sigmoid, "a sigmoid", "leave out the sigmoid"),
        (LastLayer, "a sigmoid", "leave out the sigmoid"),
        (TwoClasses, "a softmax", r"z\[:, 1\] - z\[:, 0\]"),
    ],
)
def test_fit_tells_at_the_first_step_and_the_remedy_helps(task, make, last, remedy):
    rbh.seed(0)
    model = make(task.schema, dim=4)
    words = rf"{make.__name__}\.forward ends in {last}.*Return the logit: .*{remedy}"
    with pytest.warns(UserWarning, match=words) as caught:
        rbh.fit(model, task, epochs=1, batch_size=10**6)  # one step
    assert len(caught) == 1, "once, not per epoch"
    assert caught[0].filename == __file__, "the line that is named is the reader's"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rbh.evaluate(model, task.valid)  # who knows is not told twice
        better = fitted(Logits, task, epochs=8)
    with pytest.warns(UserWarning, match="returns probabilities"):
        worse = fitted(make, task, epochs=8)
    scores = [
        rbh.evaluate(m, task.train[:])["log_loss"].item() for m in (better, worse)
    ]  # what fit minimises
    assert scores[0] < scores[1] - 0.03


def test_evaluate_compare_and_recommend_tell_of_a_model_trained_elsewhere(task):
    logit = fitted(Logits, task)
    user = task.schema.user_ids[5]
    for ask in (
        lambda m: rbh.evaluate(m, task.test),
        lambda m: rbh.compare({"mine": m}, task.test),
        lambda m: rbh.recommend(m, task, user=user),
    ):
        model = Sigmoid(task.schema, dim=4).eval()
        model.load_state_dict(logit.state_dict())
        with pytest.warns(UserWarning, match="ends in a sigmoid"):
            ask(model)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ask(logit)


def test_a_loss_of_its_own_is_told_of_as_soon_as_it_is_asked(task):
    class Own(Sigmoid):
        def loss(self, batch):
            return {"click": nn.functional.binary_cross_entropy(self(batch), batch.label)}

    with pytest.warns(UserWarning, match=r"Own\.forward ends in a sigmoid"):
        fitted(Own, task)


def test_a_sigmoid_by_hand_is_seen_by_its_range(task):
    assert scale.last_step(ByHand(task.schema, dim=4)(task.test[:4])) == ""
    with pytest.warns(
        UserWarning, match=r"all outputs of ByHand\.forward on validation lay between"
    ) as caught:
        fitted(ByHand, of_rate(task, 0.3), epochs=4)
    assert "return the logit: leave out the sigmoid" in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted(Logits, of_rate(task, 0.3), epochs=4)


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.6, 0.7, 0.9])
@pytest.mark.parametrize("make", [Logits, SmallLogits, MatrixFactorization])
@pytest.mark.parametrize(
    "how", [{}, {"epochs": 1, "lr": 1e-5}, {"epochs": 1, "batch_size": 10**6}, {"weight_decay": 30.0}]
)
def test_no_false_alarm_on_logits(task, rate, make, how):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = fitted(make, some := of_rate(task, rate), **how)
        rbh.evaluate(model, some.test)


class Constant(nn.Module):
    """Logits that all lie between 0 and 1, and should: 60 of 100 like, and nothing says who."""

    def __init__(self, schema, dim=4):
        super().__init__()
        self.bias, self.weight = nn.Parameter(torch.tensor(0.4)), nn.Parameter(torch.zeros(schema.n_users))

    def forward(self, batch):
        return self.bias + 0.15 * torch.tanh(self.weight[batch.user])  # (B,)


def test_logits_that_lie_in_0_to_1_by_right_are_left_in_peace(task):
    label = (torch.rand(len(task.train), generator=torch.Generator().manual_seed(0)) < 0.6).float()
    some = replace(task, train=replace(task.train, label=label))
    valid = (torch.rand(len(task.valid), generator=torch.Generator().manual_seed(1)) < 0.6).float()
    some = replace(some, valid=replace(task.valid, label=valid))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = fitted(Constant, some, epochs=6)
        logits = rbh.predict(model, some.valid)
        rbh.evaluate(model, some.valid)
    assert 0 < logits.min() < logits.max() < 1, "or this test says nothing"


def test_given_probabilities_are_told_of_by_the_labels_and_the_remedy_helps(task):
    z = rbh.predict(fitted(Logits, task), task.test)
    p = torch.sigmoid(1.5 * (z - z.mean()) / z.std())
    label = torch.bernoulli(p, generator=torch.Generator().manual_seed(0))
    some = replace(task.test, label=label)
    with pytest.warns(UserWarning, match=r"given logits lie between 0 and 1.*torch\.logit\(p, eps=1e-6\)"):
        wrong = rbh.evaluate(p, some)["log_loss"].item()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        right = rbh.evaluate(torch.logit(p, eps=1e-6), some)["log_loss"].item()
        rbh.evaluate(p[:20], some[:20])  # so few rows tell nothing
        rbh.evaluate((z - z.min()) / (z.max() - z.min()) * 0.1, some)  # a narrow range, either
    assert right < wrong - 0.05
    assert math.isclose(right, -(label * p.log() + (1 - label) * (1 - p).log()).mean().item(), rel_tol=1e-3)
