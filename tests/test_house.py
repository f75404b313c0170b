"""The house itself: what is kept of a lesson's run, when it is run again, formulas, addresses, a fork's whole book."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import formulas
import house
import lessons
import nbformat
import publish
import pytest
import yaml
from browsing import ROOT

FIRST = (ROOT / "chapters" / "first_cell.py").read_text(encoding="utf8")


def notebook(*cells: str | tuple[str, list[str]], title: str = "# A lesson\n\nSome words about it.") -> str:
    made = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    made.cells.append(nbformat.v4.new_markdown_cell(title))
    for cell in cells:
        source, tags = cell if isinstance(cell, tuple) else (cell, [])
        made.cells.append(nbformat.v4.new_code_cell(source, metadata={"tags": tags}))
    return nbformat.writes(made)


# --- what is kept of a run ---------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A book of one lesson in a folder of its own; writing the lesson is `small(text)`."""
    monkeypatch.setattr(lessons, "ROOT", tmp_path)
    monkeypatch.setattr(lessons, "KEPT", tmp_path / "kept")
    monkeypatch.delenv("RECBYHAND_DATA", raising=False)
    (tmp_path / "recbyhand").mkdir()
    (tmp_path / "recbyhand" / "model.py").write_text("x = 1")
    for folder in ("exercises/x", "widgets"):
        (tmp_path / "recbyhand" / folder).mkdir(parents=True)
    (tmp_path / "requirements.txt").write_text("torch==1")
    (tmp_path / "benchmarks" / "results" / "x").mkdir(parents=True)
    path = tmp_path / "chapters" / "01_x" / "lesson.ipynb"
    path.parent.mkdir(parents=True)

    def write(text: str) -> Path:
        path.write_text(text, encoding="utf8")
        lessons._library.cache_clear()
        return path

    yield write
    lessons._library.cache_clear()


def test_key_changes_with_all_that_a_lesson_depends_on_and_with_nothing_else(small, tmp_path, monkeypatch):
    code = "rbh.recorded('x/ladder')\nrbh.widgets.MyWidget()"
    path = small(notebook(code))
    seen = {lessons.key(path)}

    def is_new() -> bool:
        lessons._library.cache_clear()
        before = len(seen)
        seen.add(lessons.key(path))
        return len(seen) > before

    assert not is_new()
    small(notebook(code, title="# Other words"))
    assert not is_new(), "prose is no reason to run"
    for file, depends in {
        "recbyhand/model.py": True,
        "recbyhand/new.py": True,
        "requirements.txt": True,
        "recbyhand/exercises/engine.py": True,
        "recbyhand/exercises/quizzes.py": True,
        "recbyhand/exercises/x/lesson.py": True,
        "recbyhand/exercises/x/another.py": False,
        "recbyhand/exercises/lesson.py": False,
        "recbyhand/widgets/my_widget.py": True,
        "recbyhand/widgets/my_widget.js": False,  # a page carries the scripts of today: see widget_sources.py
        "recbyhand/widgets/base.py": True,
        "recbyhand/widgets/core.js": False,
        "benchmarks/results/x/ladder.csv": True,
        "benchmarks/results/ladder.csv": False,
        "benchmarks/results/x/another.csv": False,
        "chapters/01_x/ladder.json": True,
        "chapters/01_x/another.json": False,
    }.items():
        (tmp_path / file).write_text("x = 2")
        assert is_new() == depends, file
    for file in ("another.py", "another.js", "__init__.py"):
        (tmp_path / "recbyhand/widgets" / file).write_text("x = 3")
    assert not is_new(), "another widget"
    small(notebook("print('ladder!')"))
    assert is_new()
    (tmp_path / "recbyhand/widgets/base.py").write_text("x = 3")
    assert not is_new(), "a lesson without widgets"
    small(notebook(("print('ladder!')", ["raises-exception"])))
    assert is_new(), "a tag can change what happens"
    (tmp_path / "data" / "ml-100k").mkdir(parents=True)
    monkeypatch.setenv("RECBYHAND_DATA", str(tmp_path / "data"))
    (tmp_path / "data" / "ml-100k" / "u.data").write_text("1\t2\t3\t4")
    assert is_new(), "data that are present"


