"""How a comparison is shown: as text, and as an HTML table with error bars that takes the colours of its page."""

from __future__ import annotations

import html
import math

import numpy as np
import pandas as pd

STYLE = "padding:.25em .3em;white-space:nowrap;border-bottom:1px solid rgba(127,127,127,.35)"


def name_of(metric: str) -> str:
    """A metric as prose writes it."""
    return {"auc": "AUC", "gauc": "GAUC", "log_loss": "log loss"}.get(metric, metric)


def cells(result) -> pd.DataFrame:
    """What is shown of a comparison, as texts: one row per model."""
    t, other = result.table, result.table.index != result.baseline
    cells = pd.DataFrame(index=t.index)
    own = list(t.columns[: list(t.columns).index("parameters")])  # metrics; some with an error
    first = result.metric if "@" in result.metric else "auc"
    cells[name_of(first)] = [f"{v:.4f} ± {se:.4f}" for v, se in zip(t[first], t[f"{first}_se"])]
    # The verdict stands early: a narrow page shows the first columns without scrolling.
    cells["difference"] = [f"{d:+.4f}" if o else "" for d, o in zip(t["difference"], other, strict=True)]
    cells["95 % interval"] = [
        f"{low:+.4f} to {high:+.4f}" if o else ""
        for low, high, o in zip(t["low"], t["high"], other, strict=True)
    ]
    cells["verdict"] = t["verdict"]
    for metric in own:
        if metric != first and not metric.endswith("_se"):
            cells[name_of(metric)] = [f"{v:.4f}" for v in t[metric]]
    for column in t.columns[len(own) : list(t.columns).index("difference")]:
        cells[column] = [_plain(v) for v in t[column]]
    return cells


def page(result) -> str:
    """The same as HTML: a table with error bars, the caption under it."""
    texts = cells(result)
    head = "".join(f"<th scope='col' style='{STYLE};text-align:right'>{html.escape(c)}</th>" for c in texts)
    body = ""
    for name, row in texts.iterrows():
        best = name == result.best
        wraps = "white-space:normal;min-width:6em;text-align:left"
        body += f"<tr><th scope='row' style='{STYLE};{wraps}'>{html.escape(str(name))}</th>"
        for column, text in row.items():
            text = html.escape(str(text))
            if best and column == name_of(result.metric):
                text = f"<strong>{text}</strong>"
            if column == "95 % interval":
                text += bar(result, name)
            body += f"<td style='{STYLE};text-align:right;font-variant-numeric:tabular-nums'>{text}</td>"
        body += "</tr>"
    # The caption stands outside the box that scrolls: it wraps, however wide the table is.
    return (
        "<div role='group' aria-label='Comparison of models' tabindex='0' style='overflow-x:auto'>"
        "<table style='border-collapse:collapse;color:inherit;background:none;font-size:.82em'>"
        f"<thead><tr><th scope='col' style='{STYLE};text-align:left'>model</th>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
        f"<p style='margin:.4em .45em;font-size:.9em'>{html.escape(result.caption())}</p>"
    )


def bar(result, name: str) -> str:
    """The interval as a line with a dot, above a mark at 0; all rows share one scale."""
    ends = result.table[["low", "high"]].to_numpy(float)
    row = result.table.loc[name]
    if not np.isfinite([row["low"], row["high"]]).all():
        return ""
    left, right = min(0.0, np.nanmin(ends)), max(0.0, np.nanmax(ends))
    scale = 112 / ((right - left) or 1)
    low, mid, high, zero = (4 + scale * (v - left) for v in (row["low"], row["difference"], row["high"], 0))
    return (
        "<svg aria-hidden='true' width='120' height='12' viewBox='0 0 120 12' style='display:block;"
        "margin-left:auto' stroke='currentColor' fill='currentColor'>"
        f"<line x1='{zero:.1f}' x2='{zero:.1f}' y1='0' y2='12' stroke-dasharray='2 2'/>"
        f"<line x1='{low:.1f}' x2='{high:.1f}' y1='6' y2='6' stroke-width='2'/>"
        f"<circle cx='{mid:.1f}' cy='6' r='3' stroke='none'/></svg>"
    )


def _plain(value) -> str:
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    return (
        ("" if math.isnan(value) else f"{value:.3g}")
        if isinstance(value, (float, np.floating))
        else str(value)
    )
