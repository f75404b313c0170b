"""Figures in one style that works on light and dark pages, each with a text for those who cannot see it.

A figure becomes an SVG inside the page whose ink is the page's own text colour, so that it follows the theme.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#737a74"  # stands for the page's text colour; a grey in no colour map, readable on white and black
# Okabe and Ito's colours (jfly.uni-koeln.de/color), darkened where they fell below 3 : 1 on white.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#c2649a", "#b07d00", "#3a8fc4")
_LINES = ("-", "--", "-.", ":", (0, (3, 1, 1, 1, 1, 1)), (0, (6, 2)))
_MARKS = ("o", "s", "^", "D", "v", "P")
_LARGEST = 400_000  # characters of SVG in a page; a figure beyond that becomes a PNG
_READABLE = (
    9  # CSS pixels: on a narrow page a figure shrinks until its smallest text has this size, no further
)


def style() -> None:
    """Set matplotlib's defaults: transparent, quiet, colour-blind safe, the same file each time."""
    import matplotlib as mpl
    from cycler import cycler

    inked = "text.color axes.edgecolor axes.labelcolor axes.titlecolor xtick.color ytick.color grid.color"
    mpl.rcParams.update(dict.fromkeys([*inked.split(), "patch.edgecolor", "hatch.color"], INK))
    mpl.rcParams.update(
        {
            "figure.figsize": (5.4, 3.2),
            "figure.dpi": 100,
            "figure.facecolor": "none",
            "figure.constrained_layout.use": True,
            "axes.facecolor": "none",
            "savefig.facecolor": "none",
            "savefig.transparent": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "axes.grid": True,
            "grid.alpha": 0.25,
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "font.size": 10.5,
            "axes.titlesize": 11,
            "lines.linewidth": 1.8,
            "lines.markersize": 4.5,
            "image.cmap": "cividis",
            "svg.fonttype": "none",
            "svg.hashsalt": "recbyhand",
            "axes.prop_cycle": cycler(color=PALETTE) + cycler(linestyle=_LINES),
        }
    )


class Picture:
    """A finished figure with its alternative text; shown as HTML in a notebook or page."""

    def __init__(self, markup: str, alt: str, caption: str = "") -> None:
        self.markup, self.alt, self.caption = markup, alt, caption

    def __repr__(self) -> str:
        return f"[Figure: {self.alt}]"

    def _repr_html_(self) -> str:
        below = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        # On a narrow page the drawing scrolls in its own box, and the caption stays.
        drawing = f'<div style="overflow-x:auto">{self.markup}</div>'
        return f'<figure class="rbh-figure" style="margin:.6rem 0;max-width:100%">{drawing}{below}</figure>'


def display(figure: Figure, *, alt: str, caption: str = "", png: bool = False) -> Picture:
    """Finish a matplotlib figure: `alt` says in a sentence or two what it shows. Put it last in a cell.

    `png=True` for very many marks (chosen by itself when the SVG would exceed 400 KB).
    """
    if not alt or len(alt.split()) < 3:
        raise ValueError("alt= must say, for a reader who cannot see it, what the figure shows (a sentence)")
    import matplotlib.pyplot as plt

    markup = "" if png else _svg(figure, alt)
    if png or len(markup) > _LARGEST:
        markup = _png(figure, alt)
    plt.close(figure)  # else the notebook shows it a second time, without its text
    return Picture(markup, alt, caption)


