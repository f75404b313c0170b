"""Write the lessons as notebooks that work anywhere: each first cell then knows where this very version lives.

    python book/_ext/publish.py https://github.com/OWNER/REPO COMMIT --out DIR

The publishing workflow calls it with the repository it runs in, and pushes DIR to the branch that Colab opens.
Nothing in the sources names a repository, so a fork publishes its own without an edit.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from lessons import ROOT, listed

EMPTY = 'PUBLISHED = ""'


def address(repository: str, commit: str) -> str:
    """What pip installs: the package at one commit of a git repository."""
    return f"git+{repository.removesuffix('/').removesuffix('.git')}@{commit}"


def fill(text: str, where: str) -> str:
    """The text of a notebook, with the address in its first cell. ValueError if there is no place for it."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and EMPTY in source:
            filled = source.replace(EMPTY, f"PUBLISHED = {json.dumps(where)}", 1)
            cell["source"] = filled.splitlines(keepends=True)
            return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    raise ValueError(f"no cell says {EMPTY}: the first cell must be chapters/first_cell.py")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repository", help="https address of the git repository")
    parser.add_argument("commit")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    for path in listed():
        target = given.out / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        where = address(given.repository, given.commit)
        target.write_text(fill(path.read_text(encoding="utf8"), where), encoding="utf8")
        print(target)


if __name__ == "__main__":
    main()
