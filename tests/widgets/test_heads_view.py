"""HeadsView: weights, spread and the score without a head are the package's, whatever is switched off."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch
import traitlets
from torch import nn

import recbyhand as rbh
from recbyhand.layers import MultiHeadAttention, masked_softmax
from recbyhand.widgets import HeadsView
from tests.factories import make_batch, make_schema

from .cases.heads_view import softmax
from .harness import numbers

FILMS = ["Heat", "霸王别姬", "Amélie", "Brazil", "<b>Fargo</b>"]
HEADS = ["near", "far", "same genre"]
CAUSAL = np.tril(np.ones((5, 5), bool))
WEIGHTS = softmax(np.where(CAUSAL, np.random.default_rng(2).normal(0, 2, (3, 5, 5)), -np.inf))
EACH, REST = np.array([0.5, -0.25, 1.125]), 0.3


def view(**settings) -> HeadsView:
    how = {"titles": FILMS, "heads": HEADS, "contributions": EACH, "rest": REST, "score_name": "logit"}
    return HeadsView(WEIGHTS, **{**how, **settings})


def plain(text: str) -> str:
    return text.replace("\u2068", "").replace("\u2069", "")


def entropy(rows: np.ndarray) -> np.ndarray:
    return torch.distributions.Categorical(torch.tensor(rows), validate_args=False).entropy().numpy()


def check(visit):
    """Every number on the screen."""
    visit.settle()
    query, key, on = (visit.get(name) for name in ("query", "key", "on"))
    note = plain(visit.widget().locator(".note").inner_text())
    assert note.startswith(f"{FILMS[query]} → {FILMS[key]}: ")
    for head, said in zip(range(3), note.split(": ", 1)[1].split(", ")):
        assert said.startswith(HEADS[head])
        assert numbers(said)[0] == pytest.approx(WEIGHTS[head, query, key], abs=6e-5)
        assert ("(off)" in said) == (head not in on)
    assert (", masked" in note) == (not CAUSAL[query, key])
    score = plain(visit.widget().locator(".score").inner_text())
    expected = REST + EACH[on].sum()
    assert numbers(score)[0] == pytest.approx(expected, abs=6e-5)
    if len(on) < 3:
        assert score.split(":")[0].split("without ")[1] == ", ".join(
            HEADS[h] for h in range(3) if h not in on
        )
        assert numbers(score.split(":")[1])[0] == pytest.approx(expected - REST - EACH.sum(), abs=6e-5)
    rows = visit.widget().locator(".heads tbody tr").all()
    assert len(rows) == 3
    for head, row in enumerate(rows):
        name, spread, without, most = (plain(t) for t in row.locator("th, td").all_text_contents())
        a = WEIGHTS[head, query]
        assert name == HEADS[head]
        assert numbers(spread)[0] == pytest.approx(np.exp(entropy(a)), abs=0.006)
        assert numbers(without)[0] == pytest.approx(REST + EACH.sum() - EACH[head], abs=6e-4)
        top = [k for k in np.argsort(-a, kind="stable") if a[k] >= 0.005][:3]
        assert most == ", ".join(f"{FILMS[k]} {a[k]:.2f}" for k in top)
    means = visit.widget().locator(".tile .mean").all_text_contents()
    for head, said in enumerate(means):
        assert numbers(said)[0] == pytest.approx(np.exp(entropy(WEIGHTS[head])).mean(), abs=0.06)
    said = plain(visit.tab.get_by_role("application").get_attribute("aria-label"))
    assert note in said
    assert score in said


@pytest.mark.parametrize("seed", range(3))
def test_mathematics_equals_the_package(open_page, seed):
    visit = open_page(view())
    draw = torch.Generator().manual_seed(seed)
    real = torch.rand(6, 9, generator=draw) < 0.6
    real[0] = False
    weights = masked_softmax(torch.randn(6, 9, generator=draw, dtype=torch.float64) * 3, real).numpy()
    js = visit.js("spread", [(row.tolist(),) for row in weights])
    assert js[0] is None  # NaN, in JSON
    np.testing.assert_allclose(js[1:], np.exp(entropy(weights[1:])), atol=1e-6)
    widget = HeadsView(weights[None, 1:], mask=real[1:])
    np.testing.assert_allclose(widget.sharpness()[0], js[1:], atol=1e-5)
    for on in itertools.chain.from_iterable(itertools.combinations(range(3), n) for n in range(4)):
        at = visit.js("setOff", [(list(on), 3)])[0]
        assert view().scores[at] == pytest.approx(REST + EACH[list(on)].sum(), abs=1e-6)
        assert view(on=list(on)).score() == pytest.approx(REST + EACH[list(on)].sum(), abs=1e-6)


def test_rows_and_columns_by_key_and_by_name(open_page):
    visit = open_page(view())
    assert (visit.get("query"), visit.get("key")) == (4, 0)
    maps = visit.tab.get_by_role("application")
    for key in "ArrowRight ArrowUp ArrowUp ArrowRight End Home PageUp ArrowUp PageDown ArrowDown".split():
        maps.press(key)
        check(visit)
    assert (visit.get("query"), visit.get("key")) == (4, 0)
    visit.tab.get_by_role("combobox", name="who looks").select_option("Brazil")
    visit.tab.get_by_role("combobox", name="at whom").select_option("<b>Fargo</b>")
    assert (visit.get("query"), visit.get("key")) == (3, 4)
    check(visit)


def test_heads_are_switched_off(open_page):
    visit = open_page(view())
    for head, press in [(1, True), (0, False), (1, False), (2, True), (0, True), (2, False)]:
        switch, before = visit.tab.get_by_role("switch", name=HEADS[head]), head in visit.get("on")
        switch.press("Space") if press else switch.click()
        assert (head in visit.get("on")) != before
        visit.settle()
        assert switch.get_attribute("aria-checked") == str(not before).lower()
        assert ("off" in visit.widget().locator(".tile").nth(head).get_attribute("class")) == before
        check(visit)
    visit.set({"on": []})
    check(visit)
    unknown = open_page(view(contributions=None))
    assert not unknown.widget().locator(".score").is_visible()
    assert unknown.widget().locator(".heads thead th").count() == 2


def test_cells_by_pointer_and_their_colour(open_page):
    visit = open_page(view(), width=390)
    tip = visit.widget().locator(".tip")
    for head, query, key in [(0, 4, 4), (2, 3, 1), (1, 0, 2)]:
        box = visit.widget().locator(".tile canvas").nth(head).bounding_box()
        at = box["x"] + box["width"] * (key + 0.5) / 5, box["y"] + box["height"] * (query + 0.5) / 5
        visit.tab.mouse.move(*at)
        lines = tip.locator("div").all_text_contents()
        assert lines[:2] == [FILMS[query], f"→ {FILMS[key]}"]
        assert lines[2].startswith(HEADS[head])
        assert numbers(lines[2])[0] == pytest.approx(WEIGHTS[head, query, key], abs=6e-5)
        visit.tab.mouse.down()
        visit.tab.mouse.up()
        assert (visit.get("query"), visit.get("key")) == (query, key)
        visit.settle()
    read = "(c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    for head in range(3):
        pixels = np.array(visit.widget().locator(".tile canvas").nth(head).evaluate(read)).reshape(5, 5, 4)
        assert ((pixels[..., 3] > 0) == CAUSAL).all()
        shade = (255 - pixels[..., :3].astype(float)).sum(-1)[CAUSAL]  # from white paper
        own = np.sqrt(WEIGHTS[head][CAUSAL])
        np.testing.assert_allclose(shade / shade.max(), own / own.max(), atol=0.02)


def test_more_heads_from_python(open_page):
    visit = open_page(view(contributions=None, heads=[]))
    visit.set(
        {"weights": {"shape": [1, 2, 2], "data": [1, 0, 0.5, 0.5]}, "rows": [], "columns": [], "on": [0]}
    )
    assert visit.tab.get_by_role("switch").count() == visit.widget().locator(".tile").count() == 1
    assert visit.errors == []


class Heads(nn.Module):
    """Heads that are joined by a linear map, as recbyhand.layers has them."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads, self.inner, self.out = heads, nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask, without=()):
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in self.inner(x).chunk(3, -1))
        a = masked_softmax(
            q @ k.transpose(-1, -2), mask[:, None, None].expand(-1, self.heads, x.shape[1], -1)
        )
        z = a @ v  # (B, H, T, d)
        for head in without:
            z[:, head] = 0
        return self.out(z.transpose(1, 2).flatten(2)), a


