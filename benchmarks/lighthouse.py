"""How fast and how sound each page is, by Lighthouse, as on a telephone: `python -m benchmarks.lighthouse`.

Lighthouse is no part of this environment: install it with npm anywhere (`npm install lighthouse@12`) and name its
program by `--lighthouse` or by the variable LIGHTHOUSE; it drives the Chromium that is installed. The built book is
served compressed on this machine. Each page is visited an odd number of times (three) by a browser without a past; the
median counts. Writes `benchmarks/results/lighthouse.csv`, scores from 0 to 100, and fails where a page scores below 95
for performance or below 100 for anything else. Other work on the machine makes a page look slow: run it when there is
none. With `--only` the other rows of the table stay.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
RESULTS = ROOT / "benchmarks" / "results" / "lighthouse.csv"
SCORES = ("performance", "accessibility", "best-practices", "seo")
LEAST = {"performance": 95, "accessibility": 100, "best-practices": 100, "seo": 100}
FLAGS = "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage"


def visit(program: str, address: str) -> dict[str, float]:
    """Scores of one visit (0 to 100), the shift of the layout, kilobytes and elements."""
    command = [program, address, "--quiet", "--output=json", f"--chrome-flags={FLAGS}"]
    command.append(f"--only-categories={','.join(SCORES)}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"lighthouse on {address}: five minutes went by; what else runs here?") from None
    if done.returncode:
        raise RuntimeError(f"lighthouse on {address}: {done.stderr[-2000:]}")
    found = json.loads(done.stdout)
    row = {name: round(100 * (found["categories"][name]["score"] or 0)) for name in SCORES}
    audits = found["audits"]
    row["cls"] = round(audits["cumulative-layout-shift"]["numericValue"], 3)
    row["kb"] = round(audits["total-byte-weight"]["numericValue"] / 1024)
    row["lcp_s"] = round(audits["largest-contentful-paint"]["numericValue"] / 1000, 2)
    row["tbt_ms"] = round(audits["total-blocking-time"]["numericValue"])
    wrong = [
        name
        for name, audit in audits.items()
        if audit.get("score") == 0 and audit["scoreDisplayMode"] == "binary"
    ]
    print("  ", row, *wrong, flush=True)
    return row


def main() -> int:
    from browsing import find_chromium, serving

    from benchmarks._recording import commit

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--lighthouse", default=os.environ.get("LIGHTHOUSE") or shutil.which("lighthouse"))
    parser.add_argument("--only", nargs="*", default=[""], help="pages whose names contain one of these")
    parser.add_argument("--visits", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    if not given.lighthouse:
        parser.error("no Lighthouse found: npm install lighthouse@12, then --lighthouse PATH")
    os.environ.setdefault("CHROME_PATH", find_chromium() or "")
    pages = sorted(
        p.relative_to(given.site).as_posix() for p in given.site.rglob("*.html") if "_static" not in p.parts
    )
    pages = [
        page
        for page in pages
        if page not in {"index.html", "404.html"} and any(o in page for o in given.only)
    ]
    rows = {}
    if given.only != [""] and given.out.is_file():
        with open(given.out, newline="", encoding="utf8") as file:
            rows = {row["page"]: row for row in csv.DictReader(file)}
    measured = (*SCORES, "cls", "kb", "lcp_s", "tbt_ms")
    of = commit("book", "chapters", "recbyhand/widgets")
    with serving(given.site) as base:
        for page in pages:
            print(page, flush=True)
            seen = [visit(given.lighthouse, base + page) for _ in range(given.visits)]
            medians = {name: statistics.median(one[name] for one in seen) for name in measured}
            rows[page] = {"page": page} | medians | {"commit": of}
            given.out.parent.mkdir(parents=True, exist_ok=True)
            with open(given.out, "w", newline="", encoding="utf8") as file:
                writer = csv.DictWriter(file, ("page", *measured, "commit"))
                writer.writeheader()
                writer.writerows(rows[name] for name in sorted(rows))
    short = [page for page in pages if any(rows[page][name] < least for name, least in LEAST.items())]
    print(f"{len(pages)} pages, {len(short)} short of the aim:", *short, sep="\n  ")
    return int(bool(short))


if __name__ == "__main__":
    sys.exit(main())
