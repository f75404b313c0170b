"""The training loop: repeats, stops, restores, explains."""

import copy
import functools
import math
import random
import re
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import recbyhand as rbh
from recbyhand.models import DIN, FM, DeepFM, MatrixFactorization
from recbyhand.training import step, watch


@pytest.fixture(scope="module")
def task():
    return rbh.data.ctr(rbh.data.planted("crosses", users=60))


def trained(task, make=FM, **settings):
    rbh.seed(0)
    model = make(task.schema, dim=4)
    return model, rbh.fit(model, task, **{"epochs": 2, "batch_size": 256} | settings)


# ---------------------------------------------------------------------------------------------------- learning


def test_fit_learns_and_logs_every_epoch(task):
    model, log = trained(task, epochs=6, lr=0.02)
    assert list(log) == ["epoch", "loss", "valid_auc", "valid_log_loss", "seconds", "best"]
    assert log["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    assert log["epoch"].dtype == int
    assert log["loss"].iloc[-1] < log["loss"].iloc[0] - 0.02
    assert log["best"].sum() == 1
    assert log["valid_auc"][log["best"]].item() == log["valid_auc"].max()
    assert rbh.evaluate(model, task.valid)["auc"].item() == log["valid_auc"].max()
    assert rbh.evaluate(model, task.test)["auc"].item() > 0.6


def test_what_is_left_out_is_what_it_was(task):
    """Three lines of a reader's script train the same model as they did when the lessons were measured."""
    told = {"epochs": 3, "lr": 0.005, "batch_size": 1024, "weight_decay": 0.01, "monitor": "auc", "seed": 0}
    first, second = FM(task.schema, dim=4), FM(task.schema, dim=4)
    second.load_state_dict(first.state_dict())
    a, b = rbh.fit(first, task), rbh.fit(second, task, patience=None, clip=None, **told)
    assert a.drop(columns="seconds").equals(b.drop(columns="seconds"))
    assert all(torch.equal(x, y) for x, y in zip(first.parameters(), second.parameters(), strict=True))


def test_random_labels_teach_nothing():
    task = rbh.data.ctr(rbh.data.planted("crosses", users=400))
    g = torch.Generator().manual_seed(0)
    for part in (task.train, task.valid, task.test):
        part.label.copy_(torch.randint(0, 2, part.label.shape, generator=g))
    for make in (FM, MatrixFactorization):
        model, _ = trained(task, make, batch_size=1024)
        assert rbh.evaluate(model, task.test)["auc"].item() == pytest.approx(0.5, abs=0.02)


def test_the_loss_logged_is_the_mean_over_rows(task):
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = nn.Parameter(torch.tensor(0.7))

        def forward(self, batch):
            return self.bias.expand(len(batch))

    five = SimpleNamespace(train=task.train.subset(slice(0, 5)), valid=task.valid, schema=task.schema)
    assert five.train.label.unique().tolist() == [0, 1]
    log = rbh.fit(Constant(), five, epochs=1, lr=0.0, batch_size=3)  # parts of 3 and 2
    logits = torch.full((5,), 0.7)
    expected = nn.functional.binary_cross_entropy_with_logits(logits, five.train.label)
    assert log["loss"].item() == pytest.approx(expected.item(), abs=1e-6)


def test_every_row_is_seen_once_an_epoch_in_another_order(task):
    seen = []

    class Spy(FM):
        def forward(self, batch):
            if self.training:
                seen.append(batch.user * 10**9 + batch.time)
            return super().forward(batch)

    rbh.fit(Spy(task.schema, dim=2), task, epochs=2, batch_size=1000)
    assert [len(s) for s in seen] == [800, 800, 800] * 2  # 2400 rows: three parts of one size, no small rest
    first, second = torch.cat(seen[:3]), torch.cat(seen[3:])
    assert torch.equal(first.sort().values, (task.train.user * 10**9 + task.train.time).sort().values)
    assert torch.equal(first.sort().values, second.sort().values)
    assert not torch.equal(first, second)


def test_seeds_repeat_to_the_last_digit_and_leave_the_global_state_alone(task):
    (one, log), (two, again) = trained(task, DeepFM), trained(task, DeepFM)
    pd.testing.assert_frame_equal(
        log.drop(columns="seconds"), again.drop(columns="seconds"), check_exact=True
    )
    for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    _, other = trained(task, DeepFM, seed=1)
    assert other["loss"].tolist() != log["loss"].tolist()
    rbh.seed(5)
    numbers = torch.rand(3), np.random.rand(), random.random()  # noqa: NPY002
    rbh.seed(5)
    assert torch.equal(torch.rand(3), numbers[0])
    assert (np.random.rand(), random.random()) == numbers[1:]  # noqa: NPY002
    model = FM(task.schema, dim=2)
    torch.manual_seed(9)
    before = torch.get_rng_state()
    rbh.fit(model, task, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_depends_on_the_seed_of_fit_alone(task):
    class Dropped(FM):
        def forward(self, batch):
            return nn.functional.dropout(super().forward(batch), 0.5, self.training)

    logs = []
    for n in (1, 2):
        torch.manual_seed(0)
        model = Dropped(task.schema, dim=2)
        torch.rand(n)  # somebody draws in between
        logs.append(rbh.fit(model, task, epochs=1))
    assert logs[0]["loss"].item() == logs[1]["loss"].item()


def test_named_terms_are_summed_logged_and_handed_a_generator(task):
    class TwoTerms(FM):
        def loss(self, batch, generator=None):
            noise = torch.rand((), generator=generator)
            click = nn.functional.binary_cross_entropy_with_logits(self(batch), batch.label)
            return {"click": click, "noise": noise + 0 * click}

    logs = [trained(task, TwoTerms, epochs=1)[1] for _ in range(2)]
    assert list(logs[0])[:4] == ["epoch", "loss", "click", "noise"]
    assert logs[0]["loss"].item() == pytest.approx((logs[0]["click"] + logs[0]["noise"]).item(), abs=1e-6)
    assert logs[0]["noise"].item() == logs[1]["noise"].item() > 0

    class Wrong(FM):
        def loss(self, batch):
            return {"click": (self(batch) - batch.label) ** 2}

    with pytest.raises(TypeError, match="named scalar tensors"):
        trained(task, Wrong)


# ---------------------------------------------------------------------------------------------------- stopping


class Script(nn.Module):
    """Its one weight counts epochs; its validation AUC in each epoch is as written in `script`."""

    def __init__(self, task, script):
        super().__init__()
        self.epoch = nn.Parameter(torch.zeros(()))
        self.script = script
        self.label = task.valid.label

    def loss(self, batch):
        with torch.no_grad():
            self.epoch += 1  # one step an epoch, for batch_size is the whole set
        return {"loss": 0 * self.epoch}

    def forward(self, batch):
        right = int(self.script[int(self.epoch) - 1] * len(batch))  # so many labels known, the others not
        known = torch.arange(len(batch)) < right
        return torch.where(known, 2 * batch.label - 1, torch.zeros(()))


@pytest.mark.parametrize("monitor", ["auc", "log_loss"])
def test_the_best_epoch_is_restored(task, monitor):
    model = Script(task, [0.2, 0.6, 0.9, 0.5, 0.4])
    log = rbh.fit(model, task, epochs=5, batch_size=10**6, lr=0.0, monitor=monitor)
    assert len(log) == 5
    assert model.epoch.item() == 3
    assert log["best"].tolist() == [False, False, True, False, False]


def test_patience_counts_epochs_without_a_new_best(task):
    model = Script(task, [0.5, 0.4, 0.6, 0.5, 0.5, 0.9])
    log = rbh.fit(model, task, epochs=6, batch_size=10**6, lr=0.0, patience=2)
    assert len(log) == 5  # epochs 4 and 5 bring nothing new; 6 is never tried
    assert model.epoch.item() == 3


def test_monitor_decides_what_best_means(task):
    """Epoch 1 has the better order, epoch 2 the better probabilities."""

    class Two(Script):
        def forward(self, batch):
            sure = 2 * batch.label - 1
            if self.epoch == 1:
                return 50 * sure * torch.where(torch.arange(len(batch)) < 4, -1.0, 1.0)
            return 0.5 * sure * torch.where(torch.arange(len(batch)) < 60, -1.0, 1.0)

    for monitor, epoch in (("auc", 1), ("log_loss", 2)):
        model = Two(task, [])
        rbh.fit(model, task, epochs=2, batch_size=10**6, lr=0.0, monitor=monitor)
        assert model.epoch.item() == epoch


def test_validation_of_one_class_or_no_rows(task):
    only = SimpleNamespace(
        train=task.train, valid=task.valid.subset(task.valid.label > 0), schema=task.schema
    )
    log = rbh.fit(FM(task.schema, dim=2), only, epochs=2)
    assert log["valid_auc"].isna().all()
    assert log["valid_log_loss"][log["best"]].item() == log["valid_log_loss"].min()
    none = SimpleNamespace(train=task.train, valid=task.valid.subset(slice(0, 0)), schema=task.schema)
    log = rbh.fit(FM(task.schema, dim=2), none, epochs=2)
    assert log["best"].tolist() == [False, True]
    with pytest.raises(ValueError, match="needs validation rows"):
        rbh.fit(FM(task.schema, dim=2), none, patience=1)


@pytest.mark.parametrize(("at", "epochs", "kept"), [(2, 0, None), (5, 1, 0)])
def test_an_interrupt_keeps_what_was_learned(task, capsys, at, epochs, kept):
    """Three steps an epoch; the stop button is pressed in the middle of step `at`."""

    class Stopped(FM):
        def __init__(self, schema, *, dim):
            super().__init__(schema, dim=dim)
            self.steps = 0

        def forward(self, batch):
            if self.training:
                self.steps += 1
                if self.steps == at:
                    raise KeyboardInterrupt
            return super().forward(batch)

    rbh.seed(0)
    model = Stopped(task.schema, dim=4)
    start = {k: v.clone() for k, v in model.state_dict().items()}
    log = rbh.fit(model, task, epochs=4, batch_size=800)
    assert len(log) == epochs
    assert {"epoch", "loss", "valid_auc", "best"} <= set(log)
    assert "Interrupted in epoch" in capsys.readouterr().out
    assert any(not torch.equal(v, start[k]) for k, v in model.state_dict().items())
    if kept is not None:
        assert log["best"].tolist() == [True]
        reference, _ = trained(task, epochs=1, batch_size=800)
        for a, b in zip(model.state_dict().values(), reference.state_dict().values(), strict=True):
            assert torch.equal(a, b)


# ---------------------------------------------------------------------------------------------- saying what is wrong


def test_a_logit_that_is_no_number_names_epoch_step_and_row(task):
    bad = [17, 1203]

    class Broken(FM):
        def forward(self, batch):
            hit = torch.isin(batch.user * 10**10 + batch.time, marks)
            return torch.where(hit & self.training, torch.nan, super().forward(batch))

    marks = task.train.user[bad] * 10**10 + task.train.time[bad]
    with pytest.raises(FloatingPointError, match=r"loss is nan in epoch 1, step \d+, at rows \d+") as error:
        rbh.fit(Broken(task.schema, dim=2), task, batch_size=100)
    assert set(error.value.rows.tolist()) <= set(bad)
    assert "lr is 0.005" in str(error.value)


def test_a_gradient_that_is_no_number_is_caught_in_the_step_that_made_it(task):
    class Root(FM):
        def forward(self, batch):
            logits = super().forward(batch)
            return logits + torch.sqrt(0 * logits)  # finite forwards, 0 / 0 backwards

    model = Root(task.schema, dim=2)
    start = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(FloatingPointError, match=r"gradient of .* is not in epoch 1, step 1"):
        rbh.fit(model, task)
    assert all(torch.equal(v, start[k]) for k, v in model.state_dict().items())  # not yet poisoned


def test_a_term_that_is_no_number_is_named(task):
    class Log(FM):
        def loss(self, batch):
            click = self(batch).mean()
            return {"click": click, "auxiliary": torch.log(0 * click)}

    with pytest.raises(FloatingPointError, match="term: auxiliary"):
        rbh.fit(Log(task.schema, dim=2), task)


@pytest.mark.parametrize("squeeze", [lambda z: z[:, None], lambda z: z.mean()])
def test_wrong_shapes_stop_before_they_broadcast(task, squeeze):
    class Shaped(FM):
        def forward(self, batch):
            return squeeze(super().forward(batch))

    with pytest.raises(ValueError, match=r"Shaped\.forward returned logits of shape"):
        rbh.fit(Shaped(task.schema, dim=2), task)


@pytest.mark.parametrize("wrong", [{}, None, torch.zeros(()), {"click": 1.0}, {"click": torch.zeros(2)}])
def test_a_loss_that_names_no_scalar_terms_is_refused(task, wrong):
    class Own(FM):
        def loss(self, batch):
            return wrong

    with pytest.raises(TypeError, match=r"Own\.loss must return a dict of named scalar tensors"):
        rbh.fit(Own(task.schema, dim=2), task)


@pytest.mark.parametrize("every", [1, 3, 50])
def test_looking_at_several_steps_at_once_finds_the_same(task, every, monkeypatch):
    class TwoTerms(FM):
        def loss(self, batch):
            click = nn.functional.binary_cross_entropy_with_logits(self(batch), batch.label)
            return {"click": click, "square": click**2}

    _, expected = trained(task, TwoTerms)
    monkeypatch.setitem(watch.EVERY, "cpu", every)
    _, log = trained(task, TwoTerms)
    pd.testing.assert_frame_equal(
        log.drop(columns="seconds"), expected.drop(columns="seconds"), check_exact=True
    )


@pytest.mark.parametrize("fault", ["logit", "gradient"])
def test_a_fault_that_is_seen_late_still_names_its_step_and_rows(task, fault, monkeypatch):
    class Broken(FM):
        steps = 0

        def forward(self, batch):
            logits = super().forward(batch)
            if self.training:
                self.steps += 1
                if self.steps == 5:  # the second step of the second epoch
                    self.mine = torch.arange(len(batch))[[3, 7]]
                    bad = torch.zeros(len(batch)).index_fill(0, self.mine, 1) > 0
                    logits = (
                        torch.where(bad, torch.nan, logits)
                        if fault == "logit"
                        else logits + torch.sqrt(0 * logits)
                    )
            return logits

    monkeypatch.setitem(watch.EVERY, "cpu", 50)
    rows = [torch.randperm(2400, generator=g) for g in [torch.Generator().manual_seed(0)] for _ in range(2)]
    rows = rows[1].tensor_split(3)[1]
    model = Broken(task.schema, dim=2)
    with pytest.raises(FloatingPointError, match="in epoch 2, step 2, at rows") as error:
        rbh.fit(model, task, batch_size=800)
    assert model.steps == 6  # it was seen when the epoch was over
    assert torch.equal(error.value.rows, rows[model.mine] if fault == "logit" else rows)


def test_the_gradient_that_is_wrong_is_named(task):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.right, self.wrong = nn.Parameter(torch.ones(())), nn.Parameter(torch.zeros(()))

        def forward(self, batch):
            return (self.right + torch.sqrt(self.wrong)).expand(len(batch))

    with pytest.raises(
        FloatingPointError, match=r"the gradient of wrong is not in epoch 1, step 1, at rows \d+"
    ):
        rbh.fit(Two(), task)
    with pytest.raises(FloatingPointError, match="the gradient of wrong is not"):
        rbh.fit(Two(), task, clip=1.0)


def test_a_rate_that_blows_the_scores_up_is_named(task):
    model = FM(task.schema, dim=2)
    with pytest.raises(
        FloatingPointError, match=r"After epoch 1, .* of 300 logits of task\.valid .*lr is 1e\+20"
    ):
        rbh.fit(model, task, lr=1e20, batch_size=10**6)  # one step, whose loss was still finite


# --------------------------------------------------------------------------------------- what is handed to fit


class Plain(nn.Module):
    """Not of recbyhand: a bias for every item, and a layer that has modes."""

    def __init__(self, schema):
        super().__init__()
        self.bias = nn.Embedding(schema.n_items, 1)
        self.dropout = nn.Dropout(0.1)

    def forward(self, batch):
        return self.dropout(self.bias(batch.item))[:, 0]


def test_a_plain_module_trains_and_ends_in_evaluation_mode(task):
    model = Plain(task.schema)
    log = rbh.fit(model, task, epochs=3, lr=0.05)
    assert log["loss"].iloc[-1] < log["loss"].iloc[0]
    assert not any(module.training for module in model.modules())
    model = rbh.train(Plain, task, epochs=1)
    assert list(model.log["epoch"]) == [1]
    assert not model.training


def test_an_exception_leaves_the_modes_as_they_were(task):
    class Broken(Plain):
        def forward(self, batch):
            raise RuntimeError("no")

    for mode in (True, False):
        model = Broken(task.schema).train(mode)
        model.dropout.train(not mode)
        with pytest.raises(RuntimeError, match="no"):
            rbh.fit(model, task)
        assert (model.training, model.bias.training, model.dropout.training) == (mode, mode, not mode)


def test_one_step_by_hand(task):
    model = FM(task.schema, dim=2)
    batch = task.train[:50]
    twin = copy.deepcopy(model)
    expected = nn.functional.binary_cross_entropy_with_logits(twin(batch), batch.label)
    expected.backward()
    values = step(model, batch, torch.optim.SGD(model.parameters(), lr=0.1))
    assert list(values) == ["loss"]
    assert values["loss"].item() == expected.item()
    assert not values["loss"].requires_grad
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p, q - 0.1 * q.grad)
    step(model, batch, torch.optim.SGD(model.parameters(), lr=0.1))  # gradients of the step before are gone
    second = nn.functional.binary_cross_entropy_with_logits
    for q in twin.parameters():
        q.data -= 0.1 * q.grad
        q.grad = None
    second(twin(batch), batch.label).backward()
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p, q - 0.1 * q.grad)


