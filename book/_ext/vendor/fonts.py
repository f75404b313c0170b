"""Make the book's fonts anew: python book/_ext/vendor/fonts.py FOLDER, where FOLDER holds the unpacked npm packages
@fontsource-variable/{source-sans-3,source-serif-4,source-code-pro} (npm pack, then tar xzf ... -C NAME).

Only Latin, the weights that the style sheet uses, and no hints: what is left out comes from the reader's own fonts.
The licence reserves the name "Source" for Adobe's own files, so what is cut down here is called "Hand".
"""

import io
import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.varLib.instancer import instantiateVariableFont

OUT = Path(__file__).resolve().parents[2] / "_static" / "fonts"
KEPT = (
    "U+0020-007E,U+00A0-00FF,U+0131,U+0152-0153,U+02C6,U+02DA,U+02DC,U+2010-2015,U+2018-201E,U+2020-2022,U+2026,U+2030,"
    "U+2032-2033,U+2039-203A,U+2044,U+20AC,U+2122,U+2190-2193,U+2212,U+2215,U+2248,U+2260,U+2264-2265"
)
FONTS = {  # file: (package, style, axes, features)
    "hand-sans": ("source-sans-3", "normal", {"wght": (400, 700)}, ["kern", "tnum", "mark", "ccmp"]),
    "hand-sans-italic": ("source-sans-3", "italic", {"wght": 400}, ["kern", "mark", "ccmp"]),
    "hand-serif": ("source-serif-4", "normal", {"wght": 600}, ["kern", "mark", "ccmp"]),
    "hand-code": ("source-code-pro", "normal", {"wght": (400, 600)}, []),
}


def main() -> None:
    OUT.mkdir(exist_ok=True)
    for name, (package, style, axes, features) in FONTS.items():
        (path,) = Path(sys.argv[1]).rglob(f"{package}-latin-wght-{style}.woff2")
        whole = io.BytesIO()
        font = instantiateVariableFont(TTFont(path), axes)
        font.flavor = None
        font.save(whole)
        whole.seek(0)
        font, options = TTFont(whole), subset.Options()
        options.flavor, options.hinting, options.layout_features = "woff2", False, features
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=subset.parse_unicodes(KEPT))
        subsetter.subset(font)
        own = " ".join(word.capitalize() for word in name.split("-"))
        for record in font["name"].names:  # all but copyright and licence
            if record.nameID in (1, 3, 4, 6, 16):
                record.string = own.replace(" ", "") if record.nameID == 6 else own
        font.flavor = "woff2"
        font.save(OUT / f"{name}.woff2")
        print(f"{name}: {(OUT / f'{name}.woff2').stat().st_size / 1024:.1f} KB")


if __name__ == "__main__":
    main()
