"""Wrong answers to the exercises of *Deep without breaking*, and a part of the hint that each must get."""

import torch
import torch.nn.functional as F


def post_norm(x, attention, feed_forward, norm_1, norm_2):
    x = norm_1(x + attention(x))
    return norm_2(x + feed_forward(x))


def no_way_around(x, attention, feed_forward, norm_1, norm_2):
    x = attention(norm_1(x))
    return feed_forward(norm_2(x))


def normed_way_around(x, attention, feed_forward, norm_1, norm_2):
    x = norm_1(x)
    x = x + attention(x)
    return x + feed_forward(norm_2(x))


def half(x, attention, feed_forward, norm_1, norm_2):
    x = x + attention(norm_1(x))
    return x


WRONG = [
    ("deep-1", "only centred", torch.tensor([-2.0, -2, 2, 2]), "These are the deviations"),
    ("deep-1", "variance", [-0.5, -0.5, 0.5, 0.5], "divided by the variance"),
    ("deep-1", "n - 1", (torch.tensor([2.0, 2, 6, 6]) - 4) / (16 / 3) ** 0.5, "with n - 1"),
    ("deep-1", "not centred", [1, 1, 3, 3], "Take the mean off"),
    ("deep-1", "signs", [1.0, 1.0, -1.0, -1.0], "turned round"),
    (
        "deep-2",
        "no gain, no bias",
        lambda x, g, b, eps=1e-5: F.layer_norm(x, x.shape[-1:]),
        "source's formula",
    ),
    ("deep-2", "no bias", lambda x, g, b, eps=1e-5: F.layer_norm(x, x.shape[-1:], g), "The bias b"),
    (
        "deep-2",
        "d - 1",
        lambda x, g, b, eps=1e-5: (
            g * (x - x.mean(-1, True)) / (x.std(-1, keepdim=True) ** 2 + eps) ** 0.5 + b
        ),
        "not by d - 1",
    ),
    (
        "deep-2",
        "batch norm",
        lambda x, g, b, eps=1e-5: F.batch_norm(x.reshape(-1, 5), None, None, g, b, True).reshape(x.shape),
        "average over events",
    ),
    (
        "deep-2",
        "whole sequence",
        lambda x, g, b, eps=1e-5: F.layer_norm(x, x.shape[-2:]) * g + b,
        "belong to one event",
    ),
    ("deep-3", "no residual", lambda w, n: pow(w, n), "without residuals"),
    ("deep-3", "one way around", lambda w, n: 1 + pow(w, n), "way around of its own"),
    ("deep-3", "first order", lambda w, n: 1 + w * n, "only the beginning"),
    ("deep-3", "one layer", lambda w, n: 1 + w, "That is one layer"),
    ("deep-4", "post-norm", post_norm, "post-norm"),
    ("deep-4", "no way around", no_way_around, "There is no way around"),
    ("deep-4", "way around carries the norm", normed_way_around, "takes x itself"),
    ("deep-4", "only attention", half, "feed-forward half is missing"),
    (
        "deep-4",
        "norms exchanged",
        lambda x, a, f, n1, n2: (y := x + a(n2(x))) + f(n1(y)),
        "norm_1 belongs to",
    ),
    ("deep-5", "four biases", lambda d, h: (4 * (d * d + d), 2 * d * h + d + h, 4 * d), "no bias"),
    ("deep-5", "no W_O", lambda d, h: (3 * d * d + 2 * d, 2 * d * h + d + h, 4 * d), "joins the heads"),
    ("deep-5", "one norm", lambda d, h: (4 * d * d + 3 * d, 2 * d * h + d + h, 2 * d), "two norms"),
    ("deep-5", "no biases", lambda d, h: (4 * d * d, 2 * d * h, 4 * d), "in both parts"),
]

# Found by a second blind attack: answers of somebody who had seen neither the checks nor the solutions.


def normed_twice(x, attention, feed_forward, norm_1, norm_2):
    x = norm_1(x)
    x = norm_2(x + attention(x))
    return x + feed_forward(x)


WRONG += [
    (
        "deep-2",
        "eps outside",
        lambda x, g, b, eps=1e-5: (
            g * (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True).sqrt() + eps) + b
        ),
        "under the root",
    ),
    (
        "deep-2",
        "own eps",
        lambda x, g, b, eps=1e-5: F.layer_norm(x, x.shape[-1:], g, b),
        "a number of your own",
    ),
    (
        "deep-2",
        "bias in the product",
        lambda x, g, b, eps=1e-5: F.layer_norm(x, x.shape[-1:], eps=eps) * (b + g),
        "multiply by g + b",
    ),
    (
        "deep-2",
        "one mean for all",
        lambda x, g, b, eps=1e-5: g * F.layer_norm(x, x.shape, eps=eps) + b,
        "One mean for everything",
    ),
    ("deep-3", "one too few", lambda w, n: (1 + w) ** (n - 1), "One layer is missing"),
    ("deep-4", "both ways round normed", normed_twice, "Both ways around"),
]

WRONG += [
    ("deep-4", "norm_2 behind", lambda x, f, h, n, m: (y := x + f(n(x))) + m(h(y)), "norm_2 stands behind"),
    ("deep-4", "norm_1 behind", lambda x, f, h, n, m: (y := x + n(f(x))) + h(m(y)), "norm_1 stands behind"),
    ("deep-4", "both behind", lambda x, f, h, n, m: (y := x + n(f(x))) + m(h(y)), "Put them before"),
]
