"""`check` answers every answer, with the right hint, and disturbs nothing."""

from __future__ import annotations

import random
import signal
import time

import numpy as np
import pandas as pd
import pytest
import torch

import recbyhand as rbh
from recbyhand.exercises import engine
from recbyhand.exercises.engine import Wrong, call, close, exercise, function, one_of_wrong, same, shape

pytestmark = pytest.mark.usefixtures("empty")


@pytest.fixture
def number(empty):
    @exercise("t-1", "think", "think harder", todo="Replace the `...` by a number.", solved="Yes, four.")
    def t_1(answer):
        one_of_wrong(answer, [(3.0, "You forgot one."), (torch.tensor([4.0, 4.0]), "One number is enough.")])
        close(answer, 4.0)


@pytest.fixture
def total(empty):
    @exercise("t-2", "add them up", seconds=2)
    def t_2(answer):
        function(
            answer,
            inputs=lambda g: (torch.randn(3, generator=g),),
            oracle=lambda x: x.sum(),
            wrong=[(lambda x: x.mean(), "That is the mean."), (lambda x: x @ torch.ones(9), "never reached")],
        )


@pytest.mark.parametrize(
    "right", [4, 4.0, np.float32(4), torch.tensor(4.0), torch.tensor(4.0, requires_grad=True)]
)
def test_right(number, right):
    result = rbh.check("t-1", right)
    assert result.passed
    assert repr(result) == "✓ t-1: Yes, four."


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (..., "stub", "Replace the `...`"),
        (None, "stub", "Replace the `...`"),
        ((1, ...), "stub", "Replace the `...`"),
        (3, "hint", "You forgot one."),
        (torch.tensor([4.0, 4.0]), "hint", "One number is enough."),
        (4.01, "hint", "round"),
        (-4, "hint", "sign"),
        ("four", "hint", "a string; a number is asked for"),
        (torch.ones(2, 3), "hint", "shape (2, 3)"),
        (float("nan"), "hint", "NaN"),
        (9, "generic", "not it yet"),
        ([[1], [2, 3]], "hint", "list"),
        (len, "hint", "function"),
    ],
)
def test_wrong_value(number, answer, kind, said):
    result = rbh.check("t-1", answer)
    assert (result.passed, result.kind) == (False, kind)
    assert said in result.message
    assert repr(result).startswith("✗ t-1: ")
    assert 'rbh.hint("t-1")' in repr(result)


def test_no_answer_is_a_stub(number):
    assert rbh.check("t-1").kind == "stub"


def _raises(x):
    return x @ torch.ones(4)


def _endless(x):
    while True:
        time.sleep(0.001)


def _exits(x):
    raise SystemExit


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (torch.mean, "hint", "That is the mean."),
        (lambda x: 1.5, "hint", "the same answer whatever"),
        (lambda x: ..., "stub", "Nothing to check yet"),
        (lambda x: None, "stub", "Nothing to check yet"),
        (lambda x: -x.sum(), "hint", "sign"),
        (lambda x: x.sum() * 3, "generic", "With `tensor("),
        (lambda: 0, "error", "TypeError"),
        (_raises, "error", "`return x @ torch.ones(4)`"),
        (_raises, "error", "Shapes do not fit"),
        (_endless, "error", "TimeoutError"),
        (_exits, "error", "SystemExit"),
        (5, "hint", "A function is asked for; your answer is a number"),
    ],
)
def test_wrong_function(total, answer, kind, said):
    result = rbh.check("t-2", answer)
    assert (result.passed, result.kind) == (False, kind)
    assert said in result.message


def test_right_function_and_module(total):
    assert rbh.check("t-2", torch.sum).passed
    assert rbh.check("t-2", type("Sum", (torch.nn.Module,), {"forward": lambda self, x: x.sum()})()).passed


def test_a_function_that_spoils_its_input_spoils_only_its_own(total):
    assert rbh.check("t-2", lambda x: (x.sum(), x.zero_())[0]).passed


def test_the_line_named_is_the_learners(total):
    number = _raises.__code__.co_firstlineno + 1
    assert f"line {number}," in rbh.check("t-2", _raises).message


def test_a_fault_of_the_check_itself_reaches_no_reader_as_an_exception(empty):
    @exercise("t-3", "h", todo="Give a model.")
    def t_3(answer):
        close(answer.weight, 1.0)

    result = rbh.check("t-3", "abc")
    assert result.kind == "error"
    assert "Your answer, a string, cannot be used here" in result.message
    assert "Give a model." in result.message


def test_interrupt_is_the_readers(empty):
    @exercise("t-4", "h")
    def t_4(answer):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rbh.check("t-4", 1)


def test_unknown_id_names_near_ones(number):
    result = rbh.check("t-l", 4)
    assert not result.passed
    assert "Did you mean t-1" in result.message
    assert "Did you mean t-1" in repr(rbh.hint("t-11"))


