"""Messages on a terminal that knows few signs: nothing raises, and nothing is lost where there is a word for it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from recbyhand.console import printable


class Terminal:
    def __init__(self, encoding):
        self.encoding = encoding


@pytest.mark.parametrize("encoding", ["utf-8", None])
def test_where_all_signs_are_known_nothing_changes(monkeypatch, encoding):
    monkeypatch.setattr(sys, "stdout", Terminal(encoding))
    assert printable("✓ λ ≥ 0, 東京") == "✓ λ ≥ 0, 東京"


def test_signs_become_words_and_the_known_ones_stay(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal("cp1252"))
    assert printable("✗ mf-1: Vᵀr ± λ·u₂ → 東 (naïve)") == "[no] mf-1: V^Tr ± lambda·u_2 -> ? (naïve)"
    monkeypatch.setattr(sys, "stdout", Terminal("ascii"))
    assert printable("✓ 0.5 ± 0.1") == "[ok] 0.5 ? 0.1"


PROGRAM = """
import sys
import recbyhand as rbh
from recbyhand.exercises.engine import EXERCISES, load_all
from recbyhand.exercises.quizzes import QUIZZES
print(rbh.check("fm-1", 4), rbh.check("fm-1", 8), rbh.check("fm-1"), rbh.check("no such"), sep="\\n")
names = list(load_all())
for name in names:
    while "no further hint" not in str(note := rbh.hint(name)):
        print(note)
for name in QUIZZES:
    print(rbh.quiz(name))
print(rbh.practice("features"), rbh.progress(), sep="\\n")
task = rbh.data.ctr(rbh.data.planted("crosses", users=60))
print(rbh.inspect.audit(lambda s: rbh.models.FM(s, dim=4), task))
print("hints of", len(names), "exercises, stdout in", sys.stdout.encoding)
"""


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_printing_on_a_console_of_windows_never_raises(encoding):
    given = os.environ | {
        "PYTHONIOENCODING": encoding,
        "RECBYHAND_PROGRESS": "off",
        "PYTHONWARNINGS": "ignore",
    }
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, env=given, check=False)
    said = ran.stdout.decode(encoding)
    assert ran.returncode == 0, ran.stderr.decode("utf8", "replace")[-2000:]
    right, wrong = ("[ok]", "[no]") if encoding == "cp1252" else ("✓", "✗")
    assert f"{right} fm-1" in said
    assert f"{wrong} fm-1" in said
    assert "exercises, stdout in" in said
    if encoding == "cp1252":
        assert "?" not in said.split("fm-1")[1].split("\n")[0]
