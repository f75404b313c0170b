"""Wrong answers to the exercises of *Beyond*, and a part of the hint that each must get."""

import torch
import torch.nn.functional as F


def total(h, mask):
    return torch.einsum("btd,bt->bd", h, mask.float())


WRONG = [
    ("beyond-1", "no marks", ["un", "happ", "ily"], "written with their ##"),
    ("beyond-1", "a front piece inside", ["un", "happily"], "front of a word"),
    ("beyond-1", "too short", ["un", "##hap", "##p", "##ily"], "a longer piece fits there, too"),
    ("beyond-1", "too short at the end", ["un", "##happ", "##i", "##ly"], "At the end"),
    ("beyond-1", "does not fit", ["unhappy", "##ly"], "goes on with an i"),
    ("beyond-1", "unknown", ["[UNK]"], "not unknown"),
    ("beyond-2", "padding", lambda h, mask: F.normalize(h.sum(1), dim=1), "Padding is in your mean"),
    ("beyond-2", "long", lambda h, mask: total(h, mask) / mask.sum(1)[:, None], "not yet 1"),
    ("beyond-2", "sum", total, "the sum of the real pieces"),
    ("beyond-2", "first piece", lambda h, mask: F.normalize(h[:, 0], dim=1), "first piece alone"),
    (
        "beyond-2",
        "pieces scaled",
        lambda h, mask: total(F.normalize(h, dim=2), mask) / mask.sum(1)[:, None],
        "scaled each piece. Scale",
    ),
    ("beyond-3", "no root", lambda q, b: torch.dot(q, b), "so is the shift"),
    ("beyond-3", "d_k", lambda q, b: torch.dot(q, b) / q.numel(), "not d_k itself"),
    ("beyond-3", "nothing", lambda q, b: 0.0 * q[0], "The scores do change"),
    ("beyond-3", "no query", lambda q, b: b.sum() / q.numel() ** 0.5, "The query is missing"),
    ("beyond-3", "a vector", lambda q, b: q * b * q.numel() ** -0.5, "one number: sum"),
    ("beyond-4", "all alike", lambda a, n: a.sum(0) / len(a), "All clients count alike"),
    ("beyond-4", "no division", lambda a, n: (a * n[:, None]).sum(0), "add up to 1"),
    ("beyond-4", "sum", lambda a, n: torch.einsum("kd->d", a), "sum of the answers"),
    ("beyond-4", "by clients", lambda a, n: (a * n[:, None]).mean(0), "number of clients"),
    ("beyond-4", "softmax", lambda a, n: n.softmax(0) @ a, "softmax of the counts"),
    ("beyond-5", "no root", lambda mu, steps: steps / mu, "The root of the number"),
    ("beyond-5", "upside down", lambda mu, steps: mu / steps**0.5, "Upside down"),
    ("beyond-5", "times mu", lambda mu, steps: steps**0.5 * mu, "divide by it"),
    ("beyond-5", "one step", lambda mu, steps: 1 / mu, "single step"),
    ("beyond-5", "squared", lambda mu, steps: steps / mu / mu, "take the root"),
]

# Found by a second blind attack: answers of somebody who had seen neither the checks nor the solutions.
WRONG += [
    ("beyond-1", "with the ends", ["[CLS]", "un", "##happ", "##ily", "[SEP]"], "ends of a text"),
    ("beyond-1", "one text", "un ##happ ##ily", "a list of strings"),
    (
        "beyond-2",
        "over the batch",
        lambda h, mask: F.normalize(total(h, mask) / mask.sum(1, keepdim=True), dim=0),
        "scaled the columns",
    ),
    (
        "beyond-2",
        "largest",
        lambda h, mask: F.normalize(h.masked_fill(~mask[..., None], -torch.inf).amax(1), dim=-1),
        "largest of each number",
    ),
    (
        "beyond-2",
        "sum of sizes",
        lambda h, mask: F.normalize(total(h, mask), p=1, dim=-1),
        "absolute values sum to 1",
    ),
    (
        "beyond-2",
        "last piece",
        lambda h, mask: F.normalize(h[range(len(h)), mask.sum(1) - 1], dim=-1),
        "last piece alone",
    ),
    ("beyond-2", "one length for all", lambda h, mask: total(h, mask) / total(h, mask).norm(), "whole batch"),
    ("beyond-3", "exponential", lambda q, b: (q @ b / len(q) ** 0.5).exp(), "exponentials are multiplied by"),
    ("beyond-4", "root of the rows", lambda a, n: n.sqrt() @ a / n.sqrt().sum(), "root of the rows"),
    ("beyond-5", "mu twice", lambda mu, steps: steps**0.5 / mu / mu, "by mu twice"),
]
