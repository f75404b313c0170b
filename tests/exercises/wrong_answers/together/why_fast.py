"""Wrong answers to the exercises of *Why is it fast?*, and a part of the hint that each must get."""

import time

import torch


def table(history, target):
    return torch.eq(history, target.unsqueeze(1)) & history.ne(0)


def loop_seen(history, target):
    return torch.stack([((row == t) & (row > 0)).sum() for row, t in zip(history, target)])


def loop_means(user, label, n):
    means = [
        label[user == person].mean() if (user == person).any() else torch.tensor(0.0) for person in range(n)
    ]
    return torch.stack(means)


def share(user, label, n, more=0, least=1):
    one = torch.nn.functional.one_hot(user, n).float()
    return (one.T @ label) / (one.sum(0) + more).clamp(min=least)


def squares(u, v, factor=2.0, first=True, last=True):
    return first * (u * u).sum(1)[:, None] - factor * (u @ v.T) + last * (v * v).sum(1)[None]


def clock(f, warm=2, times=5, take=lambda waits: sorted(waits)[len(waits) // 2]):
    for _ in range(warm):
        f()
    waits = []
    for _ in range(times):
        begun = time.perf_counter()
        f()
        waits.append(time.perf_counter() - begun)
    return take(waits)


WRONG = [
    ("fast-1", "seconds", 0.0052, "in seconds"),
    ("fast-1", "microseconds", 5200.0, "in microseconds"),
    ("fast-1", "calls only", 1.2, "These are the calls"),
    ("fast-1", "no calls", 4.0, "300 calls cost"),
    ("fast-1", "one term missing", 3.2, "terms of 2 ms"),
    ("fast-1", "the largest", 2, "adds all three"),
    ("fast-2", "counts padding", lambda h, t: torch.eq(h, t.unsqueeze(1)).sum(-1), "padding does not count"),
    ("fast-2", "whether", lambda h, t: table(h, t).sum(1) > 0, "says whether"),
    ("fast-2", "a part", lambda h, t: table(h, t).sum(1) / h.shape[1], "a part of the events"),
    ("fast-2", "all rows", lambda h, t: table(h, t).sum(), "One number for all"),
    ("fast-2", "a loop", loop_seen, "a loop over the rows"),
    ("fast-3", "a root", lambda u, v: squares(u, v).clamp(min=0).sqrt(), "These are the distances"),
    ("fast-3", "once", lambda u, v: squares(u, v, 1.0), "comes twice"),
    ("fast-3", "sign", lambda u, v: squares(u, v, -2.0), "sign of the product"),
    ("fast-3", "product alone", lambda u, v: squares(u, v, 2.0, False, False), "two squares are missing"),
    ("fast-3", "too large", lambda u, v: ((u[:, None] - v) ** 2).sum(2), "on the way there is a tensor"),
    ("fast-4", "sums", lambda u, y, n: torch.bincount(u, weights=y, minlength=n), "These are sums"),
    ("fast-4", "nan", lambda u, y, n: share(u, y, n, least=0), "0 / 0 is nan"),
    ("fast-4", "too short", lambda u, y, n: share(u, y, int(u.max()) + 1), "minlength=n"),
    ("fast-4", "one too many", lambda u, y, n: share(u, y, n, more=1), "one too many"),
    ("fast-4", "a loop", loop_means, "a loop over users or rows"),
    ("fast-5", "cold", lambda f: clock(f, warm=0), "called 5 times"),
    ("fast-5", "the mean", lambda f: clock(f, take=lambda w: sum(w) / 5), "the mean of the five"),
    ("fast-5", "the sum", lambda f: clock(f, take=sum), "the sum of the five"),
    ("fast-5", "the slowest", lambda f: clock(f, take=max), "the slowest of the five"),
    ("fast-5", "the fastest", lambda f: clock(f, take=min), "the fastest of the five"),
    ("fast-5", "not sorted", lambda f: clock(f, take=lambda w: w[2]), "Sort the five first"),
    ("fast-5", "milliseconds", lambda f: 1000 * clock(f), "not milliseconds"),
]

# Found by a second blind attack: answers of somebody who had seen neither the checks nor the solutions.


def table_of(user, n):
    return torch.bincount(user, minlength=n)


def by_lists(user, label, n):
    sums, counts = [0.0] * n, [0] * n
    for u, y in zip(user.tolist(), label.tolist()):
        sums[u] += y
        counts[u] += 1
    return [s / max(c, 1) for s, c in zip(sums, counts)]


WRONG += [
    (
        "fast-2",
        "lists",
        lambda h, t: torch.tensor([sum(x == y != 0 for x in r) for r, y in zip(h.tolist(), t.tolist())]),
        "Python runs",
    ),
    ("fast-2", "length", lambda h, t: (h > 0).sum(1), "the length of the history"),
    (
        "fast-3",
        "lengths",
        lambda u, v: u.norm(dim=1)[:, None] + v.norm(dim=1) - 2 * u @ v.T,
        "their squares are needed",
    ),
    (
        "fast-4",
        "a half",
        lambda u, y, n: torch.where(table_of(u, n) > 0, torch.bincount(u, y, n) / table_of(u, n), 0.5),
        "not a half",
    ),
    ("fast-4", "lists", by_lists, "Python runs"),
]
