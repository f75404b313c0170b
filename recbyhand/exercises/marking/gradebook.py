"""Put the points and comments of a marked class into nbgrader's gradebook.

    cd course                       # where nbgrader_config.py and gradebook.db are
    nbgrader autograde 04_interest  # makes the submissions known; it runs nothing, see the guide for teachers
    python .../recbyhand/exercises/marking/gradebook.py marks.csv

It runs in nbgrader's environment, which need not be that of the book: neither PyTorch nor the package is asked for. A
point is written as a manual score, which nbgrader's own marks never overwrite; places for words stay open for you.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable
from pathlib import Path


def write(rows: Iterable[dict], gradebook) -> tuple[int, list[str]]:
    """How many marks were written, and what has no place in the gradebook, each once."""
    assignments = {book.name: one.name for one in gradebook.assignments for book in one.notebooks}
    written, lost = 0, {}
    for row in rows:
        notebook, student, exercise = row["notebook"].removesuffix(".ipynb"), row["student"], row["exercise"]
        if not exercise:  # what was handed in is no notebook
            continue
        if notebook not in assignments:
            lost[f"{notebook}: in no assignment; nbgrader generate_assignment makes one"] = None
            continue
        place = (exercise, notebook, assignments[notebook], student)
        try:
            grade, comment = gradebook.find_grade(*place), gradebook.find_comment(*place)
        except Exception as error:  # nbgrader's MissingEntry; whatever it is, the others are written
            if type(error).__name__ != "MissingEntry":
                raise
            lost[f"{student}, {notebook}: {exercise} is not there; nbgrader autograde first"] = None
            continue
        grade.manual_score, grade.needs_manual_grade = float(row["points"]), False
        comment.manual_comment = row["comment"]
        written += 1
    gradebook.db.commit()
    return written, list(lost)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("marks", type=Path, help="what `classroom grade --csv` wrote")
    parser.add_argument(
        "--db", default="sqlite:///gradebook.db", help="nbgrader's database (that of this folder)"
    )
    given = parser.parse_args(arguments)
    from nbgrader.api import Gradebook

    with open(given.marks, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with Gradebook(given.db) as gradebook:
        written, lost = write(rows, gradebook)
    print(f"{written} of {len(rows)} marks are in the gradebook", *lost, sep="\n")
    return int(bool(lost) or not written)


if __name__ == "__main__":
    sys.exit(main())
