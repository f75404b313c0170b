"""The source map and the errata: every row leads to a place that exists, every guard is a test that exists."""

from __future__ import annotations

import ast
import re

import house
import lessons
import pytest

from .paths import ROOT

MAP, ERRATA, ITEMS = house.rows("source_map.csv"), house.rows("errata.csv"), house.rows("inventory.csv")


def _ids(row) -> str:
    return f"{row['id']}-{row['anchor']}"


def test_inventory_is_whole():
    ids = [item["id"] for item in ITEMS]
    assert len(ids) == len(set(ids))
    assert all(item["item"] and item["kind"] and item["section"] for item in ITEMS)


@pytest.mark.parametrize("row", ERRATA, ids=_ids)
def test_erratum_is_a_known_fault(row):
    assert row["id"] in {fault["id"] for fault in house.rows("faults.csv")}


@pytest.mark.parametrize("row", MAP, ids=_ids)
def test_map_names_a_known_item(row):
    assert row["id"] in {item["id"] for item in ITEMS}


@pytest.mark.parametrize("row", [*MAP, *ERRATA], ids=_ids)
def test_place_exists(site, row):
    name = row["lesson"].removesuffix(".ipynb").removesuffix(".md")
    page = site / f"{name}.html"
    assert page.is_file(), f"{row['lesson']}: no such page; write it as chapters/01_mlp/features"
    anchor = re.escape(row["anchor"].replace("_", "-").lower())
    text = page.read_text(encoding="utf8")
    assert re.search(rf'id="(?:equation-)?{anchor}"', text), f"no anchor ({row['anchor']})= on {name}"


@pytest.mark.parametrize("row", ERRATA, ids=_ids)
def test_guard_exists(row):
    file, *names = row["test"].split("::")
    path = ROOT / file
    assert path.is_file(), row["test"]
    assert names, "name the test: tests/file.py::test_name"
    body = ast.parse(path.read_text(encoding="utf8")).body
    for name in names:
        name = name.partition("[")[0]
        found = [node for node in body if getattr(node, "name", None) == name]
        assert found, row["test"]
        body = found[0].body


def test_pages_are_made_from_the_tables(site):
    page = (site / "book" / "source_map.html").read_text(encoding="utf8")
    assert len(re.findall(r"<p>[A-Z]\d{3}\w?</p>", page)) == len(ITEMS)
    covered = len({row["id"] for row in MAP})
    assert f"{covered} of {len(ITEMS)} items" in page
    errata = (site / "book" / "errata.html").read_text(encoding="utf8")
    for row in ERRATA:
        assert f"<p>{row['id']}</p>" in errata


def test_lessons_in_the_tables_are_lessons():
    listed = {p.relative_to(lessons.ROOT).with_suffix("").as_posix() for p in lessons.listed()}
    for row in [*MAP, *ERRATA]:
        name = row["lesson"].removesuffix(".ipynb")
        assert name in listed or name.startswith("book/"), row
