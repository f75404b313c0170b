"""PairAttention: the weights on the screen are AFM's, under the names of the right two fields."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import traitlets

from recbyhand.layers import PairwiseInteraction
from recbyhand.models import AFM
from recbyhand.widgets import PairAttention
from tests.factories import make_batch, make_schema

from .harness import numbers

FIELDS = ["user", "film", "age", "genre"]
WEIGHTS = np.array([[0.05, 0.10, 0.15, 0.02, 0.08, 0.60], [0.5, 0.0, 0.1, 0.2, 0.1, 0.1]], np.float32)


def pairs(**settings) -> PairAttention:
    return PairAttention(WEIGHTS, **{"fields": FIELDS, "examples": ["Ann", "Bo"], **settings})


def note(visit) -> str:
    visit.settle()
    text = visit.widget().locator(".note").inner_text()
    assert text.replace("\u2068", "") in visit.tab.get_by_role("application").get_attribute(
        "aria-label"
    ).replace("\u2068", "")
    return text.replace("\u2068", "").replace("\u2069", "")


def check(visit, widget) -> tuple[str, str]:
    """The chosen pair, its weight and its place among all, as displayed."""
    example = visit.get("example")
    weights = WEIGHTS.mean(0) if example < 0 else WEIGHTS[example]
    a, b = widget.pairs()[visit.get("pair")]
    text = note(visit)
    assert text.startswith(f"{a} × {b}")
    weight, nth, of, times = numbers(text.split("weight ")[1])[:4]
    assert weight == pytest.approx(weights[visit.get("pair")], abs=1e-4)
    assert nth == 1 + list(np.argsort(-weights, kind="stable")).index(visit.get("pair"))
    assert (of, times) == (6, pytest.approx(6 * weights[visit.get("pair")], abs=0.01))
    return a, b


def marks(visit, kind: str) -> int:
    visit.settle()
    return visit.widget().locator(f".map svg {kind}").count()


def test_weights_of_a_model_stand_under_its_pairs(open_page):
    torch.manual_seed(0)
    schema = make_schema()
    model, batch = AFM(schema).eval(), make_batch(schema, 5)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)  # weights that differ
    weights = model.attention(batch)
    widget = PairAttention(weights, fields=[field.name for field in schema.fields])
    assert widget.pairs() == model.pairs
    visit = open_page(widget)
    for example in (0, 3, -1):
        expected = (weights.mean(0) if example < 0 else weights[example]).detach()
        visit.set({"example": example, "pair": int(expected.argmax())})
        a, b = model.pairs[int(expected.argmax())]
        assert note(visit).startswith(f"{a} × {b}: ")
        assert f"Largest: {a} × {b}" in note(visit)
        assert numbers(note(visit).split("weight ")[1])[0] == pytest.approx(expected.max().item(), abs=1e-4)


@pytest.mark.parametrize("count", [2, 3, 7, 20])
def test_mathematics_equals_the_package(open_page, count):
    visit = open_page(pairs())
    order = PairwiseInteraction.pairs(count)
    weights = torch.randn(4, len(order), dtype=torch.float64)
    assert [tuple(p) for p in visit.js("pairsOf", [(count,)])[0]] == order
    assert visit.js("fieldsOf", [(len(order),)])[0] == count
    given = {"shape": list(weights.shape), "data": weights.ravel().tolist()}
    for example, expected in [(2, weights[2]), (-1, weights.mean(0))]:
        js = visit.js("weightsOf", [(given, example)])[0]
        np.testing.assert_allclose(js, expected, atol=1e-6)
        totals = [sum(w for w, p in zip(expected, order, strict=True) if f in p) for f in range(count)]
        np.testing.assert_allclose(visit.js("totals", [(js, count)])[0], totals, atol=1e-6)
        assert visit.js("ranked", [(js,)])[0] == torch.argsort(-expected, stable=True).tolist()


def test_every_pair_by_arrow_keys(open_page):
    widget = pairs()
    visit = open_page(widget)
    grid = visit.tab.get_by_role("application")
    seen = {check(visit, widget)}
    steps = "Down Down Right Up Up Down Right Right Right Left Left Left Up"
    for key in steps.split():
        grid.press(f"Arrow{key}")
        seen.add(check(visit, widget))
    assert len(seen) == 6
    for keys, order in [(("Home", "PageDown"), [5, 2, 1, 4, 0, 3]), (("End", "PageUp"), [3, 0, 4, 1, 2, 5])]:
        grid.press(keys[0])
        for pair in order:
            assert visit.get("pair") == pair
            grid.press(keys[1])
    visit.set({"view": "arcs"})
    grid.press("Home")
    for pair in (5, 2, 1):
        assert visit.get("pair") == pair
        check(visit, widget)
        grid.press("ArrowDown")


def test_both_views_and_the_controls(open_page):
    widget = pairs(marked=[("genre", "user")])
    visit = open_page(widget)
    values = visit.widget().locator(".map text.value").all_text_contents()
    np.testing.assert_allclose([numbers(v)[0] for v in values], WEIGHTS[0], atol=0.0051)
    assert marks(visit, "[stroke='var(--c3)']") == 1
    visit.tab.get_by_role("slider", name="hide below").fill("0.15")  # of 0.6: 0.05, 0.02 and 0.08 go
    assert marks(visit, "text.value") == 3
    assert "Shown: 3 of 6 pairs" in note(visit)
    visit.tab.get_by_role("radio", name="arcs").check()
    visit.settle()
    drawn = visit.widget().locator(".map path[stroke-opacity]")
    assert drawn.count() == 4  # three, and the chosen one
    wide = [float(w) for w in drawn.evaluate_all("(all) => all.map((e) => e.getAttribute('stroke-width'))")]
    np.testing.assert_allclose(sorted(wide), 1 + 9 * np.array([0.05, 0.1, 0.15, 0.6]) / 0.6, atol=1e-5)
    assert marks(visit, "[stroke='var(--c3)']") == 1
    visit.tab.get_by_role("slider", name="hide below").press("Home")
    assert marks(visit, "path[stroke-opacity]") == 6

    def names():
        visit.settle()
        return visit.widget().locator(".map text").all_text_contents()

    assert names()[1:] == FIELDS
    visit.tab.get_by_role("switch", name="fields by their sums").press("Space")
    by_sum = sorted(FIELDS, key=lambda f: -sum(w for w, p in zip(WEIGHTS[0], widget.pairs()) if f in p))
    assert names()[1:] == by_sum != FIELDS
    check(visit, widget)
    visit.tab.get_by_role("radio", name="matrix").check()
    assert names()[-4:] == by_sum
    grid = visit.tab.get_by_role("application")
    grid.press("Home")
    assert set(check(visit, widget)) == {"age", "genre"}
    grid.press("ArrowUp")  # in the sorted triangle
    check(visit, widget)
    for choice, example in [("Bo", 1), ("mean of all 2", -1), ("Ann", 0)]:
        visit.tab.get_by_role("combobox", name="example").select_option(choice)
        assert visit.get("example") == example
        check(visit, widget)
    assert visit.errors == []


@pytest.mark.parametrize("view", ["matrix", "arcs"])
@pytest.mark.parametrize("width", [390, 1280])
def test_hover_and_click(open_page, view, width):
    widget = pairs(view=view)
    visit = open_page(widget, width=width)
    box, tip = visit.widget().locator(".map").bounding_box(), visit.widget().locator(".tip")
    seen = set()
    for x in range(4, 290, 11):
        for y in range(8, int(box["height"]), 17):
            visit.tab.mouse.move(box["x"] + x, box["y"] + y)
            if not tip.is_visible():
                continue
            a, b, value = tip.locator("div").all_text_contents()
            pair = widget.pairs().index((a, b))
            assert numbers(value)[0] == pytest.approx(WEIGHTS[0][pair], abs=1e-4)
            if pair not in seen:
                visit.tab.mouse.down()
                visit.tab.mouse.up()
                assert visit.get("pair") == pair
                check(visit, widget)
            seen.add(pair)
    assert seen == set(range(6))
    visit.tab.mouse.move(2, 2)
    assert not tip.is_visible()


def test_one_pair_negative_weights_and_the_marked_pair(open_page):
    visit = open_page(
        PairAttention([1.0]), PairAttention([0.5, -0.2, 0.1], marked=[("field 1", "field 3")], pair=1)
    )
    assert not visit.widget(0).get_by_role("combobox").is_visible()
    assert "weight 1.0000, number 1 of 1" in visit.widget(0).locator(".note").inner_text()
    for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"):
        visit.widget(0).get_by_role("application").press(key)
        assert visit.get("pair", 0) == 0
    text = visit.widget(1).locator(".note").inner_text()
    assert "(marked): weight −0.2000, number 3 of 3." in text
    assert "even share" not in text
    assert visit.widget(1).locator(".map rect[fill='var(--c2)']").count() == 1


def test_python_side():
    widget = pairs(example=-1)
    np.testing.assert_allclose(widget.shown(), WEIGHTS.mean(0), atol=1e-6)
    assert widget.pairs()[3] == ("film", "age")
    assert "age × genre" in widget.describe()
    assert PairAttention(torch.tensor([0.2, 0.3, 0.5])).weights.shape == (1, 3)
    for wrong, word in [
        ({"weights": np.ones((2, 5))}, "not one for every two"),
        ({"weights": np.ones((1, 210))}, "at most 100 and 20"),
        ({"weights": np.ones((101, 3))}, r"weights.mean\(0\)"),
        ({"weights": WEIGHTS, "fields": ["a", "b"]}, "pass 4 names"),
        ({"weights": WEIGHTS, "examples": ["a"]}, "pass 2 names"),
        ({"weights": WEIGHTS, "fields": FIELDS, "marked": [("user", "colour")]}, "two different fields"),
        ({"weights": WEIGHTS, "fields": FIELDS, "marked": [("user", "user")]}, "two different fields"),
        ({"weights": WEIGHTS, "view": "chord"}, "arcs"),
        ({"weights": WEIGHTS, "threshold": 2.0}, "threshold"),
        ({"weights": np.ones((1, 2, 3))}, "2 axes"),
    ]:
        with pytest.raises(traitlets.TraitError, match=word):
            PairAttention(**wrong)
