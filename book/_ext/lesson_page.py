"""What stands around a lesson's text: its number, the line under its title, places to link to, and the cover's cards.

All of it is made from the notebooks and `_toc.yml` as the pages are written; a lesson says nothing twice.
"""

from __future__ import annotations

import json
import posixpath
import re
from functools import cache
from html import escape
from pathlib import Path

import breaks
import lessons
import listings
import symbols
from docutils import nodes
from docutils.statemachine import StringList
from docutils.utils.smartquotes import smartyPants
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

LINKS = (nodes.reference, addnodes.pending_xref, addnodes.download_reference)
CHAPTER = re.compile(r"chapters/(\d\d)_\w+/(\w+)")


@cache
def _toc() -> dict:
    import yaml

    return yaml.safe_load((lessons.ROOT / "_toc.yml").read_text(encoding="utf8"))


@cache
def numbers() -> dict[str, str]:
    """Number of each page of a chapter by its name: "4" for the chapter's own, "4.3" for its third lesson."""
    found: dict[str, str] = {}
    toc = _toc()
    for part in toc.get("parts", [toc]):
        for chapter in part.get("chapters", ()):
            if (match := CHAPTER.match(chapter.get("file", ""))) and match[2] == "index":
                number = str(int(match[1]))
                found[chapter["file"].removesuffix(".md")] = number
                for place, section in enumerate(chapter.get("sections", ()), start=1):
                    found[section.get("file", "").removesuffix(".ipynb")] = f"{number}.{place}"
    return found


def chapters() -> list[tuple[str, list[Path]]]:
    """Chapters in order: the page's name, and the notebooks of its lessons."""
    own = [name for name, number in numbers().items() if "." not in number]
    listed = lessons.listed()
    return [
        (name, [p for p in listed if p.parent == (lessons.ROOT / name).parent and p.stem != "index"])
        for name in own
    ]


def code(path: Path) -> str:
    """A lesson's code, without its first cell."""
    return "\n".join(c.source for c in lessons.read(path).cells[2:] if c.cell_type == "code")


def prose(path: Path) -> str:
    """A lesson's text."""
    return "\n".join(c.source for c in lessons.read(path).cells if c.cell_type == "markdown")


def needs(path: Path) -> str:
    """Which data a lesson reads, in words."""
    words = code(path)
    real = re.search(r"\bmovielens\(", words) is not None
    made = re.search(r"\bplanted\(", words) is not None
    if real and made:
        return "MovieLens 100K and a planted world"
    return "MovieLens 100K" if real else "a planted world" if made else "no data"


def running(path: Path) -> str:
    """How long a lesson runs, in its own words ("about half a minute"); empty if it does not say."""
    said = re.search(r"Reading takes about \d+ minutes, running ([^.,]+)[.,]", prose(path))
    return said[1] if said else ""


def title_of(name: str) -> str:
    """The title of a chapter's page, up to its colon."""
    text = (lessons.ROOT / f"{name}.md").read_text(encoding="utf8")
    return re.search(r"^# (.+)$", text, flags=re.M)[1].split(":")[0].strip()


def asks(name: str) -> str:
    """A chapter's question: `question:` in the front matter of its page."""
    text = (lessons.ROOT / f"{name}.md").read_text(encoding="utf8")
    match = re.search(r"^question: (.+)$", text, flags=re.M)
    if not match:
        raise ValueError(f"{name}.md has no question: write `question: ...?` in its front matter")
    return match[1].strip().strip('"')


def front(name: str, key: str) -> str:
    """A value in the front matter of a chapter's page; empty if it is not there."""
    text = (lessons.ROOT / f"{name}.md").read_text(encoding="utf8")
    match = re.search(rf"^{key}: (.+)$", text, flags=re.M)
    return match[1].strip() if match else ""


# --- the page of a lesson -----------------------------------------------------------------------------------------


