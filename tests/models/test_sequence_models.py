"""What every model that reads a history must do, whatever its formula."""

import dataclasses

import pytest
import torch

from recbyhand import models
from recbyhand.data import Batch
from tests.factories import make_batch, make_schema
from tests.models.cases import WITH_HISTORY, cases, make

SCHEMA = make_schema()
HISTORY = ("history", "history_mask", "history_labels", "history_time")


def pad(batch: Batch, before: int, after: int) -> Batch:
    def wider(x):
        return torch.cat([x.new_zeros(len(x), before), x, x.new_zeros(len(x), after)], dim=1)

    return dataclasses.replace(batch, **{name: wider(getattr(batch, name)) for name in HISTORY})


@pytest.fixture(params=cases(WITH_HISTORY))
def model(request):
    torch.manual_seed(0)
    model = make(request.param, SCHEMA, dim=8)
    with torch.no_grad():  # weights large enough that an ignored input would show
        for table in (m for m in model.modules() if isinstance(m, torch.nn.Embedding)):
            table.weight[2:] *= 20
    return model


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(("before", "after"), [(0, 3), (3, 0), (2, 4)])
def test_padding_never_changes_the_output(model, train, before, after):
    batch = make_batch(SCHEMA, 8)
    model.train(train)
    with torch.no_grad():
        torch.testing.assert_close(model(pad(batch, before, after)), model(batch))


def test_shapes_of_one_of_many_and_of_no_history(model):
    batch = make_batch(SCHEMA, 8)
    assert model(batch).shape == (8,)
    assert model(batch[:1]).shape == (1,)
    empty = dataclasses.replace(
        batch, history=torch.zeros_like(batch.history), history_mask=torch.zeros_like(batch.history_mask)
    )
    assert model(empty).isfinite().all()
    losses = model.loss(empty) if hasattr(model, "loss") else {}
    for loss in losses.values():
        assert loss.isfinite()


@pytest.mark.parametrize("train", [False, True])
def test_a_history_of_width_0_is_an_empty_history(model, train):
    batch = make_batch(SCHEMA, 8)
    none = dataclasses.replace(batch, **{name: getattr(batch, name)[:, :0] for name in HISTORY})
    empty = dataclasses.replace(batch, **{name: torch.zeros_like(getattr(batch, name)) for name in HISTORY})
    model.train(train)
    with torch.no_grad():
        torch.testing.assert_close(model(none), model(empty))
    if isinstance(model, (models.DIN, models.DIEN)):  # those of the Transformers are held by their own tests
        assert model.attention(none).shape == (8, 0)
    if hasattr(model, "loss"):
        generators = [torch.Generator().manual_seed(0) for _ in range(2)]
        torch.testing.assert_close(model.loss(none, generators[0]), model.loss(empty, generators[1]))
        sum(model.loss(none).values()).backward()


def test_eval_is_deterministic_and_rows_are_independent(model):
    batch = make_batch(SCHEMA, 8)
    model.eval()
    with torch.no_grad():
        assert torch.equal(model(batch), model(batch))
        torch.testing.assert_close(model(batch[2:5]), model(batch)[2:5])


def test_every_parameter_learns(model):
    batch = make_batch(SCHEMA, 32)
    losses = model.loss(batch) if hasattr(model, "loss") else {"all": (model(batch) * torch.randn(32)).sum()}
    sum(losses.values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0 or name.endswith("attend.bias"), name


@pytest.mark.parametrize("name", ["JointRNN", "DIEN"])
def test_the_second_loss_never_sees_the_target_and_the_future_not_the_past(name):
    torch.manual_seed(0)
    model = getattr(models, name)(SCHEMA, dim=8)
    term = {"JointRNN": "next", "DIEN": "auxiliary"}[name]
    batch = make_batch(SCHEMA, 8)
    other = dataclasses.replace(batch, item=(batch.item - 1).clamp(min=2), label=1 - batch.label)
    values = []
    for b in (batch, other):
        torch.manual_seed(1)  # the same negatives
        values.append(model.loss(b)[term])
    assert torch.equal(*values)
    states = model.states(batch)[0] if name == "JointRNN" else model.interests(batch)[0]
    changed = batch.history.clone()
    changed[:, -1] = torch.where(batch.history_mask[:, -1], (changed[:, -1] % 20) + 2, 0)
    later = dataclasses.replace(batch, history=changed)
    again = model.states(later)[0] if name == "JointRNN" else model.interests(later)[0]
    assert torch.equal(states[:, :-1], again[:, :-1])


@pytest.mark.parametrize("name", ["DIN", "DIEN"])
def test_attention_follows_the_target(name):
    torch.manual_seed(0)
    model = getattr(models, name)(SCHEMA, dim=8).eval()
    with torch.no_grad():
        model.item.id.weight[2:] *= 20
    batch = make_batch(SCHEMA, 8)
    other = dataclasses.replace(batch, item=batch.item.roll(1))
    weights = model.attention(batch)
    assert weights.shape == batch.history.shape
    assert (weights[~batch.history_mask] == 0).all()
    assert not torch.allclose(weights, model.attention(other))


@pytest.mark.parametrize(("name", "settings"), [("DIEN", {}), ("JointRNN", {"sampled": 3})])
def test_negatives_come_from_the_generator_that_is_passed(name, settings):
    torch.manual_seed(0)
    schema = make_schema()
    model, batch = getattr(models, name)(schema, dim=4, **settings), make_batch(schema, B=16)
    with torch.no_grad():
        model.item.id.weight.normal_() if name == "DIEN" else model.item.weight.normal_()
    before = torch.get_rng_state()

    def second_term(seed):
        return list(model.loss(batch, generator=torch.Generator().manual_seed(seed)).values())[1].item()

    assert second_term(1) == second_term(1) != second_term(2)
    assert torch.equal(torch.get_rng_state(), before)  # nothing else was drawn from


def test_every_model_trains_under_autocast(model):
    batch = make_batch(model.schema, B=8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = model.loss(batch) if hasattr(model, "loss") else {"logit": model(batch).float().mean()}
        loss = sum(terms.values())
    loss.backward()
    assert torch.isfinite(loss)
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize("evolution", ["augru", "agru", "aigru"])
def test_the_forms_of_dien_by_hand(evolution):
    """One loop over time in the paper's letters: u' = a u (AUGRU), u' = a (AGRU), or the input a h of a GRU (AIGRU)."""
    torch.manual_seed(0)
    model = models.DIEN(SCHEMA, dim=4, evolution=evolution).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    batch = make_batch(SCHEMA, B=1, lengths=[4])
    attention = model.attention(batch)[0]  # (L,)
    states = model.extract(model.item(batch.history))[0][0]  # (L, d)
    cell, x = model.evolve.cell, torch.zeros(4)
    for h, a in zip(states[:4], attention[:4], strict=True):
        wu, wr, wn = cell.ih(a * h if evolution == "aigru" else h).chunk(3)
        uu, ur, un = cell.hh(x).chunk(3)
        u, r = torch.sigmoid(wu + uu), torch.sigmoid(wr + ur)
        u = {"augru": a * u, "agru": a, "aigru": u}[evolution]
        x = (1 - u) * x + u * torch.tanh(wn + r * un)
    t = model.item(batch.item)[0]
    expected = model.mlp(torch.cat([x, t, x * t])[None])[0, 0]
    torch.testing.assert_close(model(batch)[0], expected)
