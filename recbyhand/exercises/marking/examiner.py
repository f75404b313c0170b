"""The teacher's side: sends a notebook behind the walls, asks for its answers, and runs the checks on them here.

**Points.** An exercise is worth one point. The check of the book decides first: an answer that fails it has none. Then
the same check runs `rounds` more times on inputs that nobody has seen (other draws of its random numbers); the point
is the share of these that the answer passes. So an answer that only knows the inputs of the hand-out has none, and one
that is right but for a rare case has a part. A check without random inputs has no further rounds. If an exercise is
answered more than once, the last answer counts; after `TRIES` answers none does.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from recbyhand.exercises import engine

from . import sandbox
from .wire import Channel, Gone, Malformed, Peer, _Reader

TRIES = 10
PUNISHED = "answered more than %d times in one notebook: one answer counts, so none does"


class Overtime(Gone):
    """A check takes too long: what it calls is made to be slow."""


@dataclass
class Rules:
    """What a submission may use, and how it is marked."""

    cpu: float = 300  # CPU seconds for the whole notebook
    cell: float = 60  # for one cell
    call: float = 20  # for one call of an answer by a check
    wall: float = 1800  # seconds by the clock, for a machine that does other things too
    memory: int = 3000  # MB beyond what Python and PyTorch take
    disk: int = 64  # MB, for all files (for each file where there is no private view of the disk)
    rounds: int = 3  # of inputs that are not in the hand-out
    seed: int = 0  # which inputs these are
    walls: tuple[str, ...] = sandbox.LAYERS  # which walls to try


@dataclass
class Mark:
    """What one exercise of one submission got."""

    exercise: str
    points: float
    comment: str
    tries: int = 1


@dataclass
class Report:
    """What a submission got, and what happened to it."""

    marks: dict[str, Mark] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    walls: dict[str, bool] = field(default_factory=dict)
    seconds: float = 0.0
    cpu: float = 0.0


class Nursery:
    """The process from which students' processes are forked (`candidate.nursery`)."""

    def __init__(self) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        kept = (
            "PATH",
            "HOME",
            "MPLCONFIGDIR",
            "LANG",
            "LC_ALL",
            "TZ",
            "RECBYHAND_DATA",
            "LD_LIBRARY_PATH",
            "VIRTUAL_ENV",
        )
        env = {name: os.environ[name] for name in kept if name in os.environ}
        if data := env.get("RECBYHAND_DATA"):
            env["RECBYHAND_DATA"] = os.path.abspath(data)
        env |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
        self.folder = tempfile.mkdtemp(prefix="marking-")
        env |= {
            "PYTHONPATH": str(sandbox.PACKAGE.parent),
            "PYTHONDONTWRITEBYTECODE": "1",
            "MPLBACKEND": "Agg",
        }
        command = [sys.executable, "-m", f"{__package__}.candidate", str(theirs.fileno())]
        self.process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], env=env, cwd=self.folder, stdin=subprocess.DEVNULL
        )
        theirs.close()
        self.count = 0

    def admit(self, rules: Rules, folder: str, number: int) -> tuple[socket.socket, socket.socket]:
        """(channel, leash) of a new student's process, which waits behind its walls."""
        channel, theirs = socket.socketpair()
        leash, held = socket.socketpair()
        job = {
            "folder": folder,
            "walls": list(rules.walls),
            "cpu": int(rules.cpu) + 5,
            "memory": rules.memory,
            "disk": rules.disk,
            "user": 60000 + number % 5000,
        }
        socket.send_fds(self.control, [json.dumps(job).encode()], [theirs.fileno(), held.fileno()])
        theirs.close(), held.close()
        return channel, leash

    def close(self) -> None:
        self.control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


# One answer -------------------------------------------------------------------------------------------------


class Verdicts:
    """Runs the checks of this process's registry on answers, wherever they are."""

    def __init__(self, rules: Rules):
        self.rules = rules
        self.known = engine.load_all()

    def judge(self, name: str, answer: Any) -> Mark:
        """The points of one answer, with the comment that its student gets."""
        exercise = self.known[name]
        passed, comment, draws = self._round(exercise, answer, 0)
        if not passed:
            return Mark(name, 0.0, comment)
        rounds = self.rules.rounds if draws else 0
        missed = []
        for k in range(1, rounds + 1):
            right, why, _ = self._round(exercise, answer, zlib.crc32(f"{self.rules.seed} {k}".encode()))
            if not right:
                missed.append(why)
        if missed:
            comment = (
                f"Right for the inputs of the hand-out; wrong in {len(missed)} of {rounds} rounds of others: "
            )
            comment += missed[0]
        return Mark(name, 1 - len(missed) / rounds if rounds else 1.0, comment)

    def _round(self, exercise: engine.Exercise, answer: Any, salt: int) -> tuple[bool, str, int]:
        """(passed, what the check said, how many inputs it drew). Inputs depend on `salt`; 0: as in the hand-out."""
        drawn = 0

        def generator(draw: int) -> torch.Generator:
            nonlocal drawn
            drawn += 1
            return torch.Generator().manual_seed(zlib.crc32(exercise.name.encode()) + draw + (salt << 8))

        real = engine._generator
        engine._generator = generator
        try:
            if engine._untouched(answer):
                return False, exercise.todo, 0
            with engine._undisturbed(exercise.name), _cpu(3 * exercise.seconds):
                said = exercise.check(answer)
                if engine._run.changed:  # right, but at somebody's cost, as in the notebook
                    raise engine.Wrong(engine._run.changed)
            return True, said or exercise.solved, drawn
        except engine.Wrong as verdict:
            return False, exercise.todo if verdict.kind == "stub" else str(verdict), drawn
        except Overtime as error:
            return False, f"{error}.".capitalize(), drawn
        except (Malformed, Gone) as error:
            return False, f"The answer does not keep to the format: {error}.", drawn
        except (Exception, SystemExit) as error:
            return False, _explain(error, answer, exercise), drawn
        finally:
            engine._generator = real


