"""Marking: honest answers get their points across the border, others none, and nothing that is handed in stops the run.

All planted answers, all solutions and the whole class take minutes: `RECBYHAND_SLOW=1` runs them, else a sample does.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import signal
import socket
import time
import types
from collections import OrderedDict
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import recbyhand as rbh
from recbyhand.exercises import classroom, engine
from recbyhand.exercises.marking import examiner, sandbox, wire
from recbyhand.exercises.marking.wire import Channel, Malformed, Peer, _Reader, _Writer
from tests.exercises import border, planted, simulated_class, slices

SLOW = bool(os.environ.get("RECBYHAND_SLOW"))
QUICK = examiner.Rules(cell=2, call=2, cpu=6, wall=900, memory=500, seed=5)
ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted((ROOT / "chapters").glob("*/*.ipynb"))

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="marking needs processes that can be forked")


@pytest.fixture(scope="module")
def nursery():
    with examiner.Nursery() as made:
        yield made


# The same verdict as in the notebook ----------------------------------------------------------------------

FILES = sorted(planted.FOLDER.rglob("[a-z]*.py"))
# Answers of every kind: classes, modules, functions of functions, clocks that are exchanged, calls that are counted.
ALWAYS = {"din", "family_tree", "dot_product_to_mlp", "why_fast", "how_to_use", "afm"}


def few(rows: list) -> list:
    return rows if SLOW else rows[::4]


# Loops over plain Python lists: their lines run in the student's process, where nobody counts them.
UNSEEN = {("fast-2", "lists"), ("fast-4", "lists")}
# It raises by itself, in a line of the tests: a line of the student's own is named only where it stands in a notebook.
UNSEEN |= {("pos-2", "odd width fails")}


@pytest.mark.parametrize(
    "path",
    [f for f in FILES if SLOW or f.stem in ALWAYS],
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_a_planted_answer_has_no_point_and_the_comment_that_the_notebook_gives(path):
    engine.load_all()
    rows = [row for row in planted.planted(path.parent) if row.name in _asked_by(path)]
    rows = few([row for row in rows if (row.name, row.mistake) not in UNSEEN])
    assert rows
    got = border.marks([(row.name, row.build) for row in rows])
    for row, mark in zip(rows, got, strict=True):
        here = rbh.check(row.name, row.build())
        assert (mark.points, mark.comment) == (0, here.message), row.mistake


def test_what_only_the_notebook_saw_costs_the_point_here_too():
    """An argument changed in place, an axis lost where it is 1, a function that a task forbids: no point for these."""
    rows = {(row.name, row.mistake): row for row in planted.planted(planted.FOLDER)}
    asked = [("start-2", "changed its input"), ("conv-2", "an axis lost"), ("hist-5", "asks torch")]
    for key, mark in zip(asked, border.marks([(key[0], rows[key].build) for key in asked]), strict=True):
        assert (mark.points, mark.comment) == (0, rbh.check(key[0], rows[key].build()).message), key


def test_a_lent_model_comes_back_in_the_mode_it_was_put_in():
    """derive-2 looks at a model of the check's: whoever puts its mode back is right, whoever does not is told."""

    def asks(model, batch, back=True):
        was = model.training
        model.eval()
        with torch.no_grad():
            before, after = model(batch), model(dataclasses.replace(batch, label=1 - batch.label))
        model.train(was if back else not was)
        return not torch.equal(before, after)

    answers = [("derive-2", lambda: asks), ("derive-2", lambda: functools.partial(asks, back=False))]
    right, left = border.marks(answers)
    assert right.points == 1, right.comment
    assert left.points == 0
    assert "another mode" in left.comment


def test_one_number_of_any_stride_is_handed_over():
    """A tensor of one number is contiguous with any stride; its bytes are not, unless it is copied."""
    rows = {(row.name, row.mistake): row for row in planted.planted(planted.FOLDER)}
    row = rows["derive-1", "the first pair"]
    (mark,) = border.marks([("derive-1", row.build)])
    assert (mark.points, mark.comment) == (0, rbh.check("derive-1", row.build()).message)


def _asked_by(path: Path) -> set[str]:
    return {
        name
        for name, it in engine.EXERCISES.items()
        if it.check.__module__.endswith(f"{path.parent.name}.{path.stem}")
    }


@functools.cache
def needs_training(path: Path) -> bool:
    return "rbh.train(" in "\n".join(slices.statements(path))


