"""AttentionHeatmap: the weights it shows are the package's masked softmax."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import traitlets

from recbyhand.layers import masked_softmax
from recbyhand.widgets import AttentionHeatmap

from .harness import numbers

TITLES = ["Heat (1995)", "霸王别姬 (1993)", "<i>Fargo</i> (1996)", "Amélie (2001)", "Se7en"]
SCORES = np.random.default_rng(3).normal(0, 2, (4, 5)).astype(np.float32)
MASK = np.array([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0], [1, 0, 1, 0, 1], [1, 1, 1, 1, 1]], bool)


def heatmap(**settings) -> AttentionHeatmap:
    return AttentionHeatmap(SCORES, rows=TITLES[:4], columns=TITLES, **{"mask": MASK, **settings})


def package(visit, i: int = 0) -> np.ndarray:
    """The package's weights at the widget's present settings."""
    scores = torch.tensor(SCORES, dtype=torch.float64)
    real = torch.tensor(MASK) if visit.get("use_mask", i) else torch.ones(4, 5, dtype=torch.bool)
    if not visit.get("softmax", i):
        return (scores * real).numpy()
    return masked_softmax(scores / visit.get("temperature", i), real).numpy()


def note(visit) -> str:
    visit.settle()
    return visit.widget().locator(".note").inner_text()


def check(visit):
    """The chosen cell's weight and its row's sum, as displayed."""
    weights, row, column = package(visit), visit.get("row"), visit.get("column")
    text = note(visit).replace("\u2068", "").replace("\u2069", "")
    assert f"{TITLES[row]} → {TITLES[column]}: " in text
    number = numbers(text.split("weight" if visit.get("softmax") else "score", 1)[1])[0]
    expected = weights[row, column] if visit.get("softmax") else SCORES[row, column]
    assert number == pytest.approx(expected, abs=1e-4)
    assert numbers(text.split("Sum of the row:")[1])[0] == pytest.approx(weights[row].sum(), abs=1e-4)
    assert (", masked" in text) == (visit.get("use_mask") and not MASK[row, column])


def picture(visit) -> str:
    visit.settle()
    return str(visit.widget().locator("canvas").evaluate_all("(all) => all.map((c) => c.toDataURL())"))


@pytest.mark.parametrize("seed", range(3))
def test_mathematics_equals_the_package(open_page, seed):
    visit = open_page(heatmap())
    rng = np.random.default_rng(seed)
    scores, mask = rng.normal(0, 5, (7, 9)), rng.random((7, 9)) < 0.7
    mask[2] = False
    for temperature in (0.1, 1.0, 10.0):
        given = {"shape": [7, 9], "data": scores.ravel().tolist()}
        js = visit.js("weightsOf", [(given, mask.astype(float).ravel().tolist(), True, temperature)])[0]
        expected = masked_softmax(torch.tensor(scores) / temperature, torch.tensor(mask)).numpy()
        np.testing.assert_allclose(js, expected, atol=1e-6)
        widget = AttentionHeatmap(scores, mask=mask, temperature=temperature)
        np.testing.assert_allclose(widget.weights(), expected, atol=1e-5)
    for sort, by in [("row", js[3]), ("total", np.sum(js, 0))]:
        assert (
            visit.js("columnOrder", [(js, 9, sort, 3)])[0]
            == np.argsort(-np.array(by), kind="stable").tolist()
        )


def test_every_cell_by_arrow_keys(open_page):
    visit = open_page(heatmap())
    grid = visit.tab.get_by_role("application")
    assert grid.get_attribute("aria-label").startswith("query by key, 4 by 5")
    for key in ["ArrowRight"] * 2 + [
        "ArrowDown",
        "ArrowDown",
        "ArrowLeft",
        "End",
        "PageDown",
        "Home",
        "ArrowUp",
        "PageUp",
    ]:
        grid.press(key)
        check(visit)
    assert (visit.get("row"), visit.get("column")) == (0, 0)
    grid.press("ArrowLeft")  # stays inside
    check(visit)
    assert "Heat (1995)" in grid.get_attribute("aria-label")


def test_controls_by_keyboard_and_pointer(open_page):
    visit = open_page(heatmap(row=2, column=1))
    check(visit)
    temperature = visit.tab.get_by_role("slider", name="temperature")
    seen = {picture(visit)}
    for key in ("Home", "PageUp", "End"):
        temperature.press(key)
        check(visit)
        seen.add(picture(visit))
    assert len(seen) == 4
    assert visit.get("temperature") == 10
    box = temperature.bounding_box()
    visit.tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert visit.get("temperature") == pytest.approx(1, abs=0.1)
    check(visit)
    for switch, press in [
        ("mask applied", True),
        ("softmax", False),
        ("mask applied", False),
        ("softmax", True),
    ]:
        button, before = visit.tab.get_by_role("switch", name=switch), picture(visit)
        button.press("Space") if press else button.click()
        check(visit)
        assert picture(visit) != before
    before = picture(visit)
    visit.tab.get_by_role("switch", name="mask drawn").click()
    assert picture(visit) != before
    check(visit)
    visit.tab.get_by_role("combobox", name="columns").select_option("by the chosen row")
    grid = visit.tab.get_by_role("application")
    grid.press("Home")
    check(visit)
    order = np.argsort(-package(visit)[2], kind="stable")
    assert visit.get("column") == order[0]
    grid.press("ArrowRight")
    assert visit.get("column") == order[1]
    visit.tab.get_by_role("combobox", name="columns").select_option("by their sums")
    grid.press("Home")
    assert visit.get("column") == np.argmax(package(visit).sum(0))


def test_hover_and_click(open_page):
    visit = open_page(heatmap())
    box = visit.widget().locator("canvas").last.bounding_box()
    tip = visit.widget().locator(".tip")
    seen = set()
    for fx in np.linspace(0.02, 0.5, 25):  # sweep the second half of the height: rows of the matrix
        visit.tab.mouse.move(box["x"] + fx * box["width"], box["y"] + box["height"] * 0.75)
        if not tip.is_visible():
            continue
        lines = tip.locator("div").all_text_contents()
        row, column = TITLES.index(lines[0]), TITLES.index(lines[1].removeprefix("→ "))
        assert numbers(lines[2])[0] == pytest.approx(package(visit)[row, column], abs=1e-4)
        seen.add(column)
        visit.tab.mouse.down()
        visit.tab.mouse.up()
        assert (visit.get("row"), visit.get("column")) == (row, column)
        check(visit)
    assert len(seen) >= 4
    visit.tab.mouse.move(2, 2)
    assert not tip.is_visible()


def test_a_row_without_any_real_column(open_page):
    mask = MASK.copy()
    mask[1] = False
    visit = open_page(heatmap(mask=mask, row=1))
    assert "its weights are 0, not NaN" in note(visit)
    assert numbers(note(visit).split("Sum of the row:")[1])[0] == 0


def test_all_masked_comes_back_when_the_mask_is_lifted(open_page):
    visit = open_page(heatmap(mask=np.zeros((4, 5))))
    assert visit.widget().locator(".message").is_visible()
    visit.tab.get_by_role("switch", name="mask applied").click()
    visit.settle()
    assert visit.widget().locator("canvas").last.is_visible()
    check(visit)


def test_keys_faster_than_the_screen(open_page):
    """Two keys before the next frame: the second starts from where the first has led."""
    visit = open_page(AttentionHeatmap(np.ones((3, 4))))
    visit.tab.get_by_role("application").evaluate(
        """(grid) => ["End", "PageDown"].forEach((key) =>
            grid.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, composed: true })))"""
    )
    assert (visit.get("row"), visit.get("column")) == (2, 3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 64), (64, 1), (64, 64)])
@pytest.mark.parametrize("width", [390, 1280])
def test_sizes(open_page, shape, width):
    names = ["题目" * 15] * 64
    visit = open_page(
        AttentionHeatmap(np.ones(shape), rows=names[: shape[0]], columns=names[: shape[1]]), width=width
    )
    assert not visit.overflow()
    assert numbers(note(visit).split("weight")[1])[0] == pytest.approx(1 / shape[1], abs=1e-4)
    grid = visit.tab.get_by_role("application")
    grid.press("End")
    grid.press("PageDown")
    assert (visit.get("row") + 1, visit.get("column") + 1) == shape


def test_minus_infinity_is_a_mask(open_page):
    scores = np.where(MASK, SCORES, -np.inf)
    one, other = AttentionHeatmap(scores, rows=TITLES[:4], columns=TITLES), heatmap()
    np.testing.assert_allclose(one.weights(), other.weights())
    assert one.problem() == other.problem() == ""
    visit = open_page(one)
    visit.set({"row": 0, "column": 4})
    assert ", masked" in note(visit)
    assert AttentionHeatmap([[-np.inf]]).problem() == heatmap(mask=np.zeros((4, 5))).problem() != ""
    assert AttentionHeatmap([[np.inf]]).problem()


def alpha(visit) -> np.ndarray:
    """How opaque each cell is drawn, 0 to 1."""
    visit.settle()
    flat = (
        visit.widget()
        .locator("canvas.cells")
        .evaluate(
            """(c) => [c.height, c.width, ...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"""
        )
    )
    return np.array(flat[2:]).reshape(flat[0], flat[1], 4)[..., 3] / 255


def test_softening_is_seen_since_the_scale_stays(open_page):
    widget = heatmap(use_mask=False)
    visit = open_page(widget)
    for temperature in (0.1, 1.0, 10.0):
        visit.set({"temperature": temperature})
        np.testing.assert_allclose(alpha(visit), np.sqrt(package(visit)), atol=0.005)
        widget.temperature = temperature
        np.testing.assert_allclose(widget.opacity(), np.sqrt(package(visit)), atol=1e-5)
        assert visit.widget().locator(".scale").inner_text().split() == ["0", "1.00"]
    visit.set({"softmax": False, "use_mask": True})
    top = np.abs(SCORES).max()
    np.testing.assert_allclose(alpha(visit), np.abs(SCORES * MASK) / top, atol=0.005)


def test_python_values_and_errors():
    assert heatmap(mask=torch.tensor([1, 1, 0, 0, 1])).mask.shape == (4, 5)
    for wrong, word in [
        ({"scores": np.zeros((65, 2))}, "at most 64"),
        ({"scores": [1.0, 2.0]}, "2 axes"),
        ({"scores": SCORES, "mask": np.ones((2, 2))}, "does not fit"),
        ({"scores": SCORES, "rows": ["one"]}, "pass 4, or none"),
        ({"scores": SCORES, "temperature": 0.0}, "temperature"),
        ({"scores": SCORES, "sort": "name"}, "given"),
    ]:
        with pytest.raises(traitlets.TraitError, match=word):
            AttentionHeatmap(**wrong)
    widget = heatmap()
    with widget.hold_trait_notifications():
        widget.scores, widget.mask, widget.rows, widget.columns = np.zeros((2, 2)), np.zeros((0, 0)), [], []
    np.testing.assert_allclose(widget.weights(), 0.5)
