"""Every practice says what is true: its lines are run, its shapes measured, its numbers computed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import lessons
import nbformat
import pytest
import torch
from torch.nn import functional as F

import recbyhand as rbh
from recbyhand.exercises.practices import (
    Practice,
    files,
    needs,
    on_a_page,
    orders,
    read,
    texts,
)

FILES = files()
GIVEN = {path: read(path) for path in FILES}
LESSONS = [path for path in lessons.listed() if "chapters" in path.parts]
each = pytest.mark.parametrize("path", FILES, ids=[f"{p.parent.name}/{p.stem}" for p in FILES])


def of_kind(kind):
    chosen = [path for path in FILES if GIVEN[path]["kind"] == kind]
    return pytest.mark.parametrize("path", chosen, ids=[f"{p.parent.name}/{p.stem}" for p in chosen])


def names(given: dict) -> dict:
    """What a proof may use: torch, the package, the sizes, and what `setup` makes."""
    torch.manual_seed(0)
    space = {"torch": torch, "F": F, "rbh": rbh, **given.get("sizes", {})}
    exec(given.get("setup", ""), space)
    return space


def prove(path: Path, space: dict) -> None:
    try:
        exec(GIVEN[path]["proof"], space)
    except AssertionError as broken:
        given = f" (the first option: {space['right']!r})" if "right" in space else ""
        said = f" {broken}" if str(broken) else ""
        raise AssertionError(
            f"{named(path)}: its proof does not hold{given}.{said} Mend the answer, or the proof:\n"
            f"{GIVEN[path]['proof'].strip()}"
        ) from broken


def named(path: Path) -> str:
    return f"recbyhand/exercises/{path.parent.name}/{path.name}"


@of_kind("order")
def test_every_order_that_is_taken_gives_the_result(path):
    given = GIVEN[path]
    taken = orders(tuple(given["lines"]))
    assert tuple(range(len(given["lines"]))) in taken
    assert len(taken) <= 24, "so free an order asks for little"
    for order in taken:
        space = names(given)
        exec("\n".join([given.get("head", ""), *(given["lines"][i] for i in order)]), space)
        prove(path, space)


@of_kind("order")
def test_no_line_that_does_not_belong_would_do(path):
    """Put in place of the line that makes the same name, it breaks the proof."""
    given = GIVEN[path]
    for extra, why, *instead in given["extra"]:
        own = [i for i, line in enumerate(given["lines"]) if _made(line) == _made(extra)]
        place = (instead or own)[0]
        lines = [*given["lines"][:place], extra, *given["lines"][place + 1 :]]
        program = "\n".join([given.get("head", ""), *lines, given["proof"]])
        with pytest.raises((AssertionError, KeyError, NameError, RuntimeError, TypeError)):
            exec(program, names(given))
        assert why.strip()


def _made(line: str) -> str:
    return line.strip().partition(" ")[0]


@of_kind("shape")
def test_shapes_are_those_of_the_lines(path):
    given = GIVEN[path]
    sizes = given["sizes"]
    measured = {text: eval(text, {}, dict(sizes)) for text in given["shapes"]}
    assert len(set(measured.values())) == len(measured), f"sizes that tell all shapes apart, not {measured}"
    space = names(given)
    for row in given["rows"]:
        exec(row["line"], space)
        got = tuple(space[row.get("name") or _made(row["line"])].shape)
        assert got == measured[row["right"]], row["line"]
        assert row["right"] not in row.get("wrong", {})
        assert set(row.get("wrong", {})) <= set(given["shapes"])


@of_kind("predict")
def test_predictions_are_computed(path):
    given = GIVEN[path]
    space = names(given) | {"right": given["options"][0][0], "see": dict(given.get("see", ()))}
    prove(path, space)
    texts = [text for text, _ in given["options"]]
    assert len(texts) == len(set(texts)) >= 3, f"{named(path)}: three options at least, and all different"
    untold = [text for text, why in given["options"] if not why.strip()]
    assert not untold, f"{named(path)}: say of each option why it is right or wrong; not said of {untold}"


@each
def test_a_practice_belongs_to_a_lesson(path):
    lesson = [
        p for p in LESSONS if (p.parent.name.partition("_")[2], p.stem) == (path.parent.name, path.stem)
    ]
    if lesson:
        shown = [c for c in nbformat.read(lesson[0], as_version=4).cells if lessons.is_practice(c)]
        cell = f'rbh.practice("{path.stem}")'
        assert [c.source for c in shown] == [cell], (
            f"{lesson[0].name}: show the practice of {named(path)} once, by a cell {cell} tagged practice and "
            f"remove-input; found {[c.source for c in shown]}"
        )


@pytest.mark.parametrize("path", LESSONS, ids=[f"{p.parent.name}/{p.stem}" for p in LESSONS])
def test_every_lesson_has_one(path):
    cells = [c for c in nbformat.read(path, as_version=4).cells if "rbh.practice(" in c.source]
    assert cells, (
        f"{path.name}: give it a practice, recbyhand/exercises/{path.parent.name.partition('_')[2]}/{path.stem}.toml, "
        f'and a cell `rbh.practice("{path.stem}")` tagged practice and remove-input'
    )
    for cell in cells:
        assert cell.metadata.tags == ["practice", "remove-input"]


def test_all_names_differ():
    stems = [path.stem for path in FILES]
    assert len(stems) == len(set(stems))


def test_the_right_choice_has_no_place_of_its_own():
    places = []
    for path, given in GIVEN.items():
        if given["kind"] == "predict":
            shown = Practice(path.stem, given)
            places.append([right for _, right, _ in shown._shuffled(shown._choices())].index(True))
    assert max(places.count(place) for place in range(4)) < 0.6 * len(places)


def test_who_needs_whom():
    lines = ["a = f(x)", "b = g(x)", "a = a + b", "c = [a for a in b]", "return a"]
    assert needs(lines) == [{}, {}, {0: "a", 1: "b"}, {1: "b", 2: "a"}, {2: "a", 0: "", 1: "", 3: ""}] or (
        needs(lines)[:3] == [{}, {}, {0: "a", 1: "b"}]
    )
    assert orders(("a = 1", "b = 2", "return a + b")) == [(0, 1, 2), (1, 0, 2)]
    assert orders(("x = f(x)", "y = g(x)", "x = h(x)")) == [(0, 1, 2)], "nobody overtakes a reader"
    assert orders(("out.zero_()", "out.add_(y)")) == [(0, 1)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('kind = "dance"', "choose from order"),
        ('kind = "order"\nask = "?"', "needs `proof`"),
        ('kind = "order"\nask = "?"\nproof = "1"\nlines = ["a = 1"]', "needs `end`"),
        ('kind = "predict"\nask = "?"\nproof = "1"', "needs `options`"),
    ],
)
def test_what_is_missing_is_said(tmp_path, text, said):
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(ValueError, match=f"x.toml.*{said}"):
        read(tmp_path / "x.toml")


@each
def test_every_text_can_be_translated(path):
    """What translators are given comes out in the page, and nothing else does but code and numbers."""
    given = GIVEN[path]
    translated = on_a_page(path.stem, say=lambda text: "§")
    visible = re.sub(
        r"<(style|script)>.*?</\1>|<code>.*?</code>|<option>.*?</option>", "", translated, flags=re.S
    )
    visible = re.sub(r'<(?:[^>"]|"[^"]*")*>', " ", visible)
    words = [w for w in re.findall(r"[A-Za-z]{2,}", visible)]
    assert not words, words
    assert len(list(texts(given))) >= 3


def test_plain_text_gives_no_answer_away():
    said = repr(rbh.practice("data_and_metrics"))
    assert said.startswith("Practice data_and_metrics: Two films")
    assert "Four pairs" not in said
    assert "Did you mean" in repr(rbh.practice("data_and_metric"))


def test_a_page_is_the_same_each_time():
    assert on_a_page("din") == on_a_page("din")
    assert 'id="rbh-practice-din"' in on_a_page("din")
    first, second = rbh.practice("din")._repr_html_(), rbh.practice("din")._repr_html_()
    assert first != second, "two in a notebook need two ids"


def test_pages_get_a_practice_without_a_kernel(tmp_path):
    """The outputs that are kept know nothing of it; a changed text needs no run of the lesson."""
    cells = [
        nbformat.v4.new_code_cell("1 + 1"),
        nbformat.v4.new_code_cell('rbh.practice("din")', metadata={"tags": ["practice", "remove-input"]}),
        nbformat.v4.new_code_cell("2 + 2"),
    ]
    kept = {"outputs": [[{"name": "first"}], [{"name": "second"}]]}
    text = lessons.with_outputs(Path("x"), nbformat.writes(nbformat.v4.new_notebook(cells=cells)), kept)
    first, practice, second = (cell["outputs"] for cell in json.loads(text)["cells"])
    assert (first, second) == ([{"name": "first"}], [{"name": "second"}])
    assert "rbh-practice-din" in practice[0]["data"]["text/html"]
