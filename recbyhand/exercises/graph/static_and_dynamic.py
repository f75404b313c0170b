"""Checks of chapter 6: static and dynamic."""

from __future__ import annotations

import torch

from recbyhand.exercises.engine import Wrong, call, close, exercise, function, one_of_wrong, shape
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "static-1",
    "LeakyReLU and the softmax keep the order of t + s.",
    "Does it matter for the order of the films which t is added to all of them?",
    todo="Replace the `...` by three numbers from 0 to 3.",
    solved="Right: the largest s, whatever t is.",
)
def static_1(answer):
    one_of_wrong(
        answer,
        [
            ([2, 1, 2], "LeakyReLU keeps the sign: -7 becomes -1.4, which is still the smallest."),
            ([2, 0, 2], "A ReLU would make the second person's scores equal. LeakyReLU keeps their order."),
            ([3, 3, 3], "Films are counted from 0."),
            ([1, 1, 1], "That film has the smallest s. Large scores get large weights."),
            ([2, 1, 0], "Add t to every film of a person, then compare along the row."),
            ([0, 0, 0], "The third film has a larger s than the first."),
        ],
    )
    close(
        answer,
        [2, 2, 2],
        hint="Not yet. Write down t + s for each person, four numbers, and take the place of the largest.",
    )


def _leaky(x, slope=0.2):
    return torch.where(x > 0, x, slope * x)


def _v2_inputs(g: torch.Generator):
    Q, K, d, m = 3, 4, 2, 5
    return tuple(torch.randn(*n, generator=g) for n in ((Q, d), (K, d), (m, d), (m, d), (m,)))


def _v2(
    h_t, h_s, W_t, W_s, a, slope=0.2, outside=False, swapped=False, same=False, product=False, plain=False
):
    out = torch.zeros(len(h_t), len(h_s))
    if swapped:
        W_t, W_s = W_s, W_t
    if same:
        W_s = W_t
    for i in range(len(h_t)):
        for j in range(len(h_s)):
            t, s = W_t @ h_t[i], W_s @ h_s[j]
            both = t * s if product else t + s
            if plain:
                out[i, j] = a @ both
            else:
                out[i, j] = _leaky(a @ both, slope) if outside else a @ _leaky(both, slope)
    return out


@exercise(
    "static-2",
    "First the two products, then a sum for every pair, then LeakyReLU, then a.",
    "`t[:, None] + s[None]` is (Q, K, d').",
    todo="Complete the function `v2_scores(h_t, h_s, W_t, W_s, a)`: it returns a tensor of shape (Q, K).",
)
def static_2(answer):
    def slip(**how):
        return lambda *args: _v2(*args, **how)

    function(
        answer,
        inputs=_v2_inputs,
        oracle=_v2,
        wrong=[
            (slip(outside=True), "That is GAT: LeakyReLU comes before a in GATv2, not after it."),
            (slip(plain=True), "LeakyReLU is missing."),
            (slip(slope=0.01), "The slope is 0.2; torch's own default is 0.01."),
            (slip(slope=0.0), "That is a ReLU. LeakyReLU keeps a fifth of what is negative."),
            (slip(swapped=True), "W_t belongs to those who hear, W_s to those who are heard."),
            (slip(same=True), "W_s is not used."),
            (slip(product=True), "Add the two, do not multiply them."),
            (lambda *args: _v2(*args).T, "Transposed: a row belongs to one who hears."),
            (lambda *args: _v2(*args).softmax(1), "Those are weights; scores are asked."),
        ],
    )


@exercise(
    "static-3",
    "One hidden unit for q - k, one for k - q. Their sum after LeakyReLU is 0.8 |q - k|.",
    "W_s is -W_t, and a must turn 0.8 into -1.",
    todo="Complete the function `distance_weights()`: it returns W_t (2, 1), W_s (2, 1) and a (2).",
    solved="Right: GATv2 with two hidden units holds attention by distance.",
)
def static_3(answer):
    parts = call(answer)
    if not isinstance(parts, (tuple, list)) or len(parts) != 3:
        raise Wrong("Return three tensors: W_t, W_s, a.")
    W_t, W_s, a = (torch.as_tensor(part).float() for part in parts)
    for part, size in ((W_t, (2, 1)), (W_s, (2, 1)), (a, (2,))):
        shape(part, size)
    q, k = torch.tensor([[1.0], [-1], [3], [0.5]]), torch.tensor([[1.0], [-2], [0.25]])
    e, x = _v2(q, k, W_t, W_s, a), (q - k.T).abs()

    def is_(truth):
        return torch.allclose(e, truth, atol=1e-4)

    if is_(-0.8 * x):
        raise Wrong("Nearly: you have -0.8 |q - k|. What must a be to make it -1?")
    if is_(x) or is_(0.8 * x):
        raise Wrong("The sign: near is much, so the score must fall with the distance.")
    if is_(-(q + k.T).abs()) or is_(-0.8 * (q + k.T).abs()):
        raise Wrong("That is |q + k|: the two weights need opposite signs.")
    if torch.allclose(W_t[0], W_t[1]) and torch.allclose(W_s[0], W_s[1]):
        raise Wrong("Both units compute the same. One must see q - k, the other k - q.")
    if not is_(-x):
        raise Wrong(f"Not yet: for q = 1 and k = -2 the score is {e[0, 1].item():.3g}, and -3 is asked.")


def _agree(e):
    Q, K = e.shape
    for j in range(K):
        for k in range(K):
            if any(e[i, j] > e[i, k] for i in range(Q)) and any(e[i, j] < e[i, k] for i in range(Q)):
                return False
    return True


