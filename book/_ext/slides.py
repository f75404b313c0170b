"""A deck of slides from a lesson's page: headings, formulas, figures, tables and widgets alive, in one HTML file.

    make slides L=04_interest/din          # _build/slides/04_interest/din.html
    python book/_ext/slides.py 04_interest/din --site _build/html --out talk.html

The page must have been built. The deck asks nobody for anything and works from a stick: open it in a browser. Arrow
keys, space, a swipe or the buttons turn the slides, Home and End jump, D switches light and dark; printing gives a
slide a page. Code, exercises and solutions stay in the lesson; of the prose, what opens a section is kept.
"""

from __future__ import annotations

import argparse
import base64
import copy
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "book" / "_static"
LEFT_OUT = re.compile(r"your turn|references|sources and further|on your own data|what you will do", re.I)
MOST_WORDS = 45  # of a section's opening; more is read, not looked at
NOT_SHOWN = (
    ".tag_exercise, .tag_solution, .headerlink, .cell_input, script[data-rbh-module], .rbh-source, .rbh-note, "
    ".lesson-line, a.here"
)
MOST_LINES = 12  # of what a cell printed


def deck(page: str, title: str = "", katex: Path = STATIC / "katex", assets: Path | None = None) -> str:
    """The HTML of the slides made from the HTML of a lesson's page."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(page, "html.parser")
    article = soup.select_one("article.bd-article") or soup
    top = article.find("section") or article
    modules = "".join(str(one) for one in soup.select("script[data-rbh-module]"))
    for unwanted in article.select(NOT_SHOWN):
        unwanted.decompose()
    for link in article.select("a[href]"):
        if not link["href"].startswith(("http://", "https://")):
            link.unwrap()  # to other pages, which do not travel with the deck
    for image in article.select("img[src]"):
        _embed(image, assets)
    slides = list(_slides(top, 1))
    heading = title or _plain(top.find("h1")) or "Slides"
    body = "\n".join(
        f'<section class="slide" aria-roledescription="slide">{slide}</section>' for slide in slides
    )
    style, script = (
        Path(__file__).with_name(f"slides.{kind}").read_text(encoding="utf8") for kind in ("css", "js")
    )
    return DECK.format(
        title=heading,
        katex=_katex(katex),
        style=style,
        modules=modules,
        body=body,
        script=script,
        count=len(slides),
    )


def _slides(section, level: int):
    """The slides of a section, then those of its subsections."""
    head = section.find(re.compile("^h[1-6]$"), recursive=False)
    words = _plain(head)
    if LEFT_OUT.search(words):
        return
    parts = [part for part in section.children if getattr(part, "name", None) and part is not head]
    lead, shown, last, promised = [], [], None, False
    for part in parts:
        if part.name == "section":
            continue
        if part.name == "p" and not shown and (level == 1 or not lead):
            lead.append(_opening(part, whole=level == 1))
            last = part
        elif part.name == "div" and "math" in part.get("class", ()):
            lead.append(part)
        else:
            shown += _worth_showing(part) or (_printed(part) if promised and not shown else [])
        promised = bool(lead) and part is last and part.get_text().strip().endswith(":")
    if lead and not shown and lead[-1].get_text().strip().endswith(":"):
        lead[-1] = _without_promise(lead[-1])
    brief = sum(len(part.get_text().split()) for part in lead) <= MOST_WORDS
    if level > 1 and brief and shown and not _alive(shown[0]):
        lead, shown = [*lead, shown[0]], shown[1:]
    if lead or level == 1:
        yield _slide(words, level, lead)
    for part in shown:
        yield _slide(words, max(level, 2), [part])
    for part in parts:
        if part.name == "section":
            yield from _slides(part, level + 1)


def _worth_showing(part) -> list:
    """What of a part of the page a room should see: figures, widgets, tables, practices, remarks."""
    classes = set(part.get("class", ()))
    if classes & {"admonition"} or part.name in ("ul", "ol") or "pst-scrollable-table-container" in classes:
        return [part]
    if part.name == "table":
        return [part]
    chosen = ".rbh-widget, .rbh-practice, figure, .rbh-figure, table, img, .pst-scrollable-table-container"
    found = [one for one in part.select(chosen) if not any(up in part.select(chosen) for up in one.parents)]
    return [_whole(one) for one in found]


def _printed(part) -> list:
    """What a cell printed, where the sentence before has promised it and it is short."""
    texts = [
        one.get_text().strip("\n")
        for one in part.select(".cell_output .stream pre, .cell_output .text_plain pre")
    ]
    lines = "\n".join(texts).splitlines()
    if not 0 < len(lines) <= MOST_LINES or max(map(len, lines)) > 100:
        return []
    pre = part.select_one(".cell_output pre")
    pre.string = "\n".join(lines)
    return [pre]


def _without_promise(paragraph):
    """A paragraph whose colon points at what stays in the lesson: less its last sentence, or its colon."""
    text = " ".join(paragraph.get_text().split())
    kept = re.match(r"(.+[.!?]) [^.!?]*:$", text)
    if kept and not paragraph.select(".math"):
        short = copy.copy(paragraph)
        short.clear()
        short.append(kept[1])
        return short
    last = [one for one in paragraph.find_all(string=True) if one.strip()][-1]
    last.replace_with(re.sub(r":\s*$", ".", last))
    return paragraph


def _alive(part) -> bool:
    return bool(part.select_one(".rbh-widget, .rbh-practice"))


def _whole(one):
    """A widget or practice with the style and script that stand beside it in its output."""
    box = (
        one.find_parent(class_="output")
        if set(one.get("class", ())) & {"rbh-widget", "rbh-practice"}
        else None
    )
    return box or one


def _slide(words: str, level: int, parts: list) -> str:
    tag = "h1" if level == 1 else "h2"
    return f"<{tag}>{_escape(words)}</{tag}><div class='fit'>{''.join(map(str, parts))}</div>"


def _opening(paragraph, whole: bool):
    """The first sentences of a paragraph; all of it if it is short, or holds formulas that must not be cut."""
    text = paragraph.get_text()
    if whole or len(text.split()) <= MOST_WORDS or paragraph.select(".math"):
        return paragraph
    sentences = re.split(r"(?<=[.!?]) ", " ".join(text.split()))
    kept = sentences[0]
    for sentence in sentences[1:]:
        if len(f"{kept} {sentence}".split()) > MOST_WORDS:
            break
        kept += f" {sentence}"
    short = copy.copy(paragraph)
    short.clear()
    short.append(kept)
    return short


def _plain(tag) -> str:
    return " ".join(tag.get_text().split()).rstrip("#") if tag else ""


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _embed(image, assets: Path | None) -> None:
    source = image["src"]
    if assets and not source.startswith(("data:", "http")):
        file = (assets / source).resolve()
        if file.is_file():
            kind = {".svg": "svg+xml", ".jpg": "jpeg"}.get(file.suffix, file.suffix[1:])
            image["src"] = f"data:image/{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"


def _katex(folder: Path) -> str:
    """KaTeX's style, with its fonts inside: only WOFF2, which every browser of the last ten years reads."""

    def font(match: re.Match) -> str:
        file = folder / match[1]
        return (
            f"src:url(data:font/woff2;base64,{base64.b64encode(file.read_bytes()).decode()})format('woff2')"
        )

    css = (folder / "katex.min.css").read_text(encoding="utf8")
    return re.sub(r"src:url\(([\w/.-]+\.woff2)\)[^;}]*", font, css)


DECK = """<!DOCTYPE html>
<html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>{katex}</style><style>{style}</style></head><body>{modules}
<main>{body}</main>
<nav aria-label="Slides"><output aria-live="polite">1 / {count}</output>
<button type="button" class="back">Back</button><button type="button" class="on">Next</button></nav>
<script>{script}</script></body></html>
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lesson", help="04_interest/din")
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "html", help="the built book")
    parser.add_argument("--out", type=Path, help="default: _build/slides/LESSON.html")
    given = parser.parse_args(arguments)
    name = given.lesson.removeprefix("chapters/").removesuffix(".ipynb")
    page = given.site / "chapters" / f"{name}.html"
    if not page.is_file():
        print(f"no page {page}: build the book first (make book), or give --site", file=sys.stderr)
        return 1
    out = given.out or ROOT / "_build" / "slides" / f"{name}.html"
    out.parent.mkdir(parents=True, exist_ok=True)
    made = deck(page.read_text(encoding="utf8"), assets=page.parent)
    out.write_text(made, encoding="utf8")
    number = made.count('<section class="slide"')
    print(f"{number} slides, {len(made) / 1000:.0f} kB: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
