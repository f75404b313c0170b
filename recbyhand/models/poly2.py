"""Polynomial of degree two: a weight of its own for every combination of values."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import CrossedWeights, FeatureEmbedding, feature_pairs
from recbyhand.models.base import Recommender


class Poly2(Recommender):
    r"""$$\mathrm{logit} = w_0 + \sum_i w_i x_i + \sum_{(a,b)} \sum_{i \in a, j \in b} w_{ij}\, x_i x_j$$

    over the chosen `pairs` (a, b) of fields, by default every user feature with every item feature. The table
    of a pair has n_a n_b weights (`model.crosses.sizes`), n^2 for all n features; a combination that training
    does not show weighs 0. `pairs=[]` is logistic regression, the linear model. `dim` is taken, so that all
    models can be built alike, and not used: a combination has a weight, not a vector.

    Source: Chang et al. 2010, Training and testing low-degree polynomial data mappings, JMLR 11, 1471-1490.
    """

    def __init__(
        self, schema: Schema, *, dim: int | None = None, pairs: Sequence[Sequence[str]] | None = None
    ):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))  # w_0
        self.linear = FeatureEmbedding(schema.fields, 1, std=0)  # w_i
        pairs = feature_pairs(schema) if pairs is None else pairs
        self.crosses = CrossedWeights(schema.fields, pairs)  # w_ij

    def forward(self, batch: Batch) -> Tensor:
        ids = batch.ids()  # (B, C) columns of ids of F fields
        w = self.linear(ids)  # (B, F, 1)
        w_pair = self.crosses(ids)  # (B, P)
        return self.bias + w.sum((1, 2)) + w_pair.sum(1)  # (B,)
