"""FNN: a network that starts from what a factorisation machine has learned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recbyhand.arguments import flag, sizes
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import MLP, FeatureEmbedding
from recbyhand.models.base import Recommender
from recbyhand.models.fm import FM


class FNN(Recommender):
    r"""$$\mathrm{logit} = \mathrm{MLP}(z), \qquad
          z = [w_0;\ w_1, \mathbf v_1;\ \dots;\ w_F, \mathbf v_F]$$

    `FNN.from_fm(fm)` takes weight and vector of every field, and w_0, from a trained FM; then everything is
    trained further, those included. `frozen=True` trains the network alone, for comparison. The paper's hidden
    layers are tanh (`activation="tanh"`).

    Source: Zhang, Du and Wang 2016, Deep learning over multi-field categorical data, arXiv:1601.02376.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        dim: int = 16,
        hidden: Sequence[int] = (64, 32),
        activation: str = "relu",
        dropout: float = 0.0,
        frozen: bool = False,
    ):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))  # w_0
        self.linear = FeatureEmbedding(schema.fields, 1, std=0)  # w
        self.embedding = FeatureEmbedding(schema.fields, dim)  # v
        frozen = flag("frozen", frozen)
        for bottom in (self.bias, self.linear, self.embedding):
            bottom.requires_grad_(not frozen)
        widths = [1 + len(schema.fields) * (1 + dim), *sizes("hidden", hidden), 1]
        self.mlp = MLP(widths, activation=activation, dropout=dropout)

    def forward(self, batch: Batch) -> Tensor:
        ids = batch.ids()  # (B, C) columns of ids of F fields
        w, v = self.linear(ids), self.embedding(ids)  # (B, F, 1), (B, F, d)
        z = torch.cat([w, v], dim=-1).flatten(1)  # (B, F(1+d))
        z = torch.cat([self.bias.expand(len(z), 1), z], dim=1)  # (B, 1+F(1+d))
        return self.mlp(z).squeeze(-1)  # (B,)

    @classmethod
    def from_fm(cls, fm: FM, **settings) -> FNN:
        """A network on copies of the weights of `fm`; `settings` as for `FNN`, `dim` is that of `fm`.

        Raises TypeError for a model that is no FM: it would hand over nothing, or weights of another meaning.
        """
        if not isinstance(fm, FM):
            got = fm.__name__ if isinstance(fm, type) else f"a {type(fm).__name__}"
            raise TypeError(f"FNN.from_fm takes a trained FM, such as fm = FM(schema); got {got}")
        model = cls(fm.schema, dim=fm.settings["dim"], **settings)
        model.load_state_dict(fm.state_dict(), strict=False)  # the names of bias, linear, embedding agree
        return model
