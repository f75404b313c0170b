"""Each planted wrong answer fails with its own hint. (That solutions pass is checked in test_notebooks.)"""

from __future__ import annotations

import re
import time
from collections import defaultdict

import pytest
import torch

import recbyhand as rbh
from recbyhand.exercises.engine import EXERCISES, close, exercise, load_all, one_of_wrong
from tests.exercises.planted import Planted, lazily, planted

load_all()
ROWS = planted()


QUICK_S = 2.0  # seconds of the processor for one check


def verdict(row: Planted) -> str:
    """What is wrong with a planted answer's reception; "" if nothing is."""
    answer, begun = row.build(), time.process_time()
    result = rbh.check(row.name, answer)
    seconds = time.process_time() - begun
    if seconds > QUICK_S:
        return f"{row.name} takes {seconds:.1f} seconds"
    if result.kind == "unknown":
        return f"no exercise {row.name}"
    if result.passed:
        return f"the wrong answer passes {row.name}"
    if result.kind in ("stub", "generic"):
        return f"{row.name} gives no specific hint, but: {result.message}"
    if row.hint not in result.message:
        return f"{row.name} hints {result.message!r}; expected {row.hint!r}"
    others = [r for r in ROWS if r.name == row.name and r.hint != row.hint and r.hint in result.message]
    return f"this hint also holds that of {others[0].mistake!r}: not its own" if others else ""


def home(name: str) -> str:
    """The file of a check."""
    return EXERCISES[name].check.__module__.replace(".", "/") + ".py" if name in EXERCISES else "no file"


def _name(row: Planted) -> str:
    return f"{row.name}-{re.sub(r'[^a-z0-9]+', '_', row.mistake.lower())}"


@pytest.mark.parametrize("row", ROWS, ids=map(_name, ROWS))
def test_planted(row):
    said = verdict(row)
    assert not said, (
        f"{row.file}, {row.mistake!r}: {said}\nGive the check (in {home(row.name)}) a hint for this mistake, "
        "or mend the planted answer, or the part of the hint that it must get"
    )


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_four_mistakes_with_four_hints(name):
    hints = {row.hint for row in ROWS if row.name == name}
    assert len(hints) >= 4, (
        f"{name} has {len(hints)} planted wrong answers with hints of their own; 4 are needed: plant them in "
        f"{home(name).replace('recbyhand/exercises', 'tests/exercises/wrong_answers')}"
    )


@pytest.mark.parametrize("name", sorted(EXERCISES))
@pytest.mark.parametrize("nonsense", [..., None, "nonsense", -1.2345e9, object(), [], {}, lambda *a: 1 / 0])
def test_nonsense_fails_without_an_exception(name, nonsense):
    assert not rbh.check(name, nonsense).passed


def test_mistakes_are_told_apart():
    seen = defaultdict(list)
    for row in ROWS:
        seen[row.name, row.mistake].append(row.file)
    twice = {where: files for where, files in seen.items() if len(files) > 1}
    assert not twice, f"give one of the two another name for its mistake: {twice}"


# The runner itself must be able to fail.


@pytest.fixture
def trial(empty, monkeypatch):
    @exercise("t-1", "h")
    def t_1(answer):
        one_of_wrong(answer, [(1, "one is too few"), (2, "two is too few")])
        close(answer, 4.0)

    monkeypatch.setitem(globals(), "ROWS", [])


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (Planted("t-1", "one", 1, "one is too few"), ""),
        (Planted("t-1", "lazy one", lazily(lambda: torch.tensor(1)), "one is too few"), ""),
        (Planted("t-1", "right", 4, "x"), "passes"),
        (Planted("t-1", "nine", 9, "not it yet"), "no specific hint"),
        (Planted("t-1", "stub", ..., "Nothing"), "no specific hint"),
        (Planted("t-1", "other hint", 2, "one is too few"), "expected"),
        (Planted("t-7", "unknown", 2, "x"), "no exercise"),
    ],
)
def test_the_runner_sees(trial, row, said):
    assert (said in verdict(row)) if said else (verdict(row) == "")


def test_the_runner_sees_a_slow_check(trial, monkeypatch):
    monkeypatch.setitem(globals(), "QUICK_S", 0.0)
    assert "takes" in verdict(Planted("t-1", "one", 1, "one is too few"))


def test_the_runner_sees_a_shared_hint(trial):
    ROWS.extend([Planted("t-1", "one", 1, "too few"), Planted("t-1", "two", 2, "two is too few")])
    assert verdict(ROWS[0]) == ""
    assert "not its own" in verdict(ROWS[1])
