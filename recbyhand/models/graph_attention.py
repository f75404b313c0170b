"""Graph attention: what a neighbour tells a user depends on both of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbyhand.arguments import flag, number, size
from recbyhand.data.batch import Batch, Schema
from recbyhand.data.graph import Graph
from recbyhand.layers import DotGraphAttention, FeatureEmbedding, GATLayer, GATv2Layer
from recbyhand.layers.graph import mean_neighbours
from recbyhand.models.graph_base import GraphModel


class MeanLayer(nn.Module):
    """The control without attention: the mean of the neighbours, mapped linearly, as many numbers as GATLayer's W."""

    def __init__(self, d_in: int, d_out: int, heads: int = 1, **_):
        super().__init__()
        self.linear = nn.Linear(d_in, heads * d_out, bias=False)
        nn.init.xavier_uniform_(self.linear.weight)

    def forward(self, h: Tensor, edges: Tensor) -> Tensor:
        return mean_neighbours(self.linear(h), edges)  # (N, H * d)


ATTENTIONS = {"dot": DotGraphAttention, "gat": GATLayer, "gatv2": GATv2Layer, "mean": MeanLayer}


class GraphAttentionRecommender(GraphModel):
    r"""$$h^{(l+1)}_i = h^{(l)}_i + \Big\Vert_{k} \sum_{j \in N(i)} \alpha^k_{ij} W^k h^{(l)}_j$$

    h^(0) is the vector of the id plus, with `features`, one per feature; the logit is that of `GraphModel`. Each
    layer has `heads` heads of dim / heads numbers, side by side. A node without edges keeps what it has: the
    features of a new film are all there is to know of it.

    attention  "dot": query and key, scaled; "gat" and "gatv2": the layers of these names; "mean": all neighbours
               alike, the control
    dropout    of weights of edges, while training
    ids        `users=False`: no vector per user id, a user is his features and his neighbours
    loss, negatives, biases, own_edges   see `GraphModel`

    Sources: Velickovic et al. 2018 (GAT), arXiv:1710.10903; Brody, Alon and Yahav 2022 (GATv2), arXiv:2105.14491.
    """

    def __init__(
        self,
        schema: Schema,
        graph: Graph,
        *,
        dim: int = 16,
        heads: int = 2,
        layers: int = 1,
        dropout: float = 0.0,
        loss: str = "bce",
        attention: str = "dot",
        users: bool = True,
        features: bool = True,
        negatives: int = 100,
        biases: bool = True,
        own_edges: bool = False,
    ):
        super().__init__(schema, graph, dim, biases, loss, negatives, own_edges)
        if attention not in ATTENTIONS:
            raise ValueError(f"attention={attention!r}: choose one of {', '.join(map(repr, ATTENTIONS))}")
        heads, layers, dropout = (
            size("heads", heads),
            size("layers", layers),
            number("dropout", dropout, 0, 1),
        )
        users, features = flag("users", users), flag("features", features)
        if dim % heads:
            raise ValueError(f"dim={dim} is shared by heads={heads}: one must divide the other")
        how = {"heads": heads, "dropout": dropout, "self_loops": False, "bias": False}
        self.layers = nn.ModuleList(ATTENTIONS[attention](dim, dim // heads, **how) for _ in range(layers))
        if not users:
            self.user = None
        for side in ("user_fields", "item_fields"):
            fields = getattr(schema, side) if features else ()
            setattr(self, side, FeatureEmbedding(fields, dim, std=0.1) if fields else None)

    def start(self) -> Tensor:
        """h^(0) (N, d), before any message."""
        item, every = (
            self.item.weight,
            torch.arange(max(self.n_users, self.n_items), device=self.edges.device),
        )
        user = item.new_zeros(self.n_users, item.shape[1]) if self.user is None else self.user.weight
        if self.user_fields is not None:
            columns = self.schema.user_features(every[: self.n_users])  # (n_users, Fu)
            user = user + self.user_fields(columns).sum(1)  # (n_users, d)
        if self.item_fields is not None:
            columns = self.schema.item_features(every[: self.n_items])  # (n_items, Fi)
            item = item + self.item_fields(columns).sum(1)  # (n_items, d)
        return torch.cat([user, item])  # (N, d)

    def propagate(self, edges: Tensor) -> Tensor:
        h = self.start()  # (N, d)
        for layer in self.layers:
            h = h + layer(h, edges)  # (N, d)
        return h

    def edge_weights(self, layer: int = 0) -> Tensor:
        """(E, H): the weight of every edge of the graph when the item speaks to the user, in the given layer.

        The weights of a user's edges sum to 1 in each head. Edges are in the order of the graph.
        """
        if not 0 <= layer < len(self.layers):
            raise IndexError(f"this model has the layers 0 to {len(self.layers) - 1}, not {layer}")
        if isinstance(self.layers[layer], MeanLayer):
            raise ValueError('attention="mean" has no attention: all neighbours weigh the same')
        h = self.start()
        for before in self.layers[:layer]:
            h = h + before(h, self.edges)
        _, _, a = self.layers[layer](h, self.edges, return_weights=True)  # (2 E, H)
        return a[: len(self.edge_row)]

    def attention(self, batch: Batch, layer: int = 0) -> Tensor:
        """(B, L): the weight of each film of the history among all neighbours of the user, mean of the heads.

        0 where padded, and where the film is no neighbour (met after the cut). A film that the history holds twice
        is one neighbour, whose weight stands at both places.
        """
        if outside := batch.outside(self.schema):  # such a pair would be that of somebody else
            raise IndexError(outside)
        a = self.edge_weights(layer).mean(1)  # (E,)
        a = torch.cat([a, a.new_zeros(1)])  # (E + 1,) no edge, no weight
        place = self.find(batch.user[:, None], batch.history)  # (B, L)
        return a[place] * batch.history_mask  # (B, L)

    def neighbours(self, user: int, layer: int = 0) -> tuple[Tensor, Tensor]:
        """The items (n,) a user id is linked to, and their weights (n, H); heaviest first."""
        item, target = self.edges[:, : len(self.edge_row)]  # (E,), (E,)
        mine = target == int(user)  # (E,)
        items, a = item[mine] - self.n_users, self.edge_weights(layer)[mine]
        order = a.mean(1).argsort(descending=True)
        return items[order], a[order]
