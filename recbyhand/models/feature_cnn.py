"""A convolution over the feature vectors of user and item."""

from __future__ import annotations

from torch import Tensor

from recbyhand.arguments import size
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import MLP, Conv1d, FeatureEmbedding
from recbyhand.models.base import Recommender


class FeatureCNN(Recommender):
    r"""$$\mathrm{logit} = \mathrm{MLP}\bigl(\mathrm{flatten}(\mathrm{ReLU}(\mathrm{conv}(V)))\bigr)$$

    V (F, d) holds the vectors of the F fields of one example, as rows.

    over      "fields": a window covers `kernel` neighbouring fields with all their dimensions;
              "dims": it covers `kernel` neighbouring dimensions of all fields. Dimensions have no order, so
              nothing makes two of them neighbours (the lesson *Convolution* measures what that costs)
    channels  how many windows are learned
    kernel    the width of a window; ValueError if it is wider than what it slides over

    Source: LeCun et al. 1989, doi:10.1162/neco.1989.1.4.541, for the convolution.
    """

    def __init__(
        self, schema: Schema, *, dim: int = 16, over: str = "fields", channels: int = 16, kernel: int = 3
    ):
        super().__init__()
        if over not in ("fields", "dims"):
            raise ValueError(f"over is 'fields' or 'dims', got {over!r}")
        dim, channels, kernel = size("dim", dim), size("channels", channels), size("kernel", kernel)
        n_fields = len(schema.fields)
        depth, length = (dim, n_fields) if over == "fields" else (n_fields, dim)
        if kernel > length:
            raise ValueError(
                f"kernel={kernel} does not fit {length} {over}; use a kernel of at most {length}"
            )
        self.over = over
        self.embed = FeatureEmbedding(schema.fields, dim)
        self.conv = Conv1d(depth, channels, kernel)
        self.head = MLP([channels * (length - kernel + 1), channels, 1])

    def forward(self, batch: Batch) -> Tensor:
        v = self.embed(batch.ids())  # (B, F, d)
        x = v.transpose(1, 2) if self.over == "fields" else v  # (B, d, F) or (B, F, d)
        y = self.conv(x).relu()  # (B, channels, length - kernel + 1)
        return self.head(y.flatten(1)).squeeze(-1)  # (B,)