@pytest.mark.parametrize(("clip", "length"), [(1e-3, 1e-3), (1e3, None), (None, None)])
def test_clip_shortens_a_long_gradient_and_no_other(task, clip, length):
    model = FM(task.schema, dim=2)
    start = torch.cat([p.detach().flatten() for p in model.parameters()])
    norms = []
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    step(model, task.train[:50], optimizer, clip=clip, look=lambda values, logits, norm: norms.append(norm))
    moved = torch.cat([p.detach().flatten() for p in model.parameters()]) - start
    assert norms[0].item() > 1e-2
    assert moved.norm().item() == pytest.approx(length or norms[0].item(), rel=1e-3)


def test_fit_hands_its_clip_on(task):
    start = FM(task.schema, dim=2)
    model = copy.deepcopy(start)
    rbh.fit(model, task, 1, batch_size=10**6, clip=1e-3, optimizer=functools.partial(torch.optim.SGD, lr=1.0))
    moved = sum((p - q).square().sum() for p, q in zip(model.parameters(), start.parameters(), strict=True))
    assert moved.sqrt().item() == pytest.approx(1e-3, rel=1e-3)
    for wrong in (0, -1, "a", math.inf):
        with pytest.raises(ValueError, match="clip="):
            rbh.fit(model, task, clip=wrong)