def without_machinery(text: str) -> str:
    """A notebook's source without what only a notebook needs, which the notebook to download keeps.

    The first code cell stays out of the page; a call of `rbh.show` does not say which table it makes; what is said to
    a formatter is not said to readers.
    """
    notebook = json.loads(text)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for cell in code[:1]:
        tags = cell["metadata"].setdefault("tags", [])
        if "PUBLISHED" in "".join(cell["source"]) and "remove-cell" not in tags:
            tags.append("remove-cell")
    for cell in code[1:]:
        cell["source"] = listings.for_readers("".join(cell["source"]))
    return json.dumps(notebook)


def under_title(path: Path, download: str, launch: list[dict]) -> str:
    """The line under a lesson's title."""
    import house

    _, _, minutes, tasks = house.about(path)
    spent = running(path)
    parts = [f"{minutes} min to read", f"{tasks} exercise{'s' * (tasks != 1)}", f"needs {needs(path)}"]
    if spent:
        parts.append(f"runs {spent}")
    said = [escape(part) for part in parts]
    links = [f'<a href="{escape(one["url"])}">Open in {escape(one["text"])}</a>' for one in launch]
    links.append(f'<a href="{escape(download)}" download>Notebook</a>')
    said += [*links, 'in code: <code class="literal">import recbyhand as rbh</code>']
    return f'<ul class="lesson-line">{"".join(f"<li>{part}</li>" for part in said)}</ul>'


def above_title(name: str, to_chapter: str) -> str:
    """Chapter and number, above a lesson's title."""
    number = numbers()[name]
    chapter = next(page for page in numbers() if numbers()[page] == number.split(".")[0])
    text = f"{number.split('.')[0]} · {title_of(chapter)}"
    return f'<p class="lesson-number"><a href="{escape(to_chapter)}">{escape(text)}</a> · lesson {number}</p>'


FIGURE = re.compile(r'<figure class="rbh-figure"')


def _anchors(body: str) -> str:
    """An id and a link for each figure and each exercise: what can be talked about can be pointed at."""
    count = iter(range(1, 1000))

    def figure(_: re.Match) -> str:
        number = next(count)
        return f'<figure class="rbh-figure" id="figure-{number}"'

    body = FIGURE.sub(figure, body)
    body = re.sub(
        r'(<figure class="rbh-figure" id="(figure-\d+)"[^>]*>)',
        lambda m: f'{m[1]}<a class="here" href="#{m[2]}" aria-label="Link to this figure">#</a>',
        body,
    )
    pieces = re.split(r'(?=<div class="cell tag_[\w -]*exercise)', body)
    for i, piece in enumerate(pieces[1:], start=1):
        plain = re.sub(r"<[^>]+>", "", piece[:6000])
        found = re.search(r"rbh\.check\((?:&quot;|\"|')([\w-]+)", plain)
        if found:
            link = f'<a class="here" href="#exercise-{found[1]}" aria-label="Link to this exercise">#</a>'
            pieces[i] = re.sub(
                r'^<div class="([^"]*)"([^>]*)>', rf'<div class="\1" id="exercise-{found[1]}"\2>{link}', piece
            )
    return "".join(pieces)


HEADS = re.compile(
    r"<thead>\s*<tr[^>]*>\s*<t[dh]></t[dh]>((?:\s*<th[^>]*>[^<]*</th>)+)\s*</tr>"
    r"\s*<tr>\s*<th>([^<]+)</th>(?:\s*<t[dh]></t[dh]>)+\s*</tr>\s*</thead>"
)


def one_head(body: str) -> str:
    """pandas gives the name of the index a row of its own, empty but for that name: one row holds both."""
    return HEADS.sub(r"<thead><tr><th>\2</th>\1</tr></thead>", body)


