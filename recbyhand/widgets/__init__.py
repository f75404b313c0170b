"""Living widgets: figures that move, in a notebook and in the rendered page without a kernel.

    rbh.widgets.ActivationCurves(functions=["prelu", "dice"])
    rbh.widgets.ActivationCurves().to_html("curves.html")

How to add a widget
-------------------
1. `my_widget.py`: a subclass of `base.Widget` with `label`, its settings as traits tagged `sync=True`
   (`base.number`, `base.Floats`), `describe()` and `static()` (marks from `svg.py`). Validate what the
   trait types do not: a `TraitError` says what is wrong and what would be right. `problem()` says why nothing
   can be drawn, in the very words of the drawing's `ui.message`.
2. `my_widget.js` beside it. Export the mathematics as pure functions; the default export is
   `widget("My widget", (ui, model) => { ...controls...; return () => { ...draw... }; })` with everything
   else imported by name from `./core.js`, `./controls.js` and `./plots.js`; each file has a budget of bytes.
   `draw` reads traits with `model.get` and runs after any change, at most once a frame; on data it cannot
   draw it calls `ui.message(text)`. Controls write traits, so state reaches Python. Text from data goes in
   by `text:` or `textContent`, colours come from `var(--c1)` ..., what a pointer can do a key can do, and
   `ui.say(text)` tells a screen reader what changed.
3. Add the name to `_HOME` below and a case to `tests/widgets/cases/`: every widget then goes through the
   tests that all share (no other host, markup in titles, axe, 390 px, light and dark, several on a page,
   degenerate data). Its own `tests/widgets/test_my_widget.py` moves each control and compares a value on
   the screen with the package's, and the JavaScript mathematics with torch to 1e-6.
4. Show it in `book/gallery.ipynb` with a sentence on what to try, and add its slowest slider to
   `benchmarks/widgets.py`.
"""

from __future__ import annotations

import importlib

_HOME = {
    "ActivationCurves": "activation_curves",
    "AttentionHeatmap": "attention_heatmap",
    "FMExplorer": "fm_explorer",
    "FunnelView": "funnel_view",
    "GateExplorer": "gate_explorer",
    "GradientReach": "gradient_reach",
    "GraphAttentionView": "graph_attention_view",
    "HeadsView": "heads_view",
    "HistoryAttention": "history_attention",
    "LadderView": "ladder_view",
    "NormExplorer": "norm_explorer",
    "PairAttention": "pair_attention",
    "PositionExplorer": "position_explorer",
    "ShapeTrace": "shape_trace",
    "page": "base",
}

__all__ = [*_HOME]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(importlib.import_module(f"recbyhand.widgets.{_HOME[name]}"), name)
    raise AttributeError(f"module 'recbyhand.widgets' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
