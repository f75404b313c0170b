"""The whole book as files beside its published pages, and a line on the front page that offers them.

    python book/_ext/downloads.py _build/html     # PDF (needs Chromium), EPUB, and one archive to read offline

Only what is published gets them: a build on this machine stays small and quick, and its links all lead somewhere.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import archive
import printed

FOLDER, NAME, FRONT = "downloads", "recommenders-by-hand", "book/index.html"
SAYS = {"pdf": "PDF", "epub": "EPUB", "zip": "these pages as one archive that works without a network"}


def write(site: Path) -> list[Path]:
    """Make the files; the archive first, so that it holds neither itself nor the others."""
    folder = site / FOLDER
    packed = archive.write(site, site.parent / f"{NAME}.zip")
    folder.mkdir(exist_ok=True)
    made = [folder / f"{NAME}.{kind}" for kind in SAYS]
    packed.replace(folder / packed.name)
    printed.epub(site, folder / f"{NAME}.epub", modified=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    printed.pdf(site, folder / f"{NAME}.pdf")
    return made


def offer(site: Path, made: list[Path]) -> None:
    """Name the files at the end of the front page. ValueError if that page has no article."""
    front = site / FRONT
    text = front.read_text(encoding="utf8")
    if "</article>" not in text:
        raise ValueError(f"{front} has no article that could offer anything")
    links = [
        f'<a href="../{path.relative_to(site).as_posix()}" download>{SAYS[path.suffix[1:]]}</a> '
        f"({path.stat().st_size / 2**20:.0f} MB)"
        for path in made
    ]
    line = f'<p class="downloads">The whole book to keep: {", ".join(links)}.</p>'
    front.write_text(text.replace("</article>", f"{line}</article>", 1), encoding="utf8")


if __name__ == "__main__":
    pages = Path(sys.argv[1])
    files = write(pages)
    offer(pages, files)
    print(*files, sep="\n")
