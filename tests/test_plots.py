"""Figures follow the page's theme, carry a text, and come out the same each time."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from browsing import axe_violations
from sklearn.metrics import roc_auc_score, roc_curve

from recbyhand import plots
from tests.inspect.test_source import contrast

LOG = pd.DataFrame({"epoch": [1, 2, 3], "loss": [0.7, 0.6, 0.55], "valid_auc": [0.6, 0.66, 0.7]})
# Drawn, its ticks become longer than those the layout made room for.
LONG = pd.DataFrame({"valid_auc": [0.6, 0.66, 0.7, 0.71, 0.712]})
ALT = 'AUC rises from 0.60 to 0.70 in "three" epochs, <b>then</b> stays.'
RNG = np.random.default_rng(0)
LABELS = RNG.random(500) < 0.4
SCORES = np.round(LABELS + RNG.normal(size=500), 1)  # with ties

DRAW = {
    "curves": lambda **k: plots.curves(LOG, ["loss", "valid_auc"], ceiling=0.73, **k),
    "curves of two": lambda **k: plots.curves({"A": LONG, "B": LONG - 0.05}, "valid_auc", x="step", **k),
    "intervals": lambda **k: plots.intervals(
        ["popularity", "MF"], [0.6, 0.7], [0.59, 0.69], [0.61, 0.71], ceiling=0.8, reference=0.5, **k
    ),
    "heatmap": lambda **k: plots.heatmap(
        [[0.1, np.nan], [0.3, 1.0]], rows=["a<b", "c"], columns=["first", "second"], **k
    ),
    "large heatmap": lambda **k: plots.heatmap(
        torch.rand(40, 40, generator=torch.Generator().manual_seed(0)), **k
    ),
    "roc": lambda **k: plots.roc({"good": (LABELS, SCORES), "chance": (LABELS, -SCORES)}, **k),
}
each = pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)


@each
def test_carries_its_text(draw):
    picture = draw(alt=ALT, caption="Six < seven")
    root = ET.fromstring(picture._repr_html_())
    (svg,) = root.iter("{http://www.w3.org/2000/svg}svg")
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == ALT
    assert root.find("figcaption").text == "Six < seven"
    assert ALT in repr(picture)


@each
def test_text_is_required(draw):
    with pytest.raises(TypeError, match="alt"):
        draw()
    for alt in ("", "plot", "a plot"):
        with pytest.raises(ValueError, match="alt="):
            draw(alt=alt)


@each
def test_same_file_each_time_but_for_the_ids(draw):
    plots._seen.clear()
    first = draw(alt=ALT).markup
    again = draw(alt=ALT).markup
    plots._seen.clear()
    assert draw(alt=ALT).markup == first
    mine, others = (set(re.findall(r' id="([^"]+)"', markup)) for markup in (first, again))
    assert not mine & others
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", first))
    assert used == mine


@each
def test_ink_is_the_pages(draw):
    markup = draw(alt=ALT).markup
    assert "currentColor" in markup
    assert plots.INK not in markup
    assert "<?xml" not in markup
    assert "<metadata" not in markup
    assert len(markup) < 60_000


def test_ink_is_in_no_colour_map():
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    for name in ("cividis", "viridis", "magma", "Greys", "coolwarm"):
        assert plots.INK not in {to_hex(colormaps[name](i)) for i in range(256)}
    assert plots.INK not in plots.PALETTE


def test_colours_are_seen_on_white_and_on_dark():
    for colour in (*plots.PALETTE, plots.INK):
        assert contrast(colour, "#ffffff") >= 3
        assert contrast(colour, "#14181e") >= 3


@pytest.mark.parametrize("grey", np.linspace(0, 1, 21))
def test_numbers_on_a_heatmap_are_readable(grey):
    from matplotlib.colors import to_hex

    ground = to_hex((grey, grey, 1 - grey))
    assert contrast(plots._readable_on((grey, grey, 1 - grey)), ground) >= 4.5


def test_nan_stays_empty_and_numbers_are_written():
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", DRAW["heatmap"](alt=ALT).markup)
    assert {"0.10", "0.30", "1.00", "a&lt;b", "second"} <= set(texts)
    assert not any("nan" in text.lower() for text in texts)


def test_heatmap_of_a_vector_is_refused():
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        plots.heatmap([1, 2, 3], alt=ALT)


def test_roc_equals_scikit_learns():
    false, true = plots._roc(LABELS, SCORES)
    expected = roc_curve(LABELS, SCORES, drop_intermediate=False)
    np.testing.assert_allclose(false, expected[0])
    np.testing.assert_allclose(true, expected[1])
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", DRAW["roc"](alt=ALT).markup)
    assert f"good {roc_auc_score(LABELS, SCORES):.3f}" in texts


def test_roc_needs_both_labels():
    with pytest.raises(ValueError, match="both kinds"):
        plots.roc({"a": (np.ones(3), np.ones(3))}, alt=ALT)


def test_own_figure_is_shown_once():
    plots.style()
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    picture = plots.display(figure, alt=ALT)
    assert picture.markup.startswith("<svg")
    assert plt.get_fignums() == []


def test_png_where_asked_or_too_heavy(monkeypatch):
    plots.style()
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    img = ET.fromstring(plots.display(figure, alt=ALT, png=True).markup.replace('">', '"/>'))
    assert (img.tag, img.get("alt"), img.get("loading")) == ("img", ALT, "lazy")
    assert 400 < int(img.get("width")) < 600
    monkeypatch.setattr(plots, "_LARGEST", 100)
    assert DRAW["curves"](alt=ALT).markup.startswith("<img")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_in_a_page(browser, theme):
    ground, ink = {"light": ("#ffffff", "#222832"), "dark": ("#14181e", "#ced6dd")}[theme]
    tab = browser.new_page(viewport={"width": 390, "height": 800})
    figures = "".join(
        draw(alt=f"{ALT} {name}", caption="What is seen")._repr_html_() for name, draw in DRAW.items()
    )
    tab.set_content(
        '<!doctype html><html lang="en"><head><title>Plots</title></head>'
        f'<body style="background:{ground};color:{ink}"><main>'
        f"<h1>Plots</h1>{figures}</main></body></html>"
    )
    assert axe_violations(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    fill = tab.locator("svg text").first.evaluate("element => getComputedStyle(element).fill")
    assert fill == f"rgb({', '.join(str(int(ink[i : i + 2], 16)) for i in (1, 3, 5))})"
    # Nothing drawn outside its figure: labels cut off would be.
    cut = tab.evaluate(
        """[...document.querySelectorAll("svg")].flatMap(svg => {
             const box = svg.getBoundingClientRect();
             return [...svg.querySelectorAll("text")].filter(text => {
               const t = text.getBoundingClientRect();
               const inside = t.left > box.left - 1 && t.right < box.right + 1;
               return !(inside && t.top > box.top - 1 && t.bottom < box.bottom + 1);
             }).map(text => text.textContent); })"""
    )
    assert cut == []
    # Shrunk to the page's width, each figure can still be read.
    smallest = tab.evaluate(
        """Math.min(...[...document.querySelectorAll("svg text")].filter(text => !text.children.length).map(text => {
             const {a, b} = text.getScreenCTM();
             return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(a, b); }))"""
    )
    assert smallest >= 0.99 * plots._READABLE
    # A legend is above the axes, where no line passes through it.
    first = tab.locator("svg").first
    ticks = [box.bounding_box()["y"] for box in first.locator("text", has_text=re.compile(r"^0\.\d+$")).all()]
    assert first.locator("text", has_text="best possible").bounding_box()["y"] < min(ticks)
    tab.close()


def test_diagram_leaves_room_for_arrows_and_fits_a_telephone():
    chain = {f"film {t}": (1.3 * t, 0) for t in range(6)}
    arrows = list(zip(list(chain)[:-1], list(chain)[1:]))
    markup = plots.diagram(chain, arrows, alt="a chain of six films").markup
    assert int(re.search(r"min-width:(\d+)px", markup)[1]) <= 342
    two = {"a long name of a box": (0, 0), "another long name of a box": (0.5, 0)}
    markup = plots.diagram(two, [tuple(two)], alt="two boxes side by side").markup
    assert int(re.search(r"width:(\d+)px", markup)[1]) > 96 * sum(map(plots._inches, two)) + 0.28 * 96


BOXES = {"one-hot user": (0, 0), "user vector": (0, 1), "a < b & c": (0.5, 2)}
ARROWS = [("one-hot user", "user vector"), ("user vector", "a < b & c")]


def test_diagram_has_every_box_and_arrow():
    markup = plots.diagram(BOXES, ARROWS, alt="two boxes lead to a third", learned=["user vector"]).markup
    assert "one-hot user" in markup
    assert "a &lt; b &amp; c" in markup
    assert markup.count(plots.PALETTE[0]) == 1, "one frame in colour: the learned one"
    fewer = plots.diagram(BOXES, ARROWS[:1], alt="two boxes, one arrow", learned=["user vector"]).markup
    assert markup.count("<path") > fewer.count("<path")


@pytest.mark.parametrize(("arrows", "learned"), [([("user", "user vector")], []), ([], ["user"])])
def test_diagram_names_an_unknown_box(arrows, learned):
    with pytest.raises(KeyError, match="no box has the text 'user'"):
        plots.diagram(BOXES, arrows, alt="two boxes lead to a third", learned=learned)
