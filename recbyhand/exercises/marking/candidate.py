"""The student's side: a process that has seen no check and no solution runs the notebook and is asked for answers.

`python -m recbyhand.exercises.marking.candidate FD` is a **nursery**: it imports what lessons use, once, and forks a
child for each submission that is sent to it, so that a class does not pay for thirty imports of PyTorch. Each child
goes behind the walls of `sandbox` before it reads a word of the submission.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import linecache
import os
import select
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from typing import Any

from . import sandbox
from .wire import Channel, Gone, Malformed, Peer, _Writer

# Time -------------------------------------------------------------------------------------------------------


class Clock:
    """Limits in CPU seconds, and far more generous ones by the clock on the wall; a limit is an exception."""

    def __init__(self) -> None:
        signal.signal(signal.SIGPROF, self._stop)
        signal.signal(signal.SIGALRM, self._stop)
        self.seconds = 0.0

    def _stop(self, *_: Any) -> None:
        raise TimeoutError(f"no end after {self.seconds:g} seconds; is there a loop that never ends?")

    @contextlib.contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        before = self.seconds, signal.getitimer(signal.ITIMER_PROF), signal.getitimer(signal.ITIMER_REAL)
        self._set(seconds, seconds, 30 * seconds + 300)  # a busy machine fails nobody
        try:
            yield
        finally:
            self._set(before[0], before[1][0], before[2][0])

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """While the examiner works, the student's time does not run."""
        before = self.seconds, signal.getitimer(signal.ITIMER_PROF), signal.getitimer(signal.ITIMER_REAL)
        self._set(0, 0, 0)
        try:
            yield
        finally:
            self._set(before[0], before[1][0], before[2][0])

    def _set(self, seconds: float, cpu: float, wall: float) -> None:
        self.seconds = seconds
        signal.setitimer(signal.ITIMER_PROF, cpu, 0.5 if cpu else 0)
        signal.setitimer(signal.ITIMER_REAL, wall, 5 if wall else 0)


# The notebook -----------------------------------------------------------------------------------------------


class Noted:
    """What `rbh.check` says here."""

    def __init__(self, name: str):
        self.name = name
        self.passed = None

    def __repr__(self) -> str:
        return f"{self.name}: handed in"


class _Side(Peer):
    def where(self, error: BaseException) -> list | None:
        """The student's own line that failed."""
        own = [
            (f.f_code.co_filename, number)
            for f, number in traceback.walk_tb(error.__traceback__)
            if f.f_code.co_filename.startswith(("<ipython-input", "<cell"))
        ]
        return [own[-1][1], linecache.getline(*own[-1]).strip()[:200]] if own else None


class Candidate:
    """Runs cells; hands every answer over as it is given."""

    def __init__(self, channel: Channel, call_seconds: float):
        self.clock = Clock()
        self.peer = _Side(channel, open=True, around=lambda: self.clock.limit(call_seconds))
        self.busy = False

    def check(self, name: str, answer: Any = ...) -> Noted:
        """Stands in the place of `rbh.check`: the answer goes to the examiner, who says nothing about it."""
        if self.busy:
            return Noted(str(name))
        self.busy = True
        try:
            with self.clock.stopped():
                self._hand_over(str(name)[:80], answer)
        finally:
            self.busy = False
        return Noted(str(name))

    def _hand_over(self, name: str, answer: Any) -> None:
        channel = self.peer.channel
        writer, message = _Writer(self.peer), {"do": "answer", "name": name}
        try:
            message["value"] = writer.write(answer)
            message["kind"] = type(answer).__name__[:80]
        except Exception as error:
            writer = _Writer(self.peer)
            message["lost"] = str(error)[:200]
        try:
            channel.send(message, writer.raw)
        except Malformed as error:  # nothing has been sent
            channel.send({"do": "answer", "name": name, "lost": str(error)[:200]})
        while True:
            request, raw = channel.receive()
            if "do" not in request:
                break
            self.peer.serve(request, raw)
        self.peer.forget()

    def install(self) -> None:
        import recbyhand
        import recbyhand.exercises as home

        home.check = self.check
        home.hint = home.quiz = lambda name, *_: Noted(str(name))
        # What the book says of times, say, need not hold here, and is no fault of a student's.
        recbyhand.claim = lambda *_, **__: None

    def run(self, cells: list[str], seconds: float) -> None:
        from IPython.core.interactiveshell import InteractiveShell

        self.install()
        shell = InteractiveShell.instance()
        shell.showtraceback = lambda *_, **__: None  # nobody reads it
        failed = []
        for number, source in enumerate(cells, start=1):
            try:
                with self.clock.limit(seconds):
                    result = shell.run_cell(source, store_history=False)
                error = result.error_before_exec or result.error_in_exec
            except (Gone, Malformed):
                raise
            except BaseException as caught:
                error = caught
            if error is not None and len(failed) < 20:
                failed.append([number, type(error).__name__, _first_line(error)])
        self.peer.channel.send({"do": "end", "failed": failed})


def _first_line(error: BaseException) -> str:
    with contextlib.suppress(Exception):
        return (str(error).strip().splitlines() or [""])[0][:120]
    return ""


# The nursery ------------------------------------------------------------------------------------------------


