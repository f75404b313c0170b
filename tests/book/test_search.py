"""The search finds what readers ask for, and what it shows can be read; from a server and from a folder."""

from __future__ import annotations

import re
import zipfile
from urllib.parse import quote

import archive
import pytest
import search_text

from .test_pages import Visit


@pytest.mark.parametrize(
    ("tex", "said"),
    [
        (r"\frac{a_i}{\sigma}", "a_i/σ"),
        (r"\mathbf x(\mathbf t) = \sum_{i=1}^{L} a_i\, \mathbf e_i", "x(t) = Σ_(i=1)^L a_i e_i"),
        (r"\operatorname{softmax}\left(\frac{Q K^\top}{\sqrt{d}}\right) V", "softmax((Q Kᵀ)/(√(d))) V"),
        (r"a \qquad\text{or}\qquad b", "a or b"),
        (r"\begin{aligned} a &= b \\ c &= d \end{aligned}", "a = b c = d"),
    ],
)
def test_formulas_are_read_as_text(tex, said):
    assert search_text.readable(tex) == said


ASKED = [  # what is typed, and the page that must be among the first five
    ("factorisation machine", "book/glossary.html"),
    ("DIN unit", "chapters/04_interest/din.html"),  # an equation by its name
    ("MultiHeadAttention", "chapters/05_transformer/"),  # a class
    ("AUGRU", "chapters/04_interest/dien"),
    ("alpha", "book/notation.html"),  # a symbol by name
    ("α", "book/notation.html"),
    ("⊙", "book/notation.html"),
    ("推荐系统", "book/glossary.html#term-recommender-system"),
    ("召回", "book/glossary.html#term-recall-stage"),
    ("注意力", "book/glossary.html#term-"),
    ("resume amelie", ""),  # nothing, and it says so
]


@pytest.mark.parametrize("over", ["http", "file"])
def test_search_finds(browser, served, site, over):
    base = served if over == "http" else site.as_uri() + "/"
    for asked, page in ASKED:
        with Visit(browser, f"{base}search.html?q={quote(asked)}", "light") as visit:
            visit.tab.wait_for_function(
                "!/^(Searching.*)?$/.test(document.getElementById('search-status').textContent)"
            )
            assert not visit.elsewhere
            assert not visit.errors
            status = visit.tab.locator("#search-status").inner_text()
            links = visit.tab.locator("#search-results a")
            found = [links.nth(i).get_attribute("href") for i in range(min(5, links.count()))]
            if not page:
                assert status.startswith("Nothing found")
                continue
            assert any(page in link for link in found), (asked, found)
            text = visit.tab.locator("#search-results").inner_text()
            assert not re.search(r"\\(?:frac|math|operatorname|begin|sum|text)|\$\$|\{[a-z]+\}`", text), asked
            assert visit.tab.locator("#search-results mark").count()


def test_search_follows_its_link(browser, site):
    """A result found in the unpacked folder leads to its place."""
    with Visit(browser, f"{site.as_uri()}/search.html?q={quote('双塔模型')}", "dark") as visit:
        visit.tab.locator("#search-results a").first.click()
        visit.tab.wait_for_url("**/glossary.html#term-*")
        target = visit.tab.evaluate("document.querySelector(decodeURIComponent(location.hash)).textContent")
        assert "双塔模型" in target or "two-tower" in target


def test_no_solution_in_the_search(site):
    assert "Show the solution" not in (
        text := (site / "_static" / "search-text.js").read_text(encoding="utf8")
    )
    assert len(text) < 1_800_000
    assert not (site / "searchindex.js").exists()


def test_chinese_terms_are_marked_as_chinese(site):
    page = (site / "book" / "glossary.html").read_text(encoding="utf8")
    terms = re.findall(r"<dt[^>]*>[^<]*[\u4e00-\u9fff]", page)
    assert len(terms) > 100
    assert all('lang="zh-hans"' in term for term in terms)


def test_archive_is_the_site(site, tmp_path):
    """One folder in one file: every page, nothing twice, nothing of another build, relative names only."""
    made = archive.write(site, tmp_path / "book.zip")
    with zipfile.ZipFile(made) as packed:
        names = packed.namelist()
        assert packed.testzip() is None
    top = archive.FOLDER
    assert all(name.startswith(f"{top}/") and ".." not in name for name in names)
    assert {f"{top}/{p.relative_to(site).as_posix()}" for p in site.rglob("*.html")} <= set(names)
    assert f"{top}/index.html" in names
    again = archive.write(site, tmp_path / "again.zip")
    assert again.read_bytes() == made.read_bytes(), "the same pages give the same archive"
