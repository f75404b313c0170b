"""The class edition holds no solution, wherever one looks; a stub cannot drift from its solution."""

from __future__ import annotations

import ast
import difflib
import html
import json
import os
import re
from collections import Counter
from pathlib import Path

import editions
import leaks
import lessons
import nbformat
import pytest

import tests.test_house as house_tests
from recbyhand.exercises import classroom
from recbyhand.exercises.classroom import CHECK, student_notebook

from .paths import ROOT

LESSONS = lessons.listed()
CLASS = Path(os.environ.get("RECBYHAND_CLASS_SITE", ROOT / "_build" / "class" / "_build" / "html"))


SECRETS = leaks.secrets()


def test_there_is_something_to_look_for_in_every_solution():
    """Also what a check says when it has passed: that names the answer as often as not."""
    asked = {name for path in LESSONS for c in leaks.solutions(path) for name in CHECK.findall(c.source)}
    assert {one.exercise for one in SECRETS} == asked
    counts = Counter(one.what for one in SECRETS)
    assert counts["code"] > 200
    assert counts["line"] > 400


@pytest.mark.parametrize("path", LESSONS, ids=[path.stem for path in LESSONS])
def test_the_class_edition_of_a_lesson_is_what_a_student_is_handed(path):
    text = path.read_text(encoding="utf8")
    edited = nbformat.reads(editions.edited(text, "class"), as_version=4)
    handed = student_notebook(nbformat.reads(text, as_version=4))
    assert [c.source for c in edited.cells] == [c.source for c in handed.cells]
    said = leaks.squeezed("\n".join(c.source for c in edited.cells))
    assert not [one for one in SECRETS if one.what != "word" and leaks.squeezed(one.text) in said]


def test_the_teacher_s_edition_unfolds_and_the_ordinary_one_is_untouched():
    path = next(path for path in LESSONS if path.stem == "din")
    text = path.read_text(encoding="utf8")
    assert editions.edited(text, "") == text
    shown = nbformat.reads(editions.edited(text, "teacher"), as_version=4)
    tags = [c.metadata.tags for c in shown.cells if "solution" in c.metadata.get("tags", ())]
    assert len(tags) == len(leaks.solutions(path))
    assert all("hide-cell" not in t for t in tags)


def test_an_unknown_edition_is_told_what_there_is(monkeypatch):
    monkeypatch.setenv("RECBYHAND_EDITION", "klass")
    with pytest.raises(ValueError, match="choose from class, teacher"):
        editions.edition()


@pytest.mark.skipif(not CLASS.is_dir(), reason="`make book EDITION=class` was not run")
def test_no_trace_in_what_was_built():
    """Pages, downloads, the data of the search. (The build itself ends with this search, too.)"""
    assert len(list(CLASS.rglob("*.html"))) > 50
    assert leaks.leaks(CLASS, SECRETS) == []


def test_what_is_handed_out_holds_no_solution(tmp_path):
    classroom.export(tmp_path, [path for path in LESSONS if "chapters" in path.parts])
    assert len(list(tmp_path.rglob("*.ipynb"))) > 40
    assert leaks.leaks(tmp_path, SECRETS) == []


def test_a_leak_is_seen(site):
    """The ordinary edition gives all away, in pages and in downloads. Folded cells are no text of the search."""
    found = leaks.leaks(site, SECRETS)
    given_away = {leak.split(": ")[1].split(",")[0] for leak in found}
    assert given_away >= {one.exercise for one in SECRETS}
    assert any(leak.startswith("_sources/chapters/") for leak in found)


LINE = "hits = (rank[:, None] < k) & known  # \u201ctop k\u201d, each row's own"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "page.html",
            "<i>hits</i> = (rank[:, <i>None</i>] &lt; k) &amp; known  # \u201ctop k\u201d, each row\u2019s own",
        ),
        (
            "page.html",
            '<button data-copy="hits = (rank[:, None] &lt; k) &amp; known  # top k, each row\'s own">',
        ),
        ("search-text.js", json.dumps({"text": "so: " + LINE})),
        ("lesson.ipynb", json.dumps({"cells": [{"source": ["x\n", LINE]}]})),
        ("deep/notes.md", "HITS = (rank[:, None]\n < k) & known # 'top k', each row's own"),
    ],
)
def test_a_line_is_found_however_it_is_written(tmp_path, name, text):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text, encoding="utf8")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    assert leaks.leaks(tmp_path, [leaks.Secret("x-1", "line", LINE)]) == [f"{name}: x-1, line: {LINE}"]
    assert leaks.leaks(tmp_path, [leaks.Secret("x-1", "line", "hits = (rank < k) & known")]) == []


def test_the_command_says_what_it_searched(tmp_path, capsys):
    (tmp_path / "page.html").write_text("<p>nothing</p>")
    assert leaks.main([str(tmp_path)]) == 0
    assert "1 files searched" in capsys.readouterr().out
    one = next(one for one in SECRETS if one.what == "code")
    (tmp_path / "page.html").write_text(html.escape(one.text))
    assert leaks.main([str(tmp_path)]) == 1
    assert f"page.html: {one.exercise}" in capsys.readouterr().out