class Toy(nn.Module):
    """Two layers of heads; with `target`, the target stands last in the sequence."""

    def __init__(self, schema, target: bool, without=((), ())):
        super().__init__()
        self.schema = schema
        self.item, self.target, self.without = nn.Embedding(schema.n_items, 6), target, without
        self.layers = nn.ModuleList([Heads(6, 3), Heads(6, 3)])
        self.mlp = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1))

    def run(self, batch):
        x, mask, found = self.item(batch.history), batch.history_mask, []
        if self.target:
            x = torch.cat([x, self.item(batch.item)[:, None]], 1)
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
        for layer, without in zip(self.layers, self.without, strict=True):
            y, a = layer(x, mask, without)
            x = x + y
            found.append(a)
        return self.mlp(x[:, -1] if self.target else x.mean(1) + self.item(batch.item))[:, 0], found

    def forward(self, batch):
        return self.run(batch)[0]

    def attention(self, batch):
        return self.run(batch)[1]


@pytest.mark.parametrize("target", [True, False])
def test_from_a_model(target):
    torch.manual_seed(1)
    schema = make_schema()
    model, batch = Toy(schema, target), make_batch(schema, 6)
    model.train()
    row = int(batch.history_mask.sum(1).argmax())
    for layer in (0, 1, -1):
        widget = HeadsView.of(model, batch, row=row, layer=layer, title="One")
        assert model.training
        real = int(batch.history_mask[row].sum())
        titles = [schema.title(i) for i in batch.history[row, :real]]
        if target:
            titles.append(f"{schema.title(batch.item[row])} (target)")
        assert widget.rows == widget.columns == titles
        with torch.no_grad():
            model.eval()
            a = model.attention(batch)[layer][row].numpy()
            kept = [*range(real), *([batch.history.shape[1]] if target else [])]
            np.testing.assert_allclose(widget.weights, a[:, kept][:, :, kept], atol=1e-6)
            for on in ([0, 1, 2], [1], [0, 2], []):
                other = Toy(schema, target)
                other.load_state_dict(model.state_dict())
                off = tuple(h for h in range(3) if h not in on)
                other.without = (off, ()) if layer == 0 else ((), off)
                score = other.eval()(batch)[row].item()
                assert widget.score(on) == pytest.approx(score, abs=1e-6)
            model.train()
    assert not any(module._forward_pre_hooks for module in model.modules())
    single = Toy(schema, target)
    single.attention = lambda batch: model.attention(batch)[0]  # a tensor for one layer
    assert HeadsView.of(single, batch, row=row).scores.size == 0  # two modules for one layer: no score


