"""FunnelView: what the page computes is what the two models answer, whatever the history."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import traitlets
from torch import nn

import recbyhand as rbh
from recbyhand.widgets import FunnelView

from .cases.funnel_view import example
from .harness import numbers

HISTORIES = [[3, 1, 4, 15, 9], [7], [], [2, 2, 5], list(range(20)), list(range(30))]
TRAITS = ("items", "keys_of", "pooled", "vectors", "weights", "layout", "unit", "scale", "shift", "softmax")


def prepared(widget) -> dict:
    """The traits as the browser sees them, bytes as lists."""
    state = {name: widget.state()[name] for name in TRAITS}
    for name, value in state.items():
        if isinstance(value, dict):
            data = value["data"]
            flat = np.frombuffer(data, "<f4").tolist() if isinstance(data, memoryview) else data
            state[name] = {"shape": value["shape"], "data": flat}
    return state


CALL = """async ([traits, histories]) => {
  const { prepare, retrieval, ranking } = await Object.values(window.rbhModules)[0];
  const p = prepare({ ...traits, keys: traits.keys_of });
  return histories.map((h) => [retrieval(p, h), ranking(p, h)]);
}"""


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("how", [{}, {"unit": False, "softmax": True, "shift": 0.5, "scale": 1.0}])
def test_mathematics_equals_python(open_page, seed, how):
    widget = example(seed=seed, **how)
    visit = open_page(widget)
    found = visit.tab.evaluate(CALL, [prepared(widget), [h[-20:] for h in HISTORIES]])
    for history, (scores, logits) in zip(HISTORIES, found):
        widget.history = history
        np.testing.assert_allclose(scores, widget.retrieval(), atol=1e-6, rtol=1e-6)
        np.testing.assert_allclose(logits, widget.ranking(), atol=1e-6, rtol=1e-6)


def check(visit):
    """Both lists, their numbers, and what is said of what was lost."""
    visit.settle()
    widget = example(history=visit.get("history"), retrieve=visit.get("retrieve"))
    scores, logits, kept, ranked = widget.retrieval(), widget.ranking(), widget.retrieved(), widget.ranked()
    tables = visit.widget().locator(".stages table").all()
    rows = [[r.locator("td").all_text_contents() for r in t.locator("tbody tr").all()] for t in tables]
    assert [r[1] for r in rows[0]] == [widget.titles[i] for i in kept[:8]]
    assert [r[1] for r in rows[1]] == [widget.titles[i] for i in ranked[:8]]
    for row, i in zip(rows[0], kept):
        assert numbers(row[2])[0] == pytest.approx(scores[i], abs=6e-4)
    for row, i in zip(rows[1], ranked):
        assert numbers(row[2])[0] == pytest.approx(1 / (1 + np.exp(-logits[i])), abs=6e-4)
        assert int(row[3]) == kept.index(i) + 1
    past = visit.widget().locator(".past button").all_text_contents()
    assert past == [f"× {widget.titles[i]}" for i in widget.history]
    best = [int(i) for i in np.argsort(-logits, kind="stable") if i not in widget.history]
    lost = visit.widget().locator(".lost").inner_text().replace("\u2068", "").replace("\u2069", "")
    assert f"{sum(i in kept for i in best[:8])} passed the retrieval" in lost
    missed = [i for i in best if i not in kept]
    assert (
        (f"The best that did not: {widget.titles[missed[0]]}, number" in lost)
        if missed
        else "did not" not in lost
    )


def test_the_history_is_edited(open_page):
    visit = open_page(example())
    check(visit)
    visit.tab.get_by_role("button", name="take out Film 4", exact=True).click()
    assert visit.get("history") == [3, 1, 15, 9]
    check(visit)
    watch = visit.tab.get_by_role("button", name="watch").nth(1)
    title = watch.inner_text()
    watch.press("Enter")
    assert visit.get("history") == [3, 1, 15, 9, int(title.split()[1])]
    check(visit)
    box = visit.tab.get_by_role("combobox", name="a film to put in")
    box.fill("Film 33")
    box.press("Enter")
    assert visit.get("history")[-1] == 33
    assert box.input_value() == ""
    check(visit)
    box.fill("no such film")
    visit.tab.get_by_role("button", name="Add").click()
    assert len(visit.get("history")) == 6
    visit.tab.get_by_role("button", name="Clear").click()
    check(visit)
    visit.tab.get_by_role("button", name="Start again").click()
    assert visit.get("history") == [3, 1, 4, 15, 9]
    slider = visit.tab.get_by_role("slider", name="retrieve")
    for key in ("Home", "ArrowRight", "End"):
        slider.press(key)
        check(visit)
        if key == "Home":
            assert "2. Ranked: this one" in visit.widget().locator(".stage").inner_text()
    assert visit.get("retrieve") == 60
    visit.set({"history": list(range(25))})
    assert "the latest 20 of 25" in visit.widget().locator(".note").inner_text()
    check(visit)
    assert visit.errors == []


@pytest.fixture(scope="module")
def world():
    return rbh.data.ctr(rbh.data.planted("interests", users=60), history=20)


def towers(schema) -> list:
    how = [
        {"loss": "bce", "users": True},
        {"pooling": "mean", "normalise": False},
        {"features": False, "shared": False, "heads": 4},
        {"loss": "sampled", "temperature": 0.5, "hidden": ()},
    ]
    return [rbh.models.TwoTower(schema, **each) for each in how]


def test_from_models(world):
    torch.manual_seed(0)
    schema, user = world.schema, world.schema.user_ids[4]
    rankers = [
        rbh.models.DIN(schema, dim=6, users=True),
        rbh.models.DIN(schema, dim=4, features=True, normalise=True, activation="relu"),
    ]
    for model in (*rankers, *(found := towers(schema))):
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.4)  # all of them count
        for name, buffer in model.named_buffers():
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 2)
            elif name.endswith("running_mean"):
                buffer.normal_()
    rows = torch.nonzero(world.test.user == schema.user_id(user))[:, 0]
    batch = world.test[rows[world.test.time[rows].argmax()].reshape(1)]
    for k, tower in enumerate(found):
        din = rankers[k % 2].train()
        widget = FunnelView.of(tower.train(), din, world, user=user, films=80)
        assert din.training
        past = batch.history[0, batch.history_mask[0]].tolist()
        assert [widget.titles[i] for i in widget.history] == [schema.title(i) for i in past]
        assert len(widget.titles) == len(set(widget.titles)) == 80
        ids = torch.tensor([2 + list(schema.titles).index(title) for title in widget.titles])
        tower.eval(), din.eval()
        for edited in (past, past[:1], past[4:] + ids[-4:].tolist()):
            widget.history = [ids.tolist().index(i) for i in edited]
            held = batch.history.clone().zero_()
            held[0, : len(edited)] = torch.tensor(edited)
            batch_now = batch[torch.zeros(1, dtype=torch.long)]
            batch_now.history, batch_now.history_mask = held, held > 0
            with torch.no_grad():
                np.testing.assert_allclose(
                    widget.retrieval(), tower.score_items(batch_now, ids)[0], atol=1e-4
                )
                np.testing.assert_allclose(widget.ranking(), din.score_items(batch_now, ids)[0], atol=1e-4)
        assert not set(widget.retrieved()) & set(widget.history)
        assert sorted(widget.ranked()) == sorted(widget.retrieved())
    with pytest.raises(ValueError, match="pass a TwoTower and a DIN"):
        FunnelView.of(din, din, world, user=user)
    with pytest.raises(ValueError, match="the page knows relu and dice"):
        FunnelView.of(tower, rbh.models.DIN(schema, activation="tanh"), world, user=user)
    with pytest.raises(KeyError, match="there is no user"):
        FunnelView.of(tower, din, world, user="nobody")


def test_python_side():
    widget = example(retrieve=5)
    assert len(widget.retrieved()) == len(widget.ranked()) == 5
    assert f"the ranker puts {widget.titles[widget.ranked()[0]]} first" in widget.describe()
    assert widget.start == widget.history
    assert example(history=list(range(60))).retrieved() == []
    for wrong, word in [
        ({"items": np.zeros((3, 6))}, "items of shape"),
        ({"history": [60]}, "numbers 0 to 59"),
        ({"layout": [["tower.0", [2, 2]]]}, "layout tells of 4"),
        ({"vectors": np.zeros((60, 2000))}, "300 KB is the most"),
        ({"retrieve": 0}, "retrieve"),
    ]:
        with pytest.raises(traitlets.TraitError, match=word):
            example(**wrong)
