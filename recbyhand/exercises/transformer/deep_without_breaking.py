"""Checks of chapter 5: deep without breaking."""

from __future__ import annotations

import torch

from recbyhand.exercises.engine import close, exercise, function, one_of_wrong
from recbyhand.exercises.quizzes import question, quiz

X_1 = torch.tensor([2.0, 2.0, 6.0, 6.0])


@exercise(
    "deep-1",
    "Mean first, then the deviations from it, then the root of their mean square.",
    "The mean is 4, each deviation is 2 in size, so sigma is 2.",
    todo="Replace the `...` by the four numbers, as a list or a tensor.",
)
def deep_1(answer):
    one_of_wrong(
        answer,
        [
            (X_1 - 4, "These are the deviations. Divide them by sigma."),
            ((X_1 - 4) / 4, "You divided by the variance. Sigma is its root."),
            (
                (X_1 - 4) / X_1.std(),
                "You divided by the deviation with n - 1. Layer norm divides the squares by n.",
            ),
            (X_1 / 2, "Take the mean off first."),
            (X_1 / X_1.norm(), "That is the vector of length 1. Take the mean off, divide by sigma."),
            ([1, 1, -1, -1], "The signs are turned round: 2 lies below the mean."),
        ],
    )
    close(answer, [-1.0, -1.0, 1.0, 1.0], hint="Not yet. The result has mean 0 and mean square 1.")


def _norm_inputs(g: torch.Generator):
    return 3 * torch.randn(4, 3, 5, generator=g) + 2, torch.randn(5, generator=g), torch.randn(5, generator=g)


def _norm(x, g, b, eps=1e-5):
    """Vector by vector."""
    rows = []
    for row in x.double().reshape(-1, x.shape[-1]):
        mean = sum(row) / len(row)
        var = sum((value - mean) ** 2 for value in row) / len(row)
        rows.append(g.double() * (row - mean) / (var + eps) ** 0.5 + b.double())
    return torch.stack(rows).reshape(x.shape)


def _norm_slip(axes=(-1,), gain=True, bias=True, unbiased=False, root=True, centre=True):
    def slip(x, g, b, eps=1e-5):
        mean = x.mean(axes, keepdim=True) if centre else 0
        var = x.var(axes, unbiased=unbiased, keepdim=True)
        y = (x - mean) / ((var + eps).sqrt() if root else var + eps)
        return (g * y if gain else y) + (b if bias else 0)

    return slip


@exercise(
    "deep-2",
    "Mean and variance run over the last axis, with `keepdim=True`.",
    "The variance divides by d: `unbiased=False`, or the mean of the squares.",
    todo="Complete the function `layer_norm(x, g, b, eps)`: it returns a tensor of the shape of x.",
)
def deep_2(answer):
    function(
        answer,
        inputs=_norm_inputs,
        oracle=_norm,
        atol=1e-4,
        wrong=[
            (_norm_slip(axes=(0,)), "You average over the batch: that is batch norm. Take the last axis."),
            (_norm_slip(axes=(0, 1)), "You average over events: that is batch norm. Take the last axis."),
            (_norm_slip(axes=(1,)), "You average over the events of a sequence. Take the last axis."),
            (_norm_slip(axes=(-2, -1)), "Mean and variance belong to one event: the last axis only."),
            (
                lambda x, g, b, eps=1e-5: g * (x - x.mean()) / x.std() + b,
                "One mean for all numbers of x. Each event has its own: the last axis, `keepdim=True`.",
            ),
            (_norm_slip(gain=False), "The gain g is missing."),
            (_norm_slip(bias=False), "The bias b is missing."),
            (_norm_slip(gain=False, bias=False), "Gain and bias are missing: the source's formula, too."),
            (_norm_slip(unbiased=True), "The variance divides by d, not by d - 1."),
            (_norm_slip(root=False), "Divide by the root of the variance."),
            (_norm_slip(centre=False), "The mean is not taken off."),
            (
                lambda x, g, b, eps=1e-5: g * (_norm_slip(gain=False, bias=False)(x, g, b, eps) + b),
                "Gain first, then the bias: g does not multiply b.",
            ),
            (
                lambda x, g, b, eps=1e-5: (g + b) * _norm_slip(gain=False, bias=False)(x, g, b, eps),
                "The bias is added after the product with the gain; you multiply by g + b.",
            ),
            (
                _norm_slip(axes=(-3, -2, -1)),
                "One mean for everything there is. Each event has its own: take the last axis.",
            ),
        ],
    )
    function(
        answer,
        inputs=lambda g: (
            *_norm_inputs(g),
            float(torch.rand((), generator=g)) + 0.1,
        ),  # large enough to be seen
        oracle=_norm,
        wrong=[
            (
                lambda x, g, b, eps: (
                    g * (x - x.mean(-1, keepdim=True)) / (x.std(-1, False, keepdim=True) + eps) + b
                ),
                "`eps` belongs under the root, beside the variance.",
            ),
            (lambda x, g, b, eps: _norm(x, g, b), "`eps` is an argument: you use a number of your own."),
        ],
    )


