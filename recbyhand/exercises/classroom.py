"""Lessons for a class: hand out notebooks without solutions, and mark what comes back.

    python -m recbyhand.exercises.classroom export release                   # student notebooks of all lessons
    python -m recbyhand.exercises.classroom export release chapters/01_mlp/*.ipynb
    python -m recbyhand.exercises.classroom grade submitted --csv marks.csv --rubric rubric.csv

Notebooks that are handed out carry nbgrader's cell metadata and stand in its folders (assignment/notebook.ipynb); what
comes back may stand as nbgrader collects it (student/assignment/notebook.ipynb), in one folder per student, or as one
file per student.

**Marking.** A submission is a program by somebody whom you need not trust. Its cells run in a process of their own
behind walls (`marking/sandbox.py`): no network, no other processes, limited time and memory, and neither checks nor
solutions nor other submissions in sight. The checks run in another process, which asks for the answers and calls them
through a format that executes nothing (`marking/wire.py`). What a notebook prints, and what it does to `rbh.check`, to
PyTorch or to its own copy of anything, plays no part. `marking/examiner.py` states how points are given.

The folder `marking/` has no `__init__.py` on purpose: `engine.load_all` imports every package of exercises.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import re
import secrets
import select
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .engine import load_all

COLUMNS = ("student", "notebook", "exercise", "points", "of", "comment", "note")
CHECK = re.compile(r"""rbh\.check\(\s*["']([\w-]+)["']""")
INVESTIGATE = re.compile(r"\*\*([a-z][a-z0-9-]*-\d+)\b\W{0,8}investigate", re.IGNORECASE)
RUBRIC = {
    "question": "says what was varied and what was kept",
    "evidence": "shows the numbers or the plot it rests on, and more than one run where runs differ",
    "conclusion": "says what follows, and no more than that",
    "limits": "names something that was not tried, or that could be otherwise",
}
LARGEST = 20 << 20  # bytes of a notebook
WORDS = "Your words: what did you vary, what did you see, what follows from it, and what did you not try?"


# Hand out ---------------------------------------------------------------------------------------------------


def student_notebook(notebook):
    """The notebook without its solutions and outputs; everything else is kept."""
    notebook.cells = [cell for cell in notebook.cells if "solution" not in cell.metadata.get("tags", [])]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def for_nbgrader(notebook):
    """Mark the cells that are to be filled in, as nbgrader does, and add a place for words to each investigation."""
    import nbformat

    asked = set(INVESTIGATE.findall("\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")))
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        names = CHECK.findall(cell.source) if "exercise" in cell.metadata.get("tags", []) else []
        if len(names) != 1:
            continue
        cell.metadata["nbgrader"] = _nbgrader(names[0], 1, "code")
        if names[0] in asked:
            words = nbformat.v4.new_markdown_cell(f"*{WORDS}*")
            words.metadata["tags"] = ["words"]
            words.metadata["nbgrader"] = _nbgrader(f"{names[0]}-words", 2 * len(RUBRIC), "markdown")
            if "id" not in cell:  # older notebooks have no ids
                words.pop("id", None)
            cells.append(words)
    notebook.cells = cells
    return notebook


def _nbgrader(name: str, points: int, kind: str) -> dict:
    """A graded answer, in version 3 of nbgrader's schema."""
    given = {"grade_id": name, "grade": True, "solution": True, "locked": False, "task": False}
    return given | {"points": points, "schema_version": 3, "cell_type": kind}


def export(folder: Path, lessons: Iterable[Path]) -> list[Path]:
    """Write the student notebooks, in their chapters' folders, with the small files a lesson reads."""
    import nbformat

    written = []
    for path in lessons:
        target = folder / path.resolve().parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(for_nbgrader(student_notebook(nbformat.read(path, as_version=4))), target)
        for beside in path.parent.iterdir():
            if beside.suffix in {".py", ".csv", ".json"}:
                shutil.copy(beside, target.parent)
        written.append(target)
    return written


# What came back ---------------------------------------------------------------------------------------------


@dataclass
class Submission:
    """One notebook of one student; `trouble` if it is none."""

    student: str
    path: Path
    cells: list[str] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)  # of investigations
    trouble: str = ""


