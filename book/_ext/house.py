"""What Jupyter Book does not do by itself: this book's own Sphinx extension.

- lessons are executed by `lessons.py`, once, and their outputs put in as Sphinx reads them;
- the address of the repository comes from the environment or the git remote; none known, no launch button;
- *Where the sources are covered* and *Errata* are made from their CSV files;
- pages are made light: no script or font that no page needs, no search index before someone searches.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import logging as std_logging
import os
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path

import editions
import lesson_page
import lessons
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

LOGGER = logging.getLogger(__name__)
BOOK = lessons.ROOT / "book"
COLAB_BRANCH = "notebooks"  # where the workflow pushes what publish.py wrote

# --- where this book lives ---------------------------------------------------------------------------------------


def repository(environment=os.environ) -> str | None:
    """https address of the repository: RECBYHAND_REPOSITORY, the workflow's own, or the git remote; else None."""
    if "RECBYHAND_REPOSITORY" in environment:
        found = environment["RECBYHAND_REPOSITORY"]  # empty: "there is none, do not look further"
    elif environment.get("GITHUB_REPOSITORY"):
        found = (
            f"{environment.get('GITHUB_SERVER_URL', 'https://github.com')}/{environment['GITHUB_REPOSITORY']}"
        )
    else:
        found = _git("remote", "get-url", "origin")
    found = re.sub(r"^(?:ssh://)?git@([\w.-]+)[:/]", r"https://\1/", found.strip())
    found = re.sub(r"^https://[^/@]*@", "https://", found)  # a token in a remote must not reach a page
    match = re.fullmatch(r"(https://[\w.-]+/[\w./-]+?)(?:\.git)?/?", found)
    return match[1] if match else None


def commit(environment=os.environ) -> str:
    """The commit being built; empty if unknown."""
    return environment.get("RECBYHAND_COMMIT") or environment.get("GITHUB_SHA") or _git("rev-parse", "HEAD")


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=lessons.ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def launch_links(repository: str | None, commit: str, page: str) -> list[dict[str, str]]:
    """Buttons for the lesson `page` (no suffix): Colab and Binder for GitHub, Binder for any other git host."""
    if not repository:
        return []
    owner_repo = repository.removeprefix("https://github.com/")
    on_github = owner_repo != repository
    quoted = owner_repo if on_github else repository.replace(":", "%3A").replace("/", "%2F")
    binder = f"https://mybinder.org/v2/{'gh' if on_github else 'git'}/{quoted}/{commit or 'HEAD'}"
    links = [
        ("Binder", f"{binder}?urlpath=lab/tree/notebooks/{page}.ipynb", "_static/images/logo_binder.svg")
    ]
    if on_github:
        url = f"https://colab.research.google.com/github/{owner_repo}/blob/{COLAB_BRANCH}/{page}.ipynb"
        links.insert(0, ("Colab", url, "_static/images/logo_colab.png"))
    return [
        {
            "type": "link",
            "text": name,
            "tooltip": f"Open in {name}",
            "url": url,
            "icon": icon,
            "label": name.lower(),
        }
        for name, url, icon in links
    ]


def _buttons(app, pagename, templatename, context, doctree) -> None:
    buttons, where = context.get("header_buttons"), app.config.house_repository
    if buttons is None or not where:
        return
    if context.get("page_source_suffix") == ".ipynb":
        links = launch_links(where, app.config.house_commit, pagename)
        group = {"type": "group", "tooltip": "Run this lesson", "icon": "fas fa-rocket"}
        buttons.insert(0, {**group, "label": "launch-buttons", "buttons": links})
    link = {"type": "link", "url": where, "tooltip": "Source repository", "icon": "fab fa-github"}
    buttons.append({**link, "label": "repo"})


# --- lessons -----------------------------------------------------------------------------------------------------


def _lesson(app, docname: str) -> Path | None:
    path = Path(app.env.doc2path(docname))
    return path if path.suffix == ".ipynb" else None