@exercise(
    "deep-3",
    "One layer gives x + w x. What is its slope?",
    "Slopes of layers multiply: n times the slope of one.",
    todo="Complete the function `slope(w, n)`: it returns a number.",
    solved="Right. At w = -1 it is 0: a residual does not forbid that.",
)
def deep_3(answer):
    function(
        answer,
        inputs=lambda g: (
            0.9 * float(torch.rand(1, generator=g)) + 0.05,
            int(torch.randint(2, 9, (1,), generator=g)),
        ),
        oracle=lambda w, n: torch.prod(torch.full((n,), 1.0 + w, dtype=torch.float64)).item(),
        wrong=[
            (lambda w, n: w**n, "That is the chain without residuals. The way around adds 1 to each slope."),
            (lambda w, n: 1 + w**n, "Each layer has a way around of its own, not the stack as a whole."),
            (lambda w, n: 1 + n * w, "Slopes multiply; 1 + n w is only the beginning of the product."),
            (lambda w, n: n * (1 + w), "Slopes of layers behind each other multiply, they do not add."),
            (lambda w, n: 1 + w, "That is one layer. There are n."),
            (lambda w, n: 1, "The constant 1 is not alone: w adds to it in each layer."),
            (lambda w, n: (1 + w) ** (n - 1), "One layer is missing: there are n."),
            (lambda w, n: (1 + w) ** (n + 1), "One layer too many: there are n."),
        ],
    )


def _parts(g: torch.Generator):
    W = [torch.randn(3, 3, generator=g) for _ in range(2)]
    s = 0.5 + torch.rand(2, generator=g)

    def attention(x):
        return x.mean(1, keepdim=True) + torch.tanh(x @ W[0])

    def feed_forward(x):
        return torch.relu(x @ W[1])

    def norm_1(x):
        return s[0] * torch.nn.functional.layer_norm(x, (3,))

    def norm_2(x):
        return s[1] * torch.nn.functional.layer_norm(x, (3,)) + 0.3

    return torch.randn(2, 4, 3, generator=g), attention, feed_forward, norm_1, norm_2


def _pre(x, f, h, n, m):
    y = f(n(x)) + x
    return h(m(y)) + y


@exercise(
    "deep-4",
    "Twice the same form: x + part(norm(x)).",
    "The second half starts from the result of the first: x = x + attention(norm_1(x)).",
    todo="Complete the function `pre_norm(x, attention, feed_forward, norm_1, norm_2)`.",
)
def deep_4(answer):
    function(
        answer,
        inputs=_parts,
        oracle=_pre,
        wrong=[
            (
                lambda x, f, h, n, m: m(n(x + f(x)) + h(n(x + f(x)))),
                "That is post-norm: the norm stands behind the sum. Put it before the part.",
            ),
            (lambda x, f, h, n, m: h(m(f(n(x)))), "There is no way around: add what came in."),
            (lambda x, f, h, n, m: _pre(x, h, f, n, m), "Attention comes first, then the feed-forward part."),
            (
                lambda x, f, h, n, m: _pre(x, f, h, m, n),
                "norm_1 belongs to the attention, norm_2 to the other part.",
            ),
            (lambda x, f, h, n, m: _pre(x, f, h, n, n), "norm_1 is used twice."),
            (
                lambda x, f, h, n, m: n(x) + f(n(x)) + h(m(n(x) + f(n(x)))),
                "The way around takes x itself, not its norm.",
            ),
            (
                lambda x, f, h, n, m: x + f(n(x)) + h(m(x)),
                "The second half starts from what the first half gives.",
            ),
            (
                lambda x, f, h, n, m: x + h(m(x + f(n(x)))),
                "The second way around must carry the result of the first half.",
            ),
            (lambda x, f, h, n, m: x + f(n(x)), "The feed-forward half is missing."),
            (
                lambda x, f, h, n, m: x + h(m(f(n(x)))),
                "One way around for both parts. Each part has its own: two additions.",
            ),
            (
                lambda x, f, h, n, m: x + f(n(x)) + m(h(x + f(n(x)))),
                "norm_2 stands behind its part. Put it before: feed_forward(norm_2(x)).",
            ),
            (
                lambda x, f, h, n, m: x + n(f(x)) + h(m(x + n(f(x)))),
                "norm_1 stands behind its part. Put it before: attention(norm_1(x)).",
            ),
            (
                lambda x, f, h, n, m: x + n(f(x)) + m(h(x + n(f(x)))),
                "The norms stand behind their parts. Put them before: part(norm(x)).",
            ),
            (lambda x, f, h, n, m: _pre(x, f, h, lambda v: v, lambda v: v), "The norms are missing."),
            (
                lambda x, f, h, n, m: m(n(x) + f(n(x))) + h(m(n(x) + f(n(x)))),
                "Both ways around carry the norm. They take x itself.",
            ),
        ],
    )


