"""The living funnel: a retriever's and a ranker's weights travel with the page, and the reader edits the history."""

from __future__ import annotations

import copy

import numpy as np
import traitlets

from recbyhand.widgets import svg
from recbyhand.widgets.base import Floats, Widget, floats

MOST_BYTES = 300_000


class FunnelView(Widget):
    r"""Two stages, alive without a kernel: a two-tower model retrieves, DIN ranks what it found.

        FunnelView.of(two_tower, din, task, user=7)         # trained `TwoTower` and `DIN`, a few hundred films

    The numbers are those of the two models, in float32. Films are numbered 0 to N - 1; J is the history.

    Retrieval. Film i has the vector `items[i]`; each film of a history has a score `keys[j, g]` and a value
    `pooled[j, g]` in each of G heads:
    $$x = b + \sum_g \sum_{j \in J} \mathrm{softmax}_j(\text{keys}_{jg})\, \text{pooled}_{jg}, \quad
      u = \mathrm{MLP}[x, \text{user}], \quad z_i = \text{scale} \cdot \hat u \cdot \text{items}_i + \text{shift}$$
    with $\hat u = u / \lVert u \rVert$ if `unit`, else u. The `retrieve` films with the largest z that are not in the
    history go on.

    Ranking. With e the ranker's `vectors`,
    $a_j = w \cdot \mathrm{Dice}(W_e e_j + W_t t + W_x (e_j * t) + b) + c$, $x = \sum_j a_j e_j$ and the logit is
    $\mathrm{MLP}[x, t, x * t, \text{user}]$; `softmax` normalises the weights a.

    All other numbers go by name in `numbers`: "pool.bias" (b), "tower.user", "tower.0", "tower.0.bias", "tower.1"
    ... of the user's MLP (ReLU between its layers), "unit.event" (W_e), "unit.bias" (b), "unit.target" (W_t),
    "unit.product" (W_x), "unit.dice", "unit.out" (w), "unit.shift" (c), "mlp.user", "mlp.0", "mlp.0.bias",
    "mlp.0.dice" ... of the ranker's MLP. A "dice" (3, C) holds alpha and the factor and shift of its standardised
    input; an MLP's layer without one has ReLU. They travel as `weights`, one after another, with their names and
    shapes as `layout`. The state is at most 300 KB. Wrong shapes, and films that are not there, raise
    `traitlets.TraitError`.
    """

    label = "Funnel"

    titles = traitlets.List(traitlets.Unicode(), help="Titles of the N films.").tag(sync=True)
    items = Floats(ndim=2, help="Vectors of the films for retrieval: (N, d).")
    keys_of = Floats(ndim=2, help="Score of a film of the history in each head of the pooling: (N, G).")
    pooled = Floats(ndim=3, help="Value of a film of the history in each head of the pooling: (N, G, p).")
    vectors = Floats(ndim=2, help="Vectors of the films for ranking: (N, k).")
    weights = Floats(ndim=1, help="All other numbers of both models, one after another.")
    layout = traitlets.List(help="What the numbers of `weights` are: pairs [name, shape].").tag(sync=True)
    unit = traitlets.Bool(True, help="The user's vector is brought to length 1.").tag(sync=True)
    scale = traitlets.Float(1.0, help="Factor of the inner product: one over the temperature.").tag(sync=True)
    shift = traitlets.Float(0.0, help="Added to every score of the retrieval.").tag(sync=True)
    softmax = traitlets.Bool(False, help="The ranker's weights of the history are normalised.").tag(sync=True)
    history = traitlets.List(traitlets.Int(), help="Numbers of the films of the history, oldest first.").tag(
        sync=True
    )
    start = traitlets.List(traitlets.Int(), help="The history that the reader can return to.").tag(sync=True)
    length = traitlets.Int(20, min=1, help="The most films that a history holds; the latest stay.").tag(
        sync=True
    )
    retrieve = traitlets.Int(30, min=1, help="How many films the retrieval hands on.").tag(sync=True)
    show = traitlets.Int(8, min=1, max=20, help="How many films of each list are shown.").tag(sync=True)

    def __init__(self, *, numbers=None, **settings):
        if numbers is not None:
            arrays = {name: floats(v, f"numbers[{name!r}] needs an array") for name, v in numbers.items()}
            settings = {
                "layout": [[name, list(v.shape)] for name, v in arrays.items()],
                "weights": np.concatenate([v.ravel() for v in arrays.values()]),
                **settings,
            }
        settings.setdefault("start", list(settings.get("history", [])))
        super().__init__(**settings)

    @classmethod
    def of(cls, two_tower, din, task, user, films: int = 300, **settings) -> FunnelView:
        """From a trained `TwoTower` and a trained `DIN`: one user, his history before his last test example.

        `films` are in the page: those of his history and the most watched of training. The user's own vectors are
        constants, so only the history can be edited. Other arguments go to the widget.

        Raises KeyError for an unknown user, ValueError for one without test examples or for models of another make.
        """
        import torch

        schema, test = task.schema, task.test
        rows = torch.nonzero(test.user == schema.user_id(user))[:, 0]
        if not len(rows):
            raise ValueError(
                f"user {user!r} has no test example: choose another, such as one of task.test.user"
            )
        for model, parts in (
            (two_tower, ("past", "pool", "user_tower", "item_vectors")),
            (din, ("unit", "mlp")),
        ):
            lacks = [part for part in parts if not hasattr(model, part)]
            if lacks:
                raise ValueError(
                    f"{type(model).__name__} has no {', '.join(lacks)}: pass a TwoTower and a DIN of recbyhand.models"
                )
        batch = test[rows[test.time[rows].argmax()].reshape(1)]
        past = batch.history[0, batch.history_mask[0]].tolist()
        counts = torch.bincount(task.train.item, minlength=schema.n_items)
        counts[:2] = -1  # padding and unknown
        popular = counts.argsort(descending=True, stable=True).tolist()
        kept = list(dict.fromkeys([*past, *(i for i in popular if i > 1)]))[: max(films, len(set(past)))]
        place = {item: k for k, item in enumerate(kept)}
        ids = torch.tensor(kept)
        two, rank = (copy.deepcopy(m).cpu().double().eval() for m in (two_tower, din))
        with torch.no_grad():
            found, numbers = _retriever(two, batch, ids), {}
            numbers |= found.pop("numbers") | _ranker(rank, batch)
            found |= {"vectors": rank.item(ids), "softmax": bool(rank.unit.normalise)}
        settings = {
            "titles": [schema.title(i) for i in kept],
            "history": [place[i] for i in past],
            "length": schema.history,
            "numbers": numbers,
            **found,
            **settings,
        }
        return cls(**settings)

    @traitlets.validate(
        "titles", "items", "keys_of", "pooled", "vectors", "weights", "layout", "history", "start"
    )
    def _fits(self, proposal):
        name, value = proposal.trait.name, proposal.value

        def now(trait):
            return value if trait == name else getattr(self, trait)

        films = len(now("titles"))
        for trait in ("items", "keys_of", "pooled", "vectors"):
            if now(trait).size and len(now(trait)) != films:
                raise traitlets.TraitError(
                    f"{trait} of shape {now(trait).shape} for {films} titles: pass one row per film"
                )
        size = sum(4 * now(trait).size for trait in ("items", "keys_of", "pooled", "vectors", "weights"))
        if 4 * size / 3 > MOST_BYTES:  # base64
            raise traitlets.TraitError(
                f"{films} films make a page {4 * size / 3e3:.0f} KB heavier, {MOST_BYTES / 1e3:.0f} KB is the most: "
                "pass fewer films, or models with smaller dim"
            )
        told = sum(int(np.prod(shape)) for _, shape in now("layout"))
        if now("layout") and now("weights").size and told != len(now("weights")):
            raise traitlets.TraitError(f"layout tells of {told} numbers, weights holds {len(now('weights'))}")
        for trait in ("history", "start"):
            if films and any(not 0 <= i < films for i in now(trait)):
                raise traitlets.TraitError(
                    f"{trait} names films that are not there: pass numbers 0 to {films - 1}"
                )
        return value

    def part(self, name: str) -> np.ndarray | None:
        """One array of `weights` by its name in `layout`, in float64; None if there is none."""
        at = 0
        for own, shape in self.layout:
            size = int(np.prod(shape))
            if own == name:
                return self.weights[at : at + size].astype(np.float64).reshape(shape)
            at += size
        return None

    def recent(self) -> list[int]:
        """The films of the history that the models see: the latest `length`."""
        return list(self.history)[-self.length :]

    def user_vector(self) -> np.ndarray:
        """(d,): what is searched with."""
        x, past = self.part("pool.bias"), self.recent()
        if past:
            s = self.keys_of[past].astype(np.float64)  # (L, G)
            a = np.exp(s - s.max(0))
            x = x + np.einsum("lg,lgp->p", a / a.sum(0), self.pooled[past].astype(np.float64))
        u = self._mlp("tower", np.concatenate([x, self.part("tower.user")]))
        return u / max(np.linalg.norm(u), 1e-12) if self.unit else u

    def retrieval(self) -> np.ndarray:
        """(N,): the two-tower model's logit of every film."""
        return self.scale * (self.items.astype(np.float64) @ self.user_vector()) + self.shift

    def retrieved(self) -> list[int]:
        """The films that go on to the ranker, best first: none of the history."""
        order = np.argsort(-self.retrieval(), kind="stable")
        return [int(i) for i in order if i not in self.history][: self.retrieve]

    def ranking(self) -> np.ndarray:
        """(N,): DIN's logit of every film."""
        t = self.vectors.astype(np.float64)  # (N, k)
        e = t[self.recent()]  # (L, k)
        part = self.part
        hidden = (e @ part("unit.event").T + part("unit.bias"))[None] + (t @ part("unit.target").T)[:, None]
        hidden = hidden + (e[None] * t[:, None]) @ part("unit.product").T  # (N, L, hidden)
        a = _activate(hidden, part("unit.dice")) @ part("unit.out") + part("unit.shift")  # (N, L)
        if self.softmax and len(e):
            a = np.exp(a - a.max(1, keepdims=True))
            a /= a.sum(1, keepdims=True)
        x = a @ e  # (N, k)
        user = np.broadcast_to(part("mlp.user"), (len(t), len(part("mlp.user"))))
        return self._mlp("mlp", np.concatenate([x, t, x * t, user], axis=1))[:, 0]

    def ranked(self) -> list[int]:
        """The retrieved films, best first by the ranker."""
        logits = self.ranking()
        return sorted(self.retrieved(), key=lambda i: -logits[i])

    def _mlp(self, name: str, x: np.ndarray) -> np.ndarray:
        k = 0
        while (w := self.part(f"{name}.{k}")) is not None:
            x = x @ w.T + self.part(f"{name}.{k}.bias")
            if self.part(f"{name}.{k + 1}") is not None:
                x = _activate(x, self.part(f"{name}.{k}.dice"))
            k += 1
        return x

    def problem(self) -> str:
        if not self.titles or not self.weights.size:
            return "There are no films: give titles, vectors and weights, or use FunnelView.of."
        arrays = (self.items, self.keys_of, self.pooled, self.vectors, self.weights)
        if not all(np.isfinite(array).all() for array in arrays):
            return "The weights hold NaN or infinity: no film can be scored."
        return ""

    def describe(self) -> str:
        if self.problem():
            return super().describe()
        first, best = ((self.titles[i] for i in films) for films in (self.retrieved(), self.ranked()))
        count = len(self.retrieved())
        return (
            f"A history of {len(self.history)} films; of {len(self.titles)} films {count} are retrieved, "
            f"first {next(first, 'none')}; the ranker puts {next(best, 'none')} first."
        )

    def static(self) -> str:
        if self.problem():
            return self.nothing()
        found, ranked, logits, z = self.retrieved(), self.ranked(), self.ranking(), self.retrieval()
        marks = []
        columns = [
            ("history, latest first", [self.titles[i] for i in self.recent()[::-1]]),
            ("retrieved", [f"{z[i]:.2f} {self.titles[i]}" for i in found]),
            ("ranked", [f"{1 / (1 + np.exp(-logits[i])):.2f} {self.titles[i]}" for i in ranked]),
        ]
        for k, (head, lines) in enumerate(columns):
            marks.append(svg.text(10 + 220 * k, 20, head, 12, font_weight=600))
            for n, words in enumerate(lines[: self.show]):
                marks.append(svg.text(10 + 220 * k, 44 + 20 * n, svg.short(words, 30), 11))
        return svg.drawing(670, 60 + 20 * self.show, marks, self.describe())


