"""Checks of chapter 5: query, key, value."""

from __future__ import annotations

import torch

from recbyhand.exercises.engine import close, edge, exercise, function, one_of_wrong
from recbyhand.exercises.quizzes import question, quiz

S_1 = torch.tensor([2.0, 0.0, -2.0])


@exercise(
    "qkv-1",
    "First the three dot products of the query with the keys, then a softmax.",
    "The products are 2, 0 and -2. Exponentials, then divide each by their sum.",
    todo="Replace the `...` by the three weights, as a list or a tensor.",
    solved="Right. The key that points the other way still gets a little: a softmax never says never.",
)
def qkv_1(answer):
    one_of_wrong(
        answer,
        [
            (S_1, "These are the products. Put them through a softmax."),
            (S_1.exp(), "These are the exponentials. Divide each by their sum."),
            ((S_1 / 2**0.5).softmax(0), "You divided by the root of 2. Here nothing is divided."),
            (
                (S_1 / 2).softmax(0),
                "You divided by 2, or took cosines: the query is (2, 0), and nothing is divided.",
            ),
            (S_1.clamp(min=0).softmax(0), "A negative product stays negative; nothing is cut off at 0."),
            ([1.0, 0.0, 0.0], "That is the hard choice. A softmax gives every key something."),
            (S_1.flip(0).softmax(0), "The order is turned round: the first key suits the query best."),
            (S_1.log_softmax(0), "These are the logarithms of the weights."),
            (S_1.sigmoid(), "A sigmoid looks at each score alone. The weights must sum to 1."),
            (
                torch.tensor([1.0, 3.0, -1.0]).softmax(0),
                "Those are sums of the keys' numbers: the query is missing. Take its product with each key.",
            ),
        ],
    )
    one_of_wrong(answer, [(100 * S_1.softmax(0), "Give parts of 1, not per cent.")], rtol=1e-2, atol=0.06)
    close(
        answer,
        S_1.double().softmax(0),
        rtol=2e-3,
        atol=6e-4,
        hint="Not yet. The query's product with each key; then exponentials, each divided by their sum.",
    )


def _qkv_inputs(g: torch.Generator, Tq: int = 4, Tk: int = 5, d_k: int = 3, d_v: int = 2):
    mask = torch.rand(Tq, Tk, generator=g) > 0.4
    mask[torch.arange(Tq), torch.randint(0, Tk, (Tq,), generator=g)] = True
    mask[0] = False
    mask[0, -1] = True  # one query may look at a single key
    return (
        3 * torch.randn(Tq, d_k, generator=g),
        torch.randn(Tk, d_k, generator=g),
        torch.randn(Tk, d_v, generator=g),
        mask,
    )


def _attention(q, k, v, mask):
    """Query by query, key by key."""
    rows = []
    for i in range(len(q)):
        may = [j for j in range(len(k)) if mask[i, j]]
        scores = torch.stack([(q[i].double() * k[j].double()).sum() / len(q[i]) ** 0.5 for j in may])
        weights = scores.exp() / scores.exp().sum()
        rows.append(sum(w * v[j].double() for w, j in zip(weights, may)))
    return torch.stack(rows)


def _attention_slip(
    divide=lambda d: d**0.5, turned=False, masked=True, axis=-1, fill=-torch.inf, after=False
):
    def slip(q, k, v, mask):
        s = q @ k.T / divide(q.shape[-1])
        may = ~mask if turned else mask
        if masked and not after:
            s = s.masked_fill(~may, fill)
        a = s.softmax(axis)
        if after:
            a = a * may
        return a.nan_to_num(0) @ v

    return slip


