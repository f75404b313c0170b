"""Light pages: one style sheet with what some page uses, no script that no page needs, nothing that waits for either.

The theme brings eleven style sheets (600 KB, of which a page uses a tenth) and scripts that stop the page while they
load. After the pages are written, their styles are joined in their order into one file, less the rules of classes that
no page and no script names, and less the variables that nothing reads; scripts wait until the page is there. What a
page was made of is kept in the page, so that a page which the next build does not write again can be joined again.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from posixpath import dirname, join, normpath

import tinycss2

SHEET = re.compile(
    r'[ \t]*<link\b(?=[^>]*\brel="stylesheet")[^>]*\bhref="([^"?]*_static/[^"?]*)[^"]*"[^>]*>\n?'
)
JOINED = re.compile(r'[ \t]*<link rel="stylesheet" href="[^"]*light\.css[^"]*" data-of="([^"]*)"[^>]*>\n?')
SCRIPT = re.compile(
    r'<script\b(?![^>]*\b(?:defer|async|type="(?!text/javascript)))([^>]*\bsrc="[^"]*"[^>]*)></script>'
)
UNUSED = {  # a script, and a pattern without which a page does not need it
    "design-tabs.js": r'class="[^"]*\bsd-tab-',
    "togglebutton.js": r'<main[\s\S]*class="(?:[^"]* )?(?:dropdown admonition|admonition dropdown|toggle)[ "]',
    "doctools.js": r"$^",  # keys for Sphinx's own search and modules' index, which are not here
    "sphinx_highlight.js": r"$^",
    "bootstrap.js": r"$^",  # the one menu of a page opens by book.js; its hints are titles, which a browser shows
}
UNUSED_EVERYWHERE = {name for name, need in UNUSED.items() if need == r"$^"}
# Of the theme's own script: it makes what scrolls reachable by keyboard, as book.js does, but by asking each box for
# its size at once, folded ones too; and it unrolls a banner of versions, of which there are none.
TABS = re.compile(r'(function \w+\(\)\{)(return;)?(?=const \w+=\(\)=>\{document.querySelectorAll\(\["pre",)')
BANNER = re.compile(r'<div class="pst-async-banner-revealer[^"]*">\s*<aside [^>]*></aside>\s*</div>\s*')
LISTING = re.compile(r"<pre\b.*?</pre>", re.S)
# Names, brackets, modules and spaces have the colour of the text around them, in both themes' styles of listings.
PLAIN = re.compile(r'<span class="(?:n|p|nn|w)">([^<]*)</span>')
# The theme's choice, before anything is drawn: a reader's own, else what the system says; an empty mode is an error.
THEME = """<script data-cfasync="false">
    document.documentElement.dataset.mode = localStorage.getItem("mode") || "auto";
    document.documentElement.dataset.theme = localStorage.getItem("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  </script>"""  # noqa: E501


def names(pages: list[str], scripts: list[str]) -> set[str]:
    """Classes and ids that pages carry, and every word of the scripts, which may set them."""
    found: set[str] = set()
    for text in pages:
        for value in re.findall(r'\b(?:class|id)="([^"]*)"', text):
            found.update(value.split())
        for source in re.findall(r"<script\b[^>]*>([\s\S]*?)</script>", text):
            found.update(re.findall(r"[A-Za-z][\w-]*", source))
    for text in scripts:
        found.update(re.findall(r"[A-Za-z][\w-]*", text))
    return found


def selectors(prelude: str) -> list[str]:
    """The selectors of a list, split at the commas that stand in no brackets."""
    found, depth, start = [], 0, 0
    for i, letter in enumerate(prelude):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and not depth:
            found.append(prelude[start:i])
            start = i + 1
    return [*found, prelude[start:]]


def used(selector: str, known: set[str]) -> bool:
    """Whether a page could match: every class and id that it demands is known."""
    demanded = selector
    while (smaller := re.sub(r":[\w-]+\([^()]*\)|\([^()]*\)|\[[^\]]*\]", "", demanded)) != demanded:
        demanded = smaller  # what stands in brackets is a choice or an exclusion
    wanted = re.findall(r"[.#]((?:[\w-]|\\.|[^\x00-\x7f])+)", demanded)
    return all(re.sub(r"\\(.)", r"\1", name) in known for name in wanted)


def pruned(css: str, known: set[str], base: str = "", read=None) -> str:
    """The rules of `css` that a page could use; addresses as seen from `_static/`, imports put in by `read`."""
    out = []
    for rule in tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True):
        if rule.type == "qualified-rule":
            kept = [s.strip() for s in selectors(tinycss2.serialize(rule.prelude)) if used(s, known)]
            if kept:
                out.append(f"{','.join(kept)}{{{_tight(tinycss2.serialize(rule.content), base)}}}")
        elif rule.type == "at-rule" and rule.lower_at_keyword == "import" and read:
            address = next(t.value for t in rule.prelude if t.type in {"string", "url"})
            place = normpath(join(base, address))
            out.append(pruned(read(place), known, dirname(place), read))
        elif rule.type == "at-rule" and rule.lower_at_keyword == "charset":
            continue
        elif rule.type == "at-rule":
            head = f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude).rstrip()}"
            if rule.content is None:
                out.append(head + ";")
            elif rule.lower_at_keyword in {"media", "supports", "layer", "container"}:
                if inside := pruned(tinycss2.serialize(rule.content), known, base, read):
                    out.append(f"{head}{{{inside}}}")
            else:
                out.append(f"{head}{{{_tight(tinycss2.serialize(rule.content), base)}}}")
    return "\n".join(out)


