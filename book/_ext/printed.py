"""The whole book on paper and in a reader: one PDF and one EPUB, made from the built pages.

    python book/_ext/printed.py pdf  _build/html _build/recommenders-by-hand.pdf       # make pdf; needs Chromium
    python book/_ext/printed.py epub _build/html _build/recommenders-by-hand.epub      # make epub
    ... --only 04_interest/din                                                         # some pages only

A page is taken as it stands, less what only a screen can do: folded cells are opened or, like the cell that finds the
package, left out; a figure that moves is its still picture; an exercise shows no verdict on its empty stub; what a
quiz hides beside its choices stands at the end of the lesson. Each page
is printed by Chromium on its own, so that memory and time stay small; then the parts are joined, links between them
lead to the right place, and numbers, bookmarks and a table of contents are added.
"""

from __future__ import annotations

import argparse
import html
import re
import shutil
import sys
import tempfile
import uuid
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import answers
import lessons
import lxml.etree
import lxml.html

HERE = Path(__file__).resolve().parent
STYLE = HERE / "printed.css"
TITLE, AUTHOR = "Recommenders by Hand", "the recbyhand authors"
LINE = "Deep-learning recommender algorithms: every formula by hand, every claim measured."
SHORT = 56  # a line of code that fits into any page


# --- a page, without what only a screen can do --------------------------------------------------------------------


def has(name: str) -> str:
    """XPath's condition for a class."""
    return f"contains(concat(' ', normalize-space(@class), ' '), ' {name} ')"


GONE = "|".join(
    f"//{what}"
    for what in (
        "script",
        "noscript",
        "template",
        f"a[{has('headerlink')}]",
        f"*[{has('d-print-none')}]",
        f"*[{has('toctree-wrapper')}]",
        f"*[{has('rbh-only-live')}]",
        f"a[{has('here')}]",
        f"ul[{has('lesson-line')}]/li[a[@download]]",
        f"ul[{has('cards')}][li/div[{has('thumb')}]]",  # the gallery's figures, once more
        f"div[{has('tag_exercise')}]/div[{has('cell_output')}]",
        f"div[{has('tag_hide-input')}]/details[{has('above-input')}]",
    )
)


def article(site: Path, page: str) -> lxml.html.HtmlElement:
    """The article of a built page, ready for paper. FileNotFoundError where the book is not built."""
    text = (site / f"{page}.html").read_text(encoding="utf8")
    begin, end = text.index("<article"), text.index("</article>") + len("</article>")
    root = lxml.html.fromstring(text[begin:end])
    for element in root.xpath(GONE):
        element.drop_tree()
    answers.on_paper(root)
    for button in root.xpath("//button"):
        button.drop_tree()
    for cell in root.xpath(f"//div[{has('cell')}]"):
        if not cell.xpath(".//*[self::pre or self::svg or self::table or self::img or self::p]"):
            cell.drop_tree()  # the first cell
    for fold in root.xpath("//details"):
        solution = "tag_solution" in (fold.getparent().get("class") or "")
        for summary in fold.xpath("./summary"):
            words = " ".join(summary.text_content().split())
            summary.tag, summary.attrib["class"] = "p", "fold-title"
            for child in list(summary):
                summary.remove(child)
            known = "Show the " in words or "Hide the " in words or not words
            summary.text = "Solution" if solution else ("" if known else words)
            if not summary.text:
                summary.drop_tree()
        fold.tag = "div"
        fold.attrib.clear()
        fold.attrib["class"] = "fold"
    for text in root.xpath("//p[strong and not(normalize-space(text())) and count(*) = 1]"):
        text.attrib["class"] = "titles"  # the name of the table below it
    for table in root.xpath("//table"):
        columns = max(
            (sum(int(c.get("colspan", 1)) for c in row.xpath("./th|./td")) for row in table.iter("tr")),
            default=0,
        )
        if columns > 5:
            table.attrib["class"] = (
                f"{table.get('class', '')} columns-many {'columns-most' * (columns > 9)}".strip()
            )
    for pre in root.xpath("//pre"):
        _hang(pre)
    for name in ("onclick", "onchange", "tabindex", "role", "aria-live"):
        for element in root.xpath(f"//*[@{name}]"):
            if element.tag != "svg":
                del element.attrib[name]
    return root