_SCORES = [
    (
        [[3.0, 2, 1], [30, 20, 10]],
        "Both rows rank the keys alike, and you say they do not: other sizes, same order.",
    ),
    (
        [[3.0, 2, 1], [3, 1, 2]],
        "The favourite is the same, but the rows disagree about the other two: not static.",
    ),
    ([[1.0, 2], [2, 1]], "The two rows disagree, and you say they do not."),
    (
        [[3.0, 2, 1], [2, 2, 1]],
        "A tie is no disagreement: 3 > 2 in one row, 2 = 2 in the other. This is static.",
    ),
    ([[1.0, 2, 3], [1, 2, 3], [3, 2, 1]], "The first two rows agree, the third does not: compare all rows."),
    ([[1.0, 5, 2, 3], [2, 6, 3, 2.5]], "Only two keys in the middle change places. Compare all pairs."),
    ([[-1.0, -5, -2], [4, 0, 1]], "Signs differ, the order does not: this is static."),
    ([[2.0, 7, 1, 3]], "A single row cannot disagree with itself."),
    (
        [[1.0, 3, 2], [2, 3, 1]],
        "Keys 1 and 3, which are no neighbours, change places. Compare all pairs of keys.",
    ),
    (
        [[2.0, 1], [1, 1], [1, 2]],
        "The row between ties; the first and the last disagree. Compare all pairs of rows.",
    ),
    (
        [[5.0, 1], [4, 2]],
        "Both rows put the first key first. Compare keys within a row, not hearers of a key.",
    ),
]


@exercise(
    "static-4",
    "For each pair of keys, look at the sign of the difference in every row.",
    "Static: no pair has both a positive and a negative difference.",
    todo="Complete the function `is_static(e)`: it returns True or False.",
    solved="Right. Any GAT head passes, at any weights: try it.",
)
def static_4(answer):
    for scores, hint in _SCORES:
        e = torch.tensor(scores)
        said = call(answer, e)
        if not isinstance(said, (bool, torch.Tensor)) and type(said).__name__ not in ("bool", "bool_"):
            raise Wrong(f"Return True or False, not {type(said).__name__}.")
        if bool(said) != _agree(e):
            raise Wrong(hint)


def _weights(g: torch.Generator):
    T, Q, K = 3, 5, 4
    return (torch.randn(T, Q, K, generator=g).softmax(-1),)


def _different(a):
    return sum(len({max(range(len(q)), key=lambda k: q[k]) for q in t.tolist()}) for t in a) / len(a)


@exercise(
    "static-5",
    "The favourite of each query is the argmax of its row. Count different ones in each table.",
    "A one-hot of the argmax, its maximum over the queries, summed over the keys, mean over the tables.",
    todo="Complete the function `different(a)`: it returns a number.",
    solved="Right: 1 for a static head; 10 if each query looks at its own key.",
)
def static_5(answer):
    def over(a):
        return torch.stack([t.argmax(-1).unique().numel() * torch.ones(()) for t in a])

    function(
        answer,
        inputs=_weights,
        oracle=lambda a: torch.tensor(_different(a)),
        wrong=[
            (lambda a: over(a), "One number for each table: take their mean."),
            (lambda a: over(a).sum(), "That is the sum over the tables: take the mean."),
            (lambda a: over(a) / a.shape[1], "That is a share, per table. Give the mean number."),
            (lambda a: over(a).mean() / a.shape[1], "That is the share of the queries. Give the number."),
            (lambda a: over(a).mean() / a.shape[2], "That is the share of the keys. Give the number."),
            (
                lambda a: over(a.transpose(1, 2)).mean(),
                "Favourites of keys. Each query has a favourite: last axis.",
            ),
            (
                lambda a: torch.tensor(float(a.argmax(-1).unique().numel())),
                "You count over all tables together. Count in each table, then take the mean.",
            ),
            (
                lambda a: torch.tensor(a.argmax(-1).unique().numel() / len(a)),
                "You count over all tables together. Count in each table, then take the mean.",
            ),
            (
                lambda a: torch.tensor(float(a.shape[1])),
                "Two queries may have the same favourite: count it once.",
            ),
            (
                lambda a: over(-a).mean(),
                "Those are the least liked keys. A favourite has the largest weight.",
            ),
            (
                lambda a: over(a).mean().floor(),
                "A mean need not be whole: keep what stands behind the point.",
            ),
            (
                lambda a: torch.stack(
                    [torch.ones(()) * len({tuple(r.tolist()) for r in t.argsort(-1)}) for t in a]
                ).mean(),
                "You count different rankings. Only the favourite counts, the first of each.",
            ),
        ],
    )


quiz(
    "static",
    [
        question(
            "What can a query change in a GAT head?",
            ("How sharp the weights are", True, "Yes: through the two slopes of LeakyReLU."),
            ("Which neighbour gets most", False, "That is s_j, and no query enters it."),
            ("Nothing", False, "The weights do depend on t_i: see the table with t = 2 and t = -3."),
        ),
        question(
            "A wider GAT, d = 10,000. Can one head look words up?",
            ("No", True, "Yes, no: the width does not occur in the proof."),
            ("Yes, with enough training", False, "No training changes the form of the score."),
            ("Yes, with a smaller step size", False, "No training changes the form of the score."),
        ),
        question(
            "What makes GATv2 dynamic?",
            ("The bend stands between two linear maps", True, "Yes: it is a network with a hidden layer."),
            ("It has two matrices instead of one", False, "With one shared matrix it is dynamic as well."),
            ("It has more heads", False, "One head is enough."),
        ),
        question(
            "Bahdanau's score is a(s, h_i), with s the decoder's state. What if s is left out?",
            ("The context is the same at every step", True, "Yes: nobody asks."),
            ("The weights no longer sum to 1", False, "The softmax sees to that."),
            ("Nothing, the words decide", False, "They decide once, for all steps."),
        ),
    ],
)
