"""BST, SASRec, Transformer4Rec: what each is by its formula, who sees whom, and losses that no leak makes small."""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from torch.utils._pytree import tree_leaves

from recbyhand.layers import causal_mask, events_first, full_softmax_loss, gbce_loss, last_state
from recbyhand.models import BST, SASRec, Transformer4Rec
from tests.factories import make_batch, make_schema
from tests.models.cases import WITH_HISTORY, cases, make

SCHEMA = make_schema()


def lively(model):
    """Weights large enough that an ignored input would show, in double precision, with nothing dropped."""
    torch.manual_seed(0)
    with torch.no_grad():
        for table in (m for m in model.modules() if isinstance(m, torch.nn.Embedding)):
            table.weight[2 if table.padding_idx == 0 else 0 :].normal_()
    return model.double().eval()


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def batch():
    return make_batch(SCHEMA, 8)


# --- BST ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_bst_equals_torch_modules(batch, norm):
    """The same weights in torch's encoder: the target's place, its mask and its head."""
    from tests.layers.test_transformer import copy_layer

    model = lively(BST(SCHEMA, dim=8, layers=2, norm=norm, users=True, features=True))
    layer = torch.nn.TransformerEncoderLayer(
        8, 2, 32, 0.0, torch.nn.LeakyReLU(), batch_first=True, norm_first=norm == "pre"
    ).double()
    oracle = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).train()
    for ours, theirs in zip(model.encoder.layers, oracle.layers, strict=True):
        copy_layer(ours, theirs)
    if norm == "pre":
        oracle.norm = model.encoder.norm
    gap = torch.cat([batch.time[:, None] - batch.history_time, torch.zeros(8, 1, dtype=torch.long)], 1)
    items = torch.cat([batch.history, batch.item[:, None]], 1)
    x = model.join(torch.cat([model.item(items), model.place(gap)], -1))
    padded = F.pad(~batch.history_mask, (0, 1))
    z = oracle(x, src_key_padding_mask=padded)[:, -1]
    expected = model.mlp(torch.cat([z, model.user(batch)], 1))[:, 0]
    torch.testing.assert_close(model(batch), expected)


def test_bst_minds_time_gaps_and_not_only_order(batch):
    later = dataclasses.replace(batch, time=batch.time + 86_400)
    for positions in ("time", "learned", "sinusoidal", "none"):
        model = lively(BST(SCHEMA, dim=8, positions=positions))
        same = torch.isclose(model(batch), model(later))[batch.history_mask.any(1)]
        assert same.all() == (positions != "time"), positions
        turned = dataclasses.replace(
            batch, history=batch.history.flip(1), history_mask=batch.history_mask.flip(1)
        )
        if positions != "time":  # there the turned events would have other times
            blind = torch.allclose(model(batch), model(turned))
            assert blind == (positions == "none"), positions
    with pytest.raises(ValueError, match="positions is one of time, learned, sinusoidal, none"):
        BST(SCHEMA, positions="rotary")


def test_bst_attention_is_what_it_used(batch):
    model = lively(BST(SCHEMA, dim=8, layers=2))
    weights = model.attention(batch)
    assert [a.shape for a in weights] == [(8, 2, 6, 6)] * 2
    mask = F.pad(batch.history_mask, (0, 1), value=True)
    for a in weights:
        assert (a * ~mask[:, None, None] == 0).all()
        torch.testing.assert_close(
            a.sum(-1)[mask[:, None].expand(-1, 2, -1)], torch.ones(1).double().expand(2 * mask.sum())
        )
    other = dataclasses.replace(batch, item=batch.item.roll(1))
    assert not torch.allclose(weights[0][1:, :, -1], model.attention(other)[0][1:, :, -1])
    alone = batch.history_mask.any(1).logical_not()
    assert (weights[0][alone][:, :, -1, -1] == 1).all()


def test_bst_has_fixed_sinusoids():
    model = BST(SCHEMA, dim=8, positions="sinusoidal")
    assert not model.place.table.weight.requires_grad
    assert "place.table.weight" not in dict(BST(SCHEMA, positions="none").named_parameters())