CHEAP = (
    "why_fast",
    "dot_product_to_mlp",
    "family_tree",
    "how_to_use",
    "beyond",
    "decoder_and_leaks",
    "convolution",
)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_solutions_have_all_points_on_inputs_that_nobody_knows(nursery, path):
    if not SLOW and (path.stem not in CHEAP or needs_training(path)):
        pytest.skip("a sample of the lessons; RECBYHAND_SLOW=1 runs all")
    rules = examiner.Rules(rounds=3, seed=int(time.time()))
    report = examiner.examine(nursery, slices.statements(path), rules)
    names = {name for name, it in engine.EXERCISES.items() if it.check.__module__.endswith(f".{path.stem}")}
    assert report.marks.keys() >= names, report.notes
    assert {n: m.comment for n, m in report.marks.items() if m.points < 1} == {}, rules.seed


# The simulated class ----------------------------------------------------------------------------------------


@pytest.mark.timeout(1800)
def test_a_simulated_class_gets_exactly_its_points(nursery, tmp_path):
    students = [s for s in simulated_class.STUDENTS if SLOW or s.ci]
    assert len(simulated_class.STUDENTS) >= 40
    simulated_class.hand_in(tmp_path, students)
    rows, walls, summaries = classroom.grade([tmp_path], QUICK, jobs=2, nursery=nursery)
    assert simulated_class.faults(students, rows) == []
    assert len(summaries) == len(students)
    assert walls["limits"]
    assert not list(Path(sandbox.PACKAGE).rglob("sitecustomize_marking.py"))


@pytest.mark.parametrize(
    "walls", [("landlock", "seccomp", "limits"), ("limits",)], ids=["no namespaces", "none"]
)
def test_what_needs_no_walls_holds_without_them(nursery, tmp_path, walls):
    """As an ordinary user in a container: the border alone, with and without what the kernel gives everybody."""
    names = ["right", "prints a fake", "patches rbh.check", "breaks the format", "lies about itself"]
    if "landlock" in walls and _landlock():
        names += ["imports the checks", "opens a socket", "writes into the checker's folder"]
    students = [s for s in simulated_class.STUDENTS if s.name in names]
    simulated_class.hand_in(tmp_path, students)
    rules = examiner.Rules(**{**vars(QUICK), "walls": walls})
    rows, stood, _ = classroom.grade([tmp_path], rules, jobs=2, nursery=nursery)
    assert simulated_class.faults(students, rows) == []
    assert not stood["spaces"]
    assert not stood["view"]
    said = classroom.missing(stood)
    assert ("can read" in said) == (not stood["landlock"])
    assert ("start processes" in said) == (not stood["seccomp"])


def _landlock() -> bool:
    import ctypes

    return sandbox._libc.syscall(444, None, ctypes.c_size_t(0), 1) > 0


def test_a_student_that_sleeps_is_ended_by_the_clock_on_the_wall(nursery):
    cells = [
        simulated_class.FIRST,
        simulated_class.NUMBERS,
        "import time, signal\nsignal.alarm(0)\ntime.sleep(1000)",
    ]
    rules = examiner.Rules(**{**vars(QUICK), "wall": 20})
    report = examiner.examine(nursery, cells, rules)
    assert report.marks["edge-1"].points == 1
    assert "clock on the wall" in report.notes[0]
    assert report.seconds < 200


def test_a_sentence_of_the_book_that_does_not_hold_here_is_no_fault_of_the_student(nursery):
    cells = [simulated_class.FIRST, 'rbh.claim("linear rather than square", False)', simulated_class.NUMBERS]
    report = examiner.examine(nursery, cells, QUICK)
    assert report.marks["edge-1"].points == 1
    assert report.notes == []


def test_an_examiner_that_dies_loses_one_submission_only(nursery, tmp_path, monkeypatch):
    students = [s for s in simulated_class.STUDENTS if s.name in ("right", "empty")]
    simulated_class.hand_in(tmp_path, students)
    real = examiner.examine

    def dies(nursery, cells, *rest):
        if not cells:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(nursery, cells, *rest)

    monkeypatch.setattr(examiner, "examine", dies)
    rows, _, _ = classroom.grade([tmp_path], QUICK, jobs=1, nursery=nursery)
    assert sum(float(row["points"]) for row in rows if row["student"] == "right") == 4
    assert ["examiner was ended" in row["note"] for row in rows if row["student"] == "empty"] == [True]


# Part of a point ------------------------------------------------------------------------------------------------


