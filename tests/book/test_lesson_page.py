"""What stands around a lesson's text: numbers, the line under the title, places to link to, typeset symbols."""

from __future__ import annotations

import html
import json
import re
import sys

import pytest

from .paths import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import formulas
import lesson_page
import lessons
import symbols
import widget_sources

import recbyhand as rbh

LESSONS = [path for _, paths in lesson_page.chapters() for path in paths]


def page_of(path) -> str:
    return path.relative_to(ROOT).with_suffix("").as_posix()


def test_every_lesson_has_a_number_in_the_order_of_the_book():
    numbers = [lesson_page.numbers()[page_of(path)] for path in LESSONS]
    assert numbers == sorted(numbers, key=lambda text: [int(part) for part in text.split(".")])
    assert len(set(numbers)) == len(LESSONS) > 40
    assert lesson_page.numbers()["chapters/04_interest/din"] == "4.3"


def test_every_chapter_says_what_it_asks_and_what_it_needs():
    for name, _ in lesson_page.chapters():
        assert lesson_page.asks(name).endswith("?")
        assert lesson_page.front(name, "needs"), f"{name}.md: write `needs: ...` in its front matter"


@pytest.mark.parametrize("path", LESSONS, ids=page_of)
def test_line_under_the_title(path):
    line = lesson_page.under_title(path, "x.ipynb", [{"text": "Colab", "url": "https://a.example/?a=1&b=2"}])
    words = html.unescape(re.sub(r"<[^>]+>", "|", line))
    assert re.search(r"\d+ min to read", words)
    assert re.search(r"needs (MovieLens 100K|a planted world|no data)", words)
    assert "|runs " in words or path.parent.name == "00_start"
    assert "Open in Colab" in words
    assert "a=1&amp;b=2" in line


@pytest.mark.parametrize("path", LESSONS, ids=page_of)
def test_the_installer_stays_out_of_the_page(path):
    shown = json.loads(lesson_page.without_machinery(path.read_text(encoding="utf8")))["cells"]
    installers = [cell for cell in shown if "PUBLISHED" in "".join(cell["source"])]
    assert installers
    assert all("remove-cell" in cell["metadata"]["tags"] for cell in installers)
    taken = sum("remove-cell" in c["metadata"].get("tags", ()) for c in shown)
    before = json.loads(path.read_text(encoding="utf8"))["cells"]
    assert taken == 1 + sum("remove-cell" in c["metadata"].get("tags", ()) for c in before)


def test_the_side_bar_gets_numbers_and_short_titles():
    given = (
        '<a class="reference internal" href="index.html">Interest: what in a history matters now</a>'
        '<a class="current reference internal" href="#">DIN</a>'
        '<a class="reference internal" href="../../book/x.html">X</a>'
    )
    shown = lesson_page.numbered(given, "chapters/04_interest/din")
    assert '<span class="number">4</span><span>Interest</span>' in shown
    assert '<span class="number">4.3</span><span>DIN</span>' in shown
    assert '<a class="reference internal" href="../../book/x.html">X</a>' in shown


def test_figures_and_exercises_can_be_pointed_at():
    check = '<span class="n">rbh</span>.<span class="n">check</span>(<span class="s2">&quot;din-1&quot;</span>, x)'
    cell = f'<div class="cell tag_exercise docutils container">{check}</div>'
    body = f'<figure class="rbh-figure" style="a"></figure>{cell}'
    shown = lesson_page._anchors(body)
    assert '<figure class="rbh-figure" id="figure-1"' in shown
    assert 'href="#figure-1"' in shown
    assert '<div class="cell tag_exercise docutils container" id="exercise-din-1">' in shown
    assert 'href="#exercise-din-1"' in shown


def test_a_table_has_one_head():
    import pandas as pd

    frame = pd.DataFrame({"AUC": [0.7, 0.8]}, index=pd.Index(["DIN", "BST"], name="model"))
    shown = lesson_page.one_head(frame.to_html())
    assert shown.count("<tr") == 3
    assert re.search(r"<thead><tr><th>model</th>\s*<th>AUC</th></tr></thead>", shown)
    plain = frame.rename_axis(None).to_html()
    assert lesson_page.one_head(plain) == plain


@pytest.mark.parametrize(
    ("symbol", "wanted"),
    [
        ("W<sub>e</sub> e<sub>i</sub>", r"W_{e}\mathbfe_{i}"),
        ("e<sub>i</sub>j", r"\mathbfe_{ij}"),
        ("√d<sub>k</sub>", r"\sqrt{d_{k}}"),
        ("h<sub>t+1</sub>", r"h_{t+1}"),
        ("∑ a<sub>i</sub> e<sub>i</sub>", r"\suma_{i}\mathbfe_{i}"),
        ("softmax over pairs", None),
    ],
)
def test_symbols_are_set_as_in_the_lesson(symbol, wanted):
    lesson = r"$a_i = \mathbf e_i \cdot \mathbf t$ and $h_{t+1}$, never $\mathbf{h}$ with an index"
    found = symbols.tex(symbol, lesson)
    assert (found and found.replace(" ", "")) == wanted
    if found:
        assert formulas.render(found)


def test_a_page_carries_the_sources_of_today():
    """Kept outputs may be older than the scripts: the page gets those that stand in the package now."""
    page = rbh.widgets.NormExplorer([[1, 2], [3, 4]]).html()
    old = re.sub(r"(core|norm_explorer)-[0-9a-f]{10}", r"\1-0123456789", page).replace(
        "export", "/* old */ export"
    )
    assert widget_sources.refreshed(old + old) == widget_sources.refreshed(page + page)
    assert widget_sources.refreshed(page + page).count('data-rbh-module="core-') == 1


