"""GateExplorer: its recurrences are the package's, and each control moves what it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import traitlets
from torch import nn

from recbyhand.layers import AUGRU, AUGRUCell, GRUCell, LSTMCell, RNNCell
from recbyhand.widgets import GateExplorer

from .harness import numbers

L, D_IN, D_H = 7, 5, 6


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def wide(cell: nn.Module) -> nn.Module:
    """With larger weights than a fresh cell has, so that the gates open and close."""
    with torch.no_grad():
        for p in cell.parameters():
            p.mul_(4)
    return cell


def states_of(cell: nn.Module, x: torch.Tensor, a: torch.Tensor | None = None) -> np.ndarray:
    """The package's states (L, d_h), in double precision as in the browser."""
    cell, x = cell.double(), x.double()
    h = c = torch.zeros(1, D_H, dtype=torch.float64)
    states = []
    with torch.no_grad():
        for t in range(len(x)):
            if isinstance(cell, LSTMCell):
                h, c = cell(x[t : t + 1], h, c)
            elif isinstance(cell, AUGRUCell):
                h = cell(x[t : t + 1], h, a[t : t + 1].double())
            else:
                h = cell(x[t : t + 1], h)
            states.append(h[0].numpy())
    cell.float()
    return np.array(states)


def in_the_browser(visit, widget: GateExplorer, attention=None) -> list[dict]:
    def plain(array):
        array = np.asarray(array, np.float64)
        return {"shape": list(array.shape), "data": array.ravel().tolist()}

    weights = getattr(widget, widget.cell)
    return visit.js("run", [(widget.cell, plain(weights), plain(widget.inputs), attention)])[0]


def note(visit) -> str:
    visit.settle()
    return visit.widget().locator(".note").inner_text()


def new_state(visit) -> float:
    """The new state of the chosen unit, as the note ends with it."""
    return numbers(note(visit).split(". Attention")[0].rsplit("=", 1)[1])[0]


@pytest.mark.parametrize("kind", [RNNCell, GRUCell, LSTMCell, AUGRUCell])
def test_mathematics_equals_the_package(open_page, kind):
    cell, x, a = wide(kind(D_IN, D_H)), torch.randn(L, D_IN), torch.rand(L)
    widget = GateExplorer.of(cell, x, attention=a)
    visit = open_page(widget)
    trace = in_the_browser(visit, widget, a.double().tolist())
    expected = states_of(cell, x, a)
    np.testing.assert_allclose([s["h"] for s in trace], expected, atol=1e-6)
    np.testing.assert_allclose(widget.states(), expected, atol=1e-6)
    assert np.abs(expected).max() > 0.5  # not a comparison of zeros


def test_gates_equal_the_package(open_page):
    """Every strip of the AUGRU and of the LSTM at step 4, by their formulas."""
    cell, x, a = wide(AUGRUCell(D_IN, D_H)), torch.randn(L, D_IN), torch.rand(L)
    widget = GateExplorer.of([cell, lstm := wide(LSTMCell(D_IN, D_H))], x, attention=a)
    visit = open_page(widget)
    before = torch.tensor(states_of(cell, x, a)[2]).float()
    with torch.no_grad():
        (u, r, n), (hu, hr, hn) = cell.ih(x[3]).chunk(3), cell.hh(before).chunk(3)
        u, r = torch.sigmoid(u + hu), torch.sigmoid(r + hr)
        expected = {"u": u, "r": r, "au": a[3] * u, "n": torch.tanh(n + r * hn), "h0": before, "x": x[3]}
    step = in_the_browser(visit, widget, a.double().tolist())[3]
    for key, value in expected.items():
        np.testing.assert_allclose(step[key], value, atol=1e-5)
    widget.cell = "lstm"
    step = in_the_browser(visit, widget)[3]
    h = torch.tensor(step["h0"]).float()
    with torch.no_grad():
        i, f, g, o = (lstm.ih(x[3]) + lstm.hh(h)).chunk(4)
    for key, value in {"i": i.sigmoid(), "f": f.sigmoid(), "g": g.tanh(), "o": o.sigmoid()}.items():
        np.testing.assert_allclose(step[key], value, atol=1e-5)


