"""Steps that touch only the rows of a table that a batch has read."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def rows_only(model: nn.Module) -> nn.Module:
    """Let the tables of `model` have gradients of the rows that were read, for `RowAdamW`. Returns the model.

    Tables of single numbers stay as they are: a step over all of them is cheap, and models read them in another way.
    With several processes a table must be read row by row only: DistributedDataParallel refuses a model that also
    reads it as a whole ("Expected variable to have sparse gradient"), such as for a softmax over all items.
    """
    for module in model.modules():
        if isinstance(module, nn.Embedding) and module.embedding_dim > 1:
            module.sparse = True
    return model


def values(gradient: Tensor) -> Tensor:
    """The numbers of a gradient, of one with rows those of its rows, (J, d)."""
    return gradient._values() if gradient.is_sparse else gradient


class RowAdamW(Optimizer):
    r"""AdamW that leaves alone the rows of a table that the batch has not read.

    $$m_j \leftarrow \beta_1 m_j + (1 - \beta_1) g_j, \qquad v_j \leftarrow \beta_2 v_j + (1 - \beta_2) g_j^2, $$

    $$w_j \leftarrow (1 - \eta \lambda)\, w_j
      - \eta\, \frac{m_j / (1 - \beta_1^t)}{\sqrt{v_j / (1 - \beta_2^t)} + \epsilon}$$

    for the rows j of the batch where the gradient has rows (`rows_only(model)`), for all others as well elsewhere,
    where it is AdamW. t counts steps. A row that no batch reads neither decays nor drifts on by its momentum, as it
    would with AdamW: another rule, whose steps do not grow with the table. Memory does: m and v are as large.

    >>> rbh.fit(rows_only(model), task, optimizer=functools.partial(RowAdamW, lr=0.005))
    """

    def __init__(
        self, params, lr: float = 1e-3, betas=(0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.01
    ):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            (b1, b2), lr = group["betas"], group["lr"]
            for w in (w for w in group["params"] if w.grad is not None):
                state = self.state[w]
                if not state:
                    state |= {"step": torch.tensor(0.0), "m": torch.zeros_like(w), "v": torch.zeros_like(w)}
                state["step"] += 1
                t, m, v, g = state["step"].item(), state["m"], state["v"], w.grad
                if g.is_sparse:
                    g = g.coalesce()
                    rows, g = g.indices()[0], g.values()  # (J,), (J, d)
                    old = [part.index_select(0, rows) for part in (w, m, v)]
                else:
                    rows, old = None, (w, m, v)
                new_w, new_m, new_v = old
                new_m.lerp_(g, 1 - b1)
                new_v.mul_(b2).addcmul_(g, g, value=1 - b2)
                root = (new_v / (1 - b2**t)).sqrt_().add_(group["eps"])
                new_w.mul_(1 - lr * group["weight_decay"]).addcdiv_(new_m, root, value=-lr / (1 - b1**t))
                if rows is not None:
                    for part, new in ((w, new_w), (m, new_m), (v, new_v)):
                        part.index_copy_(0, rows, new)