def test_bst_near_is_what_loops_say(batch):
    """Layer 1 by a loop: scores, a number for each distance, the past only; padding moves nothing."""
    model = lively(BST(SCHEMA, dim=8, layers=2, positions="learned", near=True))
    first, last = (layer.attention for layer in model.encoder.layers)
    assert first.near.shape == (2, 6)
    assert last.near is None
    torch.testing.assert_close(first.near[:, :3], torch.tensor([[0, -1, -2], [0, -0.5, -1]]).double())
    with torch.no_grad():
        first.near.normal_()
    x, mask = model.tokens(batch)
    q, k = first.split(first.query(x)), first.split(first.key(x))  # (B, H, T, d)
    found = model.attention(batch)[0]  # (B, H, T, T)
    for b in range(len(batch)):
        real = [t for t in range(6) if mask[b, t]]  # in this order, whatever padding lies between
        for h in range(2):
            for m, t in enumerate(real):
                seen = real[: m + 1]
                scores = [q[b, h, t] @ k[b, h, u] / 2 + first.near[h, m - n] for n, u in enumerate(seen)]
                torch.testing.assert_close(found[b, h, t, seen], torch.stack(scores).softmax(0))
                assert found[b, h, t].sum().item() == pytest.approx(1)
    with pytest.raises(ValueError, match="layers=2"):
        BST(SCHEMA, near=True)


def test_bst_vectors_start_at_std():
    """All tables, and nothing else; rows of padding and fixed sines stay as they are."""
    for positions in ("time", "sinusoidal"):
        small, large = (
            dict(
                _seeded(
                    BST, SCHEMA, dim=8, users=True, features=True, positions=positions, std=std
                ).state_dict()
            )
            for std in (0.05, 0.5)
        )
        for name, weight in small.items():
            table = "table" in name or name.startswith(("item.", "user."))
            fixed = positions == "sinusoidal" and name.startswith("place.")
            torch.testing.assert_close(large[name], weight * (10 if table and not fixed else 1), msg=name)
    with pytest.raises(ValueError, match="std"):
        BST(SCHEMA, std=0)


def _seeded(make, *args, **settings):
    torch.manual_seed(0)
    return make(*args, **settings)


# --- SASRec ---------------------------------------------------------------------------------------------


def test_sasrec_states_are_those_of_the_prefixes():
    """All positions at once give what each prefix gives alone, for places counted from the same end."""
    model = lively(SASRec(SCHEMA, dim=8))
    batch = make_batch(SCHEMA, 6, lengths=[5] * 6)
    with torch.no_grad():
        model.place.table.weight[:] = model.place.table.weight[
            0
        ].clone()  # one vector: prefixes have other places
    states, _, _ = model.states(batch)
    for n in range(1, 6):
        alone = dataclasses.replace(
            batch, history=batch.history[:, :n], history_mask=batch.history_mask[:, :n]
        )
        torch.testing.assert_close(model.states(alone)[0][:, -1], states[:, n - 1])


def test_sasrec_reads_scaled_items_and_places_counted_from_the_newest():
    model = lively(SASRec(SCHEMA, dim=8))
    batch = make_batch(SCHEMA, 2, lengths=[5, 3])
    states, _, _ = model.states(batch)
    for b, n in enumerate((5, 3)):
        place = model.place.table.weight[list(range(n - 1, -1, -1))]  # the newest has place 0
        x = math.sqrt(8) * model.item.weight[batch.history[b, :n]] + place
        torch.testing.assert_close(states[b, :n], model.encoder(x[None], causal_mask(n))[0])


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_sasrec_never_looks_ahead(norm):
    model = lively(SASRec(SCHEMA, dim=8, norm=norm))
    batch = make_batch(SCHEMA, 3, lengths=[5, 5, 5])
    seen = {}
    model.item.register_forward_hook(lambda m, i, out: seen.setdefault("e", out))
    states, _, _ = model.states(batch)
    for t in range(5):
        (grad,) = torch.autograd.grad(
            states[:, t].square().sum() + states[:, t].sum(), seen["e"], retain_graph=True
        )
        assert (grad[:, t + 1 :] == 0).all()
        assert (grad[:, : t + 1].abs().sum(-1) > 0).all()


@pytest.mark.parametrize("loss", ["bce", "softmax", "sampled", "gbce"])
def test_sasrec_asks_for_the_next_event_and_the_liked_target(loss):
    model = lively(SASRec(SCHEMA, dim=8, loss=loss, negatives=7))
    batch = make_batch(SCHEMA, 3, lengths=[3, 0, 1])

    def value(**changed):
        torch.manual_seed(3)
        return model.loss(dataclasses.replace(batch, **changed))["next"].item()

    disliked = value(label=torch.zeros(3))
    assert value(label=torch.zeros(3), item=(batch.item + 1) % 20 + 2) == disliked
    liked = value(label=torch.ones(3))
    assert value(label=torch.ones(3), item=(batch.item + 1) % 20 + 2) != liked != disliked
    if loss == "softmax":  # events 2 and 3 of row 0, and the targets of rows 0 and 2
        h = model.states(batch)[0]
        states = torch.cat([h[0, :3], h[2, :1]])
        after = torch.stack([batch.history[0, 1], batch.history[0, 2], batch.item[0], batch.item[2]])
        expected = full_softmax_loss(states, after, model.item.weight)
        assert liked == pytest.approx(expected.item(), abs=1e-12)