def test_an_optimizer_of_your_own(task):
    usual, expected = trained(task)
    own = functools.partial(torch.optim.AdamW, lr=5e-3, weight_decay=0.01)
    _, log = trained(task, optimizer=own)
    assert log["loss"].tolist() == expected["loss"].tolist()
    model = copy.deepcopy(usual)
    optimizer = torch.optim.SGD([model.bias], lr=0.5)
    rbh.fit(model, task, epochs=1, optimizer=optimizer)
    assert model.bias != usual.bias
    assert torch.equal(model.embedding.table.weight, usual.embedding.table.weight)
    with pytest.raises(ValueError, match="not this model's"):
        rbh.fit(usual, task, optimizer=optimizer)
    with pytest.raises(TypeError, match="not a list"):
        rbh.fit(usual, task, optimizer=list)
    for own in ({"lr": 0.1}, {"weight_decay": 0.0}):
        with pytest.raises(ValueError, match="those of AdamW"):
            rbh.fit(usual, task, optimizer=torch.optim.SGD, **own)


@pytest.mark.parametrize(
    "schedule",
    [
        lambda step: 0.5**step,
        functools.partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.5),
        lambda optimizer: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5),
    ],
)
def test_a_schedule_moves_after_every_step(task, schedule):
    """SGD at 1, 1/2, 1/4 ... on a weight whose gradient is 1: it moves by the rate."""
    places = []

    class Slope(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.zeros(()))

        def forward(self, batch):
            return self.w.expand(len(batch))

        def loss(self, batch):
            places.append(self.w.item())
            return {"slope": self.w * 1.0}

    rbh.fit(
        Slope(),
        task,
        epochs=2,
        batch_size=1200,
        optimizer=functools.partial(torch.optim.SGD, lr=1.0),
        schedule=schedule,
    )
    assert places == [0, -1, -1.5, -1.75]


