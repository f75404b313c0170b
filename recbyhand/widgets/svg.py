"""The few marks that the static drawings need. Colours read on light and on dark paper."""

from __future__ import annotations

import base64
import html
import struct
import zlib

import numpy as np

INK = "currentColor"
COLORS = ("#2f81d8", "#d2691e", "#2f9e4f", "#9266e0", "#cf5298", "#a87b12", "#23949c")


def tag(name: str, content: str = "", **attributes) -> str:
    """One SVG element; underscores become hyphens, values are escaped, content is not."""
    given = "".join(
        f' {k.rstrip("_").replace("_", "-")}="{html.escape(f"{v:.2f}" if isinstance(v, float) else str(v))}"'
        for k, v in attributes.items()
    )
    return f"<{name}{given}>{content}</{name}>"


def text(x: float, y: float, words: str, size: float = 12, **attributes) -> str:
    return tag("text", html.escape(words), x=x, y=y, font_size=size, **{"fill": INK, **attributes})


def line(x1: float, y1: float, x2: float, y2: float, **attributes) -> str:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, **{"stroke": INK, **attributes})


def rect(x: float, y: float, width: float, height: float, **attributes) -> str:
    return tag("rect", x=x, y=y, width=width, height=height, **attributes)


def path(points, **attributes) -> str:
    way = "L".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return tag("path", d=f"M{way}", **{"fill": "none", "stroke": INK, "stroke_width": 2, **attributes})


def pixels(
    x: float, y: float, width: float, height: float, opacity: np.ndarray, color: str = COLORS[0]
) -> str:
    """A matrix (rows, columns) of opacities in [0, 1] as cells of one colour: one small image, however many."""
    rows, columns = opacity.shape
    rgba = np.empty((rows, columns, 4), np.uint8)
    rgba[..., :3] = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    rgba[..., 3] = np.round(255 * np.clip(opacity, 0, 1))
    raw = b"".join(b"\0" + row.tobytes() for row in rgba)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", columns, rows, 8, 6, 0, 0, 0)
    png = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    )
    return tag(
        "image",
        href=f"data:image/png;base64,{base64.b64encode(png).decode()}",
        x=x,
        y=y,
        width=width,
        height=height,
        preserveAspectRatio="none",
        style="image-rendering:pixelated",
    )


def short(words: str, longest: int = 28) -> str:
    """At most so many characters, the last one an ellipsis."""
    return words if len(words) <= longest else words[: longest - 1].rstrip() + "…"


def drawing(width: float, height: float, marks: list[str], alternative: str) -> str:
    """The marks as one picture with its text alternative."""
    return tag(
        "svg",
        tag("title", html.escape(alternative)) + "".join(marks),
        xmlns="http://www.w3.org/2000/svg",
        role="img",
        aria_label=alternative,
        viewBox=f"0 0 {width:g} {height:g}",
        width=f"{width:g}",
        height=f"{height:g}",
        style="max-width:100%;height:auto",
        font_family="system-ui, sans-serif",
    )
