"""Attention of one target over a history of events, in the forms recommenders use.

All share one interface: `weights = attention(target, history, mask)` with target (B, d), history (B, L, d),
mask (B, L) True = real -> weights (B, L), zero where padded. A form only says how to score one event. Axes before
these broadcast: targets (1, I, d) and histories (U, 1, L, d) give (U, I, L), every target on every history.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbyhand.layers.activations import Dice


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    r"""Softmax over the last axis among the entries where mask is True; a row without any gives zeros.

    $$a_i = \exp(s_i) / \textstyle\sum_{j\ \mathrm{real}} \exp(s_j)$$

    scores and mask (..., L) -> (..., L). Safe in half precision.
    """
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, lowest).softmax(dim=-1) * mask


def weighted_sum(weights: Tensor, history: Tensor) -> Tensor:
    r"""$\sum_i a_i e_i$: weights (B, L), history (B, L, d) -> (B, d)."""
    return (weights[..., None] * history).sum(-2)


class Attention(nn.Module):
    r"""What the forms share: a score $s_i$ for every event, masked, and normalised or not.

    target (B, d), history (B, L, d), mask (B, L) -> weights (B, L), 0 where padded.

    normalise  True: softmax over the real events, so the weights sum to 1. False: the scores themselves; the sum of
               the weights then tells how strong the interest is
    """

    def __init__(self, normalise: bool = True):
        super().__init__()
        self.normalise = normalise

    def score(self, target: Tensor, history: Tensor, mask: Tensor) -> Tensor:
        raise TypeError("Attention is what the forms share; use one of them, such as DotAttention(d).")

    def forward(self, target: Tensor, history: Tensor, mask: Tensor) -> Tensor:
        return self.weigh(self.score(target, history, mask), mask)  # (B, L)

    def weigh(self, scores: Tensor, mask: Tensor) -> Tensor:
        """From scores to weights, (B, L) each."""
        return masked_softmax(scores, mask) if self.normalise else scores.masked_fill(~mask, 0)


class LinearAttention(Attention):
    r"""$s_i = w^\top e_i + b$: the event scores itself, blind to the target.

    target (B, d), history (B, L, d), mask (B, L) -> weights (B, L).
    """

    def __init__(self, d: int, normalise: bool = True):
        super().__init__(normalise)
        self.linear = nn.Linear(d, 1)

    def score(self, target: Tensor, history: Tensor, mask: Tensor) -> Tensor:
        return self.linear(history).squeeze(-1)  # (B, L)


class AdditiveAttention(Attention):
    r"""$s_i = w^\top \tanh(W [e_i, t] + b)$, with W of `hidden` rows.

    target (B, d), history (B, L, d), mask (B, L) -> weights (B, L). $W [e_i, t]$ is computed as $W_e e_i + W_t t$,
    which is the same and costs the target's part only once.
    Source: Bahdanau, Cho and Bengio 2015, arXiv:1409.0473.
    """

    def __init__(self, d: int, hidden: int = 16, normalise: bool = True):
        super().__init__(normalise)
        self.event = nn.Linear(d, hidden)
        self.target = nn.Linear(d, hidden, bias=False)
        self.out = nn.Linear(hidden, 1, bias=False)

    def score(self, target: Tensor, history: Tensor, mask: Tensor) -> Tensor:
        hidden = torch.tanh(self.event(history) + self.target(target)[..., None, :])  # (B, L, hidden)
        return self.out(hidden).squeeze(-1)  # (B, L)


class DotAttention(Attention):
    r"""$s_i = e_i^\top t / \sqrt d$; `scale=False` leaves the root out.

    target (B, d), history (B, L, d), mask (B, L) -> weights (B, L). Source: Vaswani et al. 2017, arXiv:1706.03762.
    """

    def __init__(self, d: int, scale: bool = True, normalise: bool = True):
        super().__init__(normalise)
        self.factor = d**-0.5 if scale else 1.0

    def score(self, target: Tensor, history: Tensor, mask: Tensor) -> Tensor:
        return torch.einsum("...ld,...d->...l", history, target) * self.factor  # (B, L)


class BilinearAttention(Attention):
    r"""$s_i = e_i^\top W t$, with W (d, d_target): the two may differ in length.

    target (B, d_target), history (B, L, d), mask (B, L) -> weights (B, L).
    Source: Luong, Pham and Manning 2015, arXiv:1508.04025, "general".
    """

    def __init__(self, d: int, d_target: int | None = None, normalise: bool = True):
        super().__init__(normalise)
        self.weight = nn.Linear(d_target or d, d, bias=False)

    def score(self, target: Tensor, history: Tensor, mask: Tensor) -> Tensor:
        return torch.einsum("...ld,...d->...l", history, self.weight(target))  # (B, L)


class ElementwiseAttention(Attention):
    r"""$s_i = w^\top (e_i \odot t) + b$: a dot product that may weigh its dimensions.

    target (B, d), history (B, L, d), mask (B, L) -> weights (B, L).
    """

    def __init__(self, d: int, normalise: bool = True):
        super().__init__(normalise)
        self.linear = nn.Linear(d, 1)

    def score(self, target: Tensor, history: Tensor, mask: Tensor) -> Tensor:
        return self.linear(history * target[..., None, :]).squeeze(-1)  # (B, L)


class LocalActivationUnit(Attention):
    r"""The unit of DIN, a two-layer perceptron on an event, the target, and their product.

    $$s_i = w^\top \mathrm{Dice}(W_e e_i + W_t t + W_x (e_i \odot t) + b) + c$$

    target (B, d), history (B, L, d), mask (B, L) -> weights (B, L); `hidden` is the number of rows of W.
    The paper speaks of an "out product" of e and t, its code multiplies number by number. The difference e_i - t of
    public implementations is a linear function of the first two, and adds nothing. As in the paper the weights are
    not normalised, so that a history with more of the matching events gives a longer vector.

    c starts at 1, all else near 0: untrained, every event weighs about 1, and DIN starts as the paper's base model,
    which adds the history up. Were c near 0 as well, so would be that sum, and the gradients of the vectors in
    it: some starts would find likeness many epochs late.

    Source: Zhou et al. 2018, Deep interest network, arXiv:1706.06978.
    """

    def __init__(self, d: int, hidden: int = 36, normalise: bool = False):
        super().__init__(normalise)
        self.event = nn.Linear(d, hidden)
        self.target = nn.Linear(d, hidden, bias=False)
        self.product = nn.Linear(d, hidden, bias=False)
        self.dice = Dice(hidden)
        self.out = nn.Linear(hidden, 1)
        nn.init.ones_(self.out.bias)

    def score(self, target: Tensor, history: Tensor, mask: Tensor) -> Tensor:
        product = self.product(history * target[..., None, :])  # (B, L, hidden)
        hidden = self.event(history) + self.target(target)[..., None, :] + product  # (B, L, hidden)
        return self.out(self.dice(hidden, mask)).squeeze(-1)  # (B, L)
