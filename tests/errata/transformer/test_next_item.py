"""Chapter 5, the next item: what the source says of BERT fails where ours holds."""

from __future__ import annotations

import re

import lessons

from recbyhand.layers import TransformerEncoder
from tests.errata import fails


def told() -> str:
    cells = lessons.read(lessons.ROOT / "chapters" / "05_transformer" / "next_item.ipynb").cells
    return " ".join(" ".join(cell.source.split()) for cell in cells if cell.cell_type == "markdown")


def millions(layers: int, dim: int) -> float:
    """Numbers of BERT's encoder, its 30,522 words and its 512 positions."""
    encoder = TransformerEncoder(dim, heads=1, layers=1)
    one = sum(p.numel() for p in encoder.layers[0].parameters())
    return (layers * one + (30_522 + 512) * dim) / 1e6


def test_c74_bert_is_of_2018_and_has_two_sizes():
    text = told()
    bib = (lessons.ROOT / "book" / "references.bib").read_text(encoding="utf8")
    month = re.search(
        r"\{devlin2019,.*?eprint = \{(\d\d)(\d\d)\.", bib, re.DOTALL
    ).groups()  # of the preprint

    def proposed(year: int):
        assert ("18", "10") == month
        assert year == 2000 + int(month[0])

    proposed(int(re.search(r"The preprint is of October (\d{4})", text)[1]))
    fails(proposed, 2019)

    def abbreviates(name: str):
        capitals = [word[0].upper() for word in name.split() if word not in ("from", "of", "for")]
        assert "".join(capitals) == "BERT"

    abbreviates(re.search(r"\{cite\}`devlin2019`: \*([^*]+)\*", text)[1])
    fails(abbreviates, "Pre-training of Deep Bidirectional Transformers for Language Understanding")

    def has(layers: int, dim: int, published: float):  # the paper counts 110 and 340 million
        assert abs(millions(layers, dim) - published) < 0.02 * published

    base, large = (int(n) for n in re.search(r"(\d+) layers has the smaller .*? has (\d+)\.", text).groups())
    has(base, 768, 110)
    has(large, 1024, 340)
    fails(has, 12, 1024, 340)
