"""Wrong answers to the exercises of *The decoder, and three leaks*, and a part of the hint that each must get."""

import math

import torch


def attend(q_from, k_from, v_from, W_q, W_k, W_v, scale=2.0):
    s = (q_from @ W_q) @ (k_from @ W_k).transpose(1, 2) / scale
    return s.softmax(-1) @ (v_from @ W_v)


def gradient(f, outputs):
    x = torch.randn(1, 6, 8, requires_grad=True)
    return torch.stack(
        [torch.autograd.grad(part, x, retain_graph=True)[0][0].norm(dim=1) for part in outputs(f(x)[0])]
    )


def of_the_sum(f):
    return bool((gradient(f, lambda out: [row.sum() for row in out]).triu(1) > 1e-5).any())


def first_only(f):
    return bool((gradient(f, lambda out: [out[0].pow(3).sum()])[0, 1:] > 1e-5).any())


def with_diagonal(f):
    return bool((gradient(f, lambda out: [row.pow(3).sum() for row in out]).triu() > 1e-5).any())


def below(f):
    return bool((gradient(f, lambda out: [row.pow(3).sum() for row in out]).tril(-1) > 1e-5).any())


def past(real):
    return torch.ones(real.shape[1], real.shape[1], dtype=torch.bool).tril()


WRONG = [
    ("leak-1", "honest floor", math.log(50), "floor of an honest model"),
    ("leak-1", "eight", math.log(50) / 8, "only seven are asked"),
    ("leak-1", "zero", 0.0, "not in the window"),
    ("leak-1", "bits", math.log2(50) / 7, "natural logarithm"),
    ("leak-1", "two unknown", 2 * math.log(50) / 7, "film 7 is known"),
    ("leak-2", "unshifted", lambda s, start: s.clone(), "unshifted sequence"),
    (
        "leak-2",
        "the other way",
        lambda s, start: torch.nn.functional.pad(s, (0, 1), value=start)[:, 1:],
        "other way",
    ),
    ("leak-2", "rolled", lambda s, start: torch.roll(s, 1, dims=1), "come round"),
    (
        "leak-2",
        "too long",
        lambda s, start: torch.nn.functional.pad(s, (1, 0), value=start),
        "One place too many",
    ),
    ("leak-2", "zero", lambda s, start: torch.nn.functional.pad(s, (1, 0))[:, :-1], "0 is a film"),
    ("leak-3", "strict", lambda real: past(real).tril(-1) & real[:, None], "diagonal is missing"),
    ("leak-3", "rows", lambda real: past(real) & real[..., None], "hide who asks"),
    ("leak-3", "or", lambda real: past(real) | real[:, None], "Both conditions"),
    ("leak-3", "future", lambda real: past(real).T & real[:, None], "comes later"),
    ("leak-3", "no padding", lambda real: past(real).repeat(len(real), 1, 1), "Padding must not"),
    ("leak-4", "swapped", lambda x, m, *W: attend(m, x, x, *W), "Swapped"),
    ("leak-4", "self", lambda x, m, *W: attend(x, x, x, *W), "memory is unused"),
    ("leak-4", "values of x", lambda x, m, *W: attend(x, m, x, *W), "values are x's"),
    ("leak-4", "no scale", lambda x, m, *W: attend(x, m, m, *W, scale=1.0), "root of d"),
    ("leak-5", "sum", of_the_sum, "take every element"),
    ("leak-5", "first output only", first_only, "Just one place"),
    ("leak-5", "diagonal", with_diagonal, "the diagonal is allowed"),
    ("leak-5", "below the diagonal", below, "The past, s < t"),
    ("leak-5", "says a number", lambda f: 1.0, "True or False"),
]

# Found by a second blind attack: answers of somebody who had seen neither the checks nor the solutions.


def next_only(f):
    J = torch.autograd.functional.jacobian(f, torch.randn(1, 6, 8))[0, :, :, 0].norm(dim=(1, 3))
    return bool((J.diagonal(1) > 0).any())


WRONG += [
    (
        "leak-4",
        "softmax over the batch",
        lambda x, m, q, k, v: ((x @ q) @ (m @ k).transpose(1, 2) / 2).softmax(0) @ (m @ v),
        "runs over the batch",
    ),
    (
        "leak-4",
        "bare values",
        lambda x, m, q, k, v: ((x @ q) @ (m @ k).transpose(1, 2) / 2).softmax(-1) @ m,
        "W_v is not used",
    ),
    (
        "leak-4",
        "with the residual",
        lambda x, m, q, k, v: x + ((x @ q) @ (m @ k).transpose(1, 2) / 2).softmax(-1) @ (m @ v),
        "You add x",
    ),
    ("leak-5", "next only", next_only, "two steps ahead"),
    ("leak-3", "real twice", lambda real: real[:, None] & real[..., None], "and not the future"),
    (
        "leak-4",
        "divided by d",
        lambda x, m, q, k, v: ((x @ q) @ (m @ k).transpose(1, 2) / 4).softmax(-1) @ (m @ v),
        "take its root",
    ),
]

# Found by a student who worked through the chapter from the text alone.
WRONG += [
    (
        "leak-5",
        "sum, saved by rounding",
        lambda f: bool((gradient(f, lambda out: [row.sum() for row in out]).triu(1) != 0).any()),
        "cancel in the sum",
    ),
]
