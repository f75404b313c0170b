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
CHOSEN = {  # lesson with settings typed in: tables of the search, the data set of each `chosen = {...}` in turn
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
                setting = (
                    tuple(setting.values()) if isinstance(setting, dict) else setting
                )  # lr, weight_decay
                assert tuple(recorded) == setting, f"{name} on {of}: the search chose {tuple(recorded)}"


SCRIPTS = sorted(file.relative_to(ROOT).as_posix() for file in BENCHMARKS.rglob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_make_bench_can_import_it(script):
    """`make bench` runs `python -m benchmarks.x` from the repository: `benchmarks/` itself is then not on the path."""
    tree = ast.parse((ROOT / script).read_text(encoding="utf8"))
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    names |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    beside = {name for name in names if (ROOT / script).with_name(f"{name}.py").is_file()}
    assert not beside, f"{script}: write `from benchmarks.{beside.pop()} import ...`"


def test_a_table_keeps_what_was_not_measured_now(monkeypatch, tmp_path, capsys):
    recording = pytest.importorskip("benchmarks._recording")
    monkeypatch.setattr(recording, "RESULTS", tmp_path)
    monkeypatch.setattr(recording, "HEAD", "abcdef0")
    monkeypatch.setattr(recording, "CHANGED", [" M benchmarks/x/y.py", "?? recbyhand_notes.md"])

    def table():
        rows = pd.read_csv(tmp_path / "x" / "y.csv", dtype={"commit": str}).fillna("")
        return [tuple(row) for row in rows.to_numpy().tolist()]

    first = [{"data": d, "model": m, "test_auc": 0.5} for d in ("d", "e") for m in ("A", "B")]
    recording.keep("x/y", first, "benchmarks/x")
    was = [(d, m, 0.5, "abcdef0+") for d in ("d", "e") for m in ("A", "B")]
    assert table() == was

    monkeypatch.setattr(recording, "HEAD", "1234567")
    recording.keep("x/y", [{"data": "d", "model": "C", "test_auc": 0.6}], "benchmarks/z")
    assert table() == [*was[2:], ("d", "C", 0.6, "1234567")], "of the same data set"
    both = [{"data": "e", "model": "A", "test_auc": 0.7, "chosen": True}] * 2
    recording.keep("x/y", both, "benchmarks/z", by=("data", "model"))
    assert [row[:3] for row in table()] == [("e", "B", 0.5), ("d", "C", 0.6)] + 2 * [("e", "A", 0.7)]
    recording.keep(
        "x/y", [{"model": "A", "test_auc": 0.8}], "benchmarks/z"
    )  # there is no data set: all is new
    assert table() == [("A", 0.8, "1234567")]


def test_a_table_is_topped_up(monkeypatch, tmp_path):
    """Further decays at the chosen step size, chosen anew by validation, then the seeds that are missing."""
    recording = pytest.importorskip("benchmarks._recording")
    monkeypatch.setattr(recording, "RESULTS", tmp_path)
    (tmp_path / "x").mkdir()
    old = {"data": "d", "model": ["A", "A", "B"], "lr": [0.1, 0.2, 0.1], "weight_decay": 0.01, "seed": 0}
    old |= {"valid_auc": [0.6, 0.7, 0.6], "test_auc": 0.5, "chosen": [False, True, True], "commit": "abcdef0"}
    pd.DataFrame(old).to_csv(tmp_path / "x" / "y.csv", index=False)
    asked = []

    def run(data, model, lr, weight_decay, seed):
        asked.append((model, lr, weight_decay, seed))
        row = {"lr": lr, "weight_decay": weight_decay, "seed": seed, "test_auc": 0.6}
        return row | {"valid_auc": 0.8 if weight_decay == 0.3 else 0.65}

    recording.top_up("x/y", run, seeds=2, decays=(0.1, 0.3), only={("d", "A")})
    assert asked == [("A", 0.2, 0.1, 0), ("A", 0.2, 0.3, 0), ("A", 0.2, 0.3, 1)]
    table = pd.read_csv(tmp_path / "x" / "y.csv", dtype={"commit": str})
    assert table["model"].tolist() == ["A"] * 5 + ["B"]  # each group where it stood
    won = table[table["chosen"] & (table["model"] == "A")]
    assert won[["weight_decay", "seed"]].to_numpy().tolist() == [[0.3, 0], [0.3, 1]]
    assert (table["commit"] == "abcdef0").sum() == 3, "old rows keep their commit"
