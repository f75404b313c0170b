"""What is known of a planted world: the probabilities, the best possible score, and where the cause lies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from recbyhand.data.batch import Batch, Schema


class Estimate(float):
    """A number with its 95 % interval: a float that also has `.low` and `.high`."""

    low: float
    high: float

    def __new__(cls, value: float, error: float = 0.0):
        number = super().__new__(cls, value)
        number.low, number.high = value - 1.96 * error, value + 1.96 * error
        return number

    def __repr__(self) -> str:
        return f"{float(self):.4f} [{self.low:.4f}, {self.high:.4f}]"

    __str__ = __repr__

    def __getnewargs__(self):
        return float(self), (self.high - self.low) / 3.92


class Ceiling(NamedTuple):
    """The scores of a model that knows every probability."""

    auc: Estimate
    logloss: Estimate


class Precision(NamedTuple):
    """How often the largest weight stands at a relevant position, and how often a random one would."""

    precision: float
    chance: float
    rows: int  # rows that have a relevant position; the others are left out


def expected_auc(p) -> Estimate:
    r"""AUC of the scores `p` (n,) when each label is 1 with just that probability: no model can beat it.

    $$ A = \frac{\sum_{i \ne j} p_i (1 - p_j)\, h(p_i, p_j)}{\sum_{i \ne j} p_i (1 - p_j)},
       \qquad h(a, b) = [a > b] + \tfrac12 [a = b] $$

    in O(n log n). The interval is where 95 % of the AUCs measured on drawn labels fall; its variance is
    $\sum_i p_i (1 - p_i) (\partial A / \partial p_i)^2$, the delta method.
    Raises ValueError for fewer than two values or values outside [0, 1].
    """
    p = _probabilities(p, at_least=2)
    q = 1 - p
    _, level, size = np.unique(p, return_inverse=True, return_counts=True)
    level = level.reshape(-1)
    ones = np.bincount(level, p, len(size))  # expected positives per distinct p
    zeros = np.bincount(level, q, len(size))
    below = np.cumsum(zeros) - zeros  # expected negatives scored lower
    above = ones.sum() - np.cumsum(ones)  # expected positives scored higher
    wins = below[level] + (zeros[level] - q) / 2  # a pair of i with itself does not count
    losses = above[level] + (ones[level] - p) / 2
    pairs = p.sum() * q.sum() - (p * q).sum()
    if pairs <= 0:
        raise ValueError("every probability is 0 or every one is 1: no pair to rank")
    auc = (p * wins).sum() / pairs
    slope = (wins - losses - auc * ((q.sum() - q) - (p.sum() - p))) / pairs
    return Estimate(auc, np.sqrt((p * q * slope**2).sum()))


def expected_logloss(p) -> Estimate:
    """Mean entropy of the labels, -mean(p log p + (1-p) log(1-p)); interval as for `expected_auc`."""
    p = _probabilities(p, at_least=1)
    q = 1 - p
    log_p, log_q = np.log(p, where=p > 0, out=np.zeros_like(p)), np.log(q, where=q > 0, out=np.zeros_like(p))
    return Estimate(-(p * log_p + q * log_q).mean(), np.sqrt((p * q * (log_p - log_q) ** 2).sum()) / len(p))


def _probabilities(p, at_least: int) -> np.ndarray:
    p = np.asarray(p, dtype=float).ravel()
    if len(p) < at_least:
        raise ValueError(f"need at least {at_least} probabilities, got {len(p)}")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("probabilities must lie between 0 and 1")
    return p


@dataclass(eq=False, repr=False, kw_only=True)
class Truth:
    """The hidden side of a planted world. Arrays run in the order of the world's tables.

    p            (N,) click probability of each impression
    best_auc     expected AUC of a model that knows p, over all impressions; `ceiling(task.test)` for a part
    best_logloss the same for the log loss
    franchise    (M,) hidden franchise of each item: what "the same kind of thing" means in this world
    permutation  (n franchises,) in the world "order": a view of franchise f asks for permutation[f] next; in
                 "succession" permutation[g] is the franchise that g must directly follow
    cross        (8, 8) in "crosses", or a sum with it: the table S[group, kind]
    user_vectors, item_vectors   (U, 4), (M, 4) in "factors", or a sum with "taste"
    community, item_community, item_tag, user_tag   in "communities"
    relevant_views  (rows of `views`,) bool in "communities": the neighbours that tell the community
    fields       in "crosses": the pairs of fields whose interaction is planted
    """

    plant: str
    p: np.ndarray
    user: np.ndarray  # (N,) row in the users table of each impression, ascending
    time: np.ndarray  # (N,) ascending within a user
    user_ids: np.ndarray
    item_ids: np.ndarray
    franchise: np.ndarray | None = None
    permutation: np.ndarray | None = None
    cross: np.ndarray | None = None
    user_vectors: np.ndarray | None = None
    item_vectors: np.ndarray | None = None
    community: np.ndarray | None = None
    item_community: np.ndarray | None = None
    user_tag: np.ndarray | None = None
    item_tag: np.ndarray | None = None
    relevant_views: np.ndarray | None = None
    fields: tuple[tuple[str, str], ...] = ()
    best_auc: Estimate = field(init=False)
    best_logloss: Estimate = field(init=False)

    def __post_init__(self) -> None:
        self.best_auc, self.best_logloss = expected_auc(self.p), expected_logloss(self.p)

    def __repr__(self) -> str:
        known = [n for n, v in vars(self).items() if isinstance(v, np.ndarray)]
        return f"Truth of {self.plant!r}: best AUC {self.best_auc}, {', '.join(known)}"

    def probability(self, examples, schema: Schema | None = None) -> Tensor:
        """(B,) true click probability of each row of a `Batch` or of `Examples`, found by user and time."""
        user = self._rows(examples.user, self.user_ids, schema and schema.user_ids, "user")
        time = examples.time.cpu().numpy()
        span = int(max(self.time.max(), time.max(initial=0))) + 1
        keys, wanted = self.user * span + self.time, user * span + time
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        if not (keys[at] == wanted).all():
            row = int(np.flatnonzero(keys[at] != wanted)[0])
            raise KeyError(f"row {row} is no impression of this world; were the examples made from it?")
        return torch.from_numpy(self.p[at])

    def ceiling(self, examples, schema: Schema | None = None) -> Ceiling:
        """Best possible AUC and log loss on these rows, each with the interval that drawn labels leave."""
        p = self.probability(examples, schema)
        return Ceiling(expected_auc(p), expected_logloss(p))

    def relevant(self, batch: Batch, schema: Schema | None = None) -> Tensor:
        """(B, L) bool: the places of the history that decide this row, aligned with `batch.history`.

        interests, all   same hidden franchise as the target (all: also the last view, where it leads there)
        order            the last view
        drift            same franchise as the target, among the last four views
        communities      in the user's true community
        succession       the target's franchise directly after its predecessor, and that predecessor
        fading           same franchise as the target, at most 14 days back

        Of a sum, such as "drift+crosses", the first effect counts. `schema` is needed only where ids do not follow
        the order of the world's tables.
        Raises ValueError for worlds in which no history decides ("factors", "crosses").
        """
        plant = self.plant.split("+")[0]
        if plant in ("factors", "crosses"):
            raise ValueError(f"in the world {plant!r} no place of the history is relevant")
        mask = batch.history_mask  # (B, L)
        device = mask.device
        past = self._rows(batch.history, self.item_ids, schema and schema.item_ids, "item", mask)
        age = mask.flip(1).cumsum(1).flip(1)  # (B, L) 1 = newest
        if plant == "order":
            return mask & (age == 1)
        if plant == "communities":
            user = self._rows(batch.user, self.user_ids, schema and schema.user_ids, "user")
            return mask & torch.from_numpy(self.item_community[past] == self.community[user][:, None]).to(
                device
            )
        target = self._rows(batch.item, self.item_ids, schema and schema.item_ids, "item")
        past, target = self.franchise[past], self.franchise[target][:, None]
        same = torch.from_numpy(past == target).to(device)  # (B, L)
        if plant == "drift":
            return mask & same & (age <= 4)
        if plant == "fading":
            return mask & same & ((batch.time[:, None] - batch.history_time) <= 14 * 86_400)
        if plant == "succession":  # events of a history lie side by side, padding after the newest
            leads = torch.from_numpy(past == self.permutation[target]).to(device) & mask  # (B, L)
            second = torch.nn.functional.pad(leads[:, :-1], (1, 0)) & same & mask  # (B, L)
            return second | torch.nn.functional.pad(second[:, 1:], (0, 1))
        if plant == "all":
            leads = torch.from_numpy(self.permutation[past] == target).to(device)
            same = same | (leads & (age == 1))
        return mask & same

    def precision(self, weights: Tensor, batch: Batch, schema: Schema | None = None) -> Precision:
        """How often the largest of `weights` (B, L) is at a relevant position, beside chance.

        Tied largest weights count by the share of them that is relevant, so equal weights score chance.
        Rows without a relevant position are left out.
        """
        relevant = self.relevant(batch, schema)
        if weights.shape != relevant.shape:
            raise ValueError(
                f"weights must be {tuple(relevant.shape)}, one per history place, got {tuple(weights.shape)}"
            )
        keep = relevant.any(1)
        weights, relevant, mask = weights.detach()[keep], relevant[keep], batch.history_mask[keep]
        if not len(weights):
            return Precision(float("nan"), float("nan"), 0)
        weights = weights.masked_fill(~mask, -torch.inf)
        top = weights == weights.amax(1, keepdim=True)
        hit = (top & relevant).sum(1) / top.sum(1)
        return Precision(hit.mean().item(), (relevant.sum(1) / mask.sum(1)).mean().item(), len(weights))

    @staticmethod
    def _rows(ids: Tensor, own: np.ndarray, known: tuple | None, what: str, mask: Tensor | None = None):
        """Row in the world's table of each model id (2, 3, ...); padding gets row 0."""
        ids = ids.cpu().numpy()
        real = np.ones(ids.shape, bool) if mask is None else mask.cpu().numpy()
        if (ids[real] < 2).any():
            raise ValueError(f"an unknown {what} (id 1) has no place in the truth")
        if known:  # the schema's own order
            row = {key: k for k, key in enumerate(own.tolist())}
            table = np.array([0, 0, *(row[key] for key in known)])
        else:
            table = np.concatenate([[0, 0], np.arange(len(own))])
        return np.where(real, table[np.where(real, ids, 0)], 0)
