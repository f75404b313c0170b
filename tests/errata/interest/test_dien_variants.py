"""Chapter 4, DIEN, bugs and variants: the source's cell, network and second loss fail the properties that ours hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recbyhand.layers import AUGRU, AUGRUCell, BilinearAttention, negative_sampling_loss
from recbyhand.models import DIEN
from tests.factories import make_batch, make_schema

SCHEMA = make_schema(n_items=40, history=6)


# C47 --------------------------------------------------------------------------------------------------------


class OneEach(BilinearAttention):
    """The softmax of the source's cell: over the single score of a step."""

    def forward(self, target, history, mask):
        return self.score(target, history, mask)[..., None].softmax(dim=2)[..., 0] * mask


def two_candidates(attention) -> tuple[DIEN, torch.Tensor, torch.Tensor, torch.Tensor]:
    """The model, its weights, and the last states for two candidates of the same histories."""
    model = DIEN(SCHEMA, dim=4)
    model.attend = attention
    with torch.no_grad():
        model.item.id.weight[2:].normal_()
    batch = make_batch(SCHEMA, B=6, lengths=[6] * 6)
    h, _, mask = model.interests(batch)
    states, weights = [], []
    for item in (5, 9):
        target = model.item(torch.full_like(batch.item, item))
        weights.append(model.attend(target, h, mask))
        states.append(model.evolve(h, weights[-1])[:, -1])
    return model, weights[0], *states


def test_c47_two_candidates_two_states():
    _, a, first, second = two_candidates(BilinearAttention(4))
    assert not torch.allclose(first, second, atol=1e-4)
    torch.testing.assert_close(a.sum(1), torch.ones(6))
    assert a.shape == (6, 6)
    _, a, first, second = two_candidates(OneEach(4))
    assert torch.equal(first, second)
    assert (a == 1).all()


def test_c47_attention_learns():
    for attention, learns in ((BilinearAttention(4), True), (OneEach(4), False)):
        model, _, first, _ = two_candidates(attention)
        first.square().sum().backward()
        assert bool((model.attend.weight.weight.grad.abs() > 1e-8).any()) == learns


def test_c47_without_attention_it_is_a_gru():
    augru, x = AUGRU(3, 5), torch.randn(4, 7, 3)
    gru = nn.GRU(3, 5, batch_first=True)
    with torch.no_grad():
        ours = augru.cell.ih.weight, augru.cell.hh.weight, augru.cell.ih.bias, augru.cell.hh.bias
        for theirs, mine in zip(gru.parameters(), ours, strict=True):
            u, r, n = mine.chunk(3)
            theirs.copy_(torch.cat([r, -u, n]))
    source = torch.randn(4, 7, 1).softmax(dim=2)[..., 0]
    torch.testing.assert_close(augru(x, source), gru(x)[0])
    assert not torch.allclose(augru(x, torch.randn(4, 7).softmax(dim=1)), gru(x)[0], atol=1e-3)


# C48 --------------------------------------------------------------------------------------------------------


class RandomStart(AUGRU):
    def forward(self, x, a):
        h = nn.init.xavier_uniform_(nn.Parameter(torch.empty(len(x), self.cell.d_h)))
        for x_t, a_t in zip(x.unbind(1), a.unbind(1), strict=True):
            h = self.cell(x_t, h, a_t)
        return h[:, None]


def test_c48_the_same_question_gets_the_same_answer():
    batch = make_batch(SCHEMA, B=6)
    for evolve, same in ((AUGRU(4, 4), True), (RandomStart(4, 4), False)):
        model = DIEN(SCHEMA, dim=4).eval()
        model.evolve = evolve
        assert torch.equal(model(batch), model(batch)) == same


def test_c48_all_that_is_learned_is_registered():
    assert len(list(RandomStart(4, 4).parameters())) == len(list(AUGRU(4, 4).parameters()))


# C49, C51 ---------------------------------------------------------------------------------------------------


class SourceCell(nn.Module):
    """Matrices of the listing: those on the state have the shape of those on the input; W_a is (d_h, d_in)."""

    def __init__(self, d_in, d_h):
        super().__init__()
        self.W = nn.ParameterList(torch.randn(d_in, d_h) for _ in range(3))
        self.U = nn.ParameterList([*(torch.randn(d_in, d_h) for _ in range(2)), torch.randn(d_h, d_h)])

    def forward(self, x, h, a):
        u, r = (torch.sigmoid(x @ W + h @ U) for W, U in zip(self.W[:2], self.U[:2], strict=True))
        n = torch.tanh(x @ self.W[2] + (r * h) @ self.U[2])
        return (1 - a[:, None] * u) * h + a[:, None] * u * n


