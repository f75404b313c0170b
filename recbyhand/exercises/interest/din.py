"""Checks of chapter 4: DIN."""

from __future__ import annotations

import torch

from recbyhand.data.batch import Batch, Field, Schema
from recbyhand.data.toy import toy
from recbyhand.exercises.engine import Wrong, call, close, edge, exercise, function, one_of_wrong
from recbyhand.exercises.quizzes import question, quiz

# DIN ---------------------------------------------------------------------------------------------------

E_1 = torch.tensor([[1.0, 2.0], [3.0, 0.0], [0.0, -1.0]])
A_1 = torch.tensor([0.5, -1.0, 2.0])


@exercise(
    "din-1",
    "Multiply each vector by its weight, then add the three vectors.",
    "First coordinate: 0.5 · 1 - 1 · 3 + 2 · 0.",
    todo="Replace the `...` by the two numbers of the weighted sum, as a list or a tensor.",
    solved="Right. The second film pulls x away from itself: a weight may be negative.",
)
def din_1(answer):
    one_of_wrong(
        answer,
        [
            (A_1 @ E_1 / 3, "You divided by the number of films. It is a sum, not a mean."),
            (A_1 @ E_1 / A_1.sum(), "You divided by the sum of the weights. DIN does not normalise."),
            (A_1.softmax(0) @ E_1, "You put the weights through a softmax. DIN takes them as they are."),
            (A_1.abs() @ E_1, "A negative weight stays negative: it pulls x away from that film."),
            (A_1.clamp(min=0) @ E_1, "The negative weight counts, too; nothing is cut off at 0."),
            (A_1.flip(0) @ E_1, "The weights are in the wrong order: 0.5 belongs to the first film."),
            ((-2.5, 3.0), "The third film is (0, -1): its minus is lost."),
            (E_1.sum(0), "That is the sum without weights."),
            (E_1.mean(0), "That is the mean: pooling without weights."),
            ((A_1 @ E_1).sum(), "One number? x is a vector of length 2, like each film."),
            (A_1[:, None] * E_1, "These are the three weighted vectors. Add them up."),
        ],
    )
    close(answer, [-2.5, -1.0], hint="Not yet. Write the three weighted vectors below each other and add.")


def _unit_inputs(g: torch.Generator) -> tuple:
    L, d, h = 4, 3, 5

    def normal(*size):
        return torch.randn(*size, generator=g)

    return normal(L, d), normal(d), normal(h, d), normal(h, d), normal(h, d), normal(h), normal(h), 0.7


def _unit(e, t, W_e, W_t, W_x, b, w, c):
    """Event by event, channel by channel."""
    scores = []
    for event in e.double():
        total = float(c)
        for k in range(len(w)):
            s = sum(
                float(W_e[k, j] * event[j] + W_t[k, j] * t[j] + W_x[k, j] * event[j] * t[j])
                for j in range(len(t))
            )
            total += float(w[k]) * max(0.0, s + float(b[k]))
        scores.append(total)
    return torch.tensor(scores)


def _unit_slip(event=1, target=1, product=1, bias=1, last=1, inner=torch.relu, outer=lambda s: s):
    def slip(e, t, W_e, W_t, W_x, b, w, c):
        s = event * (e @ W_e.T) + target * (t @ W_t.T) + product * ((e * t) @ W_x.T) + bias * b
        return outer(inner(s) @ w + last * c)

    return slip


