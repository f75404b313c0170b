"""Does what was built, or is handed out, give a solution away? Searches every file of a folder for every solution.

    python book/_ext/leaks.py _build/class/_build/html     # the class edition; its build ends with this search
    python book/_ext/leaks.py handout                      # what `classroom export` wrote

Of each solution is looked for: its code as a whole, each line and comment, what its check says when it has passed, and
each word that no other text of the book holds. Markup, spaces, quotation marks and capitals make no difference, so a
line is found in a page, in a downloaded notebook and in the data of the search alike.
"""

from __future__ import annotations

import html
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import lessons

SHORT = 14  # a shorter line, such as `x = 1`, may stand anywhere
PASSED = re.compile(r"^✓ [\w-]+: (.+)", flags=re.S)
SEEN = re.compile("tag_solution|@titlesolution|showthesolution")  # a solution's cell, whatever it holds
OPAQUE = {".png", ".jpg", ".gif", ".ico", ".woff", ".woff2", ".ttf", ".pickle", ".npz", ".gz", ".zip"}


@dataclass(frozen=True)
class Secret:
    """A text that only one solution holds: `what` is "code", "line", "praise" or "word"."""

    exercise: str
    what: str
    text: str


def squeezed(text: str) -> str:
    """The characters that count: neither spaces nor quotation marks, nor how JSON or HTML writes them."""
    if "\\u" in text:
        text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text)
    text = re.sub(r"\\[nrt]", " ", html.unescape(text))
    return re.sub(r"[\s\\\"'`“”‘’]+", "", text).casefold()


def words(text: str) -> set[str]:
    """Words of six letters and more."""
    return set(re.findall(r"[^\W\d]\w{5,}", re.sub(r"\\[nrt]", " ", text).casefold()))


def solutions(path: Path) -> list:
    return [c for c in lessons.read(path).cells if "solution" in c.metadata.get("tags", ())]


def _praise(path: Path) -> dict[str, str]:
    """{solution's code: what its check said}, from the outputs that were kept when the lesson ran."""
    kept = lessons._kept(path)
    if not kept.is_file():
        return {}
    cells = lessons.kept_cells(lessons.read(path).cells)
    given = json.loads(kept.read_text(encoding="utf8"))["outputs"]
    said = {}
    for cell, outputs in zip(cells, given, strict=False):
        if "solution" in cell.metadata.get("tags", ()):
            texts = ["".join(one.get("data", {}).get("text/plain", "")) for one in outputs]
            found = [match[1] for text in texts if (match := PASSED.match(text))]
            said[cell.source] = found[0] if found else ""
    return said


def _open() -> tuple[str, set[str]]:
    """What anybody may read, squeezed: other cells, the package without its checks. And all words outside solutions."""
    cells = "\n".join(
        cell.source
        for path in lessons.listed()
        for cell in lessons.read(path).cells
        if "solution" not in cell.metadata.get("tags", ())
    )
    package = sorted((lessons.ROOT / "recbyhand").rglob("*.py"))
    shown = [path.read_text(encoding="utf8") for path in package if "exercises" not in path.parts]
    more = [path for path in package if "exercises" in path.parts]
    for folder, kinds in (
        ("book", "md csv bib py js css html"),
        ("recbyhand", "js css"),
        ("benchmarks", "csv"),
    ):
        more += [p for kind in kinds.split() for p in (lessons.ROOT / folder).rglob(f"*.{kind}")]
    rest = [path.read_text(encoding="utf8", errors="ignore") for path in more]
    shown += [
        path.read_text(encoding="utf8") for path in (lessons.ROOT / "recbyhand").rglob("*.toml")
    ]  # practices
    return squeezed("\n".join([cells, *shown])), words("\n".join([cells, *shown, *rest]))


def secrets() -> list[Secret]:
    """What is to be looked for."""
    open_text, open_words = _open()
    found: dict[tuple[str, str], Secret] = {}
    for path in lessons.listed():
        praise = _praise(path)
        for cell in solutions(path):
            asked = re.search(r"""rbh\.check\(\s*["']([\w-]+)""", cell.source)
            name = asked[1] if asked else path.stem
            lines = [line for line in cell.source.splitlines() if not line.startswith("# @title")]
            parts = [("code", "\n".join(lines)), *(("line", line.strip()) for line in lines)]
            parts += [("praise", praise.get(cell.source, ""))]
            for what, text in parts:
                if len(squeezed(text)) >= SHORT and squeezed(text) not in open_text:
                    found.setdefault((what, squeezed(text)), Secret(name, what, text))
            for word in words("\n".join(text for _, text in parts)) - open_words:
                found.setdefault(("word", word), Secret(name, "word", word))
    return list(found.values())


def text_of(path: Path) -> list[str]:
    """What a file says: of a page, the text without markup (code is cut into spans), and the markup, too."""
    data = path.read_bytes()
    if path.suffix in OPAQUE or b"\0" in data[:4096]:
        return []
    text = data.decode("utf8", errors="ignore")
    if path.suffix not in (".html", ".xhtml", ".svg", ".xml"):
        return [text]
    return [re.sub(r"<[^>]+>", "", text), re.sub(r"<[^>]+>", " ", text), text]


def leaks(folder: Path, of: list[Secret] | None = None) -> list[str]:
    """Which solutions the files of a folder give away, and where."""
    said = []
    of = secrets() if of is None else of
    needles = [(one, squeezed(one.text), words(one.text)) for one in of]
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        texts = text_of(path)
        whole, held = "\n".join(map(squeezed, texts)), set().union(*map(words, texts)) if texts else set()
        name = path.relative_to(folder).as_posix()
        for one, needle, own in needles:
            if own <= held and (one.what == "word" or needle in whole):  # words first: that is fast
                said.append(f"{name}: {one.exercise}, {one.what}: {one.text}")
        if path.suffix in (".html", ".ipynb") and SEEN.search(whole):
            said.append(f"{name}: a solution's cell")
    return said


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0])
    of = secrets()
    files = [p for p in folder.rglob("*") if p.is_file()]
    found = leaks(folder, of)
    for leak in found:
        print(leak[:300])
    counts = {what: sum(one.what == what for one in of) for what in ("code", "line", "praise", "word")}
    exercises = len({one.exercise for one in of})
    print(
        f"{folder}: {len(files)} files searched for the solutions of {exercises} exercises "
        f"({', '.join(f'{n} {what}' for what, n in counts.items())}): "
        + (f"{len(found)} LEAKS" if found else "no trace")
    )
    return int(bool(found) or not files)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
