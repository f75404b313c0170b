"""Notebooks go out without solutions, and come back as a table of marks."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from types import SimpleNamespace

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


def test_a_hand_out_is_an_assignment_of_nbgrader(tmp_path):
    """Version 3 of its schema: each cell to fill in is a graded answer of one point, with an id of its own."""
    lesson = Path(__file__).resolve().parents[2] / "chapters" / "04_interest" / "din.ipynb"
    (written,) = classroom.export(tmp_path, [lesson])
    notebook = nbformat.read(written, as_version=4)
    nbformat.validate(notebook)
    cells = {c.metadata.nbgrader.grade_id: c for c in notebook.cells if "nbgrader" in c.metadata}
    assert cells.keys() == {f"din-{k}" for k in range(1, 6)} | {"din-5-words"}
    for name, cell in cells.items():
        about = cell.metadata.nbgrader
        assert (about.grade, about.solution, about.locked, about.task, about.schema_version) == (
            1,
            1,
            0,
            0,
            3,
        )
        assert about.cell_type == cell.cell_type
        assert about.points == (8 if name.endswith("words") else 1)


def test_grade(tmp_path, capsys):
    """Any layout; outputs that were handed in do not count; what is no notebook stops nobody."""
    answers = {"ann": ("[0.802184, 0.197816, 0]", "ann's words"), "bob": ("[0.5, 0.5, 0]", "=1+1")}
    for student, (numbers, words) in answers.items():
        cells = [
            code("import recbyhand as rbh"),
            code(f'rbh.check("edge-1", {numbers})', metadata={"tags": ["exercise"]}),
            code('rbh.check("mlp-5", 4)'),  # of another lesson: no point for it here
            text("**edge-5 · investigate.** What?"),
            text(f"*{classroom.WORDS}*\n\n{words}", metadata={"tags": ["words"]}),
        ]
        cells[1].outputs = [nbformat.v4.new_output("stream", text="✓ edge-1: Well done.")]
        place = tmp_path / "in" / student / "06_graph"
        place.mkdir(parents=True)
        nbformat.write(nbformat.v4.new_notebook(cells=cells), place / "attention_on_edges.ipynb")
    (tmp_path / "in" / "dan.ipynb").write_text("not a notebook")
    (tmp_path / "in" / "eve.ipynb").symlink_to(place / "attention_on_edges.ipynb")
    tables = [str(tmp_path / f"{name}.csv") for name in ("marks", "rubric", "totals")]
    command = [
        "grade",
        str(tmp_path / "in"),
        "--csv",
        tables[0],
        "--rubric",
        tables[1],
        "--totals",
        tables[2],
    ]
    assert classroom.main([*command, "--seed", "7", "--wall", "900"]) == 0
    marks, rubric, totals = (pd.read_csv(table) for table in tables)
    assert tuple(marks.columns) == classroom.COLUMNS
    rows = marks.set_index(["student", "exercise"])
    assert rows.loc[("ann", "edge-1"), "points"] == 1
    assert rows.loc[("bob", "edge-1"), "points"] == 0
    assert rows.loc[("ann", "edge-4"), "comment"] == "no answer"
    assert len(rows.loc["ann"]) == 5
    assert "not a notebook" in marks.set_index("student").loc["dan", "note"]
    assert set(marks.student) == {"ann", "bob", "dan"}
    assert rubric.set_index("student")["words"].to_dict() == {"ann": "ann's words", "bob": "'=1+1"}
    assert len([c for c in rubric if "(0-2)" in c]) == 4
    assert totals.set_index("student_id").loc["ann", ["score", "max_score"]].tolist() == [1, 5]
    assert "seed 7" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("files", "students"),
    [
        (["ann.ipynb", "bob.ipynb"], ["ann", "bob"]),
        (["ann/x.ipynb", "bob/x.ipynb", "bob/y.ipynb"], ["ann", "bob", "bob"]),
        (["ann/01_mlp/x.ipynb", "ann/.ipynb_checkpoints/x.ipynb", "ann/notes.txt"], ["ann"]),
    ],
)
def test_layouts(tmp_path, files, students):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    assert [student for student, _ in classroom.found([tmp_path])] == students


def test_words_that_a_spreadsheet_would_run_are_only_shown():
    assert classroom._cell("=HYPERLINK(1)") == "'=HYPERLINK(1)"
    assert classroom._cell("a\n\x1bb") == "a b"


def _marks(tmp_path, *rows):
    place = tmp_path / "marks.csv"
    classroom._write(
        place, classroom.COLUMNS, [dict(zip(classroom.COLUMNS, row, strict=True)) for row in rows]
    )
    return place


class MissingEntry(Exception):
    """As nbgrader calls it."""


class Gradebook:
    """What is asked of nbgrader's, in its words."""

    def __init__(self, *places):
        self.grades = {p: SimpleNamespace(manual_score=None, needs_manual_grade=True) for p in places}
        self.comments = {p: SimpleNamespace(manual_comment=None) for p in places}
        self.assignments = [SimpleNamespace(name="04_interest", notebooks=[SimpleNamespace(name="din")])]
        self.committed = 0
        self.db = self

    def commit(self):
        self.committed += 1

    def _found(self, table, place):
        if place not in table:
            raise MissingEntry(place)
        return table[place]

    def find_grade(self, *place):
        return self._found(self.grades, place)

    def find_comment(self, *place):
        return self._found(self.comments, place)