_QUOTED = r"\"[^\"]*\"|'[^']*'"
_NESTED = rf"\((?:[^()\"']|{_QUOTED}|\((?:[^()\"']|{_QUOTED}|\([^()\"']*\))*\))*\)"
VARIABLE = re.compile(rf"(?<=[{{;])\s*(--[\w-]+)\s*:(?:[^;{{}}()\"']|{_QUOTED}|{_NESTED})*(?:;|(?=\}}))")


def without_unread(css: str, others: list[str]) -> str:
    """The sheet less the custom properties that neither it nor a page or script asks for."""
    asked = {name for text in others for name in re.findall(r"--[a-zA-Z][\w-]*", text)}
    while True:
        # what a value names counts only while something asks for the variable that has this value: hence again
        read = asked | set(re.findall(r"var\(\s*(--[\w-]+)", css))
        smaller = VARIABLE.sub(lambda found, read=read: found[0] if found[1] in read else "", css)
        if smaller == css:
            return re.sub(r"(?m)^[^{}@;]*\{\s*\}\n?", "", css)  # rules that have nothing left
        css = smaller


def _tight(content: str, base: str) -> str:
    content = re.sub(r"/\*[\s\S]*?\*/", "", content)
    content = re.sub(r"\s*\n\s*", " ", content).strip()

    def moved(found: re.Match) -> str:
        address = found[2]
        if re.match(r"data:|https?:|/|#", address):
            return found[0]
        return f"url({found[1]}{normpath(join(base, address))}{found[1]})"

    return re.sub(r"url\(\s*([\"']?)([^)\"']+)\1\s*\)", moved, content)


