"""A run that is cut goes on: whatever cut it, and wherever, it ends as the run that was not."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import recbyhand as rbh
from recbyhand.models import DIEN, FM
from recbyhand.training import checkpoint, loop

KILLED = Path(__file__).with_name("killed.py")


@pytest.fixture(scope="module")
def task():
    return rbh.data.ctr(rbh.data.planted("drift", users=40), history=6)


def fitted(task, path=None, make=FM, dim=4, **how):
    rbh.seed(0)
    model = make(task.schema, dim=dim)
    log = rbh.fit(model, task, **{"epochs": 3, "batch_size": 800, "resume": path} | how)
    return model, log.drop(columns="seconds")


def assert_same(one, two):
    (model, log), (other, again) = one, two
    assert log.equals(again)
    for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b)


class Cut(Exception):
    pass


@pytest.mark.parametrize("make", [FM, DIEN])
@pytest.mark.parametrize("at", [1, 3, 5])  # two steps an epoch
def test_a_run_that_was_cut_ends_as_one_that_was_not(task, tmp_path, monkeypatch, make, at):
    path, how, step, done = tmp_path / "run", {"schedule": lambda n: 0.9**n}, loop.step, []

    def cut(*args, **given):
        done.append(1)
        if len(done) == at:
            raise Cut
        return step(*args, **given)

    whole = fitted(task, make=make, **how)
    monkeypatch.setattr(loop, "step", cut)
    with pytest.raises(Cut):
        fitted(task, path, make, **how)
    assert path.exists() == (at > 2)
    monkeypatch.setattr(loop, "step", step)
    assert_same(fitted(task, path, make, **how), whole)
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_a_run_at_its_end_gives_back_what_it_had_and_may_be_made_longer(task, tmp_path, monkeypatch):
    path = tmp_path / "run"
    first = fitted(task, path)
    longer = fitted(task, epochs=5)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "step", None)  # nothing is trained
        assert_same(fitted(task, path), first)
        assert_same(fitted(task, path, epochs=2), first)
    assert_same(fitted(task, path, epochs=5), longer)


def test_a_run_that_stopped_early_stays_stopped(task, tmp_path, monkeypatch):
    path, worth = tmp_path / "run", iter([0.5, 0.4, 0.3, 0.9])
    monkeypatch.setattr(loop, "_score", lambda *_: next(worth))
    first = fitted(task, path, epochs=9, patience=2)
    assert len(first[1]) == 3
    assert_same(fitted(task, path, epochs=9, patience=2), first)
    assert len(fitted(task, path, epochs=4, patience=3)[1]) == 4


def test_other_settings_are_refused_by_name(task, tmp_path):
    path = tmp_path / "run"
    fitted(task, path, epochs=1)
    before = path.read_bytes()
    for how, says in {
        "batch_size=800, not 400": {"batch_size": 400},
        "seed=0, not 1": {"seed": 1},
        "lr=0.005, not 0.1": {"lr": 0.1},
        "optimizer='AdamW', not 'SGD'": {"optimizer": torch.optim.SGD},
        "schedule='NoneType', not 'LambdaLR'": {"schedule": lambda n: 1.0},
        "clip=None, not 1.0": {"clip": 1},
        "monitor='auc', not 'log_loss'": {"monitor": "log_loss"},
        "model='FM', not 'DIEN'": {"make": DIEN},
        r"FM\.dim=4, not 2": {"dim": 2},
    }.items():
        with pytest.raises(ValueError, match=f"is of a run with {how}"):
            fitted(task, path, **says)
    other = replace(task, train=task.train.subset(torch.arange(len(task.train)).roll(1) * 0))
    with pytest.raises(ValueError, match=r"is of a run with sum of task\.train\.user="):
        fitted(other, path)
    assert path.read_bytes() == before


def test_other_weights_are_refused(task, tmp_path):
    class Module(torch.nn.Module):
        def __init__(self, width):
            super().__init__()
            self.w = torch.nn.Parameter(torch.zeros(width))

        def forward(self, batch):
            return self.w.sum().expand(len(batch))

    rbh.fit(Module(2), task, epochs=1, resume=tmp_path / "run")
    with pytest.raises(ValueError, match="does not fit this model or optimizer"):
        rbh.fit(Module(3), task, epochs=1, resume=tmp_path / "run")


@pytest.mark.parametrize("content", [b"", b"text", {"a": 1}, [1, 2], "half"])
def test_a_file_of_something_else_is_refused_and_left_alone(task, tmp_path, content):
    path = tmp_path / "run"
    if content == "half":
        fitted(task, path, epochs=1)
        content = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="is not a file that fit has written"):
        fitted(task, path)
    assert path.read_bytes() == before


def test_nothing_in_the_file_is_executed(task, tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    fitted(task, tmp_path / "run", epochs=1)
    saved = torch.load(tmp_path / "run", weights_only=True)
    torch.save(saved | {"log": Evil()}, tmp_path / "run")
    with pytest.raises(ValueError, match="is not a file that fit has written"):
        fitted(task, tmp_path / "run")
    assert not (tmp_path / "executed").exists()


def test_a_place_where_no_state_can_be_written_is_named_before_training(task, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "step", None)
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*nowhere"):
        fitted(task, tmp_path / "nowhere" / "run")
    with pytest.raises(FileNotFoundError, match="is a folder"):
        fitted(task, tmp_path)


def test_a_full_disk_leaves_the_state_before(task, tmp_path, monkeypatch):
    path = tmp_path / "run"
    fitted(task, path, epochs=1)
    before = path.read_bytes()

    def full(*_):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            fitted(task, path, epochs=2)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    assert_same(fitted(task, path), fitted(task))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills copies of a process, which os.fork makes")
def test_a_run_that_is_killed_ends_as_one_that_was_not(tmp_path):
    """SIGKILL in a step, in the middle of writing, before and after the new name, and 20 times at random."""
    done = subprocess.run([sys.executable, KILLED, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told.pop("random")["kills"] == 20
    assert set(told) == {"step 1", "step 4", "half written", "before the new name", "after the new name"}
    assert all(case["killed"] and case["same"] for case in told.values()), told
    assert {name: case["epochs before"] for name, case in told.items()} == {
        "step 1": 0,
        "step 4": 1,
        "half written": 1,
        "before the new name": 1,
        "after the new name": 2,
    }