def _counts(d, h):
    from torch import nn

    linear = [nn.Linear(d, d, device="meta", bias=b) for b in (True, False, True, True)]
    feed = [nn.Linear(d, h, device="meta"), nn.Linear(h, d, device="meta")]
    norms = [nn.LayerNorm(d, device="meta") for _ in range(2)]
    return tuple(sum(p.numel() for m in part for p in m.parameters()) for part in (linear, feed, norms))


@exercise(
    "deep-5",
    "Attention has four matrices of (d, d) and three biases of d. The feed-forward part has (d, h) and (h, d).",
    "Each of the two norms has a gain and a bias: 4 d together.",
    todo="Complete the function `count(d, h)`: it returns three whole numbers.",
    solved="Right. They are equal near h = 2 d; at the usual h = 4 d two thirds are in the feed-forward part.",
)
def deep_5(answer):
    def counts(attention, feed, norms):
        return lambda d, h: (attention(d, h), feed(d, h), norms(d, h))

    def a(d, h):
        return 4 * d * d + 3 * d

    def f(d, h):
        return 2 * d * h + h + d

    def n(d, h):
        return 4 * d

    function(
        answer,
        inputs=lambda g: (
            2 * int(torch.randint(2, 20, (1,), generator=g)),  # two heads divide it
            int(torch.randint(41, 90, (1,), generator=g)),
        ),
        oracle=_counts,
        wrong=[
            (counts(lambda d, h: 4 * d * d + 4 * d, f, n), "The keys have no bias: three biases, not four."),
            (
                counts(lambda d, h: 3 * d * d + 2 * d, f, n),
                "The matrix that joins the heads, W_O, is missing.",
            ),
            (
                counts(lambda d, h: 3 * d * d + 3 * d, f, n),
                "The matrix that joins the heads, W_O, is missing.",
            ),
            (counts(lambda d, h: 4 * d * d, f, n), "The biases of the attention are missing."),
            (counts(a, lambda d, h: 2 * d * h, n), "The biases of the feed-forward part are missing: h + d."),
            (counts(a, lambda d, h: d * h + h, n), "The feed-forward part has two matrices."),
            (counts(a, f, lambda d, h: 2 * d), "There are two norms, each with gain and bias."),
            (
                counts(lambda d, h: 4 * d * d, lambda d, h: 2 * d * h, n),
                "The biases are missing in both parts.",
            ),
            (
                counts(lambda d, h: 4 * d * d, lambda d, h: 2 * d * h, lambda d, h: 2 * d),
                "The biases are missing in all three: a norm, too, has a gain *and* a bias.",
            ),
            (counts(a, lambda d, h: 2 * d * h + d, n), "The bias of the hidden layer is missing: h numbers."),
            (
                counts(a, lambda d, h: 2 * d * h + h, n),
                "The bias of the second matrix is missing: d numbers.",
            ),
        ],
    )


quiz(
    "deep",
    [
        question(
            "Why do the events of a plain stack of attention become alike?",
            ("Each layer replaces an event by an average", True, "Yes: averages of averages hardly differ."),
            ("Their vectors grow too long", False, "In the plain stack they shrink."),
            ("The softmax overflows", False, "It does not, at any depth."),
            ("They are trained too little", False, "Nothing was trained: the weights are random."),
        ),
        question(
            "A sequence is padded by two more positions. Which norm changes the vectors of the real events?",
            ("Batch norm without a mask", True, "Yes: padding enters its mean and deviation."),
            ("Layer norm", False, "It looks at one event only."),
            ("Both", False, "Layer norm never looks at another event."),
            ("Neither", False, "Batch norm averages over all positions it is given."),
        ),
        question(
            "Can the gradient through a residual layer be 0?",
            ("Yes, where the layer's slope is -1", True, "Yes: 1 + (-1)."),
            ("No, because of the constant 1", False, "The other term can cancel it."),
            ("Only without a norm", False, "A norm behind the sum is one more way to lose a gradient."),
        ),
        question(
            "Where does information pass from one event to another in an encoder layer?",
            ("In the attention alone", True, "Yes: all else works position by position."),
            ("In the feed-forward part alone", False, "It sees one position at a time."),
            ("In both", False, "The feed-forward part gives the same, position by position."),
            ("In the layer norm", False, "It averages the numbers of one event."),
        ),
    ],
)
