"""One lesson as PDF and as EPUB; the whole book is made by the same code (`make pdf`, `make epub`)."""

from __future__ import annotations

import re
import xml.dom.minidom
import zipfile

import printed
import pytest
from browsing import find_chromium, no_browser

LESSON = "chapters/04_interest/din"
MOST_PAGES = 20


def test_article_has_nothing_that_only_a_screen_can_do(site):
    root = printed.article(site, LESSON)
    for what in ("script", "button", "details", "summary", "input", "textarea"):
        assert not root.xpath(f"//{what}"), what
    text = printed.words(root)
    assert "Show the code" not in text
    assert "find the package, or install it" not in text, "the first cell stays out"
    assert "Solution" in text
    assert not root.xpath(f"//div[{printed.has('tag_exercise')}]/div[{printed.has('cell_output')}]")
    assert root.xpath(f"//div[{printed.has('rbh-static')}]//*[local-name()='svg']"), "widgets are drawings"


def test_every_page_of_the_book_is_printed(site):
    printed_pages = [part.page for part in printed.parts(site)]
    assert LESSON in printed_pages
    assert len(printed_pages) > 50
    assert all((site / f"{page}.html").is_file() for page in printed_pages)


@pytest.fixture(scope="module")
def paper(site, tmp_path_factory):
    if not find_chromium():
        no_browser("no Chromium found")
    out = tmp_path_factory.mktemp("paper") / "lesson.pdf"
    # Playwright allows no second browser in a thread in which one is open: the fixture `browser` of other tests.
    import subprocess
    import sys

    command = [sys.executable, printed.__file__, "pdf", str(site), str(out), "--only", LESSON]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    from pypdf import PdfReader

    return PdfReader(out)


def test_paper_is_numbered_and_marked(paper):
    pages = paper.pages
    assert 5 < len(pages) - 2 <= MOST_PAGES, "cover and contents apart"
    for number, page in enumerate(pages[1:], start=2):
        assert page.extract_text().rstrip().split("\n")[-1].endswith(str(number))
    titles = [item.title for item in paper.outline if not isinstance(item, list)]
    assert titles == ["DIN"]
    (inner,) = [item for item in paper.outline if isinstance(item, list)]
    assert "Your turn" in [item.title for item in inner]
    assert paper.metadata.title == printed.TITLE


def test_links_on_paper_lead_to_pages(paper):
    inside = elsewhere = 0
    for page in paper.pages:
        for reference in page.get("/Annots", ()):
            note = reference.get_object()
            if "/Dest" in note:
                assert note["/Dest"][0].get_object()["/Type"] == "/Page"
                inside += 1
            else:
                uri = note["/A"]["/URI"]
                assert uri.startswith("http"), uri
                elsewhere += 1
    assert inside > 3


def test_no_page_is_half_empty(paper):
    """Every page but the last carries text in its lower half."""
    for number, page in enumerate(paper.pages[2:-1], start=3):
        lowest = []
        page.extract_text(visitor_text=lambda t, cm, tm, font, size, lowest=lowest: t.strip() and lowest.append(
            cm[5] + tm[5] * cm[3]))  # fmt: skip
        high = float(page.mediabox.height)
        body = [y for y in lowest if y > 45]  # its number stands at 28
        drawn = len(re.findall(rb"\bre\b|\bl\b", page.get_contents().get_data())) > 200
        assert min(body) < high / 2 or drawn, f"page {number}"


def test_epub_is_well_formed(site, tmp_path):
    out = tmp_path / "lesson.epub"
    assert printed.epub(site, out, LESSON) == 1
    with zipfile.ZipFile(out) as packed:
        assert packed.namelist()[0] == "mimetype"
        assert packed.getinfo("mimetype").compress_type == zipfile.ZIP_STORED
        for name in packed.namelist()[1:]:
            if not name.endswith(".css"):
                xml.dom.minidom.parseString(packed.read(name))
        text = packed.read(f"EPUB/{LESSON}.xhtml").decode()
        package = packed.read("EPUB/book.opf").decode()
    assert "<math" in text
    assert "katex-html" not in text
    assert "viewBox" in text
    assert 'properties="mathml svg"' in package
    assert "<script" not in text


def test_chinese_words_can_be_printed():
    """The font of the PDF has every sign that the sources use; if not, make it anew: book/_ext/vendor/chinese.py."""
    import importlib.util

    from fontTools.ttLib import TTFont

    place = printed.HERE / "vendor" / "chinese.py"
    spec = importlib.util.spec_from_file_location("chinese", place)
    chinese = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(chinese)
    missing = chinese.needed() - {chr(code) for code in TTFont(chinese.FONT).getBestCmap()}
    assert not missing