def join_styles(out: Path) -> None:
    """Join the style sheets of all pages under `out`, and let their scripts wait."""
    static = out / "_static"
    paths = sorted(p for p in out.rglob("*.html") if "_static" not in p.parts)
    pages = {path: path.read_text(encoding="utf8") for path in paths}
    order: list[str] = []
    for text in pages.values():
        found = JOINED.search(text)
        sheets = found[1].split() if found else [m.partition("_static/")[2] for m in SHEET.findall(text)]
        for i, sheet in enumerate(sheets):  # in its place among those that other pages have, too
            if sheet not in order:
                order.insert(
                    order.index(sheets[i - 1]) + 1 if i and sheets[i - 1] in order else len(order), sheet
                )
    left = {"search-text.js", *UNUSED_EVERYWHERE}
    scripts = [p.read_text(encoding="utf8") for p in static.rglob("*.js") if p.name not in left]
    known = names(list(pages.values()), scripts)

    def read(name: str) -> str:
        file = static / name
        return file.read_text(encoding="utf8") if file.is_file() else ""

    css = "\n".join(pruned(read(sheet), known, dirname(sheet), read) for sheet in order)
    css = without_unread(css, [*pages.values(), *scripts])
    (static / "light.css").write_text(css, encoding="utf8")
    stamp = hashlib.sha256(css.encode()).hexdigest()[:8]
    for path, text in pages.items():
        up = "../" * (len(path.relative_to(out).parts) - 1)
        link = (
            f'  <link rel="stylesheet" href="{up}_static/light.css?v={stamp}" data-of="{" ".join(order)}"/>\n'
        )
        if JOINED.search(text):
            changed = JOINED.sub(lambda _, link=link: link, text)
        elif SHEET.search(text):
            changed = waiting(SHEET.sub("\0", text))
            changed = changed.replace("\0", link, 1).replace("\0", "")
        else:
            continue
        if changed != text:
            path.write_text(changed, encoding="utf8")


def without_tabs(script: str) -> str:
    """The theme's script less what book.js does better; ValueError if the theme has it no more."""
    script, found = TABS.subn(r"\1return;", script)
    if found != 1:
        raise ValueError("the theme's script does no longer look for what scrolls: mend light.TABS")
    return script


def lean(text: str) -> str:
    """A page whose listings mark only what has a colour of its own: half of a lesson's elements are such marks."""
    return LISTING.sub(lambda found: PLAIN.sub(r"\1", found[0]).replace("<span></span>", ""), text)


def waiting(text: str) -> str:
    """A page whose scripts wait, less those that it does not need."""
    text = BANNER.sub("", lean(text))
    for name, need in UNUSED.items():
        if not re.search(need, text):
            text = re.sub(
                rf'[ \t]*<script\b[^>]*\bsrc="[^"]*/{re.escape(name)}[^"]*"[^>]*></script>\n?', "", text
            )
            if name == "togglebutton.js":
                text = re.sub(
                    r"[ \t]*<script>(?:let toggle|var togglebuttonSelector)[^<]*</script>\n?", "", text
                )
    options = {
        "BUILDER": "html",
        "FILE_SUFFIX": ".html",
        "LINK_SUFFIX": ".html",
        "NAVIGATION_WITH_KEYS": False,
    }
    options |= {"ENABLE_SEARCH_SHORTCUTS": False, "LANGUAGE": "en", "COLLAPSE_INDEX": False, "VERSION": ""}
    if page := re.search(r"DOCUMENTATION_OPTIONS\.pagename = '([^']*)'", text):
        options["pagename"] = page[1]
    # One object in the page, in place of a file and what two further scripts add to it.
    text = re.sub(r"[ \t]*<script>DOCUMENTATION_OPTIONS\.[^<]*</script>\n?", "", text)
    said = f"<script>const DOCUMENTATION_OPTIONS = {json.dumps(options)};</script>"
    text = re.sub(
        r'<script\b[^>]*\bsrc="[^"]*documentation_options\.js[^"]*"[^>]*></script>', lambda _: said, text
    )
    text = re.sub(r'<script data-cfasync="false">\s*document\.documentElement\.dataset\.mode = localStorage'
                  r"[\s\S]*?</script>", lambda _: THEME, text, count=1)  # fmt: skip
    return SCRIPT.sub(r"<script defer\1></script>", text)


def _finish(app, exception) -> None:
    if not exception and app.builder.format == "html":
        script = Path(app.outdir) / "_static" / "scripts" / "pydata-sphinx-theme.js"
        script.write_text(without_tabs(script.read_text(encoding="utf8")), encoding="utf8")
        join_styles(Path(app.outdir))


def setup(app):
    app.connect("build-finished", _finish, priority=960)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
