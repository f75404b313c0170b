"""Checks of chapter 7: towers."""

from __future__ import annotations

import torch

from recbyhand.exercises.engine import Wrong, call, close, edge, exercise, function, one_of_wrong
from recbyhand.exercises.quizzes import question, quiz

E_1, Q_1 = torch.tensor([[1.0, 1.0], [3.0, 0.0], [0.0, -1.0]]), torch.tensor([0.0, 2.0])


@exercise(
    "tower-1",
    "Three products of the query with the films, divided by 2; a softmax; the weighted sum of the films.",
    "The products are 2, 0 and -2, so the scores are 1, 0 and -1.",
    todo="Replace the `...` by the two numbers of x, as a list or a tensor.",
)
def tower_1(answer):
    s = E_1 @ Q_1
    one_of_wrong(
        answer,
        [
            (s.softmax(0) @ E_1, "The division by 2 is missing."),
            ((s / 4).softmax(0) @ E_1, "You divided by 4. Divide by 2."),
            ((s / 2**0.5).softmax(0) @ E_1, "Divide by 2 here, not by the root of 2."),
            ((s / 2) @ E_1, "The softmax is missing: these are scores, not weights."),
            (E_1.mean(0), "That is the mean: the query has no say."),
            ((s / 2).softmax(0), "These are the three weights. Now sum the films with them."),
            (s / 2, "These are the scores. A softmax, then the weighted sum."),
            (E_1[0], "That is the film with the largest weight. A softmax takes a little of each."),
        ],
    )
    close(
        answer,
        (s / 2).softmax(0) @ E_1,
        rtol=6e-3,
        atol=6e-4,
        hint="Not yet. Write the three scores, the three weights, then the sum.",
    )


def _pool_inputs(g: torch.Generator):
    mask = torch.arange(5) < torch.tensor([0, 1, 3, 5])[:, None]
    return 2 * torch.randn(4, 4, generator=g), torch.randn(4, 5, 4, generator=g), mask


def _pool(q, e, mask):
    rows = []
    for b in range(len(q)):
        real = e[b, mask[b]].double()
        if not len(real):
            rows.append(torch.zeros(q.shape[-1], dtype=torch.float64))
            continue
        s = torch.stack([(q[b].double() * event).sum() / q.shape[-1] ** 0.5 for event in real]).exp()
        rows.append((s[:, None] * real).sum(0) / s.sum())
    return torch.stack(rows)


def _pool_slip(divide=lambda d: d**0.5, fill=-torch.inf, masked=True, after=False, softmax=True):
    def slip(q, e, mask):
        s = torch.einsum("bd,bld->bl", q, e) / divide(q.shape[-1])
        if masked and not after:
            s = s.masked_fill(~mask, fill)
        a = s.softmax(-1) if softmax else s
        if after:
            a = a * mask
        return torch.einsum("bl,bld->bd", a.nan_to_num(0), e)

    return slip


@exercise(
    "tower-2",
    "Scores (B, L), masked; weights by a softmax over L; weighted sum (B, d).",
    "An empty history has no softmax: `rbh.layers.masked_softmax` gives zeros there, or use `nan_to_num(0)`.",
    todo="Complete the function `pool(q, e, mask)`: it returns a tensor of shape (B, d).",
)
def tower_2(answer):
    function(
        answer,
        inputs=_pool_inputs,
        oracle=_pool,
        wrong=[
            (_pool_slip(masked=False), "Padding has a weight: use the mask."),
            (_pool_slip(divide=lambda d: 1), "The division by the root of d is missing."),
            (_pool_slip(divide=lambda d: d), "Divide by the root of d, not by d."),
            (_pool_slip(after=True), "Masked after the softmax, the weights do not sum to 1."),
            (_pool_slip(fill=0.0), "A score of 0 is a weight, too: fill with minus infinity."),
            (
                _pool_slip(fill=torch.finfo(torch.float32).min),
                "An empty history must give zeros; yours takes the mean of its padding.",
            ),
            (
                lambda q, e, mask: _pool_slip(masked=False)(q, e * mask[..., None], mask),
                "A film of zeros has the score 0, and so a weight: fill the scores with minus infinity.",
            ),
            (
                lambda q, e, mask: (e * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1),
                "That is the mean: the query has no say.",
            ),
            (
                lambda q, e, mask: torch.einsum(
                    "bl,bld->bd",
                    (torch.einsum("bd,bld->bl", q, e) / 2).masked_fill(~mask, -torch.inf).softmax(-1),
                    e,
                ),
                "An empty history gives nan: a softmax over nothing.",
            ),
            (
                lambda q, e, mask: _pool(q * (q.shape[-1] / e.shape[1]) ** 0.5, e, mask),
                "The root is that of d, the width of a vector, not of L.",
            ),
            (
                lambda q, e, mask: torch.einsum(
                    "bl,bld->bd",
                    (torch.einsum("bd,bld->bl", q, e) / q.shape[-1] ** 0.5)
                    .masked_fill(~mask, -torch.inf)
                    .softmax(0)
                    .nan_to_num(0),
                    e,
                ),
                "The softmax runs over the users. Each history has its own: over L, the last axis.",
            ),
            (lambda q, e, mask: _pool(q, e, ~mask), "The mask is turned round: True is a real event."),
            (
                lambda q, e, mask: torch.einsum(
                    "bl,bld->bd",
                    (torch.einsum("bd,bld->bl", q, e) / q.shape[-1] ** 0.5 * mask).softmax(-1)
                    * mask.any(1, keepdim=True),
                    e,
                ),
                "A score of 0 is a weight, too: fill with minus infinity.",
            ),
        ],
    )
    q, e, mask = _pool_inputs(torch.Generator().manual_seed(9))
    edge(
        answer,
        (q[2:3], e[2:3], mask[2:3]),
        _pool,
        "Right for four users. With a batch of one an axis is lost: `squeeze` takes every axis of length 1.",
    )


