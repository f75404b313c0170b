"""`rbh.show` shows the code that runs, readable in both themes."""

from __future__ import annotations

import html
import inspect
import re

import pytest
import torch
from browsing import axe_violations

import recbyhand as rbh
from recbyhand.data.batch import Batch, Field
from recbyhand.inspect import source


def shown(markup: str) -> str:
    """The text of the code blocks, as a reader would copy it."""
    blocks = re.findall(r"<pre[^>]*>(.*?)</pre>", markup, flags=re.S)
    return html.unescape(re.sub(r"<[^>]+>", "", "\n\n".join(blocks)))


def triple(x):
    """Three < four, "quoted" & so on."""

    return 3 * x  # 3 x


class Doubler(torch.nn.Module):
    @property
    def factor(self):
        return 2

    def forward(self, x):
        return self.factor * x


@pytest.mark.parametrize("thing", [Field, Batch.to, triple, Doubler, Doubler.forward])
def test_the_very_code_that_runs(thing):
    result = rbh.show(thing)
    code = inspect.getsource(thing)
    indent = len(code) - len(code.lstrip())
    code = "\n".join(line[indent:] for line in code.rstrip("\n").splitlines())
    assert repr(result) == code
    assert shown(result._repr_html_()) == code


def test_an_instance_shows_its_class_a_property_its_function_a_module_itself():
    assert "class Doubler" in repr(rbh.show(Doubler()))
    assert "return 2" in repr(rbh.show(Doubler.factor))
    assert "def themed" in repr(rbh.show(source))


def test_several():
    result = rbh.show(Field, triple)
    assert "class Field" in repr(result)
    assert "def triple" in repr(result)
    assert result._repr_html_().count("<pre") == 2


def test_symbols_link_to_their_lines():
    result = rbh.show(triple, Doubler, symbols={"3x_{ij}": "3 * x", "f < g": "self.factor"})
    markup = result._repr_html_()
    lines = inspect.getsource(Doubler).splitlines()
    number = 1 + next(i for i, line in enumerate(lines) if "self.factor" in line)
    (target,) = re.findall(rf'href="#([^"]+)">line {number}<', markup)
    assert re.search(rf'id="{target}">.*factor', markup)
    assert "<i>3x<sub>ij</sub></i>" in markup
    assert "<i>f &lt; g</i>" in markup
    assert f"f < g  ->  self.factor  (line {number})" in repr(result)
    assert 'class="numbered"' in markup


def test_a_symbol_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"'W_u': no line of triple contains 'self\.update'"):
        rbh.show(triple, symbols={"W_u": "self.update"})
    with pytest.raises(ValueError, match="no line"):
        rbh.show(triple, symbols={"W_u": ""})


@pytest.mark.parametrize("thing", [len, torch.matmul, 3])
def test_what_has_no_source_says_so(thing):
    with pytest.raises(TypeError, match="no Python source"):
        rbh.show(thing)


def test_nothing_to_show():
    with pytest.raises(TypeError, match="show what"):
        rbh.show()


def test_ids_are_unique():
    markup = "".join(rbh.show(triple, triple)._repr_html_() for _ in range(3))
    ids = re.findall(r'id="([^"]+)"', markup)
    assert len(ids) == len(set(ids)) > 20


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_contrast_knows_the_extremes():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("palette", [source.LIGHT, source.DARK])
def test_every_token_is_readable(palette):
    poor = {
        k: v for k, v in palette.items() if k != "background" and contrast(v, palette["background"]) < 4.5
    }
    assert not poor


@pytest.mark.parametrize("system", ["light", "dark"])
@pytest.mark.parametrize(
    ("page", "dark"),
    [
        ('<html lang="en" data-theme="light"><body>', False),
        ('<html lang="en" data-theme="dark"><body>', True),
        ('<html lang="en"><body data-jp-theme-light="true">', False),
        ('<html lang="en"><body data-jp-theme-light="false">', True),
        ('<html lang="en" theme="dark"><body>', True),
        ('<html lang="en"><body class="vscode-dark">', True),
        ('<html lang="en"><body>', None),
    ],
)
def test_wears_the_pages_theme(browser, page, dark, system):
    tab = browser.new_page(color_scheme=system)
    tab.set_content(f"<!doctype html>{page}{rbh.show(triple)._repr_html_()}")
    dark = system == "dark" if dark is None else dark
    ground = tab.locator("pre").evaluate("element => getComputedStyle(element).backgroundColor")
    wanted = (source.DARK if dark else source.LIGHT)["background"]
    assert ground == f"rgb({', '.join(str(int(wanted[i : i + 2], 16)) for i in (1, 3, 5))})"
    tab.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_accessible(browser, theme):
    tab = browser.new_page(color_scheme=theme, viewport={"width": 390, "height": 800})
    ink = {"light": "#fff;color:#222832", "dark": "#14181e;color:#ced6dd"}[theme]
    markup = rbh.show(Batch, triple, symbols={"3x": "3 * x"})._repr_html_()
    tab.set_content(
        f'<!doctype html><html lang="en" data-theme="{theme}"><head><title>Source</title></head>'
        f'<body style="background:{ink}"><main><h1>Source</h1>{markup}</main></body></html>'
    )
    assert axe_violations(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.tagName") == "PRE"
    tab.close()
