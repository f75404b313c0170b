"""`rbh.show`: the source of the very code that runs, with its symbols linked to its lines."""

from __future__ import annotations

import html
import inspect
import itertools
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

# Token colours, at least 4.5 : 1 on their background in both themes (tested).
LIGHT = {
    "background": "#f6f8fa",
    "text": "#1f2328",
    "keyword": "#b31d28",
    "string": "#0a3069",
    "comment": "#57606a",
    "number": "#0550ae",
    "name": "#6639ba",
    "builtin": "#8a3c00",
}
DARK = {
    "background": "#161b22",
    "text": "#e6edf3",
    "keyword": "#ff7b72",
    "string": "#a5d6ff",
    "comment": "#9ea7b3",
    "number": "#79c0ff",
    "name": "#d2a8ff",
    "builtin": "#ffa657",
}
# How the places a lesson is read in say which theme they wear: the book, JupyterLab, Colab, VS Code.
_LIGHT_PAGE = (
    "html[data-theme=light]",
    "body[data-jp-theme-light=true]",
    "html[theme=light]",
    "body.vscode-light",
)
_DARK_PAGE = (
    "html[data-theme=dark]",
    "body[data-jp-theme-light=false]",
    "html[theme=dark]",
    "body.vscode-dark",
)


def themed(selector: str, light: str, dark: str) -> str:
    """CSS that gives `selector` the light or the dark declarations, as the page, else the system, says."""
    on_light = ",".join(f"{page} {selector}" for page in _LIGHT_PAGE)
    on_dark = ",".join(f"{page} {selector}" for page in _DARK_PAGE)
    return (
        f"{selector}{{{light}}}@media (prefers-color-scheme:dark){{{selector}{{{dark}}}}}"
        f"{on_light}{{{light}}}{on_dark}{{{dark}}}"
    )


def _variables(palette: Mapping[str, str]) -> str:
    return ";".join(f"--rbh-{name}:{colour}" for name, colour in palette.items())


_STYLE = (
    "<style>"
    + themed(".rbh-source", _variables(LIGHT), _variables(DARK))
    + """
.rbh-source{margin:.5rem 0}
.rbh-source pre{background:var(--rbh-background);color:var(--rbh-text);border:1px solid #8886;border-radius:.4rem;
  padding:.6rem .9rem;margin:.4rem 0;overflow-x:auto;line-height:1.45;counter-reset:line;white-space:pre}
.rbh-source pre:focus-visible{outline:2px solid currentColor}
.rbh-source pre span{color:inherit;background:none}
.rbh-source pre [class^=k],.rbh-source pre .ow{color:var(--rbh-keyword)}
.rbh-source pre [class^=s]{color:var(--rbh-string)}
.rbh-source pre [class^=c]{color:var(--rbh-comment);font-style:italic}
.rbh-source pre [class^=m]{color:var(--rbh-number)}
.rbh-source pre .nf,.rbh-source pre .nc,.rbh-source pre .fm,.rbh-source pre .nd{color:var(--rbh-name)}
.rbh-source pre .nb,.rbh-source pre .bp{color:var(--rbh-builtin)}
.rbh-source .numbered .line::before{counter-increment:line;content:counter(line);display:inline-block;
  width:2em;margin-right:1em;text-align:right;color:var(--rbh-comment);font-style:normal;user-select:none}
.rbh-source .line:target{outline:2px solid var(--rbh-name);outline-offset:1px}
.rbh-source table{border-collapse:collapse;margin:.4rem 0;color:inherit}
.rbh-source th,.rbh-source td{text-align:left;padding:.15rem .9rem .15rem 0;border-bottom:1px solid #8884}
.rbh-source td a{color:inherit;text-decoration:underline}
.rbh-source td code{color:inherit;background:none;border:0;padding:0}
</style>"""
)
_instances = itertools.count(1)


