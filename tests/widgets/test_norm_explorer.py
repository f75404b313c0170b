"""NormExplorer: the numbers on the screen are those of the package's BatchNorm and LayerNorm."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import traitlets

from recbyhand.layers import BatchNorm, LayerNorm
from recbyhand.widgets import NormExplorer

from .harness import numbers

X = np.array([[1, 2, 3, 4], [2, 4, 6, 8], [0, 0, 1, 9]], np.float32)


def package(x, norm: str, epsilon: float = 1e-5) -> np.ndarray:
    x = torch.tensor(np.array(x), dtype=torch.float64)
    layer = (BatchNorm if norm == "batch" else LayerNorm)(x.shape[1], eps=epsilon).double().train()
    return layer(x).detach().numpy()


def shown(visit) -> np.ndarray:
    visit.settle()
    texts = visit.widget().locator(".result tbody button").all_inner_texts()
    return np.array([numbers(t)[0] for t in texts])


def lit(visit) -> list[str]:
    """The places of the input cells that are tinted."""
    return (
        visit.widget()
        .locator("input.cell")
        .evaluate_all("(all) => all.filter((c) => c.style.background !== '').map((c) => c.dataset.at)")
    )


@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize("epsilon", [1e-5, 0.1])
def test_mathematics_equals_the_package(open_page, norm, epsilon):
    visit = open_page(NormExplorer(X))
    x = np.random.default_rng(1).normal(2, 3, (5, 6))
    result = visit.js("normalise", [(x.ravel().tolist(), 5, 6, norm, epsilon)])[0]
    np.testing.assert_allclose(np.reshape(result["y"], (5, 6)), package(x, norm, epsilon), atol=1e-6)
    widget = NormExplorer(x, norm=norm, epsilon=epsilon)
    np.testing.assert_allclose(widget.normalised(), package(widget.values, norm, epsilon), atol=1e-6)


def test_switch_edit_and_epsilon(open_page):
    visit = open_page(NormExplorer(X))
    np.testing.assert_allclose(shown(visit), package(X, "batch").ravel(), atol=6e-4)
    visit.widget().get_by_role("radio", name="the features").check()
    np.testing.assert_allclose(shown(visit), package(X, "layer").ravel(), atol=6e-4)
    visit.widget().locator("input.cell").nth(5).fill("-3")
    changed = X.copy()
    changed[1, 1] = -3
    np.testing.assert_allclose(shown(visit), package(changed, "layer").ravel(), atol=6e-4)
    visit.widget().get_by_role("slider", name="ε").press("End")
    np.testing.assert_allclose(shown(visit), package(changed, "layer", 1.0).ravel(), atol=6e-4)


def test_the_averaged_cells_light_up(open_page):
    visit = open_page(NormExplorer(X))
    visit.widget().locator(".result tbody button").nth(6).click()  # row 1, column 2
    visit.settle()
    assert lit(visit) == ["0,2", "1,2", "2,2"]
    note = visit.widget().locator(".note").inner_text()
    assert numbers(note.split("=")[1])[0] == pytest.approx(package(X, "batch")[1, 2], abs=1e-4)
    visit.widget().get_by_role("radio", name="the features").check()
    visit.settle()
    assert lit(visit) == ["1,0", "1,1", "1,2", "1,3"]
    visit.widget().locator("input.cell").first.focus()
    visit.settle()
    assert lit(visit) == ["0,0", "0,1", "0,2", "0,3"]


def test_equal_values_stay_finite(open_page):
    visit = open_page(NormExplorer([[2.0, 2.0], [2.0, 5.0]], norm="layer"))
    np.testing.assert_allclose(shown(visit), package([[2, 2], [2, 5]], "layer").ravel(), atol=6e-4)
    assert "the variance is 0" in visit.widget().locator(".note").inner_text()


def test_python_side():
    with pytest.raises(traitlets.TraitError, match="at most 8 by 8"):
        NormExplorer(np.zeros((9, 2)))
    assert "each example over its features" in NormExplorer(norm="layer").describe()
