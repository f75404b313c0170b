"""Chapter 2, histories: what the source says of `outputs` and `hn` and of the last state, and two ways to leak."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import recbyhand as rbh
from recbyhand.models import RNNRecommender
from tests.factories import make_batch, make_schema

B, L, H = 24, 5, 6


# C16 --------------------------------------------------------------------------------------------------------


def source(outputs, hn, directions) -> bool:
    """hn is the output of the last layer, (1, B, H), and equals outputs[-1]."""
    return hn.shape == (1, B, H) and torch.equal(hn[0], outputs[:, -1])


def ours(outputs, hn, directions) -> bool:
    """hn[-1] is the last layer's; a backward reader finishes at the first step."""
    if directions == 1:
        return torch.equal(hn[-1], outputs[:, -1])
    return torch.equal(hn[-2], outputs[:, -1, :H]) and torch.equal(hn[-1], outputs[:, 0, H:])


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("directions", [1, 2])
def test_c16_hn_is_the_last_step_of_every_layer_and_direction(kind, layers, directions):
    rnn = kind(12, H, layers, batch_first=True, bidirectional=directions == 2)
    outputs, hn = rnn(torch.randn(B, L, 12))
    assert hn.shape == (layers * directions, B, H)
    assert outputs.shape == (B, L, directions * H)
    assert ours(outputs, hn, directions)
    assert source(outputs, hn, directions) == (layers == directions == 1)


# C17 --------------------------------------------------------------------------------------------------------


def copied(vectors: torch.Tensor) -> int:
    """Coordinates that depend on the candidate alone: the same after every history."""
    return int((vectors.std(0) < 1e-6).sum())


def test_c17_the_last_state_is_no_concatenation():
    schema = make_schema(history=L)
    model, batch = (
        RNNRecommender(schema, dim=4, hidden_size=H, cell="rnn"),
        make_batch(schema, B=30, lengths=[L] * 30),
    )
    with torch.no_grad():
        model.item.weight[2:].normal_()
    batch.item[:] = 7
    tokens = torch.cat([batch.history, batch.item[:, None]], dim=1)
    states = model.rnn(model.item(tokens))[0]
    assert copied(states[:, -1]) == 0
    assert copied(torch.cat([states[:, -2], model.item(batch.item)], dim=1)) == 4, (
        "what the source believes it is"
    )


# Cutting windows --------------------------------------------------------------------------------------------


def looked_up(train: list[tuple], test: list[tuple]) -> float:
    """AUC of asking whether a training history goes on with this row's film."""
    known = {row[:-2] for row in train}
    scores = [float((*row[1:-2], row[-2]) in known) for row in test]
    return rbh.metrics.auc([row[-1] for row in test], scores)


def windows(people: int = 60, length: int = 3) -> list[tuple]:
    """(likes before, film, label, order) of people who rate at random: nothing can be predicted."""
    g = torch.Generator().manual_seed(1)
    rows = []
    for _ in range(people):
        films = (torch.randperm(5000, generator=g)[:30] + 2).tolist()
        likes: list[int] = []
        for t, film in enumerate(films):
            liked = int(torch.rand((), generator=g) < 0.5)
            if len(likes) >= length:
                rows.append((t, (*likes[-length:], film, liked)))
            if liked:
                likes.append(film)
    return rows


def test_shuffled_windows_hold_each_others_answers():
    rows = windows()
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0)).tolist()
    shuffled = [rows[k][1] for k in order]
    cut = len(rows) * 8 // 10
    assert looked_up(shuffled[:cut], shuffled[cut:]) > 0.85
    early, late = ([row for t, row in rows if (t >= 22) == after] for after in (False, True))
    assert abs(looked_up(early, late) - 0.5) < 0.06


def test_ours_cannot_be_looked_up():
    """No test film stands in a training history of its user, and no history holds what came later."""
    task = rbh.data.ctr(rbh.data.planted("order", users=30))
    train = task.train[:]
    for row in range(0, len(task.test), 7):
        test = task.test[[row]]
        mine = train.user == test.user
        latest = train.history_time[mine].max()
        assert latest < test.time
        assert (test.history_time[test.history_mask] < test.time).all()


# C13 --------------------------------------------------------------------------------------------------------


class WithoutMask(nn.Module):
    """C13: five films at a fixed length, no padding index and no mask, read or added up."""

    def __init__(self, schema, pool: bool, dim: int = 8):
        super().__init__()
        self.item, self.pool = nn.Embedding(schema.n_items, dim), pool
        self.rnn = nn.RNN(dim, dim, batch_first=True)

    def forward(self, batch):
        e = self.item(batch.history)  # (B, L, d)
        u = e.mean(1) if self.pool else self.rnn(e)[1][0]  # (B, d)
        return (u * self.item(batch.item)).sum(-1)  # (B,)


def padding_changes_nothing(model) -> bool:
    """f(history) = f(history with three places of padding after it)."""
    batch, longer = make_batch(model_schema, B=6), make_batch(model_schema, B=6)
    longer.history = torch.nn.functional.pad(longer.history, (0, 3))
    longer.history_mask = torch.nn.functional.pad(longer.history_mask, (0, 3))
    with torch.no_grad():
        return torch.allclose(model.eval()(batch), model(longer), atol=1e-6)


model_schema = make_schema()


def test_c13_padding_changes_nothing():
    assert padding_changes_nothing(RNNRecommender(model_schema))
    assert padding_changes_nothing(rbh.models.PooledSequence(model_schema))
    assert not padding_changes_nothing(WithoutMask(model_schema, pool=False))
    assert not padding_changes_nothing(WithoutMask(model_schema, pool=True))
