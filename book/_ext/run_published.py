"""Run published notebooks, one after the other, in the environment of this Python; write down which broke.

    python book/_ext/run_published.py NOTEBOOKS --report broken.md

The weekly workflow calls it in an environment like Colab's. It needs nothing of this repository: each notebook's first
cell installs the package. Exit status 1 if one broke.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path


def run(path: Path) -> str:
    """The error that a notebook ended with; empty if it ran."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    try:
        client.execute()
    except Exception as error:
        return re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    return ""


def report(broken: dict[str, str], ran: int) -> str:
    """The text of the issue."""
    lines = [f"{len(broken)} of {ran} published notebooks no longer run with current versions.", ""]
    for name, error in broken.items():
        lines += [
            f"<details><summary><code>{name}</code></summary>",
            "",
            "```",
            error[-3000:].replace("```", "'''"),
        ]
        lines += ["```", "", "</details>", ""]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--report", type=Path, required=True)
    given = parser.parse_args()
    paths = sorted(p for p in given.folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
    broken = {}
    for path in paths:
        begun, error = time.perf_counter(), run(path)
        name = path.relative_to(given.folder).as_posix()
        print(f"{name:<50} {time.perf_counter() - begun:6.1f} s {'BROKE' if error else 'ran'}", flush=True)
        if error:
            broken[name] = error
    if broken or not paths:
        given.report.write_text(report(broken, len(paths)), encoding="utf8")
    return int(bool(broken) or not paths)


if __name__ == "__main__":
    sys.exit(main())
