"""Checks of chapter 3: a network on what a factorisation machine has learned (FNN, NFM)."""

from __future__ import annotations

from itertools import product

import torch

from recbyhand.exercises.engine import Wrong, call, close, exercise, function, grows, one_of_wrong, shape
from recbyhand.exercises.quizzes import question, quiz

# FM feeds a network --------------------------------------------------------------------------------------


@exercise(
    "fnn-1",
    "What does FNN take from the FM for one field? And what once, for all of them together?",
    "FNN: a weight and a vector for each of the 5 fields, and w₀. NFM: how long is a sum of vectors?",
    todo="Replace the `...` by two whole numbers: (inputs of FNN's network, inputs of NFM's network).",
    solved="Right: 1 + 5 · (1 + 8) and 8. One grows with the fields, the other does not.",
)
def fnn_1(answer):
    one_of_wrong(
        answer,
        [
            ((45, 8), "FNN takes one more number from the FM: the base w₀."),
            ((40, 8), "FNN takes the weights w too, one for each field, and the base w₀."),
            ((41, 8), "You have w₀ and the vectors. Each field also brings its weight w."),
            (
                (46, 40),
                "NFM adds the products up: its network sees one vector, whatever the number of fields.",
            ),
            ((46, 80), "NFM adds the products of all 10 pairs up, it does not put them side by side."),
            ((46, 10), "There are 10 pairs; added up they make one vector. How long is it?"),
            (
                (46, 5),
                "5 is the number of fields. The vectors are added up, not counted: how long is the sum?",
            ),
            (
                (46, 1),
                "One number is what FM makes of the pairs. NFM keeps the vector, before summing over d.",
            ),
            ((46, 13), "NFM's linear part goes round the network. The network sees the pooled vector alone."),
            ((8, 46), "The numbers are right; FNN comes first."),
            ((50, 8), "The base w₀ comes once, not once for each field."),
        ],
    )
    close(
        torch.as_tensor(answer),
        torch.tensor([46, 8]),
        hint="Not yet. Count for FNN: the base, and for each field a weight and 8 numbers.",
    )


def _bottom(g: torch.Generator) -> tuple:
    F, d = 3 + int(torch.randint(3, (1,), generator=g)), 2 + int(torch.randint(3, (1,), generator=g))
    return torch.randn((), generator=g), torch.randn(F, generator=g), torch.randn(F, d, generator=g)


def _joined(w0, w, v):
    numbers = [float(w0)]
    for weight, vector in zip(w.tolist(), v.tolist(), strict=True):
        numbers += [weight, *vector]
    return torch.tensor(numbers)


@exercise(
    "fnn-2",
    "First make one row per field: its weight, then its vector. Which shape has that?",
    "`torch.cat([w[:, None], v], dim=1)` is (F, 1 + d). `flatten()` reads it row by row.",
    todo="Complete the function `join(w0, w, v)`: it returns a tensor of shape (1 + F(1 + d),).",
)
def fnn_2(answer):
    function(
        answer,
        inputs=_bottom,
        oracle=_joined,
        wrong=[
            (
                lambda w0, w, v: torch.cat([w0.view(1), w, v.flatten()]),
                "All weights come first in yours. The formula goes field by field: w₁, v₁; w₂, v₂; ...",
            ),
            (
                lambda w0, w, v: torch.cat([w0.view(1), torch.cat([v, w[:, None]], 1).flatten()]),
                "In each field the weight stands before the vector.",
            ),
            (lambda w0, w, v: torch.cat([w[:, None], v], 1).flatten(), "The base w₀ is missing in front."),
            (
                lambda w0, w, v: torch.cat([torch.cat([w[:, None], v], 1).flatten(), w0.view(1)]),
                "The base w₀ stands at the end. It comes first.",
            ),
            (
                lambda w0, w, v: torch.cat([w0.view(1), torch.cat([w[:, None], v], 1).T.flatten()]),
                "You read the table column by column. A field's numbers belong together: row by row.",
            ),
            (lambda w0, w, v: torch.cat([w0.view(1), v.flatten()]), "The weights w are missing."),
            (
                lambda w0, w, v: torch.cat([w0.view(1), v.flatten(), w]),
                "The weights stand behind all vectors in yours. Each stands right before its own vector.",
            ),
            (lambda w0, w, v: torch.cat([w[:, None], v], 1), "One row per field is right; now flatten it."),
            (
                lambda w0, w, v: torch.cat([w0.expand(len(w), 1), w[:, None], v], 1).flatten(),
                "The base stands before every field in yours. It comes a single time, in front of all.",
            ),
            (
                lambda w0, w, v: torch.cat([w0.view(1), (w[:, None] * v).flatten()]),
                "You multiply each vector by its weight. Put the two beside each other: nothing is multiplied.",
            ),
        ],
        hint="Not this order. For F = 2 and d = 1 it is w₀, w₁, v₁, w₂, v₂.",
    )


