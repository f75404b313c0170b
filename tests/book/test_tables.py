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
    assert len(ids) == len(set(ids)), (
        f"book/inventory.csv has ids twice: {[i for i in ids if ids.count(i) > 1]}"
    )
    partial = [item["id"] for item in ITEMS if not (item["item"] and item["kind"] and item["section"])]
    assert not partial, f"book/inventory.csv: fill in item, kind and section of {partial}"


@pytest.mark.parametrize("row", ERRATA, ids=_ids)
def test_erratum_is_a_known_fault(row):
    known = {fault["id"] for fault in house.rows("faults.csv")}
    assert row["id"] in known, f"book/errata.csv names {row['id']}: add what it is to book/faults.csv"


@pytest.mark.parametrize("column", ["fault", "symptom", "right"])
def test_every_fault_is_told_in_full(column):
    for fault in house.rows("faults.csv"):
        text = fault[column]
        where = f"book/faults.csv, {fault['id']}, {column}"
        assert text.strip(), f"{where} is empty"
        assert len(text) <= 200, f"{where} has {len(text)} characters: 200 at most"
        assert text.count("`") % 2 == 0, f"{where}: a backtick is missing"


def test_errata_have_five_cells_a_row():
    lines = [line for line in house.Errata.text(None) if line.startswith("|")]
    assert len(lines) > len(ERRATA)
    for line in lines:
        cells = re.split(r"(?<!\\)\|", line)[1:-1]
        assert len(cells) == 5, f"{len(cells)} cells: {line}"
        assert all(cell.strip() for cell in cells), f"an empty cell: {line}"


@pytest.mark.parametrize("row", MAP, ids=_ids)
def test_map_names_a_known_item(row):
    known = {item["id"] for item in ITEMS}
    assert row["id"] in known, (
        f"book/source_map.csv names {row['id']}, which book/inventory.csv does not hold"
    )


@pytest.mark.parametrize("row", [*MAP, *ERRATA], ids=_ids)
def test_place_exists(site, row):
    name = row["lesson"].removesuffix(".ipynb").removesuffix(".md")
    page = site / f"{name}.html"
    assert page.is_file(), (
        f"book/*.csv, {row['id']}: {row['lesson']} is no page; as in chapters/01_mlp/features"
    )
    anchor = re.escape(row["anchor"].replace("_", "-").lower())
    text = page.read_text(encoding="utf8")
    assert re.search(rf'id="(?:equation-)?{anchor}"', text), (
        f"book/*.csv, {row['id']}: {name}.ipynb has no anchor; put ({row['anchor']})= on a line of its own"
    )


@pytest.mark.parametrize("row", ERRATA, ids=_ids)
def test_guard_exists(row):
    file, *names = row["test"].split("::")
    path = ROOT / file
    chapter, lesson = row["lesson"].removesuffix(".ipynb").split("/")[-2:]
    home = f"tests/errata/{chapter.partition('_')[2]}/test_{lesson}.py"
    assert file == home, f"book/errata.csv, {row['id']}: the guards of {lesson} stand in {home}, not {file}"
    assert path.is_file(), f"book/errata.csv, {row['id']}: there is no {file}"
    assert names, f"book/errata.csv, {row['id']}: name the test, {file}::test_name"
    body = ast.parse(path.read_text(encoding="utf8")).body
    for name in names:
        name = name.partition("[")[0]
        found = [node for node in body if getattr(node, "name", None) == name]
        assert found, f"book/errata.csv, {row['id']}: no {name} in {file}"
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
        known = name in listed or name.startswith("book/")
        assert known, f"book/*.csv, {row['id']}: {name} is no lesson of _toc.yml"
