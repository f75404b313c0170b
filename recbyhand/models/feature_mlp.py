"""The concatenated vectors of all features, and a network on top."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from recbyhand.arguments import flag, sizes
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import MLP, FeatureEmbedding
from recbyhand.models.base import Recommender


class FeatureMLP(Recommender):
    r"""$$\mathrm{logit} = \mathrm{MLP}([\mathbf v_1, \dots, \mathbf v_F])$$

    with one vector per field (see `FeatureEmbedding`). `ids=True` counts user and item id among the fields;
    `ids=False` sees features alone: it can score a newcomer, but two users of equal features are one to it.

    Source: the embedding and MLP base model in Zhou et al. 2018, arXiv:1706.06978, without the history.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        dim: int = 16,
        hidden: Sequence[int] = (64, 32),
        ids: bool = True,
        activation: str = "relu",
        dropout: float = 0.0,
    ):
        super().__init__()
        self.first = 0 if flag("ids", ids) else 2  # fields 0 and 1 are the ids of user and item
        fields = schema.fields[self.first :]  # F fields
        self.embedding = FeatureEmbedding(fields, dim)
        self.mlp = MLP(
            [len(fields) * dim, *sizes("hidden", hidden), 1], activation=activation, dropout=dropout
        )

    def forward(self, batch: Batch) -> Tensor:
        v = self.embedding(batch.ids()[:, self.first :])  # (B, F, d)
        return self.mlp(v.flatten(1)).squeeze(-1)  # (B,)