def _pool(v):
    """The pair sum by its definition, pair by pair."""
    total = torch.zeros(v.shape[-1], dtype=v.dtype)
    for i in range(len(v)):
        for j in range(i):
            total = total + v[i] * v[j]
    return total


def _one_of(g: torch.Generator) -> tuple:
    v = torch.randn(4, 3, generator=g)
    return _pool(v), v.sum(0), v[2]


@exercise(
    "fnn-3",
    "Which pairs does the field belong to? Factor its vector out of them.",
    "It meets each OTHER field once: v_k ⊙ (sum of the others).",
    "The sum of the others is s - v_k.",
    todo="Complete the function `leave_out(f, s, v_k)`: it returns a tensor of shape (d,).",
    solved="Right. One product and two differences, whatever the number of fields.",
)
def fnn_3(answer):
    function(
        answer,
        inputs=_one_of,
        # The oracle knows neither f nor s as such: of four fields, f and s tell all that is needed.
        oracle=lambda f, s, v: f - v * s + v * v,
        wrong=[
            (lambda f, s, v: f - v * s, "The field does not meet itself in f: you take v_k ⊙ v_k away, too."),
            (lambda f, s, v: f - v, "What leaves f is not the vector but its products with the others."),
            (lambda f, s, v: f - v * s - v * v, "The sum of the others is s - v_k, not s + v_k."),
            (lambda f, s, v: f + v * (s - v), "That adds the pairs a second time: take them away."),
            (
                lambda f, s, v: f - 0.5 * v * (s - v),
                "No ½ here: each pair with the field is in f once, as a whole.",
            ),
            (
                lambda f, s, v: f - 2 * v * (s - v),
                "No 2 here: each pair with the field is in f once (with the ½, that is).",
            ),
            (lambda f, s, v: v * (s - v), "These are the pairs to take away. Take them away from f."),
            (
                lambda f, s, v: 0.5 * ((s - v) ** 2 - v**2),
                "The squares of the OTHERS are needed there, and you only have v_k's. Go from f instead.",
            ),
            (
                lambda f, s, v: (f - v * (s - v)).sum(),
                "Keep the vector: NFM's network wants d numbers, not their sum.",
            ),
            (
                lambda f, s, v: 0.5 * ((s - v) ** 2 - (s**2 - 2 * f)),
                "Nearly: v_k ⊙ v_k has to come back once, not half. (Did you go by the identity? s² - 2f are the "
                "squares of ALL vectors, v_k's among them.)",
            ),
            (
                lambda f, s, v: f - v * v,
                "v_k ⊙ v_k is not in f at all. What v_k meets are the others: v_k ⊙ (s - v_k).",
            ),
            (
                lambda f, s, v: f - (s - v),
                "s - v_k is the sum of the others. What has to leave f is its product with v_k.",
            ),
            (
                lambda f, s, v: f - (v * (s - v)).sum(),
                "You took a dot product away, one number for all coordinates. Multiply element by element.",
            ),
        ],
        hint="Not what is left. Try numbers: 1, 2 and 3 have f = 11 and s = 6; without the 3 it should be 2.",
    )
    if grows(answer, (torch.ones(3),) * 3, (torch.ones(60),) * 3) > 3:
        raise Wrong("Right, but with a loop over the coordinates. `*` and `-` take whole vectors.")


def _said(weights, f):
    """What the network of one hidden ReLU layer with these weights says of pooled vectors f (B, d)."""
    W1, b1, W2, b2 = (torch.as_tensor(part, dtype=torch.float64) for part in weights)
    out = torch.relu(f @ W1.T + b1) @ W2.reshape(-1, W1.shape[0]).T + b2
    return out.reshape(-1)