def test_a_point_is_the_share_of_further_rounds(empty, monkeypatch):
    @engine.exercise("t-1", "h")
    def t_1(answer):
        engine.function(answer, lambda g: (torch.rand(2, generator=g),), lambda x: x.sum())

    seen = []
    # Calls for inputs of size 1 would be counted.
    monkeypatch.setattr(engine, "_ones", lambda *_: None)

    def sometimes(x):  # five draws a round: right in rounds 0 and 2, wrong in 1 and 3
        seen.append(x)
        return x.sum() if (len(seen) - 1) // 5 % 2 == 0 else x.prod()

    mark = examiner.Verdicts(examiner.Rules(rounds=3)).judge("t-1", sometimes)
    assert mark.points == pytest.approx(1 / 3)
    assert "wrong in 2 of 3 rounds of others" in mark.comment
    rounds = [tuple(x[0].item() for x in seen[5 * k : 5 * k + 5]) for k in range(4)]
    assert len(set(rounds)) == 4, "each round has inputs of its own"
    assert examiner.Verdicts(examiner.Rules(rounds=3)).judge("t-1", lambda x: x.prod()).points == 0
    assert len({engine._generator(k).initial_seed() for k in range(3)}) == 3, (
        "the engine's own draws are back"
    )


# The border -------------------------------------------------------------------------------------------------


@pytest.fixture
def across():
    """(the examiner's side, a way to get a value of the other side here). The other side is a thread's peer."""
    import threading

    mine, theirs = socket.socketpair()
    near, far = Peer(Channel(mine, 20)), Peer(Channel(theirs, 20), open=True)

    def serve():
        import contextlib

        with contextlib.suppress(wire.Gone):
            while True:
                far.serve(*far.channel.receive())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()

    def bring(value):
        writer = _Writer(far)
        node = writer.write(value)
        return _Reader(near, memoryview(b"".join(writer.raw))).read(node)

    yield near, bring
    mine.close(), thread.join(5), theirs.close()


@pytest.mark.parametrize(
    "value",
    [
        *(None, ..., True, 3, -(10**30), 2.5, float("inf"), "text", "", 1j, Fraction(1, 3), range(2, 9, 3)),
        *([1, [2.0, "x"]], (1, (2,)), {1, 2}, frozenset({3}), {"a": 1, 2: None}, slice(1, None, 2)),
        *(torch.arange(6).view(2, 3), torch.tensor(1.5), torch.empty(0, 4), torch.tensor([True, False])),
        *(torch.ones(2, dtype=torch.bfloat16), torch.tensor([1 + 2j]), torch.ones(3, 2).T, torch.float64),
        *(np.float32(1.5), np.bool_(True), np.arange(4).reshape(2, 2), np.array(["a", "bc"])),
        *(pd.Series([1.0, 2.0], index=["a", "b"], name="x"), pd.DataFrame({"x": [1, 2], "y": ["a", "b"]})),
        types.SimpleNamespace(a=1, b=[2]),
    ],
    ids=lambda v: re.sub(r"\s+", " ", repr(v))[:30],
)
def test_plain_values_arrive_as_they_were(across, value):
    _, bring = across
    back = bring(value)
    assert type(back) is type(value)
    if isinstance(value, pd.DataFrame | pd.Series):
        assert back.equals(value)
    elif isinstance(value, torch.Tensor | np.ndarray):
        assert (back.dtype, back.shape) == (value.dtype, value.shape)
        assert bool((back == value).all())
    else:
        assert back == value


def test_subclasses_arrive_as_what_they_are_made_of(across):
    _, bring = across

    class Liar(float):
        __eq__ = lambda self, other: True  # noqa: E731
        __hash__ = None

    assert type(bring(Liar(2))) is float
    assert bring(OrderedDict(a=1)) == {"a": 1}
    value = bring(torch.zeros(2).as_subclass(type("T", (torch.Tensor,), {})))
    assert type(value) is torch.Tensor


def test_calls_errors_and_gradients_cross(across):
    _, bring = across

    def f(x, y=1):
        if y == 0:
            raise ZeroDivisionError("by y")
        return x.square() / y, "done"

    far = bring(f)
    x = torch.tensor([1.0, 3.0], requires_grad=True)
    out, word = far(x, y=2.0)
    assert word == "done"
    out.sum().backward()
    assert x.grad.tolist() == [1.0, 3.0]
    with pytest.raises(ZeroDivisionError, match="by y"):
        far(x, y=0)
    with torch.no_grad():
        assert not far(x)[0].requires_grad
    again = bring(lambda g, x: g(x) + g(2 * x))  # a function of the examiner's, called from there
    assert again(lambda x: 10 * x, torch.ones(2)).tolist() == [30, 30]
    x.grad = None
    again(lambda x: x**3, x).sum().backward()
    assert torch.allclose(x.grad, 3 * x**2 + 24 * x**2)


