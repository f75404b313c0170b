"""Predicting which item comes next: against the whole catalogue, a sample of it, or one other item."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def pick(mask: Tensor, target: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """The places that are True in `mask` (...): their targets (N,), and what belongs to them, (..., d) -> (N, d).

    On a device, to count them would be to wait for it. There every place stays, and one that is not meant has the
    target 0, padding, for which the losses below ask no prediction.
    """
    if mask.device.type == "cpu":
        return target[mask], *(other[mask] for other in others)
    target = torch.where(mask, target, 0).flatten()
    return target, *(other.flatten(0, mask.ndim - 1) for other in others)


def mean_of_predictions(terms: Tensor, target: Tensor) -> Tensor:
    """() the mean of terms (N,) over the rows whose target is an item, not padding; 0 if there is none."""
    real = target > 0  # (N,)
    return torch.where(real, terms, 0).sum() / real.sum().clamp(min=1)


def sample_negatives(
    positive: Tensor, n_items: int, n: int = 1, generator: torch.Generator | None = None
) -> Tensor:
    """n ids per positive, uniform over the real items (ids 2, 3, ...) except the positive itself.

    positive (...) -> (..., n). Drawn from one item fewer, then stepped over the positive: no rejection
    needed. A catalogue of one item has no negative: ValueError.
    """
    if n_items < 4:
        raise ValueError("negatives need at least two real items in the catalogue (ids 2 and 3)")
    shape = (*positive.shape, n)
    draw = torch.randint(2, n_items - 1, shape, generator=generator, device=positive.device)  # (..., n)
    return draw + (draw >= positive[..., None]) * (positive[..., None] >= 2)  # (..., n)


def full_softmax_loss(state: Tensor, target: Tensor, items: Tensor) -> Tensor:
    r"""The mean over N predictions of $-\log \mathrm{softmax}(E h)_y$, over the whole catalogue.

    state h (N, d), target y (N,) ids, items E (M, d); ids 0 and 1 are never predicted, and a row whose target is 0
    predicts nothing. The logits go straight into the cross-entropy, which contains the softmax.
    """
    logits = state @ items[2:].T  # (N, M - 2)
    total = F.cross_entropy(logits, target - 2, reduction="sum", ignore_index=-2)  # ()
    return total / (target > 0).sum().clamp(min=1)  # 0 for no prediction


def sampled_softmax_loss(
    state: Tensor,
    target: Tensor,
    items: Tensor,
    n: int,
    probability: Tensor | None = None,
    correct: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""The same loss with the sum over the catalogue estimated from n sampled items.

    $$-s_y + \log\Bigl(\exp s_y + \sum_{j=1}^{n} \exp(s_j - \log(n q_j))\Bigr), \qquad s_i = e_i^\top h$$

    state h (N, d), target y (N,) ids, items e (M, d). Items are drawn with `probability` q (M,) (default: uniform over
    real items), once for the whole batch. An item that is drawn often would be pushed down often; log(n q) repays that
    (the "logQ" correction): the sum over the draws is then an unbiased estimate of the sum of exp(s) over the
    catalogue. `correct=False` leaves it out, to see what goes wrong. A draw that equals a row's own target is left out
    of that row. Source: Bengio and Senecal 2008, Adaptive importance sampling, doi:10.1109/TNN.2007.912312.
    """
    if probability is None:
        probability = torch.ones(len(items), device=items.device)
    q = probability.clone()  # (M,)
    q[:2] = 0
    q = q / q.sum()
    drawn = torch.multinomial(q, n, replacement=True, generator=generator)  # (n,)
    positive = (state * items[target]).sum(-1, keepdim=True)  # (N, 1)
    negative = state @ items[drawn].T  # (N, n)
    if correct:
        negative = negative - (n * q[drawn]).log()  # (N, n)
    negative = negative.masked_fill(drawn == target[:, None], torch.finfo(negative.dtype).min)  # (N, n)
    logits = torch.cat([positive, negative], dim=1)  # (N, 1 + n)
    first = torch.where(target > 0, 0, -100)  # (N,) a row without a target is left out
    return F.cross_entropy(logits, first, reduction="sum") / (target > 0).sum().clamp(min=1)


def negative_sampling_loss(
    state: Tensor, right: Tensor, wrong: Tensor, target: Tensor | None = None
) -> Tensor:
    r"""Tell the item that came from one that did not.

    $$-\frac1N \sum \Bigl(\log \sigma(h^\top e) + \log\bigl(1 - \sigma(h^\top e')\bigr)\Bigr)$$

    state h, right e, wrong e' (N, d). With e' = e the loss is at least 2 ln 2: nothing can be told apart. With the
    ids `target` (N,), a row whose target is 0 predicts nothing.
    Sources: the auxiliary loss of DIEN, Zhou et al. 2019, arXiv:1809.03672, equation 6; "negative sampling" in
    Mikolov et al. 2013, arXiv:1310.4546.
    """
    right, wrong = (state * right).sum(-1), (state * wrong).sum(-1)  # (N,), (N,)
    terms = -(F.logsigmoid(right) + F.logsigmoid(-wrong))  # (N,)
    return terms.sum() / max(len(right), 1) if target is None else mean_of_predictions(terms, target)


def gbce_loss(
    state: Tensor,
    target: Tensor,
    items: Tensor,
    n: int,
    calibration: float = 0.75,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Binary cross-entropy with n sampled negatives, whose positive counts less the fewer items are sampled.

    $$ -\frac{1}{n + 1} \Bigl(\beta \log \sigma(s_+) + \sum_{j} \log(1 - \sigma(s_j))\Bigr), \qquad
       \beta = \alpha\, (t (1 - 1/\alpha) + 1/\alpha), \quad \alpha = n / (M - 1) $$

    state (N, d), target (N,) ids, items (M + 2, d), of which 0 and 1 are never drawn. Among few negatives an item looks
    likelier than it is in the catalogue; t = `calibration` = 1 undoes that, t = 0 is plain BCE with n negatives. The n
    items are drawn once for the whole batch; one that equals a row's own target is left out of that row. The mean over
    N; 0 for N = 0. Raises ValueError for a calibration outside [0, 1].
    Source: Petrov and Macdonald 2023, gSASRec, arXiv:2308.07192.
    """
    if not 0 <= calibration <= 1:
        raise ValueError(f"calibration={calibration}: give a number from 0 (plain BCE) to 1")
    alpha = min(n / max(len(items) - 3, 1), 1.0)  # M - 1 items are no target
    beta = alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)
    drawn = torch.randint(2, len(items), (n,), generator=generator, device=items.device)  # (n,)
    right = F.logsigmoid((state * items[target]).sum(-1))  # (N,)
    wrong = F.logsigmoid(-(state @ items[drawn].T)).masked_fill(drawn == target[:, None], 0)  # (N, n)
    real = target > 0  # (N,)
    right, wrong = torch.where(real, right, 0), torch.where(real[:, None], wrong, 0)
    return -(beta * right.sum() + wrong.sum()) / (n + 1) / real.sum().clamp(min=1)
