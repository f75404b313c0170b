"""PositionExplorer: its table is the package's, and the sum of two positions has the right sign."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import traitlets

from recbyhand.layers import PositionalEncoding
from recbyhand.widgets import PositionExplorer

from .harness import numbers


def package(length: int, dim: int, base: float) -> np.ndarray:
    return PositionalEncoding(dim, length, base=base)(torch.zeros(1, length, dim))[0].double().numpy()


def note(visit) -> str:
    visit.settle()
    return visit.widget().locator(".note").inner_text()


@pytest.mark.parametrize(("length", "dim", "base"), [(50, 32, 10_000.0), (7, 2, 2.0), (20, 64, 1e5)])
def test_mathematics_equals_the_package(open_page, length, dim, base):
    visit = open_page(PositionExplorer())
    pe = np.reshape(visit.js("encoding", [(length, dim, base)])[0], (length, dim))
    np.testing.assert_allclose(pe, package(length, dim, base), atol=1e-6)
    np.testing.assert_allclose(
        PositionExplorer(length=length, dim=dim, base=base, position=1, offset=1).encoding(), pe, atol=1e-9
    )
    dots = visit.js("products", [(pe.ravel().tolist(), length, dim, 3)])[0]
    np.testing.assert_allclose(dots, pe @ pe[3], atol=1e-6)


def test_the_sum_of_two_positions(open_page):
    visit = open_page(PositionExplorer())
    pe = package(20, 16, 10_000.0)
    right, wrong = visit.js("together", [(pe[5].tolist(), pe[9].tolist(), sign) for sign in (-1, 1)])
    np.testing.assert_allclose(right, pe[14], atol=1e-6)
    assert np.abs(np.array(wrong) - pe[14]).max() > 0.5
    np.testing.assert_allclose(wrong[1::2], pe[4][1::2], atol=1e-6)  # that is cos(9 - 5)


def test_each_control(open_page):
    visit = open_page(PositionExplorer(length=30, dim=8, position=10, offset=5))

    def expected():
        pe = package(30, visit.get("dim"), visit.get("base"))
        return (pe @ pe[visit.get("position")])[visit.get("position") + visit.get("offset")]

    def product():
        return numbers(note(visit).split("=")[2])[0]

    assert product() == pytest.approx(expected(), abs=6e-4)
    for name in ("position M", "offset N", "dimensions d", "base"):
        before = note(visit)
        visit.widget().get_by_role("slider", name=name).press("ArrowRight")
        assert note(visit) != before
        assert product() == pytest.approx(expected(), abs=6e-4)
    assert (visit.get("position"), visit.get("offset"), visit.get("dim")) == (11, 6, 10)
    assert numbers(note(visit).split("largest error")[1])[0] == pytest.approx(0, abs=1e-4)
    visit.widget().get_by_role("radio", name="plus (a misprint)").check()
    assert numbers(note(visit).split("largest error")[1])[0] > 0.1
    assert "M − N = 5" in note(visit)


def test_the_table_is_pressed_for_a_position(open_page):
    visit = open_page(PositionExplorer(length=20, position=0))
    canvas = visit.widget().locator("canvas")
    box = canvas.bounding_box()
    visit.tab.mouse.click(box["x"] + 30, box["y"] + box["height"] * 12.5 / 20)
    assert visit.get("position") == 12


def test_python_side():
    with pytest.raises(traitlets.TraitError, match="must be even"):
        PositionExplorer(dim=7)
    with pytest.raises(traitlets.TraitError, match="below length = 10"):
        PositionExplorer(length=10, position=10)


def test_dimensions_are_counted(open_page):
    """However few there are, no mark stands between two of them."""
    visit = open_page(PositionExplorer(dim=4))
    for chart in (0, 2):
        marks = visit.widget().locator(".stage svg[role=img]").nth(chart).locator("text[text-anchor=middle]")
        assert marks.all_text_contents() == ["0", "1", "2", "3"]
