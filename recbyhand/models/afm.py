"""Attentional factorisation machine: not every pair of features matters alike."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbyhand.arguments import number, size
from recbyhand.data.batch import Batch, Schema
from recbyhand.layers import FeatureEmbedding, PairwiseInteraction
from recbyhand.models.base import Recommender


class AFM(Recommender):
    r"""$$\mathrm{logit} = w_0 + \sum_i w_i x_i + p \cdot \sum_{i<j} a_{ij}\, e_{ij}, \qquad
          e_{ij} = x_i \mathbf v_i \odot x_j \mathbf v_j$$

    $$a_{ij} = \mathrm{softmax}_{ij}\bigl(h \cdot \mathrm{ReLU}(W e_{ij} + b)\bigr)$$

    The softmax runs over the P = F (F - 1) / 2 pairs of one example, named in `pairs`; a pair with an absent
    field gets 0. The weight depends on the pair, so that the sum no longer factors: quadratic in the fields.
    W is (`attention_dim`, d). `dropout` acts on the pooled vector.

    Source: Xiao et al. 2017, Attentional factorization machines, arXiv:1708.04617.
    """

    def __init__(self, schema: Schema, *, dim: int = 16, attention_dim: int = 16, dropout: float = 0.0):
        super().__init__()
        attention_dim = size("attention_dim", attention_dim)
        names = [field.name for field in schema.fields]
        self.pairs = [(names[i], names[j]) for i, j in PairwiseInteraction.pairs(len(names))]
        self.bias = nn.Parameter(torch.zeros(()))  # w_0
        self.linear = FeatureEmbedding(schema.fields, 1, std=0)  # w
        self.embedding = FeatureEmbedding(schema.fields, dim)  # v
        self.products = PairwiseInteraction()
        self.W = nn.Linear(dim, attention_dim)  # W, b
        self.h = nn.Parameter(torch.randn(attention_dim) / attention_dim**0.5)
        self.p = nn.Parameter(torch.ones(dim))
        self.dropout = nn.Dropout(number("dropout", dropout, 0, 1))

    def weights(self, e: Tensor, ids: Tensor) -> Tensor:
        """a (B, P): softmax over the pairs that are present."""
        s = torch.relu(self.W(e)) @ self.h  # (B, P)
        real = self.products(self.embedding.present(ids)[..., None])[..., 0]  # (B, P) both fields are there
        return s.masked_fill(~real, torch.finfo(s.dtype).min).softmax(dim=1) * real  # (B, P)

    def attention(self, batch: Batch) -> Tensor:
        """(B, P): the weight of every pair in `pairs`; a row sums to 1."""
        ids = batch.ids()  # (B, C)
        return self.weights(self.products(self.embedding(ids)), ids)

    def forward(self, batch: Batch) -> Tensor:
        ids = batch.ids()  # (B, C) columns of ids of F fields
        e = self.products(self.embedding(ids))  # (B, P, d)
        a = self.weights(e, ids)  # (B, P)
        pooled = self.dropout((a[..., None] * e).sum(1))  # (B, d)
        return self.bias + self.linear(ids).sum((1, 2)) + pooled @ self.p  # (B,)