def _chosen(docname: str) -> bool:
    return (
        os.environ.get("RECBYHAND_ONLY", "") in docname
    )  # build.py --only: the other lessons stay without outputs


def _outdated(app, env, added, changed, removed) -> list[str]:
    known = env.__dict__.setdefault("house_keys", {})
    stale = []
    for docname in env.found_docs:
        path = _lesson(app, docname)
        now = lessons.key(path) if path and _chosen(docname) else None
        if known.get(docname) != now:
            stale.append(docname)
        known[docname] = now
    return stale


def _read(app, docname: str, source: list[str]) -> None:
    if path := _lesson(app, docname):
        try:
            record = lessons.outputs(path) if _chosen(docname) else None
            source[0] = lesson_page.without_machinery(lessons.with_outputs(path, source[0], record))
        except lessons.LessonFailed as error:
            LOGGER.warning("lesson failed: %s", error, location=docname, type="lesson")


def _index(app, pagename, templatename, context, doctree) -> None:
    """The index puts its Chinese terms under one head: by first letters alone, nearly each would have its own."""
    if "genindexentries" not in context:
        return
    letters, others = [], []
    for letter, entries in context["genindexentries"]:
        if letter.isascii():
            letters.append((letter, entries))
        else:
            others += entries
    context["genindexentries"] = [*letters, ("中文", others)] if others else letters
    context["genindexcounts"] = [
        sum(1 + len(below) for _, (_, below, _) in entries) for _, entries in context["genindexentries"]
    ]


# --- pages made from tables --------------------------------------------------------------------------------------


def rows(name: str) -> list[dict[str, str]]:
    """Rows of a CSV file in book/."""
    with open(BOOK / name, newline="", encoding="utf8") as file:
        return list(csv.DictReader(file))


class Made(SphinxDirective):
    """A directive whose content is MyST text made from CSV files; being text, it is translated like any other."""

    has_content = False
    files: tuple[str, ...] = ()

    def run(self) -> list[nodes.Node]:
        for name in self.files:
            self.env.note_dependency(str(BOOK / name))
        holder = nodes.container(classes=["made"])
        self.state.nested_parse(
            StringList(self.text(), self.get_source_info()[0]), self.content_offset, holder
        )
        return [holder]

    def text(self) -> list[str]:
        raise NotImplementedError


def _link(row: dict[str, str]) -> str:
    if row["anchor"].startswith("eq-"):
        return f"{_lesson_title(row)}, {{eq}}`{row['anchor']}`"
    return f"{{ref}}`{_lesson_title(row)} <{row['anchor']}>`"


def _lesson_title(row: dict[str, str]) -> str:
    path = lessons.ROOT / f"{row['lesson'].removesuffix('.ipynb').removesuffix('.md')}.ipynb"
    text = "\n".join(c.source for c in lessons.read(path).cells if c.cell_type == "markdown")
    heading = re.search(r"^# (.+)$", text, flags=re.M)
    return heading[1].strip().replace("`", "") if heading else path.stem


def _note(row: dict[str, str]) -> str:
    return f" ({_cell(row['note'])})" if row["note"] else ""


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ").strip()


