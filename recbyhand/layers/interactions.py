"""How fields meet: the products of every two of them, summed (FM) or one by one (AFM)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FMInteraction(nn.Module):
    r"""The sum over all pairs of fields of their elementwise products, at a cost linear in the fields.

    $$f(v) = \sum_{i<j} v_i \odot v_j
           = \tfrac{1}{2}\Bigl[\bigl(\textstyle\sum_i v_i\bigr)^2 - \sum_i v_i^2\Bigr]
           = \sum_j v_j \odot (v_1 + \dots + v_{j-1})$$

    (B, F, d) -> (B, d), or (B,) with `scalar=True`, which sums over d as well: the pair term of FM.

    `method="identity"` is the middle form, known from the paper. It subtracts two large squares: of
    v = (1e4, 1e-3) it makes 8 instead of 10. The default, `"running"`, is the last: it multiplies each vector
    with the running sum of those before it, so that every pair comes once and nothing is subtracted. Half
    precision is raised to float32 first, and the result stays float32.

    Source: Rendle 2010, Factorization machines, doi:10.1109/ICDM.2010.127 (lemma 3.1); the vector form:
    He and Chua 2017, Neural factorization machines, arXiv:1708.05027 (Bi-Interaction).
    """

    def __init__(self, *, scalar: bool = False, method: str = "running"):
        super().__init__()
        if method not in ("running", "identity"):
            raise ValueError(f"method is 'running' or 'identity', not {method!r}")
        self.scalar, self.method = scalar, method

    def forward(self, v: Tensor) -> Tensor:
        if v.dtype in (torch.float16, torch.bfloat16):
            v = v.float()  # (B, F, d)
        if self.method == "identity":
            f = 0.5 * (v.sum(1) ** 2 - (v**2).sum(1))  # (B, d)
        else:
            f = (v[:, 1:] * v.cumsum(1)[:, :-1]).sum(1)  # (B, d)
        return f.sum(-1) if self.scalar else f  # (B,) or (B, d)


class PairwiseInteraction(nn.Module):
    r"""The elementwise product of every two fields, $e_{ij} = v_i \odot v_j$ for $i < j$, kept apart.

    (B, F, d) -> (B, P, d) with P = F (F - 1) / 2 pairs, in the order of `pairs(F)`: (0, 1), (0, 2), ...
    The cost is quadratic in the fields. Source: Xiao et al. 2017, Attentional factorization machines, arXiv:1708.04617.
    """

    @staticmethod
    def pairs(n_fields: int) -> list[tuple[int, int]]:
        """The P pairs (i, j), i < j, in the order of the output."""
        return [(i, j) for i in range(n_fields) for j in range(i + 1, n_fields)]

    def forward(self, v: Tensor) -> Tensor:
        i, j = torch.triu_indices(v.shape[1], v.shape[1], offset=1, device=v.device)  # (P,), (P,)
        return v.index_select(1, i) * v.index_select(1, j)  # (B, P, d)
