"""Chapter 4, DIEN: the source's dates of the two papers."""

from __future__ import annotations

import re

import lessons


def printed_in(year: int, venue: str) -> bool:
    """KDD 2018 and AAAI 2019 are the volumes the two papers are in."""
    return (venue, year) in {("KDD", 2018), ("AAAI", 2019)}


def test_c53_dates_are_those_of_the_papers():
    assert not printed_in(2018, "AAAI"), "the source's date of DIEN"
    bib = (lessons.ROOT / "book" / "references.bib").read_text(encoding="utf8")
    for key, preprint in (("zhou2018", "1706.06978"), ("zhou2019", "1809.03672")):
        entry = bib[bib.index("{" + key + ",") :].split("\n}")[0]
        fields = dict(re.findall(r"(\w+) = \{(.*)\}", entry))
        assert printed_in(int(fields["year"]), fields["booktitle"])
        assert fields["eprint"] == preprint
