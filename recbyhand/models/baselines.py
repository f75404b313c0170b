"""Models that learn nothing: they count. Whatever learns has to beat them."""

from __future__ import annotations

import torch
from torch import Tensor

from recbyhand.data.batch import Batch
from recbyhand.models.base import Recommender


class _Counting(Recommender):
    """Built from a task, whose training rows it counts; or from a schema alone, to be filled by `load`."""

    def __new__(cls, task=None):
        return super().__new__(cls, getattr(task, "schema", task))


class Popularity(_Counting):
    """Everybody likes what many like. Items are ranked by c_i, their number of likes in training:

        logit = a + b log(1 + c_i)

    Counts are not probabilities. The numbers a and b (Newton's method, maximum likelihood) turn them into
    some, without changing the ranking as long as b > 0: if liking does not rise with the count, b is 0.001.

    Source: Platt 1999, Probabilistic outputs for support vector machines, for the fit of a and b.
    """

    def __init__(self, task):
        super().__init__()
        self.register_buffer("logit", torch.zeros(self.schema.n_items))
        if task is not self.schema:
            _, item, label = task.interactions()
            x = torch.log1p(torch.bincount(item, label, len(self.logit)))  # (n_items,)
            a, b = _logistic_line(x[item].double(), label.double())
            self.logit.copy_(a + b * x)

    def forward(self, batch: Batch) -> Tensor:
        return self.logit[batch.item]  # (B,)

    def score_items(self, batch: Batch, items: Tensor) -> Tensor:
        """(U, I): the same list for everybody."""
        return self.logit[items].expand(len(batch), -1)


class UserItemMean(_Counting):
    """A generous user, a good film, and nothing about whether the two suit each other:

        logit = s(m_u) + s(m_i) - s(m),    s(p) = log(p / (1 - p)),
        m_u = (likes of u + k m) / (rows of u + k)

    m is the share of likes in training, m_i like m_u for the item. Both are pulled to m as if there were k = 10
    more rows of mean liking, so few rows say little and an unseen user or item says nothing.

    Source: the baseline estimate of Koren, Bell and Volinsky 2009, doi:10.1109/MC.2009.263, in log odds.
    """

    def __init__(self, task):
        super().__init__()
        self.register_buffer("user", torch.zeros(self.schema.n_users))
        self.register_buffer("item", torch.zeros(self.schema.n_items))
        self.register_buffer("mean", torch.zeros(()))
        if task is not self.schema:
            user, item, label = task.interactions()
            mean = (label.sum() + 1) / (len(label) + 2)  # never 0 or 1, whose logits are infinite
            self.mean.copy_(torch.logit(mean))
            for ids, side in ((user, self.user), (item, self.item)):
                likes, rows = torch.bincount(ids, label, len(side)), torch.bincount(ids, minlength=len(side))
                side.copy_(torch.logit((likes + 10 * mean) / (rows + 10)))

    def forward(self, batch: Batch) -> Tensor:
        return self.user[batch.user] + self.item[batch.item] - self.mean  # (B,)

    def score_items(self, batch: Batch, items: Tensor) -> Tensor:
        """(U, I)."""
        return self.user[batch.user][:, None] + self.item[items] - self.mean


class ItemNeighbours(_Counting):
    """Who liked what you watched, also liked: the sum over the history of how near its films are to the target,

        score = sum_{j in history} s_ij,    s_ij = |N(i) and N(j)| / sqrt(|N(i)| |N(j)|),    s_ii = 0

    N(i) are the users who like item i in training. Order and age count nothing. A score for rankings, no logit. The
    table is (n_items, n_items): for small catalogues.

    Source: Sarwar et al. 2001, doi:10.1145/371920.372071.
    """

    def __init__(self, task):
        super().__init__()
        self.register_buffer("near", torch.zeros(self.schema.n_items, self.schema.n_items))
        if task is not self.schema:
            user, item, label = task.interactions()
            likes = torch.zeros(self.schema.n_users, self.schema.n_items)  # (U, M)
            likes[user[label > 0], item[label > 0]] = 1
            length = likes.norm(dim=0).clamp(min=1)  # (M,)
            self.near.copy_((likes.T @ likes / length[:, None] / length).fill_diagonal_(0))

    def forward(self, batch: Batch) -> Tensor:
        near = self.near[batch.item[:, None], batch.history]  # (B, L)
        return (near * batch.history_mask).sum(1)  # (B,)

    def score_items(self, batch: Batch, items: Tensor) -> Tensor:
        """(U, I)."""
        read = self.near.new_zeros(len(batch), len(self.near))  # (U, M)
        read = read.scatter_add(1, batch.history, batch.history_mask.to(read))  # (U, M)
        return read @ self.near[items].T  # as in forward: rounding may leave the table not quite symmetric


def _logistic_line(x: Tensor, label: Tensor) -> tuple[float, float]:
    """a and b of the line a + b x under which the labels are most probable, with b above 0."""
    design = torch.stack([torch.ones_like(x), x], dim=1)  # (N, 2)
    line = torch.zeros(2, dtype=x.dtype)
    for _ in range(20):
        p = torch.sigmoid(design @ line)  # (N,)
        gradient = design.T @ (p - label) + 1e-3 * line  # a trace of shrinkage: finite even for one class
        curvature = (design.T * (p * (1 - p))) @ design + 1e-3 * torch.eye(2, dtype=x.dtype)
        line -= torch.linalg.solve(curvature, gradient)
    if line[1] > 1e-3:
        return tuple(line.tolist())
    mean = (label.sum() + 1) / (len(label) + 2)
    return float(torch.logit(mean) - 1e-3 * x.mean()), 1e-3
