"""The joined style sheet keeps every rule that a page could use, and no other."""

from __future__ import annotations

import re

import light
import pytest

KNOWN = {"cell", "wide", "eq-1", "sm:x"}


def test_rules_of_unknown_classes_go():
    css = ".cell{a:b} .gone{a:b} .cell .gone, .cell > p{a:b} #eq-1{a:b} #eq-2{a:b} p:hover{a:b} .sm\\:x{a:b}"
    kept = light.pruned(css, KNOWN)
    assert kept.split("\n") == [".cell{a:b}", ".cell > p{a:b}", "#eq-1{a:b}", "p:hover{a:b}", ".sm\\:x{a:b}"]


def test_what_is_excluded_or_a_choice_is_not_demanded():
    for selector in ("p:not(.gone)", ":is(.gone, .cell)", "[data-x='.gone']", "p:not(.a:not(.b))", "*"):
        assert light.used(selector, KNOWN), selector
    assert not light.used(".cell:not(.wide).gone", KNOWN)


def test_blocks_fonts_and_addresses():
    css = '@import "../basic.css"; @charset "x"; @media print{.gone{a:b}} @media (max-width:9px){.cell{a:b}}' \
          "@font-face{src:url(../vendor/f.woff2)} .cell{background:url(data:xyz)}"  # fmt: skip
    kept = light.pruned(css, KNOWN, "styles", {"basic.css": ".wide{c:d}"}.get)
    assert ".wide{c:d}" in kept
    assert "url(vendor/f.woff2)" in kept
    assert "url(data:xyz)" in kept
    assert "print" not in kept
    assert "@media (max-width:9px){.cell{a:b}}" in kept


def test_a_page_is_joined_again(tmp_path):
    """Styles change, the page does not: it gets the new sheet all the same."""
    static = tmp_path / "_static"
    static.mkdir()
    (static / "a.css").write_text(".cell{a:b}")
    (static / "b.css").write_text("p{c:d}")
    page = tmp_path / "x" / "page.html"
    page.parent.mkdir()
    page.write_text(
        '<link rel="stylesheet" href="../_static/a.css?v=1" />\n<link href="../_static/b.css" rel="stylesheet" />\n'
        '<script src="../_static/book.js"></script><p class="cell">'
    )
    light.join_styles(tmp_path)
    once = page.read_text()
    assert once.count("stylesheet") == 1
    assert '<script defer src="../_static/book.js"></script>' in once
    assert (static / "light.css").read_text() == ".cell{a:b}\np{c:d}"
    (static / "a.css").write_text(".cell{e:f}")
    light.join_styles(tmp_path)
    assert (static / "light.css").read_text() == ".cell{e:f}\np{c:d}"
    assert page.read_text() != once
    assert page.read_text().count("stylesheet") == 1


def test_variables_that_nothing_reads_go():
    css = ':root{--a:1;--b:var(--c);--c:2;--d:url("data:x;y");--e:rgba(var(--f),0.5);--f:1,2,3}p{color:var(--a)}\n.x{--g:1}'  # noqa: E501
    assert light.without_unread(css, []) == ":root{--a:1;}p{color:var(--a)}\n"
    assert "--b:var(--c);--c:2;" in light.without_unread(css, ["style='color: var(--b)'"])
    kept = light.without_unread(css, ["getPropertyValue('--e')"])
    assert "--e:rgba(var(--f),0.5);--f:1,2,3}" in kept
    assert "--d" not in kept
    assert light.without_unread("@import 'x';\np{--a:1}\nb{a:b}", []) == "@import 'x';\nb{a:b}"


def test_listings_mark_only_what_has_a_colour():
    page = '<p><span class="n">x</span></p><pre><span></span><span class="n">a</span><span class="w"> </span><span class="o">=</span></pre>'  # noqa: E501
    assert light.lean(page) == '<p><span class="n">x</span></p><pre>a <span class="o">=</span></pre>'


def test_what_is_not_marked_has_the_colour_of_its_surroundings(site):
    """Else the page would lose a colour: the styles of listings, light and dark, must not tell such a mark apart."""
    css = (site / "_static" / "pygments.css").read_text(encoding="utf8")
    for theme in ("light", "dark"):
        rules = dict(
            re.findall(
                rf'html\[data-theme="{theme}"\] \.highlight(| \.\w+) ?\{{[^}}]*?(?<![-\w])color: ?([^;}}\s]+)',
                css,
            )
        )
        assert len(rules) > 20
        for mark in re.search(r"\(\?:([\w|]+)\)", light.PLAIN.pattern)[1].split("|"):
            assert rules[f" .{mark}"].lower() == rules[""].lower(), (theme, mark)
            assert not re.search(rf"\.highlight \.{mark}\{{[^}}]*(font|background)", css.replace(" {", "{"))


def test_the_theme_does_not_measure_every_box(site):
    """It would lay out what is folded, and take from the tab order what book.js has put there."""
    shipped = (site / "_static" / "scripts" / "pydata-sphinx-theme.js").read_text(encoding="utf8")
    assert shipped.count('{return;const e=()=>{document.querySelectorAll(["pre",') == 1
    assert light.without_tabs(shipped) == shipped, "a page built again is not changed twice"
    with pytest.raises(ValueError, match=r"light\.TABS"):
        light.without_tabs(shipped.replace('["pre",', '["p",'))


def test_no_banner_is_unrolled():
    banner = (
        '<div class="pst-async-banner-revealer d-none">\n  <aside id="x" class="d-none"></aside>\n</div>\n\n'
    )
    assert light.waiting(f"<p>a</p>{banner}<p>b</p>") == "<p>a</p><p>b</p>"
