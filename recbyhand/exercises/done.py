"""What you have done so far: kept in one small file on your own machine, and nowhere else.

`rbh.check` writes a line for each answer it was given, `rbh.progress()` shows what they add up to. The file lies in the
user's data directory; RECBYHAND_PROGRESS names another place, or is `off`. On a machine that is thrown away after use,
as Colab's, point it to a drive that stays: `%env RECBYHAND_PROGRESS=/content/drive/MyDrive/recbyhand.jsonl`.
"""

from __future__ import annotations

import contextlib
import html
import json
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import engine

CHAPTERS = {
    "start": "Start",
    "mlp": "MLP",
    "cnn_rnn": "CNN and RNN",
    "fm": "Factorisation machines",
    "interest": "Interests",
    "transformer": "Transformer",
    "graph": "Graphs",
    "two_tower": "Two towers",
    "together": "Together",
}
STATES = ("done", "looked up", "tried", "open")


def check(name: str, answer=...) -> engine.Result:
    """Check an answer to the exercise `name`; a wrong one gets a hint, never an exception.

    What came out is noted for `rbh.progress()`, on this machine only.
    """
    result = engine.check(name, answer)
    if result.kind not in ("stub", "unknown"):
        _note({"exercise": name, "passed": result.passed, "looked": _is_solution(), "when": int(time.time())})
    return result


def progress(chapter: str = "") -> Progress:
    """What you have done, by chapter and lesson: `rbh.progress()`, or `rbh.progress("interest")` for one chapter."""
    return Progress(_states(_notes()), chapter)


def place() -> Path | None:
    """The file that remembers; None if nothing is to be kept."""
    given = os.environ.get("RECBYHAND_PROGRESS", "")
    if given.lower() in ("off", "0", "no"):
        return None
    if given:
        return Path(given).expanduser()
    home = Path.home()
    if sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
    elif sys.platform == "darwin":
        folder = home / "Library" / "Application Support"
    else:
        folder = Path(os.environ.get("XDG_DATA_HOME", home / ".local" / "share"))
    return folder / "recbyhand" / "progress.jsonl"


def forget() -> None:
    """Delete the file: `rbh.exercises.forget()`."""
    if path := place():
        path.unlink(missing_ok=True)


def _note(entry: dict) -> None:
    """One line at the end of the file: two notebooks at once do not overwrite each other. A full disc is no error."""
    if path := place():
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "a", encoding="utf8") as file:
                file.write(json.dumps(entry) + "\n")


def _notes() -> Iterable[dict]:
    """What was noted; a line that was cut short is passed over."""
    path = place()
    if path is None or not path.is_file():
        return
    for line in path.read_text(encoding="utf8", errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict) and isinstance(entry.get("exercise"), str):
                yield entry


def _is_solution() -> bool:
    """Does the cell that is running hold a solution of the book? Whoever runs one has looked it up."""
    shell = sys.modules.get("IPython")
    shell = shell and shell.get_ipython()
    cells = shell.user_ns.get("In", []) if shell else []
    return bool(cells) and cells[-1].lstrip().lower().startswith(("# @title solution", "#@title solution"))


def _states(notes: Iterable[dict]) -> dict[str, str]:
    """{exercise: done, looked up or tried}. Done is done, whatever was run before or after."""
    states: dict[str, str] = {}
    for entry in notes:
        passed, looked = bool(entry.get("passed")), bool(entry.get("looked"))
        state = "looked up" if looked else "done" if passed else "tried"
        name = entry["exercise"]
        states[name] = min(state, states.get(name, "open"), key=STATES.index)
    return states


@dataclass
class Progress:
    """A table: for each lesson how many of its exercises are done, looked up, tried and open."""

    states: dict[str, str]
    chapter: str = ""

    def rows(self) -> list[tuple[str, str, dict[str, int]]]:
        """(chapter, lesson, {state: number of exercises}), in the order of the chapters."""
        exercises = engine.load_all()
        if self.chapter and self.chapter not in CHAPTERS:
            raise ValueError(f"no chapter {self.chapter!r}: choose from {', '.join(CHAPTERS)}")
        found: dict[tuple[str, str], dict[str, int]] = {}
        for name, one in exercises.items():
            chapter, lesson = ["", *one.check.__module__.split(".")][-2:]
            if chapter in CHAPTERS and self.chapter in ("", chapter):
                counts = found.setdefault((chapter, lesson), dict.fromkeys(STATES, 0))
                counts[self.states.get(name, "open")] += 1
        order = list(CHAPTERS)
        return [(*key, found[key]) for key in sorted(found, key=lambda key: (order.index(key[0]), key[1]))]

    def _lines(self) -> list[tuple[str, str, dict[str, int]]]:
        """The rows, each chapter's sum before its lessons, and the sum of all."""
        lines, rows = [], self.rows()
        for chapter in dict.fromkeys(chapter for chapter, *_ in rows):
            own = [(lesson, counts) for c, lesson, counts in rows if c == chapter]
            lines.append(("chapter", CHAPTERS[chapter], _sum(counts for _, counts in own)))
            lines += [("lesson", lesson.replace("_", " "), counts) for lesson, counts in own]
        return [*lines, ("all", "All", _sum(counts for *_, counts in rows))]

    def __repr__(self) -> str:
        head = f"{'':34}" + "".join(f"{state:>11}" for state in STATES)
        body = [
            f"{('  ' if kind == 'lesson' else '') + name:34}"
            + "".join(f"{counts[state] or '':>11}" for state in STATES)
            for kind, name, counts in self._lines()
        ]
        return "\n".join([head, *body])

    def _repr_html_(self) -> str:
        heads = "".join(f'<th scope="col" style="text-align:right">{state}</th>' for state in STATES)
        parts = [
            f'<table class="rbh-progress"><thead><tr><th scope="col">Exercises</th>{heads}</tr></thead><tbody>'
        ]
        for kind, name, counts in self._lines():
            style = "padding-left:1.5em;font-weight:400" if kind == "lesson" else ""
            cells = "".join(f'<td style="text-align:right">{counts[state] or ""}</td>' for state in STATES)
            parts.append(
                f'<tr><th scope="row" style="text-align:left;{style}">{html.escape(name)}</th>{cells}</tr>'
            )
        where = html.escape(str(place() or "nowhere: RECBYHAND_PROGRESS is off"))
        return "".join(parts) + f"</tbody></table><p>Kept on this machine only, in <code>{where}</code>.</p>"


def _sum(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total = dict.fromkeys(STATES, 0)
    for one in counts:
        for state, number in one.items():
            total[state] += number
    return total