def _hang(pre: lxml.html.HtmlElement) -> None:
    """Let a line that is too long go on further in than it began; each longer line is a span of its own."""
    for mark in pre.xpath("./span[starts-with(., '# @title ')]"):  # Colab's name of a cell
        mark.tail = (mark.tail or "").removeprefix("\n")
        mark.drop_tree()
    numbered = pre.find_class("line")
    for line in numbered:
        text = line.text_content()
        line.attrib["style"] = f"--in: calc(3em + {4 + len(text) - len(text.lstrip())}ch)"
    if numbered or max(map(len, pre.text_content().split("\n"))) <= SHORT:
        return
    whole = lxml.html.tostring(pre, encoding="unicode", with_tail=False)
    begin, end = whole.index(">") + 1, whole.rindex("<")
    opened: list[str] = []
    lines = []
    for line in whole[begin:end].split("\n"):
        text = "".join(opened) + line
        for tag in re.findall(r"</?(?!br\b)[^>]+>", line):
            opened = opened[:-1] if tag.startswith("</") else [*opened, tag]
        text += "".join(f"</{tag[1:-1].split()[0]}>" for tag in reversed(opened))
        plain = html.unescape(re.sub(r"<[^>]+>", "", text))
        if len(plain) > SHORT:
            text = f'<span class="line" style="--in: {4 + len(plain) - len(plain.lstrip())}ch">{text}</span>'
        lines.append(text)
    new = lxml.html.fragment_fromstring(whole[:begin] + "\n".join(lines) + whole[end:])
    new.tail = pre.tail
    pre.getparent().replace(pre, new)


def headings(root: lxml.html.HtmlElement) -> list[tuple[int, str, str]]:
    """(level, words, id of its section) of each heading."""
    found = []
    for heading in root.xpath("//h1|//h2"):
        anchor = heading.get("id") or heading.getparent().get("id") or ""
        found.append((int(heading.tag[1]), " ".join(words(heading).split()), anchor))
    return found


def words(element: lxml.html.HtmlElement) -> str:
    """Text of an element, each formula once."""
    copy = lxml.html.fromstring(lxml.html.tostring(element, encoding="unicode"))
    for twice in copy.xpath(f"//*[{has('katex-html')}]|//*[local-name()='annotation']"):
        twice.drop_tree()
    return copy.text_content()


@dataclass
class Part:
    """One page of the book in print."""

    page: str
    root: lxml.html.HtmlElement
    chapter: int  # depth in the contents
    heads: list[tuple[int, str, str]] = field(default_factory=list)

    @property
    def title(self) -> str:
        return self.heads[0][1] if self.heads else self.page


def parts(site: Path, only: str = "") -> list[Part]:
    """The pages of the book in its order."""
    found = []
    for path in lessons.pages():
        page = path.relative_to(lessons.ROOT).with_suffix("").as_posix()
        if only in page and (site / f"{page}.html").is_file():
            root = article(site, page)
            deep = page.startswith("chapters/") and not page.endswith("/index")
            found.append(Part(page, root, int(deep), headings(root)))
    if not found:
        raise FileNotFoundError(f"no page of {only or 'the book'} at {site}: run `make book` first")
    return found


def _path(page: str, href: str) -> tuple[str, str]:
    """The page and the anchor that a relative link of `page` leads to."""
    file, _, anchor = href.partition("#")
    if not file:
        return page, anchor
    stack = page.split("/")[:-1]
    for step in file.split("/"):
        if step == "..":
            del stack[-1:]
        elif step != ".":
            stack.append(step)
    return "/".join(stack).removesuffix(".html"), anchor