def test_a_schedule_that_is_none(task):
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau
    with pytest.raises(ValueError, match="waits for a metric"):
        rbh.fit(FM(task.schema, dim=2), task, schedule=plateau)
    with pytest.raises(TypeError):
        rbh.fit(FM(task.schema, dim=2), task, schedule=3)


class Seen(nn.Module):
    def __init__(self, schema):
        super().__init__()
        self.w, self.times = nn.Parameter(torch.zeros(())), []

    def forward(self, batch):
        if self.training:
            self.times.append(batch.time * 10**6 + batch.user)
        return self.w.expand(len(batch))


@pytest.mark.parametrize(
    "sampler",
    [[5, 3, 3, 8], torch.tensor([5, 3, 3, 8]), torch.utils.data.SubsetRandomSampler([5]), range(2, 6)],
)
def test_a_sampler_says_which_rows_and_in_what_order(task, sampler):
    model = Seen(task.schema)
    log = rbh.fit(model, task, epochs=2, batch_size=3, sampler=sampler)
    marks = task.train.time * 10**6 + task.train.user
    rows = list(sampler)
    assert torch.equal(torch.cat(model.times), marks[torch.tensor(rows * 2)])
    assert [len(t) for t in model.times] == ([2, 2] * 2 if len(rows) == 4 else [1, 1])
    assert log["loss"].iloc[0] == pytest.approx(
        math.log(2), abs=1e-2
    )  # the mean over these rows, not over all


