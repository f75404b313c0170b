"""Lines of a page: a formula stays beside its comma, a path in code breaks behind a sign of its own."""

from __future__ import annotations

import re
import sys

import pytest

from .paths import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import breaks

M = '<span class="math notranslate nohighlight"><span class="katex"><span>x</span></span></span>'


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (f"so {M}, and", f'so <span class="kept">{M},</span> and'),
        (f"({M}).", f'<span class="kept">({M}).</span>'),
        (f"the {M}-th of {M} films", f'the <span class="kept">{M}-th</span> of {M} films'),
        (f"{M}{M};", f'{M}<span class="kept">{M};</span>'),
        (f"<p>{M}</p>", f"<p>{M}</p>"),
    ],
)
def test_a_formula_keeps_the_marks_that_touch_it(given, shown):
    assert breaks.with_marks(given) == shown


def test_a_long_formula_breaks_between_its_boxes():
    long = M.replace("<span>x</span>", '<span class="katex-base">a =</span><span class="katex-base">b</span>')
    assert breaks.with_marks(f"{long}.").count("=</span><wbr><span") == 1
    assert "<wbr>" not in breaks.with_marks(long)
    assert breaks.with_marks(f"{long},").count("<wbr>") == 1


def test_a_path_may_break_behind_its_signs():
    code = '<code class="docutils literal notranslate"><span class="pre">{}</span></code>'
    path = code.format("tests/errata/interest/test_five_ways.py")
    page = breaks.in_paths(path)
    assert "tests/<wbr>errata/<wbr>interest/<wbr>test_<wbr>five_<wbr>ways.<wbr>py" in page
    assert re.sub("<wbr>", "", page) == path
    short = code.format("training=self.training")  # it goes on to the next line whole, where there is a line
    assert breaks.in_paths(f"<td>a</td>{short}") == f"<td>a</td>{short}"
    assert breaks.in_paths(f"<td>{short}</td>").count("<wbr>") == 2


LONELY = """() => {
    const found = [];
    for (const math of document.querySelectorAll('.bd-article p span.math')) {
        const next = math.nextSibling, mark = next?.nodeType === 3 && /^[.,;:!?)]/.exec(next.data);
        if (!mark) continue;
        const range = document.createRange();
        range.setStart(next, 0);
        range.setEnd(next, 1);
        const bases = math.querySelectorAll('.katex-base'), last = bases[bases.length - 1].getBoundingClientRect();
        const lower = range.getBoundingClientRect().left < last.left;
        if (lower) found.push(math.parentElement.parentElement.textContent.slice(0, 80));
    }
    return found;
}"""


@pytest.mark.parametrize(
    "page",
    ["05_transformer/decoder_and_leaks", "01_mlp/matrix_factorisation", "04_interest/five_ways_to_attend"],
)
@pytest.mark.parametrize("width", [390, 1280])
def test_no_line_begins_with_a_comma(browser, served, page, width):
    context = browser.new_context(viewport={"width": width, "height": 900})
    tab = context.new_page()
    tab.goto(f"{served}chapters/{page}.html", wait_until="load")
    tab.evaluate("dispatchEvent(new Event('rbh-all'))")
    assert tab.locator(".bd-article p .kept").count() > 5
    assert tab.evaluate(LONELY) == []
    context.close()
