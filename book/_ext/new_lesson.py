"""Write a lesson that passes all tests and says nothing yet: `make new-lesson L=05_transformer/bst`.

Four files from `book/skeleton/`, and one line in `_toc.yml`. Then put your lesson in their place: `CONTRIBUTING.md`.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SKELETON = ROOT / "book" / "skeleton"


def filled(file: str, name: str) -> str:
    """A file of the skeleton with the lesson's name in it: in ids, in functions, in the title."""
    text = (SKELETON / file).read_text(encoding="utf8")
    text = re.sub(r"skeleton(?=_\d)", name, text)
    return text.replace("skeleton", name.replace("_", "-")).replace(
        "Skeleton", name.replace("_", " ").capitalize()
    )


def listed(toc: str, folder: str, name: str) -> str:
    """The table of contents with the lesson at the end of its chapter. ValueError if there is no such chapter."""
    lines = toc.splitlines()
    if f"      - file: chapters/{folder}/index" not in lines:
        raise ValueError(
            f"_toc.yml has no chapter chapters/{folder}/index: write chapters/{folder}/index.md (see another "
            f"chapter's), and add `- file: chapters/{folder}/index` to _toc.yml"
        )
    at = lines.index(f"      - file: chapters/{folder}/index") + 1
    new = [] if lines[at : at + 1] == ["        sections:"] else ["        sections:"]
    while at < len(lines) and lines[at].startswith("        "):
        at += 1
    lines[at:at] = [*new, f"          - file: chapters/{folder}/{name}"]
    return "\n".join(lines) + "\n"


def write(root: Path, lesson: str) -> list[Path]:
    """The files of a new lesson, written. ValueError says what stands in the way; then nothing is written."""
    import jupytext

    if not re.fullmatch(r"\d\d_[a-z][a-z_]*/[a-z][a-z0-9_]*", lesson):
        raise ValueError(f"L={lesson}: give the chapter's folder and a name, as in L=05_transformer/bst")
    folder, name = lesson.split("/")
    chapter = folder.partition("_")[2]
    files = {
        root / "chapters" / folder / f"{name}.ipynb": "",
        root / "recbyhand" / "exercises" / chapter / f"{name}.py": filled("exercises.py", name),
        root / "recbyhand" / "exercises" / chapter / f"{name}.toml": filled("practice.toml", name),
        root / "tests" / "exercises" / "wrong_answers" / chapter / f"{name}.py": filled(
            "wrong_answers.py", name
        ),
    }
    if there := [file for file in files if file.exists()]:
        raise ValueError(f"{there[0].relative_to(root)} is there already; give the lesson another name")
    notebook = jupytext.reads(filled("lesson.py", name), fmt="py:percent")
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for cell in notebook.cells:  # a practice is called as its file is, with underscores
        cell.source = cell.source.replace(
            f'rbh.practice("{name.replace("_", "-")}")', f'rbh.practice("{name}")'
        )
    notebook.cells[1].source = (root / "chapters" / "first_cell.py").read_text(encoding="utf8").strip()
    files[root / "chapters" / folder / f"{name}.ipynb"] = jupytext.writes(notebook, fmt="ipynb")
    package = root / "recbyhand" / "exercises" / chapter / "__init__.py"
    if not package.exists():
        files[package] = f'"""Checks of the chapter {chapter}: a module per lesson."""\n'
    toc = root / "_toc.yml"
    files[toc] = listed(toc.read_text(encoding="utf8"), folder, name)
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf8")
    return list(files)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lesson", help="chapter and name, as in 05_transformer/bst")
    lesson = parser.parse_args().lesson
    try:
        written = write(ROOT, lesson)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    for file in written:
        print(file.relative_to(ROOT))
    name = lesson.partition("/")[2]
    either = " or ".join(dict.fromkeys([name, name.replace("_", "-"), "agree", "lint"]))
    print(f"""
Now put your lesson in its place: CONTRIBUTING.md, *A lesson* and *An exercise*, says what goes where. To look at it:

    make lesson L={lesson}
    .venv/bin/python -m pytest tests/book tests/exercises -k "{either}"

Then `make book`, and the tests that CONTRIBUTING.md names, without -k: those of the page wait for the book.""")
    return 0


if __name__ == "__main__":
    sys.exit(main())