def _page(app, pagename, templatename, context, doctree) -> None:
    if "metatags" in context:  # the theme says it once more
        context["metatags"] = re.sub(r'<meta name="viewport"[^>]*>\s*', "", context["metatags"])
    if make := context.get("generate_toctree_html"):
        context["generate_toctree_html"] = lambda *a, **k: numbered(str(make(*a, **k)), pagename)
    if "body" not in context:
        return
    body = context["body"]
    if pagename in numbers() and "." in numbers()[pagename]:
        import house

        path = lessons.ROOT / f"{pagename}.ipynb"
        if not path.is_file():
            return
        launch = house.launch_links(app.config.house_repository, app.config.house_commit, pagename)
        up = context["pathto"](posixpath.join(posixpath.dirname(pagename), "index"))
        download = context["pathto"](f"_sources/{pagename}.ipynb", 1)
        line, above = under_title(path, download, launch), above_title(pagename, up)
        question = r"(<h1>.*?</h1>\s*(?:<p><em>.*?</em></p>)?)"
        body = re.sub(question, lambda m: above + m[1] + line, body, count=1, flags=re.S)
        body = symbols.typeset(_anchors(one_head(listings.with_names(listings.folded(body)))), prose(path))
    elif pagename == "book/gallery":
        body = gallery(body, context["pathto"])
    elif pagename in numbers():
        above = f'<p class="lesson-number">Chapter {numbers()[pagename]}</p>'
        body = re.sub(r"<h1>", f"{above}<h1>", body, count=1)
    context["body"] = breaks.in_paths(breaks.with_marks(body))


LINK = re.compile(r'(<a class="(?:current )?reference internal" href="([^"]*)">)([^<]*)')


def numbered(toctree: str, pagename: str) -> str:
    """The side bar's list with the number of each chapter and lesson."""

    def put(match: re.Match) -> str:
        target = match[2].split("#")[0]
        joined = posixpath.join(posixpath.dirname(pagename), target.removesuffix(".html"))
        name = posixpath.normpath(joined) if target else pagename
        number = numbers().get(name)
        if not number:
            return match[1] + match[3]
        text = match[3] if "." in number else match[3].split(":")[0]
        return f'{match[1]}<span class="number">{number}</span><span>{text}</span>'

    return LINK.sub(put, toctree)


# --- the gallery --------------------------------------------------------------------------------------------------


@cache
def used_in() -> dict[str, list[Path]]:
    """The lessons that show each widget, by its class's name."""
    found: dict[str, list[Path]] = {}
    for _, paths in chapters():
        for path in paths:
            for name in dict.fromkeys(re.findall(r"\bwidgets\.([A-Z]\w+)", code(path))):
                found.setdefault(name, []).append(path)
    return found


THUMB = 0.8  # of its size: the letters of a drawing, 12 high, can still be read


def thumbnail(drawing: str) -> str:
    """A drawing as it stands on a card: in one size, whatever its width; what has no room is cut off there."""
    picture = re.sub(r"<title>.*?</title>", "", drawing, flags=re.S)
    head, rest = picture.split(">", 1)
    head = re.sub(r' (?:role|aria-label|style)="[^"]*"', "", head).replace(
        "<svg", '<svg aria-hidden="true"', 1
    )
    head = re.sub(r' (width|height)="([\d.]+)"', lambda m: f' {m[1]}="{THUMB * float(m[2]):.0f}"', head)
    return f"{head}>{rest}"


def gallery(body: str, pathto) -> str:
    """The gallery with a picture of each figure at its top, and under each title the lessons that use it."""
    import house

    first, *pieces = re.split(r'(?=<section id="[\w-]+">\s*(?:<span id="[^"]*"></span>)?<h2>)', body)
    cards = []
    for i, piece in enumerate(pieces):
        title = re.search(r"<h2>(.*?)<a ", piece, re.S)
        drawing = re.search(r'<div class="rbh-static"[^>]*>(<svg.*?</svg>)</div>', piece, re.S)
        kind = re.search(r"widgets\.([A-Z]\w+)(?:\.of)?\(", re.sub(r"<[^>]+>", "", piece))
        if not (title and drawing and kind):
            continue
        target = re.match(r'<section id="([\w-]+)"', piece)[1]
        cards.append(
            f'<li><div class="thumb">{thumbnail(drawing[1])}</div><a class="to" href="#{target}">{title[1]}</a></li>'
        )
        links = []
        for path in used_in().get(kind[1], ()):
            page = path.relative_to(lessons.ROOT).with_suffix("").as_posix()
            name = escape(house.about(path)[0].replace("`", ""))
            links.append(f'<a class="reference internal" href="{pathto(page)}">{numbers()[page]} {name}</a>')
        said = f'<p class="used-in">In {", ".join(links)}</p>' if links else ""
        pieces[i] = re.sub(r"(</h2>)", lambda m, said=said: m[1] + said, piece, count=1)
    return first + f'<ul class="cards">{"".join(cards)}</ul>' + "".join(pieces)


