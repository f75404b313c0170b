"""GraphAttentionView: weights and score are those of the package's layers, with all edges and without some."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import traitlets
from torch import nn

import recbyhand as rbh
from recbyhand.layers import masked_softmax
from recbyhand.layers.graph import (
    DotGraphAttention,
    GATLayer,
    GATv2Layer,
    scatter_softmax,
    scatter_sum,
    with_self_loops,
)
from recbyhand.widgets import GraphAttentionView

from .harness import numbers

DRAW = np.random.default_rng(4)
FILMS = ["Heat", "霸王别姬", "<b>Fargo</b>", "Amélie"]
LOGITS, VALUES = DRAW.normal(0, 1.5, (4, 2)), DRAW.normal(size=(4, 2))
HUNG, FANS = [0, 0, 0, 2, 3, 3], ["Bo", "Cy", "Di", "Bo", "Ed", "9 others"]
DEEP, DEEP_VALUES = DRAW.normal(0, 1.5, (6, 3)), DRAW.normal(size=(6, 2, 3))
REST = 0.25


def view(**settings) -> GraphAttentionView:
    how = {
        "values": VALUES,
        "rest": REST,
        "centre": "Ann",
        "neighbours": FILMS,
        "inner_of": HUNG,
        "inner": FANS,
        "inner_logits": DEEP,
        "inner_values": DEEP_VALUES,
        "score_name": "logit",
    }
    return GraphAttentionView(LOGITS, **{**how, **settings})


def package(dropped=()) -> tuple[np.ndarray, np.ndarray, float]:
    """Weights (E, H), (F, G) and the score by the package's masked softmax: the formula of the docstring."""
    left = torch.tensor([e not in dropped for e in range(10)])
    a = masked_softmax(torch.tensor(LOGITS).T, left[:4].expand(2, 4)).T
    b, hung = torch.zeros(6, 3, dtype=torch.float64), torch.tensor(HUNG)
    for j in range(4):
        mine = (hung == j) & left[4:]
        b += masked_softmax(torch.tensor(DEEP).T, mine.expand(3, 6)).T
    score = REST
    for h, j in itertools.product(range(2), range(4)):
        v = VALUES[j, h]
        for g, k in itertools.product(range(3), range(6)):
            if HUNG[k] == j:
                v += b[k, g].item() * DEEP_VALUES[k, h, g]
        score += a[j, h].item() * v
    return a.numpy(), b.numpy(), score


def plain(text: str) -> str:
    return text.replace("\u2068", "").replace("\u2069", "")


def check(visit):
    """Every number on the screen."""
    visit.settle()
    dropped, head, edge, second = (visit.get(name) for name in ("dropped", "head", "edge", "second"))
    a, b, score = package(dropped)
    shown = [*(a.mean(1) if head < 0 else a[:, head]), *(b.mean(1) if head < 0 else b[:, head])]
    names = FILMS + FANS
    order = [e for j in range(4) for e in (j, *(4 + f for f in range(6) if HUNG[f] == j and second))]
    texts = visit.widget().locator(".graph .weight").all_text_contents()
    assert len(texts) == len(order)
    for e, said in zip(order, texts):
        assert said == "–" if e in dropped else numbers(said)[0] == pytest.approx(shown[e], abs=0.0051)
    wide = (
        visit.widget()
        .locator(".graph path.edge")
        .evaluate_all("(all) => all.map((e) => +e.getAttribute('stroke-width'))")
    )
    for e, width in zip(order, wide):
        expected = 1.2 if e in dropped else 0.8 + (8 if e >= 4 else 13) * shown[e]
        assert width == pytest.approx(expected, abs=0.006)
    note = plain(visit.widget().locator(".note").inner_text())
    heard = "mean of 2 heads" if head < 0 else f"head {head + 1}"
    assert note.startswith(f"{names[edge]} → {FILMS[HUNG[edge - 4]] if edge > 3 else 'Ann'} ({heard}): ")
    said = numbers(note.split(": ")[1])
    if edge in dropped:
        assert said[0] == 0
    else:
        assert said[0] == pytest.approx(shown[edge], abs=6e-5)
        gain = package(dropped)[2] - REST  # what the edge adds, and all do
        own = view(dropped=dropped).gains()
        assert own[:4].sum() == pytest.approx(gain, abs=1e-6)
        assert said[1] == pytest.approx(own[edge], abs=6e-5)
    told = plain(visit.widget().locator(".score").inner_text())
    assert numbers(told)[0] == pytest.approx(score, abs=6e-5)
    if dropped:
        assert numbers(told)[1] == pytest.approx(score - package()[2], abs=6e-5)
        assert numbers(told)[2] == pytest.approx(package()[2], abs=6e-5)
    said = plain(visit.tab.get_by_role("application").get_attribute("aria-label"))
    assert note in said
    assert told in said


