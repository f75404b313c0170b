"""The heads of one attention layer side by side: who looks at whom, how sharply, and what the score owes to each."""

from __future__ import annotations

import numpy as np
import traitlets

from recbyhand.widgets import svg
from recbyhand.widgets.base import Floats, Widget, floats

MOST_HEADS, MOST_EVENTS = 8, 64


class HeadsView(Widget):
    r"""One attention layer: a small map of weights per head (row: who looks, column: at whom), with a switch each.

        HeadsView(weights, titles=films, scores=scores)
        HeadsView.of(model, batch, row=0, layer=0)         # from a model with multi-head attention

    `weights` (H, Tq, Tk), as the softmax left them: each row sums to 1, or is all 0 where an event may look at
    nothing. `titles` names the events of self-attention; `rows` and `columns` name rows and columns that differ.
    `mask` (Tq, Tk) or (Tk,), True where a row may look; without it, what is 0 in all heads is drawn as masked.

    How sharp a head is, is said as the number of events it would share its weight among equally,
    $n = \exp(-\sum_k a_k \ln a_k)$, from 1 to Tk: the exponential of the entropy, per row and as the mean of the rows.

    What the score owes to a head is measured: `scores` (2^H,) holds the score with every set of heads switched off.
    Entry i is that with head h off wherever bit h of i is set, so entry 0 has all heads, entry 2 lacks the second. If
    the score is a sum, `contributions` (H,) and `rest` say the same: $\text{score} = \text{rest} + \sum_{h \text{ on}}
    c_h$. At most 8 heads and 64 events. Wrong shapes, and rows that do not sum to 1, raise `traitlets.TraitError`.
    """

    label = "Heads of attention"

    weights = Floats(ndim=3, help="Weights after the softmax: (H, Tq, Tk), at most 8 x 64 x 64.")
    rows = traitlets.List(traitlets.Unicode(), help="Names of the rows; numbered if empty.").tag(sync=True)
    columns = traitlets.List(traitlets.Unicode(), help="Names of the columns; numbered if empty.").tag(
        sync=True
    )
    heads = traitlets.List(traitlets.Unicode(), help="Names of the heads; numbered if empty.").tag(sync=True)
    mask = Floats(ndim=2, help="1 where a row may look at a column: (Tq, Tk); empty: wherever a head does.")
    scores = Floats(ndim=1, help="The score with each set of heads switched off: (2^H,); empty: unknown.")
    score_name = traitlets.Unicode("score", help="What the score is called.").tag(sync=True)
    on = traitlets.List(traitlets.Int(), help="Numbers of the heads that are switched on.").tag(sync=True)
    query = traitlets.Int(0, min=0, help="The chosen row.").tag(sync=True)
    key = traitlets.Int(0, min=0, help="The chosen column.").tag(sync=True)

    def __init__(self, weights=(), *, titles=None, mask=None, contributions=None, rest=0.0, **settings):
        weights = floats(weights, "weights needs an array of numbers (H, Tq, Tk)")
        if weights.ndim == 2 and weights.size:  # one head
            weights = weights[None]
        if titles is not None:
            titles = [str(title) for title in titles]
            settings = {"rows": titles, "columns": titles, **settings}
        if mask is not None:
            mask = floats(mask, "mask needs an array of numbers (Tq, Tk)")
            if mask.ndim == 1 and weights.ndim == 3:  # one mask for all rows
                mask = np.tile(mask, (weights.shape[1], 1))
            settings["mask"] = mask
        if contributions is not None:
            if "scores" in settings:
                raise traitlets.TraitError("give scores or contributions, not both: they say the same")
            each = floats(contributions, "contributions needs one number per head").astype(np.float64)
            if each.shape != weights.shape[:1] or each.size > MOST_HEADS:
                raise traitlets.TraitError(
                    f"contributions of shape {each.shape} do not fit weights {weights.shape}: pass one per head"
                )
            settings["scores"] = [
                float(rest) + sum(c for h, c in enumerate(each) if not off >> h & 1)
                for off in range(2 ** len(each))
            ]
        settings.setdefault("on", list(range(len(weights) if weights.ndim == 3 else 0)))
        if weights.ndim == 3 and weights.size:
            settings.setdefault("query", weights.shape[1] - 1)  # the last event has most to look at
        super().__init__(weights=weights, **settings)

    @classmethod
    def of(cls, model, batch, row: int = 0, layer: int = 0, **settings) -> HeadsView:
        """From a model: one example's weights in one layer, padding left out, and its score without each set of heads.

        `model.attention(batch)` gives one tensor (B, H, T, T) per layer, in order, where T is the length L of the
        history, or L + 1 with the target last. A head is switched off by zeros in its columns of what goes into the
        output projection: `model.modules()` must hold one module per layer with an integer `heads` and a linear map
        `out`, as `recbyhand.layers.MultiHeadAttention` has; otherwise the widget shows no score. Other arguments go
        to the widget.

        Raises ValueError for a model without such attention, a layer or row that is not there, a longer history
        than fits.
        """
        import torch

        if not hasattr(model, "attention"):
            raise ValueError(
                f"{type(model).__name__} has no attention(batch): pass weights to HeadsView(...) yourself"
            )
        if not -len(batch.item) <= row < len(batch.item):
            raise ValueError(f"row {row} of a batch of {len(batch.item)} examples: choose another")
        row %= len(batch.item)
        one = batch[torch.tensor([row], device=batch.item.device)]
        training, device = model.training, next(model.parameters()).device
        one = one.to(device)
        try:
            with torch.no_grad():
                layers = model.eval().attention(one)
                layers = (
                    list(layers) if not isinstance(layers, torch.Tensor) or layers.ndim == 5 else [layers]
                )
                length, name = one.history.shape[1], type(model).__name__
                if not all(
                    isinstance(a, torch.Tensor) and a.ndim == 4 and a.shape[2] == a.shape[3] for a in layers
                ):
                    kinds = [tuple(getattr(a, "shape", ())) or type(a).__name__ for a in layers]
                    raise ValueError(
                        f"{name}.attention(batch) gives {kinds}, not (B, H, T, T) per layer: pass weights and titles "
                        "to HeadsView(...) yourself"
                    )
                if not -len(layers) <= layer < len(layers):
                    raise ValueError(f"layer {layer} of {len(layers)} layers of {name}: choose another")
                layer %= len(layers)
                a = layers[layer][0]  # (H, T, T)
                if a.shape[1] not in (length, length + 1):
                    raise ValueError(
                        f"{name}.attention(batch) has {a.shape[1]} events for a history of {length}: it should be that "
                        "or, with the target last, one more; pass weights and titles to HeadsView(...) yourself"
                    )
                parts = [m for m in model.modules() if _is_heads(m)]
                scores = _scores(model, one, parts[layer]) if len(parts) == len(layers) else []
        finally:
            model.train(training)
        kept = torch.nonzero(one.history_mask[0])[:, 0].tolist()
        schema = getattr(batch, "schema", None) or model.schema
        titles = [schema.title(one.history[0, i]) for i in kept]
        if a.shape[1] == length + 1:
            kept.append(length)
            titles.append(f"{schema.title(one.item[0])} (target)")
        if len(kept) > MOST_EVENTS:
            raise ValueError(
                f"{len(kept)} events are more than a reader can see: take a task whose histories hold at most "
                f"{MOST_EVENTS - 1}, such as rbh.data.ctr(..., history=50)"
            )
        settings = {"titles": titles, "scores": scores, "score_name": "logit", **settings}
        return cls(a[:, kept][:, :, kept], **settings)

    @traitlets.validate("weights", "rows", "columns", "heads", "mask", "scores", "on")
    def _fits(self, proposal):
        name, value = proposal.trait.name, proposal.value
        weights = value if name == "weights" else self.weights
        shape = weights.shape
        if name == "weights":
            if any(size > most for size, most in zip(shape, (MOST_HEADS, MOST_EVENTS, MOST_EVENTS))):
                raise traitlets.TraitError(
                    f"weights of shape {shape} are more than a reader can see: pass at most {MOST_HEADS} heads and "
                    f"{MOST_EVENTS} events, such as weights[:{MOST_HEADS}, -{MOST_EVENTS}:, -{MOST_EVENTS}:]"
                )
            sums = weights.sum(2, dtype=np.float64)
            if np.isfinite(sums).all() and (
                (weights < 0).any() or not (np.isclose(sums, 1, atol=0.02) | (sums == 0)).all()
            ):
                raise traitlets.TraitError(
                    "weights are those after the softmax, 0 or more, and the rows sum to 1 (or are all 0); got sums "
                    f"{sums.min():.3g} to {sums.max():.3g}: pass weights.softmax(-1), or divide what you cut by its sum"
                )
        for labels, size in zip(("heads", "rows", "columns"), shape, strict=True):
            given = value if name == labels else getattr(self, labels)
            if given and len(given) != size:
                raise traitlets.TraitError(
                    f"{len(given)} names in {labels} for weights of shape {shape}: pass {size}, or none"
                )
        mask = value if name == "mask" else self.mask
        if mask.size and mask.shape != shape[1:]:
            raise traitlets.TraitError(
                f"mask of shape {mask.shape} does not fit weights of shape {shape}: pass {shape[1:]} or ({shape[2]},)"
            )
        scores = value if name == "scores" else self.scores
        if scores.size and len(scores) != 2 ** shape[0]:
            raise traitlets.TraitError(
                f"{len(scores)} scores for {shape[0]} heads: pass {2 ** shape[0]}, one for each set of heads "
                "switched off, or contributions, one for each head"
            )
        on = value if name == "on" else self.on
        if name in ("on", "weights") and any(not 0 <= h < shape[0] for h in on):
            raise traitlets.TraitError(f"on names heads {on} of {shape[0]}: pass numbers 0 to {shape[0] - 1}")
        return value

    def names(self, axis: int) -> list[str]:
        """Names along one axis of the weights: 0 heads, 1 rows, 2 columns."""
        given, word = ((self.heads, "head"), (self.rows, "event"), (self.columns, "event"))[axis]
        return list(given) or [f"{word} {i + 1}" for i in range(self.weights.shape[axis])]

    def allowed(self) -> np.ndarray:
        """(Tq, Tk) bool: where a row may look."""
        return self.mask > 0 if self.mask.size else (self.weights != 0).any(0)

    def sharpness(self) -> np.ndarray:
        """(H, Tq): the number of events that each row's weight is spread over; NaN where a row has no weight."""
        a = self.weights.astype(np.float64)
        n = np.exp(-(a * np.log(np.where(a > 0, a, 1))).sum(2))
        return np.where(a.sum(2) > 0, n, np.nan)

    def score(self, on=None) -> float:
        """The score with the heads switched on that the widget has on, or those given; NaN if unknown."""
        on = self.on if on is None else on
        index = sum(1 << h for h in range(len(self.weights)) if h not in on)
        return float(self.scores[index]) if self.scores.size else float("nan")

    def problem(self) -> str:
        if not self.weights.size:
            return "There are no weights: give at least one head and one event."
        if not (np.isfinite(self.weights).all() and np.isfinite(self.scores).all()):
            return "The weights or the scores hold NaN or infinity: they cannot be drawn."
        if not self.allowed().any():
            return "Every event is masked: there is nothing to attend to."
        return ""

    def describe(self) -> str:
        if self.problem():
            return super().describe()
        means = [np.nanmean(row) if np.isfinite(row).any() else 0.0 for row in self.sharpness()]
        spread = ", ".join(f"{name} over {n:.1f}" for name, n in zip(self.names(0), means))
        query = min(self.query, self.weights.shape[1] - 1)
        top = [self.names(2)[k] for k in self.weights[:, query].argmax(1)]
        most = ", ".join(f"{name} at {title}" for name, title in zip(self.names(0), top))
        score = f" The {self.score_name} is {self.score():.3f}." if self.scores.size else ""
        return (
            f"Attention over {self.weights.shape[2]} events; the weight is spread, on average, in {spread} events. "
            f"{self.names(1)[query]} looks most, in {most}.{score}"
        )

    def static(self) -> str:
        if self.problem():
            return self.nothing()
        heads, Tq, Tk = self.weights.shape
        query, size = min(self.query, Tq - 1), 150.0
        high = size * min(max(Tq / Tk, 0.2), 2)
        across, marks, means = min(heads, 4), [], self.sharpness()
        for h, name in enumerate(self.names(0)):
            x, y = 10 + h % across * (size + 30), 30 + h // across * (high + 64)
            off = "" if h in self.on else ", off"
            marks.append(svg.text(x, y - 8, svg.short(name, 18) + off, 12, font_weight=600))
            opacity = np.sqrt(self.weights[h]) * (1 if h in self.on else 0.25)
            marks.append(svg.pixels(x, y, size, high, opacity, svg.COLORS[h % len(svg.COLORS)]))
            marks.append(svg.rect(x, y, size, high, fill="none", stroke=svg.INK, opacity=0.4))
            marks.append(svg.rect(x, y + query * high / Tq, size, high / Tq, fill="none", stroke=svg.INK))
            mean = np.nanmean(means[h]) if np.isfinite(means[h]).any() else 0.0
            marks.append(svg.text(x, y + high + 16, f"spread over {mean:.1f} events", 11))
        y = 30 + -(-heads // across) * (high + 64)
        marks.append(svg.text(10, y - 16, svg.short(f"framed: {self.names(1)[query]}", 70)))
        if self.scores.size:
            marks.append(svg.text(10, y + 4, f"{self.score_name} {self.score():.3f}"))
        return svg.drawing(max(420, 10 + across * (size + 30)), y + 16, marks, self.describe())


def _is_heads(module) -> bool:
    """A module of several heads that are joined by a linear map."""
    import torch

    heads, out = getattr(module, "heads", None), getattr(module, "out", None)
    return isinstance(heads, int) and isinstance(out, torch.nn.Linear) and out.in_features % heads == 0


def _scores(model, one, part) -> list[float]:
    """The model's answer to one example with each set of heads of one module switched off."""
    import torch

    if part.heads > MOST_HEADS:
        return []
    found, width = [], part.out.in_features // part.heads
    for off in range(2**part.heads):
        keep = torch.ones(part.out.in_features, device=part.out.weight.device)
        for h in range(part.heads):
            if off >> h & 1:
                keep[h * width : (h + 1) * width] = 0
        hook = part.out.register_forward_pre_hook(lambda _, given, keep=keep: (given[0] * keep, *given[1:]))
        try:
            found.append(float(model(one).reshape(-1)[0]))
        finally:
            hook.remove()
    return found
