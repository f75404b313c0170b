"""For all tests: the data's place, one browser, and a loud word when there was none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import lessons  # noqa: E402  (it lives there)
from browsing import FLAGS, find_chromium, no_browser  # noqa: E402

lessons.set_environment()


@pytest.fixture(scope="session")
def browser():
    """The one browser of this run (Playwright allows no second one in a thread)."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        no_browser("the package playwright is missing")
    if not (path := find_chromium()):
        no_browser("no Chromium found")
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter):
    skipped = terminalreporter.stats.get("skipped", [])
    silent = [report for report in skipped if "NO BROWSER" in str(report.longrepr)]
    if silent:
        terminalreporter.write_sep(
            "!", f"NO BROWSER: {len(silent)} tests of pages and widgets did not run", red=True
        )
