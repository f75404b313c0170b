"""FMExplorer: the numbers on the screen are those of the package's FMInteraction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import traitlets

from recbyhand.layers import FMInteraction
from recbyhand.widgets import FMExplorer

from .harness import numbers

V = np.array([[1.0, 0.5, -1.0], [0.5, 1.0, 1.0], [-1.0, 2.0, 0.5], [1.5, -0.5, 1.0]], np.float32)


def package(vectors) -> float:
    return FMInteraction(scalar=True)(torch.as_tensor(np.asarray(vectors), dtype=torch.float64)[None]).item()


def shown(visit) -> tuple[float, float]:
    """The sum of the pairs and the value of the two squares, as the note says them."""
    visit.settle()
    text = visit.widget().locator(".note").inner_text()
    return numbers(text.split(": ", 1)[1])[0], numbers(text.split("squares: ")[1])[0]


def vectors(visit) -> np.ndarray:
    trait = visit.get("vectors")
    return np.array(trait["data"]).reshape(trait["shape"])


@pytest.mark.parametrize("seed", range(3))
def test_mathematics_equals_the_package(open_page, seed):
    visit = open_page(FMExplorer(V))
    v = np.random.default_rng(seed).normal(0, 3, (6, 4))
    flat = v.ravel().tolist()
    pairs = visit.js("pairs", [(flat, 6, 4)])[0]
    assert sum(x for _, _, x in pairs) == pytest.approx(package(v), abs=1e-6)
    by = visit.js("identity", [(flat, 6, 4)])[0]
    expected = FMInteraction()(torch.as_tensor(v)[None])[0].numpy()
    np.testing.assert_allclose(by["value"], expected, atol=1e-6)


def test_typing_a_number_changes_both_sums_alike(open_page):
    visit = open_page(FMExplorer(V))
    assert shown(visit) == pytest.approx((package(V), package(V)), abs=1e-4)
    visit.widget().locator("input.cell").nth(4).fill("-2.5")
    changed = V.copy()
    changed[1, 1] = -2.5
    assert shown(visit) == pytest.approx((package(changed),) * 2, abs=1e-4)
    assert package(changed) != pytest.approx(package(V))
    cells = visit.widget().locator(".triangle td.pair").all_inner_texts()
    i, j = np.triu_indices(4, 1)
    np.testing.assert_allclose([numbers(c)[0] for c in cells], (changed @ changed.T)[i, j], atol=0.0051)


def test_dragging_and_arrow_keys_move_a_number(open_page):
    visit = open_page(FMExplorer(V))
    cell = visit.widget().locator("input.cell").first
    box = cell.bounding_box()
    visit.tab.mouse.move(box["x"] + 20, box["y"] + 15)
    visit.tab.mouse.down()
    visit.tab.mouse.move(box["x"] + 20, box["y"] - 15, steps=5)
    visit.tab.mouse.up()
    assert vectors(visit)[0, 0] == pytest.approx(1.5)  # five steps of 0.1
    cell.press("ArrowDown")
    assert vectors(visit)[0, 0] == pytest.approx(1.4)
    assert shown(visit) == pytest.approx((package(vectors(visit)),) * 2, abs=1e-4)


def test_without_the_factor_every_pair_counts_twice(open_page):
    visit = open_page(FMExplorer(V))
    visit.widget().get_by_role("switch", name="factor ½").click()
    pairs, squares = shown(visit)
    assert pairs == pytest.approx(package(V), abs=1e-4)
    assert squares == pytest.approx(2 * package(V), abs=1e-4)
    assert "counted twice" in visit.widget().locator(".note").inner_text()


def test_python_side():
    widget = FMExplorer(torch.as_tensor(V), fields=["user"])
    assert widget.pair_sum() == pytest.approx(package(V))
    assert widget.names() == ["user", "field 2", "field 3", "field 4"]
    with pytest.raises(traitlets.TraitError, match="at most 8 fields by 6"):
        FMExplorer(np.zeros((9, 2)))
    with pytest.raises(traitlets.TraitError, match="2 axes"):
        FMExplorer([1.0, 2.0])
