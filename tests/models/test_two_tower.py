"""TwoTower: pooling attention by torch's kernel, its losses by loops, and users whom nobody knows."""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

import recbyhand as rbh
from recbyhand.data import ctr, planted
from recbyhand.models import TwoTower
from tests.factories import make_batch, make_schema

SCHEMA = make_schema()


def made(**settings):
    torch.manual_seed(0)
    model = TwoTower(SCHEMA, dim=8, **settings).double().eval()
    with torch.no_grad():
        for table in (m for m in model.modules() if isinstance(m, torch.nn.Embedding)):
            table.weight[2:] *= 20
    return model


@pytest.fixture
def batch():
    return make_batch(SCHEMA, 8)


@pytest.mark.parametrize("normalise", [True, False])
def test_the_logit_is_the_inner_product_of_two_vectors(batch, normalise):
    model = made(normalise=normalise, temperature=0.5)
    u, v = model.user_vectors(batch), model.item_vectors(batch.item)
    assert u.shape == v.shape == (8, 16)
    torch.testing.assert_close(model(batch), (u * v).sum(1) / 0.5)
    if normalise:
        torch.testing.assert_close(u.norm(dim=1), torch.ones(8).double())
        torch.testing.assert_close(v.norm(dim=1), torch.ones(8).double())


def test_score_items_are_the_logits_of_every_pair_and_rank_as_the_search_does(batch):
    model, items = made(), torch.arange(2, SCHEMA.n_items)
    scores = model.score_items(batch, items)
    for k, item in enumerate(items):
        torch.testing.assert_close(scores[:, k], model(dataclasses.replace(batch, item=item.expand(8))))
    near = model.user_vectors(batch) @ model.item_vectors(items).T
    assert torch.equal(near.argsort(dim=1), scores.argsort(dim=1))


def test_a_users_vector_knows_no_target_and_an_items_vector_no_user(batch):
    model = made()
    other = dataclasses.replace(batch, item=batch.item.roll(1), label=1 - batch.label)
    assert torch.equal(model.user_vectors(batch), model.user_vectors(other))
    torch.testing.assert_close(model.item_vectors(batch.item[:, None])[:, 0], model.item_vectors(batch.item))


@pytest.mark.parametrize("users", [True, False])
def test_pooling_is_torchs_attention(batch, users):
    """Shapes of the source's repaired code: one query per user, B x H x L weights, heads side by side."""
    model = made(users=users, heads=2)
    pool, user = model.pool, model.user(batch)
    query = model.query + model.ask(user)  # (B, d)
    e = model.past(batch.history)
    q = pool.query(query).view(8, 2, 1, 4)
    k, v = (m(e).view(8, -1, 2, 4).transpose(1, 2) for m in (pool.key, pool.value))
    some = batch.history_mask.any(1)
    x = F.scaled_dot_product_attention(q, k, v, attn_mask=batch.history_mask[:, None, None])[:, :, 0].flatten(
        1
    )
    x = torch.where(some[:, None], x, 0)
    u = model.user_tower(torch.cat([pool.out(x), user], dim=1))
    torch.testing.assert_close(model.user_vectors(batch), F.normalize(u, dim=1))
    a = model.attention(batch)
    assert a.shape == (8, 2, batch.history.shape[1])
    assert (a.transpose(1, 2)[~batch.history_mask] == 0).all()
    torch.testing.assert_close(a.sum(-1), some[:, None].expand(-1, 2).double())


def test_an_aligned_event_gets_the_weight():
    model = made(heads=1, features=False)
    with torch.no_grad():
        model.pool.query.weight.copy_(torch.eye(8))
        model.pool.query.bias.zero_()
        model.pool.key.weight.copy_(torch.eye(8))
        model.query.copy_(10 * torch.eye(8)[3])
        model.item.id.weight[5] = 5 * torch.eye(8)[3]
        model.item.id.weight[6] = 5 * torch.eye(8)[2]
    batch = make_batch(SCHEMA, 1, lengths=[5])
    batch.history[0] = torch.tensor([6, 6, 5, 6, 6])
    a = model.attention(batch)[0, 0]
    assert a.argmax() == 2
    assert a.max() > 0.9


