"""Seconds that marking a submission takes, for a simulated class: writes benchmarks/results/classroom.csv.

    python -m benchmarks.classroom [NAME ...]

Each row is a student of tests/exercises/simulated_class.py: the points it got and was due, seconds by the clock on a
machine that does other things too, CPU seconds of the student's process, and which walls stood. Limits are small ones
(2 CPU seconds a cell, 6 a notebook, 500 MB), so that endless loops do not decide about the table.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from pathlib import Path

import pandas as pd
import torch

from benchmarks._recording import RESULTS, commit
from recbyhand.exercises import classroom
from recbyhand.exercises.marking.examiner import Rules
from tests.exercises import simulated_class

if __name__ == "__main__":
    students = [s for s in simulated_class.STUDENTS if s.name in sys.argv[1:] or not sys.argv[1:]]
    rules = Rules(cell=2, call=2, cpu=6, wall=900, memory=500, seed=5)
    with tempfile.TemporaryDirectory() as folder:
        simulated_class.hand_in(Path(folder), students)
        marks, walls, summaries = classroom.grade([Path(folder)], rules, jobs=1)
    by_name = {one["student"]: one for one in summaries}
    rows = [
        {
            "student": student.name,
            "kind": student.kind,
            "points": sum(mark["points"] for mark in by_name[student.name]["marks"].values()),
            "due": sum(student.points.values()),
            "seconds": round(by_name[student.name]["seconds"], 2),
            "cpu_seconds": round(by_name[student.name]["cpu"], 2),
            "walls": " ".join(name for name, stands in walls.items() if stands),
            "machine": f"{os.cpu_count()} {platform.machine()} cores, shared",
            "torch": torch.__version__,
            "commit": commit("recbyhand/exercises", "tests/exercises"),
        }
        for student in students
    ]
    pd.DataFrame(rows).to_csv(RESULTS / "classroom.csv", index=False)
    print(pd.DataFrame(rows).groupby("kind")[["seconds", "cpu_seconds"]].describe().T)
    faults = simulated_class.faults(students, marks)
    print("\n".join(faults) or f"all {len(students)} got what was due")
    sys.exit(bool(faults))
