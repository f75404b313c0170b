"""Compiled or in 16 bits, `fit` trains the same model but for rounding, and returns a plain one."""

import functools

import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters
from torch._inductor import config as inductor
from torch._inductor.utils import fresh_cache

import recbyhand as rbh
from recbyhand.models import DIEN, DIN, FM, ConcatMLP, DeepFM, JointRNN, MatrixFactorization
from recbyhand.training import RowAdamW, loop, rows_only
from recbyhand.training.faster import faster
from tests.factories import make_batch, make_schema

TRACED = {"backend": "aot_eager"}  # all of torch.compile but the C++ compiler: a second, not twenty


@pytest.fixture(scope="module")
def task():
    return rbh.data.ctr(rbh.data.planted("crosses", users=40), history=5)


@pytest.fixture(autouse=True)
def anew():
    torch._dynamo.reset()
    counters.clear()


class Plain(nn.Module):
    """A reader's own module; it remembers in which mode it was called in 16 bits."""

    def __init__(self, schema, dim):
        super().__init__()
        self.item, self.out = nn.Embedding(schema.n_items, dim), nn.Linear(dim, 1)
        self.modes = set()

    def forward(self, batch):
        self.modes.add((self.training, torch.is_autocast_enabled("cpu")))
        return self.out(self.item(batch.item)).squeeze(-1)


def fitted(task, make, dim=4, **how):
    """A model, and its log without the seconds. Batches have 229 and 228 rows."""
    rbh.seed(0)
    model = make(task.schema, dim=dim)
    log = rbh.fit(model, task, **{"epochs": 2, "batch_size": 250, "progress": False} | how)
    return model, log.drop(columns="seconds")


def assert_near(one, two, atol=1e-5):
    (model, log), (other, again) = one, two
    logs = torch.tensor(log.values.tolist()), torch.tensor(again.values.tolist())
    torch.testing.assert_close(*logs, atol=atol, rtol=0)
    assert list(model.state_dict()) == list(other.state_dict())
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(weight, other.state_dict()[name], atol=10 * atol, rtol=0, msg=name)


# ---------------------------------------------------------------------------------------------------- compiled


@pytest.mark.parametrize("make", [DIN, DeepFM, JointRNN, Plain])
def test_compiled_is_the_same_but_for_rounding(task, make):
    plain = fitted(task, make)
    assert plain[1]["loss"].iloc[-1] < plain[1]["loss"].iloc[0]
    assert not counters["stats"]["unique_graphs"]
    assert_near(fitted(task, make, compile=TRACED), plain)
    assert counters["stats"]["unique_graphs"]


def test_one_program_for_batches_of_two_sizes_and_for_the_next_model(task):
    fitted(task, DIN, compile=TRACED)
    assert counters["stats"]["unique_graphs"] == 1
    fitted(task, DIN, compile=TRACED, seed=1, batch_size=100)
    assert counters["stats"]["unique_graphs"] == 1


def test_by_the_c_compiler_as_well(task):
    try:
        torch._inductor.cpp_builder.get_cpp_compiler()
    except RuntimeError:
        pytest.skip("there is no C++ compiler here")
    compiled = fitted(task, DIN, compile=True)
    assert counters["stats"]["unique_graphs"] == 1
    assert_near(compiled, fitted(task, DIN))
    plain = DIN(task.schema, dim=4)
    plain.load_state_dict(compiled[0].state_dict())
    assert torch.equal(rbh.predict(plain, task.test), rbh.predict(compiled[0], task.test))


