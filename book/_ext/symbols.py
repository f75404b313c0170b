r"""The table from formula to code, typeset: what `rbh.show` says in Unicode becomes a formula like the lesson's own.

`rbh.show(DIN, symbols={"W_e e_i": ...})` works in any notebook, so its symbols are plain text with indices. On a page
they are set by KaTeX, and a letter that the lesson writes bold (`\mathbf e_i`) is bold in the table, too.
"""

from __future__ import annotations

import html
import re

import formulas

SIGNS = {
    "⊙": r"\odot ", "∑": r"\sum ", "Σ": r"\sum ", "⊤": r"\top ", "·": r"\cdot ", "…": r"\dots ", "−": "-",
    "½": r"\tfrac12 ", "²": "^2", "∉": r"\notin ", "∈": r"\in ", "σ": r"\sigma ", "μ": r"\mu ", "α": r"\alpha ",
    "λ": r"\lambda ",
    "τ": r"\tau ", "φ": r"\varphi ", "ϕ": r"\varphi ", "⁽⁰⁾": "^{(0)}", "⁽ˡ⁺¹⁾": "^{(l+1)}", "...": r"\dots ",
    "alpha": r"\alpha ", "h̃": r"\tilde h ", "∂": r"\partial ",
}  # fmt: skip
UPRIGHT = {"log", "exp", "tanh", "softmax", "mean"}
ROW = re.compile(r"<tr><td><i>(.*?)</i></td><td><code>", re.S)
TOKEN = re.compile(
    r"<(sub|sup)>(.*?)</\1>|(\^\([^)]*\))|(√\([^)]*\)|√\w+(?:<sub>\w+</sub>)?)|([⁽][^⁾]*⁾|\.{3}|h̃)|([A-Za-z]+)|(\s+)|(.)",
    re.S,
)


def _index(text: str) -> str:
    text = text.strip()
    if re.fullmatch(r"[A-Za-z]{3,}", text) or text == "BI":
        return rf"\text{{{text}}}"
    return text if re.fullmatch(r"[a-z]{2}", text) else _tex(text, lambda *_: False)


def _word(word: str, index: str, bold) -> str:
    """A run of letters: a name of a function, a word, or symbols side by side."""
    if word in SIGNS:
        return SIGNS[word]
    if word in UPRIGHT or (len(word) > 1 and word[0].isupper() and (word[1:].isupper() or len(word) > 2)):
        return rf"\operatorname{{{word}}} "
    if len(word) > 2 and index:
        return rf"\operatorname{{{word}}}"
    if len(word) > 1 and not index:
        return rf"\text{{ {word} }}"
    return rf"\mathbf {word}" if len(word) == 1 and bold(word, index) else f"{word} "


def _tex(text: str, bold) -> str:
    out = []
    tokens = list(TOKEN.finditer(text))
    for place, token in enumerate(tokens):
        kind, inside, power, root, sign, word, space, other = token.groups()
        following = tokens[place + 1] if place + 1 < len(tokens) else None
        index = following[2] if following and following[1] == "sub" else ""
        if kind:
            out.append(f"{'_' if kind == 'sub' else '^'}{{{_index(inside)}}}")
        elif power:
            out.append(f"^{{{_tex(power[1:], bold)}}}")
        elif root:
            out.append(rf"\sqrt{{{_tex(root[1:].removeprefix('(').removesuffix(')'), bold)}}}")
        elif sign:
            out.append(SIGNS.get(sign, sign))
        elif word:
            out.append(_word(word, index, bold))
        elif space:
            out.append(" ")
        else:
            out.append(
                SIGNS.get(
                    other, {"{": r"\{", "}": r"\}", "%": r"\%", "&": r"\&", "#": r"\#"}.get(other, other)
                )
            )
    return "".join(out)


def tex(symbol: str, lesson: str = "") -> str | None:
    """TeX of a symbol as `rbh.show` writes it in HTML; None where it is words. `lesson`: the text of its lesson."""
    symbol = re.sub(r"<sub>(\w)</sub>(\w)(?![\w<])", r"<sub>\1\2</sub>", html.unescape(symbol))
    if re.fullmatch(r"[A-Za-z ,:'-]+", symbol) and re.search(r"[a-z]{4}", symbol):
        return None

    def bold(letter: str, index: str) -> bool:
        """As the lesson writes this letter most often: with this index, else with any, or without one."""
        strong = rf"\\(?:mathbf|boldsymbol)\s*\{{?\s*{letter}\s*\}}?(?![a-zA-Z])"
        light = re.sub(strong, "", lesson)
        after = [rf"\s*_\s*\{{?\s*{re.escape(index)}", r"\s*_"] if index else [r"(?!\s*_)"]
        for end in after:
            bold, plain = (
                len(re.findall(strong + end, lesson)),
                len(re.findall(rf"(?<![a-zA-Z\\]){letter}{end}", light)),
            )
            if index and (bold or plain):
                return bold > plain
            if not index:
                return bold > 0
        return False

    return _tex(symbol, bold).strip()


def typeset(body: str, lesson: str) -> str:
    """The page with the symbols of its tables set as formulas."""

    def row(match: re.Match) -> str:
        found = tex(match[1], lesson)
        if found is None:
            return f"<tr><td>{match[1]}</td><td><code>"
        try:
            return f'<tr><td><span class="math">{formulas.render(found)}</span></td><td><code>'
        except ValueError:
            return match[0]

    return ROW.sub(row, body)
