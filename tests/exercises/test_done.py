"""Progress: kept on this machine, by `rbh.check`, across sessions; a broken file or a full disc stops nobody."""

from __future__ import annotations

import json
import subprocess
import sys
import types

import pytest

import recbyhand as rbh
from recbyhand.exercises import done
from recbyhand.exercises.engine import close, exercise


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "kept" / "progress.jsonl"
    monkeypatch.setenv("RECBYHAND_PROGRESS", str(path))
    return path


@pytest.fixture
def task(empty, file):
    @exercise("t-1", "h")
    def t_1(answer):
        close(answer, 4.0)

    t_1.__module__ = "recbyhand.exercises.interest.din"
    return file


def counts(chapter=""):
    return {lesson: state for _, lesson, state in rbh.progress(chapter).rows()}


def test_an_answer_is_noted(task):
    assert counts()["din"] == {"done": 0, "looked up": 0, "tried": 0, "open": 1}
    rbh.check("t-1", 3.0)
    assert counts()["din"]["tried"] == 1
    rbh.check("t-1", 4.0)
    assert counts()["din"]["done"] == 1
    rbh.check("t-1", 5.0)
    assert counts()["din"]["done"] == 1, "done is done"
    assert [json.loads(line)["passed"] for line in task.read_text().splitlines()] == [False, True, False]


def test_a_stub_and_an_unknown_name_are_not(task):
    rbh.check("t-1", ...)
    rbh.check("t-9", 4.0)
    assert not task.exists()


def test_whoever_runs_the_solution_has_looked_it_up(task, monkeypatch):
    shell = types.SimpleNamespace(user_ns={"In": ["", "# @title Solution\nx = 4\nrbh.check('t-1', x)"]})
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    rbh.check("t-1", 4.0)
    assert counts()["din"] == {"done": 0, "looked up": 1, "tried": 0, "open": 0}
    shell.user_ns["In"].append("rbh.check('t-1', 4)")
    rbh.check("t-1", 4.0)
    assert counts()["din"]["done"] == 1, "an answer of one's own counts, before or after"


def test_a_broken_file_is_read_as_far_as_it_goes(task):
    task.parent.mkdir()
    task.write_bytes(
        b'{"exercise": "t-1", "passed": true}\n\xff\xfe\n[1]\n{"exercise": 3}\n{"exercise": "t-1", "pas'
    )
    assert counts()["din"]["done"] == 1


def test_a_place_that_cannot_be_written_is_no_error(empty, tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("RECBYHAND_PROGRESS", str(tmp_path / "taken" / "progress.jsonl"))
    exercise("t-1", "h")(lambda answer: None)
    assert rbh.check("t-1", 1).passed


def test_off_keeps_nothing(empty, tmp_path, monkeypatch):
    monkeypatch.setenv("RECBYHAND_PROGRESS", "off")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    exercise("t-1", "h")(lambda answer: None)
    rbh.check("t-1", 1)
    assert done.place() is None
    assert list(tmp_path.iterdir()) == []
    assert "is off" in rbh.progress()._repr_html_()


def test_it_lies_in_the_user_s_data_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("RECBYHAND_PROGRESS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert done.place() == tmp_path / "recbyhand" / "progress.jsonl"


def test_another_session_remembers(file):
    code = "import recbyhand as rbh; rbh.check('mf-1', [1.0])"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert counts("mlp")["matrix_factorisation"]["tried"] == 1
    done.forget()
    assert counts("mlp")["matrix_factorisation"]["tried"] == 0
    done.forget()  # a second time is no error


def test_the_table_has_every_exercise(file):
    total = rbh.progress()._lines()[-1]
    assert total[1] == "All"
    assert total[2]["open"] == len(done.engine.load_all())
    assert "Interests" in repr(rbh.progress())
    assert "  din" in repr(rbh.progress("interest"))
    shown = rbh.progress("interest")._repr_html_()
    assert str(file) in shown
    assert shown.count('<th scope="row"') == 2 + len(counts("interest"))
    with pytest.raises(ValueError, match="choose from start, mlp"):
        rbh.progress("nowhere").rows()
