"""Practices and quizzes on paper: a letter before each choice, and the answers at the end of the lesson.

A screen answers a choice by what lies beside it, hidden. Paper hides nothing, so the same words stand at the end.
"""

from __future__ import annotations

import copy
from string import ascii_lowercase

import lxml.html
from lxml.html import HtmlElement

TAP, WRITE = "Tap the line that comes next.", "Which letters, in which order?"


def on_paper(root: HtmlElement) -> None:
    """Change every practice and quiz of an article in place."""
    told: list[HtmlElement] = []
    for practice in root.find_class("rbh-practice"):
        make = (
            _lines
            if practice.find_class("left-lines")
            else _shapes
            if practice.find_class("shapes")
            else _choice
        )
        told.append(_answer("Try it here", make(practice)))
    for quiz in root.find_class("rbh-quiz"):
        for number, asked in enumerate(quiz.xpath("./fieldset"), 1):
            told.append(_answer(f"Quiz, {number}", _choice(asked)))
    for cell in root.find_class("cell_input"):
        if cell.text_content().strip().startswith("rbh.quiz("):
            cell.drop_tree()
    if told:
        place = root.xpath("./section") or [root]
        section = lxml.html.fragment_fromstring(
            '<section id="answers" class="answers"><h2>Answers</h2></section>'
        )
        section.extend(told)
        place[0].append(section)


def _answer(name: str, parts: list[HtmlElement | str]) -> HtmlElement:
    line = lxml.html.fragment_fromstring(f"<p><strong>{name}:</strong> </p>")
    for part in parts:
        if isinstance(part, str):
            last = line[-1]
            last.tail = (last.tail or "") + part
        else:
            line.append(part)
    return line


def _words(hidden: HtmlElement) -> HtmlElement:
    """A copy of what a screen hides, to be seen."""
    found = copy.deepcopy(hidden)
    found.tail = None
    found.attrib.clear()
    return found


def _letter(before: HtmlElement, letter: str) -> None:
    sign = lxml.html.fragment_fromstring(f'<span class="letter">{letter}</span>')
    sign.tail, before.text = before.text, None
    before.insert(0, sign)


def _choice(asked: HtmlElement) -> list:
    """One of several: radio buttons."""
    answer: list = []
    for letter, label in zip(ascii_lowercase, asked.iter("label"), strict=False):
        for button in label.findall("input"):
            button.drop_tree()
        _letter(label, letter)
        if label.get("data-right") == "1":
            answer = [f"{letter}. ", _words(label.getnext())]
    _drop_hidden(asked)
    return answer


def _lines(practice: HtmlElement) -> list:
    """Lines to be put in order: buttons, some of which do not belong."""
    (left,) = practice.find_class("left-lines")
    order, out = {}, []
    for letter, button in zip(ascii_lowercase, left.findall("button"), strict=False):
        if button.get("data-at") is not None:
            order[int(button.get("data-at"))] = letter
        else:
            out += [f" Not {letter}: ", _words(button.getnext())]
        button.tag = "p"
        button.attrib.clear()
        _letter(button, letter)
    for text in practice.findall("p"):
        if text.text and TAP in text.text:
            text.text = text.text.replace(TAP, WRITE)
    for made in practice.find_class("made-lines"):
        made.drop_tree()
    end = [_words(one) for one in practice.find_class("end")]
    _drop_hidden(practice)
    return [", ".join(order[at] for at in sorted(order)) + ". ", *end, *out]


def _shapes(practice: HtmlElement) -> list:
    """A shape for every line: lists to choose from."""
    answer: list = []
    choices = [one.text_content() for one in practice.xpath("(.//select)[1]/option[not(@value)]")]
    for letter, row in zip(ascii_lowercase, practice.xpath(".//li[@data-right]"), strict=False):
        for choose in row.findall("select"):
            blank = lxml.html.fragment_fromstring('<span class="blank"></span>')
            row.replace(choose, blank)
        name = lxml.html.fragment_fromstring(f"<strong>{letter}</strong>")
        answer += [name, f" {row.get('data-right')}: ", *map(_words, row.find_class("why")), " "]
        _letter(row, letter)
    for rows in practice.find_class("shapes"):
        given = lxml.html.fragment_fromstring("<p></p>")
        given.text = "Choose from " + " · ".join(choices)
        rows.addnext(given)
    _drop_hidden(practice)
    return answer


def _drop_hidden(element: HtmlElement) -> None:
    for hidden in element.xpath(".//*[@hidden]"):
        hidden.drop_tree()
