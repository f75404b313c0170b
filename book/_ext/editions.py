"""Editions of the book, from one source: the cells with their solutions.

    make book                    # solutions folded under each exercise
    make book EDITION=class      # without any solution, in _build/class
    make book EDITION=teacher    # solutions open, in _build/teacher

In a lesson's notebook every exercise is a stub (tag `exercise`) and a solution (tag `solution`). This module takes the
solutions out, or unfolds them, before Sphinx reads a page, so that nothing made from the page can hold them: text,
search index, downloads. `tests/book/test_editions.py` searches the built files for every solution.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

EDITIONS = ("", "class", "teacher")
ROOT = Path(__file__).resolve().parents[2]


def edition() -> str:
    """The edition being built: RECBYHAND_EDITION. ValueError if there is none of that name."""
    name = os.environ.get("RECBYHAND_EDITION", "")
    if name not in EDITIONS:
        raise ValueError(f"no edition {name!r}: choose from {', '.join(filter(None, EDITIONS))}, or none")
    return name


def edited(text: str, name: str | None = None) -> str:
    """The text of a notebook as this edition shows it."""
    name = edition() if name is None else name
    if not name:
        return text
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        tags = cell["metadata"].get("tags", [])
        if "solution" in tags and name == "teacher":
            cell["metadata"]["tags"] = [tag for tag in tags if not tag.startswith("hide-")]
    if name == "class":
        notebook["cells"] = [c for c in notebook["cells"] if "solution" not in c["metadata"].get("tags", [])]
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def practice_stamp(path: Path) -> str:
    """Changes when the practice of a lesson, or the way practices are shown, changes: its page is then made anew."""
    folder = ROOT / "recbyhand" / "exercises"
    files = [folder / path.parent.name.partition("_")[2] / f"{path.stem}.toml", *folder.glob("practices.*")]
    digest = hashlib.sha256(edition().encode())
    for file in sorted(file for file in files if file.is_file()):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _read(app, docname: str, source: list[str]) -> None:
    """After house.py has put the outputs in."""
    if app.env.doc2path(docname).endswith(".ipynb"):
        source[0] = edited(source[0])


def _outdated(app, env, added, changed, removed) -> list[str]:
    known, stale = env.__dict__.setdefault("practice_stamps", {}), []
    for docname in env.found_docs:
        path = Path(env.doc2path(docname))
        now = practice_stamp(path) if path.suffix == ".ipynb" else ""
        if known.get(docname, now) != now:
            stale.append(docname)
        known[docname] = now
    return stale


def _forget_words(app, env, docnames: list[str]) -> None:
    """Sphinx goes on with the last search index, and keeps each word that was ever in it. Not here."""
    if len(docnames) >= len(env.found_docs):
        (Path(app.outdir) / "searchindex.js").unlink(missing_ok=True)


def _downloads(app, exception) -> None:
    """Sphinx copies a page's source as it lies on the disc; what readers of this edition download is edited, too."""
    if exception or not edition():
        return
    for path in (Path(app.outdir) / "_sources").rglob("*.ipynb"):
        path.write_text(edited(path.read_text(encoding="utf8")), encoding="utf8")


def _seen(app, config) -> None:
    config.house_edition = edition()


# Practices in another language: their texts are in TOML files, which Sphinx does not read. ----------------------


def template() -> str:
    """What there is to translate in all practices, as a gettext template."""
    from io import BytesIO

    from babel.messages.catalog import Catalog
    from babel.messages.pofile import write_po

    from recbyhand.exercises import practices

    catalog = Catalog(project="recbyhand", charset="utf-8")
    for words in (practices.HEADS, practices.WORDS, practices.MORE):
        for text in words.values():
            catalog.add(text, locations=[("recbyhand/exercises/practices.py", 1)])
    for path in practices.files():
        for text in practices.texts(practices.read(path)):
            catalog.add(text, locations=[(path.relative_to(ROOT).as_posix(), 1)])
    out = BytesIO()
    write_po(out, catalog, width=110, omit_header=True)
    return out.getvalue().decode()


def _language(app) -> None:
    """`practice.mo` in the book's locale directories, as for the pages (`make gettext`, sphinx-intl)."""
    import gettext

    import lessons

    for folder in app.config.locale_dirs if (app.config.language or "en") != "en" else ():
        found = gettext.translation(
            "practice", str(Path(app.confdir) / folder), [app.config.language], fallback=True
        )
        lessons.say = found.gettext


# Places and addresses, for the guide ----------------------------------------------------------------------------


def hub_link(repository: str, hub: str = "https://hub.example.org") -> str:
    """An nbgitpuller link: opens this repository's lessons on a JupyterHub, and brings news without losing answers."""
    from urllib.parse import quote

    name = repository.rstrip("/").rpartition("/")[2]
    return (
        f"{hub}/hub/user-redirect/git-pull?repo={quote(repository, safe='')}"
        f"&urlpath={quote(f'lab/tree/{name}/chapters', safe='')}"
    )


def setup(app):
    app.add_config_value("house_edition", "", "env")
    app.connect("builder-inited", _language)
    app.connect("config-inited", _seen, priority=901)
    app.connect("source-read", _read, priority=600)
    app.connect("env-get-outdated", _outdated)
    app.connect("env-before-read-docs", _forget_words)
    app.connect("build-finished", _downloads, priority=800)
    app.add_css_file("progress.css")
    app.add_js_file("progress.js", loading_method="defer")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(template(), encoding="utf8")