def test_widget_scripts_are_no_reason_to_run_a_lesson_again():
    path = ROOT / "chapters" / "07_two_tower" / "searching.ipynb"
    code = "\n".join(c.source for c in lessons.read(path).cells if c.cell_type == "code")
    own = {file.name for file in lessons._own_files(path, code)}
    assert "funnel_view.py" in own
    assert not any(name.endswith(".js") for name in own)


def test_letters_of_a_page_by_font():
    """Nested and mixed, beside words of the page that are in no formula."""
    page = "<p>Text</p>" + formulas.render(
        r"\mathbf{x}_i + \text{if } \mathcal{L} \le \sum_j \Bigl( \mathrm{AUC} \Bigr)", True
    )
    found = formulas.letters(page + "<p>Zeal</p>")
    assert found["Main-Bold"] == {"x"}
    assert found["Caligraphic-Regular"] == {"L"}
    assert {"i", "j"} <= found["Math-Italic"]
    assert set("if+≤AUC") <= found["Main-Regular"]
    assert "∑" in found["Size2-Regular"]
    assert "(" in found["Size2-Regular"]
    assert not set("TZ") & set().union(*found.values())


def test_fonts_hold_the_letters_of_the_pages(tmp_path):
    from fontTools.ttLib import TTFont

    (tmp_path / "page.html").write_text(formulas.render(r"\mathbf{x}_i"), encoding="utf8")
    formulas.subset_fonts(tmp_path)
    fonts = tmp_path / "_static" / "katex" / "fonts"
    assert {path.name for path in fonts.iterdir()} == {path.name for path in formulas.FONTS.glob("*.woff2")}
    assert set(TTFont(fonts / "KaTeX_Main-Bold.woff2").getBestCmap()) == {ord(" "), ord("x")}
    assert ord("i") in TTFont(fonts / "KaTeX_Math-Italic.woff2").getBestCmap()
    assert (fonts / "KaTeX_Main-Bold.woff2").stat().st_size < 2_000
    assert len(TTFont(fonts / "KaTeX_Fraktur-Bold.woff2").getBestCmap()) > 50, "whole: no page asks for it"
    (tmp_path / "page.html").write_text(formulas.render(r"\mathbf{y}"), encoding="utf8")  # another build
    formulas.subset_fonts(tmp_path)
    assert ord("y") in TTFont(fonts / "KaTeX_Main-Bold.woff2").getBestCmap()


PANDAS = """<table><thead>
    <tr style="text-align: right;"><th></th><th>&nbsp;</th><th>AUC</th><th>ms</th></tr>
    <tr><th>model</th><th>k</th><th></th><th>&nbsp;</th></tr>
  </thead><tbody><tr><th>DIN</th><th>1</th><td>0.8</td><td>3</td></tr></tbody></table>"""


def test_names_of_an_index_take_no_row_of_their_own():
    import house

    cells = re.findall(r"<th>([^<]*)</th>", house.one_header(PANDAS).partition("</thead>")[0])
    assert cells == ["model", "k", "AUC", "ms"]
    assert house.one_header(PANDAS).count("<tr") == 2
    plain = "<table><thead><tr><th></th><th>a</th></tr></thead><tbody><tr><th>x</th><td></td></tr></tbody></table>"
    assert house.one_header(plain + PANDAS) == plain + house.one_header(PANDAS), "no row of another table's"
    for kept in (
        PANDAS.replace("<th></th><th>&nbsp;</th>", "<th>layer</th><th></th>"),  # the columns have a name, too
        PANDAS.replace("<th>model</th>", '<th colspan="2">model</th>'),
        PANDAS.replace("<th></th><th>&nbsp;</th></tr>\n  </thead>", "<th>a</th><th>b</th></tr>\n  </thead>"),
    ):
        assert house.one_header(kept) == kept


def test_a_column_of_words_stands_to_the_left():
    import house
    import pandas as pd

    frame = pd.DataFrame(
        {
            "film": ["Heat", "Alien & 3"],
            "auc": [0.5, float("nan")],
            "is": [True, False],
            "in": ["[1, 2]", "3 %"],
        }
    )
    for table in (frame.to_html(), frame.style.to_html()):
        words = re.findall(r'<t[hd][^>]*class="words[^>]*>([^<]*)<', house.words_to_the_left(table))
        assert words == ["film", "Heat", "Alien &amp; 3" if "dataframe" in table else "Alien & 3"]
    # Where a name in front stands for several rows.
    twice = (
        frame.assign(of="both", auc=[0.5, 0.6]).set_index(["of", "film"]).assign(verdict=["worse", "better"])
    )
    for table in (twice.to_html(), twice.style.to_html()):
        words = re.findall(r'<t[hd][^>]*class="words[^>]*>([^<]*)<', house.words_to_the_left(table))
        assert [word for word in words if word not in ("", "&nbsp;")] == ["verdict", "worse", "better"]
    for kept in (
        frame[["auc", "is"]].to_html(),
        frame.set_index(["film", "is"]).unstack().to_html(),  # cells over several columns
        "<table><tbody><tr><td>a table of our own</td></tr></tbody></table>",
    ):
        assert house.words_to_the_left(kept) == kept


def test_every_figure_of_the_gallery_has_its_picture_at_the_top(site):
    page = (site / "book" / "gallery.html").read_text(encoding="utf8")
    figures = re.findall(r'class="rbh-widget"', page)
    pictures = re.findall(r'<div class="thumb"><svg', page)
    named = re.findall(r'<p class="used-in">', page)
    assert len(pictures) == len(named) == len(figures) > 10
