"""Wrong answers to the exercises of chapter 1, and a part of the hint that each must get."""

import math

import torch
from torch.linalg import solve, svdvals

V, R = torch.tensor([[1.0, 0.0], [-1.0, 2.0]]), torch.tensor([1.0, -2.0])


def row_by_row(charge, films=lambda V, r, mask: (V[mask], r[mask])):
    """A learner's loop over users, with a mistake in the charge or in the choice of films."""

    def half_step(R, seen, V, lam):
        U = torch.zeros(len(R), V.shape[1])
        for u in range(len(R)):
            if seen[u].any():
                X, r = films(V, R[u], seen[u])
                U[u] = solve(X.T @ X + charge(seen[u].sum(), lam) * torch.eye(V.shape[1]), X.T @ r)
        return U

    return half_step


def not_skipped(R, seen, V, lam):
    return torch.stack(
        [
            solve(V[m].T @ V[m] + lam * m.sum() * torch.eye(V.shape[1]), V[m].T @ r[m])
            for r, m in zip(R, seen, strict=True)
        ]
    )


def in_place(u, v, r, lr, lam):
    u += 2 * lr * ((r - u @ v) * v - lam * u)
    v += 2 * lr * ((r - u @ v) * u - lam * v)
    return u, v


def old_error(u, v, r, lr, lam):
    e = r - (u * v).sum()
    u = u - lr * (-2 * e * v + 2 * lam * u)
    return u, v - lr * (-2 * e * u + 2 * lam * v)


def uphill(u, v, r, lr, lam):
    e = r - u @ v
    return u + lr * (-2 * e * v + 2 * lam * u), v + lr * (-2 * e * u + 2 * lam * v)


def no_two(u, v, r, lr, lam):
    e = r - u @ v
    return u + lr * (e * v - lam * u), v + lr * (e * u - lam * v)


def no_charge(u, v, r, lr, lam):
    e = r - u @ v
    return u + lr * 2 * e * v, v + lr * 2 * e * u


# From dot product to MLP


class Head(torch.nn.Module):
    """The right head; each subclass makes one mistake."""

    def __init__(self, n_in):
        super().__init__()
        self.hidden, self.last = torch.nn.Linear(n_in, 16), torch.nn.Linear(16, 1)
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, x):
        return self.last(self.dropout(torch.relu(self.hidden(x))))[:, 0]


class Probability(Head):
    def forward(self, x):
        return torch.sigmoid(super().forward(x))


class TanhHead(Head):
    def forward(self, x):
        return torch.tanh(super().forward(x))


class ReluHead(Head):
    def forward(self, x):
        return torch.relu(super().forward(x))


class DroppedAnswer(Head):
    def forward(self, x):
        return self.dropout(self.last(torch.relu(self.hidden(x))))[:, 0]


class NoDropout(Head):
    def forward(self, x):
        return self.last(torch.relu(self.hidden(x)))[:, 0]


class Functional(Head):
    def forward(self, x):
        return self.last(torch.nn.functional.dropout(torch.relu(self.hidden(x))))[:, 0]


class Squeezed(Head):
    def forward(self, x):
        return self.last(self.dropout(torch.relu(self.hidden(x)))).squeeze()


class Column(Head):
    def forward(self, x):
        return self.last(self.dropout(torch.relu(self.hidden(x))))


class Straight(Head):
    def forward(self, x):
        return self.last(self.dropout(self.hidden(x)))[:, 0]


class Gentle(Head):
    def __init__(self, n_in):
        super().__init__(n_in)
        self.dropout = torch.nn.Dropout(0.1)


class Wide(Head):
    def __init__(self, n_in):
        super().__init__(n_in)
        self.hidden, self.last = torch.nn.Linear(n_in, 32), torch.nn.Linear(32, 1)


TWO, ZERO = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]), torch.zeros(2)