def nursery(control: socket.socket) -> None:
    """Fork a child for every (channel, leash) that comes, until the other end is closed."""
    sandbox.die_with_parent()
    sys.path[:] = [p for p in sys.path if p not in ("", "/", os.getcwd())]
    import warnings

    warnings.filterwarnings("ignore")
    for name in (
        *(
            "torch",
            "numpy",
            "pandas",
            "matplotlib",
            "matplotlib.pyplot",
            "matplotlib.font_manager",
            "IPython",
        ),
        *(
            "IPython.core.interactiveshell",
            "sklearn.metrics",
            "recbyhand",
            "recbyhand.data",
            "recbyhand.layers",
        ),
        *(
            "recbyhand.models",
            "recbyhand.training",
            "recbyhand.evaluation",
            "recbyhand.inspect",
            "recbyhand.claims",
        ),
        *(
            "recbyhand.plots",
            "recbyhand.results",
            "recbyhand.widgets",
            "recbyhand.exercises",
            "torch.utils.data",
        ),
        *("scipy.stats", "ipywidgets", "anywidget"),
    ):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    import torch

    from recbyhand.exercises.engine import EXERCISES

    from . import wire

    torch.set_num_threads(1)
    wire._known_classes(), wire._names_of_classes(), wire._data_classes()
    x = torch.ones(2, 2, requires_grad=True)
    (x @ x).sum().backward()  # what PyTorch sets up on first use
    if EXERCISES:
        raise RuntimeError("checks have been loaded where the students' code runs")
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    control.settimeout(None)
    while True:
        try:
            data, handles, _, _ = socket.recv_fds(control, 65536, 4)
        except OSError:
            return
        if not data:
            return
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if os.fork() == 0:
            code = 1
            try:
                control.close()
                code = keep(json.loads(data), *handles)
            finally:
                os._exit(code)
        for handle in handles:
            os.close(handle)


def keep(job: dict, channel: int, leash: int) -> int:
    """In the child: build the walls, start the student behind them, and end all when the leash is let go."""
    os.setsid()
    sandbox.die_with_parent()
    sandbox.reap_orphans()
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.environ.update({"HOME": "/tmp", "IPYTHONDIR": "/tmp/.ipython", "MPLCONFIGDIR": "/tmp"})
    walls = {"spaces": "spaces" in job["walls"] and sandbox.separate()}
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(leash)
            sandbox.die_with_parent()
            code = _inside(job, channel, walls)
        finally:
            os._exit(code)
    os.close(channel)
    status = _watch(child, leash)
    used = os.times()
    with contextlib.suppress(OSError):
        os.write(
            leash, json.dumps({"status": status, "cpu": used.children_user + used.children_system}).encode()
        )
    return 0


def _watch(child: int, leash: int) -> int:
    """Wait for the end of `child`, or for a word (or the end) of the other side of the leash; then clear up."""
    pause = 0.005
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if select.select([leash], [], [], pause)[0]:
            os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
            break
        pause = min(pause * 1.5, 0.1)
    for _ in range(200):  # where processes could be made: those that are left over come to us
        left = _children()
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not left:
            break
        time.sleep(0.005)
    return status


def _children() -> list[int]:
    with contextlib.suppress(OSError):
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return [int(pid) for pid in file.read().split()]
    return []


def _inside(job: dict, channel: int, walls: dict) -> int:
    """The first process behind the walls: it finishes them, and is its student's parent."""
    asked = job["walls"]
    held = sandbox.held("VmSize"), sandbox.held("VmData")  # while there is a /proc for certain
    walls["view"] = "view" in asked and walls["spaces"] and sandbox.narrow(job["folder"], job["disk"])
    folder = "/tmp"
    if not walls["view"]:
        folder = job["folder"]
        os.environ.update({"HOME": folder, "IPYTHONDIR": f"{folder}/.ipython", "MPLCONFIGDIR": folder})
        os.chdir(folder)
        if "user" in asked and sandbox.open_to_all():
            with contextlib.suppress(OSError):
                os.chown(folder, job["user"], job["user"])
    if walls["spaces"]:
        ready, done = os.pipe()
        child = os.fork()  # number 1 of the namespace stays trusted
        if child:
            os.close(channel)
            sandbox.untouchable()
            os.close(done)
            status = os.waitpid(child, 0)[1]
            return os.waitstatus_to_exitcode(status) & 0xFF
        sandbox.die_with_parent()
        os.close(done)
        os.read(ready, 1)  # until it can no longer be looked into
        os.close(ready)
    tempfile.tempdir = folder
    sandbox.limits(job["cpu"], job["memory"] << 20, job["disk"] << 20, *held)
    walls["limits"] = True
    mine = "user" in asked and (walls["view"] or sandbox.open_to_all())
    walls["user"] = sandbox.become(job["user"] if mine else None)
    walls["landlock"] = "landlock" in asked and not walls["view"] and sandbox.landlock(folder)
    walls["seccomp"] = "seccomp" in asked and sandbox.seccomp()
    wire = Channel(socket.socket(fileno=channel))
    wire.send({"walls": walls})
    told, _ = wire.receive()
    Candidate(wire, told["call"]).run(told["cells"], told["cell"])
    return 0


if __name__ == "__main__":
    nursery(socket.socket(fileno=int(sys.argv[1])))
