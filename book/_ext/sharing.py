"""How the book is met elsewhere: a card where a link to it is shared, a page where an address leads nowhere."""

from __future__ import annotations

from html import escape
from pathlib import Path
from urllib.parse import urlsplit

SIZE, DARK, PAPER, ACCENT, PALE = (1200, 630), "#10243a", "#ffffff", "#e8a33d", "#9db4cc"
WEIGHTS = (0.1, 0.16, 0.75, 0.12, 0.3, 0.95, 0.14, 0.2, 0.6, 0.1, 0.85, 0.18)  # of the films of a history
BARS = (
    (5, 6, "#6f8fb0"),
    (11, 18, ACCENT),
    (17, 4, "#6f8fb0"),
    (23, 13, ACCENT),
)  # of the icon: left, height, colour


def card(title: str, line: str, out: Path) -> Path:
    """Draw the picture that is shown beside a link: title, one line, and a history whose films speak more or less."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"  # DejaVu, the same on every machine

    def font(name: str, size: int):
        return ImageFont.truetype(str(fonts / f"{name}.ttf"), size)

    image = Image.new("RGB", SIZE, DARK)
    draw = ImageDraw.Draw(image)
    draw.text((80, 90), title, font=font("DejaVuSans-Bold", 72), fill=PAPER)
    small, words, y = font("DejaVuSans", 34), line.split(), 205
    while words:
        count = len(words)
        while draw.textlength(" ".join(words[:count]), font=small) > SIZE[0] - 160 and count > 1:
            count -= 1
        draw.text((80, y), " ".join(words[:count]), font=small, fill=PALE)
        words, y = words[count:], y + 48
    for i, weight in enumerate(WEIGHTS):
        x, high = 80 + 88 * i, int(170 * weight)
        draw.rectangle((x, 550 - high, x + 60, 550), fill=ACCENT if weight > 0.5 else "#3d5a78")
    draw.line((80, 552, 1124, 552), fill=PALE, width=3)
    image.save(out, optimize=True)
    return out


def icon(size: int, out: Path) -> Path:
    """The book's icon, as `favicon.svg` draws it, for those who take no SVG: the card's bars, on a square."""
    from PIL import Image, ImageDraw

    large = 4 * size  # drawn larger and made smaller: smooth edges
    image = Image.new("RGB", (large, large), DARK)
    draw, one = ImageDraw.Draw(image), large / 32
    for x, high, colour in BARS:
        draw.rectangle((x * one, (25 - high) * one, (x + 4) * one - 1, 25 * one - 1), fill=colour)
    draw.rectangle((5 * one, 26 * one, 27 * one - 1, 27 * one - 1), fill=PALE)
    image.resize((size, size), Image.Resampling.LANCZOS).quantize(16).save(out, optimize=True)
    return out


def tags(site: str, page: str, title: str, words: str, name: str, stamp: str = "") -> str:
    """What a page says of itself where it is shared; addresses only if the site's own is known."""
    said = {"og:type": "article", "og:site_name": name, "og:title": title, "og:description": words}
    if site:
        said |= {
            "og:url": f"{site}{page}.html",
            "og:image": f"{site}_static/card.png{stamp}",
            "og:image:width": str(SIZE[0]),
            "og:image:height": str(SIZE[1]),
            "og:image:alt": f"{name}: a row of bars, one for each film of a history, some of them much higher",
        }
    lines = [f'<meta property="{key}" content="{escape(value)}" />' for key, value in said.items()]
    lines.append(f'<meta name="twitter:card" content="{"summary_large_image" if site else "summary"}" />')
    if site:
        lines.append(f'<link rel="canonical" href="{escape(site + page)}.html" />')
    return "\n".join(lines) + "\n"


NOWHERE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>No such page - {title}</title>
<meta name="description" content="There is no page of this book at this address."><meta name="robots" content="noindex">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="{up}_static/favicon.svg" type="image/svg+xml">
<style>:root {{ color-scheme: light dark; }}
body {{ font: 1.1rem/1.5 system-ui, sans-serif; margin: 15vh auto; max-width: 34rem; padding: 0 1rem; }}
body {{ color: #1b1f24; background: #fff; }} a {{ color: #0b4f8a; }}
@media (prefers-color-scheme: dark) {{ body {{ color: #e4e7ea; background: #121212; }} a {{ color: #8cc4f5; }} }}
</style></head>
<body><main><h1>No such page</h1>
<p>Nothing stands at this address; perhaps a lesson was renamed. The <a href="{up}{front}.html">front page</a> lists
all chapters, and the <a href="{up}search.html">search</a> finds words, symbols and names of classes.</p></main>
</body></html>
"""


def _describe(app, pagename, templatename, context, doctree) -> None:
    import html
    import re

    from publish import site_of

    found = re.search(r'<meta name="description" content="([^"]*)"', context.get("metatags", ""))
    site = site_of(app.config.house_repository)
    title = re.sub(r"<[^>]+>", "", html.unescape(context.get("title") or app.config.html_title))
    if pagename == app.config.root_doc:
        title = app.config.html_title
    words = html.unescape(found[1]) if found else ""
    context["metatags"] = context.get("metatags", "") + tags(
        site, pagename, title, words, app.config.html_title
    )


def _write(app, exception) -> None:
    if exception or app.builder.format != "html":
        return
    from publish import site_of

    out, site = Path(app.outdir), site_of(app.config.house_repository)
    line = "Deep-learning recommender algorithms: every formula by hand, every claim measured, every figure moves."
    card(app.config.html_title, line, out / "_static" / "card.png")
    icon(180, out / "_static" / "apple-touch-icon.png")
    icon(32, out / "_static" / "favicon-32.png")
    # Served for any address that does not exist, however deep: so it needs the root, if that is known.
    up = urlsplit(site).path if site else ""
    (out / "404.html").write_text(
        NOWHERE.format(title=escape(app.config.html_title), up=up, front=app.config.root_doc), encoding="utf8"
    )


def setup(app):
    app.connect("html-page-context", _describe, priority=503)
    app.connect("build-finished", _write, priority=950)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
