"""Where a line of a page may not break, and where it may.

A formula is a box of its own: browsers break a line on either side of it, even before the comma that follows. And a
path in code has no place to break, so that a narrow column would cut it at any letter.
"""

from __future__ import annotations

import re

FORMULA = '<span class="math notranslate nohighlight">'
BOX = '<span class="katex-base">'
SPAN = re.compile(r"<(/?)span\b")
BEFORE = re.compile(r"[(\[“‘]+$")
AFTER = re.compile(r"(?:[.,;:!?)\]’”…]|-th\b|(?<=’)s\b)+")
LITERAL = re.compile(r'(<code class="docutils literal notranslate"><span class="pre">)([^<]+)(?=</span>)')


def _end(page: str, start: int) -> int:
    """Where the span that begins at `start` ends."""
    depth = 0
    for tag in SPAN.finditer(page, start):
        depth += -1 if tag[1] else 1
        if not depth:
            return page.index(">", tag.end()) + 1
    raise ValueError(f"a span without an end: {page[start : start + 80]}")


def with_marks(page: str) -> str:
    """Each formula in the text together with the marks that touch it: book.css keeps them on one line."""
    out, at = [], 0
    while (start := page.find(FORMULA, at)) >= 0:
        end = _end(page, start)
        before, after = BEFORE.search(page[at:start]), AFTER.match(page, end)
        opening, closing = before[0] if before else "", after[0] if after else ""
        out.append(page[at : start - len(opening)])
        formula = page[start:end]
        if opening or closing:  # a long one still breaks where KaTeX lets it, between its boxes
            inside = formula.replace(BOX, f"<wbr>{BOX}").replace("<wbr>", "", 1)
            formula = f'<span class="kept">{opening}{inside}{closing}</span>'
        out.append(formula)
        at = end + len(closing)
    return "".join([*out, page[at:]])


def in_paths(page: str) -> str:
    """A name in code that is wider than a narrow line may break behind a sign of its own; in a cell, a shorter one."""

    def broken(found: re.Match) -> str:
        in_cell = page.rfind("<td", 0, found.start()) > page.rfind("</td>", 0, found.start())
        if len(found[2]) < (16 if in_cell else 34):
            return found[0]
        return found[1] + re.sub(r"(?<=\w)([/_.=(,])(?=\w)", r"\1<wbr>", found[2])

    return LITERAL.sub(broken, page)
