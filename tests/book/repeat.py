"""Build the book twice from nothing and compare: the pages must be the same but for timings (`make test-repeat`)."""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
import sys

from bs4 import BeautifulSoup
from paths import ROOT

TIMES = {"seconds", "time", "s", "s/epoch", "ms", "wall", "duration"}  # columns of tables that hold timings
TIMED = re.compile(r"\d[\d.,]*\s*(?:s|ms|µs|us|seconds?|minutes?|rows/s|it/s|MB)\b")
NAMED_AT_RANDOM = re.compile(
    r"\b(?:[0-9a-f]{32}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})\b|\bT_[0-9a-f]{5}(?=_|\b)"
)


def steady(html: str) -> list[str]:
    """The page as lines of text and attributes, timings and random names left out."""
    soup = BeautifulSoup(html, "html.parser")
    for table in soup.find_all("table"):
        head = [
            cell.get_text().strip().lower() for cell in (table.find("tr") or table).find_all(["th", "td"])
        ]
        for row in table.find_all("tr")[1:]:
            cells = row.find_all(["th", "td"])
            for name, cell in zip(head, cells, strict=False):
                if name in TIMES or name.rpartition(", ")[2] in TIMES:  # "FM, ms"
                    cell.string = "(time)"
    return NAMED_AT_RANDOM.sub("(name)", TIMED.sub("(time)", str(soup))).splitlines()


def main() -> int:
    sites = []
    for number in (1, 2):
        out = ROOT / "_build" / "repeat" / str(number)
        shutil.rmtree(out, ignore_errors=True)
        environment = {**os.environ, "RECBYHAND_KEPT": str(out / "kept")}
        command = [sys.executable, str(ROOT / "book" / "build.py"), "--out", str(out)]
        subprocess.run(command, env=environment, check=True)
        sites.append(out / "_build" / "html")
    pages = [sorted(p.relative_to(site).as_posix() for p in site.rglob("*.html")) for site in sites]
    if pages[0] != pages[1]:
        print("different pages:", set(pages[0]) ^ set(pages[1]))
        return 1
    bad = 0
    for page in pages[0]:
        one, two = (steady((site / page).read_text(encoding="utf8")) for site in sites)
        changes = list(difflib.unified_diff(one, two, "first", "second", n=0, lineterm=""))
        if changes:
            bad += 1
            print(f"\n{page} differs:", *[line[:300] for line in changes[:20]], sep="\n  ")
    print(f"\n{len(pages[0])} pages, {bad} differ")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