@pytest.mark.parametrize("kind", ["BST", "SASRec"])
def test_models_of_the_package(kind):
    torch.manual_seed(2)
    schema = make_schema()
    model, batch = getattr(rbh.models, kind)(schema, heads=2, layers=2), make_batch(schema, 5)
    row = int(batch.history_mask.sum(1).argmax())
    for layer in (0, 1):
        widget = HeadsView.of(model, batch, row=row, layer=layer)
        assert widget.score() == pytest.approx(model.eval()(batch)[row].item(), abs=1e-6)
        assert len(widget.rows) == schema.history + (kind == "BST")
        for head in range(2):
            other = copy.deepcopy(model)
            out = [m.out for m in other.modules() if isinstance(m, MultiHeadAttention)][layer]
            width = out.in_features // 2
            out.weight.data[:, head * width : (head + 1) * width] = 0
            assert widget.score([1 - head]) == pytest.approx(other(batch)[row].item(), abs=1e-6)
        upper = np.triu_indices(len(widget.rows), 1)
        assert widget.allowed()[upper].any() == (kind == "BST")  # SASRec looks back only
    with pytest.raises(ValueError, match="pass weights and titles"):
        HeadsView.of(rbh.models.Transformer4Rec(schema), batch)


def test_models_that_cannot_be_shown():
    schema = make_schema()
    model, batch = Toy(schema, True), make_batch(schema, 3)
    for how, word in [({"layer": 2}, "layer 2 of 2"), ({"row": 3}, "row 3 of a batch of 3")]:
        with pytest.raises(ValueError, match=word):
            HeadsView.of(model, batch, **how)
    with pytest.raises(ValueError, match="has no attention"):
        HeadsView.of(nn.Linear(1, 1), batch)
    model.attention = lambda batch: [torch.ones(1, 2, 3, 3) / 3]
    with pytest.raises(ValueError, match="3 events for a history of"):
        HeadsView.of(model, batch)
    model.attention = lambda batch: torch.ones(3, 5)
    with pytest.raises(ValueError, match=r"not \(B, H, T, T\)"):
        HeadsView.of(model, batch)


def test_python_side():
    widget = view(on=[0, 2])
    assert widget.score() == pytest.approx(REST + EACH[0] + EACH[2])
    assert "The logit is 1.925" in widget.describe()
    assert "<b>Fargo</b> looks most" in widget.describe()
    assert "near, off" not in widget.static()
    assert "far, off" in widget.static()
    assert HeadsView(np.eye(3)).weights.shape == (1, 3, 3)
    assert np.isnan(HeadsView(np.eye(3)).score())
    empty_row = HeadsView([[[0, 0], [0.5, 0.5]]])
    assert np.isnan(empty_row.sharpness()[0, 0])
    assert "over 2.0" in empty_row.describe()
    for wrong, word in [
        ({"weights": np.zeros((9, 2, 2))}, "at most 8 heads"),
        ({"weights": np.zeros((1, 65, 65))}, "64 events"),
        ({"weights": [[[2.0, 1.0]]]}, "softmax"),
        ({"weights": [[[1.5, -0.5]]]}, "softmax"),
        ({"weights": WEIGHTS, "titles": ["one"]}, "1 names in rows"),
        ({"weights": WEIGHTS, "heads": ["one"]}, "pass 3"),
        ({"weights": WEIGHTS, "mask": np.ones((2, 2))}, "mask of shape"),
        ({"weights": WEIGHTS, "scores": [1, 2, 3]}, "pass 8"),
        ({"weights": WEIGHTS, "contributions": [1, 2]}, "one per head"),
        ({"weights": WEIGHTS, "contributions": [1, 2, 3], "scores": [0] * 8}, "not both"),
        ({"weights": WEIGHTS, "on": [3]}, "numbers 0 to 2"),
    ]:
        with pytest.raises(traitlets.TraitError, match=word):
            HeadsView(**wrong)
