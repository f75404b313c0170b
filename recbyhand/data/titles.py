"""Made-up film titles, so that the tables of a generated world read like real ones."""

from __future__ import annotations

import numpy as np

_ADJECTIVES = """
Amber Ashen Borrowed Brass Broken Careful Cobalt Copper Crooked Distant Drifting Early Echoing
Faded Feathered Floating Forgotten Frosted Gentle Gilded Hidden Hollow Idle Indigo Ivory Jagged Late Lonely
Lucky Marble Mended Midnight Misty Narrow Nervous Northern Numbered Painted Paper Patient Plain Quiet Restless
Rusted Salted Scarlet Second Silent Sleeping Slender Southern Spare Stolen Tangled Tidal Timid Unfinished
Velvet Wandering Whispering Winter""".split()
_NOUNS = """
Accordion Almanac Anchor Aqueduct Archive Atlas Balcony Barometer Bicycle Boathouse Bridge Carousel
Cartographer Chandelier Clockmaker Compass Corridor Courtyard Envelope Ferry Fountain Gardener Glacier Granary
Harbour Hourglass Inkwell Island Kettle Kingfisher Ladder Lantern Lighthouse Locksmith Meadow Mirror Monsoon
Observatory Orchard Parade Pavilion Piano Postcard Quarry Railway Regatta Reservoir Sandcastle Scarecrow
Signal Sparrow Staircase Station Telegram Thicket Timetable Trellis Umbrella Viaduct Vineyard Weathervane
Windmill""".split()
_PLACES = (
    """
Aldermoor, Bellmarsh, Calderwick, Dunmere, Eastfold, Fernhollow, Greywater, Hazelport, Inverlane,
Juniper Bay, Kestrel Point, Larkhaven, Merrowdale, Northgate, Oakenshaw, Pebble Cove, Quillfield, Ravensby,
Saltmarsh, Thornbury Cross, Underhill, Vesper Hill, Westerlea, Yarrowby""".strip()
    .replace("\n", " ")
    .split(", ")
)
_PATTERNS = (
    ("The {0} {1}", _ADJECTIVES, _NOUNS),
    ("Return to {0} {1}", _ADJECTIVES, _NOUNS),
    ("The {0} of {1}", _NOUNS, _PLACES),
    ("{0} {1}", _ADJECTIVES, _PLACES),
    ("No {0} in {1}", _NOUNS, _PLACES),
)
_SIZES = np.array([len(first) * len(second) for _, first, second in _PATTERNS])


def titles(n: int, rng: np.random.Generator) -> list[str]:
    """`n` different titles in random order; beyond some 13,000 they get a part number."""
    limit = int(_SIZES.sum())
    return [
        _title(int(k)) if n <= limit else f"{_title(int(k) % limit)} {int(k) // limit + 1}"
        for k in rng.permutation(max(n, limit))[:n]
    ]


def _title(k: int) -> str:
    """Title number `k` in the list of all pairs of all patterns."""
    which = int(np.searchsorted(_SIZES.cumsum(), k, side="right"))
    pattern, first, second = _PATTERNS[which]
    k -= int(_SIZES[:which].sum())
    return pattern.format(first[k // len(second)], second[k % len(second)])
