"""GradientReach: the gradients against brute force, and the browser shows the ones that were asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import traitlets

from recbyhand.inspect import gradient_reach, state_gradient
from recbyhand.inspect.reach import random_cell
from recbyhand.layers import AUGRUCell, GRUCell, LSTMCell, RNNCell
from recbyhand.widgets import GradientReach

from .cases.gradient_reach import drawn
from .harness import numbers

SCALES, KEEPS = (0.5, 1.0, 1.5), (0.0, 2.0)


@pytest.mark.parametrize("kind", [RNNCell, GRUCell, LSTMCell])
def test_state_gradient_equals_brute_force(kind):
    """The Jacobian entry by entry: one unit, one sequence, one backward pass at a time, and by differences."""
    torch.manual_seed(0)
    cell, x = kind(3, 4).double(), torch.randn(2, 5, 3, dtype=torch.float64)

    def last(x: torch.Tensor) -> torch.Tensor:
        h = c = torch.zeros(1, 4, dtype=torch.float64)
        for x_t in x:
            h, c = cell(x_t[None], h, c) if kind is LSTMCell else (cell(x_t[None], h), c)
        return h[0]

    expected = torch.zeros(5, dtype=torch.float64)
    for one in x:
        jacobian = torch.autograd.functional.jacobian(last, one)  # (d_h, T, d_in)
        for k in range(5):
            expected[k] += jacobian[:, 4 - k].norm() / 2
        step = torch.zeros_like(one)
        step[1, 2] = 1e-6  # by differences, too
        slope = (last(one + step) - last(one - step)) / 2e-6
        torch.testing.assert_close(slope, jacobian[:, 1, 2], atol=1e-7, rtol=1e-5)
    torch.testing.assert_close(state_gradient(cell, x), expected)
    with torch.no_grad():  # where trained models are looked at
        torch.testing.assert_close(state_gradient(cell, x), expected)


def test_a_cell_is_named_once_and_a_scale_may_come_twice():
    for make in (lambda: GradientReach(["rnn", "rnn"], length=3, dim=2), lambda: drawn("a", "a")):
        with pytest.raises(traitlets.TraitError, match="a name stands twice among the cells"):
            make()
    twice = GradientReach(["rnn", "gru"], length=3, dim=2, scales=[1, 1], keeps=[2, 2]).reach
    assert twice.shape == (2, 2, 2, 3)
    assert (twice == twice[:, :1, :1]).all()
    np.testing.assert_allclose(twice[1, 0, 0], gradient_reach("gru", 3, 2, 1.0, 2.0), rtol=1e-6)


def test_random_cells_are_what_they_say():
    for name in ("rnn", "gru", "lstm"):
        cell = random_cell(name, 6, 1.5, keep=3.0)
        for block in cell.hh.weight.split(6):
            values = torch.linalg.svdvals(block)
            torch.testing.assert_close(values, torch.full_like(values, 1.5))
    # A gate that always keeps: the state after the first step hardly moves.
    assert (
        gradient_reach("gru", 20, 6, 1.0, keep=6.0)[19] > 0.5 * gradient_reach("gru", 20, 6, 1.0, keep=6.0)[0]
    )
    assert gradient_reach("lstm", 20, 6, 1.0, keep=6.0)[19] > 100 * gradient_reach("lstm", 20, 6, 1.0)[19]
    torch.testing.assert_close(gradient_reach("rnn", 9, 6, 1.0, 6.0), gradient_reach("rnn", 9, 6, 1.0))
    assert gradient_reach("rnn", 20, 6, 0.5)[19] < 0.5**18  # each step back multiplies by 0.5 at most
    with pytest.raises(ValueError, match="choose one of rnn, gru, lstm"):
        random_cell("augru", 4, 1.0)


def test_a_saturated_lstm_gate_is_in_the_second_block():
    """`keep` biases f, not another gate: c' = f c + i g with f near 1."""
    cell = random_cell("lstm", 5, 1.0, keep=20.0)
    c = torch.randn(1, 5, dtype=torch.float64)
    x = h = torch.zeros(1, 5, dtype=torch.float64)
    torch.testing.assert_close(cell(x, h, c)[1], c)
    gru = random_cell("gru", 5, 1.0, keep=20.0)
    torch.testing.assert_close(gru(x, c), c)