def curves(
    log: pd.DataFrame | Mapping[str, pd.DataFrame],
    y: str | Sequence[str],
    *,
    alt: str,
    x: str = "epoch",
    ylabel: str = "",
    ceiling: float | None = None,
    caption: str = "",
) -> Picture:
    """Training curves: columns `y` of one log of `fit`, or one column of several logs {name: log}."""
    columns = [y] if isinstance(y, str) else list(y)
    logs = log if isinstance(log, Mapping) else {"": log}
    lines = [(name, column, table) for name, table in logs.items() for column in columns]
    several = len(lines) > 1 or ceiling is not None
    figure, axes = _axes(height=3 + 0.1 * (len(lines) + 1) * several)
    for i, (name, column, table) in enumerate(lines):
        steps = table[x] if x in table else np.arange(1, len(table) + 1)
        label = " ".join(filter(None, [name, column if len(columns) > 1 or not name else ""]))
        axes.plot(steps, table[column], label=label, **_look(i))
    axes.set(xlabel=x, ylabel=ylabel or (columns[0] if len(columns) == 1 else ""))
    axes.xaxis.get_major_locator().set_params(integer=True)
    _ceiling(axes.axhline, ceiling)
    if several:  # above the axes, where no line can pass through it
        longest = max(len(text) for text in axes.get_legend_handles_labels()[1])
        figure.legend(loc="outside upper center", ncols=2 if longest < 24 else 1)
    return display(figure, alt=alt, caption=caption)


def intervals(
    names: Iterable[str],
    values: Iterable[float],
    low: Iterable[float],
    high: Iterable[float],
    *,
    alt: str,
    xlabel: str = "AUC",
    ceiling: float | None = None,
    reference: float | None = None,
    caption: str = "",
) -> Picture:
    """A dot and its interval per row, the first on top.

    `ceiling`: the best possible value; `reference`: another line, such as chance or no difference.
    """
    names, values, low, high = (list(column) for column in (names, values, low, high))
    figure, axes = _axes(height=0.9 + 0.38 * len(names))
    rows = np.arange(len(names))[::-1]
    axes.hlines(rows, low, high, color=PALETTE[0], linewidth=2.5)
    axes.plot(values, rows, "o", color=PALETTE[0], markersize=7, linestyle="none")
    axes.set_yticks(rows, names)
    axes.set(xlabel=xlabel, ylim=(-0.6, len(names) - 0.4))
    axes.grid(False, axis="y")
    _ceiling(axes.axvline, ceiling)
    if reference is not None:
        axes.axvline(reference, color=INK, linewidth=1)
    if ceiling is not None:
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1))
    return display(figure, alt=alt, caption=caption)


def heatmap(
    matrix: Any,
    *,
    alt: str,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    xlabel: str = "",
    ylabel: str = "",
    numbers: bool | None = None,
    digits: int = 2,
    low: float | None = None,
    high: float | None = None,
    caption: str = "",
) -> Picture:
    """A matrix as colours; NaN stays empty. The numbers are written in when there are at most 100."""
    values = _numpy(matrix)
    if values.ndim != 2:
        raise ValueError(f"heatmap draws a matrix, but this has shape {values.shape}")
    tall, wide = values.shape
    figure, axes = _axes(width=min(1.8 + 0.44 * wide, 5.4), height=min(1.2 + 0.36 * tall, 6))
    mesh = axes.imshow(np.ma.masked_invalid(values), vmin=low, vmax=high, interpolation="none", aspect="auto")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for axis, labels in ((axes.xaxis, columns), (axes.yaxis, rows)):
        axis.get_major_locator().set_params(integer=True)
        if labels is not None:
            axis.set_ticks(np.arange(len(labels)), labels)
    if columns is not None and max(map(len, map(str, columns)), default=0) > 4:
        axes.tick_params(axis="x", rotation=40)
    elif columns is not None and wide > 12:  # short labels, such as numbers: every second, or fewer
        step = -(-wide // 12)
        axes.set_xticks(np.arange(0, wide, step), list(columns)[::step])
    if numbers if numbers is not None else values.size <= 100:
        for (i, j), value in np.ndenumerate(values):
            if np.isfinite(value):
                ink = _readable_on(mesh.cmap(mesh.norm(value)))
                axes.text(j, i, f"{value:.{digits}f}", ha="center", va="center", color=ink, fontsize=10)
    else:
        figure.colorbar(mesh, ax=axes).outline.set_visible(False)
    return display(figure, alt=alt, caption=caption)


def roc(scores: Mapping[str, tuple[Any, Any]], *, alt: str, caption: str = "") -> Picture:
    """Receiver operating characteristic of one or several {name: (labels, scores)}, with the AUC of each."""
    figure, axes = _axes(width=4.2, height=3.9)
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=":", label="chance 0.500")
    for i, (name, (labels, values)) in enumerate(scores.items()):
        false, true = _roc(_numpy(labels).ravel() > 0.5, _numpy(values).ravel())
        area = float((np.diff(false) * (true[1:] + true[:-1]) / 2).sum())
        keep = np.unique(np.linspace(0, len(false) - 1, 300).round().astype(int))  # the eye sees no more
        look = _look(i) | {"marker": ""}
        axes.plot(false[keep], true[keep], label=f"{name} {area:.3f}", **look)
    axes.set(xlabel="false positive rate", ylabel="true positive rate", aspect="equal")
    axes.legend(title="AUC", loc="lower right")
    return display(figure, alt=alt, caption=caption)


