"""The guide's tables are computed; slides are one file, alive and offline."""

from __future__ import annotations

import itertools

import editions
import house
import lessons
import pytest
import slides
import teaching

from tests.exercises import simulated_class
from tests.exercises.planted import planted

PAGE = """<html><body><article class="bd-article"><section><h1>Towers<a class="headerlink" href="#x">#</a></h1>
<p><em>Who looks?</em></p><script type="text/plain" data-rbh-module="core">x</script>
<section><h2>The idea</h2><p>{long}</p><div class="math"><span class="katex">u·v</span></div>
<div class="cell"><div class="cell_input"><pre>secret = code</pre></div><div class="cell_output">
<div class="output text_html"><script>window.mounted = (window.mounted || 0) + 1</script>
<div class="rbh-widget">alive</div></div></div></div>
<div class="cell tag_exercise"><pre>stub</pre></div><div class="cell tag_solution"><pre>answer</pre></div>
<div class="cell"><div class="cell_output">
<figure class="rbh-figure"><svg viewBox="0 0 9 9" role="img"></svg></figure></div></div>
<section><h3>Deeper</h3><p>Short. <a href="other.html">There</a>.</p></section></section>
<section><h2>Your turn</h2><p>Do it.</p></section></section></article></body></html>"""


def test_a_deck_holds_what_a_room_should_see():
    page = PAGE.format(long="One sentence of five words. " * 30)
    deck = slides.deck(page)
    assert deck.count('<section class="slide"') == 5  # title, idea with formula, widget, figure, deeper
    for kept in ("Who looks?", "u·v", "alive", "viewBox", "Deeper", 'data-rbh-module="core"'):
        assert kept in deck or kept.lower() in deck, kept
    for dropped in ("secret", "stub", "answer", "Do it", "other.html", "headerlink"):
        assert dropped not in deck, dropped
    assert deck.count("One sentence of five words.") < 10


def test_a_slide_shows_what_its_sentence_promises_or_promises_nothing():
    """The lesson's question opens the deck; a print that was announced is shown; heads without content are left out."""
    printed = '<div class="cell"><div class="cell_output"><div class="output stream"><pre>{}</pre></div></div></div>'
    made = slides.deck(
        '<article class="bd-article"><section><h1>Towers</h1><p>7 · lesson 1</p><p><em>Who looks?</em></p>'
        '<ul class="lesson-line"><li>30 min to read</li></ul>'
        "<section><h2>Costs</h2><p>Count them:</p>" + printed.format("136\n152") + "</section>"
        "<section><h2>Much</h2><p>It is a lot. Look:</p>" + printed.format("row\n" * 40) + "</section>"
        "<section><h2>Why</h2><p>Said.</p><p>Here:</p>" + printed.format("unannounced") + "</section>"
        '<section><h2>Bugs</h2><section><h3>One bug</h3><p>A bug.</p><div><figure class="rbh-figure">'
        '<a class="here" href="#f">#</a><svg></svg></figure></div></section></section></section></article>'
    )
    first, costs, much, why, bug = made.split('<section class="slide"')[1:]
    assert "lesson 1" in first
    assert "Who looks?" in first
    assert "30 min" not in made
    assert "136" in costs
    assert "It is a lot." in much
    assert "Look" not in much
    assert "row" not in much
    assert "unannounced" not in why
    assert "One bug" in bug
    assert "<svg" in bug
    assert ">#<" not in bug


def test_a_deck_asks_for_nothing():
    deck = slides.deck(PAGE)
    assert "url(fonts" not in deck
    assert "data:font/woff2;base64," in deck
    assert "https:" not in deck.replace("http://www.w3.org", "")


def test_a_deck_turns(browser, tmp_path):
    (tmp_path / "deck.html").write_text(slides.deck(PAGE), encoding="utf8")
    tab = browser.new_page(viewport={"width": 1280, "height": 720})
    faults = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.goto((tmp_path / "deck.html").as_uri())
    where = tab.locator("nav output")
    assert where.inner_text() == "1 / 5"
    tab.keyboard.press("ArrowRight")
    assert where.inner_text() == "2 / 5"
    assert tab.locator(".slide.now h2").inner_text() == "The idea"
    assert tab.locator(".slide:visible").count() == 1
    tab.keyboard.press("End")
    tab.keyboard.press("ArrowRight")
    assert where.inner_text() == "5 / 5"
    tab.get_by_role("button", name="Back").click()
    assert where.inner_text() == "4 / 5"
    assert tab.url.endswith("#4")
    assert tab.evaluate("window.mounted") == 1
    assert faults == []
    tab.close()


