"""What every widget must do: run from any page, ask nobody, show text as text, serve keyboard and reader."""

from __future__ import annotations

import gzip
import re

import pytest
import torch
import traitlets

import recbyhand.widgets
from recbyhand.widgets import AttentionHeatmap, HistoryAttention, PairAttention
from recbyhand.widgets.base import Floats, page

from .harness import EVIL, case, widget_names

NAMES = widget_names()
BUDGET = {
    "core": 6_000,
    "controls": 4_500,
    "plots": 3_500,
    "tools": 3_200,
    "formulas": 1_300,
}  # bytes, compressed, of the modules that are shared
OWN = 6_000  # of a widget's own
every_widget = pytest.mark.parametrize("name", NAMES)


@every_widget
@pytest.mark.parametrize("kind", ["file", "http", "book"])
def test_lives_without_kernel_and_network(open_page, name, kind):
    visit = open_page(case(name).make(), kind=kind)
    assert visit.widget().locator(".frame").is_visible()
    assert visit.widget().locator(".stage").is_visible(), visit.widget().locator(".message").inner_text()
    assert visit.widget().locator(".rbh-static").count() == 0
    case(name).touch(visit.widget())
    visit.settle()
    assert visit.elsewhere == []
    assert visit.errors == []


@every_widget
def test_the_drawing_without_scripts(open_page, name):
    visit = open_page(case(name).make(), scripts=False, width=390)
    svg = visit.tab.locator("svg[role=img]").first
    assert svg.is_visible()
    assert len(svg.get_attribute("aria-label")) > 20
    assert svg.locator("path, rect, line, circle, text").count() > 5


@every_widget
@pytest.mark.parametrize("text", EVIL)
def test_text_stays_text(open_page, name, text):
    widget = case(name).texts(text)
    visit = open_page(widget, kind="book")
    assert visit.tab.evaluate("window.hacked") is None
    assert visit.errors == []
    assert text in visit.widget().locator(".frame").text_content() or text in visit.tab.evaluate(
        "[...document.querySelector('.rbh-widget > div > div').shadowRoot.querySelectorAll('[aria-label]')]"
        ".map((e) => e.ariaLabel).join()"
    )
    assert visit.tab.locator("img, .frame script").count() == 0
    plain = open_page(widget, scripts=False)  # the drawing made in Python
    assert plain.tab.locator("svg[onload], img, main svg script").count() == 0


@every_widget
def test_instances_are_independent_and_share_one_source(open_page, name):
    visit = open_page(case(name).make(), case(name).make(), kind="book")
    roots = "[...document.querySelectorAll('.rbh-widget > div > div')].map((d) => d.shadowRoot)"
    read = f"(i) => {roots}[i].querySelector('.frame').innerHTML"
    state = "(i) => JSON.stringify(document.querySelectorAll('.rbh-widget')[i].model.state)"
    ids = f"{roots}.flatMap((r) => [...r.querySelectorAll('[id]')].map((e) => e.id))"
    before = [(visit.tab.evaluate(read, i), visit.tab.evaluate(state, i)) for i in range(2)]
    case(name).touch(visit.widget(0))
    visit.settle()
    after = [(visit.tab.evaluate(read, i), visit.tab.evaluate(state, i)) for i in range(2)]
    assert before[0][1] != after[0][1], "touching a control changed no trait"
    assert before[1] == after[1]
    assert visit.tab.evaluate(f"new Set({ids}).size == {ids}.length")
    assert visit.tab.locator("script[data-rbh-module^=core-]").count() == 1
    assert visit.tab.evaluate("Object.keys(rbhModules).length") == 1


@every_widget
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["file", "book"])
def test_axe_finds_nothing_and_the_theme_is_followed(open_page, name, scheme, kind):
    visit = open_page(case(name).make(), kind=kind, scheme=scheme)
    assert visit.violations() == []
    back = visit.widget().locator(".frame").evaluate("(e) => getComputedStyle(e).backgroundColor")
    light = sum(int(x) for x in re.findall(r"\d+", back)[:3]) > 380
    assert light == (scheme == "light")
    if kind == "book":  # the reader changes the theme while the page is open
        visit.tab.evaluate("(t) => document.documentElement.dataset.theme = t", "dark" if light else "light")
        visit.settle()
        assert visit.widget().locator(".frame").evaluate("(e) => getComputedStyle(e).backgroundColor") != back
        assert visit.violations() == []


