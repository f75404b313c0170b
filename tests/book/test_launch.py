"""A published notebook in an environment like Colab's: it installs this very version and touches nothing.

The address is that of a made-up fork, replaced by a clone on this machine. Colab's packages are those of this
environment, minus what Colab does not have; they are linked, not copied, so that this takes seconds.
"""

from __future__ import annotations

import csv
import importlib.metadata as metadata
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import lessons
import plain
import publish
import pytest

from .paths import ROOT

COLAB = re.findall(r"^[\w-]+$", (ROOT / "binder" / "colab.txt").read_text(encoding="utf8"), flags=re.M)
FORK = "https://github.com/made-up/fork"
MISSING = {"recbyhand", "jupyter-book", "sphinx", "anywidget", "pooch"}
MOST_SECONDS = 20  # of the first cell, which installs the package
RUN = """
import json, sys, nbformat, nbclient
notebook = nbformat.read(sys.argv[1], as_version=4)
first = next(i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code")
spent = "import os; t = os.times(); print(sum(t[:4]))"  # of the kernel and of what it has started: pip
notebook.cells.insert(first + 1, nbformat.v4.new_code_cell(spent))
nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
cpu = float(notebook.cells[first + 1].outputs[0].text)
from datetime import datetime
at = {name: datetime.fromisoformat(when) for name, when in notebook.cells[first].metadata.execution.items()}
wall = (at["shell.execute_reply"] - at["iopub.execute_input"]).total_seconds()
print(json.dumps({"cells": len(notebook.cells) - 1, "first_cell_s": round(wall, 1), "first_cell_cpu_s": round(cpu, 1)}))
"""


def _closure(names: list[str]) -> set[str]:
    found, waiting = set(), [name.lower() for name in names]
    while waiting:
        name = waiting.pop()
        if name in found | MISSING:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        for line in distribution.requires or ():
            if "extra ==" not in line:
                waiting.append(re.match(r"[\w.-]+", line)[0].lower())
    return found


def _colab(folder: Path) -> Path:
    """A new environment that sees Colab's kind of packages; its Python."""
    venv.create(folder / "env", with_pip=True, symlinks=os.name != "nt")
    packages = folder / "packages"
    packages.mkdir()
    for name in _closure(COLAB):
        for file in metadata.distribution(name).files or ():
            top = file.parts[0]
            if top != ".." and not (packages / top).exists() and not top.endswith(".pth"):
                (packages / top).symlink_to(
                    Path(file.locate()).parents[len(file.parts) - 2] if len(file.parts) > 1 else file.locate()
                )
    python = folder / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    where = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    )
    (Path(where.strip()) / "colab.pth").write_text(str(packages))
    return python


def _versions(python: Path) -> dict[str, str]:
    listed = subprocess.check_output([python, "-m", "pip", "list", "--format=json"], text=True)
    return {one["name"].lower(): one["version"] for one in json.loads(listed)}


def _quickest() -> Path:
    rows = list(csv.DictReader((ROOT / "_build" / "lessons.csv").open(encoding="utf8")))
    return ROOT / (min(rows, key=lambda row: float(row["seconds"]))["lesson"] + ".ipynb")


def launched(lesson: Path, tmp_path: Path) -> dict:
    """Run a published lesson where Colab's kind of packages is, and nothing of ours; what it took.

    The first cell's processor seconds, pip's among them, are what another program on this machine changes least.
    """
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=ROOT, text=True).strip()
    subprocess.run(["git", "clone", "--quiet", ROOT.as_uri(), tmp_path / "clone"], check=True)
    text = publish.notebook(
        lesson, plain.Places.of_book(publish.site_of(FORK)), publish.address(FORK, commit)
    )
    assert f"git+{FORK}@{commit}" in text
    (tmp_path / "content").mkdir()
    notebook = tmp_path / "content" / lesson.name
    notebook.write_text(text.replace(FORK, (tmp_path / "clone").as_uri()), encoding="utf8")

    python = _colab(tmp_path)
    before = _versions(python)
    assert "torch" in before
    assert not MISSING & set(before)
    clean = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV", "RECBYHAND_DATA"}}
    data = {"RECBYHAND_DATA": folder} if (folder := lessons.data_folder()) else {}
    command = [python, "-c", RUN, notebook]
    done = subprocess.run(command, cwd=tmp_path / "content", env=clean | data, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]

    after = _versions(python)
    assert "recbyhand" in after
    assert "jupyter-book" not in after
    assert {name: after.get(name) for name in before} == before, "something that was there has changed"
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.timeout(600)
@pytest.mark.skipif(not os.environ.get("RECBYHAND_SLOW"), reason="takes minutes: `make test-launch`")
def test_published_notebook_runs_where_colab_would(tmp_path):
    took = launched(_quickest(), tmp_path)
    print(took)
    assert took["cells"] > 10
    assert 0 < took["first_cell_cpu_s"] <= MOST_SECONDS


@pytest.mark.parametrize(
    ("published", "says"),
    [("", "in a copy of its repository"), ("git+file:///nowhere@0", "Is there a network?")],
)
def test_first_cell_explains_itself(tmp_path, published, says):
    """No package, and no address or no way to reach it: one sentence says what to do."""
    source = (ROOT / "chapters" / "first_cell.py").read_text(encoding="utf8")
    source = source.replace(publish.EMPTY, f"PUBLISHED = {published!r}")
    venv.create(tmp_path / "env", with_pip=bool(published), symlinks=os.name != "nt")
    python = tmp_path / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = subprocess.run([python, "-c", source], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode
    assert says in done.stderr[done.stderr.index("ModuleNotFoundError") :]


def test_first_cell_finds_a_checkout(tmp_path):
    """From a folder deep inside a copy of the repository, without any installation."""
    source = (ROOT / "chapters" / "first_cell.py").read_text(encoding="utf8").partition("import recbyhand")[0]
    package = tmp_path / "copy" / "recbyhand"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("here = __file__")
    deep = tmp_path / "copy" / "chapters" / "01_mlp"
    deep.mkdir(parents=True)
    source += "\nimport recbyhand; print(recbyhand.here)"
    done = subprocess.run([sys.executable, "-c", source], cwd=deep, capture_output=True, text=True)
    assert done.stdout.strip() == str(package / "__init__.py"), done.stderr


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_every_lesson_can_be_published():
    for path in lessons.listed():
        text = publish.fill(path.read_text(encoding="utf8"), publish.address(FORK, "abc123"))
        source = "".join(next(c for c in json.loads(text)["cells"] if c["cell_type"] == "code")["source"])
        assert f'PUBLISHED = "git+{FORK}@abc123"' in source
