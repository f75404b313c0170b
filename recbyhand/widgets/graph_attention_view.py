"""A node and those it hears from: edges as thick as their attention, to be dropped one by one."""

from __future__ import annotations

import numpy as np
import traitlets

from recbyhand.widgets import svg
from recbyhand.widgets.base import Floats, Widget, floats

MOST_HEADS, MOST_EDGES, MOST_INNER = 8, 16, 64


class GraphAttentionView(Widget):
    r"""A neighbourhood with its attention: choose a head, drop an edge, and weights and score are computed anew.

        GraphAttentionView(logits, neighbours=films, centre="Ann", values=values)
        GraphAttentionView.of(model, user=7, item=50)                     # a GraphAttentionRecommender
        GraphAttentionView.of_layers([layer], h, edges, node=0, read=v)   # one or two layers on any graph

    `logits` (E, H): how much each of the centre's E edges counts in each of H heads, before the softmax over the edges
    that are left, $\alpha_{jh}$. `values` (E, H): what the score would gain if all of head h's weight were on edge j.
    A second ring hangs on the first: `inner_of` (F,) says on which of the E edges each of F inner ones hangs, with
    `inner_logits` (F, G) and `inner_values` (F, H, G) in the G heads of the layer before; their softmax
    $\beta_{kg}$ runs over the inner edges of one neighbour. The score is

    $$z = \text{rest} + \sum_{h} \sum_{j} \alpha_{jh} \Big( v_{jh} + \sum_{g} \sum_{k \to j} \beta_{kg} w_{khg} \Big)$$

    A drop takes one edge out of one layer; the other logits are held. If no edge is left, the sum is 0. At most 16
    edges, 64 inner ones and 8 heads. Wrong shapes raise `traitlets.TraitError`.
    """

    label = "Graph attention"

    logits = Floats(ndim=2, help="Scores of the centre's edges before the softmax: (E, H), at most 16 x 8.")
    values = Floats(ndim=2, help="What the score gains from an edge of weight 1 in a head: (E, H); or empty.")
    rest = traitlets.Float(0.0, help="The score without any neighbour.").tag(sync=True)
    centre = traitlets.Unicode("this node", help="The title of the centre.").tag(sync=True)
    neighbours = traitlets.List(traitlets.Unicode(), help="Titles of the E sources; numbered if empty.").tag(
        sync=True
    )
    inner_of = traitlets.List(traitlets.Int(), help="The edge that each inner edge hangs on: (F,).").tag(
        sync=True
    )
    inner = traitlets.List(traitlets.Unicode(), help="Titles of the F inner sources.").tag(sync=True)
    inner_logits = Floats(
        ndim=2, help="Scores of the inner edges before the softmax: (F, G), at most 64 x 8."
    )
    inner_values = Floats(ndim=3, help="What an inner edge of weight 1 adds to its edge's value: (F, H, G).")
    rings = traitlets.List(
        traitlets.Unicode(), ["first ring", "second ring"], help="What stands above the two rings."
    ).tag(sync=True)
    score_name = traitlets.Unicode("score", help="What the score is called.").tag(sync=True)
    head = traitlets.Int(-1, min=-1, help="The head that is drawn; -1: the mean of all.").tag(sync=True)
    second = traitlets.Bool(True, help="Draw the second ring.").tag(sync=True)
    edge = traitlets.Int(0, min=0, help="The chosen edge; inner edges are numbered from E on.").tag(sync=True)
    dropped = traitlets.List(traitlets.Int(), help="Edges that are left out; inner ones from E on.").tag(
        sync=True
    )

    def __init__(self, logits=(), **settings):
        logits = floats(logits, "logits needs an array of numbers (E, H)")
        settings = {k: v for k, v in settings.items() if v is not None}
        if logits.ndim == 1 and logits.size:  # one head
            logits = logits[:, None]
            if "values" in settings:
                settings["values"] = floats(settings["values"], "values needs one number per edge").reshape(
                    -1, 1
                )
        if "inner_of" in settings:
            settings["inner_of"] = [int(e) for e in settings["inner_of"]]
        super().__init__(logits=logits, **settings)

    @classmethod
    def of_layers(
        cls,
        layers,
        h,
        edges,
        node: int,
        read,
        *,
        titles=None,
        residual: bool = False,
        rest: float = 0.0,
        most: int = 10,
        most_inner: int = 4,
        **settings,
    ) -> GraphAttentionView:
        r"""From one or two layers of `recbyhand.layers` on a graph, the first of them applied to `h` (N, d).

        `edges` (2, E), sources above targets. The score is `read` $\cdot$ the last layer's output at `node`, plus
        `rest`; `read` has that output's width, such as an item's vector. Between the layers stands nothing, or with
        `residual` each layer's input is added to its output (the widths are then equal), as in
        `GraphAttentionRecommender`. The heaviest edges are drawn, `most` of the centre and `most_inner` of each
        neighbour, and the others as one: its logit is the logarithm of their summed exponentials, its value their
        weighted mean, so that sums and scores are those of the whole graph (what is drawn as one is dropped as one).
        `titles` (N,) names nodes. Other arguments go to the widget.

        Raises ValueError for more than two layers, or a node that no edge ends in.
        """
        import torch

        from recbyhand.layers.graph import with_self_loops

        layers = list(layers)
        if not 1 <= len(layers) <= 2:
            raise ValueError(f"{len(layers)} layers: two rings can be drawn, so pass one layer or two")
        titles = [f"node {i}" for i in range(len(h))] if titles is None else titles
        with torch.no_grad():
            h, read = h.detach(), torch.as_tensor(read).detach().to(h.dtype)
            used = [with_self_loops(edges, len(h)) if layer.self_loops else edges for layer in layers]
            last, x = layers[-1], h
            if len(layers) == 2:
                x = _output(layers[0], h, used[0]) + (h if residual else 0)
            v, logits = last.values_and_scores(x, used[-1])  # (N, H, d), (E, H)
            mine = torch.nonzero(used[-1][1] == node)[:, 0]  # the centre's own edges
            if not len(mine):
                raise ValueError(f"no edge ends in node {node}: choose another, such as edges[1, 0]")
            sources, logits = used[-1][0, mine], logits[mine].double()  # (E,), (E, H)
            heads = logits.shape[1]
            parts = read.reshape(heads, -1) if last.concat else read.expand(heads, -1) / heads  # (H, d)

            def gain(values):  # (..., H, d) -> (..., H) what the score gains
                return (values * parts).sum(-1).double()

            base = rest + (float(read @ last.bias) if last.bias is not None else 0.0)
            base += float(read @ x[node]) if residual else 0.0
            values, inside = gain(v[sources]), None
            if len(layers) == 2:
                inside = _inside(layers[0], h, used[0], sources, last, gain, residual)
                values = inside[0]

        names = [f"{titles[j]} (itself)" if j == node else str(titles[j]) for j in sources.tolist()]
        a = logits.softmax(0)  # (E, H)
        order = a.mean(1).argsort(descending=True, stable=True)
        most = min(most, MOST_EDGES)
        kept = order if len(order) <= most else order[: most - 1]
        other = order[len(kept) :]
        shown = [_taken(logits, kept), _taken(values, kept)]
        neighbours = [names[e] for e in kept.tolist()]
        hung, inner, inner_logits, inner_values = [], [], [], []
        if inside is not None:
            _, each = inside
            for place, e in enumerate(kept.tolist()):
                k, b_logits, b_values = each[e]  # (n,), (n, G), (n, H, G)
                b = b_logits.softmax(0)
                rank = b.mean(1).argsort(descending=True, stable=True)
                near = rank if len(rank) <= most_inner else rank[: most_inner - 1]
                far = rank[len(near) :]
                own = int(sources[e])
                inner += [f"{titles[i]} (itself)" if i == own else str(titles[i]) for i in k[near].tolist()]
                inner_logits.append(b_logits[near])
                inner_values.append(b_values[near])
                if len(far):
                    inner.append(f"{len(far)} others")
                    inner_logits.append(b_logits[far].logsumexp(0)[None])
                    within = b_logits[far].softmax(0)  # (m, G)
                    inner_values.append((within[:, None] * b_values[far]).sum(0)[None])
                hung += [place] * (len(near) + bool(len(far)))
        if len(other):
            neighbours.append(f"{len(other)} others")
            whole = values if inside is None else values + _sums(inside[1], values)
            within = logits[other].softmax(0)  # (m, H)
            shown[0] = torch.cat([shown[0], logits[other].logsumexp(0)[None]])
            shown[1] = torch.cat([shown[1], (within * whole[other]).sum(0)[None]])
        if hung:
            settings = {
                "inner_of": hung,
                "inner": inner,
                "inner_logits": torch.cat(inner_logits),
                "inner_values": torch.cat(inner_values),
                **settings,
            }
        settings = {"centre": str(titles[node]), "neighbours": neighbours, "rest": base, **settings}
        return cls(shown[0], values=shown[1], **settings)

    @classmethod
    def of(cls, model, user, item, **settings) -> GraphAttentionView:
        """A trained `GraphAttentionRecommender` of one or two layers: what a user hears from the films he liked.

        `user` and `item` are ids as in the data's tables. The score is the model's logit for the two; the item's
        vector is held, so a dropped edge is one that the user no longer hears, while the film still hears the user.
        Other arguments go to `of_layers` and to the widget. Raises KeyError for an unknown user or item.
        """
        import torch

        schema = model.schema
        u, i = schema.user_id(user), schema.item_id(item)
        training = model.training
        try:
            with torch.no_grad():
                model.eval()
                vectors = model.propagate(model.edges)
                rest = float(model._bias(torch.tensor([u]), torch.tensor([i]))) if model.biases else 0.0
                start = model.start()
        finally:
            model.train(training)
        titles = [f"user {schema.user_ids[k - 2]}" if k > 1 else "nobody" for k in range(schema.n_users)]
        titles += [schema.title(k) for k in range(schema.n_items)]
        how = {
            "titles": titles,
            "score_name": f"logit of {schema.title(i)}",
            "rings": ["likes", "liked by"],
            "title": f"What {titles[u]} hears",
        }
        read = vectors[schema.n_users + i]
        return cls.of_layers(
            model.layers, start, model.edges, u, read, residual=True, rest=rest, **{**how, **settings}
        )

    @traitlets.validate(
        "logits", "values", "neighbours", "inner_of", "inner", "inner_logits", "inner_values", "dropped"
    )
    def _fits(self, proposal):
        name, value = proposal.trait.name, proposal.value

        def now(trait):
            return value if trait == name else getattr(self, trait)

        (count, heads), hung = now("logits").shape, now("inner_of")
        if count > MOST_EDGES or heads > MOST_HEADS or len(hung) > MOST_INNER:
            raise traitlets.TraitError(
                f"{count} edges with {heads} heads and {len(hung)} inner edges are more than a reader can see: pass at "
                f"most {MOST_EDGES}, {MOST_HEADS} and {MOST_INNER}"
            )
        shapes = {
            "values": (count, heads),
            "inner_logits": (len(hung), now("inner_logits").shape[1]),
            "inner_values": (len(hung), heads, now("inner_logits").shape[1]),
        }
        for trait, want in shapes.items():
            array = now(trait)
            if array.size and (array.shape != want or array.shape[-1] > MOST_HEADS):
                raise traitlets.TraitError(
                    f"{trait} of shape {array.shape} does not fit logits of shape {(count, heads)} and {len(hung)} "
                    f"inner edges: pass {want}"
                )
        for trait, want in (("neighbours", count), ("inner", len(hung))):
            if now(trait) and len(now(trait)) != want:
                raise traitlets.TraitError(
                    f"{len(now(trait))} titles in {trait} for {want}: pass {want}, or none"
                )
        if any(not 0 <= e < count for e in hung):
            raise traitlets.TraitError(
                f"inner_of names edges that are not there: pass numbers 0 to {count - 1}"
            )
        if any(not 0 <= e < count + len(hung) for e in now("dropped")):
            raise traitlets.TraitError(
                f"dropped names edges that are not there: pass numbers 0 to {count + len(hung) - 1}"
            )
        return value

    def names(self) -> list[str]:
        """Titles of all sources: the E edges, then the inner ones."""
        outer = list(self.neighbours) or [f"neighbour {i + 1}" for i in range(len(self.logits))]
        return outer + (list(self.inner) or [f"node {i + 1}" for i in range(len(self.inner_of))])

    def weights(self) -> tuple[np.ndarray, np.ndarray]:
        """(E, H) and (F, G): each softmax over what is left, 0 where dropped."""
        count, hung = len(self.logits), np.array(self.inner_of, int)
        left = np.ones(count + len(hung), bool)
        left[list(self.dropped)] = False
        outer = _softmax(self.logits, left[:count])
        inner = np.zeros((len(hung), self.inner_logits.shape[1]))
        for e in range(count) if inner.size else ():
            inner[hung == e] = _softmax(self.inner_logits[hung == e], left[count:][hung == e])
        return outer, inner

    def shown(self) -> np.ndarray:
        """(E + F,) the weight of every edge in the head that is drawn."""
        found = []
        for w in self.weights():
            mean = self.head < 0 or self.head >= w.shape[1]
            found.append((w.mean(1) if mean else w[:, self.head]) if w.size else np.zeros(len(w)))
        return np.concatenate(found)

    def gains(self) -> np.ndarray:
        """(E + F,) what each edge adds to the score, over all heads; inner ones through the edge they hang on."""
        outer, inner = self.weights()
        each = self.values.astype(np.float64) if self.values.size else np.zeros_like(outer)
        if self.inner_values.size:
            along = np.einsum(
                "fg,fhg,fh->f", inner, self.inner_values.astype(np.float64), outer[list(self.inner_of)]
            )
        else:
            along = np.zeros(len(inner))
        own = (outer * each).sum(1)
        np.add.at(own, np.array(self.inner_of, int), along)
        return np.concatenate([own, along])

    def score(self) -> float:
        """The score with what is left; NaN without values."""
        return float(self.rest + self.gains()[: len(self.logits)].sum()) if self.values.size else float("nan")

    def problem(self) -> str:
        if not self.logits.size:
            return "There are no edges: give at least one neighbour and one head."
        arrays = (self.logits, self.values, self.inner_logits, self.inner_values)
        if not all(np.isfinite(array).all() for array in arrays) or not np.isfinite(self.rest):
            return "The logits or the values hold NaN or infinity: they cannot be drawn."
        return ""

    def describe(self) -> str:
        if self.problem():
            return super().describe()
        weights, names = self.shown()[: len(self.logits)], self.names()
        ring = f", and {len(self.inner_of)} inner edges" if self.inner_of else ""
        score = f" The {self.score_name} is {self.score():.3f}." if self.values.size else ""
        gone = f" Dropped: {', '.join(names[e] for e in self.dropped)}." if self.dropped else ""
        return (
            f"{self.centre} hears from {len(self.logits)} neighbours{ring}; the largest weight, {weights.max():.3f}, "
            f"is that of {names[int(weights.argmax())]}.{gone}{score}"
        )

    def static(self) -> str:
        if self.problem():
            return self.nothing()
        weights, names, count = self.shown(), self.names(), len(self.logits)
        y, place, marks = 40.0, {}, [svg.text(8, 18, svg.short(self.centre, 24), 12, font_weight=600)]
        for e in range(count):  # leaves from top to bottom, neighbours in the middle of theirs
            leaves = [count + f for f, on in enumerate(self.inner_of) if on == e]
            for leaf in leaves:
                place[leaf] = y
                y += 22
            place[e] = (place[leaves[0]] + place[leaves[-1]]) / 2 if leaves else y
            y += 8 if leaves else 24
        middle = (place[0] + place[count - 1]) / 2
        left, between, right = 14.0, 150.0, 420.0
        for e, at in place.items():
            inner = e >= count
            x1, y1 = (between + 190, place[self.inner_of[e - count]]) if inner else (left, middle)
            x2 = right if inner else between
            bend = (x1 + x2) / 2
            gone = e in self.dropped
            marks.append(
                svg.tag(
                    "path",
                    d=f"M{x1:.1f},{y1:.1f}C{bend:.1f},{y1:.1f} {bend:.1f},{at:.1f} {x2:.1f},{at:.1f}",
                    fill="none",
                    stroke=svg.COLORS[0],
                    stroke_opacity=0.4 if gone else 0.75,
                    stroke_width=1.0 if gone else float(1 + 11 * weights[e]),
                    stroke_dasharray="3 4" if gone else "none",
                )
            )
        for e, at in place.items():
            x = right if e >= count else between
            marks.append(svg.tag("circle", cx=x, cy=at, r=4, fill=svg.INK))
            said = "dropped" if e in self.dropped else f"{weights[e]:.2f}"
            marks.append(svg.text(x + 9, at + 4, f"{said} {svg.short(names[e], 22)}", 11))
        marks.append(svg.tag("circle", cx=left, cy=middle, r=6, fill=svg.INK))
        if self.values.size:
            marks.append(svg.text(8, y + 16, f"{self.score_name} {self.score():.3f}"))
        width = right + 210 if self.inner_of else between + 260
        return svg.drawing(width, y + 30, marks, self.describe())


