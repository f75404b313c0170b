"""Wrong answers to the exercises on convolution, and a part of the hint that each must get."""

import math

import torch
from torch.nn import functional as F


def turned_round(x, W, b):
    return F.conv1d(x, W.flip(-1), b)


def channels_apart(x, W, b):
    K = W.shape[-1]
    places = [torch.einsum("bck,ock->boc", x[..., t : t + K], W) for t in range(x.shape[-1] - K + 1)]
    return torch.stack(places, dim=-1) + b[:, None, None]


def one_short(x, W, b):
    return F.conv1d(x, W, b)[..., : x.shape[-1] - W.shape[-1]]


def sorted_values(y):
    return y.flatten().sort().values


def never_reorders(layer, F=4, d=6):
    V = torch.randn(F, d)
    return torch.allclose(layer(V), layer(V[:, torch.arange(d)]))


def unsorted(layer, F=4, d=6):
    V, order = torch.randn(F, d), torch.randperm(d)
    return torch.allclose(layer(V), layer(V[:, order]), atol=1e-5)


def reversal(layer, F=4, d=6):
    V = torch.randn(F, d)
    return torch.allclose(sorted_values(layer(V)), sorted_values(layer(V.flip(-1))), atol=1e-5)


def rows(layer, F=4, d=6):
    for _ in range(10):
        V, columns, lines = torch.randn(F, d), torch.randperm(d), torch.randperm(F)
        if not torch.allclose(sorted_values(layer(V)), sorted_values(layer(V[lines][:, columns])), atol=1e-5):
            return False
    return True


def sums(layer, F=4, d=6):
    for _ in range(10):
        V, order = torch.randn(F, d), torch.randperm(d)
        if not torch.allclose(layer(V).sum(), layer(V[:, order]).sum(), atol=1e-4):
            return False
    return True


def other_way(layer, F=4, d=6):
    for _ in range(10):
        V, order = torch.randn(F, d), torch.randperm(d)
        if not torch.allclose(sorted_values(layer(V)), sorted_values(layer(V[:, order])), atol=1e-5):
            return True
    return False


WRONG = [
    ("conv-1", "no bias", [-1, 4, 1], "bias is missing"),
    ("conv-1", "turned round", [4, 1, 6], "turned the kernel round"),
    ("conv-1", "first channel", [0, 3, 0], "Only the first"),
    ("conv-1", "second channel", [1, 3, 3], "Only the second"),
    ("conv-1", "bias twice", torch.tensor([1, 6, 3]), "once per channel"),
    ("conv-1", "four outputs", [0, 5, 2, 6], "must lie inside"),
    ("conv-1", "added", [4, 5, 4], "taken off"),
    ("conv-1", "channels exchanged", [2, 5, 0], "channels are exchanged"),
    ("conv-2", "bias per channel", lambda x, W, b: F.conv1d(x, W, b * x.shape[1]), "once per output"),
    ("conv-2", "no bias", lambda x, W, b: F.conv1d(x, W), "bias is missing"),
    ("conv-2", "turned round", turned_round, "turned round"),
    ("conv-2", "bent", lambda x, W, b: F.relu(F.conv1d(x, W, b)), "ReLU"),
    ("conv-2", "channels apart", channels_apart, "over the channels"),
    ("conv-2", "one short", one_short, "last window"),
    ("conv-2", "padded", lambda x, W, b: F.conv1d(x, W, b, padding=1), "padded the ends"),
    ("conv-3", "twice", lambda F, K: (F - K + 1) * math.comb(K, 2), "there twice"),
    ("conv-3", "both sides", lambda F, K: (K - 1) * (2 * F - K), "both its sides"),
    ("conv-3", "never", lambda F, K: math.comb(max(F - K + 1, 0), 2), "never meet. Asked"),
    ("conv-3", "first of each window", lambda F, K: (K - 1) * (F - K + 1), "first field of each window"),
    ("conv-3", "all pairs", lambda F, K: math.comb(F, 2), "all pairs"),
    ("conv-3", "one too far", lambda F, K: sum(F - s for s in range(1, K + 1)), "at most K - 1"),
    ("conv-3", "neighbours", lambda F, K: F - 1, "K = 2 only"),
    ("conv-3", "windows", lambda F, K: F - K + 1, "number of windows"),
    ("conv-3", "ring", lambda F, K: F * (K - 1), "ring"),
    ("conv-4", "same to all", never_reorders, "to every layer"),
    ("conv-4", "not sorted", unsorted, "sort before"),
    ("conv-4", "reversed only", reversal, "symmetric kernel"),
    ("conv-4", "sums only", sums, "compares sums"),
    ("conv-4", "lines as well", rows, "which *line*"),
    ("conv-4", "other way round", other_way, "wrong way round"),
    ("conv-5", "sum", sum, "overlap"),
    ("conv-5", "product", math.prod, "does not multiply"),
    ("conv-5", "one too few", lambda kernels: sum(kernels) - len(kernels), "One too few"),
    ("conv-5", "one side", lambda kernels: 1 + sum(k // 2 for k in kernels), "one side of the window"),
    ("conv-5", "outputs left", lambda kernels: 60 + len(kernels) - sum(kernels), "outputs are left"),
    ("conv-5", "widest", max, "widest window"),
    ("conv-5", "threes only", lambda kernels: 2 * len(kernels) + 1, "width 3. Others"),
]


# Of a reader who knew the exercises only from the page.


def compared(*pick, order=torch.randperm):
    """A test that looks at `pick` of both outputs only."""

    def test(layer, F=4, d=6):
        for _ in range(20):
            V = torch.randn(F, d)
            here, there = (layer(x) for x in (V, V[:, order(d)]))
            if not all(torch.allclose(p(here), p(there), atol=1e-5) for p in pick):
                return False
        return True

    return test


def first_two_exchanged(d):
    return torch.tensor([1, 0, *range(2, d)])


WRONG += [
    ("conv-2", "first channel", lambda x, W, b: F.conv1d(x[:, :1], W[:, :1], b), "Only the first channel"),
    ("conv-2", "mean", lambda x, W, b: F.conv1d(x / x.shape[1], W, b), "mean of the channels"),
    ("conv-3", "with itself", lambda F, K: sum(F - s for s in range(K)), "at a distance of 0"),
    ("conv-3", "all like the first", lambda F, K: (F - 1) * (K - 1), "fewer behind them"),
    ("conv-4", "largest only", compared(torch.max), "largest value only"),
    ("conv-4", "one exchange", compared(sorted_values, order=first_two_exchanged), "stands their exchange"),
    ("conv-4", "not flattened", compared(lambda y: y.sort().values), "lines, too"),
    ("conv-5", "last layer", lambda kernels: kernels[-1], "what the last layer sees"),
    ("conv-5", "doubled", lambda kernels: 1 + 2 ** len(kernels), "not by doubling"),
]

WRONG += [
    ("conv-5", "an empty list", lambda ks: ks[0] + sum(k - 1 for k in ks[1:]), "Without any layer"),
    ("conv-2", "an axis lost", lambda x, W, b: torch.nn.functional.conv1d(x, W, b).squeeze(), "size 1"),
]