def wanted(all_parts: list[Part]) -> dict[str, set[str]]:
    """Page -> the anchors that links or the contents lead to."""
    found: dict[str, set[str]] = {part.page: {a for _, _, a in part.heads if a} for part in all_parts}
    for part in all_parts:
        for link in part.root.xpath("//a[@href]"):
            if not re.match(r"[a-z][a-z0-9+.-]*:", link.get("href")):
                page, anchor = _path(part.page, link.get("href"))
                if page in found and anchor:
                    found[page].add(anchor)
    return found


# --- PDF ----------------------------------------------------------------------------------------------------------

PAPER = """<!DOCTYPE html>
<html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{title}</title>
<link rel="stylesheet" href="{static}/pygments.css"><link rel="stylesheet" href="{static}/katex/katex.min.css">
<style>{style}</style></head><body class="{kind}"><template>{body}</template></body></html>
"""
FONTS = (  # those of the pages, so that paper looks the same wherever it is printed
    ("Hand Sans", "hand-sans.woff2", "font-weight: 400 700;"),
    ("Hand Sans", "hand-sans-italic.woff2", "font-style: italic;"),
    ("Hand Serif", "hand-serif.woff2", "font-weight: 600;"),
    ("Hand Code", "hand-code.woff2", "font-weight: 400 600;"),
)
ACROSS = round((210 - 2 * 18) / 25.4 * 96)  # what the margins leave of A4, in CSS pixels
# A table that is too wide gets smaller letters, and only then breaks its words; nothing may be cut off at the edge.
FIT = """() => {
    for (const table of document.querySelectorAll("table")) {
        const room = table.parentElement.clientWidth, size = parseFloat(getComputedStyle(table).fontSize);
        for (let less = 0.97; table.offsetWidth > room && less > 0.66; less -= 0.03)
            table.style.fontSize = `${size * less}px`;
        if (table.offsetWidth > room) table.classList.add("tight");
    }
    const edge = document.body.getBoundingClientRect().right + 2;
    return [...document.querySelectorAll("body *")]
        .filter((e) => e.checkVisibility() && !e.closest("svg, .katex-mathml"))
        .filter((e) => e.getBoundingClientRect().right > edge)
        .map((e) => `${e.tagName} ${e.className} ${e.textContent.trim().slice(0, 60)}`);
}"""
MARGIN = {"top": "16mm", "bottom": "18mm", "left": "18mm", "right": "18mm"}


def _paper(folder: Path, site: Path, name: str, title: str, body: str, kind: str = "") -> Path:
    target = folder / f"{name}.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    static = (site / "_static").resolve().as_uri()
    fonts = "".join(
        f'@font-face {{ font-family: "{family}"; src: url({place.as_uri()}); {more} }}\n'
        for family, place, more in (
            ("Book Chinese", HERE / "vendor" / "chinese.woff2", ""),
            *((name, (site / "_static" / "fonts" / file).resolve(), more) for name, file, more in FONTS),
        )
    )
    style = fonts + STYLE.read_text(encoding="utf8")
    text = PAPER.format(title=html.escape(title), static=static, style=style, body=body, kind=kind)
    target.write_text(text, encoding="utf8")
    return target


def _print(tab, source: Path, edge: bool = True) -> Path:
    """Print one page. ValueError if something of it would be cut off."""
    tab.goto(source.resolve().as_uri(), wait_until="load")
    # A word that is laid out before its font has come keeps empty boxes: fonts first, then the page.
    tab.evaluate("""async () => {
        await Promise.all([...document.fonts].map((font) => font.load()));
        document.body.replaceChildren(document.querySelector("template").content);
    }""")
    cut = tab.evaluate(FIT)
    if cut:
        raise ValueError(f"{source.stem}: wider than the paper: {cut[:3]}")
    target = source.with_suffix(".pdf")
    margin = MARGIN if edge else dict.fromkeys(MARGIN, "0")
    tab.pdf(path=str(target), format="A4", margin=margin, print_background=True, tagged=False)
    return target