@exercise(
    "fnn-4",
    "FM adds the numbers of f up. One ReLU passes a positive sum. Who passes a negative one?",
    "s = ReLU(s) - ReLU(-s), for every number s.",
    "Two units: rows of ones and of minus ones; then the weights 1 and -1; no biases.",
    todo="Complete the function `weights(d)`: it returns W1 (n, d), b1 (n,), W2 (n,), b2 (a number).",
    solved="Right: two hidden units carry any number through a ReLU, so NFM contains FM.",
)
def fnn_4(answer):
    for d in (3, 5):
        given = call(answer, d)
        if not isinstance(given, list | tuple) or len(given) != 4:
            raise Wrong("Return four things: W1 (n, d), b1 (n,), W2 (n,) and b2, a number.")
        W1, b1, W2, b2 = (torch.as_tensor(part).detach().double() for part in given)
        if W1.ndim != 2 or W1.shape[1] != d:
            raise Wrong(f"W1 has shape {tuple(W1.shape)}; it takes d = {d} numbers: (n, {d}).")
        n = W1.shape[0]
        shape(b1.expand(n) if b1.ndim == 0 else b1, (n,), "n")
        shape(W2.reshape(-1), (n,), "n")
        if b2.numel() != 1:
            raise Wrong("b2 is one number.")
        f = torch.randn(50, d, generator=torch.Generator().manual_seed(d)).double()
        truth, small = f.sum(1), _said((W1, b1, W2, b2.reshape(())), f)
        if torch.allclose(small, truth.clamp(min=0), atol=1e-6):
            raise Wrong("Positive sums pass, negative ones become 0. You need a unit for those, too.")
        if torch.allclose(small, truth.clamp(max=0), atol=1e-6):
            raise Wrong("Negative sums pass, positive ones are lost: the second half of the work is missing.")
        if torch.allclose(small, small[0].expand(50), atol=1e-6):
            raise Wrong("Your network says the same of every f. Do two units take each other away?")
        if torch.allclose(small, truth.abs(), atol=1e-6):
            raise Wrong(
                "That is the size of the sum. The second unit's output is to be taken away: weight -1."
            )
        if torch.allclose(small, f.clamp(min=0).sum(1), atol=1e-6):
            raise Wrong("Each number passes a ReLU of its own, and the negative ones are lost.")
        if torch.allclose(small, truth / d, atol=1e-6):
            raise Wrong("That is the mean of f. FM takes the sum.")
        if torch.allclose(small, f.abs().sum(1), atol=1e-6):
            raise Wrong("You add the sizes up, and lose the signs. Take the units for negative numbers away.")
        if torch.allclose(small - truth, (small - truth)[0].expand(50), atol=1e-6) and not torch.allclose(
            small, truth, atol=1e-4
        ):
            raise Wrong("Right but for a constant: which of the biases does it come from?")
        if torch.allclose(small, -truth, atol=1e-6):
            raise Wrong("The size is right, the sign is not.")
        if not torch.allclose(small, truth, rtol=1e-4, atol=1e-4):
            raise Wrong(
                "For some f your network does not say the sum of its numbers. Try f of one large number."
            )
        large = 1e6 * f
        if not torch.allclose(_said((W1, b1, W2, b2.reshape(())), large), large.sum(1), rtol=1e-4, atol=1):
            raise Wrong("A bias only moves the bend: sums beyond it are lost. It must hold for every f.")


def _tables(g: torch.Generator) -> tuple:
    return tuple(torch.randint(-1, 3, (n, 2), generator=g).float() for n in (3, 4, 3))


def _distinct(make):
    def count(A, B, C):
        return len({tuple(make(a, b, c)) for a, b, c in product(A.tolist(), B.tolist(), C.tolist())})

    return count


def _pooled(a, b, c):
    return [x * y + x * z + y * z for x, y, z in zip(a, b, c, strict=True)]


