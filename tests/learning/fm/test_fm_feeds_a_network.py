"""*FM feeds a network*: what a network adds to FM's pairs, what pooling costs without room, and when it pays.

Seed 0 at first (AUC): FM .69 and FNN .87 where a third field turns a cross round; d = 1: FNN .88, NFM .80; on
the same frozen vectors: side by side .87, pooled .82; with 600 rows: FNN .76, NFM .81. Margins: half the gap.
"""

from __future__ import annotations

import statistics
from types import SimpleNamespace

import pytest
import torch

import recbyhand as rbh
from recbyhand.models import FM, FNN, NFM

SEEDS = (0, 1, 2)


class NamelessBatch(rbh.data.Batch):
    def ids(self):
        ids = super().ids()
        ids[:, :2] = 1  # unknown
        return ids


class Nameless:
    """Examples whose users and items are unknown: only their features count."""

    def __init__(self, examples, label=None):
        self.examples = examples
        self.label = examples.label if label is None else label

    def __len__(self):
        return len(self.examples)

    def __getattr__(self, name):
        return getattr(self.examples, name)

    def __getitem__(self, rows):
        batch = NamelessBatch(**vars(self.examples[rows]))
        batch.label = self.label[rows]
        return batch

    lazily = __getitem__


@pytest.fixture(scope="module")
def plain():
    world = rbh.data.planted("crosses")
    return rbh.data.ctr(world), torch.tensor(world.truth.cross).float()


def turned(plain, seed: int):
    """The planted cross, turned round in one of the four ages."""
    task, cross = plain
    g = torch.Generator().manual_seed(seed)
    sign = torch.ones(4)
    sign[seed] = -1

    def part(examples):
        group, age = task.schema.user_table[examples.user].T - 2
        kind = task.schema.item_table[examples.item, 0] - 2
        z = 2 * cross[group, kind] * sign[age]
        return Nameless(examples, torch.bernoulli(torch.sigmoid(z), generator=g))

    return SimpleNamespace(
        train=part(task.train), valid=part(task.valid), test=part(task.test), schema=task.schema
    )


def fitted(model, task, seed: int, **how):
    rbh.fit(model, task, seed=seed, progress=False, **({"epochs": 6, "lr": 0.02} | how))
    return model


def auc(model, task) -> float:
    return rbh.metrics.auc(task.test.label, rbh.metrics.predict(model, task.test))


def gap(one: list[float], other: list[float]) -> float:
    return statistics.mean(one) - statistics.mean(other)


@pytest.fixture(scope="module")
def worlds(plain):
    found = []
    for seed in SEEDS:
        rbh.seed(seed)
        task = turned(plain, seed)
        found.append((seed, task, fitted(FM(task.schema, dim=8), task, seed, epochs=3, lr=0.01)))
    return found


def test_a_network_on_fms_vectors_says_what_no_sum_of_pairs_can(worlds):
    for seed, task, fm in worlds:
        fnn = fitted(FNN.from_fm(fm, hidden=(32,)), task, seed, epochs=3)
        assert auc(fnn, task) > auc(fm, task) + 0.09


def test_pooling_loses_given_vectors_and_has_no_room_in_one_dimension(worlds):
    kept, pooled, wide, narrow = [], [], [], []
    for seed, task, fm in worlds[:2]:
        rbh.seed(seed)
        side = FNN.from_fm(fm, hidden=(32,), frozen=True)
        pool = NFM(task.schema, dim=8, hidden=(32,))
        pool.load_state_dict(fm.state_dict(), strict=False)
        for bottom in (pool.bias, pool.linear, pool.embedding):
            bottom.requires_grad_(False)
        kept.append(auc(fitted(side, task, seed), task))
        pooled.append(auc(fitted(pool, task, seed), task))
        wide.append(auc(fitted(FNN(task.schema, dim=1, hidden=(32,)), task, seed), task))
        narrow.append(auc(fitted(NFM(task.schema, dim=1, hidden=(32,)), task, seed), task))
    assert gap(kept, pooled) > 0.025
    assert gap(wide, narrow) > 0.035


def test_few_rows_of_a_plain_cross_favour_the_pool(plain):
    task, _ = plain
    products, side = [], []
    for seed in SEEDS:
        rows = torch.randperm(len(task.train), generator=torch.Generator().manual_seed(seed))[:600]
        few = SimpleNamespace(
            train=Nameless(task.train.subset(rows)),
            valid=Nameless(task.valid),
            test=Nameless(task.test),
            schema=task.schema,
        )
        for scores, kind in ((products, NFM), (side, FNN)):
            rbh.seed(seed)
            model = kind(task.schema, dim=8, hidden=(32,))
            scores.append(auc(fitted(model, few, seed, epochs=15, batch_size=64), few))
    assert gap(products, side) > 0.02
