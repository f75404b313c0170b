"""The pair sum in all its forms, against a double loop."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from recbyhand.data import Field
from recbyhand.layers import FMInteraction, PairwiseInteraction
from recbyhand.models import FM
from tests.factories import make_batch, make_schema

METHODS = ["running", "identity"]


def double_loop(v):
    out = torch.zeros_like(v[:, 0])
    for i in range(v.shape[1]):
        for j in range(i + 1, v.shape[1]):
            out = out + v[:, i] * v[:, j]
    return out


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None, max_examples=30)
@given(B=st.integers(1, 4), F=st.integers(1, 7), d=st.integers(1, 5), seed=st.integers(0, 99))
def test_vector_and_scalar_form_equal_the_double_loop(method, B, F, d, seed):
    v = torch.randn(B, F, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    vector = FMInteraction(method=method)(v)
    assert torch.allclose(vector, double_loop(v))
    assert torch.allclose(FMInteraction(method=method, scalar=True)(v), double_loop(v).sum(-1))
    assert torch.allclose(PairwiseInteraction()(v).sum(1), vector)


@pytest.mark.parametrize("method", METHODS)
def test_the_factor_one_half(method):
    assert torch.equal(FMInteraction(method=method)(torch.ones(1, 2, 1)), torch.ones(1, 1))


@pytest.mark.parametrize("layer", [FMInteraction(), FMInteraction(method="identity"), PairwiseInteraction()])
def test_gradcheck(layer):
    v = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (v,))


@pytest.mark.parametrize("method", METHODS)
def test_order_of_fields_and_empty_fields_do_not_matter(method):
    v, layer = torch.randn(3, 6, 4, dtype=torch.float64), FMInteraction(method=method)
    assert torch.allclose(layer(v), layer(v[:, torch.randperm(6)]))
    assert torch.allclose(layer(v), layer(torch.cat([v[:, :2], torch.zeros(3, 3, 4), v[:, 2:]], dim=1)))


def test_pairs_come_in_the_order_of_their_names():
    v = torch.tensor([[[2.0], [3.0], [5.0], [7.0]]])  # primes: a product names its factors
    products = PairwiseInteraction()(v)[0, :, 0].tolist()
    assert PairwiseInteraction.pairs(4) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert products == [v[0, i, 0] * v[0, j, 0] for i, j in PairwiseInteraction.pairs(4)]
    assert PairwiseInteraction()(v[:, :1]).shape == (1, 0, 1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("method", METHODS)
def test_half_precision_does_not_overflow(method, dtype):
    v = torch.full((1, 50, 1), 6, dtype=dtype)  # (50 * 6)^2 = 90000 > 65504, the largest float16
    assert FMInteraction(method=method)(v).item() == 36 * 50 * 49 / 2
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert FMInteraction(method=method)(v.float()).item() == 36 * 50 * 49 / 2


def test_unknown_method():
    with pytest.raises(ValueError, match="running"):
        FMInteraction(method="fast")


class Written(TorchDispatchMode):
    """Counts the numbers that all operations write: a cost that no busy machine disturbs."""

    def __init__(self):
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        self.numbers += sum(x.numel() for x in torch.utils._pytree.tree_leaves(out) if torch.is_tensor(x))
        return out


def cost(run):
    with torch.no_grad(), Written() as written:
        run()
    return written.numbers


def test_cost_grows_linearly_with_the_fields_and_of_pairs_quadratically():
    def growth(layer):
        few, many = torch.randn(1, 128, 8), torch.randn(1, 1024, 8)
        return cost(lambda: layer(many)) / cost(lambda: layer(few))

    assert growth(FMInteraction()) == pytest.approx(8, rel=0.05)
    assert growth(FMInteraction(method="identity")) == pytest.approx(8, rel=0.05)
    assert growth(PairwiseInteraction()) == pytest.approx(64, rel=0.05)


@pytest.mark.parametrize("width", [1, 2])
def test_cost_of_the_whole_fm_grows_linearly_with_the_fields(width):
    def of(n):
        schema = make_schema(8, 8, (), [Field(f"f{k}", 5, width) for k in range(n)])
        model, batch = FM(schema, dim=8), make_batch(schema, B=4)
        return cost(lambda: model(batch))

    assert of(256) / of(32) == pytest.approx(8, rel=0.1)
