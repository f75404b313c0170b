"""Training: repeats, stops, restores, explains; and models that come back from a file as they went."""

import json
import math
import random
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
from recbyhand import training
from recbyhand.models import DIN, FM, DeepFM, MatrixFactorization
from recbyhand.models.base import Recommender


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


# ------------------------------------------------------------------------------------------- recommendations


def test_recommend_by_hand(task):
    model, _ = trained(task)
    user = task.schema.user_ids[3]
    table = rbh.recommend(model, task, user, k=5)
    assert list(table) == ["rank", "title", "probability"]
    assert table["rank"].tolist() == [1, 2, 3, 4, 5]
    uid = task.schema.user_id(user)
    met = {i for p in (task.train, task.valid, task.test) for i in p.item[p.user == uid].tolist()}
    views = task.dataset.events
    met |= set(task.schema.encode_items(views["item"][views["user"] == user]).tolist())
    scores = {}
    for item in range(2, task.schema.n_items):
        batch = task.candidates(task.users_at(torch.tensor([uid])), torch.tensor([item]))
        scores[item] = torch.sigmoid(rbh.predict(model, batch)).item()
    best = sorted((i for i in scores if i not in met), key=lambda i: -scores[i])[:5]
    assert table["title"].tolist() == [task.schema.title(i) for i in best]
    assert table["probability"].tolist() == pytest.approx([scores[i] for i in best], abs=1e-6)
    everything = rbh.recommend(model, task, user, k=10**6, seen=True)
    assert len(everything) == task.schema.n_items - 2
    assert len(rbh.recommend(model, task, user, k=10**6)) == task.schema.n_items - 2 - len(met)


def test_one_user_at_a_time(task):
    with pytest.raises(TypeError, match=r"give one user, not \[1, 2\]"):
        rbh.recommend(FM(task.schema, dim=2), task, [1, 2])


def test_an_unknown_user_is_named(task):
    with pytest.raises(KeyError, match="no user 'nobody'"):
        rbh.recommend(FM(task.schema, dim=2), task, "nobody")


# ------------------------------------------------------------------------------------------------ keeping models


@pytest.mark.parametrize("make", [FM, DIN])
def test_a_model_comes_back_as_it_went(task, tmp_path, make):
    model, _ = trained(task, make, epochs=1, batch_size=1024)
    rbh.save(model, tmp_path / "model.safetensors")
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]
    before = torch.get_rng_state()
    back = rbh.load(tmp_path / "model.safetensors")
    assert torch.equal(torch.get_rng_state(), before)
    assert type(back) is make
    assert back.settings == model.settings
    assert not back.training
    assert torch.equal(rbh.predict(back, task.test), rbh.predict(model, task.test))
    assert back.schema.titles == task.schema.titles
    assert rbh.recommend(back, task, task.schema.user_ids[0]).equals(
        rbh.recommend(model, task, task.schema.user_ids[0])
    )
    rbh.fit(back, task, epochs=1, batch_size=2400)  # and can be trained further


def rewritten(path, **header):
    """The same file with another header."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(path, "pt") as file:
        tensors, old = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    save_file(tensors, path, metadata={k: v for k, v in (old | header).items() if v is not None})
    return path


def test_load_refuses_what_save_has_not_written(task, tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(FileNotFoundError, match="no file"):
        rbh.load(path)
    torch.save({"a": 1}, path)  # a pickle
    with pytest.raises(ValueError, match=r"not a file of rbh\.save"):
        rbh.load(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"not a file of rbh\.save"):
        rbh.load(path)
    model = FM(task.schema, dim=2)
    for name in ("os.system", "als", "Recommender", "__import__", "base", "torch.nn.Linear"):
        rbh.save(model, path)
        with pytest.raises(ValueError, match="no such model"):
            rbh.load(rewritten(path, model=name))
    for header in (
        {"settings": json.dumps({"dim": 3})},
        {"settings": "{"},
        {"settings": "[]"},
        {"settings": "null"},
        {"schema": "{}"},
        {"schema": "null"},
    ):
        rbh.save(model, path)
        with pytest.raises(ValueError, match="does not fit FM"):
            rbh.load(rewritten(path, **header))
    rbh.save(model, path)
    with pytest.raises(ValueError, match="not written by"):
        rbh.load(rewritten(path, recbyhand=None))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"not a file of rbh\.save"):
        rbh.load(path)


def test_save_refuses_what_load_could_not_find(task, tmp_path):
    class Mine(Recommender):
        def __init__(self, schema):
            super().__init__()

    with pytest.raises(TypeError, match="Mine is not a model of recbyhand"):
        rbh.save(Mine(task.schema), tmp_path / "mine")
    with pytest.raises(TypeError, match="Linear is not a model of recbyhand"):
        rbh.save(nn.Linear(1, 1), tmp_path / "mine")
    model = FM(task.schema, dim=2)
    model.settings["dim"] = torch.ones(2)
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        rbh.save(model, tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_nothing_can_be_saved_is_named(task, tmp_path, monkeypatch):
    model = FM(task.schema, dim=2)
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*nowhere: make it"):
        rbh.save(model, tmp_path / "nowhere" / "model")
    with pytest.raises(FileNotFoundError, match="is a folder: add a name"):
        rbh.save(model, tmp_path)
    with pytest.raises(OSError, match="model could not be written"):
        rbh.save(model, "/proc/model")
    monkeypatch.setenv("HOME", str(tmp_path))
    rbh.save(model, "~/model")
    assert rbh.load("~/model").settings == {"dim": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_save_that_fails_leaves_the_old_file(task, tmp_path, monkeypatch):
    path = tmp_path / "model"
    rbh.save(FM(task.schema, dim=2), path)
    before = path.read_bytes()
    monkeypatch.setattr(training.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk is full")))
    with pytest.raises(OSError, match="disk is full"):
        rbh.save(FM(task.schema, dim=3), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


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


def test_a_model_of_float64_comes_back_as_it_was(task, tmp_path):
    model = FM(task.schema, dim=2).double().eval()
    rbh.save(model, tmp_path / "model")
    logits = rbh.load(tmp_path / "model")(task.test[:5])
    assert logits.dtype == torch.float64
    assert torch.equal(logits, model(task.test[:5]))


def test_a_probability_that_is_no_number_recommends_nothing(task):
    model = MatrixFactorization(task.schema, dim=2)
    torch.nn.init.constant_(model.mean, math.nan)
    with pytest.raises(ValueError, match="not a number"):
        rbh.recommend(model, task, user=task.schema.user_ids[0])
