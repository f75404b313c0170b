"""The search of the book: words, symbols, names of classes and Chinese terms, with excerpts that can be read.

Sphinx's own index holds stems of English words, and fetches each page to cut an excerpt from its source: nothing
is found for `α` or 召回, formulas come out as LaTeX, and from a folder nothing can be fetched at all. Here every
section is written as plain text, formulas as they are read, into one script, which the search page loads once
something is asked.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

GREEK = """alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho varsigma sigma
tau upsilon varphi chi psi omega"""
OTHERS = r"""epsilon ε phi φ Gamma Γ Delta Δ Theta Θ Lambda Λ Xi Ξ Pi Π Sigma Σ Phi Φ Psi Ψ Omega Ω sum Σ prod Π cdot ·
odot ⊙ times × oplus ⊕ pm ± le ≤ leq ≤ ge ≥ geq ≥ ne ≠ neq ≠ approx ≈ in ∈ notin ∉ to → mapsto ↦ gets ← infty ∞
partial ∂ nabla ∇ top ᵀ dots … ldots … cdots … ell ℓ propto ∝ sim ~ circ ∘ mid |
lVert ‖ rVert ‖ Vert ‖ | ‖ cup ∪ cap ∩ subset ⊂ star *"""
SIGNS = {name: chr(0x3B1 + i) for i, name in enumerate(GREEK.split())}
SIGNS |= dict(zip(OTHERS.split()[::2], OTHERS.split()[1::2]))
PLAIN = (
    r"mathbf|mathbb|mathcal|mathrm|mathit|mathsf|mathtt|boldsymbol|operatorname\*?|text|textit|textbf|hat|bar|tilde|"
    r"vec|overline|underline|underbrace|overbrace|widehat|widetilde"
)


def readable(tex: str) -> str:
    r"""A formula as a line of text: `\frac{a_i}{\sigma}` is `a_i/σ`."""
    tex = re.sub(r"\\(?:begin|end)\{[^}]*\}(?:\{[^}]*\})?|\\label\{[^}]*\}|(?<!\\)&", " ", tex)
    tex = re.sub(
        r"\\(?:left|right|bigl|bigr|Bigl|Bigr|big|Big|displaystyle|limits|nolimits)(?![a-zA-Z])\.?", "", tex
    )
    tex = re.sub(r"\\(?:q?quad|[,;: \\])|\\!", " ", tex)
    tex = re.sub(r"\\([dt]?frac)(\d)(\d)", r"\2/\3", tex)
    inner = r"((?:[^{}]|\{[^{}]*\})*)"
    for _ in range(6):
        before = tex
        tex = re.sub(rf"\\(?:{PLAIN})\s*\{{{inner}\}}", r"\1", tex)
        tex = re.sub(rf"\\(?:{PLAIN})\s+(\\?\w)", r"\1", tex)
        tex = re.sub(
            rf"\\[dt]?frac\s*\{{{inner}\}}\s*\{{{inner}\}}", lambda m: f"{_held(m[1])}/{_held(m[2])}", tex
        )
        tex = re.sub(r"\\sqrt\s+(\w)", r"√\1", tex)
        tex = re.sub(rf"\\sqrt\s*\{{{inner}\}}", r"√(\1)", tex)
        tex = re.sub(r"([_^])\{([^{}]*)\}", lambda m: m[1] + _held(m[2]), tex)
        if tex == before:
            break
    tex = re.sub(r"\\([a-zA-Z]+|.)", lambda m: SIGNS.get(m[1], m[1]), tex)
    tex = re.sub(r"\^ᵀ", "ᵀ", tex)
    return " ".join(re.sub(r"[{}]", "", tex).split())


def _held(text: str) -> str:
    text = text.strip()
    return text if re.fullmatch(r"\\?\w+|", text) else f"({text})"


LEFT_OUT = {"tag_solution", "tag_remove-cell", "tag_hide-input", "toctree-wrapper"}


def _text(node: nodes.Node, keys: list[str], out: list[str]) -> None:
    """Words of a node, without its inner sections, solutions, and what was drawn or printed."""
    if isinstance(node, nodes.Text):
        out.append(node.astext())
    elif isinstance(node, nodes.math | nodes.math_block):
        out.append(" " + readable(node.astext()) + " ")
        if node.get("label"):
            keys.append(re.sub(r"[-_]", " ", node["label"].removeprefix("eq-")))
    elif isinstance(
        node, nodes.section | nodes.title | nodes.raw | nodes.comment | nodes.image | addnodes.toctree
    ):
        return
    elif isinstance(node, addnodes.pending_xref) and (node["refdomain"] == "cite" or node["reftype"] == "eq"):
        out.append(" ")  # a key, whose words only the page knows
    elif isinstance(node, nodes.Element):
        if LEFT_OUT & set(node.get("classes", ())) or node.get("nb_element") == "cell_code_output":
            return
        block = not isinstance(node, nodes.Inline)
        for child in node.children:
            _text(child, keys, out)
        if block:
            out.append(" ")


def sections(doctree: nodes.document) -> list[tuple[str, str, str, str]]:
    """(anchor, heading, text, further words to find it by) of each section; of a glossary, of each term."""
    found = []
    for section in doctree.findall(nodes.section):
        title = next(iter(section.findall(nodes.title)), None)
        for entry in (item for item in section.findall(nodes.definition_list_item) if _own(item, section)):
            terms = list(entry.findall(nodes.term))
            if terms and terms[0].get("ids"):
                keys: list[str] = []
                out: list[str] = []
                for child in entry.findall(nodes.definition):
                    _text(child, keys, out)
                names = [term.astext() for term in terms]
                found.append((terms[0]["ids"][0], " · ".join(names), _tidy(out), ""))
        keys, out = [], []
        for child in section.children:
            if not (isinstance(child, nodes.definition_list | addnodes.glossary) and found):
                _text(child, keys, out)
        heading = title.astext() if title else ""
        found.append(
            (section["ids"][0] if section.parent is not doctree else "", heading, _tidy(out), " ".join(keys))
        )
    return found


def _own(item: nodes.Node, section: nodes.section) -> bool:
    while item.parent is not section and not isinstance(item.parent, nodes.section):
        item = item.parent
    return item.parent is section


def _tidy(parts: list[str]) -> str:
    return " ".join("".join(parts).split())


class ChineseTerms(SphinxTransform):
    """A screen reader and the fonts are told that a term is Chinese."""

    default_priority = 900

    def apply(self, **_) -> None:
        for term in self.document.findall(nodes.term):
            if re.search(r"[\u4e00-\u9fff]", term.astext()):
                term["classes"].append("language-zh-hans")


def _write(app, exception) -> None:
    if exception or app.builder.format != "html":
        return
    out, rows = Path(app.outdir), []
    for page in sorted(app.env.found_docs):
        title = app.env.titles[page].astext()
        for anchor, heading, text, keys in sections(app.env.get_doctree(page)):
            if text or heading:
                rows.append([page, anchor, title, heading, text, keys])
    data = (
        json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
        .replace("\u2028", " ")
        .replace("\u2029", " ")
    )
    (out / "_static" / "search-text.js").write_text(f"window.searchText = {data};\n", encoding="utf8")
    for unused in ("searchindex.js", "_static/searchtools.js", "_static/language_data.js"):
        (out / unused).unlink(missing_ok=True)


def _no_index(app) -> None:
    """Sphinx's own index is thrown away, so there is none to go on with, and nothing to warn of."""
    if app.builder.format == "html":
        app.builder.load_indexer = lambda docnames: None


def setup(app):
    app.connect("builder-inited", _no_index)
    app.add_transform(ChineseTerms)
    app.connect("build-finished", _write, priority=800)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