# --- the cover, and the lessons of a chapter ----------------------------------------------------------------------


class ChapterCards(SphinxDirective):
    """A card for each chapter: its number, what it asks, how long it takes and what it needs; from the notebooks."""

    def run(self) -> list[nodes.Node]:
        import house

        items = []
        for name, paths in chapters():
            self.env.note_dependency(str(lessons.ROOT / f"{name}.md"))
            for path in paths:
                self.env.note_dependency(str(path))
            told = [house.about(path) for path in paths]
            minutes, tasks = sum(t[2] for t in told), sum(t[3] for t in told)
            hours = f"{minutes / 60:.1f}".removesuffix(".0")
            cost = f"{len(paths)} lessons · {hours} h to read · {tasks} exercises"
            before = front(name, "needs")
            href = self.env.app.builder.get_relative_uri(self.env.docname, name)
            items.append(
                f'<li><span class="count">{numbers()[name]}</span>'
                f'<a class="to" href="{href}"><span class="visually-hidden">Chapter {numbers()[name]}: </span>'
                f"{escape(title_of(name))}</a>"
                f'<p class="asks">{escape(asks(name))}</p><p class="cost">{escape(cost)}</p>'
                + (f'<p class="cost">Needs {escape(before)}</p>' if before else "")
                + "</li>"
            )
        return [nodes.raw("", f'<ol class="cards">{"".join(items)}</ol>', format="html")]


class Actions(SphinxDirective):
    """Links as buttons, the first one filled: one Markdown link a line."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        holder = nodes.container(classes=["actions"])
        for line in filter(None, (line.strip() for line in self.content)):
            part = nodes.container()
            self.state.nested_parse(StringList([line], "actions"), self.content_offset, part)
            holder += part.children
        for place, link in enumerate(holder.findall(lambda node: isinstance(node, LINKS))):
            link["classes"] += ["button", "first"] if place == 0 else ["button"]
        return [holder]


class LessonCards(SphinxDirective):
    """The lessons of this chapter: number, title, question, minutes and exercises."""

    def run(self) -> list[nodes.Node]:
        import house

        items = []
        for name, paths in chapters():
            if name != self.env.docname:
                continue
            for path in paths:
                self.env.note_dependency(str(path))
                title, question, minutes, tasks = house.about(path)
                page = path.relative_to(lessons.ROOT).with_suffix("").as_posix()
                href = self.env.app.builder.get_relative_uri(self.env.docname, page)
                items.append(
                    f'<li><span class="count">{numbers()[page]}</span><a class="to" href="{href}">'
                    f'{escape(title.replace("`", ""))}</a><p class="asks">{escape(_plain(question))}</p>'
                    f'<p class="cost">{minutes} min · {tasks} exercises · needs {escape(needs(path))}</p></li>'
                )
        return [nodes.raw("", f'<ol class="cards">{"".join(items)}</ol>', format="html")]


def _plain(text: str) -> str:
    return smartyPants(re.sub(r"[`$]|\{\w+\}", "", text), "q")


def setup(app):
    app.add_directive("chapter-cards", ChapterCards)
    app.add_directive("actions", Actions)
    app.add_directive("lesson-cards", LessonCards)
    app.connect("html-page-context", _page, priority=503)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
