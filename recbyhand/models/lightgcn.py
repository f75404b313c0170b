"""LightGCN: matrix factorisation whose vectors have been averaged over the graph."""

from __future__ import annotations

import torch
from torch import Tensor

from recbyhand.arguments import size
from recbyhand.data.batch import Schema
from recbyhand.data.graph import Graph
from recbyhand.layers import gcn_neighbours
from recbyhand.models.graph_base import GraphModel


class LightGCN(GraphModel):
    r"""$$h^{(l+1)}_i = \sum_{j \in N(i)} \frac{h^{(l)}_j}{\sqrt{d_i d_j}}, \qquad
      h_i = \frac{1}{L+1} \sum_{l=0}^{L} h^{(l)}_i, \qquad \mathrm{logit}_{ui} = h_u \cdot h_i$$

    The only weights are the vectors of the ids, h^(0); a node without edges keeps a share of its own. With
    `layers=0` it is matrix factorisation, and takes the same losses. `loss`, `negatives`,
    `biases` and `own_edges` are those of `GraphModel`.

    Source: He et al. 2020, arXiv:2002.02126, which trains with "bpr" and has no biases.
    """

    def __init__(
        self,
        schema: Schema,
        graph: Graph,
        *,
        dim: int = 16,
        layers: int = 2,
        loss: str = "bpr",
        negatives: int = 100,
        biases: bool = False,
        own_edges: bool = False,
    ):
        super().__init__(schema, graph, dim, biases, loss, negatives, own_edges)
        self.layers = size("layers", layers, 0)

    def propagate(self, edges: Tensor) -> Tensor:
        h = total = torch.cat([self.user.weight, self.item.weight])  # (N, d)
        for _ in range(self.layers):
            h = gcn_neighbours(h, edges, self_loops=False)  # (N, d)
            total = total + h  # (N, d)
        return total / (self.layers + 1)