def diagram(
    boxes: Mapping[str, tuple[float, float]],
    arrows: Iterable[tuple[str, str]],
    *,
    alt: str,
    learned: Iterable[str] = (),
    caption: str = "",
) -> Picture:
    """A network as boxes and arrows: {text: (column, row)}, row 0 at the bottom, and (from, to) by their texts.

    `learned`: the boxes that hold weights; they get a coloured, thicker frame. Raises KeyError for an arrow or
    a learned box that is no box.
    """
    arrows, learned = list(arrows), set(learned)
    if unknown := ({name for arrow in arrows for name in arrow} | learned) - boxes.keys():
        raise KeyError(f"no box has the text {sorted(unknown)[0]!r}; there are {', '.join(map(repr, boxes))}")
    columns, rows = zip(*boxes.values(), strict=True)
    wide, tall = max(columns) - min(columns), max(rows) - min(rows)
    # Inches of a column: airy, but no wider than a telephone can show, unless the boxes of a row need the room.
    half = {text: 0.07 + _inches(text) / 2 for text in boxes}
    sides = [
        (a, b, boxes[b][0] - boxes[a][0])
        for a in boxes
        for b in boxes
        if abs(boxes[a][1] - boxes[b][1]) < 0.5
    ]
    needed = max(((half[a] + half[b] + 0.28) / apart for a, b, apart in sides if apart > 0), default=0)
    column = max(needed, min(1.55, 4.9 / (wide + 1)))
    left = min(x - half[text] / column for text, (x, _) in boxes.items()) - 0.03
    right = max(x + half[text] / column for text, (x, _) in boxes.items()) + 0.03
    figure, axes = _axes(width=column * (right - left), height=0.6 + 0.8 * tall)
    axes.set_frame_on(False)  # not set_axis_off: the picture is as large as the axes
    axes.set(xlim=(left, right), ylim=(min(rows) - 0.35, max(rows) + 0.35), xticks=[], yticks=[])
    drawn = {}
    for text, place in boxes.items():
        colour, width = (PALETTE[0], 2) if text in learned else (INK, 1)
        frame = {"boxstyle": "round,pad=0.45", "facecolor": "none", "edgecolor": colour, "linewidth": width}
        drawn[text] = axes.text(*place, text, ha="center", va="center", fontsize=10, bbox=frame)
    for start, end in arrows:
        ends = {"patchA": drawn[start].get_bbox_patch(), "patchB": drawn[end].get_bbox_patch()}
        look = {"arrowstyle": "-|>", "color": INK, "shrinkA": 1, "shrinkB": 1, "linewidth": 1.2}
        axes.annotate("", xy=boxes[end], xytext=boxes[start], arrowprops=look | ends)
    return display(figure, alt=alt, caption=caption)


def _inches(text: str, size: float = 10) -> float:
    """How wide the longest line of a text is."""
    from matplotlib.textpath import TextPath

    return max(TextPath((0, 0), line or " ", size=size).get_extents().width for line in text.split("\n")) / 72