SUBSETS = [(), (1,), (0, 2), (0, 1, 2, 3), (4,), (4, 5, 6), (3, 7, 8), tuple(range(10))]


def test_mathematics_equals_the_package(open_page):
    visit = open_page(view())
    for dropped in SUBSETS:
        a, b, score = package(dropped)
        widget = view(dropped=list(dropped))
        for mine, theirs in zip(widget.weights(), (a, b)):
            np.testing.assert_allclose(mine, theirs, atol=1e-6)
        assert widget.score() == pytest.approx(score, abs=1e-6)
        left = [e not in dropped for e in range(10)]
        given = {"shape": [4, 2], "data": LOGITS.ravel().tolist()}
        deep = {"shape": [6, 3], "data": DEEP.ravel().tolist()}
        outer, inner = visit.js("weightsOf", [(given, left[:4], [0] * 4), (deep, left[4:], HUNG)])
        np.testing.assert_allclose(outer, a, atol=1e-6)
        np.testing.assert_allclose(inner, b, atol=1e-6)
        flat = VALUES.ravel().tolist(), DEEP_VALUES.ravel().tolist()
        gains = visit.js("gainsOf", [(outer, inner, *flat, HUNG)])[0]
        np.testing.assert_allclose(gains, widget.gains(), atol=1e-6)
        assert REST + sum(gains[:4]) == pytest.approx(score, abs=1e-6)


def test_edges_by_key(open_page):
    visit = open_page(view())
    graph = visit.tab.get_by_role("application")
    seen = []
    keys = "ArrowRight ArrowDown Enter ArrowLeft ArrowDown Delete ArrowDown Enter ArrowRight Enter Enter Home"
    for key in keys.split():
        graph.press(key)
        check(visit)
        seen.append(visit.get("edge"))
    assert seen == [4, 5, 5, 0, 1, 1, 2, 2, 7, 7, 7, 0]
    assert visit.get("dropped") == [1, 2, 5]
    graph.press("End")
    assert visit.get("edge") == 9
    visit.tab.get_by_role("switch", name="second ring").click()
    check_first = visit.widget().locator(".graph .weight")
    visit.settle()
    assert check_first.count() == 4
    visit.set({"edge": 3})
    check(visit)
    visit.tab.get_by_role("button", name="Put all back").click()
    check(visit)
    assert visit.get("dropped") == []
    for edge in range(4):
        visit.set({"edge": edge})
        visit.tab.get_by_role("button", name="Drop this edge").press("Space")
        check(visit)
    assert "No neighbour is left" in visit.widget().locator(".score").inner_text()
    visit.tab.get_by_role("button", name="Put this edge back").click()
    check(visit)
    visit.tab.get_by_role("combobox", name="head").select_option("head 2")
    assert visit.get("head") == 1
    check(visit)
    assert visit.errors == []


@pytest.mark.parametrize("width", [390, 1280])
def test_edges_by_pointer(open_page, width):
    visit = open_page(view(neighbours=[f * 12 for f in FILMS], inner=[f * 12 for f in FANS]), width=width)
    tip = visit.widget().locator(".tip")
    for edge, place in [(9, 9), (1, 4), (4, 1)]:
        box = visit.widget().locator(".graph .weight").nth(place).bounding_box()
        visit.tab.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2)
        title, said = tip.locator("div").all_text_contents()
        assert title == ([f * 12 for f in FILMS + FANS])[edge]
        assert "weight" in said
        visit.tab.mouse.down()
        visit.tab.mouse.up()
        visit.settle()
        assert visit.get("edge") == edge
        assert visit.get("dropped") == []
        visit.tab.mouse.down()  # again: dropped, and back
        visit.tab.mouse.up()
        assert visit.get("dropped") == [edge]
        visit.settle()
        visit.tab.mouse.down()
        visit.tab.mouse.up()
        visit.settle()
        assert visit.get("dropped") == []
    boxes = (
        visit.widget()
        .locator(".graph text")
        .evaluate_all(
            "(all) => all.map((e) => { const b = e.getBoundingClientRect(); return [b.x, b.y, b.right, b.bottom]; })"
        )
    )
    edge = visit.widget().locator(".graph svg").bounding_box()
    for x, _, right, _ in boxes:
        assert edge["x"] - 1 <= x <= right <= edge["x"] + edge["width"] + 1, "cut off"
    for (x, y, right, bottom), (x2, y2, right2, bottom2) in itertools.combinations(boxes, 2):
        wide, high = min(right, right2) - max(x, x2), min(bottom, bottom2) - max(y, y2)
        assert not (wide > 1 and high > 2), "texts lie over each other"