@exercise(
    "qkv-2",
    "Three steps: scores, weights, weighted sum. The mask belongs between the first two.",
    "`s = q @ k.T / q.shape[-1] ** 0.5` is (Tq, Tk). Where the mask is False the score becomes minus infinity.",
    "`s.masked_fill(~mask, -math.inf).softmax(dim=-1) @ v`",
    todo="Complete the function `attention(q, k, v, mask)`: it returns a tensor of shape (Tq, d_v).",
)
def qkv_2(answer):
    function(
        answer,
        inputs=_qkv_inputs,
        oracle=_attention,
        wrong=[
            (_attention_slip(divide=lambda d: 1), "The division by the root of d_k is missing."),
            (_attention_slip(divide=lambda d: d), "You divide by d_k; take its root."),
            (_attention_slip(turned=True), "The mask is turned round: True means *may look*."),
            (_attention_slip(turned=True, fill=-1e9), "The mask is turned round: True means *may look*."),
            (_attention_slip(masked=False), "The mask is not used."),
            (_attention_slip(axis=0), "The softmax runs over the queries. Each row must sum to 1: dim=-1."),
            (
                _attention_slip(axis=0, fill=-1e9),
                "The softmax runs over the queries. Each row must sum to 1: dim=-1.",
            ),
            (_attention_slip(fill=0.0), "A score of 0 is not *no weight*: the softmax gives it exp(0) = 1."),
            (
                _attention_slip(after=True),
                "Masked after the softmax, the rest does not sum to 1 any more. Mask the scores.",
            ),
            (
                lambda q, k, v, mask: (
                    (q @ k.T / v.shape[-1] ** 0.5).masked_fill(~mask, -torch.inf).softmax(-1) @ v
                ),
                "The root is that of d_k, the width of queries and keys, not of d_v.",
            ),
            (
                lambda q, k, v, mask: (
                    (q @ k.T / len(k) ** 0.5).masked_fill(~mask, -torch.inf).softmax(-1) @ v
                ),
                "The root is that of d_k, not of the number of keys.",
            ),
            (
                lambda q, k, v, mask: (
                    (q @ k.T / k.shape[-1] ** 0.5).masked_fill(~mask, -torch.inf).softmax(0) @ v
                ),
                "The softmax runs over the queries. Each row must sum to 1: dim=-1.",
            ),
            (
                lambda q, k, v, mask: (
                    (q @ k.T / k.shape[-1] ** 0.5).masked_fill(mask, -torch.inf).softmax(-1) @ v
                ),
                "The mask is turned round: True means *may look*.",
            ),
            (
                lambda q, k, v, mask: (
                    (q @ k.T / k.shape[-1] ** 0.5).masked_fill(~mask, -torch.inf).softmax(-1)
                ),
                "These are the weights. Sum the values with them: `@ v`.",
            ),
            (
                lambda q, k, v, mask: (
                    (q @ k.T / len(q) ** 0.5).masked_fill(~mask, -torch.inf).softmax(-1) @ v
                ),
                "The root is that of d_k, not of the number of queries.",
            ),
        ],
    )


@exercise(
    "qkv-3",
    "The product of two independent numbers with mean 0 has variance s² t².",
    "Variances of independent numbers add up: d of them. The spread is the root of the variance.",
    todo="Complete the function `spread(d, s, t)`: it returns a number.",
    solved="Right: the root of d is what the layer divides by.",
)
def qkv_3(answer):
    function(
        answer,
        inputs=lambda g: (
            int(torch.randint(2, 300, (1,), generator=g)),
            0.3 + float(torch.rand(1, generator=g)),
            1.5 + float(torch.rand(1, generator=g)),
        ),
        oracle=lambda d, s, t: (d * s**2 * t**2) ** 0.5,
        wrong=[
            (lambda d, s, t: d * s * t, "Spreads do not add up, variances do."),
            (lambda d, s, t: d * s**2 * t**2, "That is the variance. The spread is its root."),
            (lambda d, s, t: d**0.5, "That holds for s = t = 1. Both spreads count."),
            (lambda d, s, t: s * t, "That is the spread of one product. There are d of them."),
            (
                lambda d, s, t: d**0.5 * (s**2 + t**2) ** 0.5,
                "Spreads of a *product* multiply, they do not add.",
            ),
            (lambda d, s, t: d**0.5 * (s + t), "Spreads of a *product* multiply."),
            (
                lambda d, s, t: s * t / d**0.5,
                "It grows with d: do not divide. (The layer divides to undo it.)",
            ),
            (lambda d, s, t: (d * s * t) ** 0.5, "Under the root stand variances, s² t²."),
        ],
    )