@pytest.mark.parametrize(("d_in", "d_h"), [(4, 4), (3, 5), (5, 3)])
def test_c49_any_two_sizes(d_in, d_h):
    x, h, a = torch.randn(2, d_in), torch.randn(2, d_h), torch.rand(2)
    assert AUGRUCell(d_in, d_h)(x, h, a).shape == (2, d_h)
    if d_in == d_h:
        assert SourceCell(d_in, d_h)(x, h, a).shape == (2, d_h)
    else:
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            SourceCell(d_in, d_h)(x, h, a)


def test_c51_attention_compares_a_state_with_a_film():
    h, film, mask = torch.randn(2, 6, 5), torch.randn(2, 3), torch.ones(2, 6, dtype=torch.bool)
    assert BilinearAttention(5, 3)(film, h, mask).shape == (2, 6)
    with pytest.raises(RuntimeError):  # "length of i x length of e" with i a film
        torch.einsum("bli,ij,bj->bl", h, torch.randn(3, 3), film)


# C50 --------------------------------------------------------------------------------------------------------


def same_step(h, e, liked):
    """The source's second loss: the state against the film it has just read, and whether that was liked."""
    return F.binary_cross_entropy_with_logits((h * e).sum(-1), liked)


def test_c50_constant_vectors_cannot_satisfy_it():
    alike = torch.full((50, 4), 5.0)
    coin = 2 * np.log(2)
    assert negative_sampling_loss(alike, alike, alike) >= coin
    assert same_step(alike, alike, torch.ones(50)) < 1e-6
    model, batch = DIEN(SCHEMA, dim=4), make_batch(SCHEMA, B=6)
    with torch.no_grad():
        model.item.id.weight[2:] = 3.0
    h, tokens, mask = model.interests(batch)
    assert model.auxiliary_loss(h, tokens, mask) >= coin


def asked(loss) -> list[bool]:
    """Which of six states a loss asks anything."""
    h = torch.randn(3, 6, 4, requires_grad=True)
    loss(h).backward()
    return (h.grad != 0).any(dim=2).all(dim=0).tolist()


def test_c50_a_state_is_asked_about_the_next_film():
    """So the last state is asked nothing: there is no next film that it has not read."""
    model, batch = DIEN(SCHEMA, dim=4), make_batch(SCHEMA, B=3, lengths=[6] * 3)
    _, tokens, mask = model.interests(batch)
    assert asked(lambda h: model.auxiliary_loss(h, tokens, mask)) == [True] * 5 + [False]
    e = model.item(tokens).detach()
    assert asked(lambda h: same_step(h, e, mask.float())) == [True] * 6


def test_c50_no_state_has_read_the_film_it_foretells():
    """Changing the last film of a history changes what is asked, but no state that is asked."""
    model, batch = DIEN(SCHEMA, dim=4), make_batch(SCHEMA, B=6, lengths=[6] * 6)
    with torch.no_grad():
        model.item.id.weight[2:].normal_()
    h, tokens, mask = model.interests(batch)
    batch.history[:, -1] = 41 - batch.history[:, -1]
    other = model.interests(batch)[0]
    torch.testing.assert_close(h[:, :-1], other[:, :-1])
    assert not torch.allclose(h[:, -1], other[:, -1])
    assert torch.isfinite(model.auxiliary_loss(h, tokens, mask))


def test_c50_one_film_asks_nothing():
    model, batch = DIEN(SCHEMA, dim=4), make_batch(SCHEMA, B=3, lengths=[1, 1, 0])
    assert model.auxiliary_loss(*model.interests(batch)) == 0
    assert same_step(torch.randn(1, 4), torch.randn(1, 4), torch.ones(1)) > 0


# C52 ----- ---------------------------------------------------------------------------------------------------


def test_c52_is_none_asks_about_none_only():
    def source(h):
        return "start" if h == None else "go on"  # noqa: E711

    def ours(h):
        return "start" if h is None else "go on"

    assert ours(np.ones(2)) == ours(torch.ones(2)) == "go on"
    with pytest.raises(ValueError, match="ambiguous"):
        source(np.ones(2))