WRONG = [
    ("mf-1", "no ridge", solve(V.T @ V, V.T @ R), "plain least squares"),
    ("mf-1", "not solved", V.T @ R, "right-hand side"),
    ("mf-1", "divided by the diagonal", (V.T @ R) / (V.T @ V + torch.eye(2)).diagonal(), "diagonal only"),
    ("mf-1", "ridge on every entry", solve(V.T @ V + 1, V.T @ R), "only to the diagonal"),
    ("mf-1", "multiplied", (V.T @ V + torch.eye(2)) @ V.T @ R, "its inverse"),
    ("mf-1", "a column", torch.tensor([[7 / 11], [-6 / 11]]), "shape (2, 1)"),
    ("mf-2", "dot product alone", lambda f, u, i: f.user[u] @ f.item[i], "alone"),
    (
        "mf-2",
        "no mean",
        lambda f, u, i: f.user_bias[u] + f.item_bias[i] + f.user[u] @ f.item[i],
        "The mean μ is missing",
    ),
    ("mf-2", "no biases", lambda f, u, i: f.mean + f.user[u] @ f.item[i], "biases of the user"),
    (
        "mf-2",
        "not summed",
        lambda f, u, i: f.mean + f.user_bias[u] + f.item_bias[i] + f.user[u] * f.item[i],
        "one number",
    ),
    (
        "mf-2",
        "no film bias",
        lambda f, u, i: f.mean + f.user_bias[u] + f.user[u] @ f.item[i],
        "film has a bias",
    ),
    ("mf-3", "one price for all", row_by_row(lambda n, lam: lam), "the same λ"),
    ("mf-3", "a 2 too many", row_by_row(lambda n, lam: 2 * lam * n), "counts twice"),
    ("mf-3", "divided", row_by_row(lambda n, lam: lam / n), "divided"),
    ("mf-3", "no ridge", row_by_row(lambda n, lam: 0.0), "no part"),
    (
        "mf-3",
        "empty cells as zeros",
        row_by_row(lambda n, lam: lam * n, lambda V, r, m: (V, r)),
        "empty cells",
    ),
    ("mf-3", "nobody skipped", not_skipped, "matrix of zeros"),
    ("mf-3", "turned", lambda *a: row_by_row(lambda n, lam: lam * n)(*a).T, "shape (3, 4)"),
    ("mf-4", "in place", in_place, "with the new u"),
    ("mf-4", "old error, new u", old_error, "The error is the old one"),
    ("mf-4", "uphill", uphill, "uphill"),
    ("mf-4", "no factor 2", no_two, "factor 2"),
    ("mf-4", "no charge", no_charge, "λ is missing"),
    ("mf-5", "squared", lambda R: torch.linalg.eigvalsh(R @ R.T).max(), "Squared"),
    ("mf-5", "half", lambda R: svdvals(R)[0] / 2, "Half"),
    ("mf-5", "Frobenius norm", lambda R: R.norm(), "all entries"),
    ("mf-5", "largest entry", lambda R: R.abs().max(), "largest entry"),
    ("mf-5", "all of them", lambda R: svdvals(R), "all singular values"),
    ("mf-5", "smallest", lambda R: svdvals(R).min(), "smallest"),
]


# Of a reader who knew the exercises only from the page.


def steps_alone(u, v, r, lr, lam):
    e = r - u @ v
    return 2 * lr * (e * v - lam * u), 2 * lr * (e * u - lam * v)


def error_turned(u, v, r, lr, lam):
    e = u @ v - r
    return u + 2 * lr * (e * v - lam * u), v + 2 * lr * (e * u - lam * v)


WRONG += [
    ("mf-1", "signs off", solve(V.T @ V + torch.eye(2), V.T @ R.abs()), "signs off"),
    ("mf-1", "r on the right", solve(V.T @ V + torch.eye(2), R), "left Vᵀ out"),
    (
        "mf-2",
        "cut to stars",
        lambda f, u, i: (f.mean + f.user_bias[u] + f.item_bias[i] + f.user[u] @ f.item[i]).clamp(1, 5),
        "cut to 1 to 5",
    ),
    (
        "mf-2",
        "mean taken away",
        lambda f, u, i: f.user_bias[u] + f.item_bias[i] + f.user[u] @ f.item[i] - f.mean,
        "added back",
    ),
    ("mf-3", "added", row_by_row(lambda n, lam: lam + n), "not added"),
    ("mf-3", "squared", row_by_row(lambda n, lam: lam * n**2), "counts once"),
    ("mf-4", "steps alone", steps_alone, "steps alone"),
    ("mf-4", "error turned", error_turned, "wrong way: the derivative"),
    ("mf-5", "second", lambda R: svdvals(R)[1], "second largest"),
    ("mf-5", "longest row", lambda R: R.norm(dim=1).max(), "longest row"),
]


# Features ----------------------------------------------------------------------------------------------


def bucket(age, edges):
    return int(torch.bucketize(torch.tensor(age), torch.tensor(edges), right=True))


def loose(age, edges):
    return 1 if age is None else 2 + int(torch.bucketize(torch.tensor(age), torch.tensor(edges)))


def blocks(tables, ids, widths):
    return zip(tables, ids.split(widths, dim=1), strict=True)


def masked(i):
    return (i > 0).float()[..., None]