def test_attention_1_is_a_gru_and_0_keeps_the_state(open_page):
    gru, augru, x = wide(GRUCell(D_IN, D_H)), AUGRUCell(D_IN, D_H), torch.randn(L, D_IN)
    with torch.no_grad():
        for mine, its in zip(augru.parameters(), gru.parameters(), strict=True):
            r, z, n = its.chunk(3)
            mine.copy_(torch.cat([-z, r, n]))
    visit = open_page(widget := GateExplorer.of(augru, x))
    trace = in_the_browser(visit, widget, [1] * L)
    np.testing.assert_allclose([s["h"] for s in trace], states_of(gru, x), atol=1e-6)
    trace = in_the_browser(visit, widget, [1, 0, 0, 1, 0, 1, 0])
    for t in (1, 2, 4, 6):
        assert trace[t]["h"] == trace[t - 1]["h"]
    assert trace[3]["h"] != trace[2]["h"]
    # The demo says the same: switch its cells.
    visit = open_page(GateExplorer(cell="augru", step=7, unit=2))
    visit.widget().get_by_role("button", name="all 1, a GRU").click()
    assert "z = 1 − u" in note(visit)
    one = new_state(visit)
    visit.widget().get_by_role("radio", name="GRU", exact=True).check()
    assert new_state(visit) == one


def test_step_play_cell_and_unit(open_page):
    cells = [wide(kind(D_IN, D_H)) for kind in (GRUCell, RNNCell, LSTMCell, AUGRUCell)]
    x, a = torch.randn(L, D_IN), torch.rand(L).round(decimals=2)
    widget = GateExplorer.of(cells, x, attention=a, titles=[f"film {t}" for t in range(L)])
    visit = open_page(widget, motion="no-preference")
    expected = dict(zip(("gru", "rnn", "lstm", "augru"), (states_of(c, x, a) for c in cells), strict=True))

    def check():
        shown, t, k = new_state(visit), visit.get("step"), visit.get("unit")
        assert shown == pytest.approx(expected[visit.get("cell")][t, k], abs=6e-3)
        assert f"film {t}" in visit.widget().locator(".stage").inner_text()

    check()
    more = visit.widget().get_by_role("button", name="Step: one more")
    for name in ("RNN", "LSTM", "AUGRU", "GRU"):
        visit.widget().get_by_role("radio", name=name, exact=True).check()
        more.click()
        check()
    assert visit.get("step") == 4
    assert "5 of 7" in visit.widget().locator(".stepper output").inner_text()
    past, now = (visit.widget().locator(".map").nth(i) for i in range(2))
    past.press("ArrowLeft")
    past.press("ArrowDown")
    check()
    assert (visit.get("step"), visit.get("unit")) == (3, 1)
    for _ in range(D_H):
        now.press("ArrowRight")
    check()
    assert visit.get("unit") == D_H - 1
    for _ in range(3):  # from the new state to the reset gate, whose value is read out
        now.press("ArrowUp")
    visit.settle()
    assert now.get_attribute("aria-label").startswith("reset gate r, 6: 0.")
    box = past.locator("canvas").bounding_box()
    visit.tab.mouse.move(box["x"] + 5, box["y"] + 8)  # the first unit after the first step
    assert numbers(visit.widget().locator(".tip").inner_text().split("unit 1:")[1])[0] == pytest.approx(
        expected["gru"][0, 0], abs=1e-4
    )
    visit.tab.mouse.click(box["x"] + 5, box["y"] + 8)
    check()
    assert (visit.get("step"), visit.get("unit")) == (0, 0)
    visit.set({"step": L - 2})
    visit.widget().get_by_role("button", name="Play").click()
    visit.tab.wait_for_function(f"document.querySelector('.rbh-widget').model.get('step') === {L - 1}")
    check()


def test_attention_is_dragged_and_keyed(open_page):
    cell, x = wide(AUGRUCell(D_IN, D_H)), torch.randn(L, D_IN)
    visit = open_page(GateExplorer.of(cell, x, attention=torch.full((L,), 0.5), unit=1))
    bars = visit.widget().get_by_role("slider")

    def check() -> np.ndarray:
        visit.settle()
        a = np.array(visit.get("attention")["data"])
        states, t = states_of(cell, x, torch.tensor(a)), visit.get("step")
        assert new_state(visit) == pytest.approx(states[t, 1], abs=6e-3)
        assert float(bars.get_attribute("aria-valuenow")) == pytest.approx(a[t], abs=1e-6)
        assert f"step {t + 1}," in bars.get_attribute("aria-label")
        return a

    check()
    box = bars.bounding_box()
    x2 = box["x"] + 2.5 * box["width"] / L
    visit.tab.mouse.move(x2, box["y"] + 40)
    visit.tab.mouse.down()
    visit.tab.mouse.move(x2 + 60, box["y"] - 20)  # strays over other steps: the first one is held
    assert check().tolist() == [0.5, 0.5, 1, 0.5, 0.5, 0.5, 0.5]
    visit.tab.mouse.move(x2, box["y"] + 100)
    visit.tab.mouse.up()
    assert check().tolist() == [0.5, 0.5, 0, 0.5, 0.5, 0.5, 0.5]
    assert "the state is kept" in note(visit)
    bars.press("ArrowRight")
    bars.press("ArrowUp")
    assert check()[3] == pytest.approx(0.55)
    bars.press("End")
    assert check()[3] == 1
    visit.widget().get_by_role("button", name="all 0").click()
    assert not check().any()
    assert new_state(visit) == 0
    visit.widget().get_by_role("button", name="as given").click()
    assert check().tolist() == [0.5] * L


