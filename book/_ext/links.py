"""Check the links of the built book.

    python book/_ext/links.py _build/html               # every link inside the book leads to a page and a place
    python book/_ext/links.py _build/html --elsewhere   # links to other hosts are asked, too (needs a network)

A host that refuses robots or is down for an hour says nothing about the book: of other hosts only 404, 410 and a name
that does not exist are faults.
"""

from __future__ import annotations

import argparse
import re
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from urllib.parse import unquote

HREF = re.compile(r"<a\b[^>]*?\bhref=[\"']([^\"']*)[\"']")
ID = re.compile(r"\b(?:id|name)=[\"']([^\"']+)[\"']")
AGENT = {"User-Agent": "Mozilla/5.0 (link check of a book)"}


def inside(site: Path) -> tuple[list[str], set[str]]:
    """Faults of links inside the book, and the addresses elsewhere."""
    pages = {p: p.read_text(encoding="utf8") for p in site.rglob("*.html") if "_static" not in p.parts}
    ids = {page.resolve(): {unescape(i) for i in ID.findall(text)} for page, text in pages.items()}
    faults, elsewhere = [], set()
    for page, text in pages.items():
        if page.name == "404.html":  # its links are those of the published root
            continue
        for href in {unescape(h) for h in HREF.findall(text)}:
            if re.match(r"https?:", href):
                elsewhere.add(href)
            elif not re.match(r"[a-z][a-z0-9+.-]*:", href):
                file, _, anchor = href.partition("#")
                target = (page.parent / unquote(file.partition("?")[0])).resolve() if file else page.resolve()
                if not target.is_file():
                    faults.append(f"{page.relative_to(site)}: {href} is no file")
                elif anchor and target in ids and unquote(anchor) not in ids[target]:
                    faults.append(f"{page.relative_to(site)}: {href} has no such place")
    return sorted(faults), elsewhere


def ask(address: str) -> str:
    """What is wrong with an address elsewhere; empty if nothing is known to be."""
    for _ in range(2):
        try:
            request = urllib.request.Request(address.partition("#")[0], headers=AGENT)
            with urllib.request.urlopen(request, timeout=20):
                return ""
        except urllib.error.HTTPError as error:
            return f"{address}: {error.code}" if error.code in {404, 410} else ""
        except urllib.error.URLError as error:
            if "Name or service not known" in str(error):
                return f"{address}: no such host"
        except OSError:
            pass
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("site", type=Path)
    parser.add_argument("--elsewhere", action="store_true")
    given = parser.parse_args()
    faults, elsewhere = inside(given.site)
    if given.elsewhere:
        with ThreadPoolExecutor(8) as pool:
            faults += [fault for fault in pool.map(ask, sorted(elsewhere)) if fault]
    print(*faults, f"{len(faults)} faults; {len(elsewhere)} addresses elsewhere", sep="\n")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
