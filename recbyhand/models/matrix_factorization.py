"""Matrix factorisation: one vector per user, one per item, and their inner product."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbyhand.arguments import flag
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import id_embedding
from recbyhand.models.als import Factors
from recbyhand.models.base import Recommender


class MatrixFactorization(Recommender):
    r"""$$\hat y_{ui} = \mu + b_u + b_i + \mathbf u_u \cdot \mathbf v_i$$

    Also called latent factor model. `biases=False` keeps the inner product alone. An unknown user or item
    has a zero vector and no bias: the rest of the sum still speaks. Trained by gradient descent with `fit`,
    or filled with factors that `als` has found: the model is the same, only the solver differs.

    Source: Koren, Bell and Volinsky 2009, Matrix factorization techniques, doi:10.1109/MC.2009.263.
    """

    def __init__(self, schema: Schema, *, dim: int = 16, biases: bool = True):
        super().__init__()
        self.user = id_embedding(schema.n_users, dim)
        self.item = id_embedding(schema.n_items, dim)
        self.biases = flag("biases", biases)
        if biases:
            self.mean = nn.Parameter(torch.zeros(()))  # mu
            self.user_bias = id_embedding(schema.n_users, 1, std=0)
            self.item_bias = id_embedding(schema.n_items, 1, std=0)

    def forward(self, batch: Batch) -> Tensor:
        u, v = self.user(batch.user), self.item(batch.item)  # (B, d), (B, d)
        return self.offset(batch.user, batch.item) + (u * v).sum(-1)  # (B,)

    def score_items(self, batch: Batch, items: Tensor) -> Tensor:
        """(U, I): every user of the batch with every one of the items, by one matrix product."""
        return self.offset(batch.user[:, None], items) + self.user(batch.user) @ self.item(items).T

    def offset(self, user: Tensor, item: Tensor) -> Tensor | float:
        """mu + b_u + b_i; ids of shapes that broadcast."""
        if not self.biases:
            return 0.0
        return self.mean + self.user_bias(user)[..., 0] + self.item_bias(item)[..., 0]

    @classmethod
    def from_factors(cls, schema: Schema, factors: Factors) -> MatrixFactorization:
        """The model with the factors of `als`. Its answers are in the units of the values factorised."""
        model = cls(schema, dim=factors.user.shape[1], biases=factors.user_bias is not None)
        with torch.no_grad():
            model.user.weight.copy_(factors.user)
            model.item.weight.copy_(factors.item)
            if model.biases:
                model.mean.fill_(factors.mean)
                model.user_bias.weight.copy_(factors.user_bias[:, None])
                model.item_bias.weight.copy_(factors.item_bias[:, None])
        return model
