"""Two towers: a vector of the user, made from the history, and a vector of the item, so that items can be searched."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbyhand.arguments import flag, number, size, sizes
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import MLP, ItemVectors, MultiHeadAttention, UserVectors
from recbyhand.models.base import Recommender

LOSSES = ("in_batch", "sampled", "full", "bce")


class TwoTower(Recommender):
    r"""$$\mathrm{logit}_{ui} = \mathbf u \cdot \mathbf v_i / \tau, \qquad
      \mathbf u = \mathrm{MLP}[\mathrm{attention}(q_u, \mathrm{history}),\ \mathrm{user}], \qquad
      \mathbf v_i = \mathrm{MLP}(\mathrm{item}_i)$$

    The towers meet in the inner product alone: all item vectors can be computed before anybody asks, and the best are
    found by searching near u. Both have `out` numbers, length 1 with `normalise`, and $\tau$ is `temperature`.

    Pooling: a query of the user, a learned one plus a map of the user's vectors, attends over the history with `heads`
    heads; `pooling="mean"` is the control. `users=True` adds a vector per user id; a user who is unknown then has the
    zero vector, and his history still speaks. `shared` uses one table for items of the history and of the catalogue.

    loss     "in_batch": softmax of each like of the batch against the items of the other likes: popular items are
                         drawn more often, and their frequency is counted while training
             "sampled":  softmax of each like against `negatives` items, uniform over the catalogue
             "full":     softmax over the catalogue, which the two above estimate
             "bce":      binary cross-entropy of likes and dislikes, with a bias
    correct  True takes the log of the expected number of draws off the logits of the negatives, whose sum then
             estimates that of the catalogue; "all" takes it off the like's own logit too, which is the correction of
             Yi et al. 2019, doi:10.1145/3298689.3346996, and right for few negatives; False leaves it out
    hard     keeps, of the negatives of each like, only so many: those with the largest logits

    Sources: Huang et al. 2013 (DSSM), doi:10.1145/2505515.2505665; Covington et al. 2016, doi:10.1145/2959100.2959190.
    """

    seen: Tensor  # (n_items,) how often each item was a like of a batch

    # fmt: off
    def __init__(
        self, schema: Schema, *, dim: int = 16, heads: int = 2, out: int = 16, hidden: tuple[int, ...] = (32,),
        users: bool = False, features: bool = True, shared: bool = True, pooling: str = "attention",
        normalise: bool = True, temperature: float = 0.1, loss: str = "in_batch", negatives: int = 100,
        correct: bool | str = True, hard: int | None = None, dropout: float = 0.0,
    ):
        # fmt: on
        super().__init__()
        heads, out, hidden = size("heads", heads), size("out", out), sizes("hidden", hidden)
        dropout, shared = number("dropout", dropout, 0, 1), flag("shared", shared)
        if loss not in LOSSES:
            raise ValueError(f"loss={loss!r}: choose one of {', '.join(map(repr, LOSSES))}")
        if pooling not in ("attention", "mean"):
            raise ValueError(f"pooling={pooling!r}: choose 'attention' or 'mean'")
        self.kind, self.negatives = loss, size("negatives", negatives)
        if not isinstance(correct, bool) and correct != "all":
            raise ValueError(f'correct={correct!r}: give True, False or "all"')
        self.correct = correct
        self.hard = None if hard is None else size("hard", hard)
        self.normalise, self.n_items = flag("normalise", normalise), schema.n_items
        self.temperature = number("temperature", temperature, above=0)
        self.item = ItemVectors(schema, dim, features=features)
        self.past = self.item if shared else ItemVectors(schema, dim, features=features)
        self.user = UserVectors(schema, dim, ids=flag("users", users), features=features)
        self.pool, width = None, self.past.width
        if pooling == "attention":
            self.query = nn.Parameter(0.3 * torch.randn(dim))
            self.ask = nn.Linear(self.user.width, dim, bias=False) if self.user.width else None
            self.pool, width = MultiHeadAttention(dim, heads, memory_dim=width), dim
        self.user_tower = MLP([width + self.user.width, *hidden, out], dropout=dropout)
        self.item_tower = MLP([self.item.width, *hidden, out], dropout=dropout)
        if loss == "bce":
            self.bias = nn.Parameter(torch.zeros(()))
        else:  # a softmax does not notice one number on all logits
            self.register_buffer("bias", torch.zeros(()))
        self.register_buffer("seen", torch.zeros(schema.n_items))

    def user_vectors(self, batch: Batch) -> Tensor:
        """(B, out): what to search with."""
        user, e, mask = self.user(batch), self.past(batch.history), batch.history_mask  # (B, w), (B, L, d), (B, L)
        if self.pool is None:
            x = (e * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)  # (B, d)
        else:
            x = self.pool(self._asks(user), e, mask[:, None])[:, 0]  # (B, dim)
        u = self.user_tower(torch.cat([x, user], dim=1))  # (B, out)
        return F.normalize(u, dim=-1) if self.normalise else u

    def _asks(self, user: Tensor) -> Tensor:
        q = self.query.expand(len(user), -1)  # (B, dim)
        return (q if self.ask is None else q + self.ask(user))[:, None]  # (B, 1, dim)

    def item_vectors(self, items: Tensor) -> Tensor:
        """ids (...) -> (..., out): what an index is made of."""
        v = self.item_tower(self.item(items))  # (..., out)
        return F.normalize(v, dim=-1) if self.normalise else v

    def attention(self, batch: Batch) -> Tensor:
        """(B, H, L): the weight of each event of the history in each head; 0 where padded."""
        if self.pool is None:
            raise ValueError('pooling="mean" has no attention: all events weigh the same')
        query, e = self._asks(self.user(batch)), self.past(batch.history)  # (B, 1, dim), (B, L, d)
        return self.pool(query, e, batch.history_mask[:, None], return_weights=True)[1][:, :, 0]  # (B, H, L)

    def forward(self, batch: Batch) -> Tensor:
        return (self.user_vectors(batch) * self.item_vectors(batch.item)).sum(-1) / self.temperature + self.bias  # (B,)

    def score_items(self, batch: Batch, items: Tensor) -> Tensor:
        """(U, I): logits of the users of the batch with items (I,) common to all."""
        return self.user_vectors(batch) @ self.item_vectors(items).T / self.temperature + self.bias  # (U, I)

    def loss(self, batch: Batch, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """The term that `rbh.fit` minimises; the two softmaxes learn from the likes of the batch alone."""
        if self.kind == "bce":
            return {"click": F.binary_cross_entropy_with_logits(self(batch), batch.label)}
        batch = batch[batch.label > 0]  # P likes
        u, v = self.user_vectors(batch), self.item_vectors(batch.item)  # (P, out), (P, out)
        if self.kind == "in_batch":
            if self.training:
                self.seen += torch.bincount(batch.item, minlength=self.n_items)
            expected = (len(batch) - 1) * self.seen[batch.item] / self.seen.sum().clamp(min=1)  # (P,)
            own, items, other = expected[:, None], batch.item, v  # (P, 1), (P,), (P, out)
            known = (batch.user[:, None] == batch.user) & (batch.user > 1)  # (P, P) what the user likes, too
        else:
            if self.kind == "full":
                items, own = torch.arange(2, self.n_items, device=u.device), u.new_ones(())  # (I,), ()
            else:
                items = torch.randint(2, self.n_items, (self.negatives,), generator=generator, device=u.device)
                own = u.new_tensor(self.negatives / (self.n_items - 2))  # ()
            other, expected, known = self.item_vectors(items), own.expand(len(items)), False  # (n, out), (n,)
        right, wrong = (u * v).sum(-1, keepdim=True) / self.temperature, u @ other.T / self.temperature
        if self.correct:
            wrong = wrong - expected.clamp(min=1e-9).log()  # (P, n)
        if self.correct == "all":
            right = right - own.clamp(min=1e-9).log()  # (P, 1)
        wrong = wrong.masked_fill(known | (items == batch.item[:, None]), torch.finfo(wrong.dtype).min)  # (P, n)
        if self.hard is not None:
            wrong = wrong.topk(min(self.hard, wrong.shape[1]), dim=1).values  # (P, hard)
        logits = torch.cat([right, wrong], dim=1)  # (P, 1 + n)
        first = torch.zeros_like(batch.item)  # the like stands first
        return {"softmax": F.cross_entropy(logits, first, reduction="sum") / max(len(batch), 1)}
