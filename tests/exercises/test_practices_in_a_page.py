"""A practice works in a page from the disk: thumb, keyboard, screen reader, light and dark, a telephone's width."""

from __future__ import annotations

import pytest
from browsing import axe_violations

import recbyhand as rbh
from recbyhand.exercises.practices import files, needs, orders, read

ORDER, SHAPE, PREDICT = "five_ways_to_attend", "towers", "data_and_metrics"
GIVEN = {path.stem: read(path) for path in files()}


def open_page(browser, path, names, theme="light", **more):
    ink = {"light": "#fff;color:#222832", "dark": "#14181e;color:#ced6dd"}[theme]
    path.write_text(
        f'<!doctype html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8"><title>Practice</title>'
        f"<style>body{{background:{ink}}}</style></head><body><main><h1>Practice</h1>"
        f"{''.join(rbh.practice(name)._repr_html_() for name in names)}</main></body></html>",
        encoding="utf-8",
    )
    tab = browser.new_page(color_scheme=theme, viewport={"width": 390, "height": 800}, **more)
    tab.faults, tab.done = [], []
    tab.on("pageerror", lambda error: tab.faults.append(str(error)))
    tab.expose_function("told", lambda name: tab.done.append(name))
    tab.goto(path.as_uri())
    tab.evaluate("document.addEventListener('rbh-practice', e => told(e.detail.name))")
    return tab


@pytest.fixture(params=["light", "dark"])
def tab(browser, tmp_path, request):
    """One practice of each kind."""
    tab = open_page(browser, tmp_path / "page.html", (ORDER, SHAPE, PREDICT), request.param)
    yield tab
    assert tab.faults == []
    tab.close()


def button(box, line):
    return box.locator(".left-lines button").filter(has=box.page.get_by_text(line, exact=True))


def test_order(tab):
    box, given = tab.locator(".rbh-practice").nth(0), GIVEN[ORDER]
    said, lines = box.locator("output"), given["lines"]
    button(box, lines[3].strip()).click()
    assert "Something else has to happen before" in said.inner_text() or "uses a," in said.inner_text()
    button(box, lines[2].strip()).click()
    assert said.inner_text() == "✗ Not this one. It uses s, and no line above has made that yet."
    button(box, given["extra"][0][0].strip()).click()
    assert "A zero that speaks" in said.inner_text()
    for line in lines:
        button(box, line.strip()).click()
        assert said.inner_text().startswith("✓")
    assert box.locator(".made-lines li").all_inner_texts() == lines
    assert "mask has to come between" in said.inner_text()
    assert box.locator(".left-lines").is_hidden()
    box.get_by_role("button", name="Start again").click()
    assert box.locator(".left-lines button").count() == len(lines) + len(given["extra"])
    assert box.locator(".made-lines li").count() == 0
    assert tab.done == [ORDER]


def test_shape(tab):
    box, given = tab.locator(".rbh-practice").nth(1), GIVEN[SHAPE]
    said = box.locator("output")
    first = box.locator("select").first
    first.select_option("(B, H, k)")
    assert said.inner_text() == "✗ Not this one. k does not stand behind the arrow: it is summed."
    first.select_option("(B, m)")
    assert "every query scores each of the L films" in said.inner_text()
    for place, row in enumerate(given["rows"]):
        box.locator("select").nth(place).select_option(row["right"])
        assert said.inner_text().startswith("✓")
    assert "same letter on both sides" in said.inner_text()
    assert tab.done == [SHAPE]


def test_predict(tab):
    box = tab.locator(".rbh-practice").nth(2)
    said, see = box.locator("output"), box.locator(".see")
    assert see.is_hidden()
    box.get_by_label("0.75").check()
    assert "A tie counts half" in said.inner_text()
    assert see.is_visible(), "seen once something was predicted"
    assert tab.done == []
    box.get_by_label("0.625").check()
    assert said.inner_text().startswith("✓ Right. Four pairs")
    assert tab.done == [PREDICT]


def test_keyboard_alone(tab):
    """Tab and space put the lines in order; the focus is never lost; arrows choose a prediction."""
    lines, active = GIVEN[ORDER]["lines"], "document.activeElement"
    for line in lines:
        tab.locator("h1").evaluate("h => { h.tabIndex = -1; h.focus() }")  # from the top of the page
        for _ in range(10):
            tab.keyboard.press("Tab")
            if tab.evaluate(f"{active}.textContent") == line:
                break
        tab.keyboard.press("Space")
        assert tab.evaluate(f"{active} !== document.body"), "the focus is lost"
    assert tab.locator(".made-lines li").all_inner_texts() == lines
    assert tab.evaluate("document.activeElement.textContent") == "Start again"
    tab.locator("input[type=radio]").first.focus()
    tab.keyboard.press("ArrowDown")
    assert tab.locator(".rbh-practice").nth(2).locator("output").inner_text()


def test_accessible(tab):
    assert axe_violations(tab) == []
    button(tab.locator(".rbh-practice").nth(0), GIVEN[ORDER]["lines"][0].strip()).click()
    tab.locator("select").first.select_option("(B, m)")
    tab.get_by_label("0.75").check()
    assert axe_violations(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert tab.locator("output").first.get_attribute("aria-live") == "polite"
    heights = tab.locator(".left-lines button:visible, select").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().height)"
    )
    assert min(heights) >= 38, "large enough for a thumb"


def test_all_of_the_book_can_be_done(browser, tmp_path):
    """Each of them, on one telephone, to its end, in an order that is not the author's where there is one."""
    tab = open_page(browser, tmp_path / "all.html", GIVEN)
    for place, (name, given) in enumerate(GIVEN.items()):
        box = tab.locator(".rbh-practice").nth(place)
        if given["kind"] == "order":
            for at in orders(tuple(given["lines"]))[-1]:
                button(box, given["lines"][at].strip()).click()
        elif given["kind"] == "shape":
            for at, row in enumerate(given["rows"]):
                box.locator("select").nth(at).select_option(row["right"])
        else:
            box.locator("label[data-right='1'] input").check()
        assert box.locator("output").get_attribute("class") == "right", name
    tab.wait_for_timeout(100)
    assert tab.done == list(GIVEN)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert tab.faults == []
    tab.close()


def test_without_scripts_the_question_can_be_read(browser, tmp_path):
    path = tmp_path / "still.html"
    path.write_text(f"<main>{rbh.practice(PREDICT)._repr_html_()}</main>", encoding="utf-8")
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(path.as_uri())
    assert tab.get_by_text("What is the AUC?").is_visible()
    assert not tab.get_by_text("Four pairs: 0.9").is_visible()
    context.close()


def test_no_line_waits_for_itself():
    for given in GIVEN.values():
        for at, before in enumerate(needs(given.get("lines", []))):
            assert all(i < at for i in before)
