"""Make the font that prints the book's Chinese words: `python book/_ext/vendor/chinese.py DroidSansFallbackFull.ttf`.

The font is Droid Sans Fallback (Debian's package fonts-droid-fallback, 1:6.0.1r16), Copyright 2006-2010 Google Corp.,
under the Apache License 2.0, reduced to the signs that the sources of the book use. Only the PDF needs it: a browser or
a reader of EPUBs has a font of its own.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FONT = HERE / "chinese.woff2"
SIGNS = r"[\u3000-\u9fff\uff00-\uffef]"


def needed() -> set[str]:
    """Every Chinese sign in the pages, lessons and tables."""
    root = HERE.parents[2]
    sources = [
        *root.glob("book/*.md"),
        *root.glob("book/*.csv"),
        *root.glob("book/*.ipynb"),
        *root.glob("chapters/*/*.*"),
    ]
    return {sign for path in sources for sign in re.findall(SIGNS, path.read_text(encoding="utf8"))}


def main() -> None:
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    options = Options()
    options.flavor, options.layout_features = "woff2", []
    font = TTFont(sys.argv[1])
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=sorted(map(ord, needed())))
    subsetter.subset(font)
    font.flavor = "woff2"
    font.save(FONT)


if __name__ == "__main__":
    main()
