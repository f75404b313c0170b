"""Speed, by ratios and never by seconds: a step against the bare products and gathers of DIN; `fit` against steps.

Processor time of this thread, in turns, the smallest of several: what else the machine does counts in neither side. The
room is twofold; what these tests catch is a loop over rows or events, a table that is copied, a doubled pass.
"""

from __future__ import annotations

import time

import pytest
import torch

import recbyhand as rbh
from recbyhand.layers import weighted_sum

B, TURNS, ROOM = 1024, 8, 2


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def bare():
    """The matrix products and gathers of a step of DIN, forward and backward, at its shapes: the yardstick."""
    L, d, users, items = 20, 16, 3001, 3885
    shapes = [
        (B * L, d, 36),
        (B * L, d, 36),
        (B, d, 36),
        (B * L, 36, 1),
    ]  # the unit: event, product, target, out
    shapes += [(B, 4 * d, 256), (B, 256, 128), (B, 128, 1)]  # the head
    g = torch.Generator().manual_seed(0)
    products = [(torch.randn(n, i, generator=g), torch.randn(i, o, generator=g)) for n, i, o in shapes]
    tables = [(items, B * L), (items, B), (users, B)]
    gathers = [
        (torch.randn(rows, d, generator=g), torch.randint(rows, (n,), generator=g)) for rows, n in tables
    ]

    def act() -> None:
        for x, w in products:
            y = x @ w
            x.T @ y
            y @ w.T
        for table, ids in gathers:
            rows = table.index_select(0, ids)
            torch.zeros_like(table).index_add_(0, ids, rows)

    return act


def ratio(make, turns: int = TURNS) -> float:
    """A step over the yardstick."""
    rbh.seed(0)
    schema = rbh.data.toy_schema(3001, 3885, user_fields=(), item_fields=(), history=20)
    model, batch = make(schema), rbh.data.toy(B, schema)
    optimizer, spent = torch.optim.AdamW(model.parameters()), {"step": [], "bare": []}
    acts = {"step": lambda: rbh.training.step(model, batch, optimizer), "bare": bare()}
    for _ in range(turns + 1):
        for name, act in acts.items():
            begun = time.thread_time()
            act()
            spent[name].append(time.thread_time() - begun)
    return min(spent["step"][1:]) / min(spent["bare"][1:])


HEAD = {"dim": 16, "hidden": (256, 128)}
MEASURED = {  # on two cores of x86, torch 2.13; the limit is twice that
    "DIN": 3.4,
    "DIEN": 5.8,
    "BST": 5.6,
    "PooledSequence": 1.1,
    "DeepFM": 0.95,
}


@pytest.mark.parametrize("name", MEASURED)
def test_a_step_costs_no_more_than_it_did(name):
    how = {"users": True} if name in ("DIN", "DIEN", "BST") else {}
    assert ratio(lambda schema: getattr(rbh.models, name)(schema, **HEAD, **how)) < ROOM * MEASURED[name]


class RowsByRows(rbh.models.DIN):
    """What the test is there to find: the numbers of DIN, a few rows at a time."""

    def attention(self, batch):
        some = [super(RowsByRows, self).attention(batch[n : n + 4]) for n in range(0, len(batch), 4)]
        return torch.cat(some)  # (B, L)

    def forward(self, batch):
        x = weighted_sum(self.attention(batch), self.item(batch.history))  # (B, d)
        return self.click(x, self.item(batch.item), self.user(batch))  # (B,)


def test_a_loop_over_rows_would_be_found():
    assert ratio(lambda schema: RowsByRows(schema, **HEAD, users=True), 2) > ROOM * MEASURED["DIN"]


@pytest.mark.parametrize("name", ["MatrixFactorization", "DeepFM", "DIN"])
def test_fit_adds_little_to_its_steps(name):
    """Gathering, watching and counting included, an epoch stays below 2.5 times its steps on batches that are there."""
    task = rbh.data.ctr(rbh.data.planted("crosses", users=600))
    task.valid = task.valid.subset(slice(0, 0))

    def fit() -> int:
        rbh.fit(model, task, epochs=1, progress=False)
        return -(-len(task.train) // 1024)

    def step() -> int:
        for batch in batches:
            rbh.training.step(model, batch, optimizer)
        return len(batches)

    rbh.seed(0)
    model = getattr(rbh.models, name)(task.schema, dim=16)
    optimizer = torch.optim.AdamW(model.parameters())
    batches = [task.train[n * 1024 : (n + 1) * 1024] for n in range(4)]
    spent = {fit: [], step: []}
    for _ in range(4):
        for act, seconds in spent.items():
            begun = time.thread_time()
            n = act()
            seconds.append((time.thread_time() - begun) / n)
    assert min(spent[fit]) < ROOM * 1.25 * min(spent[step])
