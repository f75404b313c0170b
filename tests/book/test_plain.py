"""Published notebooks: nothing of MyST in sight, every link leads to a place of the book, folded where it should be."""

from __future__ import annotations

import json
import re

import lessons
import nbformat
import plain
import publish
import pytest

from .paths import ROOT

LESSONS = lessons.listed()
SITE_AT = "https://made-up.github.io/fork/"
MYST = re.compile(
    r"\{[a-z][\w:.-]*\}`"  # a role
    r"|^\([\w:.-]+\)=|^:{3,}|^`{3,}\{|^\+\+\+|^%[ \t]"  # a label, a directive, a break, a comment
    r"|\$\$[ \t]*\([\w:.-]+\)[ \t]*$|\{\{|\x00"  # an equation's label, a substitution
    r"|(?<!\\)\]\((?!https?://)[^)\s]*\)"  # a link that leads nowhere outside this repository
    r"|^\{[.#][^}]*\}$|(?<=\])\{[^}]*\}",  # attributes
    flags=re.M,
)
each_lesson = pytest.mark.parametrize(
    "path", LESSONS, ids=[path.relative_to(ROOT).with_suffix("").as_posix() for path in LESSONS]
)


@pytest.fixture(scope="module")
def places():
    return plain.Places.of_book(SITE_AT)


def _prose(cell) -> str:
    return re.sub(r"`[^`\n]+`", "", re.sub(r"^(`{3,})\w*\n.*?^\1$", "", cell.source, flags=re.M | re.S))


@each_lesson
def test_nothing_of_myst_shows(path, places):
    notebook = nbformat.reads(publish.notebook(path, places, "git+https://x/y@1"), as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert not (found := MYST.search(_prose(cell))), f"{found[0]!r} in\n{cell.source}"
            assert cell.source.strip()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code[0].source.startswith("#@title ")
    folded = [c for c in code if c.metadata.get("cellView") == "form"]
    assert all(cell.metadata.jupyter.source_hidden for cell in folded)
    named = [c for c in code if {"claim", "solution"} & set(c.metadata.get("tags", []))]
    assert {c.id for c in folded} == {code[0].id, *(c.id for c in named)}
    before = lessons.read(path)
    assert [c.source for c in code[1:]] == [c.source for c in before.cells if c.cell_type == "code"][1:]


@each_lesson
def test_links_lead_to_the_book(path, places, site):
    pages: dict[str, str] = {}
    text = "\n".join(
        "".join(cell["source"])
        for cell in json.loads(publish.notebook(path, places))["cells"]
        if cell["cell_type"] == "markdown"
    )
    found = re.findall(re.escape(SITE_AT) + r"([^)#\s]+)(?:#([^)\s]+))?\)", text)
    assert found
    for page, anchor in found:
        if page not in pages:
            assert (site / page).is_file(), page
            pages[page] = (site / page).read_text(encoding="utf8")
        assert not anchor or f'id="{anchor}"' in pages[page], f"{page} has no #{anchor}"


@each_lesson
def test_equations_keep_their_numbers(path, places, site):
    """The number in the notebook is the one on the page."""
    page = path.relative_to(ROOT).with_suffix("").as_posix()
    html = (site / f"{page}.html").read_text(encoding="utf8")
    here = {label: number for label, (there, number) in places.equations.items() if there == page}
    for label, number in here.items():
        at = html.index(f'id="equation-{plain.identifier(label)}"')
        assert re.search(r'class="eqno">\((\d+)\)', html[at:])[1] == str(number), label
    text = publish.notebook(path, places)
    assert sorted(map(int, re.findall(r"\\\\tag\{(\d+)\}", text))) == sorted(here.values())


def test_words_where_no_page_is_known():
    places = plain.Places.of_book()
    said = plain.markdown(
        "(x)=\n## A\n\nSee {eq}`eq-din`, {ref}`the unit <din-idea>`, [DIN](din.ipynb), "
        "{term}`logit`, {cite:t}`zhou2018`.\n\n"
        "```{note} Mind\n:class: tip\nA `{term}` stays.\n```",
        "chapters/04_interest/din",
        places,
    )
    number = places.equations["eq-din"][1]
    assert said == (
        f"## A\n\nSee ({number}), the unit, DIN, logit, Zhou et al. (2018).\n\n> **Mind**\n>\n> A `{{term}}` stays."
    )


def test_what_a_reader_changed_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(publish, "listed", lambda: LESSONS[:2])
    places = plain.Places.of_book()
    one, two = publish.write(tmp_path, places, keep_changed=True)
    one.write_text(one.read_text(encoding="utf8").replace("nbformat", "nbformat "), encoding="utf8")
    changed = one.read_text(encoding="utf8")
    assert publish.write(tmp_path, places, keep_changed=True) == [two]
    assert one.read_text(encoding="utf8") == changed


def test_pages_address_of_a_repository():
    assert publish.site_of("https://github.com/Ann/book.git", {}) == "https://ann.github.io/book/"
    assert publish.site_of("https://github.com/Ann/ann.github.io", {}) == "https://ann.github.io/"
    assert publish.site_of("https://git.example.org/ann/book", {}) == ""
    assert publish.site_of("https://github.com/a/b", {"RECBYHAND_PAGES": "https://b.org"}) == "https://b.org/"


def test_downloads_are_plain(site):
    for path in LESSONS:
        text = (site / "_sources" / path.relative_to(ROOT)).read_text(encoding="utf8")
        assert "{cite" not in text
        assert "#@title" in text
