"""Wrong answers to the exercises of *BST*, and a part of the hint that each must get."""

import math

import torch


def with_target(real=True, first=False, all_real=False):
    def answer(history, mask, item):
        target = item.view(-1, 1)
        own = torch.full_like(target, real, dtype=torch.bool)
        mask = torch.ones_like(mask) if all_real else mask
        if first:
            return torch.hstack([target, history]), torch.hstack([own, mask])
        return torch.hstack([history, target]), torch.hstack([mask, own])

    return answer


def looks(row=-1, root=True, masked=True):
    def answer(x, W_Q, W_K, mask):
        q, k = x @ W_Q, x @ W_K
        s = torch.einsum("d,td->t", q[row], k) / (math.sqrt(k.size(1)) if root else 1)
        s = torch.where(mask, s, torch.tensor(float("-inf"))) if masked else s
        return torch.softmax(s, 0)

    return answer


def gain(scale, paired=True):
    def answer(small, large):
        d = large - small
        spread = d.std() if paired else (small.var() + large.var()).sqrt()
        return d.mean(), spread / scale(len(d))

    return answer


WRONG = [
    ("bst-1", "not cut off", 2 * math.log2(3601), "Cut off"),
    ("bst-1", "rounded up", 24, "rounds down"),
    ("bst-1", "one a doubling", 11, "one bucket per doubling"),
    ("bst-1", "cut off too early", 2 * int(math.log2(3601)), "Multiply first"),
    ("bst-1", "natural logarithm", 16, "natural logarithm"),
    ("bst-2", "target as padding", with_target(real=False), "marked as padding"),
    ("bst-2", "target in front", with_target(first=True), "in front"),
    ("bst-2", "everything real", with_target(all_real=True), "the padding too"),
    (
        "bst-2",
        "one event dropped",
        lambda h, m, i: (
            torch.hstack([h[:, 1:], i[:, None]]),
            torch.hstack([m[:, 1:], torch.ones(len(m), 1, dtype=torch.bool)]),
        ),
        "oldest event is gone",
    ),
    ("bst-3", "exchanged", lambda W, d: tuple(reversed(W.tensor_split([d], dim=1))), "exchanged"),
    ("bst-3", "rows", lambda W, d: W.tensor_split([d], dim=0), "You cut the rows"),
    ("bst-3", "transposed", lambda W, d: W.T.tensor_split([d], dim=0), "transposed"),
    ("bst-3", "halves", lambda W, d: W.tensor_split([W.size(1) // 2], dim=1), "equally wide"),
    ("bst-4", "first event asks", looks(row=0), "asked with the first"),
    ("bst-4", "no root", looks(root=False), "root of d_k is missing"),
    ("bst-4", "no mask", looks(masked=False), "mask is not used"),
    ("bst-4", "keys ask", lambda x, W_Q, W_K, mask: looks()(x, W_K, W_Q, mask), "exchanged"),
    ("bst-5", "spread of one", gain(lambda s: 1), "spread of one difference"),
    ("bst-5", "divided by S", gain(lambda s: s), "not by the number"),
    ("bst-5", "not paired", gain(math.sqrt, paired=False), "not paired"),
    ("bst-5", "mean only", lambda a, b: (b - a).mean(), "One number is missing"),
]

# Found by a second blind attack: answers of somebody who had seen neither the checks nor the solutions.


def behind(history, mask, item):
    items, real = [], []
    for row, known, target in zip(history.tolist(), mask.sum(1).tolist(), item.tolist()):
        items.append([*row[:known], target, *row[known:]])
        real.append([k <= known for k in range(len(row) + 1)])
    return torch.tensor(items), torch.tensor(real)


WRONG += [
    ("bst-2", "items only", lambda h, m, i: torch.cat([h, i[:, None]], 1), "and their mask"),
    ("bst-2", "mask too short", lambda h, m, i: (torch.cat([h, i[:, None]], 1), m), "The mask needs a place"),
    ("bst-2", "behind the last event", behind, "behind the last event"),
    ("bst-3", "one matrix", lambda W, d_e: W[:, :d_e], "W_p is asked for, too"),
    ("bst-3", "one column too far", lambda W, d_e: W.tensor_split((d_e + 1,), 1), "One column too far"),
    ("bst-5", "sum", lambda a, b: ((b - a).sum(), (b - a).std() / len(a) ** 0.5), "not the sum"),
]

# Found by a student who worked through the chapter from the text alone.
WRONG += [
    (
        "bst-5",
        "NumPy's deviation",
        lambda a, b: ((b - a).mean(), (b - a).numpy().std() / len(a) ** 0.5),
        "ddof=1",
    ),
    ("bst-5", "square of the error", lambda a, b: ((b - a).mean(), (b - a).var() / len(a)), "take its root"),
]
