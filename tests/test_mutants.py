"""The faults that `make mutants` puts in: what they are, and that each is a change that still compiles."""

from __future__ import annotations

import ast

import pytest

from tests import mutants

CODE = '''
"""Says 1 + 1."""
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

def half(x: int, by: float = 2.0) -> "1":
    """Not 3."""
    if not x or x < 0:
        raise ValueError(f"{x + 1} is less than 0")
    print(x)
    return x / by

class Odd:
    kind = True
    def mean(self, x): return x.mean(1) is None
'''


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    path = tmp_path / "recbyhand" / "part" / "code.py"
    path.parent.mkdir(parents=True)
    path.write_text(CODE)
    return path


def test_what_is_changed_and_what_is_only_said(file):
    found = [mutants.mutant(file, n) for n in range(len(mutants.sites(ast.parse(CODE))))]
    wanted = {
        ("half", "2.0 -> 4.0"), ("half", "if not x or x < 0: -> if not (not x or x < 0):"),
        ("half", "not x or x < 0 -> not x and x < 0"), ("half", "not x -> x"), ("half", "x < 0 -> x <= 0"),
        ("half", "0 -> 1"), ("half", "print(x) -> pass"), ("half", "return x / by -> return None"),
        ("half", "x / by -> x * by"), ("", "True -> False"),
        ("Odd.mean", "return x.mean(1) is None -> return None"), ("Odd.mean", "x.mean -> x.sum"),
        ("Odd.mean", "1 -> 2"), ("Odd.mean", "1 -> 0"), ("Odd.mean", "x.mean(1) is None -> x.mean(1) is not None"),
    }  # fmt: skip
    assert {(one["function"], one["change"]) for one in found} == wanted
    assert len({mutants.named(one) for one in found}) == len(found) == len(wanted), (
        "each has a name of its own"
    )


def test_each_is_one_change_that_compiles(file):
    whole = ast.unparse(ast.parse(CODE)).splitlines()
    for n in range(len(mutants.sites(ast.parse(CODE)))):
        one = mutants.mutant(file, n)
        compile(one["tree"], "code.py", "exec")
        now = ast.unparse(one["tree"]).splitlines()
        changed = [pair for pair in zip(whole, now, strict=True) if pair[0] != pair[1]]
        assert len(changed) == 1, one["change"]
        assert one["source"] == CODE.splitlines()[one["line"] - 1].strip()


def test_a_fault_gets_the_tests_that_enter_its_function_the_quick_ones_first(file):
    tests = {
        "a": {"seconds": 9.0, "entered": ["part/code.py:half"]},
        "b": {"seconds": 1.0, "entered": ["part/code.py:half", "part/other.py:x"]},
        "c": {"seconds": 1.0, "entered": ["part/code.py:Odd.mean"]},
        "d": {"seconds": 0.1, "entered": ["part/other.py:half"]},
    }
    one = mutants.mutant(file, 0) | {"function": "half"}
    assert list(mutants.chosen(one, tests, 60.0)) == ["b", "a"]
    assert list(mutants.chosen(one, tests, 5.0)) == ["b"]
    assert set(mutants.chosen(one | {"function": ""}, tests, 60.0)) == {"a", "b", "c"}, (
        "outside: all of its file"
    )
    assert mutants.chosen(one | {"function": "none"}, tests, 60.0) == {}


def test_a_known_fault_is_still_in_its_line():
    """tests/mutants.csv: what nobody can tell. A line that has changed since is to be looked at anew."""
    import csv

    with mutants.KNOWN.open(encoding="utf8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        lines = (mutants.ROOT / "recbyhand" / row["file"]).read_text(encoding="utf8").splitlines()
        assert row["source"] in [line.strip() for line in lines], (
            f"tests/mutants.csv: {row['file']} has no line `{row['source']}` any more: delete the row"
        )
        assert row["why"].strip(), (
            f"tests/mutants.csv: say why nobody can tell {row['change']} in {row['file']}"
        )