@exercise(
    "din-2",
    "Three products, one per matrix, then the bias: that is (L, h). ReLU. Then w and c.",
    "`e @ W_e.T` is (L, h), `t @ W_t.T` is (h) and is added to every row.",
    "`torch.relu(e @ W_e.T + t @ W_t.T + (e * t) @ W_x.T + b) @ w + c`",
    todo="Complete the function `unit_scores(e, t, W_e, W_t, W_x, b, w, c)`: it returns a tensor of shape (L,).",
)
def din_2(answer):
    function(
        answer,
        inputs=_unit_inputs,
        oracle=_unit,
        wrong=[
            (_unit_slip(target=0), "The target's own part, W_t t, is missing."),
            (_unit_slip(product=0), "The product of event and target, with W_x, is missing."),
            (_unit_slip(event=0), "The event's own part, W_e e, is missing."),
            (_unit_slip(target=0, product=0), "Your unit does not see the target at all: pooling is back."),
            (_unit_slip(bias=0), "The bias b of the hidden layer is missing."),
            (_unit_slip(last=0), "The last c is missing."),
            (
                _unit_slip(inner=lambda s: s),
                "There is no ReLU between the layers: two layers without it are one.",
            ),
            (_unit_slip(inner=torch.tanh), "ReLU is asked for in the middle, not tanh."),
            (
                lambda e, t, W_e, W_t, W_x, b, w, c: _unit(e, t, W_e, W_t, W_x, b, torch.ones_like(w), c),
                "w is missing: the hidden channels are weighed, not just added up.",
            ),
            (
                lambda e, t, W_e, W_t, W_x, b, w, c: _unit(e, t, W_e + W_x, W_t + W_x, 0 * W_x, b, w, c),
                "W_x acts on the product e * t, not on the sum.",
            ),
            (_unit_slip(outer=torch.relu), "The output is linear: no ReLU on the weight itself."),
            (
                _unit_slip(inner=lambda s: s, outer=torch.relu),
                "The ReLU stands at the output. It belongs between the layers.",
            ),
            (
                _unit_slip(outer=lambda s: s.softmax(0)),
                "You normalised over the history. The unit returns plain numbers.",
            ),
            (_unit_slip(outer=torch.sigmoid), "No sigmoid: a weight may be negative, or larger than 1."),
            (
                lambda e, t, W_e, W_t, W_x, b, w, c: _unit(e, t, W_t, W_e, W_x, b, w, c),
                "W_e acts on the films and W_t on the target; you have them the other way round.",
            ),
            (
                lambda e, t, W_e, W_t, W_x, b, w, c: _unit(e, t, W_e + W_x, W_t - W_x, 0 * W_x, b, w, c),
                "W_x acts on the product e * t, not on the difference.",
            ),
            (
                lambda e, t, W_e, W_t, W_x, b, w, c: _unit(e, t, W_e, W_t, W_x, 0 * b, w, c + float(b @ w)),
                "You added b after the ReLU. It belongs inside, to the first layer.",
            ),
            (
                lambda e, t, W_e, W_t, W_x, b, w, c: _unit(e, t, W_e, W_t, W_x, b + c, w, 0.0),
                "c stands outside: it is added at the end, after w.",
            ),
            (_unit_slip(inner=torch.sigmoid), "ReLU is asked for in the middle, not a sigmoid."),
            (
                lambda e, t, W_e, W_t, W_x, b, w, c: (
                    ((e @ W_e.T).relu() + (W_t @ t).relu() + ((e * t) @ W_x.T).relu() + b) @ w + c
                ),
                "One ReLU, of the whole sum: the three parts meet before it bends.",
            ),
            (
                lambda e, t, W_e, W_t, W_x, b, w, c: (
                    (e @ W_e.T + W_t @ t + (e @ t)[:, None] * W_x.sum(1) + b).relu() @ w + c
                ),
                "e * t is a product element by element, a vector for W_x; not the dot product.",
            ),
        ],
        rtol=1e-3,
        atol=1e-4,
    )
    e, *rest = _unit_inputs(torch.Generator().manual_seed(9))
    edge(answer, (e[:1], *rest), _unit, "A history of one film keeps its axis: the shape is (1,).")


def _matrices(g: torch.Generator) -> tuple:
    return tuple(torch.randn(4, 3, generator=g) for _ in range(4))


@exercise(
    "din-3",
    "Write W_d (e - t) as two terms.",
    "W_d e joins W_e e, and - W_d t joins W_t t. W_x is left alone.",
    todo="Complete the function `fold(W_e, W_t, W_d, W_x)`: it returns three matrices.",
    solved="Right: what is linear in the parts is no new feature. The product is not linear, and so it is one.",
)
def din_3(answer):
    def fold(event, target, product=0):
        return lambda W_e, W_t, W_d, W_x: (W_e + event * W_d, W_t + target * W_d, W_x + product * W_d)

    function(
        answer,
        inputs=_matrices,
        oracle=fold(1, -1),
        wrong=[
            (fold(1, 1), "Mind the sign: it is e MINUS t."),
            (fold(-1, 1), "Both signs are turned: e comes with plus, t with minus."),
            (fold(-1, -1), "Mind the sign of the event's part: e comes with plus."),
            (fold(1, 0), "The target's half of the difference is lost."),
            (fold(0, -1), "The event's half of the difference is lost."),
            (
                lambda W_e, W_t, W_d, W_x: (W_e + W_d, W_d - W_t, W_x),
                "The second is turned round: W_t stays with plus, and W_d comes off.",
            ),
            (
                lambda W_e, W_t, W_d, W_x: (W_e + W_d, W_t - W_d, -W_x),
                "Nearly: but W_x stays as it is.",
            ),
            (fold(0.5, -0.5), "No halves: all of W_d joins each of the two."),
            (
                lambda W_e, W_t, W_d, W_x: (W_e * W_d, -W_t * W_d, W_x),
                "You multiplied. W_e e + W_d e = (W_e + W_d) e: matrices on one vector add up.",
            ),
            (fold(0, 0), "You dropped W_d: then the two units differ."),
            (fold(0, 0, 1), "A difference is no product: W_x stays as it is."),
            (fold(1, -1, 1), "Nearly: but W_x stays as it is."),
            (
                lambda W_e, W_t, W_d, W_x: (W_t - W_d, W_e + W_d, W_x),
                "The right matrices in the wrong order: event, target, product.",
            ),
        ],
    )


