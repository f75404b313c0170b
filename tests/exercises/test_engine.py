"""`check` answers every answer, with the right hint, and disturbs nothing."""

from __future__ import annotations

import random
import signal
import time
from fractions import Fraction

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
        (4.01, "hint", "Very close"),
        (8, "hint", "twice"),
        (400, "hint", "per cent"),
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


@pytest.mark.parametrize("right", [2 / 3, 0.667, 0.66667, [[2 / 3]], torch.tensor([2 / 3])])
def test_a_number_may_be_rounded_to_three_digits_or_stand_in_a_table(empty, right):
    @exercise("t-8", "h")
    def t_8(answer):
        close(answer, 2 / 3)

    assert rbh.check("t-8", right).passed
    assert "Rounded too early" in rbh.check("t-8", 0.67).message
    assert not rbh.check("t-8", 0.668).passed
    assert not rbh.check("t-8", 0.666).passed


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
        (lambda x: x.sum() * 3.7 + 1, "generic", "With `tensor("),
        (lambda x: x.sum() * 2, "hint", "twice"),
        (lambda x: print(x.sum()), "hint", "prints"),
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


def test_a_function_that_spoils_its_input_spoils_only_its_own_and_is_told_so(total):
    result = rbh.check("t-2", lambda x: (x.sum(), x.zero_())[0])
    assert (result.passed, result.kind) == (False, "hint")
    assert "changes its argument `x` in place" in result.message
    assert "That is the mean." in rbh.check("t-2", lambda x: (x.mean(), x.zero_())[0]).message
    assert rbh.check("t-2", torch.sum).passed  # forgotten by the next check


@pytest.mark.parametrize(
    ("given", "spoil"),
    [
        ([3, 1], lambda x: x.sort()),
        ([3, 1], lambda x: x.append(1)),
        ({"a": torch.ones(2)}, lambda x: x["a"].add_(1)),
        (np.ones(2), lambda x: x.fill(0)),
        (torch.tensor([True, False]), lambda x: x.fill_(True)),
        (torch.tensor([1, 2]), lambda x: x.add_(1)),
        (pd.DataFrame({"x": [1, 2]}), lambda x: x.insert(0, "y", 1)),
        (torch.tensor([1.0, float("nan")]), lambda x: x.neg_()),
    ],
)
def test_what_is_changed_in_place_is_seen(empty, given, spoil):
    @exercise("t-6", "h")
    def t_6(answer):
        same(call(answer, given), 1) or engine.wrong("no")

    assert rbh.check("t-6", lambda x: 1).passed
    assert "in place" in rbh.check("t-6", lambda x: (spoil(x), 1)[1]).message


def test_an_axis_lost_at_size_1_is_seen(empty):
    @exercise("t-7", "h")
    def t_7(answer):
        function(answer, lambda g: (torch.randn(3, 4, 2, generator=g),), lambda x: x.sum(-1))

    assert rbh.check("t-7", lambda x: x.sum(-1, keepdim=True).squeeze(-1)).passed
    assert rbh.check("t-7", lambda x: torch.einsum("bld->bl", x)).passed
    message = rbh.check("t-7", lambda x: x.sum(-1, keepdim=True).squeeze()).message
    assert "shape (1, 4, 2) should give (1, 4), and yours gives (4,)" in message


def test_the_part_that_is_right_is_told(empty):
    @exercise("t-9", "h")
    def t_9(answer):
        function(answer, lambda g: (torch.randn(3, generator=g),), lambda x: (x.sum(), x.exp()))

    assert (
        "right: the first. Not yet: the second." in rbh.check("t-9", lambda x: (x.sum(), x.log1p())).message
    )
    assert rbh.check("t-9", lambda x: (x.mean(), x.sin())).kind == "generic"
    assert rbh.check("t-9", lambda x: [x.sum(), x.exp()]).passed


def test_operations_grow_with_a_loop_only():
    few, many = (torch.randn(3, 2),), (torch.randn(90, 2),)
    assert engine.grows(lambda x: x.sum(-1) + 1, few, many) == 1
    assert engine.grows(lambda x: torch.stack([row.sum() for row in x]), few, many) > 5
    assert engine.grows(lambda x: torch.stack(list(map(torch.sum, x))), few, many) > 5


def _helper(x):
    return torch.autograd.grad(x.sum(), x)[0]


def test_a_word_is_found_in_what_a_function_calls():
    def inner(x):
        return _helper(x)

    assert engine.uses(inner, *engine.AUTOGRAD) == "autograd"
    assert engine.uses(lambda x: [y.backward() for y in x], *engine.AUTOGRAD) == "backward"
    assert engine.uses(lambda x: x.sum(), *engine.AUTOGRAD) == ""
    assert engine.uses(torch.sum, *engine.AUTOGRAD) == ""
    assert engine.uses(3, *engine.AUTOGRAD) == ""


def test_settings_do_not_pass(total):
    def careless(x):
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        return x.sum()

    assert rbh.check("t-2", careless).passed
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()
    with torch.no_grad():
        assert rbh.check(
            "t-2", lambda x: x.clone().requires_grad_().sum() * (1.0 if torch.is_grad_enabled() else 9)
        ).passed
        assert not torch.is_grad_enabled()


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
    assert "If your edition of the book has solutions" in rbh.hint("t-1").message  # that for a class has none


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
    drawn, half = [x for x in seen if len(x) == 3], len(seen) // 2  # the others try an axis of size 1
    assert len({tuple(x.tolist()) for x in drawn}) == 5
    assert all(torch.equal(a, b) for a, b in zip(seen[:half], seen[half:], strict=True))


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
        (torch.ones(1), 1.0, True),
        (1.0, torch.ones(1), False),  # but a batch of one is a batch
        (np.str_("a"), "a", True),
        (np.array("a"), "a", True),
        ([torch.tensor(1.0, requires_grad=True)], [1.0], True),
        (pd.DataFrame({"x": [True], "y": [False]}), [[1, 0]], True),
        ([Fraction(1, 2), 1], [0.5, 1.0], True),
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


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("does *place* mean *how recent*?", "does <em>place</em> mean <em>how recent</em>?"),
        ("`a*b*c` is *so* <b>", "<code>a*b*c</code> is <em>so</em> &lt;b&gt;"),
        ("a * b * c, 2*3*4", "a * b * c, 2*3*4"),
        ("**settings and *args", "**settings and *args"),
    ],
)
def test_stars_around_words_are_emphasis_and_those_of_a_product_are_not(text, html):
    assert engine.prose(text) == html
