"""Models come back from a file as they went; a run goes on from its state."""

import json
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

import recbyhand as rbh
from recbyhand import data, models
from recbyhand.models import DIEN, DIN, FM
from recbyhand.models.base import Recommender
from recbyhand.training import State, checkpoint, loop, randomness, watch


@pytest.fixture(scope="module")
def task():
    return rbh.data.ctr(rbh.data.planted("crosses", users=60))


def trained(task, make=FM, **settings):
    rbh.seed(0)
    model = make(task.schema, dim=4)
    return model, rbh.fit(model, task, **{"epochs": 2, "batch_size": 256} | settings)


@pytest.mark.parametrize("make", [FM, DIN])
def test_a_model_comes_back_as_it_went(task, tmp_path, make):
    model, _ = trained(task, make, epochs=1, batch_size=1024)
    rbh.save(model, tmp_path / "model.safetensors")
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]
    before = torch.get_rng_state()
    back = rbh.load(tmp_path / "model.safetensors")
    assert torch.equal(torch.get_rng_state(), before)
    assert type(back) is make
    assert back.settings == model.settings
    assert not back.training
    assert torch.equal(rbh.predict(back, task.test), rbh.predict(model, task.test))
    assert back.schema.titles == task.schema.titles
    assert rbh.recommend(back, task, task.schema.user_ids[0]).equals(
        rbh.recommend(model, task, task.schema.user_ids[0])
    )
    rbh.fit(back, task, epochs=1, batch_size=2400)  # and can be trained further