@every_widget
def test_fits_a_phone_and_follows_a_resize(open_page, name):
    visit = open_page(case(name).make(), width=390)
    assert not visit.overflow()
    visit.tab.set_viewport_size({"width": 1280, "height": 900})
    visit.settle()
    wide = visit.widget().locator(".stage").bounding_box()["width"]
    visit.tab.set_viewport_size({"width": 390, "height": 900})
    visit.settle()
    visit.settle()
    assert not visit.overflow()
    assert visit.widget().locator(".stage").bounding_box()["width"] < wide
    assert visit.errors == []


@every_widget
def test_a_folded_cell_draws_when_it_opens(open_page, name):
    visit = open_page(case(name).make(), kind="book", wrap="<details><summary>open</summary>{}</details>")
    visit.tab.get_by_text("open", exact=True).click()
    visit.settle()
    visit.settle()
    drawn = visit.widget().locator(".stage svg, .stage canvas, .stage table").first
    assert drawn.bounding_box()["width"] > 50
    assert visit.errors == []


@every_widget
def test_every_control_is_reached_by_tab_and_named(open_page, name):
    visit = open_page(case(name).make())
    wanted = visit.tab.evaluate(
        """() => { const root = document.querySelector('.rbh-widget > div > div').shadowRoot, groups = new Set();
        return [...root.querySelectorAll('button, input, select, [tabindex="0"]')].filter((e) => {
          if (e.disabled || e.tabIndex < 0 || !e.checkVisibility()) return false;
          if (e.type !== 'radio') return true;
          if (groups.has(e.name)) return false;
          return groups.add(e.name); }).length; }"""
    )
    reached = set()
    for _ in range(wanted + 3):
        visit.tab.keyboard.press("Tab")
        reached.add(
            visit.tab.evaluate(
                """() => { const e = document.activeElement.shadowRoot?.activeElement; if (!e) return null;
                return [...e.getRootNode().querySelectorAll('*')].indexOf(e); }"""
            )
        )
    assert wanted > 0
    assert len(reached - {None}) >= wanted
    keys = visit.tab.evaluate(
        "window.keys = []; addEventListener('keydown', (e) => window.keys.push(e.key)); window.keys"
    )
    case(name).touch(visit.widget())
    assert visit.tab.evaluate("window.keys") == keys == [], "the page's shortcuts heard a widget's key"


BROKEN = [(name, what) for name in NAMES for what in case(name).broken]


@pytest.mark.parametrize(("name", "what"), BROKEN)
def test_data_that_cannot_be_drawn_gives_a_message(open_page, name, what):
    make, message = case(name).broken[what]
    visit = open_page(make(), width=390)
    shown = visit.widget().locator(".message").inner_text()
    assert message in shown
    assert make().problem() == shown, "picture and problem() say the same"
    assert shown in make().describe()
    assert shown in " ".join(re.findall(r"<text[^>]*>([^<]*)", make().static()))
    assert not visit.widget().locator(".stage").is_visible()
    assert visit.errors == []
    assert visit.violations() == []
    assert open_page(make(), scripts=False).tab.locator("svg[role=img]").count() == 1


