"""Two processes under torchrun train as one does; the script is the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from recbyhand.models import DIEN
from recbyhand.training.loop import losses
from recbyhand.training.processes import Processes
from tests.factories import make_batch, make_schema

SCRIPT = Path(__file__).with_name("together.py")
ROOT = SCRIPT.parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What process 0, process 1 and one process alone have made: logs and weights, by name."""
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        pytest.skip("this torch has no gloo")
    folder = tmp_path_factory.mktemp("together")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for how in ((), ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")):
        command = [sys.executable, *how, SCRIPT, folder]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
        assert done.returncode == 0, done.stderr
    return [torch.load(folder / name) for name in ("0", "1", "alone")]


def test_all_processes_end_with_the_same_model_and_log(made):
    first, second, _ = made
    assert first.keys() == second.keys()
    for name in first:
        (log, weights), (other, others) = first[name], second[name]
        assert str(log) == str(other), name
        assert all(torch.equal(weights[key], others[key]) for key in weights), name


NEAR = {"FM": 1e-4, "ConcatMLP": 1e-4, "rows": 1e-4, "compiled": 1e-4, "16 bits": 1e-2}


@pytest.mark.parametrize("name", NEAR)
def test_two_processes_follow_the_curve_of_one(made, name):
    near = NEAR[name]
    (log, weights), (other, others) = made[0][name], made[2][name]
    torch.testing.assert_close(torch.tensor(log), torch.tensor(other), atol=near, rtol=0)
    assert log[0][1] - log[-1][1] > 1e-3  # a curve, not a line
    for key, weight in weights.items():
        torch.testing.assert_close(weight, others[key], atol=10 * near, rtol=0)


def test_a_second_loss_over_events_comes_near(made):
    """The mean over the events of a batch is not the mean of its parts' means, which hold more or fewer events."""
    log, other = torch.tensor(made[0]["JointRNN"][0]), torch.tensor(made[2]["JointRNN"][0])
    torch.testing.assert_close(log[:, 1:4], other[:, 1:4], atol=5e-3, rtol=0)


def test_a_sampler_that_draws_is_that_of_process_0(made):
    (log, _), (other, _) = made[0]["sampler"], made[2]["sampler"]
    torch.testing.assert_close(torch.tensor(log), torch.tensor(other), atol=1e-4, rtol=0)


def test_a_run_of_two_that_was_cut_ends_as_one_that_was_not(made):
    (log, weights), (other, others) = made[0]["whole"], made[0]["resumed"]
    assert str(log) == str(other)
    assert all(torch.equal(weights[key], others[key]) for key in weights)


def test_the_parts_of_a_batch_are_its_rows_and_weigh_one_in_the_mean():
    rows = torch.arange(7)
    parts = [Processes(rank, 3).part(rows) for rank in range(3)]
    assert torch.equal(torch.cat([mine for mine, _ in parts]), rows)
    assert sum(weight for _, weight in parts) == pytest.approx(3)
    assert [weight * 7 / 3 for _, weight in parts] == pytest.approx([len(mine) for mine, _ in parts])
    with pytest.raises(ValueError, match="3 processes cannot share a batch of 2 rows"):
        Processes(0, 3).part(rows[:2])


def test_alone_nobody_is_asked():
    one = Processes.join()
    assert (one.rank, one.size) == (0, 1)
    assert one.gather("a") == ["a"]
    assert one.of_first(lambda: 3) == 3
    assert one.part(torch.arange(1))[1] == 1


def test_each_process_takes_a_card_of_its_own(monkeypatch):
    taken = []
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: taken[-1])
    monkeypatch.setenv("LOCAL_RANK", "1")  # of this machine; rank 3 of all machines
    assert Processes(3, 4).device("cuda") == "cuda:1"
    assert taken == [1]
    for processes, device in ((Processes(3, 4), "cuda:0"), (Processes(3, 4), None), (Processes(), "cuda")):
        assert processes.device(device) == device
    assert taken == [1], "a card that is named, or only one process: nothing is chosen"


def test_shared_losses_are_the_losses():
    """In a group of one, which needs no second process: the same terms and gradients, by way of torch's wrapper."""
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        pytest.skip("this torch has no gloo")
    schema = make_schema()
    model, batch = DIEN(schema, dim=4), make_batch(schema)
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        shared = Processes(0, 2).losses(model, losses)
        found = []
        for compute in (losses, shared):
            model.zero_grad()
            terms, _ = compute(model, batch, torch.Generator().manual_seed(0))
            sum(terms.values()).backward()
            found.append((terms, [p.grad for p in model.parameters()]))
        torch.testing.assert_close(*found)
    finally:
        torch.distributed.destroy_process_group()
