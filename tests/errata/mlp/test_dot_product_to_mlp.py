"""From dot product to MLP: the source's head, dropout, shapes, loss and claim fail the properties that ours hold."""

from __future__ import annotations

import lessons
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from recbyhand.data import ctr, planted
from recbyhand.evaluation.metrics import auc, paired_difference, predict, verdict
from recbyhand.layers import Dropout
from recbyhand.models import ConcatMLP, MatrixFactorization
from recbyhand.results import recorded
from recbyhand.training import fit, losses, seed
from tests.errata import fails
from tests.factories import make_batch, make_schema

SCHEMA = make_schema()


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


def false_claims(rule, trials=60) -> float:
    """C11: how often a rule calls one of two equally good scores better. Users differ in how easy they are."""
    rng = np.random.default_rng(0)
    claims = 0
    for _ in range(trials):
        user = np.repeat(np.arange(150), 10)
        z = rng.normal(0, 1.5, len(user))
        label = (rng.random(len(user)) < 1 / (1 + np.exp(-z))).astype(float)
        blur = rng.uniform(0.2, 2, 150)[user]  # both know as much, and err on other rows
        one, other = (z + blur * rng.normal(size=len(user)) for _ in range(2))
        claims += rule(label, one, other, user) == "better"
    return claims / trials


def larger_number(label, one, other, user) -> str:
    """The source's kind of claim: one number is larger than another."""
    return "better" if auc(label, one) > auc(label, other) else "worse"


def interval(label, one, other, user) -> str:
    return verdict(*paired_difference("auc", label, one, other, user)[2:])


def test_c11_a_verdict_needs_an_interval():
    assert false_claims(larger_number) > 0.3
    assert false_claims(interval) < 0.1


def test_c11_concatenation_does_not_beat_the_dot_product_everywhere():
    """On the lesson's first world, with the lesson's settings and a third of its epochs."""
    task = ctr(planted("factors"))
    logits = {}
    for name, kind, setting in (
        ("dot product", MatrixFactorization, {"lr": 0.015, "weight_decay": 1.0}),
        ("concatenation", ConcatMLP, {"lr": 0.015, "weight_decay": 0.3}),
    ):
        seed(0)
        model = kind(task.schema, dim=16)
        fit(model, task, epochs=7, progress=False, **setting)
        logits[name] = predict(model, task.test)
    ends = paired_difference(
        "auc", task.test.label, logits["concatenation"], logits["dot product"], task.test.user
    )[2:]
    assert verdict(*ends) == "worse"


def code_of(lesson: str) -> str:
    cells = lessons.read(lessons.ROOT / "chapters" / "01_mlp" / f"{lesson}.ipynb").cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "code")


def won(table: str, **where) -> dict:
    rows = recorded(table).query("chosen and seed == 0")
    for column, value in where.items():
        rows = rows[rows[column] == value]
    (row,) = rows.to_dict("records")
    return row


def test_the_lessons_settings_are_those_that_won():
    """What the lessons train live is what the recorded search chose on validation rows."""
    code, table = code_of("dot_product_to_mlp"), "mlp/dot_product_to_mlp"
    for name, short in (("MatrixFactorization", "MF"), ("ConcatMLP", "ConcatMLP")):
        best = won(table, stage="models", data="factors", model=name)
        live = f"spread({short}(s), {best['std']:g}), task, lr={best['lr']:g}, weight_decay={best['weight_decay']:.1f}"
        assert live in code, f"the search chose {live}"
    best = won("mlp/features", part="planted", model="features")
    assert f"planted, lr={best['lr']:g}, weight_decay={best['weight_decay']:g}" in code_of("features")
    best = won("mlp/implicit_data", model="all cells")
    assert f"factorise(torch.ones(shape), {best['reg']:g})" in code_of("implicit_data")
    code = code_of("matrix_factorisation")
    best = won("mlp/matrix_factorisation", data="factors", model="MF, clicks")
    assert f"lr={best['lr']:g}, weight_decay={best['weight_decay']:g}" in code
    for target, name in (("value", "ALS, stars"), ("train.label", "ALS, clicks")):
        best = won("mlp/matrix_factorisation", data="factors", model=name)
        assert f"solved({target}, {best['reg']})" in code
        assert best["dim"] == 4


def test_every_model_has_the_same_trials():
    """A grid of twelve, and more where its best lay at an edge."""
    trials = recorded("mlp/dot_product_to_mlp").query("stage == 'models' and seed == 0")
    assert (trials.groupby(["data", "model"]).size() >= 12).all()