def cover() -> str:
    """The first page, as SVG: title, line, and the bars of the book's card, some films of a history speaking louder."""
    import sharing
    import yaml

    version = yaml.safe_load((lessons.ROOT / "CITATION.cff").read_text(encoding="utf8"))["version"]
    first, _, second = LINE.partition(": ")
    middle = second.index(",") + 1
    bars = "".join(
        f'<rect x="{60 + 41 * i}" y="{620 - 150 * weight:.0f}" width="29" height="{150 * weight:.0f}" '
        f'fill="{sharing.ACCENT if weight > 0.5 else "#3d5a78"}"/>'
        for i, weight in enumerate(sharing.WEIGHTS)
    )

    def text(
        y: int, size: int, words: str, colour: str = sharing.PALE, family: str = "Hand Sans, sans-serif"
    ) -> str:
        weight = 600 if size > 30 else 400
        return (
            f'<text x="60" y="{y}" style="font-family: {family}" font-size="{size}" font-weight="{weight}" '
            f'fill="{colour}">{html.escape(words)}</text>'
        )

    serif = "Hand Serif, Georgia, serif"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 849" role="img" aria-label="{TITLE}">'
        f'<rect width="600" height="849" fill="{sharing.DARK}"/>'
        + text(190, 56, TITLE.rpartition(" by ")[0], sharing.PAPER, serif)
        + text(252, 56, "by" + TITLE.rpartition(" by")[2], sharing.PAPER, serif)
        + text(310, 20, first + ":")
        + text(338, 20, second[:middle])
        + text(366, 20, second[middle:].strip())
        + bars
        + f'<rect x="60" y="621" width="480" height="2" fill="{sharing.PALE}"/>'
        + text(740, 15, AUTHOR, sharing.PAPER)
        + text(764, 12, f"Version {version}. Text: CC BY 4.0. Code: MIT.")
        + "</svg>"
    )


def _contents(all_parts: list[Part], first: dict[str, int]) -> str:
    rows = "".join(
        f'<p class="level-{part.chapter}"><a href="{part.page}.html">{html.escape(part.title)}</a>'
        f"<span>{first.get(part.page, 0)}</span></p>"
        for part in all_parts
    )
    return f"<h1>Contents</h1>{rows}"


