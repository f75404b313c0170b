"""The built book, for tests that look at it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from browsing import serving

from .paths import SITE


@pytest.fixture(scope="session")
def site() -> Path:
    if not (SITE / "index.html").is_file():
        message = "the book is not built: run `make book` first (`make test` does)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return SITE


@pytest.fixture(scope="session")
def served(site):
    with serving(site) as base:
        yield base