def test_a_sampler_that_is_a_mask_or_runs_dry(task):
    model, mask = Seen(task.schema), torch.zeros(len(task.train), dtype=torch.bool)
    mask[[4, 9]] = True
    rbh.fit(model, task, epochs=1, sampler=mask)
    marks = task.train.time * 10**6 + task.train.user
    assert torch.equal(torch.cat(model.times), marks[[4, 9]])
    with pytest.raises(ValueError, match="sampler gives no rows"):
        rbh.fit(model, task, epochs=2, sampler=(i for i in range(10)))
    with pytest.raises(IndexError, match="row 2400 of 2400"):
        rbh.fit(model, task, sampler=[2400])


@pytest.mark.parametrize("monitor", ["NDCG@5", "HR@3"])
def test_a_ranking_of_validation_decides(task, monitor):
    """In epoch 2 a model that ranks by the likes of validation is what the ranking wants; click metrics see nothing."""
    likes = torch.bincount(task.valid.item, task.valid.label, task.schema.n_items)

    class Second(Script):
        def forward(self, batch):
            known = likes[batch.item] if self.epoch == 2 else -likes[batch.item]
            return known if len(batch) != len(task.valid) else torch.zeros(len(batch))

    model = Second(task, [])
    log = rbh.fit(model, task, epochs=3, batch_size=10**6, lr=0.0, monitor=monitor)
    assert list(log) == [
        "epoch",
        "loss",
        "valid_auc",
        "valid_log_loss",
        f"valid_{monitor}",
        "seconds",
        "best",
    ]
    assert log["best"].tolist() == [False, True, False]
    assert log["valid_auc"].tolist() == [0.5] * 3
    k = int(monitor.split("@")[1])
    expected = rbh.evaluate_ranking(model, task.before_test(), k)[monitor].item()
    assert log[f"valid_{monitor}"].iloc[1] == expected > 0