def _plain(text: str) -> str:
    """A cell of words and `code`: no other sign of Markdown counts."""
    parts = _cell(text).split("`")  # inside `code` a backslash would be seen
    parts[::2] = [re.sub(r"([*_\[\]<$])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


class SourceMap(Made):
    """Every item of the sources, and the place in this book that covers it."""

    files = ("source_map.csv", "inventory.csv")

    def text(self) -> list[str]:
        places: dict[str, list[dict[str, str]]] = {}
        for row in rows("source_map.csv"):
            places.setdefault(row["id"], []).append(row)
        items = rows("inventory.csv")
        covered = [item for item in items if item["id"] in places]
        lines = [f"{len(covered)} of {len(items)} items are covered so far.", ""]
        for section in dict.fromkeys(item["section"] for item in items):
            inside = [item for item in items if item["section"] == section]
            lines += [f"**{section}**", "", "| Id | Item | Here |", "|---|---|---|"]
            for item in inside:
                here = "; ".join(_link(row) + _note(row) for row in places.get(item["id"], ())) or "not yet"
                lines.append(f"| {item['id']} | *{item['kind']}*: {_cell(item['item'])} | {here} |")
            lines.append("")
        return lines


def _home(row: dict[str, str]) -> str:
    """The chapter's folder of a row; empty outside the chapters."""
    parts = row["lesson"].split("/")
    return parts[1] if parts[0] == "chapters" else ""


class Errata(Made):
    """Every fault of the sources that the book teaches: what happens, what is right, and the test that guards it."""

    files = ("errata.csv", "faults.csv")

    def text(self) -> list[str]:
        taught = rows("errata.csv")
        if not taught:
            return ["None is taught yet."]
        faults = {row["id"]: row for row in rows("faults.csv")}
        lines = []
        for chapter in sorted({_home(row) for row in taught}, key=lambda home: (not home, home)):
            title = lesson_page.title_of(f"chapters/{chapter}/index") if chapter else "Your own data"
            number = lesson_page.numbers().get(f"chapters/{chapter}/index")
            lines += [f"**{f'{number} · ' if number else ''}{title}**", ""]
            lines += ["| Id | The text says or does | What happens | Right | Taught in, guarded by |"]
            lines += ["|---|---|---|---|---|"]
            for row in (row for row in taught if _home(row) == chapter):
                fault = faults.get(row["id"], {})
                said = " | ".join(_plain(fault.get(column, "")) for column in ("fault", "symptom", "right"))
                guard = row["test"].split("::")[-1].partition("[")[0]
                words = re.sub(r"^(test_)?([a-z]\d\d[a-z]?_)?", "", guard).replace("_", " ")
                lines.append(f"| {row['id']} | {said} | {_link(row)} (guard: {words}) |")
            lines.append("")
        return lines


SAYS = {  # what the plan of the course takes from a lesson's prose: (pattern, how an author writes it)
    "title": (r"^# (.+)$", "begin the first cell with `# Title`"),
    "question": (
        r"^\*([^*]+)\*$",
        "write it in italics, `*What ...?*`, on a line of its own under the title",
    ),
    "reading time": (
        r"[Rr]eading(?: takes about|:) (\d+) minutes",
        "write `Reading takes about 20 minutes, running a few seconds.` under *What you will do*",
    ),
}


def about(path: Path) -> tuple[str, str, int, int]:
    """Title, question, minutes of reading and number of exercises of a lesson, as its notebook says them.

    ValueError names the lesson, what it does not say, and how to write it.
    """
    cells, found = lessons.read(path).cells, {}
    prose = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for what, (pattern, remedy) in SAYS.items():
        if not (match := re.search(pattern, prose, flags=re.M)):
            name = path.relative_to(lessons.ROOT).as_posix()
            raise ValueError(f"{name} has no {what}: {remedy}")
        found[what] = match[1]
    tasks = sum("exercise" in cell.metadata.get("tags", ()) for cell in cells)
    return found["title"], found["question"], int(found["reading time"]), tasks


class CoursePlan(Made):
    """Per lesson what it asks, how long reading takes, and how much there is to do; read from the notebooks."""

    def text(self) -> list[str]:
        lines = ["| Lesson and its question | Reading (min) | Tasks |", "|---|---|---|"]
        total = [0, 0]
        for path in (p for p in lessons.listed() if p.is_relative_to(lessons.ROOT / "chapters")):
            self.env.note_dependency(str(path))
            title, question, *counts = about(path)
            total = [a + b for a, b in zip(total, counts, strict=True)]
            link = f"[{_cell(title)}](/{path.relative_to(lessons.ROOT).as_posix()})"
            lines.append(f"| {link}. {_cell(question)} | {counts[0]} | {counts[1]} |")
        return [*lines, f"| All lessons | {total[0]} | {total[1]} |"]


class Living(SphinxDirective):
    """A figure that moves, on a page that is no notebook: its content makes the widget, with `rbh` at hand."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        import recbyhand as rbh

        for path in [*(lessons.ROOT / "recbyhand" / "widgets").iterdir(), BOOK / "cover.npz"]:
            self.env.note_dependency(str(path))
        import cover

        widget = eval("\n".join(self.content), {"rbh": rbh, "cover": cover})
        return [nodes.raw("", widget.html(), format="html")]


# --- light pages -------------------------------------------------------------------------------------------------


def _describe(app, pagename, templatename, context, doctree) -> None:
    """A description for search engines: the page's own (front matter), or its first paragraph."""
    words = (context.get("meta") or {}).get("description", "")
    if not words and doctree is not None:
        first = next((p.astext() for p in doctree.findall(nodes.paragraph) if len(p.astext()) > 60), "")
        words = first if len(first) <= 155 else first[:155].rsplit(" ", 1)[0] + " ..."
    words = " ".join((words or app.config.house_description).split())
    context["metatags"] = (
        context.get("metatags", "") + f'<meta name="description" content="{escape(words)}" />\n'
    )


def _subset_icons(static: Path, pages: list[Path]) -> None:
    """Keep only the glyphs of Font Awesome that some page, script or style of this book names."""
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    std_logging.getLogger("fontTools").setLevel(std_logging.WARNING)
    texts = [p.read_text(encoding="utf8", errors="ignore") for p in [*pages, *static.rglob("*.js")]]
    named = {name for text in texts for name in re.findall(r"\bfa-([a-z0-9-]+)", text)}
    style = (static / "styles" / "pydata-sphinx-theme.css").read_text(encoding="utf8")
    points = set()  # by name, or where the theme's own style draws an icon by its code point
    for selectors, point in re.findall(r'([^{}]*):before\{content:"\\([0-9a-f]+)"', style):
        if named & set(re.findall(r"\.fa-([a-z0-9-]+)", selectors)) or ".fa-" not in selectors:
            points.add(int(point, 16))
    points |= {ord(glyph) for glyph in re.findall(r'--pst-icon-[a-z-]+:"(.)"', style)}  # of admonitions
    fonts = static / "vendor" / "fontawesome" / "webfonts"
    for path in fonts.glob("*.woff2"):
        options = Options()
        options.flavor, options.notdef_outline, options.ignore_missing_unicodes = "woff2", True, True
        font = TTFont(path)
        subsetter = Subsetter(options)
        subsetter.populate(unicodes=points)
        subsetter.subset(font)
        font.flavor = "woff2"
        font.save(path)
    for path in fonts.glob("*.ttf"):
        path.unlink()


FRONT = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="description" content="{title}"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="0; url={to}"><link rel="canonical" href="{to}">
<link rel="icon" href="_static/favicon.svg" type="image/svg+xml">
<link rel="apple-touch-icon" href="_static/apple-touch-icon.png"></head>
<body><main><h1>{title}</h1><p><a href="{to}">Open the book</a></p></main></body></html>
"""


def _finish(app, exception) -> None:
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    static = out / "_static"
    _forget_removed(app, out)
    (out / "index.html").write_text(
        FRONT.format(to=f"{app.config.root_doc}.html", title=app.config.html_title)
    )
    _subset_icons(static, list(out.rglob("*.html")))
    for unused in (
        "scripts/fontawesome.js",
        "scripts/fontawesome.js.map",
        "sphinx-thebe.js",
        "sphinx-thebe.css",
    ):
        (static / unused).unlink(missing_ok=True)
    for path in [*static.rglob("*.js.map"), *static.rglob("*.css.map")]:
        path.unlink()
    _plain_downloads(app, out)
    shutil.rmtree(out / "_sources" / "book" / "_static", ignore_errors=True)


def _forget_removed(app, out: Path) -> None:
    """Pages of files that are no longer in the book."""
    known = {*app.env.found_docs, "index", "search", "genindex"}
    for path in out.rglob("*.html"):
        page = path.relative_to(out).with_suffix("").as_posix()
        if not page.startswith("_") and page not in known:
            path.unlink()


def _plain_downloads(app, out: Path) -> None:
    """The notebooks that readers download: plain, and knowing where this version lives, if that is known."""
    import plain
    import publish

    known = app.config.house_repository and app.config.house_commit
    where = publish.address(app.config.house_repository, app.config.house_commit) if known else ""
    places = plain.Places.of_book(publish.site_of(app.config.house_repository))
    for path in lessons.listed():
        target = out / "_sources" / path.relative_to(lessons.ROOT)
        if target.is_file():
            target.write_text(editions.edited(publish.notebook(path, places, where)), encoding="utf8")


def _digest(paths) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in paths if path.is_file()):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _own_code() -> str:
    scripts = (lessons.ROOT / "recbyhand" / "widgets").glob("*.js")
    own = (path for path in Path(__file__).parent.rglob("*") if path.suffix in {".py", ".js"})
    return _digest([*own, *scripts])


def _configure(app, config) -> None:
    lessons.set_environment()
    config.html_math_renderer = "katex"
    config.house_code = _own_code()
    config.house_static = _digest((lessons.ROOT / "book" / "_static").rglob("*"))
    config.bibtex_cite_id = "cite-{key}"  # a published notebook points at a paper by its key
    config.house_repository = repository() or ""
    config.house_commit = commit() if config.house_repository else ""


# A folded cell: its two titles, and a label that would be read in their place.
FOLDED = re.compile(
    r"""(<div class="cell[^>]*>\s*<details[^>]*>\s*<summary) aria-label="[^"]*"(>\s*<p[^>]*>)([^<]*)"""
    r"""(</p>\s*<p[^>]*>)([^<]*)"""
)


_ROW = r"(<tr[^>]*>)((?:(?!</t(?:r|head)>).)*)</tr>\s*"
HEAD = re.compile(rf"(<thead[^>]*>\s*){_ROW}{_ROW}(</thead>)", re.S)
CELL = re.compile(r"<(t[hd])([^>]*)>(.*?)</\1>", re.S)


def one_header(body: str) -> str:
    """Tables whose second header row only names the index, as pandas writes it, with these names in the first row."""

    def joined(found: re.Match) -> str:
        above, below = CELL.findall(found[3]), CELL.findall(found[5])
        empty = [not re.sub(r"&nbsp;|<[^>]*>|\s", "", cell[2]) for cell in below]
        names = empty.index(True) if True in empty else len(empty)
        blank = all(not re.sub(r"&nbsp;|<[^>]*>|\s", "", cell[2]) for cell in above[:names])
        spans = any("span=" in cell[1] for cell in (*above, *below))
        if len(above) != len(below) or not names or not all(empty[names:]) or not blank or spans:
            return found[0]
        cells = [*below[:names], *above[names:]]
        row = "".join(f"\n      <{tag}{attributes}>{text}</{tag}>" for tag, attributes, text in cells)
        return f"{found[1]}{found[2]}{row}\n    </tr>\n  {found[6]}"

    return HEAD.sub(joined, body)


FRAME = re.compile(r'<table[^>]*(?:class="dataframe|id="T_)[^>]*>.*?</table>', re.S)
TR = re.compile(r"<tr[^>]*>.*?</tr>", re.S)
NUMBER = re.compile(r"[-+−±\d.,:%e\s\[\]()/<>=×·∞]*|nan|inf|none|true|false|<na>|nat", re.I)


def words_to_the_left(body: str) -> str:
    """Tables of pandas, which puts all columns to the right: those that hold words carry the class "words"."""

    def told(found: re.Match) -> str:
        table = found[0]
        # Counted from the right: a name in front that stands for several rows is in the first of them alone.
        rows = [CELL.findall(row)[::-1] for row in TR.findall(table.partition("<tbody")[2])]
        wide = re.search(r'colspan="(?!1")|<td[^>]*rowspan="(?!1")', table)
        if not rows or wide or len({sum(cell[0] == "td" for cell in row) for row in rows}) > 1:
            return table
        plain = [[unescape(re.sub(r"<[^>]*>", "", cell[2])).strip() for cell in row] for row in rows]
        columns = {
            i
            for i, column in enumerate(zip(*plain, strict=False))
            if rows[0][i][0] == "td" and any(column) and not any(t and NUMBER.fullmatch(t) for t in column)
        }
        if not columns:
            return table

        def marked(row: re.Match) -> str:
            place = itertools.count(len(CELL.findall(row[0])) - 1, -1)

            def cell(one: re.Match) -> str:
                if next(place) not in columns:
                    return one[0]
                attributes = one[2] if 'class="' in one[2] else f'{one[2]} class=""'
                attributes = attributes.replace('class="', 'class="words ')
                return f"<{one[1]}{attributes}>{one[3]}</{one[1]}>"

            return CELL.sub(cell, row[0])

        return TR.sub(marked, table)

    return FRAME.sub(told, body)


def _mend(app, pagename, templatename, context, doctree) -> None:
    if "body" in context:
        context["body"] = words_to_the_left(one_header(FOLDED.sub(_titled, context["body"])))
        body = re.sub(r' role="(?:doc-biblioentry|list)"(?= class="citation|>|\s)', "", context["body"])
        # A header cell without text, as pandas writes it in the corner, is announced as an unnamed column.
        context["body"] = re.sub(r"<th([^>]*)>(?:&nbsp;|\s)*</th>", r"<td\1></td>", body)
    if make := context.get("generate_toctree_html"):  # the arrow that unfolds a chapter has no name
        context["generate_toctree_html"] = lambda *a, **k: re.sub(
            r"<summary>(?=<span class=.toctree-toggle)", '<summary aria-label="Lessons">', str(make(*a, **k))
        )
    for kind in ("css_files", "script_files"):
        context[kind] = [f for f in context[kind] if "thebe" not in str(getattr(f, "filename", f))]


def _titled(found: re.Match) -> str:
    what = "solution" if "tag_solution" in found[1] else "code"
    return f"{found[1]}{found[2]}Show the {what}{found[4]}Hide the {what}"


def _silence(app) -> None:
    """Jupyter Book loads these whether wanted or not; both point at other hosts."""
    for found in app.events.listeners.values():
        found[:] = [
            one for one in found if not one.handler.__module__.startswith(("sphinx_thebe", "sphinx_comments"))
        ]


def setup(app):
    for part in ("formulas", "lesson_page", "search_text", "sharing", "light"):
        app.setup_extension(part)
    app.add_config_value("house_code", "", "env")  # pages made by an older version of this are made anew
    app.add_config_value("house_static", "", "html")  # they name style and script by what these hold
    app.add_config_value("house_repository", "", "html")
    app.add_config_value("house_commit", "", "html")
    app.add_config_value(
        "house_description", "A page of a book on recommender algorithms, built by hand.", "html"
    )
    app.add_directive("source-map", SourceMap)
    app.add_directive("errata-table", Errata)
    app.add_directive("living", Living)
    app.add_directive("course-plan", CoursePlan)
    app.connect("config-inited", _configure, priority=900)
    app.connect("builder-inited", _silence, priority=0)
    app.connect("env-get-outdated", _outdated)
    app.connect("source-read", _read)
    app.setup_extension("editions")  # after what it edits
    app.setup_extension("teaching")
    app.connect("html-page-context", _buttons, priority=502)
    app.connect("html-page-context", _describe, priority=502)
    app.connect("html-page-context", _mend, priority=502)
    app.connect("html-page-context", _index, priority=502)
    app.connect("build-finished", _finish, priority=900)
    app.add_css_file("book.css")
    app.add_js_file("book.js", loading_method="defer")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
