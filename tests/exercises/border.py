"""Answers of this very process, handed to an examiner across the border: a fork plays the student, without walls."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

from recbyhand.exercises.marking.candidate import Candidate
from recbyhand.exercises.marking.examiner import Report, Rules, Verdicts, _listen
from recbyhand.exercises.marking.wire import Channel, Gone, Malformed, Peer


def marks(answers: list[tuple[str, Callable[[], Any]]], rules: Rules | None = None) -> Iterator:
    """The mark of each (exercise, what makes the answer), in this order."""
    verdicts = Verdicts(rules or Rules(rounds=0))
    mine, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            mine.close()
            candidate = Candidate(Channel(theirs), call_seconds=20)
            for name, make in answers:
                candidate.check(name, make())
            candidate.peer.channel.send({"do": "end"})
        os._exit(0)
    theirs.close()
    peer = Peer(Channel(mine, 60))
    try:
        for name, _ in answers:
            report = Report()
            try:
                _listen(peer, verdicts, report, None)
            except (Gone, Malformed) as error:
                yield f"{type(error).__name__}: {error}"
                return
            yield report.marks.get(name)
    finally:
        mine.close()
        os.kill(pid, signal.SIGKILL)  # it may wait for an answer that nobody will give
        os.waitpid(pid, 0)
