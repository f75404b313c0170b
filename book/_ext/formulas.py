"""Mathematics rendered when the book is built: KaTeX's HTML for the eye, MathML for screen readers, no script.

KaTeX (book/_ext/vendor, a pinned copy) runs in V8 from the Python package `mini-racer`; a page carries only KaTeX's
style sheet and the fonts it uses. A formula that KaTeX cannot read is a warning with its place, hence a failed build.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from docutils import nodes
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

LOGGER = logging.getLogger(__name__)
KATEX = Path(__file__).parent / "vendor" / "katex.min.js"


@cache
def _engine():
    from py_mini_racer import MiniRacer

    engine = MiniRacer()
    engine.eval(KATEX.read_text(encoding="utf8"))
    # Errors come back as values: an exception out of V8 would carry its whole stack into the message.
    engine.eval("""function render(tex, display, macros) {
        try { return [katex.renderToString(tex, {displayMode: display, macros: macros, strict: "error"}), null]; }
        catch (error) { return [null, error.message]; }
    }""")
    return engine


@cache
def render(tex: str, display: bool = False, macros: tuple[tuple[str, str], ...] = ()) -> str:
    """HTML and MathML of a formula; raises ValueError with KaTeX's message if it cannot be read."""
    html, error = _engine().call("render", tex, display, dict(macros))
    if error:
        raise ValueError(error)
    return html


def display_source(text: str) -> str:
    """Display source as MathJax would read it: rows aligned at `&`, blank lines between formulas, `align` starred."""
    text = re.sub(r"\\(begin|end)\{(equation|align|gather|alignat|multline)\}", r"\\\1{\2*}", text.strip())
    text = re.sub(r"\\(begin|end)\{multline\*\}", r"\\\1{gather*}", text)
    parts = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
    outside = " ".join(parts)
    while (
        smaller := re.sub(r"\\begin\{(\w+\*?)\}(?:(?!\\begin).)*?\\end\{\1\}", "", outside, flags=re.S)
    ) != outside:
        outside = smaller
    if len(parts) > 1 or r"\\" in outside or re.search(r"(?<!\\)&", outside):
        return r"\begin{aligned}" + r"\\".join(parts) + r"\end{aligned}"
    return text


def _html(writer, node, tex: str, display: bool) -> str:
    macros = tuple(sorted(writer.config.formula_macros.items()))
    try:
        return render(tex, display, macros)
    except ValueError as error:
        LOGGER.warning("formula: %s\n    %s", error, tex, location=node, type="formula")
        return f'<code class="formula-error">{writer.encode(tex)}</code>'


def visit_inline(writer, node: nodes.math) -> None:
    html = _html(writer, node, node.astext(), display=False)
    writer.body.append(f'<span class="math notranslate nohighlight">{html}</span>')
    raise nodes.SkipNode


def visit_display(writer, node: nodes.math_block) -> None:
    writer.body.append(writer.starttag(node, "div", CLASS="math notranslate nohighlight"))
    html = _html(writer, node, display_source(node.astext()), display=True)
    writer.body.append(f'<div class="formula">{html}</div>')
    if node["number"]:
        writer.body.append(f'<span class="eqno">({get_node_equation_number(writer, node)})')
        writer.add_permalink_ref(node, "Link to this equation")
        writer.body.append("</span>")
    writer.body.append("</div>\n")
    raise nodes.SkipNode


def _style(app, pagename, templatename, context, doctree) -> None:
    if app.builder.format == "html" and app.env.get_domain("math").has_equations(pagename):
        app.builder.add_css_file("katex/katex.min.css")


def setup(app):
    app.add_config_value("formula_macros", {}, "html")
    app.add_html_math_renderer("katex", (visit_inline, None), (visit_display, None))
    app.connect("html-page-context", _style)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
