"""A quiz works in a page from the disk: mouse, keyboard, screen reader, light and dark, several on a page."""

from __future__ import annotations

import html.parser
import re

import pytest
from browsing import axe_violations

import recbyhand as rbh
from recbyhand.exercises import quizzes
from recbyhand.exercises.engine import load_all
from recbyhand.exercises.quizzes import QUIZZES, question, quiz

NASTY = '</script><img src=x onerror="document.title=1"> a < b & `c<d>`'


@pytest.fixture
def small(empty):
    quiz(
        "t",
        [
            question(
                "What is 1 + 1?",
                ("two", True, "Yes, `1 + 1`."),
                ("three", False, "Too many."),
                ("one", False, "Too few."),
            ),
            question(NASTY, (NASTY, False, NASTY), ("ok", True, "Right you are.")),
            question("Which?", ("this", True, "This."), ("that", False, "Not that.")),
        ],
    )
    return rbh.quiz("t")


def test_plain_text(small):
    assert repr(small).startswith("Quiz t\n\n1. What is 1 + 1?\n   a) one\n   b) two\n   c) three")
    assert "Yes" not in repr(small), "the text gives the answers away"


def test_the_right_option_has_no_place_of_its_own():
    load_all()
    right = [[is_right for _, is_right, _ in q.options].index(True) for qs in QUIZZES.values() for q in qs]
    assert max(right.count(place) for place in range(4)) < 0.6 * len(right)


def test_unknown_name(small):
    assert "There are: t" in repr(rbh.quiz("zzz"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([("a", True, "x")], "two or more"),
        ([("a", True, "x"), ("b", True, "x")], "exactly one"),
        ([("a", False, "x"), ("b", False, "x")], "exactly one"),
        ([("a", True, "x"), ("b", False, " ")], "feedback"),
    ],
)
def test_bad_question(options, said):
    with pytest.raises(ValueError, match=said):
        question("?", *options)


def test_three_to_five_questions(empty):
    one = question("?", ("a", True, "x"), ("b", False, "y"))
    with pytest.raises(ValueError, match="3 to 5"):
        quiz("t", [one, one])
    assert not quizzes.QUIZZES


def test_markup_is_balanced_and_asks_no_host(small):
    class Reader(html.parser.HTMLParser):
        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attrs):
            assert tag not in ("img", "link", "iframe")
            assert "src" not in dict(attrs)
            if tag != "input" and tag != "br":
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    reader = Reader()
    reader.feed(small._repr_html_())
    assert not reader.open
    assert not re.search(r"https?:|@import|url\(", small._repr_html_())


@pytest.fixture(params=["light", "dark"])
def tab(browser, small, tmp_path, request):
    """Two copies of the quiz, and a verdict, in a page read from the disk."""
    ink = {"light": "#fff;color:#222832", "dark": "#14181e;color:#ced6dd"}[request.param]
    (tmp_path / "page.html").write_text(
        f'<!doctype html><html lang="en" data-theme="{request.param}"><head><meta charset="utf-8"><title>Quiz</title>'
        f"<style>body{{background:{ink}}}</style></head><body><main><h1>Quiz</h1>"
        f"{small._repr_html_()}{small._repr_html_()}{rbh.check('none')._repr_html_()}</main></body></html>",
        encoding="utf-8",
    )
    tab = browser.new_page(color_scheme=request.param, viewport={"width": 390, "height": 800})
    tab.faults = []
    tab.on("pageerror", lambda error: tab.faults.append(str(error)))
    tab.goto((tmp_path / "page.html").as_uri())
    yield tab
    assert tab.faults == []
    tab.close()


def test_feedback_of_each_option(tab):
    first = tab.locator("fieldset").nth(0)
    said = first.locator("output")
    assert said.text_content() == ""
    first.get_by_label("three").check()
    assert said.inner_text() == "✗ Not this one. Too many."
    first.get_by_label("one").check()
    assert said.inner_text() == "✗ Not this one. Too few."
    first.get_by_label("two").check()
    assert said.inner_text() == "✓ Right. Yes, 1 + 1."
    assert said.get_attribute("aria-live") == "polite"


def test_copies_do_not_meddle(tab):
    tab.locator(".rbh-quiz").nth(0).get_by_label("two").check()
    tab.locator(".rbh-quiz").nth(1).get_by_label("three").check()
    assert tab.locator(".rbh-quiz").nth(0).get_by_label("two").is_checked()
    said = [text for text in tab.locator("output").all_inner_texts() if text]
    assert said == ["✓ Right. Yes, 1 + 1.", "✗ Not this one. Too many."]


def test_keyboard(tab):
    for key in ("Tab", "ArrowDown", "ArrowDown"):
        tab.keyboard.press(key)
    assert tab.locator("output").first.inner_text() == "✗ Not this one. Too many."
    for key in ("Tab", "Space"):
        tab.keyboard.press(key)
    assert "Right you are" in tab.locator("output").nth(1).inner_text()
    tab.keyboard.press("ArrowDown")
    assert "onerror" in tab.locator("output").nth(1).inner_text()


def test_every_sign_is_escaped(tab):
    question_ = tab.locator("fieldset").nth(1)
    question_.get_by_label("document.title").check()
    assert "a < b & c<d>" in question_.locator("output").inner_text()
    assert tab.title() == "Quiz"
    assert tab.locator("img").count() == 0


def test_accessible(tab):
    tab.get_by_label("three").first.check()
    tab.get_by_label("two").last.check()
    assert axe_violations(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