def test_validation_is_not_compiled(task):
    called = []

    def backend(graph, inputs):
        def call(*inputs):
            called.append(1)
            return graph(*inputs)

        return call

    fitted(task, Plain, epochs=1, compile={"backend": backend})
    assert len(called) == -(-len(task.train) // 250)


def test_each_of_many_sizes_is_compiled(task):
    """Torch by itself gives up after eight, and goes on uncompiled."""
    schema, graphs = make_schema(), []
    for dim in range(2, 14):
        compute = faster(loop.losses, {"backend": "eager"}, "float32", torch.device("cpu"))
        compute(MatrixFactorization(schema, dim=dim), make_batch(schema))
        graphs.append(counters["stats"]["unique_graphs"])
    assert len(set(graphs)) == 12


def test_a_run_that_was_cut_ends_as_one_that_was_not(task, tmp_path, monkeypatch):
    how, step, done = {"compile": TRACED, "precision": "bfloat16", "resume": tmp_path / "run"}, loop.step, []

    def cut(*args, **given):
        done.append(1)
        if len(done) == 10:
            raise InterruptedError
        return step(*args, **given)

    whole = fitted(task, DIN, **how | {"resume": None})
    monkeypatch.setattr(loop, "step", cut)
    with pytest.raises(InterruptedError):
        fitted(task, DIN, **how)
    monkeypatch.setattr(loop, "step", step)
    assert (tmp_path / "run").exists()
    torch._dynamo.reset()  # it is another program that goes on
    assert_near(fitted(task, DIN, **how), whole, atol=0)
    with pytest.raises(ValueError, match="is of a run with precision='bfloat16', not 'float32'"):
        fitted(task, DIN, **how | {"precision": "float32"})
    with pytest.raises(ValueError, match=r"is of a run with compile=.*aot_eager.*, not False"):
        fitted(task, DIN, **how | {"compile": False})


def test_faults_are_told_as_ever(task):
    class Wide(Plain):
        def forward(self, batch):
            return self.out(self.item(batch.item))

    class Bad(Plain):
        def forward(self, batch):
            return super().forward(batch) + torch.where(batch.item == 7, torch.inf, 0.0)

    with pytest.raises(ValueError, match=r"shape \(229, 1\).*squeeze"):
        fitted(task, Wide, compile=TRACED)
    with pytest.raises(FloatingPointError) as caught:
        fitted(task, Bad, compile=TRACED)
    assert (task.train.item[caught.value.rows] == 7).all()


def test_without_a_compiler_it_says_what_to_do(task):
    with (
        fresh_cache(),
        inductor.patch({"cpp.cxx": (None, "no-such-compiler")}),
        pytest.raises(
            RuntimeError, match=r"compile=True needs a C\+\+ compiler.*install.*leave\s+compile out"
        ),
    ):
        fitted(task, FM, compile=True)


def test_rows_only_compiled(task):
    plain, other = (
        fitted(
            task,
            lambda schema, dim: rows_only(MatrixFactorization(schema, dim=dim)),
            optimizer=RowAdamW,
            **how,
        )
        for how in ({}, {"compile": TRACED})
    )
    assert_near(other, plain)


# --------------------------------------------------------------------------------------------------- in 16 bits


@pytest.mark.parametrize(
    ("make", "compile"), [(DIN, False), (DIEN, False), (ConcatMLP, False), (ConcatMLP, TRACED)]
)
def test_16_bits_come_near_and_leave_a_model_of_32(task, make, compile):
    optimizers = []

    def optimizer(weights):
        optimizers.append(torch.optim.AdamW(weights, lr=0.005))
        return optimizers[0]

    plain, log = fitted(task, make)
    half, near = fitted(task, make, optimizer=optimizer, compile=compile, precision="bfloat16")
    assert not near.equals(log)  # they were in 16 bits
    assert (near["loss"] - log["loss"]).abs().max() < 2**-8
    assert (near["valid_auc"] - log["valid_auc"]).abs().max() < 0.02
    kept = [*half.state_dict().values(), *(p.grad for p in half.parameters() if p.grad is not None)]
    kept += [value for state in optimizers[0].state.values() for value in state.values()]
    assert {t.dtype for t in kept if t.is_floating_point()} == {torch.float32}
    assert rbh.predict(half, task.test).dtype == torch.float32
    assert list(half.state_dict()) == list(plain.state_dict())


def test_only_training_is_in_16_bits(task):
    model, _ = fitted(task, Plain, precision="bfloat16")
    assert model.modes == {(True, True), (False, False)}
    assert fitted(task, Plain)[0].modes == {(True, False), (False, False)}


@pytest.mark.parametrize("make", [FM, DIEN, Plain])
def test_losses_in_16_bits_are_of_32(make):
    schema = make_schema()
    model, batch = make(schema, dim=4), make_batch(schema)
    compute = faster(loop.losses, False, "bfloat16", torch.device("cpu"))
    terms, logits = compute(model, batch, torch.Generator().manual_seed(0))
    assert {t.dtype for t in terms.values()} == {torch.float32}
    assert logits is None or logits.dtype == torch.float32
    same, _ = loop.losses(model, batch, torch.Generator().manual_seed(0))
    torch.testing.assert_close(terms, same, atol=2**-7, rtol=0)


def test_a_term_in_16_bits_is_widened_and_one_in_64_is_left():
    def losses(model, batch, generator):
        return {"a": torch.ones((), dtype=torch.bfloat16), "b": torch.ones((), dtype=torch.float64)}, None

    terms, _ = faster(losses, False, "bfloat16", torch.device("cpu"))(None, None)
    assert [term.dtype for term in terms.values()] == [torch.float32, torch.float64]


# ------------------------------------------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"compile": "yes"}, "compile='yes': give True, False or keyword arguments"),
        ({"compile": 1}, "compile=1: give True"),
        ({"compile": None}, "compile=None: give True"),
        ({"precision": "float16"}, r'would need a loss that is scaled.*"bfloat16"'),
        ({"precision": "half"}, "precision='half' is unknown: choose"),
        ({"precision": torch.bfloat16}, r"precision=torch\.bfloat16 is unknown: choose"),
        ({"precision": ["bfloat16"]}, "is unknown: choose"),
    ],
)
def test_what_means_nothing_is_refused_before_training(task, monkeypatch, how, says):
    monkeypatch.setattr(loop, "step", None)
    with pytest.raises(ValueError, match=says):
        fitted(task, FM, **how)


def test_nothing_wraps_what_asks_for_nothing():
    assert faster(loop.losses, False, "float32", torch.device("cpu")) is loop.losses


def test_train_hands_them_on(task):
    model = rbh.train(functools.partial(FM, dim=4), task, epochs=1, compile=TRACED, precision="bfloat16")
    assert counters["stats"]["unique_graphs"]
    assert all(p.isfinite().all() for p in model.parameters())
