"""All models side by side: what each scores, what it costs, and which are worth their price."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import traitlets

from recbyhand.widgets import svg
from recbyhand.widgets.base import Floats, Widget

METRICS = {"AUC": "test_auc", "NDCG@10": "NDCG@10"}
COSTS = {"parameters": "parameters", "training (s)": "train_s", "scoring (µs a row)": "infer_us"}
MOST = 7  # kinds that colours tell apart


class LadderView(Widget):
    """Score against cost of many models on several data sets, as a plot and a table that sorts and filters.

        LadderView.of(rbh.recorded("together/ladder"), kinds={"FM": "pairs", "DIN": "attention"})

    A model on a data set is a mean over its runs, its error bar twice the standard error of that mean. The broken line
    joins the models that nothing as cheap or cheaper beats; so does the mark in the table.
    Unequal lengths, unknown kinds and places outside the lists raise `traitlets.TraitError`.
    """

    label = "Ladder of models"

    models = traitlets.List(traitlets.Unicode(), help="Names of the N models.").tag(sync=True)
    kinds = traitlets.List(traitlets.Unicode(), help="The kind of each, at most 7 different ones.").tag(
        sync=True
    )
    worlds = traitlets.List(traitlets.Unicode(), help="Names of the D data sets.").tag(sync=True)
    metrics = traitlets.List(traitlets.Unicode(), help="Names of the M scores; more is better.").tag(
        sync=True
    )
    costs = traitlets.List(traitlets.Unicode(), help="Names of the C costs.").tag(sync=True)
    score = Floats(ndim=3, help="Means (D, M, N); NaN where a model was not measured.")
    error = Floats(ndim=3, help="Half a bar (D, M, N); 0 or NaN: none.")
    cost = Floats(ndim=3, help="Costs (D, C, N).")
    data = traitlets.Int(0, min=0, help="Which data set.").tag(sync=True)
    metric = traitlets.Int(0, min=0, help="Which score.").tag(sync=True)
    against = traitlets.Int(1, min=0, help="Which cost the plot has.").tag(sync=True)
    shown = traitlets.List(traitlets.Unicode(), help="The kinds that are shown.").tag(sync=True)
    sort = traitlets.Unicode("score", help='The column to sort by: "model", "score", "cost0", ...').tag(
        sync=True
    )
    pick = traitlets.Int(-1, min=-1, help="The model that is marked; -1: none.").tag(sync=True)

    def __init__(self, models=(), **settings):
        settings.setdefault("kinds", ["all"] * len(models))
        settings.setdefault("shown", list(dict.fromkeys(settings["kinds"])))
        super().__init__(models=list(models), **settings)

    @classmethod
    def of(cls, table: pd.DataFrame, kinds: Mapping[str, str], **settings) -> LadderView:
        """From rows (data, model, test_auc, NDCG@10, parameters, train_s, infer_us), a row for each run.

        `kinds` gives every model its kind, and the order; of a column `chosen` only True counts.
        """
        if "chosen" in table:
            table = table[table["chosen"].astype(bool)]
        if missing := sorted(set(table["model"]) - set(kinds)):
            raise traitlets.TraitError(f"no kind is given for {', '.join(missing)}: add each to kinds")
        names = [name for name in kinds if name in set(table["model"])]
        worlds = list(dict.fromkeys(table["data"]))
        runs = table.groupby(["data", "model"])
        at = pd.MultiIndex.from_product([worlds, names], names=["data", "model"])

        def stack(frame: pd.DataFrame, columns) -> np.ndarray:
            whole = frame.reindex(at)
            return np.stack(
                [whole[c].to_numpy(float).reshape(len(worlds), len(names)) for c in columns], axis=1
            )

        every = [*METRICS.values(), *COSTS.values()]
        mean, count = runs[every].mean(), runs.size()
        error = 2 * runs[every].std(ddof=1).div(np.sqrt(count), axis=0)
        return cls(
            names,
            kinds=[kinds[name] for name in names],
            worlds=worlds,
            metrics=list(METRICS),
            costs=list(COSTS),
            score=stack(mean, METRICS.values()),
            error=np.nan_to_num(stack(error, METRICS.values())),
            cost=stack(mean, COSTS.values()),
            **settings,
        )

    @traitlets.validate(
        "kinds", "score", "error", "cost", "data", "metric", "against", "shown", "sort", "pick"
    )
    def _fits(self, proposal):
        name, value = proposal.trait.name, proposal.value
        sizes = {"score": len(self.metrics), "error": len(self.metrics), "cost": len(self.costs)}
        if name in sizes:
            wanted = (len(self.worlds), sizes[name], len(self.models))
            if value.size and value.shape != wanted:
                raise traitlets.TraitError(
                    f"{name} of shape {value.shape} does not fit: pass {wanted}, data sets by columns by models"
                )
        if name == "kinds" and len(value) != len(self.models):
            raise traitlets.TraitError(
                f"{len(value)} kinds for {len(self.models)} models: give each model one"
            )
        if name == "kinds" and len(set(value)) > MOST:
            raise traitlets.TraitError(
                f"{len(set(value))} kinds are too many to tell apart: use at most {MOST}"
            )
        if name == "shown" and (strange := [k for k in value if k not in self.kinds]):
            raise traitlets.TraitError(
                f"no kind is named {strange[0]!r}: choose among {sorted(set(self.kinds))}"
            )
        if name == "sort" and value not in (places := self._columns()):
            raise traitlets.TraitError(f"no column {value!r} to sort by: choose among {places}")
        most = {"data": self.worlds, "metric": self.metrics, "against": self.costs, "pick": self.models}.get(
            name
        )
        if most is not None and value >= max(1, len(most)):
            raise traitlets.TraitError(f"{name} counts from 0 and must be below {len(most)}, got {value}")
        return value

    def _columns(self) -> list[str]:
        return ["model", "score", *(f"cost{k}" for k in range(len(self.costs)))]

    def _now(self) -> tuple[np.ndarray, np.ndarray, list[int]]:
        score = self.score[self.data, self.metric]  # (N,)
        seen = [i for i, kind in enumerate(self.kinds) if kind in self.shown and np.isfinite(score[i])]
        return score, self.cost[self.data, self.against], seen

    def problem(self) -> str:
        if not self.models or not self.score.size:
            return "There are no models: give at least one row."
        if not self._now()[2]:
            return "No model of these kinds was measured here: switch a kind on."
        return ""

    def describe(self) -> str:
        if self.problem():
            return super().describe()
        score, _, seen = self._now()
        best = max(seen, key=lambda i: score[i])
        return (
            f"{self.metrics[self.metric]} against {self.costs[self.against]} of {len(seen)} models on "
            f"{self.worlds[self.data]}; the best is {self.models[best]}, {score[best]:.3f}."
        )

    def static(self) -> str:
        if self.problem():
            return self.nothing()
        score, cost, seen = self._now()
        seen = sorted(seen, key=lambda i: -score[i])
        low, high = min(0.0, score[seen].min()), max(score[seen].max(), 1e-9)
        left, width, kinds = 210, 260, list(dict.fromkeys(self.kinds))
        head = f"{self.metrics[self.metric]} on {self.worlds[self.data]}, and {self.costs[self.against]}"
        marks = [svg.text(10, 18, svg.short(head, 80))]
        for row, i in enumerate(seen):
            y, color = 30 + 19 * row, svg.COLORS[kinds.index(self.kinds[i])]
            marks.append(svg.text(10, y + 11, svg.short(self.models[i], 26)))
            marks.append(
                svg.rect(left, y + 1, max(1.0, width * float(score[i] - low) / (high - low)), 12, fill=color)
            )
            words = (
                f"{score[i]:.3f} · {cost[i]:,.0f}" if cost[i] >= 100 else f"{score[i]:.3f} · {cost[i]:.1f}"
            )
            marks.append(svg.text(left + width + 8, y + 11, words, 11))
        return svg.drawing(left + width + 130, 40 + 19 * len(seen), marks, self.describe())
