"""ActivationCurves: its mathematics is torch's and the package's, and so is what it shows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import traitlets
from torch.nn import functional

from recbyhand.layers import Dice
from recbyhand.widgets import ActivationCurves

from .harness import numbers

TOLERANCE = 1e-6


def dice_layer(alpha=0.25, epsilon=1e-8, running=(0.0, 1.0)) -> Dice:
    layer = Dice(1, alpha=alpha, eps=epsilon).double()
    layer.norm.running_mean.fill_(running[0])
    layer.norm.running_var.fill_(running[1])
    return layer


def shown(visit, name: str) -> list[float]:
    """f(s) and f'(s) as the table lists them."""
    visit.settle()
    return numbers(visit.tab.get_by_role("row", name=name).first.inner_text())


def note(visit) -> str:
    visit.settle()
    return visit.widget().locator(".note").inner_text()


def value_and_slope(f, s: float) -> list[float]:
    x = torch.tensor([[s]], dtype=torch.float64, requires_grad=True)
    y = f(x)
    y.backward()
    return [y.item(), x.grad.item()]


def test_mathematics_equals_torch(open_page):
    visit = open_page(ActivationCurves())
    rng = np.random.default_rng(1)
    x = torch.tensor(rng.normal(0, 4, 200), requires_grad=True)
    slope = 0.3

    def same(js, expected):
        np.testing.assert_allclose(js, expected.detach().numpy(), atol=TOLERANCE, rtol=TOLERANCE)

    for name, derivative, f in [
        ("sigmoid", "sigmoidSlope", torch.sigmoid),
        (None, "tanhSlope", torch.tanh),
    ]:
        y = f(x)
        if name:
            same(visit.js(name, [(v,) for v in x.tolist()]), y)
        same(visit.js(derivative, [(v,) for v in x.tolist()]), torch.autograd.grad(y.sum(), x)[0])
    for a, f in [
        (0.0, functional.relu),
        (slope, lambda t: functional.leaky_relu(t, slope)),
        (slope, lambda t: functional.prelu(t, torch.tensor([slope], dtype=t.dtype))),
        ((1 / 8 + 1 / 3) / 2, functional.rrelu),
    ]:
        y = f(x)
        same(visit.js("piecewise", [(v, a) for v in x.tolist()]), y)
        same(visit.js("piecewiseSlope", [(v, a) for v in x.tolist()]), torch.autograd.grad(y.sum(), x)[0])


@pytest.mark.parametrize("seed", range(3))
def test_dice_equals_the_package(open_page, seed):
    visit = open_page(ActivationCurves())
    rng = np.random.default_rng(seed)
    batch = rng.normal(rng.normal(), rng.uniform(0.1, 3), 20)
    alpha, epsilon = rng.uniform(-0.5, 1.5), 10.0 ** -rng.integers(0, 9)
    layer = dice_layer(alpha, epsilon, (rng.normal(), rng.uniform(0.1, 3)))
    for training in (False, True):
        layer.train(training)
        running = {"mean": layer.norm.running_mean.item(), "variance": layer.norm.running_var.item()}
        used = visit.js("statistics", [(batch.tolist(), training, running)])[0]
        js = visit.js("dice", [(v, alpha, used["mean"], used["variance"], epsilon) for v in batch.tolist()])
        np.testing.assert_allclose(js, layer(torch.tensor(batch)[:, None])[:, 0].detach(), atol=TOLERANCE)
    layer.eval()
    x = torch.tensor(batch, requires_grad=True)  # now evaluating, by the averages that one batch has moved
    layer(x[:, None]).sum().backward()
    moved = visit.js("remember", [(running, batch.tolist())])[0]
    np.testing.assert_allclose(
        list(moved.values()), [layer.norm.running_mean.item(), layer.norm.running_var.item()], atol=TOLERANCE
    )
    js = visit.js(
        "diceSlope", [(v, alpha, moved["mean"], moved["variance"], epsilon) for v in batch.tolist()]
    )
    np.testing.assert_allclose(js, x.grad, atol=TOLERANCE)


