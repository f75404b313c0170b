"""HistoryAttention: weights, marks and agreement are those of the package's layers and of the planted truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import traitlets

import recbyhand as rbh
from recbyhand.layers import AdditiveAttention, DotAttention, masked_softmax
from recbyhand.widgets import HistoryAttention

from .harness import numbers

FORMS, TARGETS = ["dot", "unit"], ["Heat", "霸王别姬", "Fargo"]
HISTORY = ["Alien", "Amélie", "Se7en", "Brazil", "nothing"]
SCORES = np.random.default_rng(5).normal(0, 1.5, (2, 3, 5)).astype(np.float32)
MASK = np.array([1, 1, 1, 1, 0], bool)
RELEVANT = np.array([[1, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]], bool)


def bars(**settings) -> HistoryAttention:
    named = {"forms": FORMS, "targets": TARGETS, "history": HISTORY, "mask": MASK, "relevant": RELEVANT}
    return HistoryAttention(SCORES, **{**named, **settings})


def package(visit) -> np.ndarray:
    """(forms, targets, L): what the package's layers make of the scores at the widget's settings."""
    scores, mask = torch.tensor(SCORES, dtype=torch.float64), torch.tensor(MASK)
    weights = masked_softmax(scores, mask.expand(scores.shape)) if visit.get("normalise") else scores * mask
    return weights.numpy()


def note(visit) -> str:
    visit.settle()
    text = visit.widget().locator(".note").inner_text()
    assert text in visit.tab.get_by_role("application").get_attribute("aria-label")
    return text.replace("\u2068", "").replace("\u2069", "")


def check(visit):
    """Every number on the screen."""
    form, target, event = (visit.get(name) for name in ("form", "target", "event"))
    weights, text = package(visit)[form, target], note(visit)
    assert text.startswith(f"{TARGETS[target]} by {FORMS[form]} → {HISTORY[event]}: ")
    assert (", relevant" in text.split(". ")[0]) == RELEVANT[target, event]
    if MASK[event]:
        shown = numbers(text.split("weight " if visit.get("normalise") else "score ", 1)[1])[0]
        assert shown == pytest.approx(weights[event], abs=1e-4)
    assert numbers(text.split("Sum: ")[1])[0] == pytest.approx(weights.sum(), abs=1e-4)
    order = np.argsort(-np.where(MASK, weights, -np.inf), kind="stable") if visit.get("sort") else range(5)
    rows = visit.widget().locator(".map text").all_text_contents()
    assert rows[::2] == [HISTORY[i] for i in order]
    for i, words in zip(order, rows[1::2]):
        if MASK[i]:
            assert numbers(words)[0] == pytest.approx(weights[i], abs=6e-4)
        else:
            assert words == "padding"
    assert visit.widget().locator(".map .mark").count() == RELEVANT[target].sum()
    wide = (
        visit.widget().locator(".map .bar").evaluate_all("(all) => all.map((e) => +e.getAttribute('width'))")
    )
    size = np.abs(weights[[i for i in order if MASK[i]]])
    np.testing.assert_allclose(np.array(wide) / max(wide), size / size.max(), atol=0.01)
    if RELEVANT[target].any() and visit.get("normalise"):
        share = weights[RELEVANT[target]].sum() / weights.sum()
        assert numbers(text.split("weight on them ")[1])[0] == pytest.approx(share, abs=1e-3)
    return text


@pytest.mark.parametrize("seed", range(3))
def test_mathematics_equals_the_package(open_page, seed):
    visit = open_page(bars())
    rng = np.random.default_rng(seed)
    scores, real = rng.normal(0, 3, (6, 9)), rng.random((6, 9)) < 0.8
    real[:, 0] = True
    for normalise in (True, False):
        js = visit.js("weightsOf", [(s.tolist(), r.tolist(), normalise) for s, r in zip(scores, real)])
        given, mask = torch.tensor(scores), torch.tensor(real)
        expected = masked_softmax(given, mask) if normalise else given.masked_fill(~mask, 0)
        np.testing.assert_allclose(js, expected.numpy(), atol=1e-6)
    rounded = np.round(scores).clip(0) + 1  # with ties, and nothing below zero
    relevant = rng.random((6, 9)) < 0.4
    js = visit.js(
        "agreement", [(w.tolist(), r.tolist(), m.tolist()) for w, r, m in zip(rounded, real, relevant)]
    )
    widget = HistoryAttention(np.zeros((6, 9)))
    for found, w, r, m in zip(js, rounded, real, relevant):
        own, marks = w[r], m[r]
        if not marks.any():
            assert found is None
            continue
        assert found["share"] == pytest.approx(own[marks].sum() / own.sum(), abs=1e-6)
        assert found["chance"] == pytest.approx(marks.mean(), abs=1e-6)
        # Ties in every order, by shuffling: what the k largest hold on average.
        hits = []
        for _ in range(4000):
            shuffled = rng.permutation(len(own))
            best = shuffled[np.argsort(-own[shuffled], kind="stable")][: marks.sum()]
            hits.append(marks[best].mean())
        assert found["precision"] == pytest.approx(np.mean(hits), abs=0.03)
        python = HistoryAttention(w, mask=r, relevant=m, normalise=False).agreement().iloc[0]
        for column in ("share", "top", "precision", "chance"):
            assert found[column] == pytest.approx(python[column], abs=1e-6)
    assert widget.agreement().isna().all(axis=None)


def test_controls_by_keyboard_and_pointer(open_page):
    visit = open_page(bars())
    check(visit)
    for _ in range(2):
        for label, names, trait in [
            ("target", TARGETS, "target"),
            ("form of attention", FORMS, "form"),
        ]:
            for i, text in reversed(list(enumerate(names))):
                visit.tab.get_by_role("combobox", name=label).select_option(text)
                assert visit.get(trait) == i
                check(visit)
        visit.tab.get_by_role("switch", name="normalised").press("Space")
        text = check(visit)
    visit.tab.get_by_role("switch", name="largest first").click()
    check(visit)
    grid = visit.tab.get_by_role("application")
    for key in ["End", "ArrowDown", "ArrowUp", "Home", "ArrowDown", "ArrowRight", "ArrowLeft"]:
        grid.press(key)
        text = check(visit)
    best = np.argsort(-np.where(MASK, package(visit)[0, 0], -np.inf), kind="stable")
    assert visit.get("event") == best[1]
    assert "number 2 of 4" in text
    visit.set({"target": 2})
    assert "No event is relevant for this target" in note(visit)
    assert visit.errors == []


def test_forms_are_compared_by_their_agreement(open_page):
    widget = bars()
    visit = open_page(widget)
    for normalise in (True, False):
        visit.set({"normalise": normalise})
        widget.normalise = normalise
        expected = widget.agreement()
        rows = visit.widget().locator(".scores tbody tr").all_inner_texts()
        assert [row.split("\t")[0] for row in rows] == [*FORMS, "by chance"]
        for row, (_, means) in zip(rows, expected.iterrows()):
            for shown, value in zip(row.split("\t")[1:], means):
                if np.isnan(value):
                    assert shown == "–"
                else:
                    assert numbers(shown)[0] == pytest.approx(value, abs=0.0051)
        assert numbers(rows[-1])[0] == pytest.approx((2 / 4 + 1 / 4) / 2, abs=0.0051)
    assert "mean of 2 targets" in visit.widget().locator(".scores caption").inner_text()
    plain = open_page(bars(relevant=[]))
    assert not plain.widget().locator(".scores").is_visible()
    assert "elevant" not in plain.widget().locator(".frame").inner_text()


def test_hover_and_click(open_page):
    visit = open_page(bars(), width=390)
    box, tip = visit.widget().locator(".map").bounding_box(), visit.widget().locator(".tip")
    for i in range(5):
        visit.tab.mouse.move(box["x"] + 60 + 40 * i, box["y"] + box["height"] * (i + 0.5) / 5)
        title, value = tip.locator("div").all_text_contents()
        assert title == HISTORY[i]
        assert numbers(value)[0] == pytest.approx(package(visit)[0, 0, i], abs=1e-4)
        visit.tab.mouse.down()
        visit.tab.mouse.up()
        assert visit.get("event") == i
        check(visit)
    visit.tab.mouse.move(2, 2)
    assert not tip.is_visible()


@pytest.fixture(scope="module")
def world():
    return rbh.data.ctr(rbh.data.planted("interests", users=60), history=20)


class Reader(torch.nn.Module):
    """A small model with any of the forms."""

    def __init__(self, schema, form):
        super().__init__()
        self.item, self.unit = torch.nn.Embedding(schema.n_items, 4), form

    def attention(self, batch):
        return self.unit(self.item(batch.item), self.item(batch.history), batch.history_mask)


def test_from_models_and_a_planted_world(world):
    torch.manual_seed(0)
    models = {
        "DIN": rbh.models.DIN(world.schema),
        "DIEN": rbh.models.DIEN(world.schema),
        "dot": Reader(world.schema, DotAttention(4)),
        "additive": Reader(world.schema, AdditiveAttention(4, normalise=False)),
    }
    models["DIEN"].train()
    user = world.schema.user_ids[3]
    widget = HistoryAttention.of(models, world, user=user, title="A user")
    rows = torch.nonzero(world.test.user == world.schema.user_id(user))[:, 0]
    last = world.test[rows[world.test.time[rows].argmax()].reshape(1)]
    length = int(last.history_mask.sum())
    assert widget.scores.shape == (4, len(widget.targets), length)
    assert widget.history == [world.schema.title(i) for i in last.history[0, :length]]
    assert widget.targets[0] == world.schema.title(last.item[0])
    truth = world.dataset.truth
    assert (widget.relevant[0] > 0).tolist() == truth.relevant(last, world.schema)[0, :length].tolist()
    assert models["DIEN"].training
    assert models["dot"].unit.normalise
    assert not models["DIN"].unit.normalise
    for i, (name, model) in enumerate(models.items()):
        used = model.eval().attention(last)[0, :length].detach().numpy()
        widget.normalise = name in ("DIEN", "dot")
        np.testing.assert_allclose(widget.weights()[i, 0], used, atol=1e-5)
        if (widget.relevant[0] > 0).any():
            precision = (
                truth.precision(torch.tensor(used)[None], last[:1], world.schema) if length == 20 else None
            )
            one = HistoryAttention(widget.scores[i, :1], relevant=widget.relevant[:1])
            if precision:
                assert one.agreement()["top"].iloc[0] == pytest.approx(precision.precision)
                assert one.agreement()["chance"].iloc[0] == pytest.approx(precision.chance)
    items = [world.schema.item_ids[k] for k in (0, 5)]
    chosen = HistoryAttention.of({"DIN": models["DIN"]}, world, user=user, targets=items)
    assert chosen.targets == [world.schema.title(2), world.schema.title(7)]
    with pytest.raises(ValueError, match="read before its softmax"):
        HistoryAttention.of({"pool": rbh.models.PooledSequence(world.schema)}, world, user=user)
    with pytest.raises(KeyError, match="there is no user"):
        HistoryAttention.of(models, world, user="nobody")
    with pytest.raises(KeyError, match="there is no item"):
        HistoryAttention.of(models, world, user=user, targets=["no film"])


def test_minus_infinity_is_a_mask(open_page):
    scores = SCORES.copy()
    scores[..., 4] = -np.inf
    masked = bars(mask=[1, 1, 1, 1, 0])
    given = HistoryAttention(scores, forms=FORMS, targets=TARGETS, history=HISTORY, relevant=RELEVANT)
    np.testing.assert_allclose(given.weights(), masked.weights())
    assert given.agreement().equals(masked.agreement())
    assert given.describe() == masked.describe()
    visit = open_page(given)
    visit.set({"event": 4})
    assert "nothing: masked, weight 0" in note(visit)
    assert visit.widget().locator(".map text").last.text_content() == "masked"
    scores[0, 1] = -np.inf  # a whole row
    row = HistoryAttention(scores, relevant=RELEVANT)
    assert not row.weights()[0, 1].any()
    np.testing.assert_allclose(row.weights()[1].sum(1), 1, atol=1e-6)
    lone = open_page(row)
    lone.set({"target": 1})
    assert numbers(note(lone).split("Sum: ")[1])[0] == 0
    assert lone.errors == []


def test_a_history_that_is_too_long_says_what_to_pass():
    world = rbh.data.ctr(rbh.data.planted("interests", users=40), history=60)
    rows = range(len(world.test))
    last = max(rows, key=lambda i: int(world.test[[i]].history_mask.sum()))
    user = world.schema.user_ids[int(world.test.user[last]) - 2]
    assert world.test[[last]].history_mask.sum() > 50
    with pytest.raises(ValueError, match=r"rbh.data.ctr\(..., history=50\)"):
        HistoryAttention.of({"DIN": rbh.models.DIN(world.schema)}, world, user=user)


def test_python_side():
    assert HistoryAttention(torch.zeros(4)).scores.shape == (1, 1, 4)
    assert HistoryAttention([[1.0, 2.0], [0.0, 1.0]], relevant=[[1, 0], [0, 1]]).scores.shape == (1, 2, 2)
    widget = bars(form=1, target=1)
    best = HISTORY[int(np.where(MASK, SCORES[1, 1], -np.inf).argmax())]
    assert widget.describe().endswith(f"by unit: for 霸王别姬 the largest weight is that of {best}.")
    np.testing.assert_allclose(widget.weights().sum(2), 1)
    nothing = HistoryAttention(np.ones((1, 2, 3)), mask=[0, 0, 0], relevant=np.ones((2, 3)))
    assert not nothing.weights().any()  # as masked_softmax
    assert nothing.agreement().isna().all(axis=None)
    assert HistoryAttention(np.ones((1, 2, 0))).weights().shape == (1, 2, 0)
    for wrong, word in [
        ({"scores": np.zeros((9, 2, 3))}, "at most 8 forms, 40"),
        ({"scores": np.zeros((1, 1, 51))}, "at most"),
        ({"scores": SCORES, "forms": ["one"]}, "1 names in forms .* pass 2"),
        ({"scores": SCORES, "history": ["one"]}, "pass 5"),
        ({"scores": SCORES, "mask": [1, 1]}, "mask of shape"),
        ({"scores": SCORES, "relevant": [[1, 1]]}, "relevant of shape"),
        ({"scores": SCORES, "target": -1}, "target"),
    ]:
        with pytest.raises(traitlets.TraitError, match=word):
            HistoryAttention(**wrong)