@exercise(
    "qkv-4",
    "First cut the last axis into (H, d), then bring the heads before the positions.",
    "`x.view(B, T, H, d)` cuts, `.transpose(1, 2)` exchanges positions and heads.",
    todo="Complete the function `split(x, H)`: it returns a tensor of shape (B, H, T, d).",
    solved="Right. `x.unflatten(-1, (H, -1)).transpose(1, 2)` says the same in one line.",
)
def qkv_4(answer):
    function(
        answer,
        inputs=lambda g: (torch.randn(2, 5, 12, generator=g), 3),
        oracle=lambda x, H: torch.stack(list(x.chunk(H, dim=-1)), dim=1),
        wrong=[
            (
                lambda x, H: x.reshape(len(x), H, x.shape[1], -1),
                "The shape is right, but positions and heads are mixed up: cut the last axis first, then exchange.",
            ),
            (
                lambda x, H: x.reshape(*x.shape[:2], H, -1),
                "The heads stand behind the positions: exchange the two axes.",
            ),
            (
                lambda x, H: x.reshape(*x.shape[:2], -1, H).permute(0, 3, 1, 2),
                "Head h takes every H-th column. It should have neighbouring ones.",
            ),
            (
                lambda x, H: x.reshape(*x.shape[:2], H, -1).permute(2, 0, 1, 3),
                "The batch comes first, then the heads.",
            ),
            (
                lambda x, H: x.reshape(*x.shape[:2], H, -1).permute(0, 2, 3, 1),
                "The last two axes are exchanged: (B, H, T, d).",
            ),
        ],
    )
    one = torch.arange(60.0).reshape(1, 5, 12)
    edge(
        answer,
        (one, 3),
        lambda x, H: torch.stack(list(x.chunk(H, dim=-1)), dim=1),
        "Right for two rows. With a batch of one an axis is lost: `squeeze` takes every axis of length 1.",
    )


def _others(A):
    total = torch.zeros(A.shape[-1], dtype=torch.float64)
    for head in A.double():
        for i in range(len(head)):
            for j in range(len(head)):
                total[j] += head[i, j] if i != j else 0
    return total / len(A)


@exercise(
    "qkv-5",
    "Who is looked at stands in the columns: sum over the rows.",
    "Take the diagonal out first: what an event gives itself does not count. Then the mean over the heads.",
    todo="Complete the function `read_most(A)`: it returns T numbers.",
    solved="Right. The rows all sum to 1, so only the columns can tell events apart.",
)
def qkv_5(answer):
    function(
        answer,
        inputs=lambda g: (torch.randn(3, 5, 5, generator=g).softmax(-1),),
        oracle=_others,
        wrong=[
            (lambda A: A.sum(-2).mean(0), "What an event gives itself is in it: take the diagonal out."),
            (
                lambda A: (A.sum(-1) - A.diagonal(dim1=-2, dim2=-1)).mean(0),
                "You summed along the rows: that is what an event takes from others.",
            ),
            (lambda A: A.sum(-1).mean(0), "A row sums to 1, whoever it is. Sum down the columns."),
            (
                lambda A: (A.sum(-2) - A.diagonal(dim1=-2, dim2=-1)).sum(0),
                "Average over the heads: you added them up.",
            ),
            (
                lambda A: (A.sum(-2) - A.diagonal(dim1=-2, dim2=-1)).mean(0) / (A.shape[-1] - 1),
                "The sum over the others is asked for, not their mean.",
            ),
            (
                lambda A: A.sum(-2) - A.diagonal(dim1=-2, dim2=-1),
                "One row per head is left: average over the heads.",
            ),
            (
                lambda A: (A.sum(-2) - A.diagonal(dim1=-2, dim2=-1)).mean(0) / A.shape[-1],
                "The sum over the others is asked for: you divide it by T.",
            ),
        ],
    )


quiz(
    "qkv",
    [
        question(
            "What does row i of A V hold?",
            ("What event i takes from all events", True, "Yes: values of the keys, weighed by row i of A."),
            ("What event i gives to all events", False, "That is column i of A."),
            ("How similar event i is to itself", False, "That is one number, in A."),
            ("The i-th key", False, "Keys only decide the weights."),
        ),
        question(
            "The width of queries and keys grows from 64 to 256, undivided. What happens to the spread of scores?",
            ("It doubles", True, "Yes: the root of 256 / 64."),
            ("It grows four times", False, "The variance does; the spread is its root."),
            ("It stays", False, "Only after the division."),
            ("It halves", False, "A sum of more terms spreads more."),
        ),
        question(
            "Two keys have the same dot product with a query. What do you know?",
            ("Both events get the same weight", True, "Yes: the softmax sees nothing else."),
            ("They have the same cosine with it", False, "Only if they are equally long."),
            ("They are the same event", False, "Many vectors have one product with a given query."),
            ("They have the same value", False, "Values are made by another matrix."),
        ),
        question(
            "You add one number to all scores of a row. What changes?",
            ("Nothing", True, "Yes: that is why a bias on the keys is superfluous."),
            ("The weights come closer together", False, "Their ratios are exp of differences, which stay."),
            ("The row no longer sums to 1", False, "A softmax always does."),
        ),
    ],
)
