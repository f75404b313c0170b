"""One lesson as PDF and as EPUB; the whole book is made by the same code (`make pdf`, `make epub`)."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.dom.minidom
import zipfile

import lxml.html
import printed
import pytest
from browsing import find_chromium, no_browser
from pypdf import PdfReader

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


def test_article_is_one_for_paper(site):
    """No link to what is beside it on the screen; choices have letters, and their answers stand at the end."""
    root = printed.article(site, LESSON)
    text = printed.words(root)
    assert not root.xpath(f"//a[{printed.has('here')}]")
    assert "# @title" not in text
    (line,) = root.xpath(f"//ul[{printed.has('lesson-line')}]")
    assert "min to read" in line.text_content()
    assert "Notebook" not in line.text_content()
    assert text.index("Answers") > text.index("Summary")
    assert "rbh.quiz(" not in text
    gallery = printed.article(site, "book/gallery")
    drawn = [svg.get("aria-label") for svg in gallery.xpath("//svg[@role='img']")]
    assert len(drawn) > 10
    assert not gallery.xpath(f"//*[{printed.has('thumb')}]"), "each figure once"


def test_long_lines_of_code_go_on_below_their_own_beginning():
    pre = lxml.html.fragment_fromstring(
        '<div><pre><span class="s">"""first\n        '
        + "word " * 20
        + '&lt;end\n"""</span>\nx = 1\n</pre>tail</div>'
    )
    before = pre.text_content()
    printed._hang(pre[0])
    assert pre.text_content() == before
    (long,) = pre.find_class("line")
    assert long.get("style") == "--in: 12ch"
    assert long.text_content().startswith("        word")
    assert long[0].get("class") == "s", "still coloured as a string"


def test_wide_tables_are_made_smaller_and_not_cut(browser):
    style = printed.STYLE.read_text(encoding="utf8")
    context = browser.new_context(viewport={"width": printed.ACROSS, "height": 800})
    tab = context.new_page()

    def fitted(body: str) -> list[str]:
        tab.set_content(f"<!DOCTYPE html><style>{style}</style><body>{body}</body>")
        return tab.evaluate(printed.FIT)

    row = "<table><tr>" + "<td>0.8427</td>" * 14 + "</tr></table>"
    assert fitted(row) == []
    cell = tab.locator("td").first
    lines = "(e) => e.getBoundingClientRect().height / parseFloat(getComputedStyle(e).lineHeight)"
    assert cell.evaluate(lines) < 1.9, "no number is broken in two"
    assert tab.locator("table").evaluate("(e) => e.style.fontSize"), "its letters are smaller"
    assert tab.locator("table").bounding_box()["width"] <= printed.ACROSS
    assert fitted("<table><tr><td>alone</td></tr></table>") == []
    assert tab.locator("table").evaluate("(e) => e.style.fontSize") == ""
    (cut,) = fitted(f"<div style='width: {printed.ACROSS + 9}px'>cut off</div>")
    assert "cut off" in cut
    context.close()


def test_a_table_may_be_broken_between_rows():
    """Rows begin with a <th>: where that may not end a page, no row may."""
    for selectors, rules in re.findall(r"([^{}]+)\{([^}]*)\}", printed.STYLE.read_text(encoding="utf8")):
        if "break-after: avoid" in rules:
            assert not re.search(r"\b(th|tr|td|tbody)\b", selectors), selectors


def test_every_page_of_the_book_is_printed(site):
    printed_pages = [part.page for part in printed.parts(site)]
    assert LESSON in printed_pages
    assert len(printed_pages) > 50
    assert all((site / f"{page}.html").is_file() for page in printed_pages)


def _paper(site, out, *more: str):
    """Printed by another process: Playwright allows no second browser in a thread in which `browser` is open."""
    if not find_chromium():
        no_browser("no Chromium found")
    command = [sys.executable, printed.__file__, "pdf", str(site), str(out), *more]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return PdfReader(out)


@pytest.fixture(scope="module")
def paper(site, tmp_path_factory):
    return _paper(site, tmp_path_factory.mktemp("paper") / "lesson.pdf", "--only", LESSON)


@pytest.mark.timeout(900)
def test_the_whole_book_on_paper(site, tmp_path):
    """Nothing is wider than the paper and no link is dead (either is an error), and no lesson is long."""
    book = _paper(site, tmp_path / "book.pdf")
    parts = printed.parts(site)
    flat = [entry for entry in _flat(book.outline) if entry.title in {part.title for part in parts}]
    starts, entries = [], iter(flat)
    for part in parts:  # a heading may have a lesson's title: parts come in their order
        starts.append(book.get_destination_page_number(next(e for e in entries if e.title == part.title)))
    ends = [*starts[1:], len(book.pages)]
    long = {p.page: end - start for p, start, end in zip(parts, starts, ends, strict=True)}
    lessons = {
        page: n for page, n in long.items() if page.startswith("chapters/") and not page.endswith("/index")
    }
    assert len(lessons) > 40
    assert min(lessons.values()) > 4
    assert {page: n for page, n in lessons.items() if n > MOST_PAGES} == {}


def _flat(outline):
    for entry in outline:
        if isinstance(entry, list):
            yield from _flat(entry)
        else:
            yield entry


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
    assert 'properties="cover-image"' in package
    assert package.index('idref="cover"') < package.index(f'idref="{LESSON.replace("/", "-")}"')
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