def test_points_and_comments_arrive_in_nbgrader_s_gradebook(tmp_path):
    from recbyhand.exercises.marking import gradebook

    ann, words = (("din-1", "din", "04_interest", "ann"), ("din-5-words", "din", "04_interest", "ann"))
    book = Gradebook(ann, words)
    marks = _marks(
        tmp_path,
        ("ann", "din.ipynb", "din-1", "0.6667", "1", "wrong in 1 of 3", ""),
        ("bob", "din.ipynb", "din-1", "1", "1", "Well done.", ""),
        ("bob", "own.ipynb", "din-1", "1", "1", "Well done.", ""),
        ("cho", "x.ipynb", "", "", "", "", "not a notebook"),
    )
    with open(marks, newline="", encoding="utf8") as file:
        written, lost = gradebook.write(csv.DictReader(file), book)
    assert (written, book.committed) == (1, 1)
    assert vars(book.grades[ann]) == {"manual_score": 0.6667, "needs_manual_grade": False}
    assert book.comments[ann].manual_comment == "wrong in 1 of 3"
    assert book.grades[words].needs_manual_grade
    assert len(lost) == 2
    assert "bob, din: din-1 is not there" in lost[0]
    assert "own: in no assignment" in lost[1]


def test_the_gradebook_s_script_needs_nothing_of_the_book():
    """It runs where nbgrader is installed, which need not be where PyTorch is."""
    source = (Path(classroom.__file__).parent / "marking" / "gradebook.py").read_text(encoding="utf8")
    names = {name.split(".")[0] for name in re.findall(r"^\s*(?:from|import) (\S+)", source, flags=re.M)}
    assert names == {"__future__", "argparse", "csv", "sys", "collections", "pathlib", "nbgrader"}


def test_what_the_page_for_teachers_shows_works(empty, tmp_path, monkeypatch):
    """Its listings run, and its commands are ones that the command line knows."""
    from recbyhand.exercises import engine

    page = (Path(__file__).resolve().parents[2] / "book" / "teaching.md").read_text(encoding="utf8")
    marking, config, own = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    settings = SimpleNamespace(ClearSolutions=SimpleNamespace(), Execute=SimpleNamespace())
    exec(config, {"get_config": lambda: settings})
    assert (settings.ClearSolutions.enabled, settings.Execute.enabled) == (False, False)
    exec(own, {})
    right, wrong = (engine.check("exam-1", answer) for answer in ([0.625, 0.375, 0.0], [0.5, 0.3, 0.2]))
    assert right.passed
    assert (wrong.passed, wrong.message) == (False, "The third film is padding.")

    monkeypatch.chdir(tmp_path)
    rows = [("ann", "1", "Well done."), ("ben", "0", "a hint"), ("cho", "0", "a hint")]
    with open("marks.csv", "w", newline="", encoding="utf8") as file:
        csv.writer(file).writerows(
            [classroom.COLUMNS, *((s, "din", "din-1", p, "1", m, "") for s, p, m in rows)]
        )
    found = {"pd": pd}
    exec(marking, found)
    assert found["who"].loc["ann", "din"] == 1
    assert found["what"].to_dict() == {("din-1", "a hint"): 2}

    shown = re.findall(r"classroom (\w+) \\\n\s+([^\n]+)", page)
    assert [name for name, _ in shown] == ["export", "export", "grade", "export", "grade"]
    for name, words in shown:
        classroom.parser().parse_args([name, *words.split()])
