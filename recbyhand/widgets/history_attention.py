"""Which past events a target listens to, by one form of attention or another."""

from __future__ import annotations

import numpy as np
import traitlets

from recbyhand.widgets import svg
from recbyhand.widgets.base import Floats, Widget, floats

MOST_FORMS, MOST_TARGETS, MOST_EVENTS = 8, 40, 50


class HistoryAttention(Widget):
    r"""One user's history as bars, a target to choose, and forms of attention to compare.

        HistoryAttention(scores, forms=["dot", "additive"], targets=titles, history=past, relevant=truth)
        HistoryAttention.of({"DIN": din, "dot": other}, task, user=7)      # from trained models

    `scores` (forms, targets, L), or (targets, L) for one form, before any softmax: the drawing shows both
    $a_i = \exp(s_i) / \sum_{j \text{ real}} \exp(s_j)$, as `recbyhand.layers.masked_softmax`, and $s_i$ itself. At most
    8 forms, 40 targets and 50 events. `mask` (L,), True where real; a score of minus infinity is masked likewise.
    `relevant` (targets, L), True at the events that decide, as `truth.relevant(batch)` knows them in a planted world:
    they are marked, and each form is scored by its agreement with them. Wrong shapes raise `traitlets.TraitError`.
    """

    label = "History attention"

    scores = Floats(ndim=3, help="Scores before the softmax: (forms, targets, L), at most 8 x 40 x 50.")
    forms = traitlets.List(traitlets.Unicode(), help="Names of the forms; numbered if empty.").tag(sync=True)
    targets = traitlets.List(traitlets.Unicode(), help="Titles of the targets; numbered if empty.").tag(
        sync=True
    )
    history = traitlets.List(
        traitlets.Unicode(), help="Titles of the L events, oldest first; numbered if empty."
    ).tag(sync=True)
    mask = Floats(ndim=1, help="1 where an event is real, 0 where padded: (L,); empty: all real.")
    relevant = Floats(
        ndim=2, help="1 where an event decides the target's fate: (targets, L); empty: unknown."
    )
    form = traitlets.Int(0, min=0, help="Number of the form shown.").tag(sync=True)
    target = traitlets.Int(0, min=0, help="Number of the target shown.").tag(sync=True)
    normalise = traitlets.Bool(True, help="Show softmax weights; off: the scores as they are.").tag(sync=True)
    sort = traitlets.Bool(False, help="Largest weight first; off: oldest first.").tag(sync=True)
    event = traitlets.Int(0, min=0, help="Number of the chosen event.").tag(sync=True)

    def __init__(self, scores=(), **settings):
        scores = floats(scores, "scores needs an array of numbers (forms, targets, L)")
        if 0 < scores.ndim < 3 and scores.size:  # one form, perhaps one target
            scores = scores.reshape(1, -1, scores.shape[-1])
        if "relevant" in settings:
            relevant = floats(settings["relevant"], "relevant needs an array of numbers (targets, L)")
            settings["relevant"] = relevant[None] if relevant.ndim == 1 and relevant.size else relevant
        super().__init__(scores=scores, **settings)

    @classmethod
    def of(cls, models: dict, task, user, targets=None, **settings) -> HistoryAttention:
        """From trained models: a user's history at the last test example, and several targets.

        `models` maps names to models with `attention(batch)` whose weights come from one of `recbyhand.layers`'
        attention forms; the scores are read before their softmax. `user` and `targets` are ids as in the data's
        tables; without targets the items of the user's test examples, eight at most. In a planted world the
        relevant events are marked. Other arguments go to the widget.

        Raises KeyError for an unknown user or target, ValueError for a user without test examples, for more models,
        targets or events than fit, or a model without such attention.
        """
        import torch

        test, schema = task.test, task.schema
        rows = torch.nonzero(test.user == schema.user_id(user))[:, 0]
        if not len(rows):
            raise ValueError(
                f"user {user!r} has no test example: choose another, such as one of task.test.user"
            )
        rows = rows[test.time[rows].argsort(stable=True)]
        if targets is None:
            items = list(dict.fromkeys(test.item[rows].flip(0).tolist()))[:8]
        else:
            items = [schema.item_id(item) for item in targets]
        batch = test[rows[-1:].expand(len(items))]  # one history for all
        batch.item = torch.tensor(items)
        real = int(batch.history_mask[0].sum())
        scores = [_scores(name, model, batch)[:, :real] for name, model in models.items()]
        truth = getattr(task.dataset, "truth", None)
        if truth is not None and truth.plant not in ("factors", "crosses"):
            settings.setdefault("relevant", truth.relevant(batch, schema)[:, :real])
        if real > MOST_EVENTS or len(items) > MOST_TARGETS or len(models) > MOST_FORMS:
            raise ValueError(
                f"{len(models)} models, {len(items)} targets and {real} past events are more than a reader can see: "
                f"pass at most {MOST_FORMS} models and {MOST_TARGETS} targets, and a task whose histories hold at most "
                f"{MOST_EVENTS} events, such as rbh.data.ctr(..., history={MOST_EVENTS})"
            )
        titles = [schema.title(item) for item in batch.history[0, :real]]
        names = [schema.title(item) for item in items]
        return cls(torch.stack(scores), forms=list(models), targets=names, history=titles, **settings)

    @traitlets.validate("scores", "forms", "targets", "history", "mask", "relevant")
    def _fits(self, proposal):
        name, value = proposal.trait.name, proposal.value
        shape = value.shape if name == "scores" else self.scores.shape
        most = (MOST_FORMS, MOST_TARGETS, MOST_EVENTS)
        if any(size > limit for size, limit in zip(shape, most, strict=True)):
            raise traitlets.TraitError(
                f"scores of shape {shape} are more than a reader can see: pass at most {MOST_FORMS} forms, "
                f"{MOST_TARGETS} targets and {MOST_EVENTS} events, such as scores[:, :{MOST_TARGETS}, -{MOST_EVENTS}:]"
            )
        for labels, size in zip(("forms", "targets", "history"), shape, strict=True):
            given = value if name == labels else getattr(self, labels)
            if given and len(given) != size:
                raise traitlets.TraitError(
                    f"{len(given)} names in {labels} for scores of shape {shape}: pass {size}, or none"
                )
        for array, want in (("mask", shape[2:]), ("relevant", shape[1:])):
            given = value if name == array else getattr(self, array)
            if given.size and given.shape != want:
                raise traitlets.TraitError(
                    f"{array} of shape {given.shape} does not fit scores of shape {shape}: pass {want}"
                )
        return value

    def real(self) -> np.ndarray:
        """(forms, targets, L) bool: what is no padding. A score of minus infinity is a mask, however it came there."""
        real = ~np.isneginf(self.scores)
        return real & (self.mask > 0) if self.mask.size else real

    def weights(self) -> np.ndarray:
        """(forms, targets, L) weights as drawn: normalised or not, 0 where padded."""
        real, scores = self.real(), self.scores.astype(np.float64)
        if not self.normalise or not real.any():
            return np.where(real, scores, 0)
        top = np.where(real, scores, -np.inf).max(2, keepdims=True)
        top = np.where(np.isneginf(top), 0, top)  # a row without a real event: all its weights are 0
        raised = np.where(real, np.exp(np.where(real, scores, top) - top), 0)
        return raised / np.maximum(raised.sum(2, keepdims=True), 1e-300)

    def agreement(self):
        """How well each form finds the relevant events: a DataFrame with one row per form.

        Means over the targets that have a relevant event among the L. With k of them: `share` of the weight on them
        (NaN where a weight is negative), `top`: is the largest weight one of theirs, as `truth.precision` says,
        `precision`: how many of the k largest are theirs, over k; `chance`: what weights without a meaning reach.
        Ties count by their share of relevant events.
        """
        import pandas as pd

        real, rows = self.real(), []
        relevant = self.relevant > 0 if self.relevant.size else np.zeros(self.scores.shape[1:], bool)
        for weights, kept in zip(self.weights(), real):
            found = []
            for a, marks in ((w[r], m[r]) for w, r, m in zip(weights, kept, relevant)):
                if k := int(marks.sum()):
                    share = a[marks].sum() / a.sum() if a.min() >= 0 and a.sum() > 0 else np.nan
                    found.append((share, _precision(a, marks, 1), _precision(a, marks, k), k / len(a)))
            rows.append(np.mean(found, 0) if found else [np.nan] * 4)
        return pd.DataFrame(rows, index=self.names(0), columns=["share", "top", "precision", "chance"])

    def names(self, axis: int) -> list[str]:
        """Names along one axis of the scores: 0 forms, 1 targets, 2 events."""
        given, word = ((self.forms, "form"), (self.targets, "target"), (self.history, "event"))[axis]
        return list(given) or [f"{word} {i + 1}" for i in range(self.scores.shape[axis])]

    def _chosen(self) -> tuple[int, int]:
        return min(self.form, self.scores.shape[0] - 1), min(self.target, self.scores.shape[1] - 1)

    def problem(self) -> str:
        if not self.scores.size:
            return "There are no scores: give at least one form, one target and one event."
        real = self.real()
        if not np.isfinite(self.scores[real]).all():
            return "The scores hold NaN or infinity: no weights can be drawn."
        if not real.any():
            return "Every event of the history is masked: there is nothing to attend to."
        return ""

    def describe(self) -> str:
        if self.problem():
            return super().describe()
        form, target = self._chosen()
        real = self.real()[form, target]
        top = int(np.where(real, self.weights()[form, target], -np.inf).argmax())
        return (
            f"Attention over {int(real.sum())} past events by {self.names(0)[form]}: "
            f"for {self.names(1)[target]} the largest weight is that of {self.names(2)[top]}."
        )

    def static(self) -> str:
        if self.problem():
            return self.nothing()
        (form, target), names = self._chosen(), self.names(2)
        real = self.real()[form, target]
        weights, step, left, wide = self.weights()[form, target], 20, 240, 300
        lowest, reach = min(0.0, weights.min()), max(0.0, weights.max())
        scale = wide / ((reach - lowest) or 1.0)
        zero = left - lowest * scale
        marks = [svg.text(8, 15, f"{self.names(0)[form]}: {svg.short(self.names(1)[target], 50)}", 13)]
        for i, v in enumerate(weights):
            y = 26 + i * step
            marks.append(svg.text(left - 10, y + 14, svg.short(names[i], 34), text_anchor="end"))
            chosen = self.relevant.size and self.relevant[target, i] > 0
            color = svg.COLORS[2] if chosen else svg.COLORS[0 if v >= 0 else 1]
            x, length = (zero if v >= 0 else zero + v * scale), abs(v) * scale
            marks.append(svg.rect(float(x), y + 2, float(max(length, 1)), step - 5, fill=color))
            value = f"{v:.3f}{' relevant' if chosen else ''}" if real[i] else "masked"
            marks.append(svg.text(left + wide + 8, y + 14, value))
        marks.append(svg.line(zero, 24, zero, 28 + step * len(weights), opacity=0.5))
        return svg.drawing(left + wide + 120, 36 + step * len(weights), marks, self.describe())


def _precision(weights: np.ndarray, marks: np.ndarray, k: int) -> float:
    """How many of the k largest weights are marked, over k; ties at the border count by their share."""
    border = np.sort(weights)[-k]
    above, tied = weights > border, weights == border
    return float(((above & marks).sum() + (k - above.sum()) * marks[tied].mean()) / k)


def _scores(name: str, model, batch):
    """(B, L) scores that a model's attention gives before its softmax."""
    import torch

    from recbyhand.layers import Attention

    units = [module for module in model.modules() if isinstance(module, Attention)]
    if not units or not hasattr(model, "attention"):
        raise ValueError(
            f"the model {name!r} has no attention that can be read before its softmax: it needs `attention(batch)` "
            "with one of the forms of recbyhand.layers; otherwise pass scores to HistoryAttention(...) yourself"
        )
    before, training = [unit.normalise for unit in units], model.training
    try:
        for unit in units:
            unit.normalise = False
        with torch.no_grad():
            return model.eval().attention(batch.to(next(model.parameters()).device)).cpu()
    finally:
        model.train(training)
        for unit, normalise in zip(units, before):
            unit.normalise = normalise
