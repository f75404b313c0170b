"""Text for a terminal that knows few signs: Windows' code page, a file that output is redirected to there."""

from __future__ import annotations

import sys

_WORDS = {
    "✓": "[ok]", "✗": "[no]", "○": "[your turn]", "−": "-", "→": "->", "≤": "<=", "≥": ">=", "≠": "!=",
    "≈": "~", "√": "sqrt ", "∑": "sum ", "Σ": "sum ", "∂": "d", "‖": "||", "⊙": "*", "∞": "infinity", "⋯": "...",
    "ᵀ": "^T", "ⁿ": "^n", "⁰": "^0", "₋": "_-", "₊": "_+", "ₜ": "_t", "ᵢ": "_i", "ⱼ": "_j", "ₖ": "_k", "ᵤ": "_u",
    "α": "alpha", "β": "beta", "γ": "gamma", "ε": "epsilon", "λ": "lambda", "μ": "mu", "σ": "sigma", "τ": "tau",
    **{chr(ord("₀") + digit): f"_{digit}" for digit in range(10)},
}  # fmt: skip


def printable(text: str) -> str:
    """`text`; where the standard output cannot show it, with words for the signs that it cannot."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
        return text
    except UnicodeEncodeError:
        known = "".join(sign if _shows(sign, encoding) else _WORDS.get(sign, sign) for sign in text)
        return known.encode(encoding, "replace").decode(encoding)


def _shows(sign: str, encoding: str) -> bool:
    try:
        return bool(sign.encode(encoding))
    except UnicodeEncodeError:
        return False
