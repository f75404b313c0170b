"""The page remembers quizzes, practices and lessons read, in this browser alone, and shows them beside links."""

from __future__ import annotations

import shutil

import pytest
from browsing import axe_violations

import recbyhand as rbh

from .paths import ROOT

HEAD = """<!doctype html><html lang="en" data-content_root="../../"><head><meta charset="utf-8"><title>Book</title>
<link rel="stylesheet" href="../../_static/progress.css"><script defer src="../../_static/progress.js"></script></head>
<body><main><article><h1>Lesson</h1>{}</article></main></body></html>"""


@pytest.fixture
def book(browser, tmp_path):
    """Two lessons and a chapter's list, in a folder, opened without a server."""
    folder = tmp_path / "chapters" / "04_interest"
    folder.mkdir(parents=True)
    (tmp_path / "_static").mkdir()
    for name in ("progress.js", "progress.css"):
        shutil.copy(ROOT / "book" / "_static" / name, tmp_path / "_static")
    lesson = rbh.quiz("din")._repr_html_() + rbh.practice("din")._repr_html_()
    links = "".join(f'<li><a href="{name}.html">{name}</a></li>' for name in ("din", "dien"))
    for name, body in {
        "din": lesson,
        "dien": lesson,
        "index": f'<ul class="toctree-wrapper">{links}</ul>',
    }.items():
        (folder / f"{name}.html").write_text(HEAD.format(body), encoding="utf8")
    context = browser.new_context(viewport={"width": 390, "height": 800})
    tab = context.new_page()
    tab.faults, tab.asked = [], []
    tab.on("pageerror", lambda error: tab.faults.append(str(error)))
    tab.on("request", lambda request: tab.asked.append(request.url))
    tab.visit = lambda name: tab.goto((folder / f"{name}.html").as_uri())
    yield tab
    assert tab.faults == []
    assert all(url.startswith("file:") for url in tab.asked), "nothing leaves the machine"
    context.close()


def work(tab):
    tab.visit("din")
    tab.locator("fieldset").nth(0).locator("label[data-right='1'] input").check()
    tab.locator("fieldset").nth(1).locator("label[data-right='0'] input").first.check()
    tab.locator(".rbh-practice label[data-right='1'] input").check()
    tab.get_by_label("I have read this lesson").check()


def test_a_lesson_comes_back_as_it_was_left(book):
    work(book)
    said = book.locator(".rbh-quiz output").all_inner_texts()
    book.visit("din")
    assert book.locator(".rbh-quiz output").all_inner_texts() == said
    assert book.locator("fieldset").nth(0).locator("label[data-right='1'] input").is_checked()
    assert book.get_by_label("I have read this lesson").is_checked()
    book.visit("dien")
    assert not book.get_by_label("I have read this lesson").is_checked()
    assert not "".join(book.locator(".rbh-quiz output").all_inner_texts())


def test_the_list_shows_it_and_can_forget(book):
    book.visit("index")
    assert book.locator(".progress-note").count() == 0, "nothing is said of what was never done"
    work(book)
    asked = book.locator(".rbh-quiz fieldset").count()
    book.visit("index")
    first, second = book.locator("li").all()
    assert first.locator(".progress-note").inner_text() == f"read ✓ · quiz 1/{asked} · practice ✓"
    assert second.locator(".progress-note").count() == 0
    assert axe_violations(book) == []
    book.get_by_role("button", name="Forget them").click()
    book.wait_for_function("!document.querySelector('.progress-note')")
    assert book.evaluate("Object.keys(localStorage).filter(key => key.startsWith('recbyhand:')).length") == 0


@pytest.mark.parametrize(
    "kept", ["no json", "null", "[1]", '{"quiz": {"A question asked no more": {"right": true}}}']
)
def test_what_is_kept_may_be_broken_or_old(book, kept):
    book.visit("din")
    book.evaluate("kept => localStorage.setItem('recbyhand:chapters/04_interest/din', kept)", kept)
    book.visit("din")
    work(book)
    book.visit("index")
    assert "quiz 1/" in book.locator(".progress-note").first.inner_text()


def test_a_chapters_page_shows_it_on_the_lessons_card(browser, served):
    """The pages as they are built: what is ticked in a lesson stands on its card."""
    context = browser.new_context(viewport={"width": 390, "height": 800})
    tab = context.new_page()
    tab.goto(served + "chapters/04_interest/din.html")
    tab.get_by_label("I have read this lesson").check()
    tab.goto(served + "chapters/04_interest/index.html")
    assert tab.locator(".progress-note").all_inner_texts() == [
        "read ✓",
        "Your marks are kept in this browser only.",
    ]
    assert (
        tab.locator(".cards li", has=tab.locator(".progress-note")).locator("a").inner_text().endswith("DIN")
    )
    assert [v for v in axe_violations(tab) if "progress" in v] == []
    tab.get_by_role("button", name="Forget them").click()
    tab.wait_for_function("!document.querySelector('.progress-note')")
    context.close()
