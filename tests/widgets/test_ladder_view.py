"""LadderView: the table's means and errors, the frontier against brute force, and each control."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import traitlets

from recbyhand.widgets import LadderView

from .cases.ladder_view import ladder
from .harness import numbers


def rows() -> pd.DataFrame:
    """Two models on two worlds, one of them not measured on the second, three runs each."""
    draw = np.random.default_rng(1)
    table = [
        {"data": data, "model": model, "chosen": True, "test_auc": draw.uniform(0.5, 0.9)}
        | {"NDCG@10": draw.uniform(0, 0.2), "parameters": 10 * size, "train_s": size, "infer_us": 1.0}
        for data, model, size in (("w", "FM", 1), ("w", "DIN", 4), ("v", "FM", 2))
        for _ in range(3)
    ]
    return pd.DataFrame([*table, table[0] | {"chosen": False, "test_auc": 0.0}])


def test_means_and_errors_of_the_chosen_runs():
    widget = LadderView.of(table := rows(), {"DIN": "attention", "FM": "pairs", "absent": "pairs"})
    assert widget.models == ["DIN", "FM"]
    assert widget.worlds == ["w", "v"]
    mine = table[(table["data"] == "w") & (table["model"] == "FM") & table["chosen"]]["test_auc"]
    assert widget.score[0, 0, 1] == pytest.approx(mine.mean(), rel=1e-6)
    assert widget.error[0, 0, 1] == pytest.approx(2 * mine.sem(), rel=1e-5)
    assert np.isnan(widget.score[1, 0, 0])
    assert widget.cost[1, 0].tolist()[1] == 20
    with pytest.raises(traitlets.TraitError, match="no kind is given for DIN"):
        LadderView.of(table, {"FM": "pairs"})


def test_wrong_settings_are_refused():
    for change, words in (
        ({"shown": ["three"]}, "no kind is named 'three'"),
        ({"sort": "cost9"}, "no column 'cost9'"),
        ({"data": 2}, "below 2"),
        ({"pick": 5}, "below 2"),
        ({"score": np.zeros((1, 2, 2))}, "does not fit"),
    ):
        with pytest.raises(traitlets.TraitError, match=words):
            ladder(**change)
    with pytest.raises(traitlets.TraitError, match="1 kinds for 2 models"):
        LadderView(["A", "B"], kinds=["one"])
    with pytest.raises(traitlets.TraitError, match="8 kinds are too many"):
        LadderView(list("ABCDEFGH"), kinds=list("ABCDEFGH"))


def cheapest_that_win(score, cost) -> set[int]:
    places = range(len(score))
    return {
        i
        for i in places
        if not any(
            (cost[j] < cost[i] and score[j] >= score[i]) or (cost[j] == cost[i] and score[j] > score[i])
            for j in places
        )
    }


def test_frontier_and_order_against_brute_force(open_page):
    visit, draw = open_page(ladder()), np.random.default_rng(2)
    for _ in range(20):
        score, cost = draw.normal(size=9).tolist(), draw.integers(0, 6, 9).tolist()
        (found,) = visit.js("frontier", [(score, cost)])
        assert set(found) == cheapest_that_win(score, cost)
        assert [cost[i] for i in found] == sorted(cost[i] for i in found)
    values = [3, 1, 2]
    assert visit.js("order", [(values, True), (values, False)]) == [[0, 2, 1], [1, 2, 0]]


def test_each_control(open_page):
    names = [f"M{i}" for i in range(6)]
    widget = ladder(names, ("one", "two"))
    visit = open_page(widget)
    scope = visit.widget()

    def listed() -> list[str]:
        visit.settle()
        return scope.locator("tbody th").all_inner_texts()

    def ranked(d, m):
        return [names[i] for i in np.argsort(-widget.score[d, m])]

    assert listed() == ranked(0, 0)
    first = scope.locator("tbody tr").first.locator("td").first.inner_text()
    assert numbers(first)[0] == pytest.approx(widget.score[0, 0].max(), abs=6e-4)
    assert names[int(widget.score[0, 0].argmax())] in scope.locator(".note").inner_text()

    scope.get_by_label("data").select_option("v")
    assert listed() == ranked(1, 0)
    scope.get_by_text("NDCG@10").first.click()
    assert listed() == ranked(1, 1)
    scope.locator("thead").get_by_role("button", name="parameters").click()
    assert listed() == names
    assert scope.locator("th[aria-sort=ascending]").inner_text() == "parameters"
    scope.locator("thead").get_by_role("button", name="NDCG@10").click()
    assert listed() == ranked(1, 1)

    scope.get_by_role("button", name="two", exact=True).click()
    assert listed() == [name for name in ranked(1, 1) if int(name[1]) % 2 == 0]
    cheap = cheapest_that_win(widget.score[1, 1, ::2], widget.cost[1, 1, ::2])
    edge = scope.locator("tbody th.edge").all_inner_texts()
    assert {int(name[1]) // 2 for name in edge} == cheap

    button = scope.get_by_role("button", name="M4")
    button.focus()
    button.press("Enter")
    visit.settle()
    assert visit.get("pick") == 4
    assert "M4" in scope.locator(".note").inner_text()
    assert scope.locator("tr[aria-selected=true] th").inner_text() == "M4"
    assert visit.tab.evaluate("document.activeElement.shadowRoot.activeElement.textContent") == "M4"
    scope.get_by_text("scoring (µs a row)").first.click()
    visit.settle()
    assert "scoring (µs a row): 2.0" in scope.locator(".note").inner_text()
    assert visit.errors == []
