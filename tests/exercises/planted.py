"""Finds the planted wrong answers: one file per lesson in wrong_answers/, each with a list `WRONG`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "wrong_answers"


class lazily(NamedTuple):
    """An answer that is built only when its test runs."""

    build: Any


class Planted(NamedTuple):
    name: str
    mistake: str
    answer: Any
    hint: str
    file: str = ""  # where it is planted

    def build(self) -> Any:
        return self.answer.build() if isinstance(self.answer, lazily) else self.answer


def planted(folder: Path = FOLDER) -> list[Planted]:
    rows = []
    for path in sorted(folder.rglob("[a-z]*.py")):
        spec = importlib.util.spec_from_file_location(f"wrong_answers_{path.parent.name}_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        file = f"tests/exercises/wrong_answers/{path.relative_to(folder).as_posix()}"
        rows += [Planted(*row, file) for row in module.WRONG]
    return rows