def test_hints_come_one_after_another(number):
    assert [rbh.hint("t-1").message for _ in range(2)] == ["think", "think harder"]
    assert "no further hint" in rbh.hint("t-1").message
    assert "no further hint" in rbh.hint("t-1").message


def test_random_numbers_go_on_as_without_a_check(empty):
    @exercise("t-5", "h")
    def t_5(answer):
        torch.randn(3), np.random.rand(), random.random()  # noqa: NPY002

    def draw():
        return torch.rand(1).item(), np.random.rand(), random.random()  # noqa: NPY002

    rbh.seed(1)
    expected = draw()
    rbh.seed(1)
    assert rbh.check("t-5", 1).passed
    assert draw() == expected


def test_draws_differ_from_each_other_but_not_from_run_to_run(total):
    seen = []
    for _ in range(2):
        rbh.check("t-2", lambda x: (seen.append(x.clone()), x.sum())[1])
    assert len({tuple(x.tolist()) for x in seen}) == 5
    assert all(torch.equal(a, b) for a, b in zip(seen[:5], seen[5:], strict=True))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such alarm on this system")
def test_someone_elses_alarm_still_rings(number):
    rang = []
    before = signal.signal(signal.SIGALRM, lambda *_: rang.append(1))
    left = signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        rbh.check("t-1", 4)
        assert not rang
        time.sleep(0.4)
        assert rang
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *left)


def test_html_is_escaped_and_not_colour_alone(number):
    markup = rbh.check("t-1", "<script>alert(1)</script>")._repr_html_()
    assert "<script" not in markup
    assert "not yet" in markup
    assert "your turn" in rbh.check("t-1")._repr_html_(), "nothing was tried, so nothing is wrong"
    assert "correct" in rbh.check("t-1", 4)._repr_html_()
    assert "<code>...</code>" in rbh.check("t-1")._repr_html_()


@pytest.mark.parametrize("name", ["mf", "MF-1", "mf-1a", "-1", "mf 1"])
def test_bad_id_is_refused(empty, name):
    with pytest.raises(ValueError, match="topic-number"):
        exercise(name, "h")


def test_no_hint_or_a_taken_id_is_refused(number):
    with pytest.raises(ValueError, match="hint"):
        exercise("t-9")

    def other(answer): ...

    other.__module__ = "elsewhere"
    with pytest.raises(ValueError, match="already registered"):
        exercise("t-1", "h")(other)


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (1, 1.0, True),
        (1, 2, False),
        ([1, 2], (1, 2), True),
        (torch.tensor([1.0, 2.0]), [1, 2], True),
        ([torch.ones(2), torch.zeros(3)], [np.ones(2), np.zeros(3)], True),
        ([torch.ones(2), torch.zeros(3)], [np.ones(2)], False),
        (torch.ones(2), torch.ones(2, 1), False),  # no silent broadcasting
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"b": 1}, False),
        ({"a": 1}, 1, False),
        ("a", "a", True),
        ("a", "b", False),
        ("1", 1, False),
        (["x", "y"], ["x", "y"], True),
        (None, None, True),
        (True, 1, True),
        (pd.Series([1, 2]), [1, 2], True),
        (pd.DataFrame({"x": [1, 2]}), np.array([[1], [2]]), True),
        (len, 3, False),
        (float("inf"), float("inf"), True),
    ],
)
def test_same(a, b, equal):
    assert same(a, b) is equal


def test_close_sees_a_transposed_matrix():
    with pytest.raises(Wrong, match="transpose"):
        close(torch.arange(6.0).reshape(3, 2), torch.arange(6.0).reshape(3, 2).T)
    with pytest.raises(Wrong, match="transpose"):
        close(torch.tensor([[1.0, 2], [3, 4]]), torch.tensor([[1.0, 3], [2, 4]]))


def test_shape_and_call():
    shape(torch.ones(2, 3), (2, 3))
    with pytest.raises(Wrong, match=r"shape \(3,\), but \(2, 3\) \(B, d\)"):
        shape(torch.ones(3), (2, 3), "B, d")
    assert call(torch.nn.Linear, 3, 2).weight.shape == (2, 3)
    with pytest.raises(Wrong) as caught:
        call(lambda x: ..., 1)
    assert caught.value.kind == "stub"


def test_one_of_wrong_takes_a_mapping_too():
    with pytest.raises(Wrong, match="three"):
        one_of_wrong(3.0, {3: "three"})
    one_of_wrong(4.0, {3: "three"})


def test_machinery_is_not_taken_for_a_chapter():
    here = {path.stem for path in engine._HERE.glob("*.py")}
    assert here >= engine._MACHINERY


@pytest.mark.parametrize("name", [None, 5, ["mf-1"]])
def test_a_name_that_is_no_text_is_unknown(name):
    for said in (engine.check(name, 1), engine.hint(name)):
        assert "No exercise has this name" in said._repr_html_()
