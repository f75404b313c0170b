"""Listings on a page: shorter than in the notebook, and the same lines when opened."""

from __future__ import annotations

import re

import listings
import pytest

import recbyhand as rbh


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("rbh.show(\n    M.FM,\n    symbols={'a': 'b'},\n)  # fmt: skip", "rbh.show(M.FM)"),
        ("rbh.show(M.FM, L.Dice, symbols=s, numbers=True)", "rbh.show(M.FM, L.Dice, numbers=True)"),
        ("x = 1\nrbh.show(M.FM, symbols={})", "x = 1\nrbh.show(M.FM)"),
        ("s = {\n    'a': 'b',\n}\nrbh.show(M.FM, symbols=s)", "rbh.show(M.FM)"),
        ("s = {}\nx = 1\nrbh.show(M.FM, symbols={'a': s})", "s = {}\nx = 1\nrbh.show(M.FM)"),
        ("rbh.show(M.FM, symbols={})\nx = 1", "rbh.show(M.FM, symbols={})\nx = 1"),
        ("rbh.show(M.FM)", "rbh.show(M.FM)"),
        ("%matplotlib inline", "%matplotlib inline"),
        ("%time x = 1\nrbh.show(M.FM, symbols={})", "%time x = 1\nrbh.show(M.FM, symbols={})"),
    ],
)
def test_the_call_without_the_table_it_makes(given, shown):
    assert listings.call_without_symbols(given) == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("f(\n    a,\n)  # fmt: skip\nx = 1", "f(\n    a,\n)\nx = 1"),
        ("x == None  # noqa: E711", "x == None"),
        ("x = 1  # (B,) fmt: a shape", "x = 1  # (B,) fmt: a shape"),
    ],
)
def test_what_is_said_to_a_formatter_stays_out_of_the_page(given, shown):
    assert listings.for_readers(given) == shown


def test_a_line_of_one_of_several_listings_says_of_which():
    symbols = {"s": "self.weigh(", "a": "masked_softmax(scores, mask)"}
    page = listings.with_names(rbh.show(rbh.layers.Attention, rbh.models.DIN, symbols=symbols)._repr_html_())
    assert re.findall(r">(line \d+[^<]*)</a>", page) == [
        text for text in re.findall(r">(line \d+ of (?:Attention|DIN))</a>", page)
    ]
    assert "of Attention</a>" in page
    alone = rbh.show(rbh.layers.Attention, symbols={"s": "self.weigh("})._repr_html_()
    assert listings.with_names(alone) == alone
    methods = (rbh.layers.GATLayer.values_and_scores, rbh.layers.GATv2Layer.values_and_scores)
    page = listings.with_names(rbh.show(*methods, symbols={"v": "return v"})._repr_html_())
    assert " of GATLayer.values_and_scores</a>" in page
    assert " of GATv2Layer.values_and_scores</a>" in page


def _words(page: str) -> str:
    return re.sub(r"<button.*?</button>|<[^>]+>", "", page)


@pytest.mark.parametrize(
    "thing",
    [rbh.models.DIN, rbh.layers.LocalActivationUnit, rbh.models.FM, rbh.metrics.auc, rbh.models.SASRec],
)
def test_a_folded_listing_has_every_line(thing):
    whole = rbh.show(thing, numbers=True)._repr_html_()
    page = listings.folded(whole)
    assert "unfold" in page
    assert _words(page) == _words(whole)
    assert page.count("<span") - page.count("</span>") == 0


def test_a_line_for_a_formatter_is_left_out_with_its_number():
    whole = rbh.show(rbh.models.SASRec, numbers=True)._repr_html_()
    page = listings.folded(whole)
    assert whole.count("# fmt:") == 2
    assert (
        len(re.findall(r'<span class="aside"><span [^>]*>\s*<span class="c1"># fmt: o(?:n|ff)<', page)) == 2
    )
    for number in map(int, re.findall(r'id="rbh-source-\d+-0-(\d+)">\s*<span class="c1"># fmt', whole)):
        following = re.search(rf'<span ([^>]*)class="line" id="rbh-source-\d+-0-{number + 1}"', page)
        assert following[1] == f'style="counter-set:line {number}" '


def test_a_short_docstring_is_not_folded():
    whole = rbh.show(rbh.models.MatrixFactorization.forward)._repr_html_()
    assert listings.folded(whole) == whole


SEEN = """() => [...document.querySelectorAll('pre.numbered')].map((pre) => {
    const tops = [...pre.querySelectorAll('.line')].filter((line) => line.getClientRects().length);
    return [pre.offsetHeight, tops.length, pre.querySelectorAll('.line').length];
})"""


def test_a_docstring_opens_and_closes_by_keyboard(browser, served):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.goto(served + "chapters/04_interest/din.html", wait_until="load")
    before = tab.evaluate(SEEN)
    assert all(shown < lines for _, shown, lines in before)
    for button in tab.query_selector_all("button.unfold"):
        text = button.inner_text()
        button.focus()
        tab.keyboard.press("Enter")
        assert button.get_attribute("aria-expanded") == "true"
        assert button.inner_text() != text
    assert all(shown == lines for _, shown, lines in tab.evaluate(SEEN))
    for button in tab.query_selector_all("button.unfold"):
        button.focus()
        tab.keyboard.press("Space")
    assert tab.evaluate(SEEN) == before
    tab.emulate_media(media="print")
    assert all(shown == lines for _, shown, lines in tab.evaluate(SEEN))
    context.close()


def test_without_scripts_a_docstring_is_open(browser, served):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, java_script_enabled=False)
    tab = context.new_page()
    tab.goto(served + "chapters/04_interest/din.html", wait_until="load")
    lines = tab.locator("pre.numbered .line")
    assert lines.count() > 60
    assert all(lines.nth(i).is_visible() for i in range(lines.count()) if lines.nth(i).inner_text().strip())
    assert not tab.locator("button.unfold").first.is_visible()
    context.close()


def test_the_line_after_a_fold_has_its_number(browser, served):
    """The table's "line 47" is line 47 as numbered, folded or not: both of them lie at the same height."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.goto(served + "chapters/04_interest/din.html", wait_until="load")
    told = tab.evaluate("""[...document.querySelectorAll('.folded + .line')].map((line) =>
        [line.style.counterSet, line.id.split('-').at(-1)])""")
    assert told
    for counter, number in told:
        assert counter == f"line {int(number) - 1}"
    context.close()
