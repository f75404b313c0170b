"""Small exercises that need no kernel: order the lines, fill the shape, predict and then see.

One file per lesson, `interest/din.toml` beside the checks of `interest/din.py`, holds the words and the answer; a cell
`rbh.practice("din")` shows it, in JupyterLab and in the page alike. Three kinds:

    kind = "order"                   # the reader taps the line that comes next
    ask = "DIN's unit, in order:"
    head = "def forward(self, t, e):"            # optional: stands above, is not moved
    lines = ["...", "..."]                       # in a right order; any order that respects who uses what is taken
    extra = [["a line that does not belong", "why it does not"]]    # tests put it in place of the line that makes
                                     # the same name (or of the line whose number comes third): it must break the proof
    end = "What to take away."
    setup = "t, e = ..."             # tests run it, then the lines in every order that is taken, then
    proof = "assert ..."             # this

    kind = "shape"                   # the reader gives each line its shape
    shapes = ["(B, d)", "(B, L)"]                # what there is to choose from
    sizes = {B = 2, L = 3, d = 5}                # tests run the lines at these sizes and compare
    [[rows]]
    line = "s = e @ t"
    name = "s"                                   # whose shape is asked; default: what the line assigns
    right = "(B, L)"
    why = "What a wrong choice is told."
    wrong = {"(B, d)" = "What this one is told."}    # optional

    kind = "predict"                 # one choice; the first uncovers `see`
    options = [["0.5", "The right one comes first: why."], ["1", "Why not."]]   # shuffled when shown
    see = [["label", 0.5], ["label", 1.0]]       # optional: drawn as bars
    proof = "assert right == ..."    # tests run it with `right`, the first option, and `see`, a dict

Text is plain, with `code` in backticks and *emphasis* between stars. All of it can be translated:
`python book/_ext/editions.py practice.pot` writes what there is to translate.
"""

from __future__ import annotations

import ast
import html
import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from recbyhand.console import printable

from .engine import Note, _find

HERE = Path(__file__).parent
HEADS = {
    "order": "Try it here: order the lines",
    "shape": "Try it here: fill in the shapes",
    "predict": "Try it here: predict, then see",
}
WORDS = {
    "right": "Right.",
    "wrong": "Not this one.",
    "early": "It uses %s, and no line above has made that yet.",
    "rest": "Something else has to happen before.",
}
MORE = {
    "order": "Tap the line that comes next. Not every line need belong.",
    "made": "Your lines",
    "left": "Lines to choose from",
    "again": "Start again",
    "shape": "Shape of",
    "choose": "choose",
}
TEXTS = ("ask", "end")


def show_practice(name: str) -> Practice | Note:
    """The practice of a lesson, to be shown: `rbh.practice("din")`."""
    found = _find(name, {path.stem: path for path in files()}, "practice")
    return found if isinstance(found, Note) else Practice(name, read(found))


def on_a_page(name: str, say: Callable[[str], str] = str) -> str:
    """The HTML of a practice that stands in a page once; `say` translates. KeyError if there is none."""
    path = {path.stem: path for path in files()}[name]
    return Practice(name, read(path), say, root=f"rbh-practice-{name}")._repr_html_()


def files() -> list[Path]:
    """All practices, one file per lesson."""
    return sorted(HERE.glob("*/*.toml"))


def read(path: Path) -> dict:
    """What a practice's file says. ValueError, with its name, if something is missing."""
    given = _toml(path.read_text(encoding="utf8"))
    needed = {"order": ("lines", "end"), "shape": ("shapes", "rows", "sizes", "end"), "predict": ("options",)}
    kind = given.get("kind")
    if kind not in needed:
        raise ValueError(f"{path.name}: kind is {kind!r}; choose from {', '.join(needed)}")
    for key in ("ask", "proof" if kind != "shape" else "ask", *needed[kind]):
        if not given.get(key):
            raise ValueError(f"{path.name}: a practice of kind {kind!r} needs `{key}`")
    return given


def texts(given: dict) -> Iterator[str]:
    """Every sentence of a practice, for translators; code is not among them."""
    yield from (given[key] for key in TEXTS if given.get(key))
    yield from (extra[1] for extra in given.get("extra", ()))
    for row in given.get("rows", ()):
        yield row["why"]
        yield from row.get("wrong", {}).values()
    for text, why in given.get("options", ()):
        yield text
        yield why
    for label, _ in given.get("see", ()):
        yield label


