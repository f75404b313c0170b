"""Keep each widget module's source once in a page.

Every output of a widget brings the sources it needs, so that a notebook's cells can be rerun, hidden, moved or handed
out alone; in a page with many widgets all copies but the first are left out. The sources are those of today: a
drawing's script computes nothing that a lesson keeps, so a lesson need not run again when one changes.
"""

from __future__ import annotations

import functools
import re

import recbyhand.widgets
from recbyhand.widgets.base import Widget, _module, modules, unique_sources

SOURCE = re.compile(r'<script type="text/plain" data-rbh-module="[\w-]+">.*?</script>', re.S)
ROOT = re.compile(r'<div class="rbh-widget" data-modules="([\w -]+)">')


@functools.cache
def _files() -> dict:
    """The script of each widget by its stem."""
    kinds = [getattr(recbyhand.widgets, name) for name in recbyhand.widgets.__all__]
    paths = [k._sources[-1] for k in kinds if isinstance(k, type) and issubclass(k, Widget)]
    return {path.stem: path for path in paths}


def refreshed(text: str) -> str:
    """The page with the sources that its widgets have now, each before the first widget that needs it."""

    def now(match: re.Match) -> str:
        path = _files().get(match[1].split()[-1].rpartition("-")[0])
        if path is None:
            raise ValueError(f"a page holds a widget that is no more: {match[1]}")
        found = [_module(one) for one in modules(path)]
        scripts = "".join(
            f'<script type="text/plain" data-rbh-module="{name}">{source}</script>' for name, source in found
        )
        return f'{scripts}<div class="rbh-widget" data-modules="{" ".join(name for name, _ in found)}">'

    return unique_sources(ROOT.sub(now, SOURCE.sub("", text)))


def _once(app, pagename, templatename, context, doctree) -> None:
    if "data-rbh-module" in context.get("body", ""):
        context["body"] = refreshed(context["body"])


def setup(app):
    app.connect("html-page-context", _once)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
