"""What a page says beside a figure, and the state the figure opens in, belong together."""

from __future__ import annotations

import re

import pytest

from .paths import SITE
from .test_pages import Visit

PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.rglob("*.html")
    if '<div class="rbh-widget"' in path.read_text(encoding="utf8")
)
EMPHASIS = {"explodes", "same", "against"}  # words in italics that name nothing
# What stands beside each figure: the paragraph before it in the gallery, "Try it" after it in a lesson.
BESIDE = """(gallery) => [...document.querySelectorAll('.rbh-widget')].map((root) => {
  const cell = root.closest('div.cell');
  if (!cell) return null;
  const said = gallery ? cell.previousElementSibling : cell.nextElementSibling;
  const prose = said?.matches('p, ul, ol') ? said : null;
  const tried = gallery || /^Try it/.test(prose?.textContent ?? '') || prose?.matches('ul');
  const shadow = root.querySelector(':scope > div > div').shadowRoot;
  const labels = [...shadow.querySelectorAll('[aria-label]')].map((node) => node.getAttribute('aria-label'));
  const { state } = root.model;
  const row = ({ shape, data }, n) => Array.from(data).slice(n * shape[1], (n + 1) * shape[1]);
  return { text: prose?.textContent ?? '', tried,
    named: tried && prose ? [...prose.querySelectorAll('em')].map((node) => node.textContent) : [],
    shown: [shadow.textContent, ...labels].join(' '),
    marks: 'relevant' in state && state.relevant.shape[0] > 1 ? row(state.relevant, state.target) : null };
})"""


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().lower()


@pytest.mark.parametrize("page", PAGES or [pytest.param("", marks=pytest.mark.skip("the book is not built"))])
def test_what_is_named_beside_a_figure_is_in_it(browser, served, page):
    """*Names* of controls and films beside a figure are in the figure; films said to be marked are marked."""
    with Visit(browser, served + page, "light") as visit:
        visit.tab.wait_for_function("!document.querySelector('.rbh-widget:not([data-ready])')")
        for figure in visit.tab.evaluate(BESIDE, page == "book/gallery.html"):
            if figure is None:
                continue
            missing = [
                name
                for name in figure["named"]
                if plain(name) not in EMPHASIS and plain(name) not in plain(figure["shown"])
            ]
            assert not missing, f"{figure['text'][:200]!r} names what the figure does not show"
            if "marked" in figure["text"] and figure["marks"] is not None:
                assert any(figure["marks"]), (
                    "the text speaks of marked films, and the figure opens without one"
                )