@exercise(
    "tower-3",
    "Multiply out (u - v) · (u - v).",
    "u · u and v · v are 1; the mixed term appears twice.",
    todo="Complete the function `squared_distance(s)`: it returns a number or a tensor.",
    solved="Right: the larger the product, the nearer. Without the length of 1 this is not so.",
)
def tower_3(answer):
    def true(s):
        angle = torch.acos(torch.as_tensor(s, dtype=torch.float64))
        return ((1 - angle.cos()) ** 2 + angle.sin() ** 2).item()

    function(
        answer,
        inputs=lambda g: (1.8 * float(torch.rand(1, generator=g)) - 0.9,),
        oracle=true,
        wrong=[
            (lambda s: 2 - s, "The mixed term appears twice."),
            (lambda s: 1 - s, "That is half of it: u · u and v · v are 1 each."),
            (lambda s: 2 + 2 * s, "The mixed term has a minus."),
            (lambda s: (2 - 2 * s) ** 0.5, "That is the distance. Its square is asked for."),
            (lambda s: 1 - s**2, "That is the square of the sine of the angle."),
            (lambda s: 2 * s - 2, "A square is not negative: the sign is turned round."),
            (lambda s: 2 - 2 * s**2, "The product itself is in the mixed term, not its square."),
            (lambda s: -2 * s, "u · u and v · v are missing: 1 each."),
            (lambda s: 1 - 2 * s, "u · u and v · v are 1 each: 2 together."),
            (
                lambda s: (1 - s) ** 2,
                "These are two vectors, not two numbers: multiply out (u - v) · (u - v).",
            ),
            (lambda s: s, "That is the product. The distance falls as it grows: multiply out."),
            (lambda s: s**2, "That is the square of the product. Multiply out (u - v) · (u - v)."),
        ],
    )


def _retrieve_inputs(g: torch.Generator):
    seen = torch.rand(3, 9, generator=g).argsort(1) < 4  # four of nine films each
    return torch.randn(3, 4, generator=g), torch.randn(9, 4, generator=g), seen, 3


def _retrieve(u, v, seen, k):
    rows = []
    for i in range(len(u)):
        scores = [(-float(u[i].double() @ v[j].double()), j) for j in range(len(v)) if not seen[i, j]]
        rows.append([j for _, j in sorted(scores)[:k]])
    return torch.tensor(rows)


def _top(u, v, seen, k, fill=-torch.inf, largest=True, turned=False):
    s = (u @ v.T).masked_fill(~seen if turned else seen, fill if largest else torch.inf)
    return s.topk(k, dim=1, largest=largest).indices