def _rows(g: torch.Generator, schema: Schema, B: int = 6) -> Batch:
    L = schema.history
    item = torch.randint(2, schema.n_items, (B,), generator=g)
    user = torch.randint(2, schema.n_users, (B,), generator=g)
    mask = torch.arange(L) < torch.randint(1, L + 1, (B, 1), generator=g)  # (B, L)
    history = torch.randint(2, schema.n_items, (B, L), generator=g) * mask
    past = [row[real].tolist() for row, real in zip(history, mask, strict=True)]
    return toy(B, schema, user=user, item=item, history=past)


def _trained(seed: int, **settings):
    """A small DIN with weights as large as trained ones, biases included, and rows to ask it about."""
    from recbyhand.models import DIN

    g = torch.Generator().manual_seed(seed)
    table = torch.randint(2, 5, (12, 1), generator=g)
    field = (Field("kind", 5),)
    schema = Schema(12, 12, field, field, table, table, history=4)
    model = DIN(schema, dim=3, unit=4, hidden=(5,), **settings).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=g))
        for padding in (m for m in model.modules() if isinstance(m, torch.nn.Embedding)):
            padding.weight[0] = 0
    return model, _rows(g, schema)


@exercise(
    "din-4",
    "a is linear in the last layer of the unit: weight and bias. Negate both, and x becomes -x.",
    "Now make the head forget that: which columns of `mlp[0].weight` meet x, and which meet x * t?",
    "With d = model.item.width, columns 0 to d and 2d to 3d. Those of t and of the user stay.",
    todo="Complete the function `twin(model)`: it returns a changed copy of the model.",
    solved="Right: same scores, opposite explanation. A sign alone explains nothing.",
)
def din_4(answer):
    from recbyhand.models import DIN

    seen = []

    def watched(model):
        seen.append(model)
        return answer(model)

    for seed, settings in ((0, {}), (1, {"users": True}), (2, {"users": True, "features": True})):
        model, batch = _trained(seed, **settings)
        with torch.no_grad():
            before, a = model(batch), model.attention(batch)
            try:
                with torch.enable_grad():  # as where the learner writes it
                    other = call(watched, model)
            except RuntimeError as error:
                if "in-place" not in str(error):
                    raise
                raise Wrong(
                    "Weights that learn may not be changed just so: do it inside `torch.no_grad()`."
                ) from None
            if not isinstance(other, DIN):
                raise Wrong(f"Return a DIN; yours is a {type(other).__name__}.")
            if other is seen[-1] or not torch.allclose(seen[-1].eval().attention(batch), a):
                raise Wrong(
                    "You changed the model that you were given. Copy it first: `copy.deepcopy(model)`."
                )
            other = other.eval()
            # What the class does with the new weights: an `attention` that was exchanged would fool nobody else.
            logits, weights = DIN.forward(other, batch), DIN.attention(other, batch)
            _judge_twin(model, other, before, logits, a, weights)


