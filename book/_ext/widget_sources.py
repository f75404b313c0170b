"""Keep each widget module's source once in a page.

Every output of a widget brings the sources it needs, so that a notebook's cells can be rerun, hidden, moved or handed
out alone; in a page with many widgets all copies but the first are left out.
"""

from __future__ import annotations

from recbyhand.widgets.base import unique_sources


def _once(app, pagename, templatename, context, doctree) -> None:
    if "data-rbh-module" in context.get("body", ""):
        context["body"] = unique_sources(context["body"])


def setup(app):
    app.connect("html-page-context", _once)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
