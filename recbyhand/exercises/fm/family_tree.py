"""Checks of chapter 3: the family tree, and the chapter's project (PNN)."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import nn

from recbyhand.data.batch import Batch, Field, Schema
from recbyhand.data.toy import toy, toy_schema
from recbyhand.exercises.engine import Wrong, call, close, exercise, function, one_of_wrong, shape
from recbyhand.exercises.quizzes import question, quiz
from recbyhand.models.base import Recommender

# The family tree -----------------------------------------------------------------------------------------

# The table of family-1: row = field, column = the partner for whom the number is meant.
_OWN = torch.tensor([[5.0, 1, 2], [3, 7, -1], [1, 4, 6]])


@exercise(
    "family-1",
    "Pair (a, b): the number that a keeps for b, times the number that b keeps for a.",
    "1 · 3, then 2 · 1, then -1 · 4.",
    todo="Replace the `...` by one number.",
    solved="Right: 3 + 2 - 4. The diagonal, what a field would keep for itself, is never used.",
)
def family_1(answer):
    one_of_wrong(
        answer,
        [
            (107.0, "You took each field's number for itself: 5 · 7 + 5 · 6 + 7 · 6. That is an FM."),
            (2.0, "You counted every pair twice, once from each side."),
            (112.0, "The whole table times its transpose: the diagonal is in it, and every pair twice."),
            (111.0, "The diagonal is in your sum. No field meets itself."),
            ((3.0, 2.0, -4.0), "These are the three pairs. Add them up."),
            (9.0, "Watch the sign: b keeps -1 for c."),
            (
                13.0,
                "One of your two numbers stands on the diagonal. Take what the other field keeps for this one.",
            ),
            (3.0, "Both your numbers stand in one row. A pair takes one from the row of each of its fields."),
            (
                5.0,
                "If you left out (b, c): it is -1 · 4. If not, both your numbers stand in one column: two fields "
                "that keep something for the same third.",
            ),
            (10.0, "You added the numbers up. Multiply the two of each pair."),
            (66.0, "You took dot products of whole rows. A pair uses one number of each of its two fields."),
        ],
    )
    close(answer, 1.0, hint="Not yet. Find for each pair its two numbers: mirror images about the diagonal.")


def _ffm(v):
    return sum(float(v[i, j] @ v[j, i]) for i, j in combinations(range(len(v)), 2))


@exercise(
    "family-2",
    "`v[i, j]` is what field i keeps for field j. Which vector is its counterpart?",
    "`i, j = torch.triu_indices(F, F, offset=1)`, then `v[i, j]` and `v[j, i]`, both (P, d).",
    todo="Complete the function `ffm_pairs(v)`: it returns one number.",
)
def family_2(answer):
    def over(make):
        return lambda v: sum(make(v, i, j) for i, j in combinations(range(len(v)), 2))

    function(
        answer,
        inputs=lambda g: (torch.randn(4, 4, 3, generator=g),),
        oracle=_ffm,
        rtol=1e-3,
        atol=1e-4,
        wrong=[
            (
                over(lambda v, i, j: v[i, i] @ v[j, j]),
                "You use what each field keeps for ITSELF. That is an FM.",
            ),
            (
                over(lambda v, i, j: v[i, j].sum() * v[j, i].sum()),
                "You add up each vector first. Multiply number by number, then add: a dot product.",
            ),
            (
                over(lambda v, i, j: v[i, j] @ v[i, j]),
                "That is a vector with itself. The other one is `v[j, i]`.",
            ),
            (
                over(lambda v, i, j: v[j, i] @ v[j, i]),
                "That is a vector with itself. The other one is `v[i, j]`.",
            ),
            (lambda v: 2 * _ffm(v), "Every pair comes twice in your sum. Only i < j."),
            (
                over(lambda v, i, j: v[i, j] @ v[j, j]),
                "The first factor is right. The second is what j keeps for itself; i is its partner.",
            ),
            (
                over(lambda v, i, j: v[i].sum(0) @ v[j].sum(0)),
                "You added up what a field keeps for all partners: one vector for everybody, as in FM.",
            ),
            (lambda v: (v * v.transpose(0, 1)).sum(), "Every pair twice, and the diagonal too. Only i < j."),
            (
                lambda v: 0.5 * (v * v.transpose(0, 1)).sum(),
                "Half of everything still holds the diagonal: leave out i = j.",
            ),
            (
                over(lambda v, i, j: v[i, j] * v[j, i]),
                "You have a vector, the pairs' products summed. FFM wants a number: sum over d.",
            ),
            (
                lambda v: torch.stack([v[i, j] @ v[j, i] for i, j in combinations(range(len(v)), 2)]),
                "These are the pairs, one by one. Add them up.",
            ),
            (
                over(lambda v, i, j: v[i].mean(0) @ v[j].mean(0)),
                "You average what a field keeps for its partners: so it has one vector again, as in FM.",
            ),
            (
                lambda v: _ffm(v) / len(list(combinations(range(len(v)), 2))),
                "That is the mean over the pairs. FFM adds them up.",
            ),
        ],
        hint="Not the pair term. The lesson's table with d = 1, (0, 2, 1), (1, 0, -1), (2, 2, 0), makes 2.",
    )


def _pairs(v):
    return torch.stack([(v[:, i] * v[:, j]).sum(-1) for i, j in combinations(range(v.shape[1]), 2)], dim=1)


@exercise(
    "family-3",
    "A layer of the package makes the elementwise products of all pairs: (B, F, d) to (B, P, d).",
    "`rbh.layers.PairwiseInteraction()(v).sum(-1)`.",
    todo="Complete the function `products(v)`: it returns a tensor of shape (B, P).",
)
def family_3(answer):
    def stacked(which):
        return lambda v: torch.stack(
            [(v[:, i] * v[:, j]).sum(-1) for i, j in which(range(v.shape[1]))], dim=1
        )

    function(
        answer,
        inputs=lambda g: (torch.randn(3, 4, 5, generator=g),),
        oracle=_pairs,
        wrong=[
            (
                lambda v: torch.stack([v[:, i] * v[:, j] for i, j in combinations(range(4), 2)], dim=1),
                "These products still have d numbers each. An inner product is one number: sum over the last axis.",
            ),
            (lambda v: _pairs(v).sum(1), "You added the pairs up, as FM does. PNN keeps them apart."),
            (lambda v: _pairs(v) / v.shape[-1], "You took the mean over d. An inner product is the sum."),
            (
                lambda v: v @ v.transpose(1, 2),
                "The whole square, every pair twice and the diagonal. Keep i < j.",
            ),
            (
                lambda v: (v @ v.transpose(1, 2)).flatten(1),
                "All F² products. Keep those with i < j: P of them.",
            ),
            (
                stacked(lambda f: [(i, j) for i in f for j in f if i <= j]),
                "The diagonal is among them: no field meets itself.",
            ),
            (
                stacked(lambda f: [(i, j) for i in f for j in f if j < i]),
                "All pairs, in another order: (0, 1), (0, 2), (0, 3), (1, 2) ... is asked for.",
            ),
            (
                lambda v: torch.stack([v[:, i] * v[:, j] for i, j in combinations(range(4), 2)], dim=1).sum(
                    1
                ),
                "You summed over the pairs and kept d. That is NFM's pool. Keep the pairs and sum over d.",
            ),
            (
                lambda v: _pairs(nn.functional.normalize(v, dim=-1)),
                "These are cosines: you gave every vector length 1. An inner product keeps the lengths.",
            ),
            (
                lambda v: (v[:, :-1] * v[:, 1:]).sum(-1),
                "These are the neighbours only. Every field meets every other: P of them.",
            ),
        ],
        hint="Not the products. The toy, (1, 2), (3, -1) and (-1, 1), has 1, 1 and -4.",
    )


def _trial() -> tuple[Schema, Batch]:
    """Five fields, one of them with two values; six rows."""
    g = torch.Generator().manual_seed(4)

    def ids(n: int, size: int, *shape: int) -> torch.Tensor:
        return torch.randint(2, size, (n, *shape), generator=g)

    kinds = torch.cat([ids(9, 5, 1), ids(9, 6, 2)], 1)
    kinds[3, 2] = 0  # one genre only
    fields = (Field("group", 5),), (Field("kind", 5), Field("genres", 6, 2))
    schema = toy_schema(
        user_fields=fields[0], item_fields=fields[1], user_table=ids(8, 5, 1), item_table=kinds, history=2
    )
    batch = toy(6, schema, user=ids(6, 8), item=ids(6, 9), lengths=[0] * 6, label=[0, 1, 0, 1, 1, 0])
    return schema, batch


def _built(answer, schema, **settings):
    """The learner's model, with the two parts that the task names."""
    if not isinstance(answer, type) or not issubclass(answer, nn.Module):
        raise Wrong("A class is asked for: give `PNN` itself, without brackets.")
    if not issubclass(answer, Recommender):
        raise Wrong(
            "Derive it from `M.Recommender`, which remembers schema and settings: `fit` asks for them."
        )
    try:
        model = answer(schema, **settings)
    except TypeError as error:
        raise Wrong(f"PNN(schema, dim=4, hidden=(3,)) should work, but: {error}.") from None
    for name in ("embedding", "mlp"):
        if not isinstance(getattr(model, name, None), nn.Module):
            raise Wrong(f"`self.{name}` is missing: the task names two parts, `embedding` and `mlp`.")
    return model