def prose(text: str) -> str:
    """Plain text to HTML: escaped, `code` in backticks, *emphasis* between stars."""
    pieces = [html.escape(piece) for piece in re.split(r"`([^`]+)`", text)]
    pieces[1::2] = [f"<code>{piece}</code>" for piece in pieces[1::2]]
    pieces[::2] = [re.sub(r"\*([^*]+)\*", r"<em>\1</em>", piece) for piece in pieces[::2]]
    return "".join(pieces)


# Which line needs which ----------------------------------------------------------------------------------


def needs(lines: list[str]) -> list[dict[int, str]]:
    """For each line the earlier ones that must stand above it, and the name because of which ("": no name).

    A line needs whoever made a name that it reads, and may not overtake one that still reads what it makes anew.
    `return` needs them all.
    """
    uses = [_uses(line) for line in lines]
    found: list[dict[int, str]] = []
    for at, (reads, makes) in enumerate(uses):
        mine: dict[int, str] = {}
        for name in sorted(reads):
            makers = [i for i in range(at) if name in uses[i][1]]
            if makers:
                mine[makers[-1]] = name
        for i in range(at):
            if (uses[i][0] | uses[i][1]) & makes:
                mine.setdefault(i, "")
        if lines[at].lstrip().startswith("return"):
            for i in range(at):
                mine.setdefault(i, "")
        found.append(mine)
    return found