def _judge_twin(model, other, before, logits, a, weights) -> None:
    def near(x, y):
        return torch.allclose(x, y, rtol=1e-3, atol=1e-4)

    if near(weights, a):
        raise Wrong("The attention is the same as before: negate the last layer of the unit.")
    if not near(weights, -a):
        if near(other.unit.out.weight, -model.unit.out.weight) and near(
            other.unit.out.bias, model.unit.out.bias
        ):
            raise Wrong("The unit's last layer has a bias c, too: negate both.")
        if near(other.unit.out.bias, -model.unit.out.bias) and near(
            other.unit.out.weight, model.unit.out.weight
        ):
            raise Wrong("Only c has changed its sign. The unit's last layer has weights w, too: negate both.")
        raise Wrong("The attention is not the opposite: only `unit.out` should change in the unit.")
    if near(logits, before):
        return
    d, first = model.item.width, model.mlp[0].weight
    signs = (other.mlp[0].weight / first).sign()  # (rows, columns)
    if (signs != signs[0]).any():
        raise Wrong("You turned rows of `mlp[0].weight`. Its inputs are the columns: `weight[:, :d]`.")
    if not near(other.mlp[0].bias, model.mlp[0].bias):
        raise Wrong("The bias of the head reads nothing, so it stays. Only columns of the weight change.")
    sign = signs[0]  # (columns,)
    if (sign > 0).all():
        raise Wrong("The attention is turned, but the head does not know: x became -x, and the logits moved.")
    if (sign < 0).all():
        raise Wrong("You negated every column of the head. t and the user have not changed their signs.")
    if (sign[:d] < 0).all() and (sign[2 * d : 3 * d] > 0).all():
        raise Wrong("x also comes in x * t, which changes its sign with x: the third block of columns.")
    if (sign[:d] > 0).all() and (sign[2 * d : 3 * d] < 0).all():
        raise Wrong("You treated x * t, but x itself is the first block of columns.")
    if (sign[d : 2 * d] < 0).all():
        raise Wrong("The block of t is negated: leave it, the target has not changed.")
    if (sign[3 * d :] < 0).any():
        raise Wrong("The user's columns have changed, too. Only what reads x and x * t does.")
    raise Wrong("The attention is right, the logits are not. Which columns of `mlp[0].weight` read x?")


def _finds(g: torch.Generator) -> tuple:
    relevant = torch.rand(7, 6, generator=g) < 0.4
    relevant[0] = False
    relevant[1] = torch.tensor([True, True, False, False, False, False])
    return torch.randn(7, 6, generator=g), relevant


def _r_precision(weights, relevant):
    shares = []
    for a, r in zip(weights.tolist(), relevant.tolist(), strict=True):
        k = sum(r)
        if k:
            best = sorted(range(len(a)), key=lambda i: -a[i])[:k]
            shares.append(sum(r[i] for i in best) / k)
    return sum(shares) / len(shares)


def _shares(weights, relevant, k=None, turn=1):
    n = relevant.sum(1)
    k = n if k is None else torch.full_like(n, k)
    place = (turn * weights).argsort(1, descending=True).argsort(1)
    return (relevant & (place < k[:, None])).sum(1), n


def _by_k(choose, divide=True, least=1, empty=None):
    """The share of hits among the `choose(k, largest k)` largest weights, with rows of fewer than `least` left out."""

    def score(weights, relevant):
        relevant, shares = relevant.bool(), []
        top = int(relevant.sum(1).max())
        for w, r in zip(weights, relevant, strict=True):
            k = int(r.sum())
            if k >= least:
                n = choose(k, top)
                hits = float(r[w.argsort(descending=True)[:n]].sum())
                shares.append(hits / n if divide else hits)
            elif k == 0 and empty is not None:
                shares.append(empty)
        return torch.tensor(shares).mean()

    return score


def _top_1(w, r):
    hits, n = _shares(w, r, k=1)
    return hits[n > 0].float().mean()


def _empty_as_zero(w, r):
    hits, n = _shares(w, r)
    return (hits / n.clamp(min=1)).mean()


def _empty_as_nan(w, r):
    hits, n = _shares(w, r)
    return (hits / n).mean()


def _one_average(w, r):
    hits, n = _shares(w, r)
    return hits.sum() / n.sum()


def _over_places(w, r):
    hits, n = _shares(w, r)
    return (hits[n > 0] / r.shape[1]).mean()


def _smallest(w, r):
    hits, n = _shares(w, r, turn=-1)
    return (hits[n > 0] / n[n > 0]).mean()


def _by_size(w, r):
    hits, n = _shares(w.abs(), r)
    return (hits[n > 0] / n[n > 0]).mean()


def _as_auc(w, r):
    rows = [(a[b], a[~b]) for a, b in zip(w, r, strict=True) if b.any() and not b.all()]
    return torch.stack([(match[:, None] > other).float().mean() for match, other in rows]).mean()


def _argsort_once(w, r):
    n = r.sum(1)
    place = w.argsort(1, descending=True)
    hits = (r & (place < n[:, None])).sum(1)
    return (hits[n > 0] / n[n > 0]).mean()


def _any(w, r):
    hits, n = _shares(w, r)
    return (hits[n > 0] > 0).float().mean()


def _all(w, r):
    hits, n = _shares(w, r)
    return (hits == n)[n > 0].float().mean()


def _mass(w, r):
    return ((w * r).sum(1) / w.sum(1))[r.any(1)].mean()


def _per_row(w, r):
    hits, n = _shares(w, r)
    return hits[n > 0] / n[n > 0]