def found(paths: Iterable[Path]) -> list[tuple[str, Path]]:
    """(student, notebook), sorted. A folder's first level are students; links are not followed."""
    pairs = set()
    paths = list(paths)
    files = [path for path in paths if path.is_file()]
    alone = len({path.resolve().parent for path in files}) == 1
    for path in files:
        pairs.add((path.stem if alone else path.resolve().parent.name, path))
    for folder in (path for path in paths if path.is_dir()):
        for here, folders, names in os.walk(folder):
            folders[:] = [f for f in folders if not f.startswith(".")]
            for path in (Path(here, name) for name in names if name.endswith(".ipynb")):
                inside = path.relative_to(folder).parts
                if not path.is_symlink() and not path.name.startswith("."):
                    pairs.add((inside[0] if len(inside) > 1 else path.stem, path))
    return sorted(pairs)


def read(student: str, path: Path) -> Submission:
    """The code of a notebook, as it was handed in; outputs are not looked at."""
    import nbformat

    one = Submission(student, path)
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"larger than {LARGEST >> 20} MB")
        notebook = nbformat.read(path, as_version=4)
        one.cells = [str(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
        asked: list[str] = []
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                asked += INVESTIGATE.findall(cell.source)
                if "words" in cell.metadata.get("tags", []) and asked:
                    one.words[asked[-1]] = cell.source.replace(f"*{WORDS}*", "").strip()
        one.words |= {name: "" for name in asked if name not in one.words}
    except Exception as error:  # whatever is wrong with this file, the others are marked
        one.trouble = f"not a notebook: {type(error).__name__}: {error}"
    return one


def wanted(one: Submission, known: dict, marked: Iterable[str]) -> list[str]:
    """The exercises a notebook is marked for: those of the lesson of its name, and no others.

    In a notebook of your own: those that were answered, and all of the topics that it asks about.
    """
    lesson = [name for name, it in known.items() if it.check.__module__.rpartition(".")[2] == one.path.stem]
    topics = {name.rpartition("-")[0] for cell in one.cells for name in CHECK.findall(cell) if name in known}
    return sorted(lesson or {*marked, *(name for name in known if name.rpartition("-")[0] in topics)})


# Mark -------------------------------------------------------------------------------------------------------


def grade(
    paths: Iterable[Path], rules=None, jobs: int = 2, each=None, nursery=None
) -> tuple[list[dict], dict[str, bool], list[dict]]:
    """(rows of the table, walls that stood for everybody, one summary per notebook).

    A row per student and exercise; an exercise that is not answered has 0 points. `each` is called with a
    notebook's summary when it is marked. Nothing that a submission does stops the others.
    """
    from .marking.examiner import Nursery, Rules

    rules = rules or Rules(seed=secrets.randbelow(1 << 31))
    submissions = [read(*pair) for pair in found(paths)]
    with contextlib.nullcontext(nursery) if nursery else Nursery() as ready:
        known = load_all()  # here, and not in the nursery, which is a process of its own
        reports = _all(ready, submissions, rules, jobs, each)
    rows, walls = [], {}
    for one, report in zip(submissions, reports, strict=True):
        rows += _rows(one, report, known)
        for name, stands in report["walls"].items():
            walls[name] = walls.get(name, True) and stands
    summaries = [
        {"student": s.student, "notebook": s.path.name, "words": s.words} | r
        for s, r in zip(submissions, reports)
    ]
    return rows, walls, summaries


def _rows(one: Submission, report: dict, known: dict) -> list[dict]:
    row = {
        "student": _cell(one.student),
        "notebook": _cell(one.path.name),
        "note": _cell("; ".join(report["notes"])),
    }
    marks = report["marks"]
    rows = []
    for name in wanted(one, known, marks):
        said = marks.get(name, {"points": 0.0, "comment": "no answer"})
        rows.append(
            row
            | {
                "exercise": name,
                "points": f"{said['points']:.4g}",
                "of": "1",
                "comment": _cell(said["comment"]),
            }
        )
    return rows or [row]


def _cell(text: str) -> str:
    """Text that a spreadsheet shows and does not calculate."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())[:600]
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def _all(nursery, submissions: list[Submission], rules, jobs: int, each) -> list[dict]:
    """Mark every submission in an examiner's process of its own, `jobs` at a time."""
    reports = [
        {"marks": {}, "notes": [s.trouble] if s.trouble else [], "walls": {}, "seconds": 0.0, "cpu": 0.0}
        for s in submissions
    ]
    waiting = [number for number, one in enumerate(submissions) if not one.trouble][::-1]
    running: dict[int, dict] = {}  # the pipe of an examiner -> what is known of it
    while waiting or running:
        while waiting and len(running) < jobs:
            number = waiting.pop()
            inlet, outlet = os.pipe()
            sys.stdout.flush(), sys.stderr.flush()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # forks beside threads
                pid = os.fork()
            if pid == 0:
                _examiner(nursery, submissions[number], rules, number, outlet)
            os.close(outlet)
            ends = time.monotonic() + rules.wall + 720  # and what a nursery takes to start
            running[inlet] = {"number": number, "pid": pid, "text": b"", "ends": ends}
        for inlet in select.select(list(running), [], [], 1.0)[0]:
            it = running[inlet]
            data = os.read(inlet, 1 << 16)
            it["text"] += data
            *lines, it["text"] = it["text"].split(b"\n")
            for line in lines:
                _take(reports[it["number"]], json.loads(line))
            if not data:
                _finish(running, inlet, reports, submissions, each)
        for it in running.values():
            if time.monotonic() > it["ends"]:  # the examiner itself hangs
                os.kill(it["pid"], signal.SIGKILL)
                it["ends"] += 60
    return reports


def _take(report: dict, said: dict) -> None:
    if "mark" in said:
        report["marks"][said["mark"]["exercise"]] = said["mark"]
    else:
        report |= {key: said[key] for key in ("walls", "seconds", "cpu")}
        report["notes"] += said["notes"]
        report["done"] = True


def _finish(running: dict, inlet: int, reports: list, submissions: list, each) -> None:
    it = running.pop(inlet)
    os.close(inlet)
    os.waitpid(it["pid"], 0)
    report = reports[it["number"]]
    if not report.pop("done", False):
        report["notes"].append(
            "its examiner was ended: too much time or memory; what was marked before counts"
        )
    if each is not None:
        one = submissions[it["number"]]
        each({"student": one.student, "notebook": one.path.name} | report)


def _examiner(nursery, one: Submission, rules, number: int, outlet: int) -> None:
    """A child of the marker: examine one submission, write the results as lines of JSON, and never return."""
    code = 1
    try:
        import resource

        import torch

        from .marking import sandbox
        from .marking.examiner import examine

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sandbox.die_with_parent()
        torch.set_num_threads(1)
        room = sandbox.held("VmData") + (4 << 30)  # what a hostile answer can make the examiner take
        resource.setrlimit(resource.RLIMIT_DATA, (room, resource.getrlimit(resource.RLIMIT_DATA)[1]))

        def tell(said: dict) -> None:
            data = json.dumps(said).encode() + b"\n"
            while data:
                data = data[os.write(outlet, data) :]

        report = examine(nursery, one.cells, rules, number, lambda mark: tell({"mark": vars(mark)}))
        tell({"notes": report.notes, "walls": report.walls, "seconds": report.seconds, "cpu": report.cpu})
        code = 0
    finally:
        os._exit(code)


# Tables -----------------------------------------------------------------------------------------------------


def _write(path: Path, columns: Iterable[str], rows: Iterable[dict]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns), restval="")
        writer.writeheader()
        writer.writerows(rows)


def rubric(summaries: list[dict]) -> list[dict]:
    """A line per student and investigation: what the check said, the student's words, and empty places for you."""
    lines = []
    for one in summaries:
        for name, words in one["words"].items():
            points = one["marks"].get(name, {"points": 0.0})["points"]
            who = {"student": _cell(one["student"]), "notebook": _cell(one["notebook"]), "exercise": name}
            lines.append(who | {"check": f"{points:.4g}", "words": _cell(words)})
    return lines


def totals(rows: list[dict]) -> list[dict]:
    """A line per student and notebook, with the columns that nbgrader's table of grades has."""
    sums: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        both = sums.setdefault((row["student"], row["notebook"].removesuffix(".ipynb")), [0.0, 0.0])
        both[0] += float(row.get("points") or 0)
        both[1] += float(row.get("of") or 0)
    return [
        {"assignment": notebook, "student_id": student, "score": f"{got:.4g}", "max_score": f"{of:.4g}"}
        for (student, notebook), (got, of) in sums.items()
    ]


def missing(walls: dict[str, bool]) -> str:
    """What is not kept apart on this machine, in words; "" if all is."""
    if not walls:
        return ""
    faults = []
    files = walls.get("view") or walls.get("landlock")
    if not files:
        faults.append(
            "a submission can read what this account (or anybody) can read: checks and solutions of the book"
        )
    if not (walls.get("spaces") or walls.get("seccomp")):
        faults.append("a submission can use the network and signal processes of the same account")
    if not walls.get("seccomp"):
        faults.append("a submission can start processes, as many as the limit lets it")
    if not walls.get("view"):
        faults.append("the disk it fills is limited by file, not in all")
    return "; ".join(faults)


# The command line -------------------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="recbyhand.exercises.classroom", description=__doc__.splitlines()[0]
    )
    commands = parser.add_subparsers(dest="command", required=True)
    out = commands.add_parser("export", help="write notebooks without solutions")
    out.add_argument("folder", type=Path)
    out.add_argument("lessons", type=Path, nargs="*", help="default: all of chapters/")
    back = commands.add_parser("grade", help="mark what was handed in and write tables")
    back.add_argument("paths", type=Path, nargs="+", help="a folder of submissions, or notebooks")
    back.add_argument("--csv", type=Path, required=True, help="points and comments, a row per exercise")
    back.add_argument("--totals", type=Path, help="a row per notebook, for a gradebook")
    back.add_argument("--rubric", type=Path, help="a sheet for the exercises called investigate")
    back.add_argument("--jobs", type=int, default=2, help="notebooks at a time (2)")
    back.add_argument("--rounds", type=int, default=3, help="of inputs that are not in the hand-out (3)")
    back.add_argument("--seed", type=int, help="which inputs these are; by default nobody knows before")
    back.add_argument("--cpu", type=float, default=300, help="CPU seconds per notebook (300)")
    back.add_argument("--cell", type=float, default=60, help="CPU seconds per cell (60)")
    back.add_argument("--wall", type=float, default=1800, help="seconds by the clock per notebook (1800)")
    back.add_argument("--memory", type=int, default=3000, help="MB per notebook (3000)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    if given.command == "export":
        written = export(given.folder, given.lessons or sorted(Path("chapters").glob("*/*.ipynb")))
        print(
            f"{len(written)} notebooks in {given.folder}" if written else "no lessons found: give their paths"
        )
        return 0 if written else 1
    if not hasattr(os, "fork"):
        print("marking needs Linux or macOS: on Windows use WSL or a container")
        return 1
    from .marking.examiner import Rules

    seed = secrets.randbelow(1 << 31) if given.seed is None else given.seed
    limits = {name: getattr(given, name) for name in ("cpu", "cell", "wall", "memory", "rounds")}
    rules = Rules(seed=seed, **limits)

    def each(one: dict) -> None:
        points = sum(mark["points"] for mark in one["marks"].values())
        print(
            f"{one['student']} {one['notebook']}: {points:g} points, {one['seconds']:.0f} s",
            *one["notes"][:1],
            flush=True,
        )

    rows, walls, summaries = grade(given.paths, rules, given.jobs, each)
    if not summaries:
        print("no notebooks found")
        return 1
    _write(given.csv, COLUMNS, rows)
    if given.totals:
        _write(given.totals, ("assignment", "student_id", "score", "max_score"), totals(rows))
    if given.rubric:
        columns = (
            "student",
            "notebook",
            "exercise",
            "check",
            "words",
            *(f"{k} (0-2): {v}" for k, v in RUBRIC.items()),
        )
        _write(given.rubric, columns, rubric(summaries))
    print(f"{len(summaries)} notebooks, {len(rows)} rows in {given.csv}; hidden inputs: seed {seed}")
    print("walls:", ", ".join(name for name, stands in walls.items() if stands) or "none")
    if fault := missing(walls):
        print(f"NOT kept apart on this machine: {fault}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
