"""Wrong answers to the exercises on the state as a user vector, and a part of the hint that each must get."""

import math

import torch

Z, N, H = torch.tensor([0.9, 0.2]), torch.tensor([0.5, -0.5]), torch.tensor([1.0, 1.0])


def never_empty(states, mask):
    count = mask.sum(1)
    return states[torch.arange(len(states)), (count - 1).clamp(min=0)]


def next_place(states, mask):
    place = mask.sum(1).clamp(max=states.shape[1] - 1)
    return states[torch.arange(len(states)), place]


def masked_mean(states, mask):
    return (states * mask[..., None]).sum(1) / mask.sum(1)[:, None].clamp(min=1)


WRONG = [
    ("state-1", "gate turned round", Z * N + (1 - Z) * H, "other way round"),
    ("state-1", "proposal in full", N + Z * H, "not held back"),
    ("state-1", "old state in full", (1 - Z) * N + H, "comes in whole"),
    ("state-1", "no old state", (1 - Z) * N, "Where is the old state"),
    ("state-1", "both by z", Z * N + Z * H, "both by z"),
    ("state-1", "a second tanh", (1 - Z) * torch.tanh(N) + Z * H, "no second one"),
    ("state-2", "half-life", math.log(2) / 10, "rate of decay"),
    ("state-2", "tanh turned round", math.atanh(2**-0.1), "turned a tanh round"),
    ("state-2", "the gate itself", 2 ** (-0.1), "That is the gate"),
    ("state-2", "wrong sign", -math.log(2 ** (-0.1) / (1 - 2 ** (-0.1))), "The sign"),
    ("state-2", "half at once", 0.0, "after one step"),
    ("state-2", "logarithm", math.log(2 ** (-0.1)), "not an exponential"),
    ("state-3", "last column", lambda s, m: s[:, -1], "last column is padding"),
    ("state-3", "minus one wraps", lambda s, m: s[range(len(s)), m.sum(1) - 1], "count - 1 is -1"),
    ("state-3", "never empty", never_empty, "gets the first column"),
    ("state-3", "one too far", next_place, "One too far"),
    ("state-3", "mean", lambda s, m: masked_mean(s, m), "mean of the states"),
    ("state-3", "first state", lambda s, m: s[:, 0], "after the FIRST film"),
    ("state-3", "sum", lambda s, m: torch.einsum("bld,bl->bd", s, m.float()), "adds up all states"),
    ("state-3", "zeros at the end", lambda s, m: s.masked_fill(~m[..., None], 0)[:, -1], "Padding is zeros now"),
    ("state-4", "probabilities", lambda u, v, c, b: (u @ v.T + c + b).sigmoid(), "before any sigmoid"),
    ("state-4", "product of biases", lambda u, v, c, b: u @ v.T + c * b, "not multiplied"),
    ("state-4", "no bias", lambda u, v, c, b: torch.einsum("ud,md->um", u, v), "missing: the film"),
    ("state-4", "no film bias", lambda u, v, c, b: u @ v.T + b, "films' own biases"),
    ("state-4", "no general bias", lambda u, v, c, b: u @ v.T + c, "general bias b"),
    ("state-4", "down the users", lambda u, v, c, b: u @ v.T + c.unsqueeze(1) + b, "went down the users"),
    ("state-4", "pairs only", lambda u, v, c, b: (u * v).sum(1) + c + b, "user k with film k"),
    ("state-5", "none", 0, "Without any film"),
    ("state-5", "all", 20, "All twenty"),
    ("state-5", "drift's", 4, "world `drift`"),
    ("state-5", "two", 2, "Two are enough"),
]  # fmt: skip


# Of a reader who knew the exercises only from the page.


def place_before(states, mask):
    place = (mask.sum(1) - 2).clamp(min=0)
    return states[torch.arange(len(states)), place] * mask.any(1)[:, None]


def unit(x):
    return x / x.norm(dim=1, keepdim=True)


WRONG += [
    ("state-1", "gate of a gate", (1 - Z.sigmoid()) * N + Z.sigmoid() * H, "through its sigmoid"),
    ("state-1", "squeezed", torch.tanh((1 - Z) * N + Z * H), "Nothing squeezes the new state"),
    ("state-2", "nine steps", -math.log(2 ** (1 / 9) - 1), "for nine steps"),
    ("state-2", "eleven steps", -math.log(2 ** (1 / 11) - 1), "for eleven steps"),
    ("state-3", "one too early", place_before, "One too early"),
    ("state-3", "largest", lambda s, m: (s * m[..., None]).max(1).values, "largest entry of each column"),
    ("state-4", "shares", lambda u, v, c, b: (u @ v.T + c + b).softmax(dim=1), "shares of the films"),
    ("state-4", "cosine", lambda u, v, c, b: unit(u) @ unit(v).T + c + b, "That is a cosine"),
]

WRONG += [
    (
        "state-4",
        "row by row",
        lambda u, v, c, b: torch.stack([v @ x + c + b for x in u]),
        "One matrix product",
    ),
]