def test_mathematics_and_values_equal_the_package(open_page):
    widget = GradientReach(length=12, dim=6, scales=SCALES, keeps=KEEPS)
    visit = open_page(widget)
    reach = {"shape": list(widget.reach.shape), "data": widget.reach.astype(float).ravel().tolist()}
    for c, name in enumerate(("rnn", "gru", "lstm")):
        for b, keep in enumerate(KEEPS):
            for s, scale in enumerate(SCALES):
                expected = gradient_reach(name, 12, 6, scale, keep).numpy()
                absolute, relative = visit.js("curve", [(reach, c, b, s, r) for r in (False, True)])
                np.testing.assert_allclose(absolute, expected, atol=1e-6)
                np.testing.assert_allclose(relative, expected / expected[0], atol=1e-6)
    assert visit.js("powers", [([0.5, 2e-3],), ([1e-12, 30.0],)]) == [[-4, 0], [-8, 2]]


def test_each_control(open_page):
    visit = open_page(GradientReach(length=12, dim=6, scales=SCALES, keeps=KEEPS, distance=5))
    name = {"RNN": "rnn", "GRU": "gru", "LSTM": "lstm"}

    def check(shown=("RNN", "GRU", "LSTM")):
        visit.settle()
        note = visit.widget().locator(".note").inner_text()
        k, parts = visit.get("distance"), note.split(":")[1].split(",")
        assert numbers(note)[0] == k
        assert len(parts) == len(shown)
        for part, cell in zip(parts, shown, strict=True):
            curve = gradient_reach(name[cell], 12, 6, SCALES[visit.get("scale")], KEEPS[visit.get("keep")])
            expected = curve[k] / curve[0] if visit.get("relative") else curve[k]
            assert cell in part
            assert value(part) == pytest.approx(float(expected), rel=0.06)

    def value(text: str) -> float:
        plain = text.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")).replace("\u00a0×\u00a010", "e")
        return numbers(plain)[0]

    check()
    assert visit.get("scale") == 1  # the scale nearest to 1 to begin with
    for label in ("scale of the recurrent weights", "bias of the gate that keeps", "steps back, k"):
        visit.widget().get_by_role("slider", name=label).press("ArrowRight")
        check()
    assert (visit.get("scale"), visit.get("keep"), visit.get("distance")) == (2, 1, 6)
    slider = visit.widget().get_by_role("slider", name="scale of the recurrent weights")
    assert slider.get_attribute("aria-valuetext") == "1.50"
    visit.widget().get_by_role("switch", name="relative").click()
    check()
    curves = visit.widget().locator("svg path[stroke-linejoin]")
    assert curves.count() == 3
    visit.widget().get_by_role("button", name="GRU").click()
    check(("RNN", "LSTM"))
    assert curves.count() == 2
    svg = visit.widget().locator(".stage svg").first
    assert "10⁻" in svg.text_content()
    box = svg.bounding_box()
    visit.tab.mouse.click(box["x"] + 44 + (box["width"] - 52) * 3 / 11, box["y"] + 100)
    check(("RNN", "LSTM"))
    assert visit.get("distance") == 3
    tip = visit.widget().locator(".tip").inner_text()
    assert tip.splitlines()[0] == "k = 3"
    assert "GRU" not in tip
    assert visit.errors == []


def test_python_side():
    with pytest.raises(traitlets.TraitError, match=r"unknown cells \['elman'\]"):
        GradientReach(cells=["elman"])
    with pytest.raises(traitlets.TraitError, match="does not fit 1 cells"):
        GradientReach(["a"], scales=[1, 2], keeps=[0], reach=np.ones((1, 1, 1, 4)))
    with pytest.raises(traitlets.TraitError, match="at most 7"):
        GradientReach(list("abcdefgh"), scales=[1], keeps=[0], reach=np.ones((8, 1, 1, 4)))
    widget = GradientReach(length=4, dim=3, scales=SCALES, keeps=KEEPS)
    with pytest.raises(traitlets.TraitError, match="must be below 3"):
        widget.scale = 3
    with pytest.raises(traitlets.TraitError, match="no curve is named 'gru'"):
        widget.shown = ["gru"]
    assert widget.describe().endswith("0 to 3 steps back, of RNN, GRU, LSTM.")
    cell, x = GRUCell(3, 4), torch.randn(2, 6, 3)
    own = GradientReach.of({"a cell of one's own": cell}, x)
    np.testing.assert_allclose(own.reach[0, 0, 0], state_gradient(cell, x), rtol=1e-6)
    with pytest.raises(TypeError, match="not AUGRUCell"):
        GradientReach.of({"no cell of these": AUGRUCell(3, 4)}, x)