def test_a_ranking_needs_somebody_to_rank_for(task):
    nobody = replace(task, valid=task.valid.subset(task.valid.label < 1))
    with pytest.raises(ValueError, match="needs a user who trains and likes"):
        rbh.fit(FM(task.schema, dim=2), nobody, monitor="NDCG@10")
    for wrong in ("NDCG", "NDCG@0", "ndcg@10", "HR@", "AUC@3", "HR@10x", None, 3):
        with pytest.raises(ValueError, match="is unknown: choose"):
            rbh.fit(FM(task.schema, dim=2), task, monitor=wrong)


def test_bad_arguments(task):
    fm = FM(task.schema, dim=2)
    with pytest.raises(ValueError, match="monitor='f1'"):
        rbh.fit(fm, task, monitor="f1")
    for model in (FM, task, None):
        with pytest.raises(
            TypeError, match=r"Give a model, as rbh\.models\.FM\(task\.schema\) makes it, not"
        ):
            rbh.fit(model, task)
    for device in ("gpu", "cuda:99"):
        with pytest.raises(ValueError, match=f"device='{device}' is not to be had here.*leave it out"):
            rbh.fit(fm, task, device=device)
    with pytest.raises(TypeError, match=r"a whole task.*not Examples"):
        rbh.fit(fm, task.train)
    empty = SimpleNamespace(train=task.train.subset(slice(0, 0)), valid=task.valid, schema=task.schema)
    with pytest.raises(ValueError, match="training set is empty"):
        rbh.fit(fm, empty)
    other = FM(replace(task.schema, user_ids=task.schema.user_ids[::-1]), dim=2)
    with pytest.raises(ValueError, match=r"another schema \(user_ids differs\)"):
        rbh.fit(other, task)


