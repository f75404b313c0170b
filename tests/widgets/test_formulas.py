"""Formulas inside widgets: MathML that says what the plain text says, in the right elements."""

from __future__ import annotations

import pytest

from recbyhand.widgets import NormExplorer

from .harness import case

MADE = """(all) => all.map((e) => ({
    text: e.textContent, all: [...e.querySelectorAll('*')].map((one) => one.localName),
    empty: [...e.querySelectorAll('*')].filter((one) => !one.textContent.trim()).length,
    space: e.namespaceURI, high: e.getBoundingClientRect().height,
    roots: [...e.querySelectorAll('msqrt')].map((root) =>
        root.getBoundingClientRect().width - root.firstChild.getBoundingClientRect().width) }))"""


def formulas(visit) -> list[dict]:
    visit.settle()
    return visit.widget().locator("math").evaluate_all(MADE)


@pytest.mark.parametrize(
    ("name", "part", "kinds"),
    [
        ("NormExplorer", "+ε", {"mfrac", "msqrt"}),
        ("FMExplorer", "vi·vj", {"msub"}),
        ("GateExplorer", "h′", {"mi", "mo", "mn"}),
        ("ActivationCurves", "Var+ε", {"msqrt"}),
        ("PositionExplorer", "PE(", {"mi", "mo"}),
    ],
)
def test_a_widget_typesets_its_formulas(open_page, name, part, kinds):
    found = formulas(open_page(case(name).make()))
    assert any(part in one["text"].replace(" ", "") for one in found), found
    assert kinds <= {kind for one in found for kind in one["all"]}
    for one in found:
        assert one["space"] == "http://www.w3.org/1998/Math/MathML"
        assert one["high"] > 5
        assert not one["empty"], one
        assert all(sign > 3 for sign in one["roots"]), "a font without the sign draws none"


CASES = {
    "a + b": "<mi>a</mi><mo>+</mo><mi>b</mi>",
    "v_i · v_j": "<msub><mi>v</mi><mi>i</mi></msub><mo>·</mo><msub><mi>v</mi><mi>j</mi></msub>",
    "∑_i v_i^2": "<msub><mo>∑</mo><mi>i</mi></msub><msubsup><mi>v</mi><mi>i</mi><mn>2</mn></msubsup>",
    "{a − 0.5}/{√(v + ε)}": "<mfrac><mrow><mi>a</mi><mo>−</mo><mn>0.5</mn></mrow><mrow><msqrt><mrow><mi>v</mi>"
    "<mo>+</mo><mi>ε</mi></mrow></msqrt></mrow></mfrac>",
    "= −1.2e−7": "<mo>=</mo><mn>−1.2e−7</mn>",
    "−1 · (−2)": "<mn>−1</mn><mo>·</mo><mo>(</mo><mn>−2</mn><mo>)</mo>",
    "h = 1": "<mi>h</mi><mo>=</mo><mn>1</mn>",
    "h = 1000000000000000000000 − 2": (
        "<mi>h</mi>",
        "<mo>=</mo><mn>1000000000000000000000</mn><mo>−</mo><mn>2</mn>",
    ),
    "h′ + o tanh(c′)": "<mi>h′</mi><mo>+</mo><mi>o</mi><mi>tanh</mi><mo>(</mo><mi>c′</mi><mo>)</mo>",
    "½ ∞ NaN": "<mn>½</mn><mi>∞</mi><mi>NaN</mi>",
}


ROW = """async (text) => [...(await Object.values(window.rbhModules)[0]).formula(text).children]
    .map((math) => math.firstChild.innerHTML.replaceAll(/ (xmlns|class|stretchy)="[^"]*"/g, ''))"""


def test_what_is_written_is_what_is_drawn(open_page):
    visit = open_page(NormExplorer([[1.0, 2.0], [3.0, 5.0]]))
    for text, made in CASES.items():
        assert visit.tab.evaluate(ROW, text) == ([made] if isinstance(made, str) else list(made))
    assert visit.js("plain", [("v_i^{2}",)])[0] == "vi2"
