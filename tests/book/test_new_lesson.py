"""`make new-lesson` writes a lesson that passes all tests, in a copy of the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import new_lesson
import pytest

from .paths import ROOT

LESSON = "05_transformer/a_trial"


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    root = tmp_path_factory.mktemp("copy")
    tracked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(tracked, cwd=ROOT, capture_output=True, text=True).stdout.split("\0")
    skip = ("book/_static/katex", "tests/oracles", "tests/widgets")
    for name in filter(None, listed):
        if (ROOT / name).is_file() and not name.startswith(skip):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    return root


def test_it_passes(copy):
    def run(*words: str) -> str:
        where = {name: value for name, value in os.environ.items() if name not in ("CI", "RECBYHAND_KEPT")}
        where["PYTHONPATH"] = str(copy)
        done = subprocess.run([sys.executable, *words], cwd=copy, capture_output=True, text=True, env=where)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    said = run("book/_ext/new_lesson.py", LESSON)
    written = [line for line in said.splitlines() if (copy / line).is_file()]
    assert sorted(written) == [
        "_toc.yml",
        "chapters/05_transformer/a_trial.ipynb",
        "recbyhand/exercises/transformer/a_trial.py",
        "recbyhand/exercises/transformer/a_trial.toml",
        "tests/exercises/wrong_answers/transformer/a_trial.py",
    ]
    assert not any("skeleton" in (copy / name).read_text(encoding="utf8").lower() for name in written)
    assert "ran" in run("book/_ext/lessons.py", "chapters/05_transformer/a_trial.ipynb")
    tests = [
        "tests/book/test_lessons.py",
        "tests/exercises/test_notebooks.py",
        "tests/exercises/test_wrong_answers.py",
    ]
    said = run(
        "-m",
        "pytest",
        "-q",
        "-rs",
        "-p",
        "no:cacheprovider",
        *tests,
        "-k",
        "a_trial or a-trial or agree or lint",
    )
    assert "not executed" not in said, "stubs and solutions were looked at"


@pytest.mark.parametrize(
    ("lesson", "said"),
    [
        ("bst", "give the chapter's folder and a name"),
        ("05_transformer/Bst", "give the chapter's folder and a name"),
        ("05_transformer/../x", "give the chapter's folder and a name"),
        ("99_nowhere/x", r"write chapters/99_nowhere/index\.md"),
        ("04_interest/din", "is there already; give the lesson another name"),
    ],
)
def test_what_stands_in_the_way_is_said_and_nothing_is_written(copy, lesson, said):
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=said):
        new_lesson.write(copy, lesson)
    assert before == {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()}


def test_a_chapter_gets_its_first_lesson():
    toc = "parts:\n  - caption: Lessons\n    chapters:\n      - file: chapters/06_graph/index\n  - caption: Reference\n"
    there = "index\n        sections:\n          - file: chapters/06_graph/messages\n  - caption: Reference"
    first = new_lesson.listed(toc, "06_graph", "messages")
    assert there in first
    second = new_lesson.listed(first, "06_graph", "beyond")
    assert second.index("06_graph/messages") < second.index("          - file: chapters/06_graph/beyond")
