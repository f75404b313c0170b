"""Code of a lesson's page: the call of a listing without its table's wiring, its docstring folded after a line.

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


def for_readers(code: str) -> str:
    """A cell's code as a page shows it."""
    return without_asides(call_without_symbols(code))


def call_without_symbols(code: str) -> str:
    """`rbh.show(FM, symbols={...})` at the end of a cell as `rbh.show(FM)`; any other code as it is."""
    try:
        tree = ast.parse(code) if "rbh.show(" in code and "symbols=" in code else None
    except SyntaxError:  # a command of the notebook, such as %time
        return code
    last = tree.body[-1] if tree else None
    if not isinstance(last, ast.Expr) or not isinstance(call := last.value, ast.Call):
        return code
    named = [
        given.value.id
        for given in call.keywords
        if given.arg == "symbols" and isinstance(given.value, ast.Name)
    ]
    given = [keyword for keyword in call.keywords if keyword.arg != "symbols"]
    if ast.unparse(call.func) != "rbh.show" or len(given) == len(call.keywords):
        return code
    call.keywords = given
    lines = code.split("\n")
    for one in reversed(tree.body[:-1]):  # `symbols = {...}`, if it is for this call alone
        if isinstance(one, ast.Assign) and [ast.unparse(t) for t in one.targets] == named:
            del lines[one.lineno - 1 : one.end_lineno]
    before = lines[: last.lineno - 1 - (len(code.split("\n")) - len(lines))]
    return "\n".join([*before, ast.unparse(call)])


def without_asides(code: str) -> str:
    """Code without its comments to a formatter or a linter."""
    return re.sub(r"[ ]*# (?:fmt: (?:skip|off|on)|noqa(?:: [A-Z\d, ]+)?)$", "", code, flags=re.M)


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
    return ASIDE.sub(_number_kept, PRE.sub(_fold, page))


# A line that says something to a formatter alone: on a screen it is left out, with its number (book.css).
ASIDE = re.compile(
    r'(<span (?:style="[^"]*" )?class="line" id="[\w-]*-(\d+)">\s*<span class="c1"># fmt: (?:off|on)</span></span>\n)'
    r'<span (?=class="line")'
)


def _number_kept(aside: re.Match) -> str:
    return f'<span class="aside">{aside[1]}</span><span style="counter-set:line {aside[2]}" '


FIRST = re.compile(r'aria-label="Source of ([^"]*)">\s*<span class="line" id="(rbh-source-\d+)-(\d+)-1"')
LINK = re.compile(r'(<a href="#(rbh-source-\d+)-(\d+)-\d+">line \d+)(?=</a>)')


def with_names(page: str) -> str:
    """Where several listings stand above one table, each begins at line 1: the table says whose line it means."""
    names: dict[str, dict[str, str]] = {}
    for name, root, block in FIRST.findall(page):
        names.setdefault(root, {})[block] = name

    def named(link: re.Match) -> str:
        those = names.get(link[2], {})
        if len(those) < 2:
            return link[0]
        short = [name.rpartition(".")[2] for name in those.values()]
        whole = those[link[3]]
        own = whole.rpartition(".")[2]
        return f"{link[1]} of {own if short.count(own) == 1 else whole}"

    return LINK.sub(named, page)