def _activate(s: np.ndarray, dice: np.ndarray | None) -> np.ndarray:
    """Dice with (alpha, factor, shift) per channel, whose gate is sigmoid(factor s + shift); ReLU without."""
    if dice is None:
        return np.maximum(s, 0)
    alpha, factor, shift = dice
    gate = 0.5 * (1 + np.tanh((factor * s + shift) / 2))
    return s * (alpha + (1 - alpha) * gate)


def _dice(layer) -> np.ndarray:
    """(3, C): alpha, and the standardisation of `Dice` in evaluation as factor and shift."""
    import torch

    channels = len(layer.alpha)
    shift = layer.norm(torch.zeros(1, channels, dtype=torch.float64))[0]
    factor = layer.norm(torch.ones(1, channels, dtype=torch.float64))[0] - shift
    return torch.stack([layer.alpha, factor, shift]).numpy()


def _layers(name: str, mlp) -> dict:
    """The arrays of an MLP by name; ValueError for an activation that the page does not know."""
    import torch

    from recbyhand.layers.activations import Dice

    found, linear = {}, [m for m in mlp if isinstance(m, torch.nn.Linear)]
    between = [m for m in mlp if not isinstance(m, (torch.nn.Linear, torch.nn.Dropout))]
    for k, layer in enumerate(linear):
        found[f"{name}.{k}"], found[f"{name}.{k}.bias"] = layer.weight.numpy(), layer.bias.numpy()
        if k < len(between) and isinstance(between[k], Dice):
            found[f"{name}.{k}.dice"] = _dice(between[k])
        elif k < len(between) and not isinstance(between[k], torch.nn.ReLU):
            kind = type(between[k]).__name__
            raise ValueError(
                f"activation {kind}: the page knows relu and dice, build the model with one of these"
            )
    return found


