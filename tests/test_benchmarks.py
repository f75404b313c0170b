"""Recorded measurements: a script writes each, each row knows its commit, and lessons use the settings that won."""

from __future__ import annotations

import ast
import re

import nbformat
import pandas as pd
import pytest
from browsing import ROOT

import recbyhand as rbh

BENCHMARKS = ROOT / "benchmarks"
RESULTS = BENCHMARKS / "results"


def code_of(lesson: str) -> list[str]:
    notebook = nbformat.read(ROOT / "chapters" / f"{lesson}.ipynb", as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


NAMES = sorted(file.relative_to(RESULTS).with_suffix("").as_posix() for file in RESULTS.rglob("*.csv"))


@pytest.mark.parametrize("name", NAMES)
def test_a_script_writes_it_and_each_row_has_a_commit(name):
    script = BENCHMARKS / f"{name}.py"
    assert script.is_file(), f"benchmarks/results/{name}.csv: no {script.relative_to(ROOT)} that writes it"
    assert f"results/{name}.csv" in ast.get_docstring(ast.parse(script.read_text(encoding="utf8")))
    commits = rbh.recorded(name)["commit"].fillna("none")
    assert commits.str.fullmatch(r"[0-9a-f]{7,}(\+|-dirty)?").all(), commits.unique()


def test_what_a_lesson_reads_is_recorded():
    read = {}
    for path in sorted((ROOT / "chapters").rglob("*.ipynb")):
        cells = [code for code in code_of(f"{path.parent.name}/{path.stem}") if "rbh.recorded(" in code]
        read[path.stem] = [name for code in cells for name in re.findall(r'"([a-z_]+/\w+)"', code)]
    found = {name for names in read.values() for name in names}
    assert len(found) > 10, "the pattern no longer finds what lessons read"
    assert not found - set(NAMES)


def test_a_table_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(FileNotFoundError, match="interest/din"):
        rbh.recorded("interest/dinn")


OTHER_NAMES = {"MLP": "FeatureMLP", "network": "FeatureMLP"}
CHOSEN = {  # lesson: tables of the search, the data set of each `chosen = {...}` in turn
    "02_cnn_rnn/convolution": (("cnn_rnn/convolution", "fm/crosses"), ("crosses", "100k")),
    "02_cnn_rnn/two_losses": (("cnn_rnn/two_losses",), ("drift",)),
    "02_cnn_rnn/user_state": (("cnn_rnn/user_state",), (None,)),
    "03_fm/crosses": (("fm/crosses",), ("crosses", "100k")),
    "03_fm/wide_and_deep": (("fm/seven_models",), ("crosses", "100k")),
    "04_interest/pooling_is_blind": (("interest/pooling_is_blind",), ("interests",)),
}


@pytest.mark.parametrize("lesson", CHOSEN)
def test_a_lesson_uses_the_settings_that_won(lesson):
    files, data_sets = CHOSEN[lesson]
    won = pd.concat(rbh.recorded(name) for name in files).query("chosen and seed == 0")
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
                setting = tuple(setting.values()) if isinstance(setting, dict) else setting  # lr, weight_decay
                assert tuple(recorded) == setting, f"{name} on {of}: the search chose {tuple(recorded)}"