def show(*objects: Any, symbols: Mapping[str, str] | None = None, numbers: bool = False) -> Source:
    """The highlighted source of classes, functions, methods or modules (an instance shows its class).

    `symbols` links the symbols of a formula to the lines that hold them: {"W_u h_{t-1}": "self.update(h)"};
    they are Unicode with _ and ^ for indices. `numbers=True` numbers the lines (always with `symbols`).

    Raises TypeError for an object without Python source, ValueError for a symbol whose code is not there.
    """
    if not objects:
        raise TypeError("show what? Give a class, a function or a method, as in rbh.show(rbh.models.FM)")
    blocks = tuple(_source(thing) for thing in objects)
    places = {}
    for symbol, code in (symbols or {}).items():
        found = [
            (block, number)
            for block, (_, source) in enumerate(blocks)
            for number, line in enumerate(source.splitlines(), 1)
            if code and code in line
        ]
        places[symbol] = code, found
        if not found:
            names = ", ".join(name for name, _ in blocks)
            raise ValueError(f"symbol {symbol!r}: no line of {names} contains {code!r}")
    return Source(blocks, places, numbers or bool(places))


def _source(thing: Any) -> tuple[str, str]:
    """(name, source) of an object."""
    thing = thing.fget if isinstance(thing, property) else thing
    if not (inspect.isclass(thing) or inspect.isroutine(thing) or isinstance(thing, ModuleType)):
        thing = type(thing)
    name = getattr(thing, "__qualname__", None) or thing.__name__
    try:
        return name, textwrap.dedent(inspect.getsource(thing)).rstrip("\n")
    except (TypeError, OSError) as error:
        reason = "it is compiled, or was typed at a prompt"
        raise TypeError(f"there is no Python source for {name}: {reason}") from error


@dataclass(frozen=True)
class Source:
    """Source to be shown: highlighted HTML in a notebook or page, the plain text elsewhere."""

    blocks: tuple[tuple[str, str], ...]
    places: Mapping[str, tuple[str, list[tuple[int, int]]]]
    numbered: bool = False

    def __repr__(self) -> str:
        table = [
            f"{symbol}  ->  {code}  (line {', '.join(str(line) for _, line in found)})"
            for symbol, (code, found) in self.places.items()
        ]
        return "\n\n".join([source for _, source in self.blocks] + (["\n".join(table)] if table else []))

    def _repr_html_(self) -> str:
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import PythonLexer

        root = f"rbh-source-{next(_instances)}"
        parts = [_STYLE, '<div class="rbh-source notranslate">']
        for block, (name, source) in enumerate(self.blocks):
            lines = (
                highlight(source, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True))
                .rstrip("\n")
                .split("\n")
            )
            body = "\n".join(
                f'<span class="line" id="{root}-{block}-{number}">{line}</span>'
                for number, line in enumerate(lines, 1)
            )
            label = html.escape(f"Source of {name}", quote=True)
            look = ' class="numbered"' if self.numbered else ""
            parts.append(f'<pre{look} tabindex="0" role="group" aria-label="{label}">{body}</pre>')
        return "".join(parts) + self._table(root) + "</div>"

    def _table(self, root: str) -> str:
        if not self.places:
            return ""
        rows = []
        for symbol, (code, found) in self.places.items():
            links = ", ".join(f'<a href="#{root}-{block}-{line}">line {line}</a>' for block, line in found)
            rows.append(
                f"<tr><td>{_symbol(symbol)}</td><td><code>{html.escape(code)}</code> ({links})</td></tr>"
            )
        head = '<thead><tr><th scope="col">In the formula</th><th scope="col">In the code</th></tr></thead>'
        return f"<table>{head}<tbody>{''.join(rows)}</tbody></table>"


def _symbol(text: str) -> str:
    """A symbol in HTML, with its indices: h_t, W_{ij}, x^2."""
    tags = {"_": "sub", "^": "sup"}
    raised = re.compile(r"([_^])(?:\{([^}]*)\}|(\w))")
    return (
        "<i>"
        + raised.sub(lambda m: f"<{tags[m[1]]}>{m[2] or m[3]}</{tags[m[1]]}>", html.escape(text))
        + "</i>"
    )