def _explain(error: BaseException, answer: Any, exercise: engine.Exercise) -> str:
    where = getattr(error, "where", None)
    text = engine._explain(error, answer, exercise)
    if where is None:
        return text
    what = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:200]}".rstrip(": ")
    tip = engine._ADVICE.get(type(error).__name__, "")
    return f"Your code stopped in line {where[0]}, `{where[1]}`, with `{what}`. {tip}".rstrip()


@contextlib.contextmanager
def _cpu(seconds: float) -> Iterator[None]:
    """The examiner's own time for a check, for answers that are made to be slow to look at."""

    def stop(*_: Any) -> None:
        raise Overtime(f"there is no verdict after {seconds:g} seconds of the examiner's time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


# One submission ---------------------------------------------------------------------------------------------


def examine(
    nursery: Nursery,
    cells: list[str],
    rules: Rules,
    number: int = 0,
    tell: Callable[[Mark], None] | None = None,
) -> Report:
    """Run a notebook's code cells behind the walls and mark what it answers. Never raises for what the student did."""
    report, started = Report(), time.monotonic()
    verdicts = Verdicts(rules)
    folder = tempfile.mkdtemp(prefix="marking-")
    leash = channel = None
    try:
        channel, leash = nursery.admit(rules, folder, number)
        peer = Peer(Channel(channel, 600))  # a nursery that has just been started takes its time
        first, _ = peer.channel.receive()
        started = time.monotonic()
        channel.settimeout(rules.wall)
        peer.channel.seconds = rules.wall
        report.walls = {name: bool(first["walls"].get(name)) for name in sandbox.LAYERS}
        peer.channel.send({"cells": cells, "cell": rules.cell, "call": rules.call})
        while _listen(peer, verdicts, report, tell):
            if time.monotonic() - started > rules.wall:
                raise Gone(f"stopped after {rules.wall:g} s by the clock on the wall")
    except Gone as error:
        report.notes.append(f"the student's process ended early: {error}")
    except (Malformed, KeyError, TypeError, ValueError, AttributeError) as error:
        report.notes.append(f"the student's process broke the format: {error}")
    except MemoryError:
        report.notes.append("what the student's process sent did not fit into memory")
    finally:
        if channel is not None:
            channel.close()
        if leash is not None:
            _let_go(leash, report)
        shutil.rmtree(folder, ignore_errors=True)
    report.seconds = time.monotonic() - started
    return report


def _let_go(leash: socket.socket, report: Report) -> None:
    """End the student's process, and hear how it went."""
    with contextlib.suppress(OSError, ValueError):
        leash.settimeout(2)
        try:
            data = leash.recv(4096)  # it ends by itself after its last message
        except TimeoutError:
            leash.send(b"x")
            leash.settimeout(20)
            data = leash.recv(4096)
        if data:
            said = json.loads(data)
            report.cpu = float(said["cpu"])
            if os.WIFSIGNALED(said["status"]):
                name = signal.Signals(os.WTERMSIG(said["status"])).name
                report.notes.append(f"ended by {name}")
    leash.close()


def _listen(peer: Peer, verdicts: Verdicts, report: Report, tell: Callable | None) -> bool:
    """One message of the student's process; False after the last."""
    message, raw = peer.channel.receive()
    if message.get("do") == "end":
        for failed in list(message.get("failed", []))[:3]:
            number, kind, text = failed
            report.notes.append(f"cell {int(number)}: {str(kind)[:60]}: {str(text)[:120]}")
        return False
    name = message.get("name")
    if message.get("do") != "answer" or not isinstance(name, str):
        raise Malformed("an unknown message")
    if name in verdicts.known:
        before = report.marks.get(name)
        tries = before.tries + 1 if before else 1
        if tries > TRIES:
            mark = Mark(name, 0.0, PUNISHED % TRIES, tries)
        elif "lost" in message:
            mark = Mark(name, 0.0, f"The answer cannot be handed over: {str(message['lost'])[:200]}.", tries)
        else:
            mark = _marked(peer, verdicts, name, message, raw, tries)
        report.marks[name] = mark
        if tell is not None:
            tell(mark)
    peer.forget()
    peer.channel.send({"noted": True})
    return True


def _marked(peer: Peer, verdicts: Verdicts, name: str, message: dict, raw: memoryview, tries: int) -> Mark:
    try:
        with _cpu(60):
            answer = _Reader(peer, raw).read(message.get("value"))
    except Malformed as error:
        return Mark(name, 0.0, f"The answer does not keep to the format: {error}.", tries)
    except (Overtime, MemoryError, RecursionError) as error:
        return Mark(name, 0.0, f"The answer cannot be read: {type(error).__name__}.", tries)
    mark = verdicts.judge(name, answer)
    mark.tries = tries
    return mark