@pytest.mark.parametrize("kind", [SASRec, Transformer4Rec])
def test_items_in_common_score_as_in_forward(batch, kind):
    model = lively(kind(SCHEMA, dim=8))
    items = torch.tensor([2, 5, 9, 11])
    scores = model.score_items(batch, items)
    assert scores.shape == (8, 4)
    for k, item in enumerate(items):
        torch.testing.assert_close(scores[:, k], model(dataclasses.replace(batch, item=item.expand(8))))


def test_sasrec_knows_nothing_of_a_user_without_history(batch):
    model = lively(SASRec(SCHEMA, dim=8))
    states, _, mask = model.states(batch)
    torch.testing.assert_close(model(batch), (last_state(states, mask) * model.item(batch.item)).sum(-1))
    assert (model(batch)[~batch.history_mask.any(1)] == 0).all()


def test_sasrec_attention(batch):
    model = lively(SASRec(SCHEMA, dim=8, heads=2))
    weights = model.attention(batch)
    assert [a.shape for a in weights] == [(8, 2, 5, 5)] * 2
    _, mask = events_first(batch.history, batch.history_mask)
    for a in weights:
        assert (a * ~causal_mask(5) == 0).all()
        torch.testing.assert_close(a.sum(-1), mask[:, None].expand(-1, 2, -1).double())
    with pytest.raises(ValueError, match="loss is one of bce, softmax, sampled, gbce; got 'bpr'"):
        SASRec(SCHEMA, loss="bpr")


def test_gbce_is_bce_at_0_and_weighs_the_positive_at_1():
    state, target, items = torch.randn(6, 4), torch.randint(2, 30, (6,)), torch.randn(30, 4)
    drawn = torch.randint(2, 30, (5,), generator=torch.Generator().manual_seed(1))
    right, wrong = F.logsigmoid((state * items[target]).sum(1)), F.logsigmoid(-state @ items[drawn].T)
    wrong = (wrong * (drawn != target[:, None])).sum(1)
    for t, beta in ((0, 1.0), (1, 5 / 27), (0.5, (1 + 5 / 27) / 2)):
        expected = -(beta * right + wrong).mean() / 6
        got = gbce_loss(state, target, items, 5, t, torch.Generator().manual_seed(1))
        torch.testing.assert_close(got, expected)
    with pytest.raises(ValueError, match="calibration=2: give a number from 0"):
        gbce_loss(state, target, items, 5, 2)
    assert gbce_loss(state[:0], target[:0], items, 5) == 0


# --- Transformer4Rec ------------------------------------------------------------------------------------


@pytest.mark.parametrize("auxiliary", ["item", "label"])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_state_k_knows_events_1_to_k(auxiliary, norm):
    model = lively(Transformer4Rec(SCHEMA, dim=8, layers=2, norm=norm, auxiliary=auxiliary))
    batch = make_batch(SCHEMA, 3, lengths=[5, 5, 5])
    seen = []
    tables = [model.item, model.label] if auxiliary == "label" else [model.item]
    for table in tables:
        table.register_forward_hook(lambda m, i, out: seen.append(out))
    s, _, real = model.states(batch)
    assert s.shape == (3, 6, 8)
    assert real.all()
    for k in range(6):
        for e in seen[: len(tables)]:
            (grad,) = torch.autograd.grad(
                s[:, k].square().sum() + s[:, k].sum(), e, retain_graph=True, allow_unused=True
            )
            assert (grad[:, k:] == 0).all()
            assert (grad[:, :k].abs().sum(-1) > 0).all()


def test_transformer4rec_by_its_formula():
    """Scaled items and places (the target's is 0), a start token, state k reads m_1 ... m_k, and a head of products."""
    model = lively(Transformer4Rec(SCHEMA, dim=8))
    batch = make_batch(SCHEMA, 2, 3, lengths=[3, 3])
    place, reads = model.place.table.weight[[3, 2, 1, 0]], torch.ones(4, 3, dtype=torch.bool).tril(-1)
    for b, logit in enumerate(model(batch)):
        e, t = (math.sqrt(8) * model.item.weight[ids] for ids in (batch.history[b], batch.item[b]))
        memory = model.encoder((e + place[:3])[None], causal_mask(3))
        x = torch.cat([model.start[None], e]) + place
        s = model.decoder(x[None], memory, None, reads)[0, -1]
        torch.testing.assert_close(logit, model.mlp(torch.cat([s, t, s * t]))[0])