def without(edges, source, target):
    return edges[:, ~((edges[0] == source) & (edges[1] == target))]


def answer(layer, h, edges, logits_of=None):
    """A layer's output with the logits that it has on `logits_of`, all its edges, over the edges that are left."""
    v, e = layer.values_and_scores(h, edges)
    a = scatter_softmax(e, edges[1], len(h))
    out = scatter_sum(a[..., None] * v[edges[0]], edges[1], len(h))
    out = out.flatten(1) if layer.concat else out.mean(1)
    return out if layer.bias is None else out + layer.bias


@pytest.mark.parametrize("kind", [GATLayer, GATv2Layer, DotGraphAttention])
@pytest.mark.parametrize("concat", [True, False])
def test_one_layer_on_a_graph(kind, concat):
    torch.manual_seed(2)
    h, edges = torch.randn(7, 5), torch.randint(0, 7, (2, 24))
    edges = torch.unique(edges[:, edges[0] != edges[1]], dim=1)
    layer = kind(5, 3, heads=2, concat=concat)
    nn.init.normal_(layer.bias)
    node, read = int(edges[1].mode().values), torch.randn(layer.width)
    widget = GraphAttentionView.of_layers([layer], h, edges, node, read, rest=0.5)
    assert widget.score() == pytest.approx((layer(h, edges)[node] @ read).item() + 0.5, abs=1e-5)
    used = with_self_loops(edges, 7)
    out, _, a = layer(h, edges, return_weights=True)
    mine = a[used[1] == node].detach().numpy()
    np.testing.assert_allclose(np.sort(widget.weights()[0], 0), np.sort(mine, 0), atol=1e-6)
    assert f"node {node} (itself)" in widget.neighbours
    for e, title in enumerate(widget.neighbours):
        source = int(title.split()[1])
        widget.dropped = [e]
        expected = answer(layer, h, without(used, source, node))[node] @ read + 0.5
        assert widget.score() == pytest.approx(expected.item(), abs=1e-5)
    folded = GraphAttentionView.of_layers([layer], h, edges, node, read, rest=0.5, most=2)
    assert folded.neighbours[1] == f"{len(mine) - 1} others"
    assert folded.score() == pytest.approx((out[node] @ read).item() + 0.5, abs=1e-5)
    np.testing.assert_allclose(folded.weights()[0].sum(0), 1, atol=1e-6)
    alone = torch.tensor([[1], [0]])
    with pytest.raises(ValueError, match="no edge ends in node 3"):
        GraphAttentionView.of_layers([kind(5, 3, self_loops=False)], h, alone, 3, torch.zeros(3))
    with pytest.raises(ValueError, match="3 layers"):
        GraphAttentionView.of_layers([layer] * 3, h, alone, 0, read)