@exercise(
    "fnn-5",
    "Make the pooled vector of every row (a, b, c): three loops, or broadcasting to (n_a, n_b, n_c, d).",
    "Two rows are the same to NFM's network if ALL d numbers agree: `torch.unique(rows, dim=0)`.",
    todo="Complete the function `told_apart(A, B, C)`: it returns a whole number.",
    solved="Right. What falls together here, no network on top can tell apart.",
)
def fnn_5(answer):
    function(
        answer,
        inputs=[
            *(_tables(torch.Generator().manual_seed(k)) for k in range(8)),
            tuple(0.25 * table for table in _tables(torch.Generator().manual_seed(8))),
        ],
        oracle=_distinct(_pooled),
        wrong=[
            (
                lambda A, B, C: len(
                    {
                        tuple(round(x) for x in _pooled(*r))
                        for r in product(A.tolist(), B.tolist(), C.tolist())
                    }
                ),
                "You round before you compare. Vectors may be near to each other and still differ.",
            ),
            (
                lambda A, B, C: len(A) * len(B) * len(C),
                "That is the number of rows. Some of them have the same pooled vector.",
            ),
            (
                _distinct(lambda a, b, c: [*a, *b, *c]),
                "That counts what concatenation tells apart. Pool first.",
            ),
            (
                _distinct(lambda a, b, c: [x + y + z for x, y, z in zip(a, b, c, strict=True)]),
                "You pool by adding the vectors up. Bi-Interaction adds up their products.",
            ),
            (
                _distinct(lambda a, b, c: [x * y * z for x, y, z in zip(a, b, c, strict=True)]),
                "That is the product of all three. Pairs: a ⊙ b + a ⊙ c + b ⊙ c.",
            ),
            (
                _distinct(lambda a, b, c: [sum(_pooled(a, b, c))]),
                "You summed over d as FM does. NFM's network sees the d numbers one by one.",
            ),
            (
                lambda A, B, C: len(
                    {x for r in product(A.tolist(), B.tolist(), C.tolist()) for x in _pooled(*r)}
                ),
                "You count different numbers. Count different vectors: `torch.unique(..., dim=0)`.",
            ),
            (
                _distinct(
                    lambda a, b, c: [
                        n for x, y, z in zip(a, b, c, strict=True) for n in (x * y, x * z, y * z)
                    ]
                ),
                "You lay the three products side by side, as PNN nearly does. The pool adds them up.",
            ),
            (
                lambda A, B, C: len({tuple(_pooled(*r)) for r in zip(*map(torch.Tensor.tolist, (A, B, C)))}),
                "You take the first with the first, the second with the second ... Every a meets every b and c.",
            ),
            (
                _distinct(lambda a, b, c: [x * y + y * z for x, y, z in zip(a, b, c, strict=True)]),
                "Two pairs of three: a ⊙ c is missing.",
            ),
            (
                _distinct(lambda a, b, c: [x * y for x, y in zip(a, b, strict=True)]),
                "There are three pairs, not one: c is missing.",
            ),
            (
                _distinct(lambda a, b, c: [(x + y + z) ** 2 for x, y, z in zip(a, b, c, strict=True)]),
                "The square of the sum also holds the squares of a, b and c. Take them away.",
            ),
            (
                lambda A, B, C: len(A) * len(B) * len(C) - _distinct(_pooled)(A, B, C),
                "That is how many are lost. How many are left?",
            ),
        ],
        hint="Not the number of different pooled vectors. Print them for tables of two rows each.",
    )


quiz(
    "fnn",
    [
        question(
            "What a group's adults like, its children dislike: a cross turned round by age. Why can no FM say so?",
            (
                "A sum of pairs has no difference over three fields",
                True,
                "Yes: with signs over the eight corners, every pair cancels.",
            ),
            ("It has too few dimensions", False, "However large d is, each pair of fields gets one number."),
            ("Its vectors are shared between pairs", False, "Poly2 shares nothing and cannot say it either."),
            ("It lacks training rows", False, "More rows make the wrong form no less wrong."),
        ),
        question(
            "In FNN as its paper has it, what is trained after the FM has been?",
            (
                "Everything, the FM's vectors included",
                True,
                "Yes: the FM is where training starts, not a frozen layer.",
            ),
            (
                "The network only",
                False,
                "That is how some texts retell it. The paper fine-tunes the vectors, too.",
            ),
            ("The vectors only", False, "The network on top starts from random weights: it must learn."),
            ("A new FM at every step", False, "The FM is trained once, before."),
        ),
        question(
            "FNN, after 4 epochs of FM and 4 of its own, is compared with a random start after 4. What is wrong?",
            ("One of them was trained for 8 epochs", True, "Yes: give both the same total."),
            ("The network has no FM term", False, "It has the FM's numbers as its input; that is the model."),
            ("FNN must have more layers", False, "Both networks have the same size; that is fair."),
            ("Nothing", False, "FNN's vectors have seen the data twice as often."),
        ),
        question(
            "Two rows have the same bag of vectors, in other fields. What does NFM's network see?",
            (
                "The same input for both",
                True,
                "Yes: the pair sum does not ask which field a vector came from.",
            ),
            ("Two different inputs", False, "That is FNN. A sum does not depend on the order of its terms."),
            ("Nothing: the products are zero", False, "The products are what they are, and equal."),
            ("It depends on the hidden layer", False, "What is equal at the input stays equal."),
        ),
        question(
            "What does NFM have that makes it learn a cross from few rows?",
            (
                "Products as its input",
                True,
                "Yes: a network on concatenated vectors has to build a product first.",
            ),
            ("More weights", False, "Its network is the smaller one: d inputs, whatever the fields."),
            ("A trained FM", False, "NFM starts from random vectors."),
            ("No linear part", False, "It has one, beside the network."),
        ),
    ],
)
