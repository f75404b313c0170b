"""Notebooks go out without solutions, and come back as a table of marks."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from recbyhand.exercises import classroom

code, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
# A tiny lesson that registers its own exercises; a student may break any of it.
FIRST = """
import recbyhand as rbh
from recbyhand.exercises import engine
engine.exercise("tiny-1", "h")(lambda a: engine.close(a, 4.0))
engine.exercise("tiny-2", "h")(lambda a: engine.close(a, 5.0))"""


def lesson(one="...", two="...", before="1"):
    return nbformat.v4.new_notebook(
        cells=[
            text("# Tiny"),
            code(FIRST, outputs=[nbformat.v4.new_output("stream", text="kept?")], execution_count=3),
            code(before),
            code(f'rbh.check("tiny-1", {one})', metadata={"tags": ["exercise"]}),
            code('# @title Solution\nrbh.check("tiny-1", 4)', metadata={"tags": ["solution", "hide-cell"]}),
            code(f'rbh.check("tiny-2", {two})', metadata={"tags": ["exercise"]}),
            text("The end"),
        ]
    )


@pytest.fixture
def known(empty):
    from recbyhand.exercises import engine

    for name in ("tiny-1", "tiny-2", "tiny-3", "other-1"):
        engine.exercise(name, "h")(lambda answer: None)


def test_export(tmp_path):
    source = tmp_path / "chapters" / "01_tiny"
    source.mkdir(parents=True)
    nbformat.write(lesson(), source / "tiny.ipynb")
    (source / "numbers.csv").write_text("a\n1\n")
    assert classroom.main(["export", str(tmp_path / "out"), str(source / "tiny.ipynb")]) == 0
    written = nbformat.read(tmp_path / "out" / "01_tiny" / "tiny.ipynb", as_version=4)
    assert [cell.source for cell in written.cells] == [
        cell.source for cell in lesson().cells if "Solution" not in cell.source
    ]
    assert [cell.cell_type for cell in written.cells] == ["markdown", *["code"] * 4, "markdown"]
    assert not any(cell.get("outputs") for cell in written.cells)
    assert (tmp_path / "out" / "01_tiny" / "numbers.csv").is_file()
    nbformat.validate(written)


def test_export_of_nothing_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert classroom.main(["export", "out"]) == 1
    assert "give their paths" in capsys.readouterr().out


def test_grade(tmp_path, known, monkeypatch):
    monkeypatch.setattr(classroom, "load_all", lambda: __import__("recbyhand").exercises.engine.EXERCISES)
    handed_in = {
        "ann": classroom.student_notebook(lesson("4.0", "5.0")),
        "bob": classroom.student_notebook(lesson("3.0", before="1 / 0")),
    }
    # A verdict that was typed in, not computed, does not count.
    handed_in["bob"].cells[3].outputs = [nbformat.v4.new_output("stream", text="✓ tiny-1: Well done.")]
    for student, notebook in handed_in.items():
        nbformat.write(notebook, tmp_path / f"{student}.ipynb")
    (tmp_path / "dan.ipynb").write_text("not a notebook")
    files = [str(path) for path in sorted(tmp_path.glob("*.ipynb"))]
    assert classroom.main(["grade", *files, "--csv", str(tmp_path / "m.csv"), "--jobs", "3"]) == 0
    with open(tmp_path / "m.csv", newline="", encoding="utf-8") as file:
        rows = {(row["student"], row["exercise"]): row for row in csv.DictReader(file)}
    assert {key: row["passed"] for key, row in rows.items() if key[0] != "dan"} == {
        ("ann", "tiny-1"): "1",
        ("ann", "tiny-2"): "1",
        ("ann", "tiny-3"): "0",
        ("bob", "tiny-1"): "0",
        ("bob", "tiny-2"): "0",
        ("bob", "tiny-3"): "0",
    }
    assert "not it yet" in rows["bob", "tiny-1"]["message"]
    assert "Nothing to check" in rows["bob", "tiny-2"]["message"]
    assert rows["ann", "tiny-3"]["message"] == "exercise is missing"
    assert "could not be run" in rows["dan", ""]["note"]


def test_an_endless_notebook_is_stopped(tmp_path):
    cells = [code("1"), code("import time; time.sleep(600)"), code("2")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "slow.ipynb")
    _, note = classroom.run(tmp_path / "slow.ipynb", seconds=3)
    assert note.startswith("stopped after 3 s in cell")


def test_what_the_page_for_teachers_shows_works(empty, tmp_path, monkeypatch):
    """Its two listings run, and its commands are ones that the command line knows."""
    from recbyhand.exercises import engine

    page = (Path(__file__).resolve().parents[2] / "book" / "teaching.md").read_text(encoding="utf8")
    marking, own = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    exec(own, {})
    right, wrong = (engine.check("exam-1", answer) for answer in ([0.625, 0.375, 0.0], [0.5, 0.3, 0.2]))
    assert right.passed
    assert (wrong.passed, wrong.message) == (False, "The third film is padding.")

    monkeypatch.chdir(tmp_path)
    rows = [("ann", "1", "Well done."), ("ben", "0", "a hint"), ("cho", "0", "a hint")]
    with open("marks.csv", "w", newline="", encoding="utf8") as file:
        csv.writer(file).writerows([classroom.COLUMNS, *((s, "din", "din-1", p, m, "") for s, p, m in rows)])
    found = {"pd": pd}
    exec(marking, found)
    assert found["who"].loc["ann", "din"] == 1
    assert found["what"].to_dict() == {("din-1", "a hint"): 2}

    shown = re.findall(r"classroom (\w+) \\\n\s+([^\n]+)", page)
    assert [name for name, _ in shown] == ["export", "export", "grade"]
    for name, words in shown:
        classroom.parser().parse_args([name, *words.split()])
