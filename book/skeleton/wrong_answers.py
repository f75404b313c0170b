"""Planted wrong answers of Skeleton: each must get its own hint."""

import torch
from torch import nn


class _Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.b = torch.zeros(())

    def forward(self, z):
        return z + self.b


class _Many(nn.Module):
    def __init__(self):
        super().__init__()
        self.b = nn.Parameter(torch.zeros(3))

    def forward(self, z):
        return z + self.b


class _Random(nn.Module):
    def __init__(self):
        super().__init__()
        self.b = nn.Parameter(torch.ones(()))

    def forward(self, z):
        return z + self.b


class _Taken(nn.Module):
    def __init__(self):
        super().__init__()
        self.b = nn.Parameter(torch.zeros(()))

    def forward(self, z):
        return z - self.b


WRONG = [
    ("skeleton-1", "no b", 4.0, "still to be added"),
    ("skeleton-1", "b taken away", 5.0, "b is negative"),
    ("skeleton-1", "the products", (2.0, 2.0), "Those are the products"),
    ("skeleton-1", "b twice", 2.0, "once for each entry"),
    ("skeleton-2", "no b", lambda u, v, b: (u * v).sum(1), "b is missing"),
    ("skeleton-2", "over the batch", lambda u, v, b: (u * v).sum(0) + b, "sum over the batch"),
    ("skeleton-2", "all pairs", lambda u, v, b: u @ v.T + b, "every user with every film"),
    ("skeleton-2", "b in the sum", lambda u, v, b: (u * v + b).sum(1), "add b d times"),
    ("skeleton-3", "of the other label", lambda z: torch.sigmoid(z), "was not liked"),
    ("skeleton-3", "sign", lambda z: 1 - torch.sigmoid(z), "rise or fall"),
    ("skeleton-3", "of the sigmoid", lambda z: torch.sigmoid(z) * (1 - torch.sigmoid(z)), "sigmoid itself"),
    ("skeleton-3", "the loss", lambda z: torch.log1p(torch.exp(-z)), "That is the loss"),
    ("skeleton-4", "not learned", _Plain, "Nothing is learned"),
    ("skeleton-4", "one for each row", _Many, "yours has more"),
    ("skeleton-4", "starts at one", _Random, "starts at 0"),
    ("skeleton-4", "taken away", _Taken, "must rise by 2"),
    ("skeleton-5", "False", False, "changes no order"),
    ("skeleton-5", "a tensor", torch.tensor(True), "not a tensor"),
    ("skeleton-5", "one for each user", [True, True], "for all users together"),
    ("skeleton-5", "a word", "yes", "by True or False"),
]
