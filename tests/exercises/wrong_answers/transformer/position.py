"""Wrong answers to the exercises of *Position*, and a part of the hint that each must get."""

import math

import torch

from recbyhand.layers import PositionalEncoding


def halves(n, d):
    angle = torch.arange(n)[:, None] / 10000 ** (torch.arange(0, d, 2) / d)
    return torch.cat([angle.sin(), angle.cos()], 1)


def no_odd(n, d):
    if d % 2:
        raise RuntimeError("The expanded size of the tensor (3) must match the existing size (4)")
    return PositionalEncoding(d).table[:n]


def only_sums(f):
    x = torch.randn(2, 6, 4)
    return all(torch.allclose(f(x[:, torch.randperm(6)]).sum(1), f(x).sum(1), atol=1e-5) for _ in range(20))


def last_row(f):
    x = torch.randn(2, 6, 4)
    return all(
        torch.allclose(f(x[:, p])[:, -1], f(x)[:, p][:, -1], atol=1e-5)
        for p in (torch.cat([torch.randperm(5), torch.tensor([5])]) for _ in range(20))
    )


def no_change(f):
    x = torch.randn(2, 6, 4)
    return all(torch.allclose(f(x[:, torch.randperm(6)]), f(x), atol=1e-5) for _ in range(20))


WRONG = [
    ("pos-1", "sines first", [math.sin(2), math.sin(0.02), math.cos(2), math.cos(0.02)], "side by side"),
    ("pos-1", "cosine first", PositionalEncoding(4).table[2][[1, 0, 3, 2]], "odd one the cosine"),
    ("pos-1", "position 1", PositionalEncoding(4).table[1], "That is position 1"),
    (
        "pos-1",
        "an angle per column",
        [math.sin(2), math.cos(0.2), math.sin(0.02), math.cos(0.002)],
        "i counts pairs",
    ),
    ("pos-2", "halves", halves, "should alternate"),
    ("pos-2", "from 1", lambda n, d: PositionalEncoding(d).table[1 : n + 1], "count from 0"),
    ("pos-2", "odd width fails", no_odd, "Shapes do not fit"),
    (
        "pos-2",
        "faster and faster",
        lambda n, d: PositionalEncoding(d, base=1e-4).table[:n],
        "later pairs are slower",
    ),
    (
        "pos-3",
        "sines",
        lambda D, d: sum(math.sin(D / 10000 ** (2 * i / d)) for i in range(d // 2)),
        "a cosine of the difference",
    ),
    (
        "pos-3",
        "d waves",
        lambda D, d: sum(math.cos(D / 10000 ** (2 * i / d)) for i in range(d)),
        "d / 2 pairs, not d",
    ),
    ("pos-3", "first pair", lambda D, d: math.cos(D), "That is the first pair"),
    (
        "pos-3",
        "cosine of vectors",
        lambda D, d: sum(math.cos(D / 10000 ** (2 * i / d)) for i in range(d // 2)) / (d / 2),
        "the mean over the pairs",
    ),
    ("pos-4", "from the oldest", lambda m: torch.cumsum(m, 1) * m, "count from the oldest. The newest"),
    ("pos-4", "from 0", lambda m: (m.sum(1)[:, None] - m.cumsum(1)).clamp(min=0), "0 is padding's"),
    ("pos-4", "padding counted", lambda m: m.sum(1)[:, None] + 1 - m.cumsum(1), "Padding must get 0"),
    (
        "pos-4",
        "from the end of the row",
        lambda m: (m.shape[1] - torch.arange(m.shape[1])) * m,
        "end of the row",
    ),
    ("pos-5", "sums only", only_sums, "Sums agree"),
    ("pos-5", "invariance", no_change, "Permute both sides"),
    ("pos-5", "last row only", last_row, "A running sum"),
    ("pos-5", "always blind", lambda f: True, "with positions is not blind"),
    ("pos-5", "says a number", lambda f: 1.0, "True or False"),
]

# Found by a second blind attack: answers of somebody who had seen neither the checks nor the solutions.


def one_exchange(f):
    x, p = torch.arange(6.0)[:, None].expand(2, 6, 4), [1, 0, 2, 3, 4, 5]
    return torch.allclose(f(x[:, p]), f(x)[:, p], atol=1e-5)


WRONG += [
    ("pos-1", "from one", [math.sin(3), math.cos(3), math.sin(0.03), math.cos(0.03)], "That is position 3"),
    ("pos-1", "i / d", [math.sin(2), math.cos(2), math.sin(0.2), math.cos(0.2)], "divided by 10"),
    (
        "pos-3",
        "columns",
        lambda D, d: sum(math.cos(D / 10000 ** (i / d)) for i in range(d)),
        "you count columns",
    ),
    (
        "pos-4",
        "goes on in the padding",
        lambda m: m.sum(1, keepdim=True) - torch.arange(m.shape[1]),
        "goes on counting in the padding",
    ),
    ("pos-4", "not flipped back", lambda m: m.long().flip(1).cumsum(1), "Two things"),
    ("pos-5", "one exchange", one_exchange, "doubles the last event"),
    (
        "pos-3",
        "no negative product",
        lambda D, d: abs(sum(math.cos(D / 10000 ** (2 * i / d)) for i in range(d // 2))),
        "no absolute value",
    ),
]

# Found by a student who worked through the chapter from the text alone.
WRONG += [
    (
        "pos-2",
        "2i twice",
        lambda n, d: torch.stack(
            [
                f(torch.arange(n)[:, None] / 10000 ** (2 * torch.arange(0, d, 2) / d))
                for f in (torch.sin, torch.cos)
            ],
            -1,
        ).flatten(1)[:, :d],
        "twice as large",
    ),
    (
        "pos-3",
        "a sine besides",
        lambda D, d: sum(
            math.sin(D / 10000 ** (2 * i / d)) + math.cos(D / 10000 ** (2 * i / d)) for i in range(d // 2)
        ),
        "no sine besides",
    ),
]
