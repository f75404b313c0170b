"""The lessons as files, and what running them cost."""

from __future__ import annotations

import ast
import csv
import re
import subprocess
import sys

import house
import lessons
import nbformat
import pytest

from .paths import ROOT

LESSONS = lessons.listed()
NAMES = [path.relative_to(ROOT).with_suffix("").as_posix() for path in LESSONS]
FIRST = (ROOT / "chapters" / "first_cell.py").read_text(encoding="utf8").strip()
LONGEST_CELL = 25
# A sitting: all Markdown, by str.split; all code cells, the first one included.
MOST_WORDS, MOST_LINES = 2_400, 400

each_lesson = pytest.mark.parametrize("path", LESSONS, ids=NAMES)
IN_CHAPTERS = [path for path in LESSONS if "chapters" in path.relative_to(ROOT).parts]
each_chapter_lesson = pytest.mark.parametrize(
    "path", IN_CHAPTERS, ids=[path.relative_to(ROOT).with_suffix("").as_posix() for path in IN_CHAPTERS]
)


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


def _name(path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_lesson_is_in_the_table_of_contents():
    found = {p for p in (ROOT / "chapters").glob("*/*.ipynb") if ".ipynb_checkpoints" not in p.parts}
    tracked = subprocess.run(["git", "ls-files", "chapters"], cwd=ROOT, capture_output=True, text=True).stdout
    found = {p for p in found if not tracked or p.relative_to(ROOT).as_posix() in tracked.split("\n")}
    missing = ", ".join(sorted(_name(path) for path in found - set(LESSONS)))
    assert not missing, f"{missing}: add `- file: chapters/...` to _toc.yml, under its chapter"


@each_lesson
def test_notebook_is_clean(path):
    """Valid, without outputs or counts, with cell ids, for the kernel that everyone has."""
    notebook, clear = nbformat.read(path, as_version=4), f"{_name(path)}: clear all outputs, then save"
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor >= 5) == (4, True), (
        f"{_name(path)}: cells need ids; `jupyter nbconvert --to notebook --inplace` writes format 4.5"
    )
    kernel = notebook.metadata.get("kernelspec", {}).get("name")
    assert kernel == "python3", f"{_name(path)}: metadata.kernelspec.name is {kernel!r}; make it 'python3'"
    assert "widgets" not in notebook.metadata, f"{_name(path)}: delete metadata.widgets (saved widget state)"
    for cell in _code(path):
        assert not cell.outputs, f"{clear} (outputs: {cell.source[:60]!r})"
        assert cell.execution_count is None, f"{clear} (execution count: {cell.source[:60]!r})"
    ids = [cell.id for cell in notebook.cells]
    twice = {i for i in ids if ids.count(i) > 1}
    assert not twice, f"{_name(path)}: two cells have the id {twice}; give one of them another"


@each_lesson
def test_first_cell_is_the_same_everywhere(path):
    first = _code(path)[0]
    same = first.source.strip() == FIRST
    assert same, f"{_name(path)}: copy chapters/first_cell.py into the first code cell"
    assert "hide-input" in first.metadata.get("tags", []), (
        f"{_name(path)}: tag the first code cell hide-input"
    )


@each_lesson
def test_no_cell_is_long(path):
    for cell in _code(path)[1:]:
        if "long" not in cell.metadata.get("tags", []):
            lines = code_lines(cell.source)
            assert lines <= LONGEST_CELL, (
                f"{_name(path)}: a cell of {lines} lines of code ({LONGEST_CELL} at most): split it, or say less\n"
                f"{cell.source[:200]}"
            )


@each_lesson
def test_starts_with_one_title(path):
    text = "\n".join(cell.source for cell in lessons.read(path).cells if cell.cell_type == "markdown")
    text = re.sub(r"```.*?```", "", text, flags=re.S)
    titles = re.findall(r"^# .*", text, flags=re.M)
    assert len(titles) == 1, f"{_name(path)}: one line `# Title`, all other headings deeper; found {titles}"


@each_chapter_lesson
def test_says_what_it_asks_and_how_long_it_takes(path):
    *_, minutes, _ = house.about(path)  # a ValueError names what is missing, and how to write it
    assert 5 <= minutes <= 60, f"{_name(path)}: {minutes} minutes of reading; a lesson is one sitting"


@each_lesson
def test_a_link_says_where_it_leads(path):
    """Read on its own, as a screen reader lists it and a search engine weighs it, "here" says nothing."""
    for cell in lessons.read(path).cells:
        if cell.cell_type == "markdown":
            bare = re.findall(r"\[(?:click )?(?:here|this|more|read more|start|go)\]\(", cell.source, re.I)
            assert not bare, f"{_name(path)}: name in the link what it leads to, in place of {bare[0]!r}"


@each_chapter_lesson
def test_is_one_sitting(path):
    """The limits that keep a lesson to one question."""
    cells = lessons.read(path).cells
    words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
    # A practice is no code to read.
    lines = sum(len(cell.source.splitlines()) for cell in lessons.kept_cells(cells))
    said = "move what does not serve the lesson's question into another lesson, or leave it out"
    assert words <= MOST_WORDS, f"{_name(path)}: {words} words, {MOST_WORDS} at most: {said}"
    assert lines <= MOST_LINES, f"{_name(path)}: {lines} lines of code, {MOST_LINES} at most: {said}"


@each_chapter_lesson
def test_its_sentences_are_held(path):
    claims = [cell for cell in _code(path) if "claim" in cell.metadata.get("tags", [])]
    assert claims, (
        f'{_name(path)}: no cell tagged "claim"; hold each sentence that states a result by rbh.claim("sentence", '
        "condition), in a cell of its own after the prose (CONTRIBUTING.md, a lesson)"
    )
    for cell in claims:
        where = f"{_name(path)}, claim cell {cell.source[:60]!r}"
        assert "rbh.claim(" in cell.source, f"{where}: call rbh.claim, or drop the tag"
        assert "remove-cell" in cell.metadata.tags, (
            f'{where}: add the tag "remove-cell"; the page does not show it'
        )
        hidden = cell.metadata.get("jupyter", {}).get("source_hidden")
        assert hidden is True, f'{where}: add "jupyter": {{"source_hidden": true}} to its metadata'


def test_a_lesson_that_says_too_little_is_told_how_to_say_it(tmp_path, monkeypatch):
    monkeypatch.setattr(lessons, "ROOT", tmp_path)

    def lesson(text):
        path = tmp_path / "lesson.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)]), path)
        return path

    whole = "# Towers\n\n*Who looks?*\n\nReading takes about 25 minutes, running 5 s."
    assert house.about(lesson(whole)) == ("Towers", "Who looks?", 25, 0)
    for what, part in {"title": "# Towers", "question": "*Who looks?*", "reading time": "Reading"}.items():
        with pytest.raises(ValueError, match=f"^lesson.ipynb has no {what}: .*`"):
            house.about(lesson(whole.replace(part, "")))


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
    seconds, peak = min(float(cost[name][c]) for c in ("seconds", "cpu_s")), float(cost[name]["peak_mb"])
    assert seconds <= 120, f"{name}.ipynb runs for {seconds} s: aim at 20; record the rest in benchmarks/"
    assert peak <= 1500, f"{name}.ipynb takes {peak} MB, 1,500 at most: fewer rows, or smaller batches"


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
    empty = [head for head in heads if re.search(r"\|\s*\|", head)]
    assert not empty, f"{_name(path)}: give every column of these tables a heading: {empty}"
