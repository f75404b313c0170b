"""Build the book: run what must be run, write the pages, say where they are.

python book/build.py                                   # _build/html/index.html
python book/build.py --only 01_mlp/features --out draft   # one lesson's outputs, in a folder of its own
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

EXT = Path(__file__).resolve().parent / "_ext"
sys.path.insert(0, str(EXT))
import editions  # noqa: E402  (they live there)
import leaks  # noqa: E402
import lessons  # noqa: E402


def build(out: Path, only: str = "") -> int:
    """Write the book to `out/_build/html`; 0 if there was no warning."""
    from filelock import FileLock

    lessons.set_environment()
    os.environ["RECBYHAND_ONLY"] = only
    made = out / "_build"
    made.mkdir(parents=True, exist_ok=True)
    with FileLock(made / ".lock"):
        print("Lessons:", flush=True)
        if not lessons.run_all(
            [path for path in lessons.listed() if only in path.with_suffix("").as_posix()]
        ):
            return 1
        # lessons first: see its first lines
        start = "import lessons; from jupyter_book.cli.main import main; main()"
        tool = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(EXT)!r}); {start}"]
        place = ["build", str(lessons.ROOT), "--path-output", str(out)]
        status = subprocess.run([*tool, *place, "-W", "-n", "--keep-going", "-q"]).returncode
        if status:  # a warning is told once, by the build that reads the page; forget the pages, so that it stays told
            shutil.rmtree(made / ".doctrees", ignore_errors=True)
    if (
        not status and not only and editions.edition() == "class"
    ):  # a class must find no solution, wherever it looks
        status = leaks.main([str(made / "html")])
    return status


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="run only lessons whose path contains this")
    parser.add_argument("--out", type=Path, default=lessons.ROOT, help="folder that gets _build/html")
    given = parser.parse_args()
    begun = time.perf_counter()
    status = build(given.out.resolve(), given.only)
    seconds = time.perf_counter() - begun
    page = given.out.resolve() / "_build" / "html" / "index.html"
    print(
        f"\nThe book is at {page}" if not status else "\nThe book was NOT built: see above",
        f"({seconds:.0f} s)",
    )
    return int(bool(status))


if __name__ == "__main__":
    sys.exit(main())
