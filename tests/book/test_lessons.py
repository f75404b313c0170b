"""The lessons as files, and what running them cost."""

from __future__ import annotations

import ast
import csv
import re
import subprocess
import sys

import lessons
import nbformat
import pytest

from .paths import ROOT

LESSONS = lessons.listed()
NAMES = [path.relative_to(ROOT).with_suffix("").as_posix() for path in LESSONS]
FIRST = (ROOT / "chapters" / "first_cell.py").read_text(encoding="utf8").strip()
LONGEST_CELL = 25

each_lesson = pytest.mark.parametrize("path", LESSONS, ids=NAMES)


def _code(path):
    return [cell for cell in lessons.read(path).cells if cell.cell_type == "code"]


def code_lines(source: str) -> int:
    """Lines that hold code: no blank lines, no comments, no docstrings."""
    lines = [line for line in source.splitlines() if line.strip() and not line.strip().startswith(("#", "%"))]
    try:
        tree = ast.parse(re.sub(r"^%.*$", "pass", source, flags=re.M))
    except SyntaxError:
        return len(lines)
    docs = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(node):
            docs += node.body[0].end_lineno - node.body[0].lineno + 1
    return len(lines) - docs


def test_every_lesson_is_in_the_table_of_contents():
    found = {p for p in (ROOT / "chapters").glob("*/*.ipynb") if ".ipynb_checkpoints" not in p.parts}
    tracked = subprocess.run(["git", "ls-files", "chapters"], cwd=ROOT, capture_output=True, text=True).stdout
    found = {p for p in found if not tracked or p.relative_to(ROOT).as_posix() in tracked.split("\n")}
    assert found <= set(LESSONS)


@each_lesson
def test_notebook_is_clean(path):
    """Valid, without outputs or counts, with cell ids, for the kernel that everyone has."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor >= 5) == (4, True)
    assert notebook.metadata.get("kernelspec", {}).get("name") == "python3"
    assert "widgets" not in notebook.metadata, "saved widget state"
    for cell in _code(path):
        assert not cell.outputs, f"outputs: {cell.source[:60]}"
        assert cell.execution_count is None
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


@each_lesson
def test_first_cell_is_the_same_everywhere(path):
    first = _code(path)[0]
    assert first.source.strip() == FIRST, "copy chapters/first_cell.py into the first code cell"
    assert "hide-input" in first.metadata.get("tags", [])


@each_lesson
def test_no_cell_is_long(path):
    for cell in _code(path)[1:]:
        if "long" not in cell.metadata.get("tags", []):
            assert code_lines(cell.source) <= LONGEST_CELL, cell.source[:200]


@each_lesson
def test_starts_with_one_title(path):
    text = "\n".join(cell.source for cell in lessons.read(path).cells if cell.cell_type == "markdown")
    text = re.sub(r"```.*?```", "", text, flags=re.S)
    assert len(re.findall(r"^# ", text, flags=re.M)) == 1


def test_lint():
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "chapters", "book", "tests/book"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def cost(site):
    file = ROOT / "_build" / "lessons.csv"
    if not LESSONS:
        pytest.skip("no lesson yet")
    rows = list(csv.DictReader(file.open(encoding="utf8")))
    for r in rows:
        print(f"{r['lesson']:<44} {r['seconds']:>7} s {r['cpu_s']:>7} s of CPU {r['peak_mb']:>7} MB")
    return {row["lesson"]: row for row in rows}


@pytest.mark.parametrize("name", NAMES)
def test_time_and_memory(cost, name):
    # On a machine that others use as well the clock runs on while the lesson waits: then its processor time counts.
    # The aim is 60 s on two quiet cores; a busy machine doubles what it measures, and must not stop the book.
    assert min(float(cost[name]["seconds"]), float(cost[name]["cpu_s"])) <= 120
    assert float(cost[name]["peak_mb"]) <= 1500


def test_code_lines_counts_code_only():
    assert code_lines('"""Doc."""\n\n# why\nx = 1\n%matplotlib inline\ny = 2\n') == 2
    assert code_lines("\n".join(f"x{i} = {i}" for i in range(26))) == 26


def test_prints_that_arrive_in_pieces_are_one_output():
    def said(name, text):
        return {"output_type": "stream", "name": name, "text": text}

    table = {"output_type": "display_data", "data": {}}
    pieces = [
        said("stdout", "a\n"),
        said("stdout", "b\n"),
        table,
        said("stdout", "c\n"),
        said("stderr", "d\n"),
    ]
    assert lessons.joined(pieces) == [
        said("stdout", "a\nb\n"), table, said("stdout", "c\n"), said("stderr", "d\n"),
    ]  # fmt: skip


@each_lesson
def test_every_column_of_a_table_has_a_name(path):
    text = [cell.source for cell in lessons.read(path).cells if cell.cell_type == "markdown"]
    heads = re.findall(r"^(\|.*\|) *\n\|[-| :]+\|", "\n\n".join(text), flags=re.M)
    assert [head for head in heads if re.search(r"\|\s*\|", head)] == []
