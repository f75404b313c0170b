"""Listings of a lesson's page: the call that makes one without its table's wiring, its docstring folded after a line.

A notebook keeps both whole. On a page the table itself stands below the listing, and the text around it has the
formula typeset: who wants the docstring, too, opens it.
"""

from __future__ import annotations

import ast
import re

LEAST = 4  # lines: fewer are not worth a button
PRE = re.compile(r'(<pre\b[^>]*aria-label="Source of [^>]*>)(.*?)(</pre>)', re.S)
OPENS = re.compile(r'<span class="sd">(?:"""|\'\'\')')
FORMULA = re.compile(r'(<span class="sd">""")(\$\$.*)</span></span>$')
CLOSES = re.compile(r'(?:"""|\'\'\')</span></span>$')


def call_without_symbols(code: str) -> str:
    """`rbh.show(FM, symbols={...})` as `rbh.show(FM)`; any other code as it is."""
    tree = ast.parse(code) if code.lstrip().startswith("rbh.show(") else None
    if not tree or len(tree.body) != 1 or not isinstance(call := tree.body[0].value, ast.Call):
        return code
    call.keywords = [given for given in call.keywords if given.arg != "symbols"]
    return ast.unparse(call)


def _docstrings(lines: list[str]) -> list[tuple[int, int]]:
    """(first, last) line, from 0, of each docstring of several lines."""
    found, first = [], None
    for place, line in enumerate(lines):
        if first is None and OPENS.search(line) and not CLOSES.search(line):
            first = place
        elif first is not None and CLOSES.search(line):
            found.append((first, place))
            first = None
    return found


def _button(count: int, more: str) -> str:
    return f'<button type="button" class="unfold" aria-expanded="false">{count} {more}lines of text</button>'


def _fold(match: re.Match) -> str:
    opening, body, closing = match.groups()
    lines = body.split("\n")
    for first, last in reversed(_docstrings(lines)):
        hidden = lines[first + 1 : last + 1]
        if len(hidden) < LEAST:
            continue
        # A first line of TeX says little: it is folded, too.
        if formula := FORMULA.search(lines[first]):
            more = f'<span class="folded"><span class="sd">{formula[2]}</span></span>'
            before = lines[first][: formula.start()] + formula[1] + "</span>"
            head = before + _button(len(hidden) + 1, "") + more
        else:
            head = lines[first].removesuffix("</span>") + _button(len(hidden), "more ")
        # What is not drawn is not counted: the line after it is told its number.
        rest = lines[last + 1 :]
        if rest:
            rest[0] = rest[0].replace("<span ", f'<span style="counter-set:line {last + 1}" ', 1)
        folded = '<span class="folded">' + "".join(line + "\n" for line in hidden) + "</span>"
        lines = [*lines[:first], head + "</span>", folded + (rest[0] if rest else ""), *rest[1:]]
    return opening + "\n".join(lines) + closing


def folded(page: str) -> str:
    """The page with each long docstring of its listings folded after its first line (book.css, book.js)."""
    return PRE.sub(_fold, page)
