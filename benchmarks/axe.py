"""What axe-core finds wrong with the pages: `python -m benchmarks.axe [SITE] [--pages PARTS ...]`.

Every page of the built book (`_build/html`, or the folder given), light and dark, 1280 and 390 px wide, in Chromium,
with every folded cell and listing opened and every figure alive. Writes `benchmarks/results/axe.csv`, after each page:
a row for each page, theme and width with the number of violations and their rules; fails if there is one. `--pages`
looks only at pages whose name holds one of the PARTS; the rows of the others stay as they are. Some twenty seconds for
each page on a quiet core.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
RESULTS = ROOT / "benchmarks" / "results" / "axe.csv"
OPEN = """for (const folded of document.querySelectorAll('details')) folded.open = true;
for (const button of document.querySelectorAll('.unfold')) button.click();"""
HEAD = ["page", "theme", "width", "violations", "rules", "commit"]


def keep(rows: list[list[str]], own: list[str]) -> None:
    """Put the rows of a page in the place of what is known of it, in the order of the pages."""
    kept = []
    if RESULTS.is_file():
        with RESULTS.open(newline="", encoding="utf8") as file:
            kept = [row for row in list(csv.reader(file))[1:] if row[0] in own and row[0] != rows[0][0]]
    with RESULTS.open("w", newline="", encoding="utf8") as file:
        whole = sorted([*kept, *rows], key=lambda row: own.index(row[0]))
        csv.writer(file, lineterminator="\n").writerows([HEAD, *whole])


def main() -> int:
    from browsing import FLAGS, axe_violations, find_chromium, serving
    from playwright.sync_api import sync_playwright

    from benchmarks.widgets import measured_commit

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("site", nargs="?", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument(
        "--pages", nargs="+", default=[""], help="only pages whose name contains one of these"
    )
    given = parser.parse_args()
    made = sorted(p.relative_to(given.site).as_posix() for p in given.site.rglob("*.html"))
    own = [page for page in made if "_static" not in page and page != "index.html"]
    pages = [page for page in own if any(part in page for part in given.pages)]
    commit, violations = measured_commit(), 0
    with serving(given.site) as base, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for page in pages:
            rows = []
            for theme in ("light", "dark"):
                context = browser.new_context(
                    viewport={"width": 1280, "height": 900}, color_scheme=theme, reduced_motion="reduce"
                )
                tab = context.new_page()
                query = "?q=attention" if page == "search.html" else ""
                tab.goto(f"{base}{page}{query}", wait_until="load", timeout=90_000)
                if query:
                    tab.wait_for_selector("#search-results li", timeout=30_000)
                tab.evaluate(OPEN)
                tab.evaluate("dispatchEvent(new Event('rbh-all')) && null")
                for width in (1280, 390):
                    tab.set_viewport_size({"width": width, "height": 844})
                    tab.wait_for_timeout(300)
                    found = axe_violations(tab)
                    rules = " ".join(sorted({one.split(" ")[0] for one in found}))
                    rows.append([page, theme, str(width), str(len(found)), rules, commit])
                    violations += len(found)
                    for one in found:
                        print(f"{page} {theme} {width}: {one[:600]}", flush=True)
                context.close()
            keep(rows, own)
        browser.close()
    print(f"{len(pages)} pages, {violations} violations")
    return int(violations > 0)


if __name__ == "__main__":
    sys.exit(main())