def test_the_order_of_the_history_does_not_matter(batch):
    model = made()
    flipped = dataclasses.replace(
        batch, history=batch.history.flip(1), history_mask=batch.history_mask.flip(1)
    )
    torch.testing.assert_close(model.user_vectors(flipped), model.user_vectors(batch))


@pytest.mark.parametrize("users", [True, False])
def test_a_user_whom_nobody_knows_has_a_vector(batch, users):
    model = made(users=users)
    strange = dataclasses.replace(batch, user=torch.ones_like(batch.user))
    assert torch.isfinite(model(strange)).all()
    u = model.user_vectors(strange)
    assert not torch.allclose(u[-1], u[1])  # the histories speak
    nothing = dataclasses.replace(
        strange, history=strange.history * 0, history_mask=strange.history_mask & False
    )
    torch.testing.assert_close(*model.user_vectors(nothing)[:2])


def test_one_table_or_two():
    one, two = made(), made(shared=False)
    assert one.past is one.item
    assert two.past is not two.item
    count = lambda m: sum(p.numel() for p in m.parameters())  # noqa: E731
    assert count(two) == count(one) + count(two.past)


# --- losses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("correct", [True, False, "all"])
def test_in_batch_softmax_by_loops(correct):
    model = made(correct=correct, temperature=0.5)
    batch = make_batch(SCHEMA, 7, user=[2, 2, 3, 4, 5, 1, 1], item=[4, 5, 4, 6, 7, 8, 9])
    batch.label = torch.tensor([1.0, 1, 1, 0, 1, 1, 1])
    model.seen[:] = torch.arange(SCHEMA.n_items) + 1
    q = model.seen / model.seen.sum()
    liked = [k for k in range(7) if batch.label[k]]
    u, v = model.user_vectors(batch), model.item_vectors(batch.item)
    losses = []

    def taken(j):
        return math.log((len(liked) - 1) * q[batch.item[j]])

    for i in liked:
        right = u[i] @ v[i] / 0.5 - (correct == "all") * taken(i)
        terms = [right]
        for j in liked:
            same_user = batch.user[i] == batch.user[j] and batch.user[i] > 1  # both are likes
            if j != i and batch.item[j] != batch.item[i] and not same_user:
                terms.append(u[i] @ v[j] / 0.5 - bool(correct) * taken(j))
        losses.append(torch.logsumexp(torch.stack(terms), 0) - right)
    (term,) = model.loss(batch).values()
    torch.testing.assert_close(term, torch.stack(losses).mean())


def test_corrected_in_batch_negatives_estimate_the_softmax_over_the_catalogue():
    """Likes are drawn by popularity; corrected, the loss of many is that of all items, uncorrected it is not."""
    n = 6000
    g = torch.Generator().manual_seed(0)
    popularity = torch.zeros(SCHEMA.n_items)
    popularity[2:] = torch.linspace(1, 20, SCHEMA.n_items - 2)
    items = torch.multinomial(popularity, n, replacement=True, generator=g)
    batch = make_batch(SCHEMA, n, user=[1] * n, item=items.tolist())
    batch.label = torch.ones(n)
    model = made(temperature=0.3)
    model.seen[:] = popularity
    catalogue = model.score_items(batch, torch.arange(2, SCHEMA.n_items))
    full = F.cross_entropy(catalogue, items - 2).item()
    with torch.no_grad():
        assert abs(model.loss(batch)["softmax"].item() - full) < 0.02
        model.correct = False
        assert abs(model.loss(batch)["softmax"].item() - full) > 1


def test_sampled_softmax_is_that_of_the_layers(batch):
    model = made(loss="sampled", negatives=20000)
    liked = batch[batch.label > 0]
    full = F.cross_entropy(model.score_items(liked, torch.arange(2, SCHEMA.n_items)), liked.item - 2)
    with torch.no_grad():
        assert abs(model.loss(batch, torch.Generator().manual_seed(0))["softmax"].item() - full.item()) < 0.02


