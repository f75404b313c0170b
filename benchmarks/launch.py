"""What a published notebook's first cell takes where the package must be installed: benchmarks/results/launch.csv.

Each row is a new environment with Colab's kind of packages and a clone of this repository in place of its address (see
`tests/book/test_launch.py`), so what a network takes is in it only for the few small packages that are missing there.
`first_cell_cpu_s` are processor seconds of the kernel and of pip; the clock is printed, not kept, for other programs on
the machine move it. The book must be built: the lesson that runs quickest there is the one taken here.

    python -m benchmarks.launch      # three times, some minutes
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks._recording import MACHINE, ROOT, keep

sys.path.insert(0, str(ROOT / "book" / "_ext"))  # as tests/conftest.py does

from tests.book import test_launch


def main(runs: int = 3) -> None:
    lesson, rows = test_launch._quickest(), []
    for run in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(
                {"run": run, "lesson": lesson.stem} | test_launch.launched(lesson, Path(folder)) | MACHINE
            )
            print(rows[-1], flush=True)
            del rows[-1]["first_cell_s"]
    keep("launch", rows, by=("run",))


if __name__ == "__main__":
    main()