def test_one_value_uses_the_running_averages_as_the_package_does(open_page):
    visit = open_page(ActivationCurves(values=[2.0], running_mean=1.0, running_var=4.0, s=2.0))
    layer = dice_layer(running=(1.0, 4.0)).train()
    assert shown(visit, "Dice")[0] == pytest.approx(
        layer(torch.tensor([[2.0]], dtype=torch.float64)).item(), abs=1e-4
    )
    assert "one value has no variance" in note(visit)


def test_chips_choose_the_curves(open_page):
    visit = open_page(ActivationCurves(functions=["prelu", "dice"], s=-2.0))
    functions = {
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "ReLU": torch.relu,
        "LeakyReLU": functional.leaky_relu,
    }
    for name, f in functions.items():
        chip = visit.tab.get_by_role("button", name=name, exact=True)
        chip.press("Space") if name == "tanh" else chip.click()
        visit.settle()
        cells = visit.tab.get_by_role("row").filter(
            has=visit.tab.get_by_role("rowheader", name=name, exact=True)
        )
        assert numbers(cells.inner_text()) == pytest.approx(value_and_slope(f, -2.0), abs=1e-4)
        assert visit.widget().locator(f"path.{name.lower().replace('leakyrelu', 'leaky_relu')}").count() == 2
    visit.tab.get_by_role("button", name="Dice").click()
    visit.settle()
    assert visit.widget().locator("path.gate").count() == 1
    assert not visit.widget().locator("path.gate").is_visible()
    assert not visit.tab.get_by_role("slider", name="batch mean").is_visible()


@pytest.mark.parametrize(
    ("label", "trait", "row", "torch_of"),
    [
        ("LeakyReLU: slope", "leaky_slope", "LeakyReLU", functional.leaky_relu),
        (
            "PReLU: α",
            "prelu_alpha",
            "PReLU",
            lambda x, a: functional.prelu(x, torch.tensor([a], dtype=x.dtype)),
        ),
    ],
)
def test_slope_sliders(open_page, label, trait, row, torch_of):
    visit = open_page(
        ActivationCurves(functions=[trait.split("_")[0].replace("leaky", "leaky_relu")], s=-2.0)
    )
    slider = visit.tab.get_by_role("slider", name=label)
    for key in ("ArrowRight", "PageUp", "End"):
        slider.press(key)
        a = visit.get(trait)
        assert shown(visit, row) == pytest.approx(
            value_and_slope(lambda x, a=a: torch_of(x, a), -2.0), abs=1e-4
        )
    assert visit.get(trait) == float(slider.get_attribute("max"))
    before = visit.widget().locator("path.curve").first.get_attribute("d")
    box = slider.bounding_box()
    visit.tab.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2)
    a = visit.get(trait)
    assert shown(visit, row)[0] == pytest.approx(-2 * a, abs=1e-4)
    assert visit.widget().locator("path.curve").first.get_attribute("d") != before


def test_rrelu_is_a_band_while_training_and_a_line_after(open_page):
    visit = open_page(ActivationCurves(functions=["rrelu"], s=-3.0))
    assert shown(visit, "RReLU") == pytest.approx([-1, -0.375, 0.125, 1 / 3], abs=1e-4)
    visit.tab.get_by_role("slider", name="RReLU: lowest").press("ArrowRight")
    visit.tab.get_by_role("slider", name="RReLU: highest").press("ArrowLeft")
    low, high = visit.get("lower"), visit.get("upper")
    torch.manual_seed(0)
    drawn = functional.rrelu(torch.full((1000,), -3.0), low, high, training=True)
    least, most = shown(visit, "RReLU")[:2]
    assert least - 1e-4 <= drawn.min() < drawn.max() <= most + 1e-4
    assert visit.widget().locator("path[fill-opacity]").count() == 2
    visit.tab.get_by_text("evaluating").click()
    expected = value_and_slope(lambda x: functional.rrelu(x, low, high, training=False), -3.0)
    assert shown(visit, "RReLU") == pytest.approx(expected, abs=1e-4)
    assert visit.widget().locator("path[fill-opacity]").count() == 0