@pytest.mark.parametrize("concat", [True, False])
@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("loops", [True, False])
def test_two_layers_on_a_graph(concat, residual, loops):
    torch.manual_seed(3)
    h, edges = torch.randn(8, 6), torch.unique(torch.randint(0, 8, (2, 40)), dim=1)
    edges = edges[:, edges[0] != edges[1]]
    width = 3 if concat else 6
    first = GATv2Layer(6, width, heads=2, concat=concat, self_loops=loops)
    second = GATLayer(6, width, heads=2, concat=concat, self_loops=loops, bias=False)
    nn.init.normal_(first.bias)
    read, node = torch.randn(6), int(edges[1, 0])
    used = with_self_loops(edges, 8) if loops else edges
    middle = answer(first, h, used) + (h if residual else 0)

    def score(inner_edges, outer_edges):
        """The outer logits held, and what the layer below brings to the centre itself."""
        moved = answer(first, h, inner_edges) + (h if residual else 0)
        _, e = second.values_and_scores(middle, outer_edges)
        v, _ = second.values_and_scores(moved, outer_edges)
        a = scatter_softmax(e, outer_edges[1], 8)
        out = scatter_sum(a[..., None] * v[outer_edges[0]], outer_edges[1], 8)
        out = out.flatten(1) if concat else out.mean(1)
        return float((out + (middle if residual else 0))[node] @ read)

    how = {"residual": residual, "most": 16, "most_inner": 8}
    widget = GraphAttentionView.of_layers([first, second], h, edges, node, read, **how)
    assert widget.score() == pytest.approx(score(used, used), abs=1e-5)
    real = second(middle, edges)[node] + (middle[node] if residual else 0)
    assert widget.score() == pytest.approx(float(real @ read), abs=1e-5)  # what the layers answer themselves
    count = len(widget.neighbours)
    for e, title in enumerate(widget.names()):
        widget.dropped = [e]
        source = int(title.split()[1])
        if e < count:
            expected = score(used, without(used, source, node))
        else:
            target = int(widget.neighbours[widget.inner_of[e - count]].split()[1])
            expected = score(without(used, source, target), used)
        assert widget.score() == pytest.approx(expected, abs=1e-5), (title, e)
    small = GraphAttentionView.of_layers(
        [first, second], h, edges, node, read, residual=residual, most=2, most_inner=2
    )
    assert small.score() == pytest.approx(score(used, used), abs=1e-5)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("attention", ["dot", "gat", "gatv2"])
def test_from_a_recommender(layers, attention):
    torch.manual_seed(5)
    task = rbh.data.ctr(rbh.data.planted("interests", users=40))
    schema, graph = task.schema, rbh.data.graph(task)
    model = rbh.models.GraphAttentionRecommender(schema, graph, layers=layers, attention=attention, dim=8)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    model.train()
    user, item = schema.user_ids[1], schema.item_ids[2]
    widget = GraphAttentionView.of(model, user, item)
    assert model.training
    batch = task.test[:1]
    batch.user, batch.item = torch.tensor([3]), torch.tensor([4])
    assert widget.score() == pytest.approx(model.eval()(batch).item(), abs=1e-4)
    items, weights = model.neighbours(3, layer=layers - 1)
    assert widget.neighbours[:9] == [schema.title(i) for i in items[:9]]
    np.testing.assert_allclose(widget.weights()[0][:9], weights[:9].detach(), atol=1e-5)
    assert widget.centre == f"user {user}"
    assert bool(widget.inner_of) == (layers == 2)
    with pytest.raises(KeyError):
        GraphAttentionView.of(model, "nobody", item)


def test_python_side():
    widget = view(dropped=[1, 4])
    assert "Dropped: 霸王别姬, Bo" in widget.describe()
    assert f"The logit is {package([1, 4])[2]:.3f}" in widget.describe()
    assert "dropped" in widget.static()
    one = GraphAttentionView([1.0, 0.0], values=[1.0, 2.0])
    assert one.score() == pytest.approx((np.e + 2) / (np.e + 1), abs=1e-6)
    assert np.isnan(GraphAttentionView([1.0, 0.0]).score())
    for wrong, word in [
        ({"logits": np.zeros((17, 2))}, "at most 16"),
        ({"logits": np.zeros((2, 9))}, "at most 16, 8"),
        ({"values": np.zeros((3, 2))}, "values of shape"),
        ({"inner_logits": np.zeros((5, 2))}, "inner_logits of shape"),
        ({"inner_values": np.zeros((6, 2, 2))}, "inner_values of shape"),
        ({"neighbours": ["one"]}, "1 titles in neighbours for 4"),
        ({"inner": ["one"]}, "1 titles in inner for 6"),
        ({"inner_of": [0, 0, 0, 2, 3, 4]}, "inner_of"),
        ({"dropped": [10]}, "0 to 9"),
        ({"head": -2}, "head"),
    ]:
        logits = wrong.pop("logits", None)
        with pytest.raises(traitlets.TraitError, match=word):
            view(**wrong) if logits is None else GraphAttentionView(logits)


def test_one_head_is_not_called_a_mean(open_page):
    visit = open_page(GraphAttentionView([[1.0], [0.0]], neighbours=FILMS[:2], centre="Ann"))
    note = plain(visit.widget().locator(".note").inner_text())
    assert note.startswith(f"{FILMS[0]} → Ann: weight ")
