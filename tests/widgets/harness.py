"""What the tests of widgets share: a case for each widget, pages that hold them, a browser that opens them."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from browsing import axe_violations, serving

import recbyhand.widgets
from recbyhand.widgets.base import Widget, page, unique_sources

# What a title may try: to run, to end the script or the attribute it stands in, to turn the line around.
EVIL = (
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 1</script>",
    "<!--<script>",
    "<img src=x onerror='window.hacked=1'>",
    "\"'><svg onload=window.hacked=1> & &lt;b&gt; `${window.hacked=1}` ]]>",
    "霸王别姬 (1993)",
    "\u202eמלך האריות",  # right to left, with an override
    "🎬👩‍👩‍👧‍👦",
)


@dataclass
class Case:
    """How one widget is put through the tests that all widgets share."""

    make: Callable[[], Widget]  # the largest size met in the book
    touch: Callable  # (scope) moves one control of the widget in this part of the page
    texts: Callable[[str], Widget]  # carries the text through every text trait
    broken: dict[str, tuple[Callable[[], Widget], str]] = field(default_factory=dict)  # data -> its message


def widget_names() -> list[str]:
    names = recbyhand.widgets.__all__
    return [n for n in names if inspect.isclass(getattr(recbyhand.widgets, n)) and n != "Widget"]


def case(name: str) -> Case:
    """The case of a widget; each has one, in cases/ under the name of the widget's file."""
    home = getattr(recbyhand.widgets, name).__module__.rpartition(".")[2]
    return importlib.import_module(f"{__package__}.cases.{home}").CASE


BOOK_PAGE = """<!doctype html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8">
<title>Lesson</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
html[data-theme=dark] {{ background: #121212; color: #ced6dd }} body {{ margin: 0 16px }}
table {{ margin: 9em; font-size: 40px }} button, input, svg {{ display: inline; width: 9em; text-transform: uppercase }}
</style></head><body><main><h1>Lesson</h1>{body}</main></body></html>"""  # with a theme that styles everything


@dataclass
class Visit:
    """One open page: where it is, what it asked for, and what went wrong."""

    tab: object
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def widget(self, i: int = 0):
        return self.tab.locator(".rbh-widget").nth(i)

    def get(self, name: str, i: int = 0):
        return self.tab.evaluate(
            "([i, n]) => document.querySelectorAll('.rbh-widget')[i].model.get(n)", [i, name]
        )

    def set(self, values: dict, i: int = 0):
        self.tab.evaluate(
            """async ([i, values]) => {
                const { model } = document.querySelectorAll('.rbh-widget')[i];
                for (const [name, value] of Object.entries(values)) model.set(name, value);
                await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            }""",
            [i, values],
        )

    def settle(self):
        """Wait until what was changed is drawn."""
        self.tab.evaluate("() => new Promise((d) => requestAnimationFrame(() => requestAnimationFrame(d)))")

    def js(self, function: str, arguments: Iterable[tuple]) -> list:
        """Call a function that the module exports once for each tuple of arguments."""
        return self.tab.evaluate(
            """async ([name, calls]) => {
                const module = await Object.values(window.rbhModules)[0];
                const plain = (_, v) => (ArrayBuffer.isView(v) ? Array.from(v) : v);
                return calls.map((call) => JSON.parse(JSON.stringify(module[name](...call), plain)));
            }""",
            [function, [list(call) for call in arguments]],
        )

    def overflow(self) -> bool:
        return self.tab.evaluate("document.documentElement.scrollWidth > innerWidth")

    def violations(self) -> list[str]:
        """What axe finds wrong with the page."""
        return axe_violations(self.tab)


class Opener:
    """Opens pages of widgets, and counts what they ask other hosts for."""

    def __init__(self, browser, folder: Path):
        self.browser, self.folder, self.contexts, self.count = browser, folder, [], 0
        self.stack = contextlib.ExitStack()

    def __call__(
        self, *widgets, kind="file", scheme="light", width=1280, scripts=True, wrap="{}", motion="reduce"
    ):
        """kind: "file" (to_html from the disc), "http" (the same from a server), "book" (cells of a lesson)."""
        self.count += 1
        path = self.folder / f"page-{self.count}.html"
        if kind == "book":
            body = "".join(f'<div class="cell_output">{wrap.format(w.html())}</div>' for w in widgets)
            path.write_text(BOOK_PAGE.format(theme=scheme, body=unique_sources(body)), encoding="utf-8")
        else:
            page(widgets, path)
        base = f"file://{self.folder}/"
        if kind == "http":
            base = self.stack.enter_context(serving(self.folder))
        # A book page says its theme itself: let the system say the opposite.
        system = {"light": "dark", "dark": "light"}[scheme] if kind == "book" else scheme
        context = self.browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=system,
            java_script_enabled=scripts,
            reduced_motion=motion,
        )
        self.contexts.append(context)
        visit = Visit(context.new_page())
        visit.tab.set_default_timeout(10_000)
        visit.tab.on("request", lambda request: visit.asked.append(request.url))
        visit.tab.on("pageerror", lambda error: visit.errors.append(str(error)))
        visit.tab.on("console", lambda m: visit.errors.append(m.text) if m.type == "error" else None)
        visit.tab.goto(base + path.name)
        if scripts:
            visit.tab.wait_for_function("!document.querySelector('.rbh-widget:not([data-ready])')")
        visit.elsewhere = [u for u in visit.asked if not u.startswith((base, "blob:", "data:"))]
        return visit

    def close(self):
        for context in self.contexts:
            context.close()
        self.contexts.clear()
        self.stack.close()


def numbers(text: str) -> list[float]:
    """The numbers in a text as a widget writes them."""
    return [float(x) for x in re.findall(r"-?\d+\.?\d*(?:e[+-]?\d+)?", text.replace("−", "-"))]