def test_likes_are_counted_while_training_and_not_else(batch):
    model = made()
    model.loss(batch)
    assert model.seen.sum() == 0
    model.train().loss(batch)
    likes = torch.bincount(batch.item[batch.label > 0], minlength=SCHEMA.n_items)
    assert torch.equal(model.seen, likes.double())
    assert torch.equal(made().seen, torch.zeros(SCHEMA.n_items).double())


def test_full_softmax_is_torchs_over_the_catalogue(batch):
    model = made(loss="full")
    liked = batch[batch.label > 0]
    full = F.cross_entropy(model.score_items(liked, torch.arange(2, SCHEMA.n_items)), liked.item - 2)
    for correct in (True, False, "all"):  # every item is there once: nothing to correct
        model.correct = correct
        torch.testing.assert_close(model.loss(batch)["softmax"], full)


def test_uniform_negatives_corrected_on_both_sides_are_as_without(batch):
    losses = [
        made(loss="sampled", correct=c).loss(batch, torch.Generator().manual_seed(0))["softmax"]
        for c in (False, "all")
    ]
    torch.testing.assert_close(*losses)


@pytest.mark.parametrize("loss", ["in_batch", "full"])
def test_hard_keeps_the_largest_logits(batch, loss):
    model, hard = made(loss=loss, correct=False), made(loss=loss, correct=False, hard=2)
    liked = batch[batch.label > 0]
    items = liked.item if loss == "in_batch" else torch.arange(2, SCHEMA.n_items)
    z = model.score_items(liked, items)  # (P, n)
    losses = []
    for i in range(len(liked)):
        right = model(liked[i])[0]
        others = [
            z[i, j]
            for j in range(len(items))
            if items[j] != liked.item[i] and not (loss == "in_batch" and liked.user[i] == liked.user[j])
        ]
        losses.append(torch.logsumexp(torch.stack([right, *sorted(others)[-2:]]), 0) - right)
    torch.testing.assert_close(hard.loss(batch)["softmax"], torch.stack(losses).mean())
    assert hard.loss(batch)["softmax"] <= model.loss(batch)["softmax"]


@pytest.mark.parametrize("loss", ["in_batch", "sampled", "full", "bce"])
def test_a_batch_of_one_like_or_none(batch, loss):
    model = made(loss=loss).train()
    for label in (torch.zeros(8), torch.eye(8)[0]):
        (term,) = model.loss(
            dataclasses.replace(batch, label=label), torch.Generator().manual_seed(0)
        ).values()
        assert torch.isfinite(term)
        model.zero_grad()
        term.backward()
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("loss", ["in_batch", "sampled", "bce"])
def test_finds_taste_in_a_planted_world(loss):
    task = ctr(planted("factors", users=200))
    model = rbh.train(lambda s: TwoTower(s, loss=loss), task, epochs=4, lr=1e-2, batch_size=512)
    logits = rbh.predict(model, task.test)
    assert rbh.metrics.auc(task.test.label, logits) > 0.58, loss


def test_saved_and_loaded(tmp_path, batch):
    torch.manual_seed(0)
    model = TwoTower(SCHEMA, users=True).train()
    model.loss(batch)
    rbh.save(model, tmp_path / "m.safetensors")
    again = rbh.load(tmp_path / "m.safetensors")
    assert torch.equal(again.seen, model.seen)
    assert again.past is again.item
    assert torch.equal(again(batch), model.eval()(batch))


def test_refusals(batch):
    with pytest.raises(ValueError, match="'in_batch', 'sampled', 'full', 'bce'"):
        TwoTower(SCHEMA, loss="hinge")
    with pytest.raises(ValueError, match="'attention' or 'mean'"):
        TwoTower(SCHEMA, pooling="max")
    with pytest.raises(ValueError, match='True, False or "all"'):
        TwoTower(SCHEMA, correct="some")
    with pytest.raises(ValueError, match="hard"):
        TwoTower(SCHEMA, hard=0)
    with pytest.raises(ValueError, match="temperature=0"):
        TwoTower(SCHEMA, temperature=0)
    with pytest.raises(ValueError, match="no attention"):
        TwoTower(SCHEMA, pooling="mean").attention(batch)
