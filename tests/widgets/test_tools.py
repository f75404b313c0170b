"""Below each figure: back to the start, a link to what is shown, a picture to keep; and motion only where wanted."""

from __future__ import annotations

import base64
import json
import struct

import pytest

from recbyhand.widgets import FMExplorer, GateExplorer

from .harness import case, widget_names

every_widget = pytest.mark.parametrize("name", widget_names())
STATE = "JSON.stringify(document.querySelectorAll('.rbh-widget')[{}].model.state)"


@every_widget
def test_reset_and_a_link_to_the_state(open_page, name):
    """What a control changed is undone by Reset, and found again by who follows the link."""
    visit = open_page(case(name).make(), case(name).make())
    begun = visit.tab.evaluate(STATE.format(1))
    reset = visit.widget(1).get_by_role("button", name="Reset", exact=True)
    assert reset.is_disabled()
    case(name).touch(visit.widget(1))
    visit.settle()
    changed = visit.tab.evaluate(STATE.format(1))
    assert changed != begun
    visit.widget(1).get_by_role("button", name="Link to this").click()
    visit.tab.wait_for_function("location.hash.startsWith('#rbh-1-')")
    address = visit.tab.url
    reset.click()
    visit.settle()
    assert visit.tab.evaluate(STATE.format(1)) == begun
    assert reset.is_disabled()

    visit.tab.goto("about:blank")
    visit.tab.goto(address)
    visit.tab.wait_for_function("!document.querySelector('.rbh-widget:not([data-ready])')")
    assert visit.tab.evaluate(STATE.format(0)) == begun, "the other figure stays as it is"
    assert visit.tab.evaluate(STATE.format(1)) == changed
    visit.settle()
    visit.settle()
    assert -1 <= visit.widget(1).bounding_box()["y"] < 900, "its top is not on the screen"
    visit.widget(1).get_by_role("button", name="Reset", exact=True).click()
    visit.settle()
    assert visit.tab.evaluate(STATE.format(1)) == begun
    assert visit.errors == []


@every_widget
def test_picture(open_page, name, tmp_path):
    """A PNG of the frame without its buttons, twice as fine as the screen, which shows what the screen shows."""
    visit = open_page(case(name).make())
    frame = visit.widget().locator(".frame").bounding_box()
    seen = visit.widget().locator(".frame").screenshot()
    buttons = visit.widget().locator(".tools").bounding_box()
    with visit.tab.expect_download() as found:
        visit.widget().get_by_role("button", name="Save picture").click()
    path = tmp_path / found.value.suggested_filename
    found.value.save_as(path)
    assert path.suffix == ".png"
    data = path.read_bytes()
    wide, tall = struct.unpack(">II", data[16:24])
    assert wide == pytest.approx(2 * frame["width"], abs=2)
    assert frame["height"] - tall / 2 - buttons["height"] == pytest.approx(12, abs=1.5)
    colours, other = visit.tab.evaluate(
        """async ([kept, seen, wide, tall]) => { // both made small, where the edges of letters do not count
        const pixels = async (data, high, part) => { const image = new Image();
          image.src = "data:image/png;base64," + data; await image.decode();
          const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
          [canvas.width, canvas.height] = [wide * part, (tall - 16) * part].map(Math.round);
          context.imageSmoothingQuality = "high";
          context.drawImage(image, 0, 0, wide * part, high(image) * part);
          return context.getImageData(0, 0, canvas.width, canvas.height).data; };
        const one = await pixels(kept, () => tall, 1 / 8), two = await pixels(seen, (image) => image.height, 1 / 8);
        let other = 0;
        for (let i = 0; i < one.length; i += 4) other += [0, 1, 2].some((k) => Math.abs(one[i + k] - two[i + k]) > 40);
        const fine = await pixels(kept, () => tall, 1);
        return [new Set(new Uint32Array(fine.buffer)).size, (4 * other) / one.length]; }""",
        [base64.b64encode(data).decode(), base64.b64encode(seen).decode(), frame["width"], tall / 2],
    )
    assert colours > 20
    assert other < 0.028, f"{other:.3f} of the picture is not what stood on the screen"
    assert visit.errors == []


def test_formulas_in_a_picture_have_the_letters_of_the_page(open_page):
    """A picture knows none of the page's variables: what its formulas take their letters from must stand in it."""
    visit = open_page(case("NormExplorer").make(), kind="book")
    fonts = visit.tab.evaluate(
        """async () => {
        document.documentElement.style.setProperty('--pst-font-family-base', 'Georgia');
        const module = await Object.values(rbhModules)[0], host = document.querySelector('.rbh-widget > div > div');
        const picture = new DOMParser().parseFromString(
            module.drawn(host, host.shadowRoot.querySelector('.frame')).svg, 'image/svg+xml');
        const frame = document.createElement('iframe'); // a page of its own, as a picture is
        document.body.append(frame);
        frame.contentDocument.body.append(frame.contentDocument.importNode(picture.documentElement, true));
        const seen = (node) => node.ownerDocument.defaultView.getComputedStyle(node).fontFamily;
        const both = (one) => ['.note', 'math mn'].map((what) => seen(one.querySelector(what)));
        return [host.shadowRoot, frame.contentDocument].map(both);
    }"""
    )
    assert fonts == [["Georgia", "Georgia"], ["Georgia", "Georgia"]]


@pytest.mark.parametrize(
    "hash_", ["#rbh-0-", "#rbh-0-%00", "#rbh-0-eyJ", "#rbh-7-e30", "#heading", "#rbh-0-bnVsbA"]
)
def test_an_address_that_tells_nothing_is_no_error(open_page, hash_):
    visit = open_page(FMExplorer([[1.0, 2.0], [0.5, 1.0]], fields=["user", "film"]))
    visit.tab.evaluate("(hash) => location.hash = hash", hash_)
    visit.settle()
    assert visit.widget().locator(".stage").is_visible()
    assert visit.errors == []


def test_a_link_sets_no_trait_that_is_not_there(open_page):
    visit = open_page(FMExplorer([[1.0, 2.0], [0.5, 1.0]], fields=["user", "film"]))
    told = {"title": "from the link", "constructor": 1, "unheard": 2}
    text = base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")
    visit.tab.evaluate("(text) => location.hash = '#rbh-0-' + text", text)
    visit.tab.wait_for_function(
        "document.querySelector('.rbh-widget').model.get('title') === 'from the link'"
    )
    assert (
        visit.tab.evaluate("Object.keys(document.querySelector('.rbh-widget').model.state)").count("unheard")
        == 0
    )
    assert visit.errors == []


def test_nothing_plays_where_no_motion_is_wanted(open_page):
    visit = open_page(GateExplorer(cell="gru"))  # the tests' browser asks for reduced motion
    before = visit.get("step")
    button = visit.widget().get_by_role("button", name="Next")
    button.click()
    visit.tab.wait_for_timeout(2_000)
    assert visit.get("step") == before + 1
    assert visit.widget().get_by_role("button", name="Play").count() == 0
