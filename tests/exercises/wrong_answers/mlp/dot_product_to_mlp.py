"""Planted wrong answers of from dot product to MLP: each must get its own hint."""

import torch


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


WRONG = [
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
]