def test_no_page_is_told(tmp_path, capsys):
    assert slides.main(["04_interest/din", "--site", str(tmp_path)]) == 1
    assert "build the book first" in capsys.readouterr().err


@pytest.mark.parametrize("costs", [[3, 1, 4, 1, 5, 9, 2, 6], [10, 1, 1, 1], [1, 2, 3]])
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_sessions_are_as_even_as_can_be(costs, parts):
    def dearest(lengths):
        ends = list(itertools.accumulate(lengths))
        return max(sum(costs[end - n : end]) for n, end in zip(lengths, ends, strict=True))

    lengths = teaching.split(costs, parts)
    assert sum(lengths) == len(costs)
    assert len(lengths) == parts
    cuts = itertools.combinations(range(1, len(costs)), parts - 1)
    ways = ([b - a for a, b in itertools.pairwise((0, *cut, len(costs)))] for cut in cuts)
    assert dearest(lengths) == min(map(dearest, ways))


def test_every_planted_answer_is_read():
    read = {(name, mistake) for *_, name, mistake in teaching.planted()}
    missing = {(row.name, row.mistake) for row in planted()} - read
    assert len(missing) <= 0.02 * len(read), f"made by a loop, so not read: {sorted(missing)[:5]}"


@pytest.mark.parametrize(
    ("mistake", "kind"),
    [
        ("no mask", "Padding"),
        ("exchanged", "A sign"),
        ("one too far", "Off by one"),
        ("in place", "Rounding"),
        ("over the batch", "The wrong axis"),
        ("two sigmoids", "One function too many"),
        ("meets itself", "Counted twice"),
        ("not added", "A term"),
        ("per cent", "Divided"),
        ("no bias", "A term"),
        ("always", "A constant"),
        ("cosine", "A measure"),
        ("films", "The right operation"),
        ("wild", "Something else"),
    ],
)
def test_kinds(mistake, kind):
    (found,) = teaching.kinds([mistake])
    assert found.startswith(kind)


def test_few_mistakes_are_of_no_kind_and_each_kind_is_worth_a_line():
    counted = teaching.kinds([mistake for *_, mistake in teaching.planted()])
    shares = {kind: n / counted.total() for kind, n in counted.items()}
    assert shares[teaching.ELSE] < 0.1
    assert shares.keys() == {kind for kind, _ in teaching.KINDS} | {teaching.ELSE}
    assert min(shares.values()) > 0.02
    assert max(shares.values()) < 0.2


def test_the_simulated_class_that_is_shown_got_what_was_due():
    head, _, honest, hostile = teaching.marked()
    assert head.count("|") == honest.count("|") == hostile.count("|")
    for line in (honest, hostile):
        kind, number, due, got = [cell.strip() for cell in line.split("|")][1:5]
        assert int(number) == sum(s.kind == kind for s in simulated_class.STUDENTS), (
            "run benchmarks.classroom again"
        )
        assert due == got
        assert float(due) == sum(sum(s.points.values()) for s in simulated_class.STUDENTS if s.kind == kind)


def test_schedules_name_lessons_that_exist():
    guide = (house.BOOK / "teaching.md").read_text(encoding="utf8")
    named = [
        line for block in guide.split("```{schedule}")[1:] for line in block.split("```")[0].splitlines()[1:]
    ]
    known = {f"{path.parent.name}/{path.stem}" for path in lessons.listed()}
    assert {line for line in named if line and not line.startswith(":")} <= known


def test_the_hub_link_names_repository_and_folder():
    link = editions.hub_link("https://github.com/a/b")
    assert "repo=https%3A%2F%2Fgithub.com%2Fa%2Fb" in link
    assert link.endswith("urlpath=lab%2Ftree%2Fb%2Fchapters")