def stacked(mean):
    return lambda tables, ids, widths: torch.stack([mean(t, i) for t, i in blocks(tables, ids, widths)], 1)


def unseen(train, test):
    return (
        (test >= 2) & ~torch.stack([torch.isin(b, a) for a, b in zip(train.T, test.T, strict=True)], 1)
    ).float()


def entropy(p):
    return -p * math.log(p) - (1 - p) * math.log(1 - p)


WRONG += [
    ("feat-1", "from 0", lambda age, edges: 1 if age is None else bucket(age, edges), "padding and unknown"),
    (
        "feat-1",
        "from 1",
        lambda age, edges: 0 if age is None else 1 + bucket(age, edges),
        "Id 1 is 'unknown'",
    ),
    ("feat-1", "edge on the left", loose, "which the edge opens"),
    (
        "feat-1",
        "missing is padding",
        lambda age, edges: 0 if age is None else 2 + bucket(age, edges),
        "Id 0 is padding",
    ),
    (
        "feat-1",
        "missing is a bucket",
        lambda age, edges: 2 if age is None else 2 + bucket(age, edges),
        "in no bucket",
    ),
    ("feat-2", "no offsets", (3, 2, 10, 4), "ids themselves"),
    ("feat-2", "offsets only", torch.tensor([0, 9, 13, 36]), "Add the ids"),
    ("feat-2", "cumsum", [12, 15, 46, 51], "its own size too"),
    ("feat-2", "without the first two", [3, 9, 19, 34], "take nothing off"),
    ("feat-2", "ids from 0", [1, 9, 21, 38], "with padding"),
    ("feat-2", "last size only", [3, 11, 14, 27], "not only of the one before"),
    ("feat-3", "plain mean", stacked(lambda t, i: t[i].mean(1)), "averaged in"),
    ("feat-3", "over the width", stacked(lambda t, i: (t[i] * masked(i)).mean(1)), "width of the field"),
    ("feat-3", "sum", stacked(lambda t, i: (t[i] * masked(i)).sum(1)), "That is the sum"),
    (
        "feat-3",
        "divided, not masked",
        stacked(lambda t, i: t[i].sum(1) / masked(i).sum(1).clamp(min=1)),
        "still in the sum",
    ),
    ("feat-3", "nan", stacked(lambda t, i: (t[i] * masked(i)).sum(1) / masked(i).sum(1)), "divides by 0"),
    ("feat-3", "first value", stacked(lambda t, i: t[i[:, 0]]), "first column"),
    (
        "feat-3",
        "flattened",
        lambda tables, ids, widths: torch.cat([t[i].mean(1) for t, i in blocks(tables, ids, widths)], 1),
        "flattened",
    ),
    ("feat-4", "blind", entropy(0.6), "Subtract"),
    ("feat-4", "with ids", (entropy(0.9) + entropy(0.3)) / 2, "difference is asked"),
    ("feat-4", "bits", (entropy(0.6) - (entropy(0.9) + entropy(0.3)) / 2) / math.log(2), "natural logarithm"),
    ("feat-4", "one half", torch.tensor(math.log(2) - (entropy(0.9) + entropy(0.3)) / 2), "say 0.6"),
    ("feat-4", "sum, not mean", entropy(0.6) - entropy(0.9) - entropy(0.3), "half of them are Ann's"),
    (
        "feat-5",
        "padding too",
        lambda a, b: [1 - torch.isin(y, x).float().mean() for x, y in zip(a.T, b.T, strict=True)],
        "no new values",
    ),
    (
        "feat-5",
        "all columns at once",
        lambda a, b: ((b >= 2) & ~torch.isin(b, a)).float().mean(0),
        "column with column",
    ),
    ("feat-5", "turned round", lambda a, b: unseen(b, a).mean(0), "other way round"),
    ("feat-5", "how many", lambda a, b: unseen(a, b).sum(0), "divide by"),
    ("feat-5", "known", lambda a, b: 1 - unseen(a, b).mean(0), "training knows"),
    ("mlp-1", "order", lambda W0, b0, W1, b1: (W0 @ W1, W1 @ b0 + b1), "turned round"),
    ("mlp-1", "element by element", lambda W0, b0, W1, b1: (W1 * W0, b1), "element by element"),
    ("mlp-1", "added", lambda W0, b0, W1, b1: (W0 + W1, b0 + b1), "side by side they add"),
    ("mlp-1", "transposed", lambda W0, b0, W1, b1: ((W1 @ W0).T, W1 @ b0 + b1), "transposed"),
    ("mlp-1", "biases added", lambda W0, b0, W1, b1: (W1 @ W0, b0 + b1), "through the second layer too"),
    ("mlp-1", "last bias only", lambda W0, b0, W1, b1: [W1 @ W0, b1], "bias of the first layer is missing"),
    ("mlp-1", "first bias only", lambda W0, b0, W1, b1: [W1 @ W0, W1 @ b0], "bias of the second layer"),
    ("mlp-1", "one thing", lambda W0, b0, W1, b1: W1 @ W0, "Return two things"),
    ("mlp-2", "zeros only", lambda x, m, p, training: m * x if training else x, "Zeros only"),
    ("mlp-2", "scaled down", lambda x, m, p, training: m * x * (1 - p) if training else x, "second time"),
    ("mlp-2", "by p", lambda x, m, p, training: m * x / p if training else x, "p is the share dropped"),
    ("mlp-2", "mask inverted", lambda x, m, p, training: (1 - m) * x / (1 - p), "dropped the others"),
    ("mlp-2", "always", lambda x, m, p, training: m * x / (1 - p), "look at `training`"),
    ("mlp-2", "scaled at the end", lambda x, m, p, t: m * x / (1 - p) if t else (1 - p) * x, "other kind"),
    ("mlp-3", "distance", (TWO, ZERO, [1, 1], 0), "That is the distance"),
    ("mlp-3", "difference", (TWO[:1], [0.0], [1.0], 0.0), "Now add v"),
    ("mlp-3", "positive only", ([[1.0, -1.0], [0.0, 1.0]], ZERO, [1.0, 1.0], 0), "negative number"),
    ("mlp-3", "minimum", ([[1, -1], [1, 0], [-1, 0]], [0, 0, 0], [-1, 1, -1], 0.0), "smaller one"),
    ("mlp-3", "sum", ([[1, 1], [-1, -1]], ZERO, [[1, -1]], 0), "That is the sum"),
    (
        "mlp-3",
        "four units",
        (torch.cat([TWO, TWO]), torch.zeros(4), torch.ones(4) / 2, 0),
        "three are enough",
    ),
    ("mlp-3", "columns", (TWO.T[:, :1], ZERO, [1, 1], 0), "two columns"),
    ("mlp-4", "probability", Probability, "between 0 and 1"),
    ("mlp-4", "tanh at the end", TanhHead, "between -1 and 1"),
    ("mlp-4", "relu at the end", ReluHead, "never negative"),
    ("mlp-4", "answers dropped", DroppedAnswer, "Answers are dropped"),
    ("mlp-4", "no dropout", NoDropout, "Nothing is dropped"),
    ("mlp-4", "functional", Functional, "After `eval()`"),
    ("mlp-4", "squeeze", Squeezed, "batch of one"),
    ("mlp-4", "a column", Column, "(B, 1)"),
    ("mlp-4", "no activation", Straight, "two layers are one"),
    ("mlp-4", "too little", Gentle, "half of them"),
    ("mlp-4", "too wide", Wide, "Two linear layers"),
    ("mlp-5", "bias forgotten", 3, "the constant b"),
    ("mlp-5", "embedding", 16, "length of the embeddings"),
    ("mlp-5", "hidden", 32, "width of the hidden layer"),
    ("mlp-5", "films", torch.tensor(200), "two thin tables"),
]


