"""Wrong answers to the exercises on training on two things, and a part of the hint that each must get."""

import math

import torch
import torch.nn.functional as F


def unmasked(states, tokens, mask, E):
    return F.cross_entropy((states[:, :-1] @ E.T).flatten(0, 1), tokens[:, 1:].flatten())


def unshifted(states, tokens, mask, E):
    return F.cross_entropy(states[mask] @ E.T, tokens[mask])


def other_mask(states, tokens, mask, E):
    return F.cross_entropy(states[:, :-1][mask[:, :-1]] @ E.T, tokens[:, 1:][mask[:, :-1]])


def summed(states, tokens, mask, E):
    return F.cross_entropy(states[:, :-1][mask[:, 1:]] @ E.T, tokens[:, 1:][mask[:, 1:]], reduction="sum")


def twice(states, tokens, mask, E):
    p = torch.softmax(states[:, :-1][mask[:, 1:]] @ E.T, 1)
    return F.cross_entropy(p, tokens[:, 1:][mask[:, 1:]])


def row_by_row(states, tokens, mask, E):
    means = []
    for s, t, count in zip(states, tokens, mask.sum(1).tolist(), strict=True):
        if count > 1:
            means.append(F.cross_entropy(s[: count - 1] @ E.T, t[1:count]))
    return sum(means) / len(means)


def looks_back(states, tokens, mask, E):
    return F.cross_entropy(states[:, 1:][mask[:, 1:]] @ E.T, tokens[:, :-1][mask[:, 1:]])


def over_places(states, tokens, mask, E):
    p = torch.softmax(states[:, :-1] @ E.T, dim=1)
    return -p.gather(2, tokens[:, 1:, None]).log().squeeze(2)[mask[:, 1:]].mean()


def no_logarithm(states, tokens, mask, E):
    p = torch.softmax(states[:, :-1][mask[:, 1:]] @ E.T, dim=1)
    return -p.gather(1, tokens[:, 1:][mask[:, 1:]][:, None]).mean()


def under_a_lid(states, tokens, mask, E):
    return F.cross_entropy((states[:, :-1][mask[:, 1:]] @ E.T).tanh(), tokens[:, 1:][mask[:, 1:]])


WRONG = [
    ("two-1", "backwards", lambda h: (h[:, 1:], h[:, :-1]), "BEFORE the one read"),
    ("two-1", "a copy", lambda h: (h[:, :-1], h[:, :-1]), "just read: a copy"),
    ("two-1", "users shifted", lambda h: (h[:-1], h[1:]), "shifted the users"),
    ("two-1", "rolled round", lambda h: (h, torch.roll(h, -1, dims=1)), "first of the history"),
    ("two-1", "one slice twice", lambda h: (h[:, 1:], h[:, 1:].clone()), "Both are the same slice"),
    ("two-2", "one softmax", 0, "With one softmax"),
    ("two-2", "knows nothing", math.log(50_000), "knows nothing"),
    ("two-2", "the probability", math.e / (math.e + 49_999), "That is the probability"),
    ("two-2", "a thousand films", 5.90947, "for 1,000 films"),
    ("two-3", "no mask", unmasked, "Padding is among"),
    ("two-3", "no shift", unshifted, "Shift by one"),
    ("two-3", "mask of the film read", other_mask, "NEXT film is real"),
    ("two-3", "sum", summed, "That is the sum"),
    ("two-3", "two softmaxes", twice, "Two softmaxes"),
    ("two-3", "mean of means", row_by_row, "short histories weigh more"),
    ("two-3", "looks back", looks_back, "Turn the shift round"),
    ("two-3", "softmax over the places", over_places, "the last axis"),
    ("two-3", "probability", no_logarithm, "The logarithm is missing: that"),
    ("two-3", "tanh", under_a_lid, "A tanh holds"),
    ("two-4", "the term itself", lambda s, q, n: (s - (n * q).log()).exp(), "IN the exponential"),
    ("two-4", "n outside", lambda s, q, n: s - n * q.log(), "not n log q"),
    ("two-4", "no q", lambda s, q, n: s - math.log(n), "q is missing"),
    ("two-4", "nothing", lambda s, q, n: s.clone(), "Nothing was corrected"),
    ("two-4", "sign", lambda s, q, n: s + (n * q).log(), "The sign"),
    ("two-4", "no n", lambda s, q, n: s - q.log(), "n is missing"),
    ("two-4", "divided", lambda s, q, n: s / (n * q), "divided the score"),
    ("two-5", "a table", 122 * 16, "Is there one? Print"),
    ("two-5", "a table of the real films", 120 * 16, "Is there one here?"),
    ("two-5", "an output layer", 120 * 17, "nn.Linear"),
    ("two-5", "alpha", 1, "Alpha is a setting"),
]


# Of a reader who knew the exercises only from the page.


def per_row(states, tokens, mask, E):
    return summed(states, tokens, mask, E) / len(states)


def zeros_asked(states, tokens, mask, E):
    return unmasked(states * mask[..., None], tokens, mask, E)


def one_film(states, tokens, mask, E):
    score = (states[:, :-1] * E[tokens[:, 1:]]).sum(-1)  # (B, L-1)
    return -torch.sigmoid(score[mask[:, 1:]]).log().mean()


WRONG += [
    ("two-2", "under a tanh", math.log(1 + 49_999 / math.e**2), "under a tanh"),
    ("two-2", "base 10", math.log10(50_000), "to base 10. And"),
    ("two-3", "by row", per_row, "by the rows of the batch"),
    ("two-3", "zeros are asked", zeros_asked, "are still questions"),
    ("two-3", "sigmoid", one_film, "by a sigmoid. A softmax"),
    ("two-4", "base 10", lambda s, q, n: s - (n * q).log10(), "to base 10. The exp"),
    ("two-4", "multiplied", lambda s, q, n: s * (n * q).log(), "taken off, not multiplied"),
]


def rows_first(states, tokens, mask, E):
    loss = torch.nn.functional.cross_entropy((states[:, :-1] @ E.T).mT, tokens[:, 1:], reduction="none")
    real = mask[:, 1:]
    return ((loss * real).sum(1) / real.sum(1).clamp(min=1)).mean()


WRONG += [("two-3", "rows first, empty ones too", rows_first, "without questions as 0")]
