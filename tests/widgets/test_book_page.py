"""A page as the book's tools render it: a notebook with several widgets, through Sphinx and MyST-NB."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from browsing import axe_violations, serving

import recbyhand.widgets

from .harness import case, widget_names

EXT = Path(__file__).resolve().parents[2] / "book" / "_ext"
CONF = f"""
import sys
sys.path.insert(0, {str(EXT)!r})
extensions = ["myst_nb", "widget_sources"]
html_theme = "sphinx_book_theme"
nb_execution_mode = "off"
nb_mime_priority_overrides = [["html", "application/vnd.jupyter.widget-view+json", 31]]
nb_ipywidgets_js = {{}}
html_theme_options = {{"use_download_button": False, "navigation_with_keys": True}}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Each widget twice; the first cell's output is removed and the third is folded, as a lesson may do."""
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("sphinx_book_theme")
    folder = tmp_path_factory.mktemp("book")
    cells = [nbformat.v4.new_markdown_cell("# Living page")]
    for i, name in enumerate([n for n in widget_names() for _ in range(2)]):
        data, metadata = case(name).make()._repr_mimebundle_()
        cell = nbformat.v4.new_code_cell(f"{name}()", execution_count=i + 1)
        cell.outputs = [
            nbformat.v4.new_output("execute_result", data, metadata=metadata, execution_count=i + 1)
        ]
        cell.metadata["tags"] = {0: ["remove-output"], 1: ["hide-output"]}.get(i, [])
        cells.append(cell)
    language = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=language), folder / "index.ipynb")
    (folder / "conf.py").write_text(CONF)
    out = folder / "_build"
    subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", folder, out], check=True, timeout=120
    )
    return out


def test_each_source_once(site):
    text = (site / "index.html").read_text(encoding="utf-8")
    found = re.findall(r'data-rbh-module="([\w-]+)">', text)
    assert len(found) == len(set(found))
    assert {name.rpartition("-")[0] for name in found} == {
        path.stem for name in widget_names() for path in getattr(recbyhand.widgets, name)._sources
    }
    assert len(re.findall('class="rbh-widget"', text)) == 2 * len(widget_names()) - 1
    assert "widget-view+json" not in text


@pytest.mark.parametrize("kind", ["http", "file"])
def test_the_page_lives_and_asks_nobody(browser, site, kind):
    with serving(site) as address:
        base = address if kind == "http" else f"file://{site}/"
        context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="dark")
        context.add_init_script("localStorage.setItem('mode', 'light')")
        tab, asked, errors = context.new_page(), [], []
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.goto(f"{base}index.html")
        tab.wait_for_selector(".rbh-widget[data-ready]", state="attached")
        assert tab.locator(".rbh-widget:not([data-ready])").count() > 5, (
            "far from the screen nothing is drawn yet"
        )
        tab.evaluate("dispatchEvent(new Event('rbh-all')) && null")
        tab.wait_for_function("!document.querySelector('.rbh-widget:not([data-ready])')")
        assert [u for u in asked if not u.startswith((base, "blob:", "data:"))] == []
        assert errors == []
        widgets = tab.locator(".rbh-widget")
        assert widgets.count() == 2 * len(widget_names()) - 1
        folded = widgets.first.locator(".frame")
        assert not folded.is_visible()
        tab.locator("details summary").first.click()
        assert folded.is_visible()
        for i, name in enumerate([n for n in widget_names() for _ in range(2)][1:]):
            case(name).touch(widgets.nth(i))
        assert tab.url.endswith("index.html"), "a key meant for a widget turned the page"
        # The theme's own faults are not ours: look into the widgets only.
        assert [v for v in axe_violations(tab) if "rbh-widget" in v] == []
        tab.set_viewport_size({"width": 390, "height": 844})
        tab.wait_for_timeout(200)
        wide = "[...document.querySelectorAll('.rbh-widget')].filter((e) => e.scrollWidth > e.clientWidth + 1).length"
        assert tab.evaluate(wide) == 0
        context.close()


def test_every_widget_has_a_name_in_the_package():
    for name in widget_names():
        assert getattr(recbyhand.widgets, name).label