# Of a second such reader.


def ridge_everywhere(R, seen, V, lam):
    U = torch.zeros(len(R), V.shape[1])
    for u, m in enumerate(seen):
        if m.any():
            U[u] = solve(V[m].T @ V[m] + lam * m.sum(), V[m].T @ R[u][m])
    return U


def own_error_per_number(u, v, r, lr, lam):
    e = r - u * v
    return u + 2 * lr * (e * v - lam * u), v + 2 * lr * (e * u - lam * v)


class DroppedInput(Head):
    def forward(self, x):
        return self.last(torch.relu(self.hidden(self.dropout(x))))[:, 0]


class DroppedTwice(Head):
    def forward(self, x):
        return super().forward(self.dropout(x))


class Normalised(Head):
    def __init__(self, n_in):
        super().__init__(n_in)
        self.norm = torch.nn.BatchNorm1d(16)

    def forward(self, x):
        return self.last(self.dropout(torch.relu(self.norm(self.hidden(x)))))[:, 0]


def known(i):
    return (i > 1).float()[..., None]


def leading(table, i):
    rows = [table[row[: max(1, int((row > 0).sum()))]].mean(0) for row in i]
    return torch.stack(rows)


WRONG += [
    ("mf-1", "no determinant", torch.tensor([7.0, -6.0]), "determinant, which is 11"),
    ("mf-1", "films by films", solve(V @ V.T + torch.eye(2), V @ R), "films by films"),
    (
        "mf-2",
        "a probability",
        lambda f, u, i: (f.mean + f.user_bias[u] + f.item_bias[i] + f.user[u] @ f.item[i]).sigmoid(),
        "A sigmoid would",
    ),
    (
        "mf-2",
        "whole stars",
        lambda f, u, i: (f.mean + f.user_bias[u] + f.item_bias[i] + f.user[u] @ f.item[i]).round(),
        "rounded to whole stars",
    ),
    ("mf-3", "ridge on every entry", ridge_everywhere, "added to every number"),
    (
        "mf-3",
        "all ratings",
        lambda R, seen, V, lam: row_by_row(lambda n, lam: lam * seen.sum())(R, seen, V, lam),
        "all ratings in the table",
    ),
    (
        "mf-4",
        "gradients",
        lambda u, v, r, lr, lam: (2 * lam * u - 2 * (r - u @ v) * v, 2 * lam * v - 2 * (r - u @ v) * u),
        "These are the gradients",
    ),
    ("mf-4", "an error per number", own_error_per_number, "Your error has d numbers"),
    ("mlp-1", "bias first", lambda W0, b0, W1, b1: (W1 @ b0 + b1, W1 @ W0), "are exchanged: return"),
    ("mlp-2", "share kept here", lambda x, m, p, t: m * x / m.mean() if t else x, "happens to keep"),
    (
        "mlp-2",
        "a mask of its own",
        lambda x, m, p, t: torch.nn.functional.dropout(x, p, t),
        "draw no other one",
    ),
    ("mlp-3", "mean", ([[1, 1], [-1, -1]], ZERO, [0.5, -0.5], 0), "That is the mean. The larger"),
    ("mlp-3", "half the distance", (TWO, ZERO, [0.5, 0.5], 0), "above the mean. Now"),
    ("mlp-3", "each alone", (torch.eye(2), ZERO, [1, 1], 0), "no unit compares"),
    ("mlp-3", "carried by a bias", ([[1, -1], [0, 1]], [0, 50], [1, 1], -50), "small numbers only"),
    ("mlp-4", "inputs dropped", DroppedInput, "Inputs are dropped"),
    ("mlp-4", "inputs dropped as well", DroppedTwice, "Inputs are dropped"),
    ("mlp-4", "normalised", Normalised, "batch normalisation"),
    ("mlp-5", "users", 1000, "than its middle"),
    ("mlp-5", "both sides", 3 + 3, "not put side by side"),
    (
        "feat-1",
        "nought is missing",
        lambda age, edges: 2 + bucket(age, edges) if age else 1,
        "Age 0 is an age",
    ),
    (
        "feat-1",
        "last edge",
        lambda age, edges: 1 if age is None else 2 + min(bucket(age, edges), len(edges) - 1),
        "one bucket more than edges",
    ),
    (
        "feat-1",
        "edges above",
        lambda age, edges: 1 if age is None else 2 + sum(edge > age for edge in edges),
        "lie above the age",
    ),
    ("feat-2", "own size", [12, 6, 33, 15], "each field's own size"),
    ("feat-2", "from the end", [3 + 38, 2 + 34, 10 + 11, 4], "in reverse order"),
    (
        "feat-3",
        "unknown left out",
        stacked(lambda t, i: (t[i] * known(i)).sum(1) / known(i).sum(1).clamp(min=1)),
        "unknown, is a value",
    ),
    ("feat-3", "padding at the end", stacked(leading), "take that many from the left"),
    (
        "feat-3",
        "plus one",
        stacked(lambda t, i: (t[i] * masked(i)).sum(1) / (masked(i).sum(1) + 1)),
        "one too many. Only an empty field",
    ),
    ("feat-4", "squared error", 0.24 - (0.09 + 0.21) / 2, "mean squared error"),
    (
        "feat-4",
        "likes only",
        -0.6 * math.log(0.6) + (0.9 * math.log(0.9) + 0.3 * math.log(0.3)) / 2,
        "Only the likes",
    ),
    ("feat-5", "not averaged", unseen, "for each row and column"),
    ("feat-5", "one share", lambda a, b: unseen(a, b).mean(), "One number for all columns"),
    ("feat-5", "of the real ids", lambda a, b: unseen(a, b).sum(0) / (b >= 2).sum(0), "with a real id"),
    ("feat-5", "beyond the largest", lambda a, b: (b > a.max(0).values).float().mean(0), "may be gaps"),
]
