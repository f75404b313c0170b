"""Kills copies of itself while they train, and tells what came of it: `python killed.py FOLDER` (see test_resume.py).

The process loads the package once and never trains; each run is a fork of it, so that a kill costs little.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

torch.set_num_threads(1)  # a fork has one thread
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import recbyhand as rbh  # noqa: E402
from recbyhand.models import DIEN  # noqa: E402
from recbyhand.training import checkpoint, loop  # noqa: E402

torch.optim.AdamW([torch.zeros(1)]).zero_grad()  # the first optimizer of a process loads much
FOLDER = Path(sys.argv[1])
EPOCHS, STEPS = 4, 3  # of a run
TASK = rbh.data.ctr(rbh.data.planted("drift", users=40), history=6)


def train(path, result) -> None:
    rbh.seed(0)
    model = DIEN(TASK.schema, dim=4)
    batch = -(-len(TASK.train) // STEPS)
    log = rbh.fit(model, TASK, epochs=EPOCHS, batch_size=batch, resume=path, progress=False)
    torch.save((model.state_dict(), log.drop(columns="seconds").values.tolist()), result)


def kill_me(*_) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_step(n: int) -> None:
    step, done = loop.step, []

    def killing(*args, **given):
        done.append(1)
        return kill_me() if len(done) == n else step(*args, **given)

    loop.step = killing


def in_writing(part: str) -> None:
    """In the second write of a run."""
    save, replace, done = torch.save, os.replace, []

    def half(saved, path):
        save(saved, path)
        done.append(1)
        if part == "half written" and len(done) == 2:
            os.truncate(path, os.path.getsize(path) // 2)
            kill_me()

    def renaming(old, new):
        if part == "after the new name":
            replace(old, new)
        if len(done) == 2 and part != "half written":
            kill_me()
        if part != "after the new name":
            replace(old, new)

    checkpoint.torch.save, checkpoint.os.replace = half, renaming


def fork(path, result, before=lambda: None) -> int:
    if child := os.fork():
        return child
    try:
        before()
        train(path, result)
    except BaseException as error:
        print(error, file=sys.stderr)
        os._exit(1)
    os._exit(0)


def ended(child: int) -> bool:
    """Wait for it. True: it ended by itself, and well; False: it was killed."""
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return False
    assert status == 0, f"a run failed: {status}"
    return True


def same(result) -> bool:
    (weights, log), (others, again) = (torch.load(file) for file in (FOLDER / "whole", result))
    return str(log) == str(again) and all(torch.equal(weights[name], others[name]) for name in weights)


def epochs_in(path) -> int:
    return torch.load(path, weights_only=True)["epoch"] if path.exists() else 0


started = time.perf_counter()
assert ended(fork(None, FOLDER / "whole"))
lasts = time.perf_counter() - started
told = {}
for name, before in {
    "step 1": lambda: at_step(1),
    "step 4": lambda: at_step(4),
    **{part: lambda part=part: in_writing(part) for part in ("half written", "before the new name")},
    "after the new name": lambda: in_writing("after the new name"),
}.items():
    path, result = FOLDER / f"{name}.pt", FOLDER / f"{name}.result"
    killed = not ended(fork(path, result, before))
    told[name] = {"killed": killed, "epochs before": epochs_in(path)}
    assert ended(fork(path, result))
    told[name]["same"] = same(result)

chance, kills, runs = random.Random(0), 0, 0
while kills < 20:  # a run that comes to its end is compared, and the next begins anew
    path, result = FOLDER / f"random {runs}.pt", FOLDER / f"random {runs}.result"
    child = fork(path, result)
    time.sleep(chance.uniform(0, 0.6 * lasts))
    os.kill(child, signal.SIGKILL)  # of a run that has just ended, nothing is left to kill
    if ended(child):
        assert same(result)
        runs += 1
    else:
        kills += 1
assert ended(fork(path, result))
assert same(result)
told["random"] = {"kills": kills, "runs": runs + 1}
print(json.dumps(told))
