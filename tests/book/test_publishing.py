"""What publishes the book: workflows that can be read, a citation, a card, links that lead somewhere."""

from __future__ import annotations

import re
import struct
import zipfile

import downloads
import house
import links
import pytest
import run_published
import sharing
import yaml

from .paths import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def _steps(workflow):
    for job in workflow["jobs"].values():
        yield from job["steps"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=[path.stem for path in WORKFLOWS])
def test_workflow(path):
    """Runs on something, asks for no more rights than it needs, ends some time, calls only scripts that are here."""
    workflow = yaml.safe_load(path.read_text(encoding="utf8"))
    assert workflow[True]  # YAML reads `on` so
    assert workflow["permissions"] == {"contents": "read"}
    text = path.read_text(encoding="utf8")
    for job in workflow["jobs"].values():
        assert "runs-on" in job
    for step in _steps(workflow):
        assert ("uses" in step) != ("run" in step)
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"])
    for name in re.findall(r"(?<![\w/])((?:book|binder|\.ci)/[\w./-]+)", text):
        assert (ROOT / name).exists(), name
    # A fork publishes itself: nothing names an owner.
    assert not re.search(r"github\.com/\w|github\.io", text)


def test_pull_requests_are_tested_and_shown_and_main_is_published():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "book.yml").read_text(encoding="utf8"))
    assert "pull_request" in workflow[True]
    assert workflow[True]["push"]["branches"] == ["main"]
    steps = workflow["jobs"]["test"]["steps"]
    assert any(step.get("run") == ".ci/run" for step in steps)
    assert any(step.get("with", {}).get("name") == "preview" for step in steps)
    publish = workflow["jobs"]["publish"]
    assert "refs/heads/main" in publish["if"]
    assert publish["needs"] == "test"
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf8")
    assert "make book" in ci
    assert '"-W"' in (ROOT / "book" / "build.py").read_text(encoding="utf8"), "warnings are fatal"


def test_every_week_notebooks_are_run_and_packages_looked_at():
    weekly = yaml.safe_load((ROOT / ".github" / "workflows" / "weekly.yml").read_text(encoding="utf8"))
    assert weekly[True]["schedule"]
    runs = "\n".join(step.get("run", "") for step in _steps(weekly))
    for part in (
        "publish.py",
        "run_published.py",
        "binder/colab.txt",
        "gh issue create",
        "pip-audit",
        "npm audit",
    ):
        assert part in runs
    assert "pip-audit --strict" in runs, "without it an audit that could look up nothing passes"
    assert weekly["jobs"]["notebooks"]["permissions"]["issues"] == "write"
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf8"))["updates"]
    assert {one["package-ecosystem"]: one["schedule"]["interval"] for one in updates} == {
        "pip": "weekly",
        "github-actions": "weekly",
    }


def test_weekly_run_tells_which_notebook_broke(tmp_path):
    import nbformat

    for name, source in (("good", "print(1)"), ("bad", "raise ValueError('as planned')")):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    assert run_published.run(tmp_path / "good.ipynb") == ""
    error = run_published.run(tmp_path / "bad.ipynb")
    assert "as planned" in error
    text = run_published.report({"bad.ipynb": error}, 2)
    assert text.startswith("1 of 2 published notebooks")
    assert "as planned" in text


def test_citation():
    """As the Citation File Format asks, and in step with the package and with the BibTeX entry."""
    from pybtex.database import parse_file

    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf8"))
    assert cited["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(cited)
    assert all("name" in author or "family-names" in author for author in cited["authors"])
    version = re.search(
        r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf8"), flags=re.M
    )[1]
    assert cited["version"] == version
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", cited["date-released"])
    entries = parse_file(str(ROOT / "CITATION.bib")).entries
    (entry,) = entries.values()
    assert re.sub(r"[{}]", "", entry.fields["title"]).lower() == cited["title"].lower()
    assert version in entry.fields["note"]
    assert entry.fields["year"] == cited["date-released"][:4]


def test_card(tmp_path):
    data = sharing.card("A title", "A line that is so long that it has to be broken in two, or into three " * 2,
                        tmp_path / "card.png").read_bytes()  # fmt: skip
    assert struct.unpack(">II", data[16:24]) == (1200, 630)
    assert len(data) < 100_000


def test_shared_pages_name_themselves():
    said = sharing.tags("https://ann.github.io/book/", "chapters/x", 'A "title"', "Words & more", "The book")
    assert 'content="https://ann.github.io/book/chapters/x.html"' in said
    assert 'content="https://ann.github.io/book/_static/card.png"' in said
    assert "A &quot;title&quot;" in said
    assert "http" not in sharing.tags("", "chapters/x", "A title", "Words", "The book"), (
        "no address is made up"
    )


def test_built_pages_have_a_card_and_a_place_for_the_lost(site):
    assert (site / "_static" / "card.png").is_file()
    lost = (site / "404.html").read_text(encoding="utf8")
    assert "book/index.html" in lost
    page = (site / "chapters" / "04_interest" / "din.html").read_text(encoding="utf8")
    assert '<meta property="og:title" content="DIN" />' in page


def test_published_pages_offer_the_whole_book(tmp_path, monkeypatch):
    """PDF, EPUB and archive stand beside the pages, and a reader of the front page finds them."""
    for name, text in {
        "index.html": "to the front",
        downloads.FRONT: "<article><h1>Book</h1></article>",
    }.items():
        (tmp_path / "site" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "site" / name).write_text(text)
    site = tmp_path / "site"
    monkeypatch.setattr(downloads.printed, "pdf", lambda site, out: out.write_bytes(b"pdf"))
    monkeypatch.setattr(downloads.printed, "epub", lambda site, out, modified: out.write_bytes(b"epub"))
    downloads.offer(site, downloads.write(site))
    front = (site / downloads.FRONT).read_text()
    assert front.count("<a href=") == 3
    assert links.inside(site) == ([], set()), "every file that is offered is there"
    with zipfile.ZipFile(site / "downloads" / "recommenders-by-hand.zip") as packed:
        assert not [name for name in packed.namelist() if "downloads" in name]
        assert "downloads" not in packed.read(f"recommenders-by-hand/{downloads.FRONT}").decode()
    workflow = (ROOT / ".github" / "workflows" / "book.yml").read_text(encoding="utf8")
    assert workflow.index("downloads.py") < workflow.index("upload-pages-artifact")
    assert workflow.index("name: preview") < workflow.index("downloads.py")


def test_every_link_inside_the_book_leads_to_its_place(site):
    faults, elsewhere = links.inside(site)
    assert faults == []
    assert all(address.startswith(("https://", "http://")) for address in elsewhere)


def test_a_dead_link_is_told(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="b.html#x">b</a> <a href="c.html">c</a> <a href="#y">y</a><p id="z">'
    )
    (tmp_path / "b.html").write_text('<p id="w">')
    faults, _ = links.inside(tmp_path)
    assert [fault.split(": ")[1].split(" ")[0] for fault in faults] == ["#y", "b.html#x", "c.html"]


def test_repository_is_read_never_invented(monkeypatch):
    assert house.repository({"RECBYHAND_REPOSITORY": ""}) is None
    assert house.repository({"GITHUB_REPOSITORY": "a/b"}) == "https://github.com/a/b"