@exercise(
    "din-5",
    "k differs from row to row: `relevant.sum(1)`. Which place does each weight have in its row, 0 for the largest?",
    "`weights.argsort(1, descending=True).argsort(1)` gives the places; those below k count.",
    "Leave out rows with k = 0, divide hits by k, average.",
    todo="Complete the function `all_found(weights, relevant)`: it returns one number.",
    solved="Right. This score is called R-precision. Is anyone clearly ahead?",
)
def din_5(answer):
    function(
        answer,
        inputs=_finds,
        oracle=_r_precision,
        wrong=[
            (
                _top_1,
                "That looks at the largest weight only. Take the k largest, k = number of relevant places.",
            ),
            (_empty_as_zero, "Rows without a relevant place count as 0 in your mean. Leave them out."),
            (_empty_as_nan, "A row without a relevant place has k = 0, and 0/0 is no number. Leave it out."),
            (_one_average, "You divided all hits by all relevant places. Average the shares of the rows."),
            (_over_places, "You divided by the length of the history. Divide by k."),
            (_by_size, "You took the largest |a|. Largest means largest: a negative weight is a small one."),
            (_as_auc, "That is the share of pairs in the right order. Count places among the k largest."),
            (_smallest, "You took the smallest weights."),
            (
                _argsort_once,
                "One `argsort` says who stands first; the place of each needs a second `argsort`.",
            ),
            (_per_row, "One share per row: average them."),
            (
                _by_k(lambda k, top: 2),
                "Always the two largest? Take the k largest, k = number of relevant places of the row.",
            ),
            (
                _by_k(lambda k, top: top),
                "You take as many as the row with most matches has. Each row has its own k.",
            ),
            (
                _by_k(lambda k, top: k, divide=False),
                "You count the hits. Divide by k: a share of the row's k places.",
            ),
            (
                _by_k(lambda k, top: k, least=2),
                "Rows with a single relevant place count as well.",
            ),
            (
                _by_k(lambda k, top: k, empty=1.0),
                "Rows without a relevant place count as 1 in your mean. Leave them out.",
            ),
            (
                lambda weights, relevant: ((weights > 0) & relevant).sum() / (weights > 0).sum(),
                "You take all positive weights. Take the k largest of each row.",
            ),
            (_any, "You ask whether *any* match is found. Take the share of the k places."),
            (_all, "You ask whether *all* matches are found. Take the share of the k places."),
            (_mass, "That is how much weight the matches have. Count places among the k largest instead."),
        ],
    )


quiz(
    "din",
    [
        question(
            "Two films are shown to one user in the same second. What differs in DIN, besides the target's vector?",
            ("The weights of the history, and so x", True, "Yes: the history is summed after the question."),
            ("Nothing: the history is the same", False, "The films are the same, their weights are not."),
            ("The vectors of the history's films", False, "They come from one table, whoever asks."),
            ("The order of the history", False, "DIN adds up; it has no order at all."),
        ),
        question(
            "A user's history is shown twice, film by film. What happens to x in the paper's form, and with a softmax?",
            ("It doubles; it stays", True, "Yes: the softmax shares out a fixed sum."),
            ("It stays; it doubles", False, "The other way round."),
            ("It doubles in both", False, "A softmax's weights sum to 1, however many there are."),
            ("It stays in both", False, "Without a softmax every film adds its part."),
        ),
        question(
            "The weight of a film is -3. What does this say, by itself?",
            (
                "Nothing: the head may have learned to read -x",
                True,
                "Yes: the twin has +3 and the same score.",
            ),
            (
                "The film speaks against the target",
                False,
                "Only if the head takes x at face value. It need not.",
            ),
            ("The user disliked the film", False, "The weight is about target and film, not about a rating."),
            ("The film is padding", False, "Padding has weight 0."),
        ),
        question(
            "On the planted world likeness found the matching films, too. Why did the averaging model fail there?",
            (
                "It adds the films up before it knows the question",
                True,
                "Yes: what is mixed cannot be taken apart.",
            ),
            (
                "Its vectors are not similar where they should be",
                False,
                "They were: similarity used its vectors.",
            ),
            ("Its head is too small", False, "It was as large as DIN's, within a few per cent."),
            ("It was trained less", False, "It had the same search, and more epochs."),
        ),
        question(
            "How do you test that attention depends on its target at all?",
            (
                "Ask about two targets with one history, and compare the weights",
                True,
                "Yes: the listing's weights are equal, for any training.",
            ),
            ("Look whether the weights sum to 1", False, "The listing's did."),
            ("Look whether they differ between films", False, "The listing's did: each film scores itself."),
            ("Look at the AUC", False, "Popularity alone gives an AUC above one half."),
        ),
    ],
)