@every_widget
def test_python_side(name, tmp_path):
    widget = case(name).make()
    kind = getattr(recbyhand.widgets, name)
    assert kind.__doc__
    assert "TraitError" in kind.__doc__
    for trait, t in widget.traits(sync=True).items():
        if t.this_class is kind:
            assert t.help, f"{name}.{trait} has no help text"
    with pytest.raises(traitlets.TraitError):
        kind(title=3)
    data, _ = widget._repr_mimebundle_()
    assert set(data) == {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"}
    assert widget.describe() in data["text/plain"]
    assert widget.html() == case(name).make().html(), "the same widget must give the same page"
    assert widget.to_html(tmp_path / "one.html").stat().st_size < 300_000


@every_widget
def test_source_is_small_and_safe_inside_a_page(name):
    for path in getattr(recbyhand.widgets, name)._sources:
        source = path.read_text(encoding="utf-8")
        assert not re.search(
            r"</script|<!--|innerHTML|insertAdjacentHTML|document\.write|https?://(?!www\.w3)", source, re.I
        )
        size, most = len(gzip.compress(source.encode())), BUDGET.get(path.stem, OWN)
        assert size <= most, f"{path.name} has {size} bytes compressed, its budget is {most}"


def test_a_widget_loads_what_it_imports():
    """Modules come in the order in which they need each other, and none that nobody asked for."""
    stems = {n: [p.stem for p in getattr(recbyhand.widgets, n)._sources] for n in NAMES}
    assert stems["NormExplorer"] == ["tools", "core", "controls", "formulas", "norm_explorer"]
    assert stems["PositionExplorer"] == [
        "tools",
        "core",
        "controls",
        "plots",
        "formulas",
        "position_explorer",
    ]
    for name in NAMES:
        for path in getattr(recbyhand.widgets, name)._sources:
            source = path.read_text(encoding="utf-8")
            for words, other in re.findall(r'^import \{([^}]*)\} from "\./(\w+)\.js"', source, re.M):
                given = path.with_name(f"{other}.js").read_text(encoding="utf-8")
                for word in words.split(","):
                    assert re.search(rf"^export (const|function|class) {word.strip()}\b", given, re.M), word
                    assert len(re.findall(rf"\b{word.strip()}\b", source)) > 1, f"{path.name}: {word}"


def test_many_values_travel_as_bytes():
    class Table(traitlets.HasTraits):
        x = Floats(ndim=2)

    few = Table(x=[[0.1, 2]])
    trait = Table.class_traits()["x"]
    assert trait._pack(few.x, None) == {"shape": [1, 2], "data": [0.1, 2.0]}
    many = Table(x=[[0.5] * 1001])
    packed = trait._pack(many.x, None)
    assert isinstance(packed["data"], memoryview)
    assert packed["data"].nbytes == 4004
    assert (trait._unpack(packed, None) == many.x).all()
    with pytest.raises(traitlets.TraitError, match="2 axes"):
        few.x = [1, 2]
    with pytest.raises(traitlets.TraitError, match="one length"):
        few.x = [[1], [1, 2]]


def test_colab_gets_one_form_only(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "google.colab", sys)
    assert "text/html" not in recbyhand.widgets.ActivationCurves()._repr_mimebundle_()[0]


def test_page_holds_each_source_once(tmp_path):
    text = page([case(n).make() for n in NAMES * 2], tmp_path / "all.html").read_text(encoding="utf-8")
    sources = re.findall(r'<script type="text/plain" data-rbh-module="([\w-]+)">', text)
    assert len(sources) == len(set(sources)) == len(NAMES) + len(BUDGET)


@pytest.mark.parametrize("kind", [AttentionHeatmap, HistoryAttention, PairAttention])
def test_numbers_however_they_are_held(kind):
    """Rows of several lengths are refused as numbers are that do not fit; half precision and gradients are taken."""
    with pytest.raises(traitlets.TraitError, match=r"scores|weights"):
        kind([[1, 2], [3]])
    with pytest.raises(traitlets.TraitError, match="one length"):
        kind("many")
    kind(torch.ones(2, 3, dtype=torch.bfloat16, requires_grad=True))


def test_a_mask_or_marks_of_several_lengths_are_refused():
    for make in (
        lambda: AttentionHeatmap([[1, 2]], mask=[[1, 0], [1]]),
        lambda: HistoryAttention([[1, 2]], relevant=[[1, 0], [1]]),
    ):
        with pytest.raises(traitlets.TraitError, match="one length"):
            make()


@pytest.mark.parametrize("width", [390, 900])
def test_a_shorter_note_does_not_move_what_stands_below(open_page, width):
    """A figure's sentence is as high as its longest was, until the width changes."""
    visit = open_page(case("HistoryAttention").make(), width=width)
    write = "(e, n) => { e.textContent = 'one word after another '.repeat(n); }"
    note, frame, high = visit.widget().locator(".note"), visit.widget().locator(".frame"), []
    for words in (1, 30, 2):
        note.evaluate(write, words)
        visit.settle()
        visit.settle()
        high.append(frame.evaluate("(e) => e.offsetHeight"))
    assert high[1] == high[2] > high[0]
    visit.tab.set_viewport_size({"width": width - 20, "height": 900})
    visit.settle()
    visit.settle()
    assert frame.evaluate("(e) => e.offsetHeight") < high[1], "at another width it begins anew"
    assert visit.errors == []
