"""C01-C12: what the source does in its first models. Each check passes for ours and fails for theirs."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recbyhand.layers import Dropout, id_embedding
from recbyhand.models import ConcatMLP, FeatureMLP, MatrixFactorization, als
from recbyhand.training import losses
from tests.factories import make_batch, make_schema

SCHEMA = make_schema()


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def fails(check, wrong):
    with pytest.raises(AssertionError):
        check(wrong)


class Source(nn.Module):
    """The source's concatenation model: Tanh at the end, dropout on the output, a probability, squeeze()."""

    def __init__(self, schema, *, tanh=False, drop_output=False, functional=False, squeeze=False):
        super().__init__()
        self.net = ConcatMLP(schema, dropout=0.0)
        self.tanh, self.drop_output, self.functional, self.squeeze = tanh, drop_output, functional, squeeze

    def forward(self, batch):
        logit = self.net(batch)[:, None]
        if self.tanh:
            logit = torch.tanh(logit)
        if self.functional:
            logit = F.dropout(logit, 0.5)  # training=True is the default
        elif self.drop_output:
            logit = F.dropout(logit, 0.5, self.training)
        return logit.squeeze() if self.squeeze else logit[:, 0]


def test_c01_the_probability_may_come_near_0_and_1():
    def check(model):
        with torch.no_grad():
            for module in model.modules():
                if isinstance(module, nn.Embedding):
                    module.weight.normal_()
            last = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
            last.weight *= 1e4
        p = torch.sigmoid(model(make_batch(SCHEMA, B=200)))
        assert p.min() < 0.01
        assert p.max() > 0.99

    check(ConcatMLP(SCHEMA))
    fails(check, Source(SCHEMA, tanh=True))


def test_c02_no_prediction_is_dropped():
    def check(model):
        p = torch.sigmoid(model.train()(make_batch(SCHEMA, B=500)))
        assert (p == 0.5).float().mean() < 0.01

    check(ConcatMLP(SCHEMA, dropout=0.5))
    fails(check, Source(SCHEMA, drop_output=True))


def test_c03_eval_switches_dropout_off():
    def check(model):
        batch = make_batch(SCHEMA)
        model.eval()
        assert torch.equal(model(batch), model(batch))

    check(ConcatMLP(SCHEMA, dropout=0.5))
    fails(check, Source(SCHEMA, functional=True))


def test_c04_dropout_keeps_the_expectation():
    def check(dropout):
        y = dropout(torch.ones(1_000_000))
        assert abs(y.mean() - 1) < 0.01
        assert y.max() == 2

    check(Dropout(0.5))
    fails(check, lambda x: x * (torch.rand_like(x) >= 0.5))  # "zero only"


def test_c05_a_batch_of_one_keeps_its_axis():
    def check(model):
        assert model(make_batch(SCHEMA)[:1]).shape == (1,)

    check(ConcatMLP(SCHEMA))
    fails(check, Source(SCHEMA, squeeze=True))


def test_c06_a_logit_may_leave_the_unit_interval():
    def check(model):
        logit = model(make_batch(SCHEMA, B=100)) * 100
        assert logit.min() < 0

    check(ConcatMLP(SCHEMA))
    fails(check, lambda batch: torch.sigmoid(ConcatMLP(SCHEMA)(batch)))


class Sure(nn.Module):
    """One logit for every row; `fit` chooses the loss."""

    def __init__(self):
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(20.0))

    def forward(self, batch):
        return self.logit.expand(len(batch))


class SureOfAProbability(Sure):
    """C07: the loss is computed from the probability."""

    def loss(self, batch):
        return {"loss": F.binary_cross_entropy(torch.sigmoid(self(batch)), batch.label)}


def test_c07_a_sure_and_wrong_prediction_is_corrected():
    def check(model):
        batch = make_batch(SCHEMA)
        batch.label = torch.zeros_like(batch.label)
        terms, _ = losses(model, batch, torch.Generator())  # what fit minimises
        sum(terms.values()).backward()
        assert model.logit.grad.item() > 0.99

    check(Sure())
    fails(check, SureOfAProbability())


def test_c08_a_look_up_does_not_change_the_table():
    def check(table):
        with torch.no_grad():
            table.weight *= 100
        before = table.weight.detach().clone()
        table.eval()(torch.arange(5))
        assert torch.equal(before, table.weight)

    check(id_embedding(10, 4))
    fails(check, nn.Embedding(10, 4, max_norm=1))


def test_c09_alternating_least_squares_is_a_closed_form_and_gradient_descent_is_not():
    R = torch.randn(8, 6, dtype=torch.float64)
    user, item = torch.cartesian_prod(torch.arange(8), torch.arange(6)).T

    def check(factors):
        U, V = factors
        assert torch.allclose(V, R.T @ U @ torch.linalg.inv(U.T @ U + torch.eye(2)))

    f = als(user, item, R.flatten(), dim=2, reg=1.0, biases=False, sweeps=5)
    check((f.user, f.item))

    U, V = torch.randn(8, 2, dtype=torch.float64), torch.randn(6, 2, dtype=torch.float64)
    U.requires_grad_(), V.requires_grad_()
    optimiser = torch.optim.SGD([U, V], lr=0.01)
    for _ in range(20):
        optimiser.zero_grad()
        ((R - U @ V.T).pow(2).sum() + U.pow(2).sum() + V.pow(2).sum()).backward()
        optimiser.step()
    fails(check, (U.detach(), V.detach()))
    assert als(user, item, R.flatten(), dim=2, reg=1.0, biases=False).objective[-1] > 0


def test_c12_two_users_of_equal_features_can_differ():
    def check(model):
        """Trained on opposite labels, two users with the same features get different scores."""
        batch = make_batch(SCHEMA, B=2, user=[3, 4], item=[5, 5])
        batch.user_features = batch.user_features[:1].expand(2, -1)
        batch.label = torch.tensor([0.0, 1.0])
        optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
        for _ in range(50):
            optimiser.zero_grad()
            F.binary_cross_entropy_with_logits(model(batch), batch.label).backward()
            optimiser.step()
        low, high = model(batch)
        assert high - low > 1

    check(FeatureMLP(SCHEMA))
    fails(check, FeatureMLP(SCHEMA, ids=False))


def test_c22_a_base_rate_can_be_expressed():
    """With all vectors at zero, one click in a hundred is fitted exactly: by mu, or not at all."""

    def check(model):
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.requires_grad_(name in ("mean", "bias"))
                parameter.zero_()
        batch = make_batch(SCHEMA, B=100)
        batch.label = (torch.arange(100) == 0).float()
        optimiser = torch.optim.LBFGS(model.parameters(), max_iter=50)

        def closure():
            optimiser.zero_grad()
            loss = F.binary_cross_entropy_with_logits(model(batch), batch.label)
            if loss.requires_grad:
                loss.backward()
            return loss

        optimiser.step(closure)
        assert torch.allclose(torch.sigmoid(model(batch)), torch.tensor(0.01), atol=1e-3)

    from recbyhand.models import AFM, FM, NFM, DeepFM, WideDeep

    for right in (MatrixFactorization, FM, NFM, DeepFM, WideDeep, AFM):
        check(right(SCHEMA))
    fails(check, MatrixFactorization(SCHEMA, biases=False))