def rewritten(path, **header):
    """The same file with another header."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(path, "pt") as file:
        tensors, old = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    save_file(tensors, path, metadata={k: v for k, v in (old | header).items() if v is not None})
    return path


def test_load_refuses_what_save_has_not_written(task, tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(FileNotFoundError, match="no file"):
        rbh.load(path)
    torch.save({"a": 1}, path)  # a pickle
    with pytest.raises(ValueError, match=r"not a file of rbh\.save"):
        rbh.load(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"not a file of rbh\.save"):
        rbh.load(path)
    model = FM(task.schema, dim=2)
    for name in ("os.system", "als", "Recommender", "__import__", "base", "torch.nn.Linear"):
        rbh.save(model, path)
        with pytest.raises(ValueError, match="no such model"):
            rbh.load(rewritten(path, model=name))
    for header in (
        {"settings": json.dumps({"dim": 3})},
        {"settings": "{"},
        {"settings": "[]"},
        {"settings": "null"},
        {"schema": "{}"},
        {"schema": "null"},
    ):
        rbh.save(model, path)
        with pytest.raises(ValueError, match="does not fit FM"):
            rbh.load(rewritten(path, **header))
    rbh.save(model, path)
    with pytest.raises(ValueError, match="not written by"):
        rbh.load(rewritten(path, recbyhand=None))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"not a file of rbh\.save"):
        rbh.load(path)


def test_save_refuses_what_load_could_not_find(task, tmp_path):
    class Mine(Recommender):
        def __init__(self, schema):
            super().__init__()

    with pytest.raises(TypeError, match="Mine is not a model of recbyhand"):
        rbh.save(Mine(task.schema), tmp_path / "mine")
    with pytest.raises(TypeError, match="Linear is not a model of recbyhand"):
        rbh.save(nn.Linear(1, 1), tmp_path / "mine")
    model = FM(task.schema, dim=2)
    model.settings["dim"] = torch.ones(2)
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        rbh.save(model, tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_nothing_can_be_saved_is_named(task, tmp_path, monkeypatch):
    model = FM(task.schema, dim=2)
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*nowhere: make it"):
        rbh.save(model, tmp_path / "nowhere" / "model")
    with pytest.raises(FileNotFoundError, match="is a folder: add a name"):
        rbh.save(model, tmp_path)
    with pytest.raises(OSError, match="model could not be written"):
        rbh.save(model, "/proc/model")
    monkeypatch.setenv("HOME", str(tmp_path))
    rbh.save(model, "~/model")
    assert rbh.load("~/model").settings == {"dim": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_save_that_fails_leaves_the_old_file(task, tmp_path, monkeypatch):
    path = tmp_path / "model"
    rbh.save(FM(task.schema, dim=2), path)
    before = path.read_bytes()
    monkeypatch.setattr(checkpoint.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk is full")))
    with pytest.raises(OSError, match="disk is full"):
        rbh.save(FM(task.schema, dim=3), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_model_of_float64_comes_back_as_it_was(task, tmp_path):
    model = FM(task.schema, dim=2).double().eval()
    rbh.save(model, tmp_path / "model")
    logits = rbh.load(tmp_path / "model")(task.test[:5])
    assert logits.dtype == torch.float64
    assert torch.equal(logits, model(task.test[:5]))


@dataclass
class Edges:
    """An object of recbyhand.data that is made of tensors."""

    user: Tensor
    item: Tensor

    def tensors(self):
        return {"user": self.user, "item": self.item}

    @classmethod
    def from_tensors(cls, tensors):
        return cls(**tensors)


class OfEdges(Recommender):
    def __init__(self, schema, edges, *, dim: int = 2):
        super().__init__()
        self.count = torch.bincount(edges.item, minlength=schema.n_items).float()
        self.weight = nn.Parameter(torch.randn(dim))

    def forward(self, batch):
        return self.count[batch.item] * self.weight.sum()


@pytest.fixture
def with_edges(monkeypatch):
    for module, made in ((data, Edges), (models, OfEdges)):
        monkeypatch.setattr(module, made.__name__, made, raising=False)
        monkeypatch.setattr(module, "__all__", [*module.__all__, made.__name__])


def test_settings_made_of_tensors_are_kept_beside_the_weights(task, tmp_path, with_edges):
    edges = Edges(torch.tensor([2, 3, 3]), torch.tensor([4, 4, 5]))
    model = OfEdges(task.schema, edges, dim=3).eval()
    rbh.save(model, tmp_path / "model")
    back = rbh.load(tmp_path / "model")
    assert back.settings["dim"] == 3
    assert type(back.settings["edges"]) is Edges
    assert torch.equal(back.settings["edges"].user, edges.user)
    assert torch.equal(rbh.predict(back, task.test), rbh.predict(model, task.test))
    from safetensors import safe_open

    with safe_open(tmp_path / "model", "pt") as file:
        assert {"settings.edges.user", "settings.edges.item", "model.weight"} <= set(file.keys())


@pytest.mark.parametrize("kind", ["Schema", "ctr", "Nothing", "system", "__import__", 3])
def test_a_setting_of_another_class_is_not_loaded(task, tmp_path, with_edges, kind):
    rbh.save(OfEdges(task.schema, Edges(torch.tensor([2]), torch.tensor([4]))), tmp_path / "model")
    settings = json.dumps({"edges": {"class of recbyhand.data": kind}})
    with pytest.raises(ValueError, match="does not fit OfEdges"):
        rbh.load(rewritten(tmp_path / "model", settings=settings))


def test_a_class_that_data_does_not_offer_is_not_saved(task, tmp_path, with_edges):
    @dataclass
    class Strange(Edges):
        pass

    with pytest.raises(TypeError, match="cannot be written as JSON"):
        rbh.save(OfEdges(task.schema, Strange(torch.tensor([2]), torch.tensor([4]))), tmp_path / "model")


# ------------------------------------------------------------------------------------------------ a run's state


def a_state(task, make):
    torch.manual_seed(0)
    model = make(task.schema, dim=4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    order, draws = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)
    return State(model, optimizer, scheduler, order, draws)


def run(state, task, epochs):
    loop.run(state, task, epochs, 800, None, "auc", None, None, watch.progress_bar(False))


class Dropped(FM):
    def forward(self, batch):
        return nn.functional.dropout(super().forward(batch), 0.3, self.training)


@pytest.mark.parametrize("make", [Dropped, DIEN])
def test_a_run_that_goes_on_from_its_state_is_the_run_that_was_not_cut(tmp_path, make):
    task = rbh.data.ctr(rbh.data.planted("drift", users=40), history=6)
    cpu = torch.device("cpu")
    whole, first, second = (a_state(task, make) for _ in range(3))
    with randomness.random_state(3, cpu):
        run(whole, task, 4)
    with randomness.random_state(3, cpu):
        run(first, task, 2)
        torch.save(first.state_dict(), tmp_path / "state")
    with torch.no_grad():
        next(second.model.parameters()).add_(1)  # everything comes from the file
    with randomness.random_state(99, cpu):
        second.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
        assert second.epoch == 2
        run(second, task, 4)
    one, two = (state.table().drop(columns="seconds") for state in (whole, second))
    assert one.equals(two)
    assert len(one) == 4
    for a, b in zip(whole.model.state_dict().values(), second.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert whole.scheduler.get_last_lr() == second.scheduler.get_last_lr()
    assert (second.best, second.best_epoch) == (whole.best, whole.best_epoch)
    assert all(torch.equal(v, second.kept[k]) for k, v in whole.kept.items())
