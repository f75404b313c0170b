"""Recorded measurements: a script writes each, each row knows its commit, and lessons use the settings that won."""

from __future__ import annotations

import ast
import re

import nbformat
import pandas as pd
import pytest
from browsing import ROOT

BENCHMARKS = ROOT / "benchmarks"
RESULTS = BENCHMARKS / "results"


def code_of(lesson: str) -> list[str]:
    notebook = nbformat.read(ROOT / "chapters" / f"{lesson}.ipynb", as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.csv")), ids=lambda file: file.stem)
def test_a_script_writes_it_and_each_row_has_a_commit(file):
    script = (BENCHMARKS / f"{file.stem}.py").read_text(encoding="utf8")
    assert f"results/{file.name}" in ast.get_docstring(ast.parse(script))
    commits = pd.read_csv(file, dtype=str)["commit"].fillna("none")
    assert commits.str.fullmatch(r"[0-9a-f]{7,}(\+|-dirty)?").all(), commits.unique()


def test_what_a_lesson_reads_is_recorded():
    read = {}
    for path in sorted((ROOT / "chapters").rglob("*.ipynb")):
        text = "\n".join(code for code in code_of(f"{path.parent.name}/{path.stem}") if '"results"' in code)
        names = re.findall(r'"(\w+\.csv)"', text)
        read[path.stem] = names + re.findall(r"benchmarks/results/(\w+\.csv)", text)
    found = {name for names in read.values() for name in names}
    assert len(found) > 10, "the pattern no longer finds what lessons read"
    assert not found - {file.name for file in RESULTS.glob("*.csv")}


OTHER_NAMES = {"MLP": "FeatureMLP", "network": "FeatureMLP"}
CHOSEN = {  # lesson: files of the search, the data set of each `chosen = {...}` in turn
    "02_cnn_rnn/convolution": (("convolution", "crosses"), ("crosses", "100k")),
    "02_cnn_rnn/two_losses": (("two_losses",), ("drift",)),
    "02_cnn_rnn/user_state": (("user_state",), (None,)),
    "03_fm/crosses": (("crosses",), ("crosses", "100k")),
    "03_fm/wide_and_deep": (("fm_family",), ("crosses", "100k")),
    "04_interest/pooling_is_blind": (("pooling",), ("interests",)),
    "04_interest/relu_to_dice": (("dice",), ("interests", "100k")),
}


@pytest.mark.parametrize("lesson", CHOSEN)
def test_a_lesson_uses_the_settings_that_won(lesson):
    files, data_sets = CHOSEN[lesson]
    won = pd.concat(pd.read_csv(RESULTS / f"{file}.csv") for file in files).query("chosen and seed == 0")
    won = won.rename(columns={"activation": "model", "alpha": "model"}).set_index(["data", "model"])
    won = won[["lr", "weight_decay"]]
    trees = [ast.parse(code) for code in code_of(lesson) if "\nchosen = {" in f"\n{code}"]
    given = [
        ast.literal_eval(node.value)
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "chosen"
    ]
    assert len(given) == len(data_sets)
    for data, settings in zip(data_sets, given, strict=True):
        for of, models in (settings if data is None else {data: settings}).items():
            for name, setting in models.items():
                recorded = won.loc[of, OTHER_NAMES.get(name, name)]
                assert tuple(recorded) == setting, f"{name} on {of}: the search chose {tuple(recorded)}"