def _retriever(model, batch, ids) -> dict:
    """Traits and numbers of a `TwoTower` in double precision."""
    import torch

    e, user = model.past(ids), model.user(batch)[0].double()  # (N, w), (Fu,)
    if model.pool is None:
        keys, pooled, bias = e.new_zeros(len(e), 1), e[:, None], e.new_zeros(e.shape[1])
    else:
        part, heads = model.pool, model.pool.heads
        q = part.query(model._asks(user[None])[:, 0]).view(heads, -1)  # (G, d_k)
        k, v = part.key(e).view(len(e), heads, -1), part.value(e).view(len(e), heads, -1)  # (N, G, d)
        keys = (k * q).sum(-1) * q.shape[-1] ** -0.5  # (N, G)
        out = part.out.weight.view(-1, heads, v.shape[-1])  # (p, G, d_v)
        pooled, bias = torch.einsum("ngd,pgd->ngp", v, out), part.out.bias
    numbers = {"pool.bias": bias.numpy(), "tower.user": user.numpy(), **_layers("tower", model.user_tower)}
    return {
        "items": model.item_vectors(ids),
        "keys_of": keys,
        "pooled": pooled,
        "unit": bool(model.normalise),
        "scale": 1 / float(model.temperature),
        "shift": float(model.bias),
        "numbers": numbers,
    }


def _ranker(model, batch) -> dict:
    """Numbers of a `DIN` in double precision."""
    unit = model.unit
    return {
        "unit.event": unit.event.weight.numpy(),
        "unit.bias": unit.event.bias.numpy(),
        "unit.target": unit.target.weight.numpy(),
        "unit.product": unit.product.weight.numpy(),
        "unit.dice": _dice(unit.dice),
        "unit.out": unit.out.weight[0].numpy(),
        "unit.shift": unit.out.bias[0].numpy(),
        "mlp.user": model.user(batch)[0].double().numpy(),
        **_layers("mlp", model.mlp),
    }
