"""Users and items as a graph: one edge for each pair that is known to go together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recbyhand.data.ctr import Task
from recbyhand.data.tables import Tables


@dataclass(eq=False, repr=False)
class Graph:
    """E edges between users and items, one per pair, sorted by user and then item.

    `user` and `item` are ids as everywhere else, so padding (0) and unknown (1) are nodes without edges. `edge`
    tells which row of `task.train` an edge was taken from, -1 where it comes from no row. A pair that training
    likes twice is one edge, with the number of the first row.

    Where one numbering is needed, users come first: item i is node `n_users + i` of `n_users + n_items`.
    """

    user: Tensor  # (E,) ids
    item: Tensor  # (E,)
    edge: Tensor  # (E,) row of task.train, or -1
    n_users: int  # sizes of the vocabularies, ids 0 and 1 included
    n_items: int

    def __post_init__(self) -> None:
        columns = {}
        for name in ("user", "item", "edge"):
            column = torch.as_tensor(getattr(self, name))
            if column.ndim != 1 or column.is_floating_point() or column.dtype == torch.bool:
                raise ValueError(
                    f"{name} must be whole numbers (E,), one per edge, not {column.dtype} {tuple(column.shape)}"
                )
            columns[name] = column.long()
        user, item, edge = columns.values()
        if not len(user) == len(item) == len(edge):
            raise ValueError(
                f"user, item and edge differ in length: {len(user)}, {len(item)} and {len(edge)}"
            )
        self.n_users, self.n_items = int(self.n_users), int(self.n_items)
        for name, ids, n in (("user", user, self.n_users), ("item", item, self.n_items)):
            if len(ids) and not 2 <= int(ids.min()) <= int(ids.max()) < n:
                raise ValueError(
                    f"{name} ids of edges are 2 to {n - 1}, not {int(ids.min())} to {int(ids.max())}: padding "
                    "and unknown have no edges"
                )
        key, order = (user * self.n_items + item).sort(stable=True)  # (E,)
        first = torch.ones(len(key), dtype=torch.bool, device=key.device)
        first[1:] = key[1:] != key[:-1]
        self.user, self.item, self.edge = (column[order][first] for column in (user, item, edge))

    def __len__(self) -> int:
        return len(self.user)

    @property
    def n_nodes(self) -> int:
        return self.n_users + self.n_items

    def edges(self) -> Tensor:
        """(2, 2 E) sources above targets for the layers of `recbyhand.layers`: items to users, then users to items."""
        user, item = self.user, self.item + self.n_users
        return torch.stack([torch.cat([item, user]), torch.cat([user, item])])

    def degrees(self) -> tuple[Tensor, Tensor]:
        """Edges of every user id (n_users,) and of every item id (n_items,)."""
        return torch.bincount(self.user, minlength=self.n_users), torch.bincount(
            self.item, minlength=self.n_items
        )

    def without(self, edges) -> Graph:
        """The graph without some of its edges: their places (as in `graph.user`), or a mask (E,) of what goes."""
        keep = torch.ones(len(self), dtype=torch.bool)
        keep[edges] = False
        return Graph(self.user[keep], self.item[keep], self.edge[keep], self.n_users, self.n_items)

    def tensors(self) -> dict[str, Tensor]:
        """All of it as tensors, by name; `from_tensors` is the way back."""
        size = torch.tensor([self.n_users, self.n_items])
        return {"user": self.user, "item": self.item, "edge": self.edge, "size": size}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> Graph:
        """The inverse of `tensors`."""
        return cls(*(tensors[name] for name in ("user", "item", "edge")), *tensors["size"].tolist())

    def __repr__(self) -> str:
        users, items = len(self.user.unique()), len(self.item.unique())
        return f"Graph: {len(self):,} edges between {users:,} users and {items:,} items"


def graph(task: Task) -> Graph:
    """The graph of a task: who liked what in training, and nothing of validation or test.

    Where the events of a data set are its targets, as with ratings, each liked row of `task.train` is an edge,
    which knows its row. In a planted world events are views, and nobody asks about them: there the edges are the
    views before the user's first validation or test row (`split="global"`: before anybody's), each -1 in `edge`,
    since no label of training is in them. A task with `history_of="all"` gives the same graph.

    A pair is one edge, however often it occurs. The graph has no time: a training row is explained by edges of
    later training rows, too; only the cut is respected.

    Raises ValueError where nothing is left to draw edges from.
    """
    if not isinstance(task, Task):
        raise TypeError(f"graph takes a task, as rbh.data.ctr(data) makes it, not {type(task).__name__}")
    schema, train = task.schema, task.train
    if type(task.dataset).events is Tables.events:
        row = (train.label > 0).nonzero()[:, 0]  # (E,)
        user, item = train.user[row], train.item[row]
    else:
        events = task.events  # place 0 is padding
        user = torch.repeat_interleave(torch.arange(schema.n_users), events.start.diff())  # (events,)
        latest = torch.iinfo(torch.long).max
        cut = torch.full((schema.n_users,), latest)
        for part in (task.valid, task.test):
            cut.scatter_reduce_(0, part.user, part.time, "amin")
        if task.settings["split"] == "global":
            cut[:] = cut.min()
        known = (events.time[1:] < cut[user]) & (events.label[1:] > 0)
        user, item = user[known], events.item[1:][known].long()
        row = torch.full_like(user, -1)
    if not len(user):
        raise ValueError(f"{task.dataset.name}: training holds no liked item, so the graph has no edge")
    return Graph(user, item, row, schema.n_users, schema.n_items)