def batch_of(visit, widget):
    """The batch as the sliders have it, from Python's side."""
    z = np.asarray(widget.values, np.float64)
    return visit.get("mean") + visit.get("spread") * (z - z.mean()) / z.std()


def test_dice_sliders_show_what_the_layer_computes(open_page):
    widget = ActivationCurves(functions=["dice"], s=1.0)
    visit = open_page(widget)
    moves = [
        ("batch mean", "PageUp"),
        ("batch spread", "PageUp"),
        ("Dice: α", "End"),
        ("ε", "End"),
        ("look at s", "ArrowLeft"),
    ]
    for label, key in moves:
        before = shown(visit, "Dice")
        visit.tab.get_by_role("slider", name=label, exact=True).press(key)
        assert shown(visit, "Dice") != before, label
        layer = dice_layer(visit.get("dice_alpha"), visit.get("epsilon")).train()
        batch = torch.tensor(batch_of(visit, widget))
        layer(batch[:, None])
        layer.eval()  # the table looks at a point that is not of the batch: normalise it by the batch's moments
        layer.norm.running_mean.fill_(batch.mean())
        layer.norm.running_var.fill_(batch.var(unbiased=False))
        assert shown(visit, "Dice") == pytest.approx(value_and_slope(layer, visit.get("s")), abs=1e-4)
        assert numbers(note(visit))[:2] == pytest.approx(
            [batch.mean().item(), batch.var(unbiased=False).item()], abs=1e-4
        )


def test_the_batch_pushed_through_is_the_layers_output(open_page):
    widget = ActivationCurves(functions=["dice"], mean=1.0, spread=0.5)
    visit = open_page(widget)
    layer = dice_layer().train()
    batch = torch.tensor(batch_of(visit, widget)).sort().values
    output = layer(batch[:, None])[:, 0]
    few = [round(i * 63 / 4) for i in range(5)]
    cells = visit.tab.get_by_role("row", name="Dice(s)").inner_text().removeprefix("Dice(s)")
    assert numbers(cells) == pytest.approx(output[few].tolist(), abs=1e-3)

    visit.tab.get_by_role("button", name="Push the batch through").click()
    assert [visit.get("running_mean"), visit.get("running_var")] == pytest.approx(
        [layer.norm.running_mean.item(), layer.norm.running_var.item()], abs=1e-6
    )
    visit.tab.get_by_text("evaluating").click()
    layer.eval()
    cells = visit.tab.get_by_role("row", name="Dice(s)")
    visit.settle()
    assert numbers(cells.inner_text().removeprefix("Dice(s)")) == pytest.approx(
        layer(batch[:, None])[few, 0].tolist(), abs=1e-3
    )
    assert "running averages (1 batch seen)" in note(visit)
    visit.tab.get_by_role("button", name="Push the batch through").press("Enter")
    assert visit.get("pushed") == 1  # evaluation leaves the averages alone


def test_averages_that_come_from_elsewhere_are_not_said_to_have_seen_nothing(open_page):
    """A trained layer's averages, with no batch pushed here yet."""
    visit = open_page(ActivationCurves(functions=["dice"], running_mean=0.3, running_var=0.1, training=False))
    assert "from running averages. " in note(visit)
    assert "seen" not in note(visit)


def test_a_slider_over_powers_of_ten_says_them(open_page):
    visit = open_page(ActivationCurves(functions=["dice"]))
    slider = visit.tab.get_by_role("slider", name="ε")
    for key, said in (
        ("Home", "1 × 10⁻⁹"),
        ("ArrowRight", "1 × 10⁻⁸"),
        ("End", "1"),
        ("ArrowLeft", "1 × 10⁻¹"),
    ):
        slider.press(key)
        assert slider.get_attribute("aria-valuetext") == said


