"""Plain Markdown from the MyST of a lesson, for notebooks that are opened where nobody reads MyST.

Labels disappear; an equation keeps the number that it has on the page; references, terms and citations become links to
the published page, or words where no page is known. `Places` knows where everything stands, from the sources alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import lessons

LABEL = re.compile(r"^\(([\w:.-]+)\)=[ \t]*\n?", flags=re.M)
EQUATION = re.compile(r"\$\$((?:(?!\$\$).)+?)\$\$(?:[ \t]*\(([\w:.-]+)\))?", flags=re.S)
ROLE = re.compile(r"\{([a-z][\w:.-]*)\}(`+)(.+?)\2", flags=re.S)
LINK = re.compile(r"(?<![!\\])\[((?:[^\[\]`]|`[^`]*`|\[[^\[\]]*\])*)\]\(<?([^()\s<>]*)>?\)")
FENCE = re.compile(r"^(?P<fence>`{3,}|~{3,}|:{3,})(?P<name>\{[\w:-]+\})?[ \t]*(?P<title>.*)$")
CODE = re.compile(r"(?<![`}])(`+)(?!`).+?(?<!`)\1(?!`)", flags=re.S)
OPTION = re.compile(r"^:[\w-]+:.*\n?", flags=re.M)


def identifier(label: str) -> str:
    """What Sphinx makes of a label."""
    from docutils.nodes import make_id

    return make_id(label)


@dataclass
class Places:
    """Where labels, equations, terms and papers of the book are."""

    site: str = ""  # address of the published pages, ending in a slash; empty: none known
    titles: dict[str, str] = field(default_factory=dict)  # page -> its heading
    labels: dict[str, tuple[str, str]] = field(default_factory=dict)  # label -> page, heading under it
    equations: dict[str, tuple[str, int]] = field(default_factory=dict)  # label -> page, number
    papers: dict[str, tuple[str, str]] = field(default_factory=dict)  # key -> authors, year
    terms: dict[str, tuple[str, str]] = field(default_factory=dict)  # small letters -> page, as it is written

    @classmethod
    def of_book(cls, site: str = "") -> Places:
        """Read from the sources, in the order of `_toc.yml`."""
        self = cls(site=site.rstrip("/") + "/" if site else "")
        for path in lessons.pages():
            page = path.relative_to(lessons.ROOT).with_suffix("").as_posix()
            text = lessons.prose(path)
            bare = re.sub(r"^(`{3,})[^{\n]*\n.*?^\1[ \t]*$", "", text, flags=re.M | re.S)
            if title := re.search(r"^# (.+)$", bare, flags=re.M):
                self.titles[page] = title[1].strip()
            for found in LABEL.finditer(bare):
                heading = re.match(r"\s*(?:\([\w:.-]+\)=\s*)*#+ (.+)", bare[found.end() :])
                self.labels[found[1]] = (page, heading[1].strip() if heading else "")
            for glossary in re.findall(r"^(:{3,}|`{3,})\{glossary\}\n(.*?)^\1", bare, flags=re.M | re.S):
                self.terms |= {
                    t.lower(): (page, t) for t in re.findall(r"^([^\s:].*)$", glossary[1], flags=re.M)
                }
            for found in EQUATION.finditer(bare):
                if found[2]:
                    self.equations[found[2]] = (page, len(self.equations) + 1)
        self.papers = papers(lessons.ROOT / "book" / "references.bib")
        return self

    def link(self, words: str, page: str, anchor: str = "") -> str:
        """`words`, as a link where the page's address is known."""
        if not self.site:
            return words
        return f"[{words}]({self.site}{page}.html{'#' + anchor if anchor else ''})"


def _surname(person) -> str:
    return " ".join(str(name) for name in (*person.rich_prelast_names, *person.rich_last_names))


def papers(file: Path) -> dict[str, tuple[str, str]]:
    """Key -> (authors as they are cited, year) for each entry of a BibTeX file."""
    from pybtex.database import parse_file

    found = {}
    for key, entry in parse_file(str(file)).entries.items():
        people = entry.persons.get("author") or entry.persons.get("editor") or []
        names = [_surname(person) for person in people]
        if not names:
            names = [re.sub(r"[{}]", "", entry.fields.get("key", entry.fields.get("title", key)))]
        who = (
            names[0]
            if len(names) == 1
            else f"{names[0]} and {names[1]}"
            if len(names) == 2
            else f"{names[0]} et al."
        )
        found[key] = (who, entry.fields.get("year", "").strip())
    return found


def markdown(text: str, page: str, places: Places) -> str:
    """Plain Markdown that says what the MyST `text` of `page` says."""
    out, lines = [], text.split("\n")
    block: list[str] = []

    def flush() -> None:
        if block:
            out.append(_prose("\n".join(block), page, places))
            block.clear()

    i = 0
    while i < len(lines):
        opened = FENCE.match(lines[i])
        if not opened:
            block.append(lines[i])
            i += 1
            continue
        flush()
        end = next((k for k in range(i + 1, len(lines)) if lines[k].rstrip() == opened["fence"]), len(lines))
        inside = "\n".join(lines[i + 1 : end])
        if opened["name"] is None and opened["fence"][0] != ":":  # code: as it is
            out.append("\n".join(lines[i : end + 1]))
        else:
            out.append(_directive(opened["name"] or "", opened["title"], inside, page, places))
        i = end + 1
    flush()
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip("\n")


