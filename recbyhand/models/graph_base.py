"""What models on a user-item graph share: a vector per node, scores, losses, and leaving a batch's own edges out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbyhand.arguments import flag, size
from recbyhand.data.batch import Batch, Schema
from recbyhand.data.graph import Graph
from recbyhand.layers import id_embedding, sample_negatives, sampled_softmax_loss
from recbyhand.layers.softmax_loss import mean_of_predictions, pick
from recbyhand.models.base import Recommender

LOSSES = ("bce", "bpr", "softmax")


class GraphModel(Recommender):
    r"""$$\mathrm{logit}_{ui} = h_u \cdot h_i \;(+\; b + b_u + b_i)$$

    A model says in `propagate(edges)` how the vectors h (N, d) of all nodes come from the edges (2, 2 E); node
    n_users + i is item i.

    While training, the pairs of the batch that come from `task.train` are no edges: with the edge (u, i) in the
    graph, h_u would know of i what the loss asks. `own_edges=True` leaves them in, to see that happen. In
    evaluation all edges count, and h is computed once, then kept until a weight changes or the mode is set anew.

    loss  "bce": binary cross-entropy of likes and dislikes
          "bpr": -log sigmoid(s_ui - s_uj), for each like (u, i) of the batch and one random item j (arXiv:1205.2618)
          "softmax": the sampled softmax of each like against `negatives` random items
    biases  adds b, a number per user and one per item

    Source: the loss "bpr" is that of Rendle et al. 2009, arXiv:1205.2618.
    """

    def __init__(
        self, schema: Schema, graph: Graph, dim: int, biases: bool, loss: str, negatives: int, own: bool
    ):
        super().__init__()
        if not isinstance(graph, Graph):
            raise TypeError(f"graph is a Graph, as rbh.data.graph(task) makes it, not {type(graph).__name__}")
        if (graph.n_users, graph.n_items) != (schema.n_users, schema.n_items):
            raise ValueError(
                f"the graph is one of {graph.n_users} user and {graph.n_items} item ids, the schema of "
                f"{schema.n_users} and {schema.n_items}: make both from one task"
            )
        if loss not in LOSSES:
            raise ValueError(f"loss={loss!r}: choose one of {', '.join(map(repr, LOSSES))}")
        self.kind, self.negatives, self.own_edges = loss, size("negatives", negatives), flag("own_edges", own)
        self.n_users, self.n_items = schema.n_users, schema.n_items
        self.user, self.item = (id_embedding(n, dim, std=0.1) for n in (schema.n_users, schema.n_items))
        self.biases = flag("biases", biases)
        if biases:
            self.mean = nn.Parameter(torch.zeros(()))
            self.user_bias = id_embedding(schema.n_users, 1, std=0)
            self.item_bias = id_embedding(schema.n_items, 1, std=0)
        self.register_buffer("edges", graph.edges(), persistent=False)  # (2, 2 E)
        self.register_buffer("edge_row", graph.edge, persistent=False)  # (E,)
        pair = graph.user * graph.n_items + graph.item  # (E,) ascending
        last = pair.new_full((1,), torch.iinfo(torch.long).max)  # so that every search ends at a place
        self.register_buffer("pair", torch.cat([pair, last]), persistent=False)  # (E + 1,)
        self._kept = None

    def propagate(self, edges: Tensor) -> Tensor:
        """edges (2, 2 E) -> h (N, d)."""
        raise TypeError("GraphModel is what models on a graph share; use one of them, such as LightGCN.")

    # ------------------------------------------------------------------------------------------- vectors of nodes

    def find(self, user: Tensor, item: Tensor) -> Tensor:
        """(...) the place of each pair among the edges, E where it is none."""
        pair = user * self.n_items + item
        place = torch.searchsorted(self.pair, pair)
        return torch.where(self.pair[place] == pair, place, len(self.edge_row))

    def own(self, batch: Batch) -> Tensor:
        """(E,) True: the edge was taken from a row of training whose pair is in the batch.

        Where a batch knows its rows, `batch.edge` (B,), those of -1, which are not of training, do not count. Pairs
        are compared and not rows: a pair that training likes twice is one edge, and either row's own.
        """
        place, row = self.find(batch.user, batch.item), getattr(batch, "edge", None)  # (B,)
        mark = torch.zeros(len(self.pair), dtype=torch.bool, device=place.device)  # (E + 1,)
        mark[place if row is None else torch.where(row >= 0, place, len(self.edge_row))] = True
        return mark[:-1] & (self.edge_row >= 0)

    def edges_without(self, gone: Tensor) -> Tensor:
        """The edges but for those that are True in `gone` (E,).

        On a device, to count what stays would be to wait for it. There an edge that goes becomes one from padding to
        padding, node 0, which nobody hears.
        """
        gone = gone.repeat(2)  # (2 E,) both directions
        return self.edges[:, ~gone] if gone.device.type == "cpu" else torch.where(gone, 0, self.edges)

    def nodes(self, batch: Batch | None = None) -> Tensor:
        """h (N, d). While training, without the batch's own edges, in both directions."""
        if self.training:
            if batch is None or self.own_edges:
                return self.propagate(self.edges)
            return self.propagate(self.edges_without(self.own(batch)))
        if torch.is_grad_enabled() or torch.is_inference_mode_enabled():
            return self.propagate(self.edges)
        weights = list(
            self.parameters()
        )  # kept with the answer, or a new one might get the number of a lost one
        state = [(id(p), p._version, p.data_ptr(), p.dtype) for p in weights]
        if self._kept is None or self._kept[0] != state:
            self._kept = state, weights, self.propagate(self.edges)
        return self._kept[2]

    def train(self, mode: bool = True):
        self._kept = None
        return super().train(mode)

    # ------------------------------------------------------------------------------------------------------ scores

    def forward(self, batch: Batch) -> Tensor:
        h = self.nodes(batch)  # (N, d)
        u, v = h.index_select(0, batch.user), h.index_select(0, self.n_users + batch.item)  # (B, d), (B, d)
        return (u * v).sum(-1) + self._bias(batch.user, batch.item)  # (B,)

    def score_items(self, batch: Batch, items: Tensor) -> Tensor:
        """(U, I): logits of the users of the batch with items (I,) common to all."""
        h = self.nodes(batch)  # (N, d)
        items = torch.as_tensor(items, device=h.device).long()
        scores = h[batch.user] @ h[self.n_users + items].T  # (U, I)
        return scores + self._bias(batch.user[:, None], items)

    def _bias(self, user: Tensor, item: Tensor):
        return self.mean + self.user_bias(user)[..., 0] + self.item_bias(item)[..., 0] if self.biases else 0

    def loss(self, batch: Batch, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """The term that `rbh.fit` minimises; "bpr" and "softmax" learn from the likes of the batch alone."""
        if self.kind == "bce":
            return {"click": F.binary_cross_entropy_with_logits(self(batch), batch.label)}
        h, liked = self.nodes(batch), batch.label > 0  # (N, d), (B,)
        item, user = pick(liked, batch.item, batch.user)  # (P,), (P,)
        u, v = h[user], h[self.n_users :]  # (P, d), (n_items, d)
        if self.biases:  # what a user adds to all items changes no order
            u = torch.cat([u, torch.ones_like(u[:, :1])], dim=1)  # (P, d + 1)
            v = torch.cat([v, self.item_bias.weight], dim=1)  # (n_items, d + 1)
        if self.kind == "softmax":
            return {"softmax": sampled_softmax_loss(u, item, v, self.negatives, generator=generator)}
        other = sample_negatives(item, len(v), generator=generator)[:, 0]  # (P,)
        difference = (u * (v[item] - v[other])).sum(-1)  # (P,)
        return {"bpr": mean_of_predictions(-F.logsigmoid(difference), item)}