def test_only_cells_with_weights_are_offered(open_page):
    x = torch.randn(3, D_IN)
    one = open_page(GateExplorer.of(RNNCell(D_IN, D_H), x))
    assert one.get("cell") == "rnn"
    assert one.widget().get_by_role("radio").count() == 0
    assert one.widget().get_by_role("slider").count() == 0  # no attention where none is used
    two = open_page(GateExplorer.of([LSTMCell(D_IN, D_H), GRUCell(D_IN, D_H)], x))
    assert [r.get_attribute("aria-label") or "" for r in two.widget().get_by_role("radio").all()] == ["", ""]
    assert two.widget().locator(".segments label").all_inner_texts() == ["GRU", "LSTM"]
    assert two.get("cell") == "lstm"


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (nn.RNN(D_IN, D_H, batch_first=True), "rnn"),
        (nn.GRU(D_IN, D_H), "gru"),
        (nn.LSTM(D_IN, D_H, bias=False), "lstm"),
        (nn.GRUCell(D_IN, D_H), "gru"),
        (AUGRU(D_IN, D_H), "augru"),
    ],
)
def test_takes_torch_layers_and_copies_weights(layer, name):
    x, a = torch.randn(L, D_IN), torch.rand(L)
    widget = GateExplorer.of(layer, x, attention=a if name == "augru" else None)
    assert widget.cell == name
    with torch.no_grad():
        if name == "augru":
            expected = layer(x[None], a[None])[0]
        elif isinstance(layer, nn.GRUCell):
            h = torch.zeros(1, D_H)
            expected = torch.cat([h := layer(x_t[None], h) for x_t in x])
        else:
            expected = layer(x)[0]
        np.testing.assert_allclose(widget.states(), expected, atol=1e-6)
        before = widget.states()
        for p in layer.parameters():
            p.zero_()
    np.testing.assert_array_equal(widget.states(), before)


def test_python_side():
    x = torch.randn(3, D_IN)
    with pytest.raises(traitlets.TraitError, match="pass an RNN"):
        GateExplorer.of(nn.Linear(2, 2), x)
    with pytest.raises(traitlets.TraitError, match="tanh"):
        GateExplorer.of(nn.RNN(D_IN, D_H, nonlinearity="relu"), x)
    with pytest.raises(traitlets.TraitError, match="one layer in one direction"):
        GateExplorer.of(nn.GRU(D_IN, D_H, num_layers=2), x)
    with pytest.raises(traitlets.TraitError, match="replace=False"):
        GateExplorer.of(AUGRU(D_IN, D_H, replace=True), x)
    with pytest.raises(traitlets.TraitError, match="at most 20 steps"):
        GateExplorer.of(GRUCell(D_IN, D_H), torch.randn(21, D_IN))
    with pytest.raises(traitlets.TraitError, match="at most 16"):
        GateExplorer.of(GRUCell(D_IN, 17), x)
    with pytest.raises(traitlets.TraitError, match="do not fit inputs of size 4"):
        GateExplorer.of(GRUCell(D_IN, D_H), x[:, :4])
    with pytest.raises(traitlets.TraitError, match="2 attention weights for 3 steps"):
        GateExplorer.of(AUGRU(D_IN, D_H), x, attention=[1, 0])
    with pytest.raises(traitlets.TraitError, match=r"must lie in \[0, 1\]"):
        GateExplorer.of(AUGRU(D_IN, D_H), x, attention=[1, 0, 2])
    with pytest.raises(traitlets.TraitError, match="2 titles for 3 steps"):
        GateExplorer.of(GRUCell(D_IN, D_H), x, titles=["a", "b"])
    with pytest.raises(traitlets.TraitError, match="step must be below"):
        GateExplorer.of(GRUCell(D_IN, D_H), x, step=3)
    widget = GateExplorer.of(GRUCell(D_IN, D_H), x)
    with pytest.raises(traitlets.TraitError, match=r"choose one of \['gru'\]"):
        widget.cell = "lstm"
    assert widget.describe() == "A GRU with 6 units over a history of 3 events."