def pdf(site: Path, out: Path, only: str = "", say=lambda text: None) -> int:
    """Print the book; the number of pages."""
    from playwright.sync_api import sync_playwright
    from pypdf import PdfReader, PdfWriter

    all_parts = parts(site, only)
    targets = wanted(all_parts)
    with tempfile.TemporaryDirectory() as made, sync_playwright() as play:
        folder = Path(made)
        browser = play.chromium.launch(executable_path=_chromium(), args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(java_script_enabled=False, viewport={"width": ACROSS, "height": 1000})
        tab.emulate_media(media="print")
        files: dict[str, Path] = {}
        for part in all_parts:
            body = lxml.html.tostring(part.root, encoding="unicode")
            # Chromium names only those places to which the file itself leads.
            links = "".join(f'<a href="#{html.escape(a)}"></a>' for a in sorted(targets[part.page]))
            source = _paper(folder, site, part.page, part.title, f"{body}<div hidden>{links}</div>")
            files[part.page] = _print(tab, source)
            say(part.page)
        counts = {page: len(PdfReader(file).pages) for page, file in files.items()}
        front = {"cover": _print(tab, _paper(folder, site, "cover", TITLE, cover(), "cover"), edge=False)}
        before = 0
        for _ in range(2):  # once to see how long the contents are
            first, at = {}, 1 + before
            for part in all_parts:
                first[part.page] = at + 1
                at += counts[part.page]
            listing = _contents(all_parts, first)
            front["contents"] = _print(tab, _paper(folder, site, "contents", "Contents", listing, "contents"))
            before = len(PdfReader(front["contents"]).pages)
        browser.close()

        writer, starts = PdfWriter(), {}
        for name, file in (*front.items(), *files.items()):
            starts[name] = len(writer.pages)
            writer.append(PdfReader(file), import_outline=False)
        places = {name: _places(file, starts[name]) for name, file in (*front.items(), *files.items())}
        dead = _links(writer, folder, starts, places)
        _outline(writer, all_parts, starts, places)
        of = {at: part.title for part in all_parts for at in [starts[part.page]]}
        _numbers(writer, of, 1 + before)
        writer.add_metadata({"/Title": TITLE, "/Author": AUTHOR})
        writer.page_mode = "/UseOutlines"
        writer.compress_identical_objects(remove_unreferenced=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        writer.write(out)
        if dead and not only:
            raise ValueError(f"links of the printed book that lead nowhere: {sorted(dead)[:10]}")
        return len(writer.pages)


def _chromium() -> str:
    import os

    names = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
    found = os.environ.get("CHROMIUM") or next((p for n in names if (p := shutil.which(n))), None)
    if not found:
        raise FileNotFoundError("no Chromium found: install it, or set CHROMIUM to its path")
    return found


def _places(file: Path, start: int) -> dict[str, tuple[int, float]]:
    """Anchor -> page of the whole and height on it."""
    from pypdf import PdfReader

    reader = PdfReader(file)
    found = {}
    for name, place in reader.named_destinations.items():
        number = reader.get_destination_page_number(place)
        if number is not None:
            found[str(name).lstrip("/")] = (start + number, float(place.top or 0))
    return found


def _links(writer, folder: Path, starts: dict[str, int], places: dict) -> set[str]:
    """Let links between files lead to pages; a link to what is not printed is none. Returns missing anchors."""
    from urllib.parse import unquote

    from pypdf.generic import ArrayObject, FloatObject, NameObject, NullObject

    base, dead = folder.resolve().as_uri() + "/", set()
    ends = sorted(starts.items(), key=lambda item: item[1])
    for index, page in enumerate(writer.pages):
        here = [name for name, start in ends if start <= index][-1]
        kept = ArrayObject()
        for reference in page.get("/Annots", ()):
            note = reference.get_object()
            if note.get("/Subtype") == "/Link":
                action = note.get("/A", {}).get_object() if "/A" in note else {}
                uri = str(action.get("/URI", ""))
                if "/Dest" in note:
                    there, anchor = here, str(note["/Dest"]).lstrip("/")
                elif uri.startswith(base):
                    there, _, anchor = unquote(uri.removeprefix(base)).partition("#")
                    there = there.removesuffix(".html")
                else:
                    if uri and not uri.startswith("file:"):
                        kept.append(reference)
                    continue
                place = (
                    places.get(there, {}).get(anchor)
                    if anchor
                    else (starts[there], None)
                    if there in starts
                    else None
                )
                if place is None:
                    if there in starts:
                        dead.add(f"{there}#{anchor}")
                    continue
                note.pop("/A", None)
                top = FloatObject(place[1]) if place[1] else NullObject()
                target = writer.pages[place[0]].indirect_reference
                note[NameObject("/Dest")] = ArrayObject(
                    [target, NameObject("/XYZ"), NullObject(), top, NullObject()]
                )
            kept.append(reference)
        if "/Annots" in page:
            page[NameObject("/Annots")] = kept
    return dead


def _outline(writer, all_parts: list[Part], starts: dict[str, int], places: dict) -> None:
    from pypdf.generic import Fit

    chapter = None
    for part in all_parts:
        parent = chapter if part.chapter else None
        item = writer.add_outline_item(
            title=part.title, page_number=starts[part.page], parent=parent, is_open=False
        )
        if not part.chapter:
            chapter = item
        for level, text, anchor in part.heads:
            place = places[part.page].get(anchor)
            if level == 2 and place:
                writer.add_outline_item(
                    title=text, page_number=place[0], parent=item, fit=Fit.xyz(top=place[1]), is_open=False
                )


def _numbers(writer, titles: dict[int, str], front: int) -> None:
    """Its number under every page, and the page's title; not on the cover."""
    from pypdf.generic import ArrayObject, DecodedStreamObject, DictionaryObject, NameObject

    font = writer._add_object(
        DictionaryObject(
            {
                NameObject("/Type"): NameObject("/Font"),
                NameObject("/Subtype"): NameObject("/Type1"),
                NameObject("/BaseFont"): NameObject("/Helvetica"),
                NameObject("/Encoding"): NameObject("/WinAnsiEncoding"),
            }
        )
    )

    def stream(data: bytes):
        made = DecodedStreamObject()
        made.set_data(data)
        return writer._add_object(made)

    title = ""
    for index, page in enumerate(writer.pages):
        title = titles.get(index, title)
        if index == 0:
            continue
        text = str(index + 1).encode()
        name = title.encode("cp1252", "replace") if index >= front else b"Contents"
        name = re.sub(rb"([\\()])", rb"\\\1", name)
        wide = float(page.mediabox.width)
        foot = b"Q q 0.35 g BT /RbhNumber 8 Tf 51 28 Td (%b) Tj ET BT /RbhNumber 8 Tf %.1f 28 Td (%b) Tj ET Q" % (
            name, wide - 51 - 4.45 * len(text), text)  # fmt: skip
        old = page.get("/Contents")
        old = (
            list(old) if isinstance(old, ArrayObject) else [] if old is None else [page.raw_get("/Contents")]
        )
        page[NameObject("/Contents")] = ArrayObject([stream(b"q"), *old, stream(foot)])
        resources = page["/Resources"].get_object()
        fonts = resources.get("/Font", DictionaryObject()).get_object()
        resources[NameObject("/Font")] = DictionaryObject({**fonts, NameObject("/RbhNumber"): font})


# --- EPUB ---------------------------------------------------------------------------------------------------------

LEAF = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" lang="en" xml:lang="en">
<head><title>{title}</title><link rel="stylesheet" type="text/css" href="{up}book.css"/></head>
<body>{body}</body></html>
"""
OPF = """<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id" xml:lang="en">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier id="id">urn:uuid:{identifier}</dc:identifier><dc:title>{title}</dc:title><dc:language>en</dc:language>
<dc:creator>{author}</dc:creator><dc:rights>CC BY 4.0</dc:rights>
<meta property="dcterms:modified">{modified}</meta>
</metadata>
<manifest>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="css" href="book.css" media-type="text/css"/>
<item id="drawing" href="cover.svg" media-type="image/svg+xml" properties="cover-image"/>
<item id="cover" href="cover.xhtml" media-type="application/xhtml+xml" properties="svg"/>
{items}
</manifest>
<spine><itemref idref="cover"/>{spine}</spine>
</package>
"""
CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="EPUB/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>
"""
CAMEL = """viewBox preserveAspectRatio linearGradient radialGradient clipPath clipPathUnits markerWidth markerHeight
refX refY gradientUnits gradientTransform patternUnits patternTransform textLength lengthAdjust textPath markerUnits
stdDeviation foreignObject baseFrequency pathLength startOffset spreadMethod maskUnits"""
CASE = {name.lower(): name for name in CAMEL.split()}
XHTML_DROPS = {
    "border",
    "align",
    "valign",
    "width",
    "height",
    "cellpadding",
    "cellspacing",
    "halign",
    "frame",
    "rules",
}


def xhtml(part: Part, printed: set[str]) -> str:
    """The page's content as XML that an EPUB may hold: formulas as MathML, no presentational attributes."""
    root = part.root
    for gone in root.xpath(f"//*[{has('katex-html')}]|//*[local-name()='annotation']|//style"):
        gone.drop_tree()
    seen: set[str] = set()
    for element in root.iter():
        if not isinstance(element.tag, str):
            continue
        inside_svg = element.tag == "svg" or any(a.tag == "svg" for a in element.iterancestors())
        inside_math = element.tag == "math" or any(a.tag == "math" for a in element.iterancestors())
        for name in list(element.attrib):
            value = element.attrib[name]
            if inside_svg and name in CASE:
                del element.attrib[name]
                element.attrib[CASE[name]] = value
            elif name == "id":
                clean = re.sub(r"[^\w.-]", "-", value)
                clean = clean if re.match(r"[A-Za-z_]", clean) else f"i-{clean}"
                if clean in seen or not value:
                    del element.attrib[name]
                else:
                    seen.add(clean)
                    element.attrib[name] = clean
            elif name.startswith("data-") and (inside_svg or inside_math or ":" in name):
                del element.attrib[name]
            elif not inside_svg and not inside_math and name in XHTML_DROPS:
                if not (name in {"width", "height"} and element.tag == "img"):
                    del element.attrib[name]
            elif name in {"scope"} and element.tag != "th":
                del element.attrib[name]
            elif name == "xmlns" and element.tag not in {"math", "svg"}:
                del element.attrib[name]
        if inside_svg and element.tag in CASE:
            element.tag = CASE[element.tag]
        if element.tag == "svg":
            element.attrib["xmlns"] = "http://www.w3.org/2000/svg"
        if element.tag == "math":
            element.attrib["xmlns"] = "http://www.w3.org/1998/Math/MathML"
        if element.tag == "a" and element.get("href"):
            _epub_link(part.page, element, printed)
        if element.tag == "tt":
            element.tag = "code"
    return lxml.etree.tostring(root, encoding="unicode", method="xml")


def _epub_link(page: str, link, printed: set[str]) -> None:
    href = link.get("href")
    if re.match(r"[a-z][a-z0-9+.-]*:", href):
        return
    there, anchor = _path(page, href)
    if there not in printed:
        del link.attrib["href"]
        return
    anchor = re.sub(r"[^\w.-]", "-", anchor)
    anchor = anchor if not anchor or re.match(r"[A-Za-z_]", anchor) else f"i-{anchor}"
    up = "../" * page.count("/")
    link.attrib["href"] = (f"{up}{there}.xhtml" if there != page or not anchor else "") + (
        f"#{anchor}" if anchor else ""
    )


def epub(site: Path, out: Path, only: str = "", modified: str = "2000-01-01T00:00:00Z") -> int:
    """Write the EPUB; the number of its pages."""
    all_parts = parts(site, only)
    printed = {part.page for part in all_parts}
    leaves = {}
    for part in all_parts:
        body = xhtml(part, printed)
        leaves[part.page] = LEAF.format(
            title=html.escape(part.title), up="../" * part.page.count("/"), body=body
        )
    _check_anchors(leaves)
    ids = {page: re.sub(r"\W", "-", page) for page in leaves}
    items = []
    for page, text in leaves.items():
        kinds = [k for k, sign in (("mathml", "<math"), ("svg", "<svg")) if sign in text]
        properties = f' properties="{" ".join(kinds)}"' if kinds else ""
        items.append(
            f'<item id="{ids[page]}" href="{page}.xhtml" media-type="application/xhtml+xml"{properties}/>'
        )
    entries, opened = "", False
    for part in all_parts:
        link = f'<a href="{part.page}.xhtml">{html.escape(part.title)}</a>'
        if part.chapter:
            entries += ("<ol>" if not opened else "") + f"<li>{link}</li>"
            opened = True
        else:
            entries += ("</ol>" if opened else "") + ("</li>" if entries else "") + f"<li>{link}"
            opened = False
    entries += ("</ol>" if opened else "") + "</li>"
    if all_parts[0].chapter:  # a lesson alone
        entries = f"<li><span>{TITLE}</span>{entries}"
    nav = f'<nav epub:type="toc" id="toc"><h1>Contents</h1><ol>{entries}</ol></nav>'
    identifier = uuid.uuid5(uuid.NAMESPACE_URL, TITLE + "".join(leaves))
    spine = "".join(f'<itemref idref="{name}"/>' for name in ids.values())
    drawing = cover()
    files = {
        "META-INF/container.xml": CONTAINER,
        "EPUB/book.opf": OPF.format(
            identifier=identifier,
            title=TITLE,
            author=AUTHOR,
            modified=modified,
            items="\n".join(items),
            spine=spine,
        ),
        "EPUB/nav.xhtml": LEAF.format(title="Contents", up="", body=nav),
        "EPUB/book.css": _epub_style(site),
        "EPUB/cover.svg": drawing,
        "EPUB/cover.xhtml": LEAF.format(title=TITLE, up="", body=drawing).replace(
            "<body>", '<body class="cover">'
        ),
        **{f"EPUB/{page}.xhtml": text for page, text in leaves.items()},
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr(zipfile.ZipInfo("mimetype", (2000, 1, 1, 0, 0, 0)), "application/epub+zip")
        for name, text in files.items():
            entry = zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0))
            packed.writestr(entry, text, zipfile.ZIP_DEFLATED, compresslevel=9)
    return len(leaves)


def _check_anchors(leaves: dict[str, str]) -> None:
    ids = {page: set(re.findall(r'\bid="([^"]+)"', text)) for page, text in leaves.items()}
    for page, text in leaves.items():
        for href in re.findall(r'<a [^>]*href="([^":]+)"', text):
            there, anchor = _path(page, href.replace(".xhtml", ".html"))
            if anchor and anchor not in ids.get(there, ()):
                raise ValueError(f"{page}: a link to {there}#{anchor}, which is not there")


def _epub_style(site: Path) -> str:
    """The paper's style, and the colours of code, less what an EPUB may not say."""
    colours = (site / "_static" / "pygments.css").read_text(encoding="utf8")
    light = [line for line in colours.splitlines() if 'data-theme="dark"' not in line]
    style = re.sub(r"@page\s*\{[^}]*\}", "", STYLE.read_text(encoding="utf8"))
    # A small screen has no room for a table's columns, and a reader's pages do not scroll sideways.
    narrow = """@media (max-width: 45em) {
        table:not(.columns-many) :is(th, td, code), .columns-most :is(th, td) { overflow-wrap: anywhere; }
        table.columns-many { font-size: .58em !important; width: auto !important; min-width: 0 !important; }
        .columns-many :is(th, td) { padding: .1rem .15rem !important; white-space: normal !important; }
        div.math { font-size: .85em; overflow-x: auto; }
    }"""
    # A browser sets one letter italic whatever its variant is, unless told not to.
    bold = 'mi[mathvariant^="bold"] { font-weight: bold; text-transform: none; }'
    light += [bold]
    return "\n".join([style, *light, narrow, ""])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=["pdf", "epub"])
    parser.add_argument("site", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", default="", help="only pages whose name contains this")
    given = parser.parse_args()
    if given.kind == "pdf":
        count = pdf(given.site, given.out, given.only, say=lambda page: print("  ", page, flush=True))
        print(f"{given.out}: {count} pages, {given.out.stat().st_size / 2**20:.1f} MB")
    else:
        from datetime import UTC, datetime

        count = epub(given.site, given.out, given.only, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        print(f"{given.out}: {count} pages of the book, {given.out.stat().st_size / 2**20:.1f} MB")


if __name__ == "__main__":
    sys.exit(main())