def test_runs_once_and_again_only_when_it_must(small, tmp_path):
    path = small(notebook("import pathlib, os\nprint('ran')\nopen('count', 'a').write('x');"))
    first, second = lessons.outputs(path), lessons.outputs(path)
    assert (first["ran"], second["ran"]) == (True, False)
    assert (path.parent / "count").read_text() == "x"
    assert first["outputs"] == second["outputs"]
    assert first["seconds"] > 0
    assert first["peak_mb"] > 20
    (tmp_path / "recbyhand" / "model.py").write_text("x = 3")
    lessons._library.cache_clear()
    assert lessons.outputs(path)["ran"]
    shown = json.loads(lessons.with_outputs(path, path.read_text(), second))
    assert (
        shown["cells"][1]["outputs"][0]["text"] == ["ran\n"]
        or shown["cells"][1]["outputs"][0]["text"] == "ran\n"
    )
    assert not json.loads(path.read_text())["cells"][1]["outputs"], "the source stays without outputs"


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("x = 1\nraise ValueError('no such film')", "code cell 2: ValueError: no such film"),
        ("import sys\nprint('hm', file=sys.stderr)", "code cell 2 wrote to stderr:\nhm"),
        ("import os\nos._exit(1)", "code cell 2: "),
    ],
)
def test_failing_cell_is_named(small, cell, says):
    path = small(notebook("a = 1", cell))
    with pytest.raises(lessons.LessonFailed) as error:
        lessons.outputs(path)
    assert str(error.value).startswith("chapters/01_x/lesson.ipynb, ")
    assert says in str(error.value)
    assert "\x1b" not in str(error.value)
    with pytest.raises(lessons.LessonFailed):  # a failure is not kept
        lessons.outputs(path)


def test_stderr_may_be_allowed(small):
    cell = ("import sys\nprint('hm', file=sys.stderr)", ["stderr-ok"])
    assert lessons.outputs(small(notebook(cell)))["outputs"][0][0]["name"] == "stderr"


# --- formulas ----------------------------------------------------------------------------------------------------


def test_formula_is_html_and_mathml():
    html = formulas.render(r"\hat y = \sigma(w^\top x)", display=True)
    assert "katex-html" in html
    assert "<math" in html


@pytest.mark.parametrize("tex", [r"\frac{1}{", r"\nosuchmacro", "x_", "a & b", "中"])
def test_formula_that_cannot_be_read(tex):
    with pytest.raises(ValueError, match=r"KaTeX|LaTeX"):
        formulas.render(tex)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("a = b", "a = b"),
        (r"a &= b \\ &= c", r"\begin{aligned}a &= b \\ &= c\end{aligned}"),
        ("a\n\nb", r"\begin{aligned}a\\b\end{aligned}"),
        (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}"),
        (r"\begin{align} a &= b \end{align}", r"\begin{align*} a &= b \end{align*}"),
        (
            r"x = \begin{cases} \begin{matrix}1 & 2\end{matrix} & y \end{cases}",
            r"x = \begin{cases} \begin{matrix}1 & 2\end{matrix} & y \end{cases}",
        ),
    ],
)
def test_display_source(given, wanted):
    assert formulas.display_source(given) == wanted
    formulas.render(wanted, display=True)


# --- addresses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({"RECBYHAND_REPOSITORY": "https://github.com/a/b.git"}, "https://github.com/a/b"),
        ({"RECBYHAND_REPOSITORY": "git@github.com:a/b.git"}, "https://github.com/a/b"),
        ({"RECBYHAND_REPOSITORY": "ssh://git@gitlab.example.org/a/b/c"}, "https://gitlab.example.org/a/b/c"),
        ({"RECBYHAND_REPOSITORY": "https://token:x@github.com/a/b"}, "https://github.com/a/b"),
        ({"RECBYHAND_REPOSITORY": "/srv/git/b"}, None),
        ({"RECBYHAND_REPOSITORY": ""}, None),
        ({"RECBYHAND_REPOSITORY": "", "GITHUB_REPOSITORY": "a/b"}, None),
        ({"GITHUB_REPOSITORY": "a/b"}, "https://github.com/a/b"),
        (
            {"GITHUB_REPOSITORY": "a/b", "GITHUB_SERVER_URL": "https://git.example.org"},
            "https://git.example.org/a/b",
        ),
    ],
)
def test_repository_address(environment, wanted):
    assert house.repository(environment) == wanted


def test_repository_from_the_remote(monkeypatch):
    monkeypatch.setattr(house, "_git", lambda *_: "git@github.com:someone/a-fork.git")
    assert house.repository({}) == "https://github.com/someone/a-fork"
    monkeypatch.setattr(house, "_git", lambda *_: "")
    assert house.repository({}) is None


def test_no_address_no_button():
    assert house.launch_links(None, "", "chapters/01_mlp/features") == []


def test_buttons_elsewhere_than_github():
    links = house.launch_links("https://git.example.org/a/b", "abc", "chapters/x")
    assert [link["text"] for link in links] == ["Binder"]
    assert links[0]["url"].startswith(
        "https://mybinder.org/v2/git/https%3A%2F%2Fgit.example.org%2Fa%2Fb/abc?"
    )


