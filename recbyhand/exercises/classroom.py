"""Lessons for a class: hand out notebooks without solutions, and mark what comes back.

    python -m recbyhand.exercises.classroom export DIR                      # student notebooks of all lessons
    python -m recbyhand.exercises.classroom export DIR chapters/01_mlp/*.ipynb
    python -m recbyhand.exercises.classroom grade handed_in/*/*.ipynb --csv marks.csv

Marking runs every notebook from a fresh kernel and reads what its checks say; outputs that were handed in do not
count. One folder per student, or one folder of files named after the students. A submission is a program: it runs
with your rights, so mark in a container or an account of its own. Needs nbformat, nbclient and ipykernel.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .engine import load_all

COLUMNS = ("student", "notebook", "exercise", "passed", "message", "note")
CHECK = re.compile(r"""rbh\.check\(\s*["']([\w-]+)["']""")


def student_notebook(notebook):
    """The notebook without its solutions and outputs; everything else is kept."""
    notebook.cells = [cell for cell in notebook.cells if "solution" not in cell.metadata.get("tags", [])]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def export(folder: Path, lessons: Iterable[Path]) -> list[Path]:
    """Write the student notebooks, in their chapters' folders, with the small files a lesson reads."""
    import nbformat

    written = []
    for path in lessons:
        target = folder / path.resolve().parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(student_notebook(nbformat.read(path, as_version=4)), target)
        for beside in path.parent.iterdir():
            if beside.suffix in {".py", ".csv", ".json"}:
                shutil.copy(beside, target.parent)
        written.append(target)
    return written


def run(path: Path, seconds: float):
    """(the executed notebook, what went wrong or ""). Errors in cells are passed over, as in a class."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    where = {"metadata": {"path": str(path.resolve().parent)}}
    client = NotebookClient(notebook, kernel_name="python3", allow_errors=True, resources=where)
    ends = time.monotonic() + seconds
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            client.timeout = max(1, int(ends - time.monotonic()))
            try:
                client.execute_cell(cell, index)
            except CellTimeoutError:
                return notebook, f"stopped after {seconds:g} s in cell {index + 1}"
            except DeadKernelError:
                return notebook, f"Python died in cell {index + 1}; out of memory?"
    return notebook, ""


def verdicts(notebook) -> dict[str, tuple[bool, str]]:
    """{exercise: (passed, message)} as the checks said it; one pass is enough."""
    found: dict[str, tuple[bool, str]] = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            text = output.get("data", {}).get("text/plain", "")
            said = re.match(r"([✓✗]) ([\w-]+): (.*)", text)
            if said and CHECK.search(cell.source) and not found.get(said[2], (False,))[0]:
                found[said[2]] = (said[1] == "✓", said[3])
    return found


def grade(paths: list[Path], seconds: float = 300, jobs: int = 2) -> list[dict[str, str]]:
    """A row per student and exercise. An exercise of the lesson's topic that is not there counts as missing."""
    known = load_all()
    one_folder = len({path.resolve().parent for path in paths}) == 1

    def mark(path: Path) -> list[dict[str, str]]:
        row = {"student": path.stem if one_folder else path.resolve().parent.name, "notebook": path.name}
        try:
            notebook, note = run(path, seconds)
        except Exception as error:  # not a notebook, no kernel: the others are still marked
            return [row | {"note": f"could not be run: {type(error).__name__}: {error}"}]
        said, source = verdicts(notebook), "\n".join(cell.source for cell in notebook.cells)
        asked = [name for name in CHECK.findall(source) if name in known]
        topics = {name.rpartition("-")[0] for name in asked}
        rows = []
        for name in sorted({n for n in known if n.rpartition("-")[0] in topics} | set(said)):
            passed, message = said.get(name, (False, "no answer" if name in asked else "exercise is missing"))
            rows.append(
                row | {"exercise": name, "passed": str(int(passed)), "message": message, "note": note}
            )
        return rows or [row | {"note": note or "no exercise found"}]

    with ThreadPoolExecutor(jobs) as pool:
        return [row for rows in pool.map(mark, paths) for row in rows]


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="recbyhand.exercises.classroom", description=__doc__.splitlines()[0]
    )
    commands = parser.add_subparsers(dest="command", required=True)
    out = commands.add_parser("export", help="write notebooks without solutions")
    out.add_argument("folder", type=Path)
    out.add_argument("lessons", type=Path, nargs="*", help="default: all of chapters/")
    back = commands.add_parser("grade", help="run what was handed in and write a table")
    back.add_argument("files", type=Path, nargs="+")
    back.add_argument("--csv", type=Path, required=True)
    back.add_argument("--timeout", type=float, default=300, help="seconds per notebook")
    back.add_argument("--jobs", type=int, default=2, help="notebooks at a time")
    return parser


def main(arguments: list[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    if given.command == "export":
        written = export(given.folder, given.lessons or sorted(Path("chapters").glob("*/*.ipynb")))
        print(
            f"{len(written)} notebooks in {given.folder}" if written else "no lessons found: give their paths"
        )
        return 0 if written else 1
    if data := os.environ.get("RECBYHAND_DATA"):  # notebooks run in their own folder
        os.environ["RECBYHAND_DATA"] = str(Path(data).resolve())
    rows = grade(given.files, given.timeout, given.jobs)
    with open(given.csv, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(given.files)} notebooks, {len(rows)} rows in {given.csv}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