@pytest.mark.parametrize("auxiliary", ["item", "label"])
def test_the_auxiliary_loss_never_hears_of_the_target(batch, auxiliary):
    model = lively(Transformer4Rec(SCHEMA, dim=8, auxiliary=auxiliary))
    other = dataclasses.replace(batch, item=batch.item.roll(1), label=1 - batch.label)
    a, b = model.loss(batch), model.loss(other)
    assert a["auxiliary"] == b["auxiliary"]
    assert a["click"] != b["click"]
    moved = dataclasses.replace(batch, history=((batch.history + 1) % 20 + 2) * batch.history_mask)
    assert model.loss(moved)["auxiliary"] != a["auxiliary"]
    louder = lively(Transformer4Rec(SCHEMA, dim=8, auxiliary=auxiliary, alpha=0.4))
    louder.load_state_dict(model.state_dict())
    torch.testing.assert_close(louder.loss(batch)["auxiliary"], 2 * a["auxiliary"])


def test_labels_are_the_task_of_the_binary_variant(batch):
    model = lively(Transformer4Rec(SCHEMA, dim=8, auxiliary="label"))
    s, tokens, real = model.states(batch)
    liked, _ = events_first(batch.history_labels, batch.history_mask)
    logit, mask = model.score(s[:, :-1], tokens), real[:, 1:]
    expected = F.binary_cross_entropy_with_logits(logit[mask], liked[mask].double())
    torch.testing.assert_close(model.loss(batch)["auxiliary"], model.alpha * expected, check_dtype=False)
    flipped = dataclasses.replace(batch, history_labels=(1 - batch.history_labels) * batch.history_mask)
    assert not torch.allclose(model(batch), model(flipped))
    plain = lively(Transformer4Rec(SCHEMA, dim=8))
    assert torch.equal(plain(batch), plain(flipped))
    with pytest.raises(ValueError, match="auxiliary is 'item' or 'label'; got 'both'"):
        Transformer4Rec(SCHEMA, auxiliary="both")


def test_transformer4rec_attention(batch):
    model = lively(Transformer4Rec(SCHEMA, dim=8, layers=2))
    weights = model.attention(batch)
    assert [(own.shape, cross.shape) for own, cross in weights] == [((8, 2, 6, 6), (8, 2, 6, 5))] * 2
    real = F.pad(events_first(batch.history, batch.history_mask)[1], (1, 0), value=True)[:, None].expand(
        -1, 2, -1
    )
    for own, cross in weights:
        torch.testing.assert_close(own.sum(-1), real.double())
        assert (cross[:, :, 0] == 0).all()  # the start has no memory to read
        torch.testing.assert_close(cross[:, :, 1:].sum(-1), real[:, :, 1:].double())


# --- all three ------------------------------------------------------------------------------------------

ALL = cases({name: WITH_HISTORY[name] for name in ("BST", "SASRec", "Transformer4Rec")})


@pytest.mark.parametrize("case", ALL)
def test_attention_of_no_history(batch, case):
    model = lively(make(case, SCHEMA, dim=8))
    none = {
        name: getattr(batch, name)[:, :0]
        for name in ("history", "history_mask", "history_labels", "history_time")
    }
    assert all(a.isfinite().all() for a in tree_leaves(model.attention(dataclasses.replace(batch, **none))))


@pytest.mark.parametrize("case", ALL)
@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_one_rate_for_all_that_drops(batch, case, rate):
    model = make(case, SCHEMA, dim=8, dropout=rate)

    def loss():
        if not hasattr(model, "loss"):
            return model(batch).sum()
        return sum(model.loss(batch, torch.Generator().manual_seed(0)).values())  # the same negatives

    assert (loss() == loss()) == (rate == 0)
    assert {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)} == {rate}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("case", ALL)
def test_half_precision(batch, case, dtype):
    torch.manual_seed(0)
    model = make(case, SCHEMA, dim=8).eval()
    expected = model(batch)
    torch.testing.assert_close(model.to(dtype)(batch).float(), expected, atol=0.05, rtol=0.05)


@pytest.mark.parametrize(
    ("kind", "settings"), [(SASRec, {"loss": "softmax"}), (Transformer4Rec, {"alpha": 1.0})]
)
def test_random_items_cannot_be_predicted(kind, settings):
    """Items drawn at random have a floor of ln n. Less, on rows that were never trained on or were, is a leak."""
    schema = make_schema(n_items=22, history=5, user_fields=(), item_fields=())
    model = kind(schema, dim=16, dropout=0.0, **settings)
    adam = torch.optim.Adam(model.parameters(), lr=1e-2)
    term = "next" if kind is SASRec else "auxiliary"
    losses = []
    for step in range(120):  # fresh rows at every step: nothing can be learned by heart
        batch = make_batch(schema, 128, seed=step, lengths=[5] * 128)
        loss = model.loss(batch)[term]
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert sum(losses[-20:]) / 20 > math.log(20) - 0.05