def _uses(line: str) -> tuple[set[str], set[str]]:
    """The names a line reads, and those it makes. Settings of an object (`self.x = `) count as names, too."""
    text = line.strip()
    tree = ast.parse(text + (" pass" if text.endswith(":") else ""))
    reads, makes = set(), set()
    inner = {
        a.arg
        for n in ast.walk(tree)
        if isinstance(n, ast.Lambda | ast.FunctionDef)
        for a in [*n.args.args, *n.args.kwonlyargs]
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (makes if isinstance(node.ctx, ast.Store) else reads).add(node.id)
        elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            makes.add(ast.unparse(node.value))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            changes = node.func.attr.endswith("_") or node.func.attr in CHANGES
            if changes:
                makes.add(ast.unparse(node.func.value))
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            reads.add(node.target.id)
    return reads - inner, makes - inner


CHANGES = {"backward", "step", "zero_grad", "append", "update", "sort"}


@cache
def orders(lines: tuple[str, ...]) -> list[tuple[int, ...]]:
    """Every order of the lines that a reader may choose."""
    before = needs(list(lines))
    return [
        order
        for order in itertools.permutations(range(len(lines)))
        if all(order.index(i) < order.index(at) for at in order for i in before[at])
    ]


# Showing -------------------------------------------------------------------------------------------------


class Practice:
    """A practice, shown as HTML in a notebook or page and as plain text elsewhere."""

    _instances = itertools.count(1)

    def __init__(self, name: str, given: dict, say: Callable[[str], str] = str, root: str = ""):
        self.name, self.given, self.say, self.root = name, given, say, root

    def __repr__(self) -> str:
        given, lines = self.given, [f"Practice {self.name}: {self.given['ask']}"]
        lines += [f"   {text}" for text, *_ in self._shuffled(self._choices())]
        return printable("\n".join([*lines, *(f"   {row['line']}  # ?" for row in given.get("rows", ()))]))

    def _repr_html_(self) -> str:
        given, say = self.given, self.say
        kind, root = given["kind"], self.root or f"rbh-practice-{self.name}-{next(self._instances)}"
        words = html.escape(json.dumps({key: say(word) for key, word in WORDS.items()}, ensure_ascii=False))
        name = html.escape(self.name, quote=True)
        ask = "" if kind == "predict" else f"<p>{prose(say(given['ask']))}</p>"
        return (
            f"<style>{(HERE / 'practices.css').read_text(encoding='utf8')}</style>"
            f'<div class="rbh-practice" id="{root}" data-name="{name}" data-words="{words}" role="group" '
            f'aria-labelledby="{root}-head">'
            f'<p class="head" id="{root}-head">{say(HEADS[kind])}</p>{ask}{getattr(self, f"_{kind}")(root)}'
            f'<output aria-live="polite"></output>'
            f'<span class="end" hidden>{prose(say(given.get("end", "")))}</span></div>'
            f'<script>({_script()})(document.getElementById("{root}"))</script>'
        )

    def _choices(self) -> list[tuple]:
        """(text, what belongs to it) of everything that is chosen from, as the author wrote it."""
        if self.given["kind"] == "order":
            own = [(line, at) for at, line in enumerate(self.given["lines"])]
            return own + [(extra[0], extra[1]) for extra in self.given.get("extra", ())]
        return [(text, at == 0, why) for at, (text, why) in enumerate(self.given.get("options", ()))]

    def _shuffled(self, choices: list[tuple]) -> list[tuple]:
        """The same order each time, and not the author's."""
        return sorted(choices, key=lambda choice: zlib.crc32(f"{self.name} {choice[0]}".encode()))

    def _order(self, root: str) -> str:
        head, before = self.given.get("head", ""), needs(self.given["lines"])
        parts = [f"<p>{self.say(MORE['order'])}</p>", f"<code>{html.escape(head)}</code>" if head else ""]
        parts.append(f'<ol class="made-lines" aria-label="{self.say(MORE["made"])}"></ol>')
        parts.append(f'<div class="left-lines" role="group" aria-label="{self.say(MORE["left"])}">')
        for line, what in self._shuffled(self._choices()):
            code = f"<code>{html.escape(line)}</code>"
            if isinstance(what, str):
                parts.append(f'<button type="button" data-needs="" data-why>{code}</button>')
                parts.append(f"<span hidden>{prose(self.say(what))}</span>")
            else:
                names = html.escape(json.dumps({str(i): name for i, name in before[what].items()}))
                above = " ".join(map(str, sorted(before[what], key=lambda i: (not before[what][i], i))))
                parts.append(
                    f'<button type="button" data-at="{what}" data-needs="{above}" data-names="{names}">{code}</button>'
                )
        return (
            "".join(parts)
            + f'</div><button type="button" class="again" hidden>{self.say(MORE["again"])}</button>'
        )

    def _shape(self, root: str) -> str:
        options = "".join(f"<option>{html.escape(shape)}</option>" for shape in self.given["shapes"])
        parts = ['<ol class="shapes">']
        for row in self.given["rows"]:
            label = html.escape(f"{self.say(MORE['shape'])} {row['line']}", quote=True)
            parts.append(
                f'<li data-right="{html.escape(row["right"], quote=True)}"><code>{html.escape(row["line"])}</code>'
                f'<select aria-label="{label}"><option value="">{self.say(MORE["choose"])}</option>{options}</select>'
                f'<span class="why" hidden>{prose(self.say(row["why"]))}</span>'
            )
            for shape, why in row.get("wrong", {}).items():
                parts.append(
                    f'<span data-for="{html.escape(shape, quote=True)}" hidden>{prose(self.say(why))}</span>'
                )
            parts.append("</li>")
        return "".join(parts) + "</ol>"

    def _predict(self, root: str) -> str:
        parts = [f"<fieldset><legend>{prose(self.say(self.given['ask']))}</legend>"]
        for text, right, why in self._shuffled(self._choices()):
            button = f'<input type="radio" name="{root}">'
            parts.append(
                f'<label data-right="{int(right)}">{button}<span>{prose(self.say(text))}</span></label>'
            )
            parts.append(f"<span hidden>{prose(self.say(why))}</span>")
        parts.append("</fieldset>")
        if see := self.given.get("see"):
            most = max(abs(value) for _, value in see) or 1
            parts.append('<div class="see" hidden>')
            for label, value in see:
                width = max(0.5, 60 * abs(value) / most)
                parts.append(
                    f'<div class="bar"><span>{prose(self.say(label))}</span>'
                    f'<span><i style="width:{width:.1f}%"></i>{value:g}</span></div>'
                )
            parts.append("</div>")
        return "".join(parts)


def _script() -> str:
    return re.sub(r"^\s*//.*\n", "", (HERE / "practices.js").read_text(encoding="utf8"), flags=re.M).strip()


def _toml(text: str) -> dict:
    """The standard library reads TOML from 3.11 on; pip brings the same reader for 3.10."""
    try:
        import tomllib
    except ModuleNotFoundError:
        from pip._vendor import tomli as tomllib
    return tomllib.loads(text)
