"""The built book as one file: unpack it, open `index.html`, no server and no network needed (`make offline`).

python book/_ext/archive.py _build/html _build/recommenders-by-hand.zip
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

FOLDER = "recommenders-by-hand"
SKIP = {".buildinfo", "objects.inv"}


def write(site: Path, out: Path) -> Path:
    """Pack the pages under `site` into `out`; the same pages give the same bytes."""
    if not (site / "index.html").is_file():
        raise FileNotFoundError(f"no book at {site}: run `make book` first")
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path in sorted(p for p in site.rglob("*") if p.is_file() and p.name not in SKIP):
            entry = zipfile.ZipInfo(f"{FOLDER}/{path.relative_to(site).as_posix()}", (2000, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=9)
    return out


if __name__ == "__main__":
    made = write(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"{made} ({made.stat().st_size / 2**20:.1f} MB): unpack it and open {FOLDER}/index.html")
