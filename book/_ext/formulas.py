"""Mathematics rendered when the book is built: KaTeX's HTML for the eye, MathML for screen readers, no script.

KaTeX (book/_ext/vendor, a pinned copy) runs in V8 from the Python package `mini-racer`; a page carries only KaTeX's
style sheet and the fonts it uses, and these hold only the letters that some formula of the book shows in them. A
formula that KaTeX cannot read is a warning with its place, hence a failed build.
"""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from functools import cache
from html import unescape
from pathlib import Path

from docutils import nodes
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

LOGGER = logging.getLogger(__name__)
KATEX = Path(__file__).parent / "vendor" / "katex.min.js"
FONTS = Path(__file__).parents[1] / "_static" / "katex" / "fonts"
# The font that KaTeX's style sheet gives to a class; what stands in none of them is in Main-Regular.
FONT_OF = {
    "mathnormal": "Math-Italic", "boldsymbol": "Math-BoldItalic", "mathbf": "Main-Bold", "textbf": "Main-Bold",
    "mathit": "Main-Italic", "textit": "Main-Italic", "mathrm": "Main-Regular", "textrm": "Main-Regular",
    "amsrm": "AMS-Regular", "mathbb": "AMS-Regular", "textbb": "AMS-Regular", "mathcal": "Caligraphic-Regular",
    "mathfrak": "Fraktur-Regular", "textfrak": "Fraktur-Regular", "mathboldfrak": "Fraktur-Bold",
    "mathtt": "Typewriter-Regular", "texttt": "Typewriter-Regular", "mathscr": "Script-Regular",
    "textscr": "Script-Regular", "mathsf": "SansSerif-Regular", "textsf": "SansSerif-Regular",
    "mathboldsf": "SansSerif-Bold", "mathsfit": "SansSerif-Italic", "delim-size1": "Size1-Regular",
    "delim-size4": "Size4-Regular", "small-op": "Size1-Regular", "large-op": "Size2-Regular",
}  # fmt: skip
DELIMITER = {f"size{n}": f"Size{n}-Regular" for n in range(1, 5)}  # beside the class "delimsizing" only


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
    if app.builder.format != "html":
        return
    body = context.get("body", "")
    context["first_fonts"] = [f"fonts/hand-{name}" for name, mark in OWN_FONTS.items() if mark in body]
    if app.env.get_domain("math").has_equations(pagename):
        app.builder.add_css_file("katex/katex.min.css")
        used = letters(body)
        context["first_fonts"] += [f"katex/fonts/KaTeX_{name}" for name in FIRST if used.get(name)]


# A font that comes after the first layout has the whole page laid out again: a third of the work of a lesson's page.
OWN_FONTS = {"sans": "", "serif": "", "code": "<pre", "sans-italic": "<em"}  # and what a page with it holds
FIRST = ("Main-Regular", "Math-Italic", "Main-Bold")


def letters(page: str) -> dict[str, set[str]]:
    """The letters of a page's formulas by the font of KaTeX's that shows them."""
    found: dict[str, set[str]] = defaultdict(set)
    element = re.compile(r'<(/?\w+)(?:[^>]*?\bclass="([^"]*)")?[^>]*>([^<]*)')
    for start in re.finditer(r'<span class="katex-html"', page):
        fonts = ["Main-Regular"]
        for one in element.finditer(page, start.start()):
            tag, classes, text = one.groups(default="")
            if tag == "span":
                named = classes.split()
                kinds = FONT_OF | (DELIMITER if "delimsizing" in named else {})
                fonts.append(next((kinds[name] for name in named if name in kinds), fonts[-1]))
            elif tag == "/span":
                fonts.pop()
                if len(fonts) == 1:
                    break
            found[fonts[-1]].update(unescape(text))
    return found


def subset_fonts(out: Path) -> None:
    """KaTeX's fonts in `out` with the letters that its pages use, from the whole ones; the unused ones stay whole."""
    import logging as std_logging

    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    std_logging.getLogger("fontTools").setLevel(std_logging.WARNING)
    shown: dict[str, set[str]] = defaultdict(set)
    for path in out.rglob("*.html"):
        for font, those in letters(path.read_text(encoding="utf8")).items():
            shown[font] |= those
    place = out / "_static" / "katex" / "fonts"
    for path in FONTS.glob("KaTeX_*.woff2"):
        those = shown.get(path.stem.removeprefix("KaTeX_"), set()) - {" ", "\u200b"}
        place.mkdir(parents=True, exist_ok=True)
        if (
            not those
        ):  # no page asks for it; whoever prints the book waits for every font that its style names
            shutil.copyfile(path, place / path.name)
            continue
        options = Options()
        options.flavor, options.hinting, options.ignore_missing_unicodes = "woff2", False, True
        font = TTFont(path)
        subsetter = Subsetter(options)
        subsetter.populate(unicodes=[ord(one) for one in those | {" "}])
        subsetter.subset(font)
        font.flavor = "woff2"
        font.save(place / path.name)


def _finish(app, exception) -> None:
    if not exception and app.builder.format == "html":
        subset_fonts(Path(app.outdir))


def setup(app):
    app.add_config_value("formula_macros", {}, "html")
    app.add_html_math_renderer("katex", (visit_inline, None), (visit_display, None))
    app.connect("html-page-context", _style)
    app.connect("build-finished", _finish, priority=950)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