def _widths(n_in: int, F: int, d: int) -> None:
    P = F * (F - 1) // 2
    said = {
        P: "Your network reads the products only. The vectors themselves are missing.",
        F * d: "Your network reads the vectors only: that is FNN's way. The products are missing.",
        F * d + d: "You pooled the products over the pairs, as NFM does. PNN keeps one number per pair.",
        F * d + P * d: "Your products still have d numbers each. Sum over d: one number per pair.",
        F * d + F * F: "All F² products are in it. Keep those with i < j.",
        F * d + 1: "You added the products up to one number, as FM does. Keep them apart.",
    }
    if n_in != F * d + P:
        hint = f"F d + P = {F * d + P} numbers are asked for: {F} vectors of {d} and {P} products."
        raise Wrong(said.get(n_in, f"Your network reads {n_in} numbers; {hint}"))


@exercise(
    "family-4",
    "Start from FNN's `forward` (lesson *FM feeds a network*), without w and w₀; then append the products.",
    "z = torch.cat([v.flatten(1), products(v)], dim=1), and the network has F·d + P inputs.",
    "The network ends in a logit, (B, 1): return its column `[:, 0]`.",
    todo="Complete the class `PNN`: its parts in `__init__`, then `forward(batch)`, which returns logits (B,).",
    solved="That is PNN. The table compares it with FM on the planted crosses.",
)
def family_4(answer):
    schema, batch = _trial()
    F, d = len(schema.fields), 4
    P = F * (F - 1) // 2
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, deep = _built(answer, schema, dim=d, hidden=()), _built(answer, schema, dim=d, hidden=(3,))
    logits = call(model, batch)
    if getattr(logits, "shape", None) == (6, 1):
        raise Wrong("Your logits have shape (6, 1): an axis of length 1 is left. Return column 0: `[:, 0]`.")
    shape(logits, (6,), "B")
    if tuple(call(model, batch[0:1]).shape) != (1,):
        raise Wrong("A batch of one row loses its axis: take `[:, 0]`, not `squeeze()`.")
    linear = [layer for layer in model.mlp.modules() if isinstance(layer, nn.Linear)]
    if len(linear) != 1:
        raise Wrong("With hidden=() the network is one linear layer: `MLP([F * d + P, *hidden, 1])`.")
    if linear[0].out_features != 1:
        raise Wrong(
            f"The network ends in {linear[0].out_features} numbers. One is the logit: `[F * d + P, *hidden, 1]`."
        )
    _widths(linear[0].in_features, F, d)
    sizes = [layer.out_features for layer in deep.mlp.modules() if isinstance(layer, nn.Linear)]
    if sizes != [3, 1]:
        raise Wrong(
            f"With hidden=(3,) the layers should give 3 and 1 numbers, not {sizes}: `*hidden` between both ends."
        )
    with torch.no_grad():
        torch.manual_seed(1)
        for parameter in model.embedding.parameters():
            parameter.normal_()
        linear[0].weight.zero_()
        linear[0].bias.fill_(-50.0)
    silent = call(model, batch).detach()  # (6,) -50 each, if nothing but the network speaks
    if not torch.allclose(silent, silent[:1].expand(6), atol=1e-3):
        raise Wrong(
            "Something is added to the network's logit: it differs between rows where all weights are 0."
        )
    if not torch.allclose(silent, torch.full((6,), -50.0), atol=1e-3):
        raise Wrong("With weights 0 and bias -50 the logit should be -50. Something comes after the network.")
    v = model.embedding(batch.ids()).detach()
    weight = torch.randn(F * d + P, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        linear[0].bias.zero_()
        linear[0].weight.copy_(weight[None])
    if not torch.allclose(call(model, batch), call(model, batch), atol=1e-5):
        raise Wrong(
            "Twice the same batch, and two answers: your model draws by chance. Leave out the dropout."
        )
    said, right = call(model, batch), torch.cat([v.flatten(1), _pairs(v)], 1) @ weight
    if torch.allclose(said, torch.cat([_pairs(v), v.flatten(1)], 1) @ weight, atol=1e-3):
        raise Wrong("The products stand before the vectors. The formula has them last.")
    if torch.allclose(said, torch.cat([v.transpose(1, 2).flatten(1), _pairs(v)], 1) @ weight, atol=1e-3):
        raise Wrong("The vectors are read across the fields. Flatten (B, F, d) as it is: field by field.")
    columns = torch.stack([(v[:, i] * v[:, j]).sum(-1) for j in range(F) for i in range(j)], 1)  # (B, P)
    if torch.allclose(said, torch.cat([v.flatten(1), columns], 1) @ weight, atol=1e-3):
        raise Wrong("The products are right, their order is not: (0, 1), (0, 2), (0, 3) ... come first.")
    if torch.allclose(said, torch.cat([v.flatten(1), _pairs(v) / d], 1) @ weight, atol=1e-3):
        raise Wrong("Your products are means over d. An inner product is the sum.")
    close(
        said, right, rtol=1e-3, atol=1e-3, hint="The network does not read [v₁; ...; v_F; p] in this order."
    )
    loss = nn.functional.binary_cross_entropy_with_logits(deep(batch), batch.label)
    loss.backward()
    grad = next(iter(deep.embedding.parameters())).grad
    if grad is None or not grad.abs().sum() > 0:
        raise Wrong("No gradient reaches the vectors: is there a `detach()` or `no_grad()` on the way?")


def _sayable(ab: float, ac: float, bc: float) -> bool:
    zeros = (ab == 0) + (ac == 0) + (bc == 0)
    return ab * ac * bc > 0 if zeros == 0 else zeros >= 2


def _triangles(g: torch.Generator) -> tuple:
    w = torch.randint(-2, 3, (3,), generator=g)
    return tuple(float(x) for x in w)


# Every pattern of signs and zeros, so that no lucky rule slips through.
_SIGNS = [(float(a), float(b), float(c)) for a in (-1, 0, 2) for b in (-2, 0, 1) for c in (-1, 0, 3)]


@exercise(
    "family-5",
    "Multiply the three weights: what is it in terms of a, b and c?",
    "(abc)²: never negative. And if one weight is 0, one of its two numbers is 0: which other weight is that in?",
    "No zero: the product must be positive. One zero: impossible. Two or three zeros: possible.",
    todo="Complete the function `sayable(ab, ac, bc)`: it returns True or False.",
    solved="Right. A triangle of signs is frustrated if their product is negative; FFM does not care.",
)
def family_5(answer):
    function(
        lambda *w: bool(call(answer, *w)),
        inputs=_SIGNS,
        oracle=_sayable,
        wrong=[
            (
                lambda x, y, z: x * y * z > 0,
                "Weights of 0 can be said, too, if the zeros fit: try (2, 0, 0).",
            ),
            (
                lambda x, y, z: x * y * z >= 0,
                "Look at one zero: (2, 1, 0). Which of a, b, c would have to be 0?",
            ),
            (lambda x, y, z: True, "Some cannot be said: try 2, 2 and -2, as in the lesson."),
            (lambda x, y, z: False, "Some can be said: a = b = c = 1 makes 1, 1, 1."),
            (
                lambda x, y, z: min(x, y, z) > 0,
                "Negative weights are possible, two of them: a = 1, b = c = -1.",
            ),
            (
                lambda x, y, z: min(x, y, z) >= 0,
                "Negative weights are possible, two of them: try a = 1, b = c = -1. And look at one zero.",
            ),
            (
                lambda x, y, z: (x < 0) + (y < 0) + (z < 0) in (0, 2),
                "The signs are right where nothing is 0. Now the zeros: can exactly one weight be 0?",
            ),
            (
                lambda x, y, z: x * y * z > 0 or x == y == z == 0,
                "Two zeros can be said, too: a = 1, b = 3 and c = 0 make 3, 0 and 0.",
            ),
            (
                lambda x, y, z: x + y + z > 0,
                "The sum says nothing: look at the product of the three weights.",
            ),
            (
                lambda x, y, z: x * y * z != 0,
                "Not every triangle without zeros can be said: the sign of the product decides.",
            ),
        ],
        hint="look for a, b, c with ab, ac, bc as given, or show that there are none.",
    )


quiz(
    "family",
    [
        question(
            "FFM gives every feature a vector for each partner field. What is that for?",
            (
                "A pair's weight no longer constrains the others",
                True,
                "Yes: what a keeps for b says nothing about a and c.",
            ),
            ("It needs fewer numbers", False, "It needs F times as many per feature, for the same d."),
            ("It finds crosses of three fields", False, "FFM is a sum of pairs, like FM."),
            ("It runs in linear time", False, "No: with a vector for each partner, FM's identity is gone."),
        ),
        question(
            "NFM, FNN and PNN all put a network on FM's vectors. What does PNN's network read?",
            (
                "The vectors, and one product per pair",
                True,
                "Yes: nothing is pooled, and nothing must be multiplied.",
            ),
            ("The pooled products", False, "That is NFM."),
            ("The vectors only", False, "That is FNN: its network has to build products itself."),
            ("The weights of the pairs", False, "No pair has a weight of its own; the network makes them."),
        ),
        question(
            "One layer of xDeepFM's CIN makes products of two fields. What do three layers make?",
            ("Products of up to four fields", True, "Yes: each layer multiplies by the first one once more."),
            ("Products of up to eight", False, "It would, if layers were multiplied with themselves."),
            ("Products of two, better chosen", False, "Each layer raises the order by one."),
            ("Sums of products of two", False, "Each layer multiplies what is there with the vectors again."),
        ),
        question(
            "In Graph FM, an edge between two fields is removed. What is gone?",
            ("Their product", True, "Yes: what is not connected does not meet."),
            ("Both fields", False, "They still meet their other neighbours."),
            ("Their vectors", False, "Vectors belong to nodes."),
            (
                "Nothing, weights make up for it",
                False,
                "A weight on an edge that is not there is not there either.",
            ),
        ),
        question(
            "What is ONN, in one phrase?",
            ("FFM's products into PNN's network", True, "Yes: a vector for every operation, then a network."),
            ("An FM with attention", False, "That is AFM."),
            ("An FM beside a network", False, "That is DeepFM."),
            ("NFM without its ½", False, "That is what the source called an improved FNN."),
        ),
    ],
)