def test_a_module_is_a_shell_whose_tensors_agree_with_its_home(across):
    _, bring = across
    home = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    shell = bring(home)
    assert isinstance(shell[0], nn.Linear)
    assert shell[0].in_features == 3
    with torch.no_grad():
        shell[0].weight.fill_(1.0), shell[0].bias.zero_()
    x = torch.randn(8, 3)
    shell.train()(x).sum()
    assert torch.equal(home[0].weight, torch.ones(2, 3)), "what the check writes arrives"
    assert torch.equal(shell[1].running_mean, home[1].running_mean), "what the call changes comes back"
    seen = []
    shell[1].register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    out = shell.eval()(x)
    assert torch.allclose(seen[0], x.sum(1, keepdim=True).expand(8, 2))
    out.sum().backward()
    assert shell[0].weight.grad.abs().sum() > 0


def test_the_examiner_gives_no_attributes_away(across):
    near, _ = across
    near.export(lambda: 1)
    with pytest.raises(Malformed):
        near._answer({"do": "attribute", "target": 0, "name": "__globals__"}, memoryview(b""))


RAW = memoryview(bytes(64))


@pytest.mark.parametrize(
    "node",
    [
        *([], {}, [1], ["nonsense"], ["list"], ["list", 3], ["dict", [1]], ["dict", [[["list", []], 1]]]),
        *(
            ["tensor", "float32", [3], 0, 8, 0],
            ["tensor", "float32", [10**9], 0, 4, 0],
            ["tensor", "O", [1], 0, 4, 0],
        ),
        *(
            ["tensor", "float32", [-1], 0, 4, 0],
            ["tensor", "float32", [2], 4, 8, 0],
            ["tensor", "float32", "x", 0, 4],
        ),
        *(
            ["tensor", "float32", [0] * 20, 0, 0, 0],
            ["array", "O", [1], 0, 8],
            ["array", "<U100000000", [1], 0, 8],
        ),
        *(
            ["array", "|V8", [1], 0, 8],
            ["dtype", "system"],
            ["ref", 5],
            ["yours", 5],
            ["out", 0],
            ["given", -9],
        ),
        *(["data", "Path", []], ["data", "Batch", [["__class__", 1]]], ["space", [["__class__", 1]]]),
        *(["model", "Linear", None, None, [], [], True], ["class", 0, "X", ["os"]], ["call", True, "x", "y"]),
        *(
            ["module", 0, "X", "Module", ["dict", []], None, None, [["a", ["tensor"]]], [], [], True],
            ["range", 1, 2, 0],
        ),
        ["series", ["list", [1]], ["list", [1, 2]], None],
    ],
    ids=lambda node: str(node)[:40],
)
def test_what_does_not_fit_the_format_is_refused(across, node):
    near, _ = across
    with pytest.raises(Malformed):
        _Reader(near, RAW).read(node)


def test_sizes_are_bounded(across, monkeypatch):
    near, bring = across
    deep = []
    for _ in range(100):
        deep = ["list", [deep or 1]]
    with pytest.raises(Malformed, match="levels"):
        _Reader(near, RAW).read(deep)
    with pytest.raises(Malformed, match="too many"):
        _Reader(near, RAW).read(["list", [0] * (wire.LIMITS["nodes"] + 1)])
    endless = []
    endless.append(endless)
    for value in (endless, iter(int, 1), torch.zeros(20_000_000)):
        with pytest.raises(Malformed):
            bring(value)


def test_a_type_s_name_does_not_pass_for_another_type(across):
    _, bring = across
    fake = bring(type("bool", (), {"__bool__": lambda self: True})())
    assert type(fake).__name__ == "object"
    with pytest.raises(TypeError):
        bool(fake)


# The walls --------------------------------------------------------------------------------------------------


def test_the_view_holds_python_and_the_package_but_no_checks_and_no_solutions():
    seen = [Path(p).resolve() for p in sandbox._without(sandbox.visible(), sandbox.hidden())]
    for secret in ("recbyhand/exercises/mlp", "chapters", "tests", "book"):
        assert not any((ROOT / secret).is_relative_to(p) or p.is_relative_to(ROOT / secret) for p in seen), (
            secret
        )
    assert any((ROOT / "recbyhand/layers").is_relative_to(p) for p in seen)
    assert any(Path(torch.__file__).resolve().is_relative_to(p) for p in seen)


def test_every_wall_that_is_missing_is_named():
    assert classroom.missing(dict.fromkeys(sandbox.LAYERS, True)) == ""
    assert classroom.missing(dict.fromkeys(sandbox.LAYERS, False)).count(";") == 3