def test_constant_batch_and_epsilon(open_page):
    visit = open_page(ActivationCurves(functions=["dice"], mean=0.5, s=0.5))
    visit.tab.get_by_role("slider", name="batch spread").press("Home")
    layer = dice_layer().train()
    assert shown(visit, "Dice")[0] == pytest.approx(
        layer(torch.full((8, 1), 0.5, dtype=torch.float64))[0].item(), abs=1e-4
    )
    assert "The batch is constant" in note(visit)
    assert numbers(note(visit))[2] == pytest.approx(1e-4)
    visit.tab.get_by_role("slider", name="ε", exact=True).press("End")
    assert numbers(note(visit))[2] == pytest.approx(1.0)


def test_histogram_and_curve_are_dragged(open_page):
    visit = open_page(ActivationCurves(functions=["dice"]))
    box = visit.widget().locator(".grab").bounding_box()
    path = visit.widget().locator("path.gate")
    before = path.get_attribute("d")
    middle, unit = box["x"] + 34 + (box["width"] - 42) / 2, (box["width"] - 42) / 12

    def pull(start, to, high=90):
        visit.tab.mouse.move(middle + start * unit, box["y"] + high)
        visit.tab.mouse.down()
        visit.tab.mouse.move(middle + to * unit, box["y"] + high, steps=4)
        visit.tab.mouse.up()
        visit.settle()

    pull(0, 2)
    assert visit.get("mean") == pytest.approx(2, abs=0.051)
    assert path.get_attribute("d") != before
    assert visit.get("spread") == 1
    pull(1, 0)  # left of its mean, above the handle: it moves, and is not squeezed
    assert (visit.get("mean"), visit.get("spread")) == (pytest.approx(1, abs=0.051), 1)
    pull(0, 1)
    pull(3, 4, high=144)  # the handle at the foot
    assert visit.get("spread") == pytest.approx(2, abs=0.051)
    assert numbers(note(visit))[:2] == pytest.approx([visit.get("mean"), visit.get("spread") ** 2], abs=1e-3)
    curve = visit.widget().locator(".cross").bounding_box()
    visit.tab.mouse.click(curve["x"] + 34 + (curve["width"] - 42) * 0.75, curve["y"] + 60)
    assert visit.get("s") == pytest.approx(3, abs=0.051)


def test_derivatives_can_be_hidden(open_page):
    visit = open_page(ActivationCurves())
    chart = visit.tab.get_by_role("img", name="Derivatives of the activations")
    narrow = visit.tab.get_by_role("img", name="Activations f(s)").bounding_box()["width"]
    visit.tab.get_by_role("switch", name="derivatives").press("Space")
    visit.settle()
    assert not chart.is_visible()
    assert visit.tab.get_by_role("img", name="Activations f(s)").bounding_box()["width"] > 1.5 * narrow


def test_a_screen_reader_hears_the_new_values(open_page):
    visit = open_page(ActivationCurves(functions=["relu"]))
    live = visit.widget().locator("[aria-live=polite]").last
    slider = visit.tab.get_by_role("slider", name="look at s")
    slider.press("End")
    assert slider.get_attribute("aria-valuetext") == "6.00"
    visit.tab.wait_for_timeout(700)
    assert live.text_content() == "At s 6.00: ReLU 6.0000, derivative 1.0000."


def test_python_values_and_errors():
    widget = ActivationCurves(values=torch.tensor([1.0, 3.0]))
    assert (widget.mean, widget.spread) == (2.0, 1.0)
    s = torch.linspace(-6, 6, 25, dtype=torch.float64)
    expected = dice_layer(running=(2.0, 1.0)).eval()(s[:, None])[:, 0].detach()
    np.testing.assert_allclose(widget.curve("dice", s.numpy()), expected, atol=1e-6)
    for wrong, word in [
        ({"functions": ["gelu"]}, "rrelu"),
        ({"dice_alpha": 9}, "greater than 1.5"),
        ({"values": [[1.0]]}, "1 axis"),
        ({"values": "abc"}, "numbers"),
        ({"running_var": -1.0}, "less than 0"),
        ({"running_mean": float("nan")}, "finite"),
    ]:
        with pytest.raises(traitlets.TraitError, match=word):
            ActivationCurves(**wrong)