@exercise(
    "tower-4",
    "Scores are one product of two tables, (U, I). What is seen gets minus infinity.",
    "`.topk(k, dim=1).indices` gives the best, best first.",
    todo="Complete the function `retrieve(u, v, seen, k)`: it returns whole numbers of shape (U, k).",
)
def tower_4(answer):
    function(
        answer,
        inputs=_retrieve_inputs,
        oracle=_retrieve,
        wrong=[
            (
                lambda u, v, seen, k: (u @ v.T).topk(k, dim=1).indices,
                "Films that were seen are in your list.",
            ),
            (
                lambda u, v, seen, k: _top(u, v, seen, k, turned=True),
                "You kept what was seen and left out the rest.",
            ),
            (lambda u, v, seen, k: _top(u, v, seen, k, largest=False), "These are the worst films."),
            (
                lambda u, v, seen, k: (u @ v.T).masked_fill(seen, -torch.inf).sort(dim=1).indices[:, :k],
                "Smallest first: what was seen stands at the front. Sort with `descending=True`.",
            ),
            (
                lambda u, v, seen, k: _top(u, v, seen, k).flip(1),
                "The best comes first: your order is turned round.",
            ),
            (
                lambda u, v, seen, k: _top(u, v, seen, k).sort(1).values,
                "Sorted by number; the best should come first.",
            ),
            (
                lambda u, v, seen, k: (u @ v.T).masked_fill(seen, -torch.inf).topk(k, dim=1).values,
                "These are the scores. The row numbers of the films are asked for: `.indices`.",
            ),
            (
                lambda u, v, seen, k: _top(u, v, seen, k, fill=0.0),
                "A seen film with score 0 beats every film below 0.",
            ),
            (
                lambda u, v, seen, k: _top(
                    torch.nn.functional.normalize(u, dim=1), torch.nn.functional.normalize(v, dim=1), seen, k
                ),
                "You rank by cosine. The product of the vectors as they are is asked for: a long one may win.",
            ),
            (
                lambda u, v, seen, k: (
                    (-torch.cdist(u, v)).masked_fill(seen, -torch.inf).topk(k, dim=1).indices
                ),
                "You rank by distance. For vectors of any length that is another order than by product.",
            ),
        ],
    )


@exercise(
    "tower-5",
    "Two histories that differ only where the mask is False, one function, two vectors: equal or not?",
    "`mask = torch.arange(5) < torch.arange(6)[:, None]` has a row for each number of real events.",
    "`torch.where(mask[..., None], e, noise)` replaces what is padded. Compare with a tolerance.",
    todo="Complete the function `padding_speaks(f)`: it returns True or False.",
)
def tower_5(answer):
    from recbyhand.layers import masked_softmax

    def attended(e, mask):
        return torch.einsum("bl,bld->bd", masked_softmax(e.sum(-1) * mask, mask), e)

    cases = [
        (attended, False, "Masked attention is silent about padding, and you say it speaks."),
        (
            lambda e, mask: (e * mask[..., None]).sum(1),
            False,
            "A masked sum is silent about padding, and you say it speaks.",
        ),
        (
            lambda e, mask: e.mean(1),
            True,
            "A mean over all places, padding included: it speaks, and you say it does not.",
        ),
        (
            lambda e, mask: e[:, 0],
            True,
            "It reads the first place, even of an empty history: one row of your mask must have 0 real events.",
        ),
        (
            lambda e, mask: torch.where(
                mask.sum(1, keepdim=True) > 1, (e * mask[..., None]).sum(1), e.sum(1)
            ),
            True,
            "It speaks for short histories only: have a row for each length, 0 to 5, and compare all rows.",
        ),
        (
            lambda e, mask: torch.where(mask.any(1, keepdim=True), e.sum(1), (e * mask[..., None]).sum(1)),
            True,
            "It is silent for an empty history and speaks for the others: compare every row of the batch.",
        ),
        (
            lambda e, mask: (e * mask[..., None]).sum(1) + 1e-9 * e.sum(1),
            False,
            "It differs by rounding only: compare with a tolerance.",
        ),
    ]
    with torch.no_grad():
        for f, truth, hint in cases:
            said = call(answer, f)
            if type(said).__name__ not in ("bool", "bool_", "Tensor"):
                raise Wrong(f"Return True or False, not {type(said).__name__}.")
            if bool(said) != truth:
                raise Wrong(hint)


quiz(
    "tower",
    [
        question(
            "Why can DIN not search a catalogue with an index?",
            (
                "Its user vector depends on the film that is asked about",
                True,
                "Yes: there is no vector to search with.",
            ),
            ("Its vectors are too long", False, "Length is no obstacle to an index."),
            ("It has no embedding of films", False, "It has one."),
            ("It gives no scores", False, "It scores any pair, one at a time."),
        ),
        question(
            "`bhq,bnhk->bhqn`: what is compared with what?",
            ("A number of the query with the sum of a key", True, "Yes: q and k are different letters."),
            ("The query with each key", False, "That needs one letter for both."),
            ("Each key with each key", False, "The query is in it."),
        ),
        question(
            "The query is made of the user, keys and values of films. How is this attention called?",
            ("Cross attention", True, "Yes, or pooling attention, since one query pools many events."),
            ("Self-attention", False, "There, the events ask each other."),
            ("Causal attention", False, "That is about a mask."),
        ),
        question(
            "What is lost when two towers replace a model of pairs?",
            (
                "The film can no longer decide what in the history matters",
                True,
                "Yes: the user's vector is made before.",
            ),
            ("The order of the history", False, "A tower may well read it."),
            ("The user's features", False, "They go into the user's tower."),
        ),
    ],
)
