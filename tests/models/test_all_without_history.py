"""What every model that reads no history must do, whatever its formula."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from recbyhand import models
from recbyhand.data import Field
from tests.factories import make_batch, make_schema, pad
from tests.models.cases import WITHOUT_HISTORY, cases, make

SCHEMA = make_schema()


@pytest.fixture(params=cases(WITHOUT_HISTORY))
def model(request):
    torch.manual_seed(0)
    model = make(request.param, SCHEMA)
    with torch.no_grad():
        for parameter in model.parameters():  # every part of the formula speaks
            parameter.add_(torch.randn_like(parameter) * 0.3)
        for module in model.modules():
            if isinstance(module, torch.nn.Embedding) and module.padding_idx == 0:
                module.weight[0] = 0
    return model


def test_logits_of_shape_b_of_any_sign(model):
    logits = model.eval()(make_batch(SCHEMA, B=200))
    assert logits.shape == (200,)
    assert logits.dtype == torch.float32
    assert logits.min() < 0 or logits.max() > 1
    assert logits.std() > 0


@pytest.mark.parametrize("training", [True, False])
def test_a_batch_of_one_and_of_none(model, training):
    batch = make_batch(SCHEMA)
    model.train(training)
    assert model(batch[:1]).shape == (1,)
    assert torch.isfinite(model(batch[:1])).all()
    assert model(batch[:0]).shape == (0,)


def test_eval_is_repeatable_and_independent_of_the_neighbours(model):
    batch = make_batch(SCHEMA)
    model(batch)
    model.eval()
    assert torch.equal(model(batch), model(batch))
    assert torch.allclose(model(batch)[:3], model(batch[:3]), atol=1e-6)


def test_all_padding_is_legal(model):
    batch = make_batch(SCHEMA)
    zeros = {name: torch.zeros_like(v) for name, v in vars(batch).items() if isinstance(v, torch.Tensor)}
    logits = model.eval()(dataclasses.replace(batch, **zeros))
    assert torch.isfinite(logits).all()
    assert torch.allclose(logits, logits[:1].expand(8))


def test_place_and_amount_of_padding_do_not_matter(model):
    batch = make_batch(SCHEMA)
    model.eval()
    assert torch.equal(model(batch), model(pad(batch, 3)))
    table = SCHEMA.item_table
    turned = torch.cat([table[:, :1], table[:, 1:].flip(1)], dim=1)  # genres: three columns, padded with 0
    other = dataclasses.replace(batch, schema=dataclasses.replace(SCHEMA, item_table=turned))
    assert torch.allclose(model(batch), model(other), atol=1e-6)

    wider = torch.nn.functional.pad(table, (0, 2))
    wide = make_schema(item_fields=(Field("year", 7), Field("genres", 9, 5)), item_table=wider)
    again = type(model)(wide, **model.settings).eval()
    again.load_state_dict(model.state_dict())
    assert torch.allclose(model(batch), again(dataclasses.replace(batch, schema=wide)), atol=1e-6)


def test_every_trainable_parameter_has_a_finite_gradient(model):
    batch = make_batch(SCHEMA, B=400)
    loss = F.binary_cross_entropy_with_logits(model(batch), batch.label)
    loss.backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and parameter.numel():
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.abs().max() > 0, name


def test_float64_gradcheck(model):
    batch = make_batch(SCHEMA, B=3)
    model = model.double().eval()
    small = sorted(model.named_parameters(), key=lambda named: named[1].numel())
    small = [(n, p) for n, p in small if 0 < p.numel() <= 64] or small[:1]
    free = {n: p.detach().requires_grad_() for n, p in small}
    names = list(free)

    def logits(*values):
        return torch.func.functional_call(model, dict(zip(names, values, strict=True)), (batch,))

    assert torch.autograd.gradcheck(logits, tuple(free.values()), fast_mode=True)


def test_autocast_stays_finite_and_close(model):
    batch = make_batch(SCHEMA)
    model.eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = model(batch)
    assert torch.isfinite(low).all()
    assert torch.allclose(low.float(), model(batch), atol=0.1, rtol=0.05)


def test_reading_does_not_change_the_weights(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(30)
    before = {n: p.clone() for n, p in model.named_parameters()}
    model.eval()(make_batch(SCHEMA))
    assert all(torch.equal(before[n], p) for n, p in model.named_parameters())


def test_a_schema_without_features():
    bare = make_schema(user_fields=(), item_fields=())
    for name in WITHOUT_HISTORY:
        settings = {"kernel": 2} if name == "FeatureCNN" else {}  # two fields are left
        assert make((name, settings), bare)(make_batch(bare)).shape == (8,)
    with pytest.raises(ValueError, match="no features"):
        models.FeatureMLP(bare, ids=False)