def _roc(positive: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rates at each distinct score from high to low: equal scores are one step, not several."""
    if not positive.any() or positive.all():
        raise ValueError("a ROC curve needs labels of both kinds, 0 and 1")
    order = np.argsort(-score, kind="stable")
    ends = np.r_[np.flatnonzero(np.diff(score[order])), len(score) - 1]
    hits = np.cumsum(positive[order])[ends]
    true, false = hits / positive.sum(), (ends + 1 - hits) / (~positive).sum()
    return np.r_[0.0, false], np.r_[0.0, true]


def _axes(width: float = 5.4, height: float = 3.2) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure  # here, not above: matplotlib is heavy

    style()
    figure = Figure(figsize=(width, height))
    return figure, figure.add_subplot()


def _readable_on(colour: Sequence[float]) -> str:
    """Black or white, whichever has more contrast (at least 4.5 : 1) on the colour (WCAG's luminance)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return "#000000" if np.dot(linear, (0.2126, 0.7152, 0.0722)) > 0.179 else "#ffffff"


def _look(i: int) -> dict[str, Any]:
    """Colour, line and mark of the i-th series: never told apart by colour alone."""
    return {
        "color": PALETTE[i % len(PALETTE)],
        "linestyle": _LINES[i % len(_LINES)],
        "marker": _MARKS[i % len(_MARKS)],
    }


def _ceiling(draw: Any, value: float | None) -> None:
    if value is not None:
        draw(value, color=INK, linewidth=1.4, linestyle=(0, (5, 3)), label=f"best possible {value:.3f}")


def _numpy(values: Any) -> np.ndarray:
    values = values.detach().cpu() if hasattr(values, "detach") else values
    return np.asarray(values, dtype=float)


_seen: Counter[str] = Counter()


def _svg(figure: Figure, alt: str) -> str:
    """The figure as an SVG element: theme's ink, page's font, ids that no other figure uses, fluid width."""
    out = io.StringIO()
    nothing = dict.fromkeys(["Date", "Creator", "Format", "Type"])
    # tight: the layout may settle on other ticks than it made room for
    figure.savefig(out, format="svg", metadata=nothing, bbox_inches="tight", pad_inches=0.05)
    svg = out.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg[svg.index("<svg") :], flags=re.S)
    svg = svg.replace(INK, "currentColor")
    svg = re.sub(r"'DejaVu Sans',[^;\"]*", "system-ui, sans-serif", svg)
    digest = hashlib.sha256(svg.encode()).hexdigest()[:8]
    _seen[digest] += 1
    prefix = f"f{digest}{_seen[digest]}-"
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{prefix}{m[1]}"' if m[1] in used else "", svg)
    svg = re.sub(r"(url\(#|href=\"#)", rf"\1{prefix}", svg)
    width = float(re.search(r'width="([\d.]+)pt"', svg)[1]) * 4 / 3
    label = html.escape(alt, quote=True)
    smallest = min(
        (float(size) * 4 / 3 for size in re.findall(r"<text[^>]*font: ([\d.]+)px", svg)), default=14
    )
    least = min(width, width * _READABLE / smallest)
    look = (
        f'role="img" aria-label="{label}" '
        f'style="display:block;margin:auto;width:{width:.0f}px;max-width:100%;min-width:{least:.0f}px;height:auto" '
    )
    head, body = svg.split(">", 1)
    head = re.sub(r'(width|height)="[\d.]+pt" ?', "", head).replace("<svg ", f"<svg {look}", 1)
    return re.sub(r"\s*\n\s*", "\n", f"{head}>{body}").strip()


def _png(figure: Figure, alt: str) -> str:
    out = io.BytesIO()
    figure.savefig(
        out, format="png", dpi=200, bbox_inches="tight", pad_inches=0.05, metadata={"Software": None}
    )
    data = base64.b64encode(out.getvalue()).decode()
    width, height = (int.from_bytes(out.getvalue()[i : i + 4], "big") // 2 for i in (16, 20))  # PNG's header
    # dark-light: the theme leaves the background of this image alone.
    return (
        f'<img class="dark-light" alt="{html.escape(alt, quote=True)}" loading="lazy" width="{width}" '
        f'height="{height}" style="display:block;margin:0;max-width:100%;height:auto" '
        f'src="data:image/png;base64,{data}">'
    )
