"""Wrong answers to the exercises of *Towers*, and a part of the hint that each must get."""

import torch

E = torch.tensor([[1.0, 1.0], [3.0, 0.0], [0.0, -1.0]])
S = torch.tensor([2.0, 0.0, -2.0])


def scores(q, e):
    return (e @ q[..., None])[..., 0]  # (B, L)


def pool(divide=True, fill=float("-inf"), mask_it=True, zero_empty=True):
    def answer(q, e, mask):
        s = scores(q, e) / (q.size(1) ** 0.5 if divide else 1)
        if mask_it:
            s = torch.where(mask, s, torch.tensor(fill))
        a = torch.softmax(s, 1)
        a = a.nan_to_num() if zero_empty else a
        return (a[..., None] * e).sum(1)

    return answer


def mean(q, e, mask):
    n = mask.sum(1).clamp(min=1)
    return (e * mask[..., None]).sum(1) / n[:, None]


def best(u, v, seen, k):
    return torch.where(seen, torch.tensor(float("-inf")), u @ v.T).argsort(1, descending=True)[:, :k]


def first_row_only(f):
    e, mask = torch.randn(4, 5, 3), torch.arange(5) < torch.tensor([5, 3, 1, 0])[:, None]
    noisy = torch.where(mask[..., None], e, torch.randn_like(e))
    return not torch.allclose(f(e, mask)[1], f(noisy, mask)[1], atol=1e-5)


def never_empty(f):
    e, mask = torch.randn(3, 5, 3), torch.arange(5) < torch.tensor([2, 3, 5])[:, None]
    noisy = torch.where(mask[..., None], e, torch.randn_like(e))
    return not torch.allclose(f(e, mask), f(noisy, mask), atol=1e-5)


def exact(f):
    e, mask = torch.randn(4, 5, 3), torch.arange(5) < torch.tensor([0, 1, 3, 5])[:, None]
    noisy = torch.where(mask[..., None], e, 1e3 * torch.ones_like(e))
    return not torch.equal(f(e, mask), f(noisy, mask))


WRONG = [
    ("tower-1", "no division", torch.softmax(S, 0) @ E, "division by 2 is missing"),
    ("tower-1", "divided by 4", torch.softmax(S / 4, 0) @ E, "You divided by 4"),
    ("tower-1", "no softmax", [1.0, 2.0], "The softmax is missing"),
    ("tower-1", "mean", [4 / 3, 0.0], "That is the mean"),
    ("tower-1", "weights", torch.softmax(S / 2, 0), "three weights"),
    ("tower-2", "no mask", pool(mask_it=False), "Padding has a weight"),
    ("tower-2", "no division", pool(divide=False), "division by the root"),
    ("tower-2", "filled with 0", pool(fill=0.0), "fill with minus infinity"),
    ("tower-2", "mean", mean, "the query has no say"),
    ("tower-2", "nan for nobody", pool(zero_empty=False), "gives nan"),
    ("tower-3", "once", lambda s: 2 - s, "appears twice"),
    ("tower-3", "half", lambda s: 1 - s, "half of it"),
    ("tower-3", "plus", lambda s: 2 * (1 + s), "has a minus"),
    ("tower-3", "distance", lambda s: (2 * (1 - s)) ** 0.5, "Its square"),
    (
        "tower-4",
        "seen films",
        lambda u, v, seen, k: (u @ v.T).argsort(1, descending=True)[:, :k],
        "that were seen",
    ),
    ("tower-4", "only seen", lambda u, v, seen, k: best(u, v, ~seen, k), "kept what was seen"),
    ("tower-4", "worst first", lambda u, v, seen, k: best(u, v, seen, k).flip(1), "order is turned round"),
    (
        "tower-4",
        "scores",
        lambda u, v, seen, k: (u @ v.T - 1e9 * seen).topk(k).values,
        "row numbers",
    ),
    ("tower-4", "by number", lambda u, v, seen, k: best(u, v, seen, k).sort(1)[0], "Sorted by number"),
    ("tower-5", "never", lambda f: False, "A mean over all places"),
    ("tower-5", "always", lambda f: True, "Masked attention is silent"),
    ("tower-5", "no empty history", never_empty, "0 real events"),
    ("tower-5", "says how much", lambda f: 0.3, "True or False"),
]

# Found by a second blind attack: answers of somebody who had seen neither the checks nor the solutions.


def over_users(q, e, mask):
    a = (scores(q, e) / 2).masked_fill(~mask, float("-inf")).softmax(0).nan_to_num()
    return torch.einsum("bl,bld->bd", a, e)


WRONG += [
    ("tower-2", "over the users", over_users, "over the users"),
    ("tower-2", "mask inverted", lambda q, e, mask: pool()(q, e, ~mask), "True is a real event"),
    ("tower-2", "squeezed", lambda q, e, mask: pool()(q, e, mask).squeeze(), "batch of one"),
    ("tower-3", "square of the product", lambda s: 2 - 2 * s * s, "not its square"),
    (
        "tower-4",
        "cosine",
        lambda u, v, seen, k: (
            (u @ torch.nn.functional.normalize(v, dim=1).T).masked_fill(seen, float("-inf")).topk(k).indices
        ),
        "rank by cosine",
    ),
    (
        "tower-4",
        "distance",
        lambda u, v, seen, k: (
            torch.cdist(u, v).masked_fill(seen, float("inf")).topk(k, largest=False).indices
        ),
        "rank by distance",
    ),
]

# Found by a student who worked through the chapter from the text alone.


def empty_or_long(f):
    """Its empty history has no padding at the first place."""
    e, mask = torch.randn(4, 5, 3), torch.arange(5) < torch.tensor([2, 3, 4, 5])[:, None]
    mask[0] = torch.tensor([False, True, True, False, True])
    noisy = torch.where(mask[..., None], e, torch.randn_like(e))
    return not torch.allclose(f(e, mask), f(noisy, mask), atol=1e-5)


WRONG += [
    ("tower-1", "root of 2", torch.softmax(S / 2**0.5, 0) @ E, "not by the root of 2"),
    (
        "tower-2",
        "films of zeros",
        lambda q, e, mask: pool(mask_it=False)(q, e * mask[..., None], mask),
        "of zeros",
    ),
    ("tower-3", "numbers", lambda s: (s - 1) ** 2, "not two numbers"),
    (
        "tower-4",
        "smallest first",
        lambda u, v, seen, k: (u @ v.T).masked_fill(seen, float("-inf")).argsort(1)[:, :k],
        "Smallest first",
    ),
    ("tower-5", "empty or long", empty_or_long, "a row for each length"),
]