def _directive(name: str, title: str, inside: str, page: str, places: Places) -> str:
    """A box becomes a quotation under its title; options go."""
    name = name.strip("{}")
    if name in {"code", "code-block", "code-cell"}:
        return f"```{title}\n{OPTION.sub('', inside)}\n```"
    if name == "math":
        return f"$$\n{OPTION.sub('', inside).strip()}\n$$"
    head = title if title and name != "figure" else "" if name in {"figure", "living"} else name.capitalize()
    body = markdown(OPTION.sub("", inside).strip("\n"), page, places)
    said = [f"**{_prose(head, page, places)}**", ""] if head else []
    return "\n".join("> " + line if line else ">" for line in [*said, *body.split("\n")])


def _prose(text: str, page: str, places: Places) -> str:
    text = re.sub(r"^(?:%[ \t].*|\+\+\+.*)\n?", "", text, flags=re.M)  # MyST's comments and block breaks
    text = LABEL.sub("", text)
    kept: list[str] = []  # inline code, formulas and finished links: nothing inside is a reference

    def keep(text: str) -> str:
        kept.append(text)
        return f"\0{len(kept) - 1}\0"

    text = EQUATION.sub(lambda m: keep(_numbered(m, places)), text)
    text = ROLE.sub(lambda m: keep(_role(m[1], m[3], places)), text)
    text = CODE.sub(lambda m: keep(m[0]), text)
    text = LINK.sub(lambda m: _link(m, page, places), text)
    while "\0" in text:
        text = re.sub("\0(\\d+)\0", lambda m: kept[int(m[1])], text)
    return text


def _numbered(found: re.Match, places: Places) -> str:
    if not found[2]:
        return found[0]
    number = places.equations.get(found[2], ("", 0))[1]
    return (
        f"$${found[1].rstrip()}\n\\tag{{{number}}}\n$$"
        if "\n" in found[1]
        else f"$${found[1]}\\tag{{{number}}}$$"
    )


def _role(name: str, content: str, places: Places) -> str:
    named = re.fullmatch(r"(.*?)\s*<([^<>]+)>", content, flags=re.S)
    words, target = (named[1], named[2]) if named else ("", content)
    target = " ".join(target.split())
    if (name == "eq" and target not in places.equations) or (name == "ref" and target not in places.labels):
        return words or target  # the build has warned of it
    if name == "eq":
        page, number = places.equations[target]
        return places.link(f"({number})", page, f"equation-{identifier(target)}")
    if name in {"ref", "numref"}:
        page, heading = places.labels[target]
        return places.link(words or heading or places.titles[page], page, identifier(target))
    if name == "doc":
        page = str(PurePosixPath(target.lstrip("/")))
        return places.link(words or places.titles.get(page, target), page)
    if name == "term":
        from sphinx.util.nodes import _make_id

        if target.lower() not in places.terms:
            return words or target
        page, written = places.terms[target.lower()]
        return places.link(words or target, page, f"term-{_make_id(written)}")
    if name.startswith("cite"):
        keys = [key.strip() for key in content.split(",")]
        if name == "cite:t":
            said = [
                (f"{who} ({year})", key) for key in keys for who, year in [places.papers.get(key, (key, ""))]
            ]
            return ", ".join(
                places.link(what, "book/bibliography", f"cite-{identifier(key)}") for what, key in said
            )
        said = [(f"{who}, {year}", key) for key in keys for who, year in [places.papers.get(key, (key, ""))]]
        return f"({'; '.join(places.link(what, 'book/bibliography', f'cite-{identifier(key)}') for what, key in said)})"
    if name == "math":
        return f"${content}$"
    return words or content


def _link(found: re.Match, page: str, places: Places) -> str:
    words, target = found[1], found[2]
    if re.match(r"[a-z][a-z0-9+.-]*:", target) or target.startswith("//"):
        return found[0]
    file, _, anchor = target.partition("#")
    if not file and not anchor:
        return found[0]
    if file in places.labels or (not file and anchor in places.labels):
        label = file or anchor
        there, heading = places.labels[label]
        return places.link(words or heading or places.titles[there], there, identifier(label))
    if file in places.equations or (not file and anchor in places.equations):
        label = file or anchor
        there, number = places.equations[label]
        return places.link(words or f"({number})", there, f"equation-{identifier(label)}")
    if not file:
        return places.link(words, page, anchor)
    path = PurePosixPath(file.lstrip("/")) if file.startswith("/") else PurePosixPath(page).parent / file
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        elif part not in {".", ".."}:
            parts.append(part)
    there = str(PurePosixPath(*parts))
    there = there.removesuffix(".ipynb").removesuffix(".md")
    return places.link(words or places.titles.get(there, there), there, identifier(anchor) if anchor else "")
