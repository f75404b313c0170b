"""Alternating least squares against ridge regressions solved one by one."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recbyhand.models import MatrixFactorization, als, implicit_als
from tests.factories import make_batch, make_schema


def ratings(n_users=12, n_items=9, n=60, seed=0):
    g = torch.Generator().manual_seed(seed)
    cells = torch.randperm((n_users - 2) * (n_items - 2), generator=g)[:n]
    user, item = cells // (n_items - 2) + 2, cells % (n_items - 2) + 2
    return user, item, torch.randint(1, 6, (len(cells),), generator=g).float()


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 999), dim=st.integers(1, 6), reg=st.floats(0.01, 50), biases=st.booleans())
def test_no_half_sweep_raises_the_objective(seed, dim, reg, biases):
    log = als(*ratings(seed=seed), dim=dim, reg=reg, biases=biases, sweeps=6).objective
    assert len(log) == 13
    assert all(after <= before * (1 + 1e-9) for before, after in pairwise(log))


@pytest.mark.parametrize("biases", [True, False])
def test_where_the_sweeps_end_the_gradient_of_the_objective_is_zero(biases):
    """Users, items and both biases: a sweep that solved a slightly different problem would stop elsewhere."""
    user, item, value = ratings()
    f = als(user, item, value, dim=2, reg=3.0, biases=biases, sweeps=300)
    parts = [x.clone().requires_grad_() for x in f[:4] if x is not None]
    U, V, *b = parts
    guess = f.mean + (U[user] * V[item]).sum(1) + (b[0][user] + b[1][item] if b else 0)
    loss = ((value - guess) ** 2).sum() + 3.0 * sum((x**2).sum() for x in parts)
    assert loss.item() == pytest.approx(f.objective[-1])
    for gradient in torch.autograd.grad(loss, parts):
        assert gradient.abs().max() < 1e-5


@pytest.mark.parametrize("biases", [True, False])
def test_the_objective_is_the_one_of_the_docstring(biases):
    user, item, value = ratings()
    f = als(user, item, value, dim=3, reg=2.0, biases=biases)
    loss = 0.0
    for u, i, r in zip(user.tolist(), item.tolist(), value.tolist(), strict=True):
        guess = f.mean + float(f.user[u] @ f.item[i])
        if biases:
            guess += float(f.user_bias[u] + f.item_bias[i])
        loss += (r - guess) ** 2
    loss += 2.0 * sum(float((x**2).sum()) for x in f[:4] if x is not None)
    assert f.objective[-1] == pytest.approx(loss)


def test_each_vector_is_its_ridge_regression():
    """After the last half sweep the items are exact: scikit-learn's ridge on the users' vectors agrees."""
    from sklearn.linear_model import Ridge

    user, item, value = ratings()
    f = als(user, item, value, dim=3, reg=2.0, biases=False)
    for i in range(2, 9):
        rows = item == i
        ridge = Ridge(alpha=2.0, fit_intercept=False).fit(f.user[user[rows]], value[rows])
        assert np.allclose(f.item[i], ridge.coef_, atol=1e-6)


def test_a_full_table_has_the_closed_form():
    """C09: with V fixed, U = R V (V'V + reg I)^-1. Here for V given U, the half sweep that came last."""
    R = torch.randn(7, 5, dtype=torch.float64)
    user, item = torch.cartesian_prod(torch.arange(7), torch.arange(5)).T
    f = als(user, item, R.flatten(), dim=2, reg=0.5, biases=False, sweeps=3)
    U, V = f.user, f.item
    right = R.T @ U @ torch.linalg.inv(U.T @ U + 0.5 * torch.eye(2))
    assert torch.allclose(V, right)


def test_biases_are_the_partners_of_a_constant():
    user, item, value = ratings()
    f = als(user, item, value, dim=2, reg=1.5)
    i = 4
    rows = item == i
    x = torch.cat([f.user[user[rows]], torch.ones(int(rows.sum()), 1)], dim=1)
    y = value[rows].double() - f.mean - f.user_bias[user[rows]]
    w = torch.linalg.inv(x.T @ x + 1.5 * torch.eye(3)) @ x.T @ y
    assert torch.allclose(torch.cat([f.item[i], f.item_bias[i : i + 1]]), w)


def test_low_rank_values_are_recovered():
    g = torch.Generator().manual_seed(0)
    R = torch.randn(30, 2, generator=g) @ torch.randn(2, 25, generator=g)
    seen = torch.rand(30, 25, generator=g) < 0.5
    user, item = seen.nonzero().T
    f = als(user, item, R[seen], dim=2, reg=1e-3, biases=False, sweeps=50)
    hidden = (f.user @ f.item.T)[~seen] - R[~seen]
    assert hidden.abs().mean() < 0.05


def test_ids_without_values_get_zeros():
    f = als(*ratings(n=10), shape=(20, 15), dim=4)
    assert f.user.shape == (20, 4)
    assert f.item.shape == (15, 4)
    assert torch.equal(f.user[12:], torch.zeros(8, 4, dtype=torch.float64))
    assert torch.equal(f.item[:2], torch.zeros(2, 4, dtype=torch.float64))


def test_chunks_do_not_matter_and_the_seed_does():
    from recbyhand.models.als import ridge

    user, item, value = ratings()
    x, y = torch.randn(60, 3, dtype=torch.float64), value.double()
    once, chunked = ridge(user, x, y, 12, 1.0, True), ridge(user, x, y, 12, 1.0, True, chunk=7)
    assert torch.allclose(once[0], chunked[0])
    assert torch.equal(als(user, item, value).user, als(user, item, value).user)
    assert not torch.equal(als(user, item, value).user, als(user, item, value, seed=1).user)


def test_reg_must_be_positive():
    with pytest.raises(ValueError, match="above 0"):
        als(*ratings(), reg=0.0)


@pytest.mark.parametrize("biases", [True, False])
def test_from_factors_answers_with_the_factors(biases):
    schema = make_schema(n_users=12, n_items=9)
    f = als(*ratings(), shape=(12, 9), dim=3, biases=biases)
    model = MatrixFactorization.from_factors(schema, f)
    assert model.settings == {"dim": 3, "biases": biases}
    batch = make_batch(schema)
    expected = f.mean + (f.user[batch.user] * f.item[batch.item]).sum(1)
    if biases:
        expected = expected + f.user_bias[batch.user] + f.item_bias[batch.item]
    assert torch.allclose(model(batch), expected.float(), atol=1e-5)


# ---------------------------------------------------------------------------------------------------- implicit


def dense_implicit(n, dim, alpha, reg, sweeps, seed):
    """Hu, Koren and Volinsky as written: a weight for every pair of the dense table n (U, I)."""
    p, c = (n > 0).double(), 1 + alpha * n.double()
    V = 0.1 * torch.randn(n.shape[1], dim, generator=torch.Generator().manual_seed(seed)).double()
    eye = reg * torch.eye(dim, dtype=torch.float64)
    for _ in range(sweeps):
        U = torch.stack(
            [torch.linalg.solve(V.T @ torch.diag(w) @ V + eye, V.T @ (w * y)) for w, y in zip(c, p)]
        )
        V = torch.stack(
            [torch.linalg.solve(U.T @ torch.diag(w) @ U + eye, U.T @ (w * y)) for w, y in zip(c.T, p.T)]
        )
    loss = (c * (p - U @ V.T) ** 2).sum() + reg * (U.square().sum() + V.square().sum())
    return U, V, float(loss)


def test_implicit_als_is_the_dense_one():
    n = torch.poisson(torch.full((12, 9), 0.4), generator=torch.Generator().manual_seed(1)).long()
    n[3] = 0  # a user without a purchase
    user, item = n.nonzero().T
    found = implicit_als(user, item, n[user, item], shape=(12, 9), dim=3, alpha=5, reg=0.5, sweeps=4)
    U, V, loss = dense_implicit(n, 3, 5, 0.5, 4, 0)
    assert torch.allclose(found.user, U)
    assert torch.allclose(found.item, V)
    assert found.objective[-1] == pytest.approx(loss)
    assert all(b <= a + 1e-9 for a, b in pairwise(found.objective))
    assert not found.user[3].any()
    # Repeated purchases are counts.
    rows = torch.repeat_interleave(torch.arange(len(user)), n[user, item])
    again = implicit_als(user[rows], item[rows], shape=(12, 9), dim=3, alpha=5, reg=0.5, sweeps=4)
    assert torch.allclose(again.user, U)


def test_implicit_als_of_a_shop_needs_no_dense_table():
    """20,000 customers and 30,000 products: the dense table would have 600 million entries."""
    g = torch.Generator().manual_seed(0)
    user, item = torch.randint(20_000, (50_000,), generator=g), torch.randint(30_000, (50_000,), generator=g)
    found = implicit_als(user, item, shape=(20_000, 30_000), dim=8, sweeps=1)
    assert found.objective[-1] < found.objective[0]


def test_implicit_als_refuses_counts_of_nothing():
    ids = torch.tensor([0, 1])
    with pytest.raises(ValueError, match="counts must be above 0"):
        implicit_als(ids, ids, torch.tensor([1, 0]))
