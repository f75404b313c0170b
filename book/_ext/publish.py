"""Write the lessons as notebooks that work anywhere, in plain Markdown.

    python book/_ext/publish.py https://github.com/OWNER/REPO COMMIT --out DIR      # for Colab
    python book/_ext/publish.py --lab DIR                                           # to work through here

The publishing workflow calls it with the repository it runs in, and pushes DIR to the branch that Colab opens: each
first cell then knows where this very version lives. Nothing in the sources names a repository, so a fork publishes its
own without an edit. `--lab` is what `make lab` opens: no address is needed, the first cell finds the checkout around
it, and a notebook that its reader has worked in is never written over.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
from pathlib import Path

import plain
from lessons import ROOT, listed

EMPTY = 'PUBLISHED = ""'
ALONE = '("anywidget", "pooch", "safetensors")'
# What a lesson imports beside the package, and pip's name for it: installed with it where the package is missing.
EXTRA = {"faiss": "faiss-cpu", "polars": "polars"}
TITLE = "#@title Run this first: it finds the package, or installs it (once, some seconds)"
WRITTEN = ".written.json"  # hashes of what --lab wrote, to tell what a reader has changed


def address(repository: str, commit: str) -> str:
    """What pip installs: the package at one commit of a git repository."""
    return f"git+{repository.removesuffix('/').removesuffix('.git')}@{commit}"


def site_of(repository: str, environment=os.environ) -> str:
    """Where the pages are published: RECBYHAND_PAGES, or GitHub Pages' address of this repository; else empty."""
    if "RECBYHAND_PAGES" in environment:
        given = environment["RECBYHAND_PAGES"]
        return given.rstrip("/") + "/" if given else ""
    found = re.fullmatch(r"https://github\.com/([^/]+)/([^/]+?)(?:\.git)?/?", repository)
    if not found:
        return ""
    owner, name = found[1].lower(), found[2]
    return f"https://{owner}.github.io/" + ("" if name.lower() == f"{owner}.github.io" else f"{name}/")


def fill(text: str, where: str) -> str:
    """The text of a notebook, with the address in its first cell. ValueError if there is no place for it."""
    notebook = json.loads(text)
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    extra = [
        pip for name, pip in EXTRA.items() if re.search(rf"^\s*import {name}\b", "\n".join(code), flags=re.M)
    ]
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and EMPTY in source:
            filled = source.replace(EMPTY, f"PUBLISHED = {json.dumps(where)}", 1)
            filled = filled.replace(ALONE, ALONE[:-1] + "".join(f', "{pip}"' for pip in extra) + ")", 1)
            cell["source"] = filled.splitlines(keepends=True)
            return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    raise ValueError(f"no cell says {EMPTY}: the first cell must be chapters/first_cell.py")


def plainly(text: str, page: str, places: plain.Places) -> str:
    """The text of the notebook of `page`, without MyST, its first cell, claims and solutions folded everywhere."""
    notebook, first = json.loads(text), True
    for number, cell in enumerate(notebook["cells"]):
        source = "".join(cell["source"])
        tags = cell["metadata"].get("tags", [])
        if cell["cell_type"] == "markdown":
            source = plain.markdown(source, page, places)
            if number == 0 and places.site:
                source += f"\n\n[Read this as a page of the book]({places.site}{page}.html)"
        elif cell["cell_type"] == "code":
            if first or {"claim", "solution"} & set(tags):
                cell["metadata"]["jupyter"] = {**cell["metadata"].get("jupyter", {}), "source_hidden": True}
                cell["metadata"]["cellView"] = "form"  # Colab's word for it
            if first:
                source = f"{TITLE}\n{source}"
            first = False
        cell["source"] = source.splitlines(keepends=True)
    # A label alone in its cell leaves nothing.
    notebook["cells"] = [
        c for c in notebook["cells"] if c["cell_type"] != "markdown" or "".join(c["source"]).strip()
    ]
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def notebook(path: Path, places: plain.Places, where: str = "") -> str:
    """The text of a lesson as it is published; without an address `where`, for use in this checkout."""
    text = path.read_text(encoding="utf8")
    page = path.relative_to(ROOT).with_suffix("").as_posix()
    return plainly(fill(text, where) if where else text, page, places)


def write(out: Path, places: plain.Places, where: str = "", keep_changed: bool = False) -> list[Path]:
    """Write every lesson under `out`; with `keep_changed` leave alone what is no longer as it was written."""
    record = out / WRITTEN
    known = json.loads(record.read_text(encoding="utf8")) if keep_changed and record.is_file() else {}
    written = []
    for path in listed():
        name = path.relative_to(ROOT).as_posix()
        target = out / name
        if (
            keep_changed
            and target.is_file()
            and known.get(name) != _digest(target.read_text(encoding="utf8"))
        ):
            continue
        text = notebook(path, places, where)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf8")
        known[name] = _digest(text)
        written.append(target)
    if keep_changed:
        out.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps(known, indent=1), encoding="utf8")
    return written


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repository", nargs="?", help="https address of the git repository")
    parser.add_argument("commit", nargs="?")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--site", help="address of the published pages, if it is not GitHub Pages' usual one")
    parser.add_argument("--lab", type=Path, metavar="DIR", help="copies to work in, in this checkout")
    given = parser.parse_args()
    if given.lab:
        import house

        written = write(given.lab, plain.Places.of_book(site_of(house.repository() or "")), keep_changed=True)
        print(
            f"{len(written)} notebooks written to {given.lab}; those that you have changed stay as they are"
        )
        return
    if not (given.repository and given.commit and given.out):
        parser.error("give repository, commit and --out, or --lab")
    places = plain.Places.of_book(given.site or site_of(given.repository))
    for target in write(given.out, places, address(given.repository, given.commit)):
        print(target)


if __name__ == "__main__":
    main()
