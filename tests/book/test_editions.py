"""The class edition holds no solution, wherever one looks; a stub cannot drift from its solution."""

from __future__ import annotations

import ast
import difflib
import html
import json
import os
import re
from pathlib import Path

import editions
import lessons
import nbformat
import pytest

import tests.test_house as house_tests
from recbyhand.exercises.classroom import student_notebook

from .paths import ROOT

LESSONS = lessons.listed()
CLASS = Path(os.environ.get("RECBYHAND_CLASS_SITE", ROOT / "_build" / "class" / "_build" / "html"))
SHORT = 14  # a shorter line, such as `x = 1`, may stand anywhere


def solutions(path: Path) -> list:
    return [c for c in lessons.read(path).cells if "solution" in c.metadata.get("tags", ())]


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def secrets() -> dict[str, str]:
    """{line or sentence that only a solution holds: where it stands}: lines of code, comments, what a pass is told."""
    open_text = "".join(
        squeezed(cell.source)
        for path in LESSONS
        for cell in lessons.read(path).cells
        if "solution" not in cell.metadata.get("tags", ())
    )
    package = "".join(squeezed(p.read_text(encoding="utf8")) for p in (ROOT / "recbyhand").rglob("*.py"))
    found = {}
    for path in LESSONS:
        for cell in solutions(path):
            for line in cell.source.splitlines():
                line = line.strip()
                if len(line) >= SHORT and squeezed(line) not in open_text and squeezed(line) not in package:
                    found[line] = path.stem
    return found


SECRETS = secrets()


def text_of(path: Path) -> str:
    """What a file says, without markup: code in a page is cut into spans."""
    text = path.read_text(encoding="utf8", errors="ignore")
    if path.suffix == ".html":
        text = html.unescape(re.sub(r"<[^>]+>", "", text))
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(cell["source"]) + json.dumps(cell.get("outputs", "")) for cell in cells)
    return squeezed(text)


def leaks(site: Path) -> list[str]:
    """Which solutions a built site gives away, and where."""
    found = []
    for path in site.rglob("*"):
        if (
            path.suffix in {".html", ".js", ".json", ".ipynb", ".md", ".txt", ".xml", ".inv"}
            and path.is_file()
        ):
            if "_static" in path.parts and path.suffix != ".json" and path.name != "search-text.js":
                continue
            text = text_of(path)
            found += [f"{path.relative_to(site)}: {line}" for line in SECRETS if squeezed(line) in text]
            if path.suffix == ".html" and re.search(r"tag_solution|@title Solution|Show the solution", text):
                found.append(f"{path.relative_to(site)}: a solution's cell")
    return found


def test_there_is_something_to_look_for():
    assert len(SECRETS) > 300
    assert len(set(SECRETS.values())) >= 41


@pytest.mark.parametrize("path", LESSONS, ids=[path.stem for path in LESSONS])
def test_the_class_edition_of_a_lesson_is_what_a_student_is_handed(path):
    text = path.read_text(encoding="utf8")
    edited = nbformat.reads(editions.edited(text, "class"), as_version=4)
    handed = student_notebook(nbformat.reads(text, as_version=4))
    assert [c.source for c in edited.cells] == [c.source for c in handed.cells]
    said = squeezed(json.dumps(edited, ensure_ascii=False))
    assert not [line for line in SECRETS if squeezed(line) in said]


def test_the_teacher_s_edition_unfolds_and_the_ordinary_one_is_untouched():
    path = next(path for path in LESSONS if path.stem == "din")
    text = path.read_text(encoding="utf8")
    assert editions.edited(text, "") == text
    shown = nbformat.reads(editions.edited(text, "teacher"), as_version=4)
    tags = [c.metadata.tags for c in shown.cells if "solution" in c.metadata.get("tags", ())]
    assert len(tags) == len(solutions(path))
    assert all("hide-cell" not in t for t in tags)


def test_an_unknown_edition_is_told_what_there_is(monkeypatch):
    monkeypatch.setenv("RECBYHAND_EDITION", "klass")
    with pytest.raises(ValueError, match="choose from class, teacher"):
        editions.edition()


@pytest.mark.skipif(not CLASS.is_dir(), reason="`make book EDITION=class` was not run")
def test_no_trace_in_what_was_built():
    """Pages, downloads and search index."""
    assert len(list(CLASS.rglob("*.html"))) > 50
    assert leaks(CLASS) == []


def test_a_leak_is_seen(site):
    """The ordinary edition gives all away, in pages and in downloads. Folded cells are no text of the search."""
    found = leaks(site)
    assert len([leak for leak in found if leak.startswith("chapters/")]) > 200
    assert any(leak.startswith("_sources/chapters/") for leak in found)


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
        if len(line) < SHORT or PLACE.search(line) or line in lines:
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