def test_one_training_row(task):
    one = SimpleNamespace(train=task.train.subset(slice(0, 1)), valid=task.valid, schema=task.schema)
    assert math.isfinite(rbh.fit(DIN(task.schema, dim=2), one, epochs=2)["loss"].iloc[-1])


def test_frozen_weights_stay(task):
    model = FM(task.schema, dim=2)
    frozen = next(model.parameters()).requires_grad_(False).clone()
    rbh.fit(model, task, epochs=1)
    assert torch.equal(next(model.parameters()), frozen)


# -------------------------------------------------------------------------------------------------- no debris


def test_nobody_watching_nothing_printed(task, capsys):
    trained(task)
    assert capsys.readouterr() == ("", "")


def test_the_bar_shows_on_a_terminal_and_removes_itself(task, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    trained(task)
    out, err = capsys.readouterr()
    assert err == ""
    assert "step" in out
    assert out.endswith("\r")
    assert out.rsplit("\r", 2)[-2].strip() == ""  # the last thing written over it is blank
    steps = math.ceil(len(task.train) / 256)  # of an epoch; there are two
    for done in (steps, 2 * steps):
        assert re.search(rf"\b{done}/{2 * steps} .*valid AUC 0\.\d{{4}}", out), f"{done} steps of {2 * steps}"
    trained(task, progress=False)
    assert capsys.readouterr().out == ""


def test_an_executed_notebook_holds_the_table_and_nothing_else(tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    code = (
        "import recbyhand as rbh\n"
        "task = rbh.data.ctr(rbh.data.planted('crosses', users=30))\n"
        "rbh.fit(rbh.models.FM(task.schema, dim=2), task, epochs=2)"
    )
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbclient.NotebookClient(book, kernel_name="python3", timeout=120).execute()
    assert [output["output_type"] for output in book.cells[0].outputs] == ["execute_result"]


def test_the_package_stays_light():
    code = (
        "import sys, torch, pandas, time; had = set(sys.modules); t = time.process_time();"
        "import recbyhand.training, recbyhand.evaluation; t = time.process_time() - t; new = set(sys.modules) - had;"
        "print(t, *new & {'sklearn', 'tqdm', 'matplotlib', 'scipy', 'safetensors'})"
    )
    seconds, *heavy = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert heavy == []
    assert float(seconds) < 0.4


def test_no_work_per_row():
    """Ten times the rows in about the time of ten times the batches: nothing grows faster."""
    times = []
    for users in (40, 400):
        task = rbh.data.ctr(rbh.data.planted("crosses", users=users))
        model = FM(task.schema, dim=4)
        rbh.fit(model, task, epochs=1)
        started = time.process_time()
        rbh.fit(model, task, epochs=3)
        times.append(time.process_time() - started)
    assert times[1] < 3  # 48,000 examples; with a loop over rows it would be half a minute