def test_publishing_needs_the_first_cell():
    where = publish.address("https://github.com/a/b.git", "abc")
    assert where == "git+https://github.com/a/b@abc"
    assert where in publish.fill(notebook(FIRST), where)
    with pytest.raises(ValueError, match="first cell"):
        publish.fill(notebook("x = 1"), where)


# --- a fork's whole book -----------------------------------------------------------------------------------------


def _copy(folder: Path, text: str) -> Path:
    """The book in a folder of its own, with one lesson."""
    for name in ("book", "recbyhand"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("_config.yml", "requirements.txt"):
        shutil.copy(ROOT / name, folder)
    for table, columns in (("source_map", "id,lesson,anchor,note"), ("errata", "id,lesson,anchor,test")):
        (folder / "book" / f"{table}.csv").write_text(columns + "\n")
    for page in (folder / "book").glob("*.md"):
        if page.stem != "notation":
            page.unlink()
    for page in ("index", "glossary"):  # ours point at other lessons
        (folder / "book" / f"{page}.md").write_text(f"# {page}\n")
    lesson = folder / "chapters" / "01_x" / "lesson.ipynb"
    lesson.parent.mkdir(parents=True)
    lesson.write_text(text, encoding="utf8")
    files = ["book/notation", "book/glossary", "chapters/01_x/lesson"]
    toc = {"format": "jb-book", "root": "book/index", "chapters": [{"file": file} for file in files]}
    (folder / "_toc.yml").write_text(yaml.safe_dump(toc))
    return folder


def _build(folder: Path, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(folder / "book" / "build.py")]
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "RECBYHAND_"))}
    return subprocess.run(command, env=keep | environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def fork(tmp_path_factory):
    text = notebook('PUBLISHED = ""\nprint("hello")', title="(a-lesson)=\n# A lesson\n\nWith $x^2$ in it.")
    folder = _copy(tmp_path_factory.mktemp("fork"), text)
    done = _build(folder, RECBYHAND_REPOSITORY="https://github.com/someone/a-fork", RECBYHAND_COMMIT="c0ffee")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_fork_gets_its_own_buttons(fork):
    site = fork / "_build" / "html"
    page = (site / "chapters" / "01_x" / "lesson.html").read_text(encoding="utf8")
    colab = (
        "https://colab.research.google.com/github/someone/a-fork/blob/notebooks/chapters/01_x/lesson.ipynb"
    )
    binder = "https://mybinder.org/v2/gh/someone/a-fork/c0ffee?urlpath=lab/tree/notebooks/chapters/01_x/lesson.ipynb"
    links = re.findall(r'href="([^"]+)"', page)
    assert colab in links
    assert binder in links
    assert "https://github.com/someone/a-fork" in links
    other = (site / "book" / "notation.html").read_text(encoding="utf8")
    assert "colab.research" not in other
    download = json.loads(
        (site / "_sources" / "chapters" / "01_x" / "lesson.ipynb").read_text(encoding="utf8")
    )
    assert "git+https://github.com/someone/a-fork@c0ffee" in "".join(download["cells"][1]["source"])


def test_second_build_changes_nothing_and_runs_nothing(fork):
    page = fork / "_build" / "html" / "chapters" / "01_x" / "lesson.html"
    before = page.stat().st_mtime_ns
    done = _build(fork, RECBYHAND_REPOSITORY="https://github.com/someone/a-fork", RECBYHAND_COMMIT="c0ffee")
    assert done.returncode == 0
    assert re.search(r"01_x/lesson .* kept", done.stdout)
    assert page.stat().st_mtime_ns == before


def test_no_address_no_button_in_the_page_and_a_changed_package_shows(fork):
    (fork / "recbyhand" / "new.py").write_text("x = 1")
    done = _build(fork, RECBYHAND_REPOSITORY="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"01_x/lesson .* ran", done.stdout)
    page = (fork / "_build" / "html" / "chapters" / "01_x" / "lesson.html").read_text(encoding="utf8")
    for word in ("colab", "mybinder", "a-fork", "fa-rocket"):
        assert word not in page.lower()


FAULTS = {
    r"Broken: $\frac{1}{$": r"lesson.ipynb:\d+: WARNING: formula: KaTeX parse error",
    "See {eq}`eq-nowhere`.": r"lesson.ipynb:\d+: WARNING: equation not found: eq-nowhere",
    "See [](no_such_page.md).": r"lesson.ipynb:\d+: WARNING: .*no_such_page",
    "See {ref}`nowhere`.": r"lesson.ipynb:\d+: WARNING: undefined label: 'nowhere'",
    "![A picture](none.png)": r"lesson.ipynb:\d+: WARNING: .*none.png",
}


def test_a_warning_fails_the_build_and_says_where_each_time(fork):
    lesson = fork / "chapters" / "01_x" / "lesson.ipynb"
    whole = lesson.read_text(encoding="utf8")
    text = "# A lesson\n\n" + "\n\n".join(FAULTS)
    try:
        lesson.write_text(notebook('PUBLISHED = ""\nprint("hello")', title=text), encoding="utf8")
        for _ in range(2):
            done = _build(fork, RECBYHAND_REPOSITORY="")
            assert done.returncode
            told = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
            for says in FAULTS.values():
                assert re.search(says, told), told
    finally:
        lesson.write_text(whole, encoding="utf8")


# --- files -------------------------------------------------------------------------------------------------------


CHAPTERS = {path.name.partition("_")[2]: path for path in sorted((ROOT / "chapters").glob("[0-9]*"))}
PLACES = {  # what belongs to a lesson, by the lesson's name
    "its checks": "recbyhand/exercises/{}.py",
    "its practice": "recbyhand/exercises/{}.toml",
    "its planted wrong answers": "tests/exercises/wrong_answers/{}.py",
    "its guards of errata": "tests/errata/{}.py",
    "what its models must learn": "tests/learning/{}.py",
    "its measurement": "benchmarks/{}.py",
    "its results": "benchmarks/results/{}.csv",
}


@pytest.mark.parametrize("what", PLACES)
def test_one_lesson_has_one_name(what):
    """Who knows a lesson finds all that belongs to it by its name. A further table is read by a lesson beside it."""
    folder, kind = PLACES[what].split("/{}")
    for chapter, lessons_of in CHAPTERS.items():
        names = {path.stem for path in lessons_of.glob("*.ipynb")}
        text = "".join(path.read_text(encoding="utf8") for path in lessons_of.glob("*.ipynb"))
        for path in sorted((ROOT / folder / chapter).glob(f"*{kind}")):
            name = path.stem.removeprefix("test_")
            read = folder.startswith("benchmarks") and f"{chapter}/{name}" in text
            assert name in names or read or name == "__init__", (
                f"{path.relative_to(ROOT)} has the name of no lesson in {lessons_of.relative_to(ROOT)}/: rename it as "
                f"the lesson is called whose {what.removeprefix('its ')} it holds ({', '.join(sorted(names))})"
            )
        if kind == ".toml" or what in ("its checks", "its planted wrong answers"):
            here = {path.stem for path in (ROOT / folder / chapter).glob(f"*{kind}")}
            assert names <= here, f"{folder}/{chapter}/{(names - here).pop()}{kind} is missing: {what}"


def test_the_walk_from_a_row_to_a_metric_names_what_is_there():
    """README, *Where things are*: each of ten steps names a file, and what it says of a file stands in it."""
    text = (ROOT / "README.md").read_text(encoding="utf8").split("## Where things are")[1].split("\n## ")[0]
    steps = re.split(r"\n\d+\. ", text.split("\n\nA lesson is")[0])[1:]
    assert len(steps) == 10, f"README.md, Where things are: {len(steps)} steps, ten are promised"
    for step in steps:
        file, *words = re.findall(r"`([^`]+)`", step)
        assert (ROOT / file).is_file(), f"README.md, Where things are: there is no {file}"
        here = (ROOT / file).read_text(encoding="utf8")
        for word in (word for word in words if re.fullmatch(r"\w+", word)):
            assert re.search(rf"(def|class) {word}\b", here), (
                f"README.md, Where things are: no {word} in {file}"
            )


def test_requirements_are_pinned():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    for line in lines:
        if line and not line.startswith("#"):
            assert re.match(r"[\w.-]+==[\w.]+(?: ; .*)?$", line), line
    pinned = dict(
        line.split(" ;")[0].split("==") for line in lines if "==" in line and not line.startswith("#")
    )
    assert pinned["torch"] == "2.13.0"
    assert pinned["jupyter-book"].startswith("1.")


def test_workflow_and_binder_are_well_formed():
    flow = yaml.safe_load((ROOT / ".github" / "workflows" / "book.yml").read_text(encoding="utf8"))
    steps = [step.get("run", "") for step in flow["jobs"]["test"]["steps"]]
    assert ".ci/run" in steps
    assert any("publish.py" in step for step in steps)
    for name in ("postBuild", "start"):
        assert os.access(ROOT / "binder" / name, os.X_OK)
    assert "movielens" not in (ROOT / "binder" / "postBuild").read_text(), "an image must not carry the data"


def test_katex_is_the_version_it_says():
    version = (ROOT / "book" / "_static" / "katex" / "VERSION").read_text().strip()
    assert formulas._engine().eval("katex.version") == version
    style = (ROOT / "book" / "_static" / "katex" / "katex.min.css").read_text(encoding="utf8")
    for font in re.findall(r"url\(([^)]+)\)", style):
        assert (ROOT / "book" / "_static" / "katex" / font).is_file(), font