@pytest.mark.timeout(900)  # two builds
def test_a_small_book_loses_its_solutions(tmp_path):
    """Built twice in one place: first as usual, then for a class. Nothing of the first is left lying about."""
    cells = [
        'PUBLISHED = ""\nimport recbyhand as rbh',
        ("number = ...\nprint(number)", ["exercise"]),
        ("# @title Solution\nquokkas = 41 + 1\nprint('zanzibar', quokkas)", ["solution", "hide-cell"]),
    ]
    folder = house_tests._copy(tmp_path, house_tests.notebook(*cells, title="# A lesson\n\nWith words."))
    site, found = folder / "_build" / "html", {}
    for name in ("", "class"):
        done = house_tests._build(folder, RECBYHAND_REPOSITORY="", RECBYHAND_EDITION=name)
        assert done.returncode == 0, done.stdout + done.stderr
        files = [p for p in site.rglob("*") if p.is_file() and p.suffix not in (".woff2", ".png", ".pickle")]
        hits = [
            p for p in files if re.search("quokka|zanzibar", p.read_text(encoding="utf8", errors="ignore"))
        ]
        found[name] = {p.relative_to(site).as_posix() for p in hits}
        assert "number" in (site / "_sources" / "chapters" / "01_x" / "lesson.ipynb").read_text(
            encoding="utf8"
        )
    assert found[""] >= {"chapters/01_x/lesson.html", "_sources/chapters/01_x/lesson.ipynb"}
    assert found["class"] == set()


def test_the_search_index_forgets(tmp_path, monkeypatch):
    """Another edition in the same place: Sphinx alone would keep the words of the one before."""
    from sphinx.testing.util import SphinxTestApp

    (tmp_path / "conf.py").write_text("extensions = ['editions']\n")
    found = []
    for name, text in (("", "a quokka"), ("class", "nobody")):
        monkeypatch.setenv("RECBYHAND_EDITION", name)
        (tmp_path / "index.rst").write_text(f"Title\n=====\n\nHere is {text}.\n")
        app = SphinxTestApp("html", srcdir=tmp_path)
        app.build()
        app.cleanup()
        found.append("quokka" in (app.outdir / "searchindex.js").read_text(encoding="utf8"))
    assert found == [True, False]


def test_translators_get_every_text_of_a_practice():
    text = editions.template()
    assert 'msgid "Tap the line that comes next. Not every line need belong."' in text
    assert "recbyhand/exercises/interest/din.toml" in text
    assert "A fourth film joins" in text
    assert "setup" not in text


# Stub and solution stand side by side in the notebook. What is given in one must be given in the other. -----------

PLACE = re.compile(r"\.\.\.")


def pairs():
    for path in LESSONS:
        stub = None
        for cell in lessons.read(path).cells:
            tags = cell.metadata.get("tags", ())
            stub = cell if "exercise" in tags else stub
            if "solution" in tags:
                yield (
                    f"{path.stem}: {re.search(r'rbh.check..([a-z0-9-]+)', cell.source)[1]}",
                    stub.source,
                    cell.source,
                )


def signatures(source: str) -> dict[str, str]:
    return {
        node.name: ast.unparse(node.args)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
    }


def drift(stub: str, solution: str) -> list[str]:
    """What a stub says differently from its solution: a head, a name to be set, a given line that nearly agrees."""
    said = []
    mine, theirs = signatures(stub), signatures(solution)
    said += [
        f"def {n}({mine[n]}) and def {n}({theirs[n]})" for n in mine if n in theirs and mine[n] != theirs[n]
    ]
    asked = set(re.findall(r"^(\w+)(?:: \w+)? = \.\.\.", stub, flags=re.M))
    said += [f"{name} is never set" for name in sorted(asked) if not re.search(rf"\b{name}\b.*=", solution)]
    lines = [line.partition("#")[0].strip() for line in solution.splitlines()]
    for line in stub.splitlines():
        line = line.partition("#")[0].strip()
        if len(line) < leaks.SHORT or PLACE.search(line) or line in lines:
            continue
        near = difflib.get_close_matches(line, [x for x in lines if x], n=1, cutoff=0.92)
        said += [f"{line!r} and {near[0]!r}"] if near else []
    return said


@pytest.mark.parametrize(("name", "stub", "solution"), [pytest.param(*p, id=p[0]) for p in pairs()])
def test_stub_and_solution_do_not_drift(name, stub, solution):
    assert drift(stub, solution) == []


@pytest.mark.parametrize(
    ("stub", "solution", "said"),
    [
        ("x = ...\nrbh.check('a-1', x)", "x = 4\nrbh.check('a-1', x)", ""),
        ("def f(a, b):\n    ...", "def f(b, a):\n    return a", "def f(a, b) and def f(b, a)"),
        ("x = ...", "y = 4", "x is never set"),
        ("films = torch.tensor([1, 2])\nx = ...", "films = torch.tensor([1, 3])\nx = 4", "films"),
    ],
)
def test_drift_is_seen(stub, solution, said):
    found = drift(stub, solution)
    assert (said in found[0]) if said else found == []