def _softmax(logits: np.ndarray, left: np.ndarray) -> np.ndarray:
    """(n, H) softmax over the rows that are left, 0 elsewhere."""
    if not left.any():
        return np.zeros(logits.shape)
    raised = np.where(left[:, None], logits.astype(np.float64), -np.inf)
    raised = np.exp(raised - raised.max(0))
    return raised / raised.sum(0)


def _taken(tensor, rows):
    return tensor.index_select(0, rows)


def _output(layer, h, edges):
    """A layer's answer on edges that hold their self loops already, in evaluation."""
    from recbyhand.layers.graph import scatter_softmax, scatter_sum

    v, e = layer.values_and_scores(h, edges)
    out = scatter_sum(scatter_softmax(e, edges[1], len(h))[..., None] * v[edges[0]], edges[1], len(h))
    out = out.flatten(1) if layer.concat else out.mean(1)
    return out if layer.bias is None else out + layer.bias


def _inside(layer, h, edges, sources, last, gain, residual):
    """What the first layer of two brings to the score through each of `sources`.

    The last layer's values are linear in its input, and its input is a sum over the first layer's edges: so the
    score is one, too. Gives (E, H), what the score gains without these, and per source the inner edges: their sources
    (n,), logits (n, G) and gains (n, H, G).
    """
    import torch

    v, e = layer.values_and_scores(h, edges)  # (N, G, d), (E', G)
    heads, d = v.shape[1:]
    none = edges.new_zeros((2, 0))

    def linear(x):  # (n, width) -> (n, H) gains of the last layer's values
        return gain(last.values_and_scores(x, none)[0])

    own = h.new_zeros(len(sources), h.shape[1] if residual else layer.width)
    if layer.bias is not None:
        own = own + layer.bias
    if residual:
        own = own + h[sources]
    values, each = linear(own), []
    for j in sources.tolist():
        mine = torch.nonzero(edges[1] == j)[:, 0]
        k = edges[0, mine]
        if layer.concat:
            apart = v.new_zeros(
                len(k), heads, heads, d
            )  # one head's numbers in its place, zeros in all others
            for g in range(heads):
                apart[:, g, g] = v[k, g]
            apart = apart.flatten(2)
        else:
            apart = v[k] / heads
        gains = linear(apart.flatten(0, 1)).unflatten(0, (len(k), heads))  # (n, G, H)
        each.append((k, e[mine].double(), gains.transpose(1, 2)))
    return values, each


def _sums(each, values):
    """(E, H): what all inner edges together add to each edge's value."""
    import torch

    sums = torch.zeros_like(values)
    for row, (_, logits, gains) in enumerate(each):
        if len(logits):
            sums[row] = (logits.softmax(0)[:, None] * gains).sum((0, 2))
    return sums
