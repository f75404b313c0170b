"""Chapter 1: the source's forms fail the properties that ours hold."""

from __future__ import annotations

import ast
import re

import lessons
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from recbyhand.data import Field, ctr, planted
from recbyhand.data.truth import expected_auc
from recbyhand.evaluation.metrics import auc, paired_difference, predict, verdict
from recbyhand.layers import FeatureEmbedding
from recbyhand.models import ConcatMLP, FeatureMLP, MatrixFactorization, als
from recbyhand.training import fit, seed
from tests.factories import make_batch, make_schema

# Matrix factorisation ----------------------------------------------------------------------------------


def closed_form(R, V, reg):
    """C09: the users' vectors that a step of ALS must end on, for a full table."""
    return R @ V @ torch.linalg.inv(V.T @ V + reg * torch.eye(V.shape[1], dtype=V.dtype))


@pytest.mark.parametrize("lr", [1e-3, 1e-2, 3e-2])
def test_c09_a_gradient_step_is_no_als_step(lr):
    torch.manual_seed(0)
    R, reg = torch.randn(6, 5, dtype=torch.float64), 0.5
    user, item = torch.cartesian_prod(torch.arange(6), torch.arange(5)).T
    f = als(
        item, user, R.flatten(), dim=2, reg=reg, sweeps=3, biases=False
    )  # sides changed: users solved last
    assert torch.allclose(f.item, closed_form(R, f.user, reg))

    U, V = (torch.randn(n, 2, dtype=torch.float64, requires_grad=True) for n in (6, 5))
    optimiser = torch.optim.SGD([U, V], lr=lr)
    for _ in range(10):  # what the source calls ALS
        optimiser.zero_grad()
        ((R - U @ V.T).square().sum() + reg * (U.square().sum() + V.square().sum())).backward()
        optimiser.step()
        assert not torch.allclose(U, closed_form(R, V, reg), atol=1e-2)


class Capped(nn.Module):
    """C08: the source's embedding."""

    def __init__(self, weight):
        super().__init__()
        self.table = nn.Embedding(*weight.shape, _weight=weight.clone(), max_norm=1)

    def forward(self, batch):
        return self.table(batch.user).sum(-1)


def survives_a_look(model, batch) -> bool:
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        model.eval()(batch)
    return all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_c08_looking_up_changes_no_weight():
    schema = make_schema()
    batch = make_batch(schema)
    assert not survives_a_look(Capped(3 * torch.ones(schema.n_users, 4)), batch)
    model = MatrixFactorization(schema, dim=4)
    with torch.no_grad():
        for weight in model.parameters():
            weight.fill_(3.0)
    assert survives_a_look(model, batch)


def possible(year: int) -> bool:
    """C10: item-based collaborative filtering was published in 2001, before Amazon's report of 2003."""
    return 2001 <= year < 2003


def test_c10_item_based_filtering_is_dated_by_its_paper():
    assert not possible(2003), "the source's date"
    cells = lessons.read(lessons.ROOT / "chapters" / "01_mlp" / "matrix_factorisation.ipynb").cells
    text = " ".join(" ".join(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
    claim = re.search(r"the research paper was published in (\d{4}) \{cite\}`(\w+)`", text)
    assert possible(int(claim[1]))
    bib = (lessons.ROOT / "book" / "references.bib").read_text(encoding="utf8")
    entry = bib[bib.index("{" + claim[2] + ",") :]
    assert re.search(r"year = \{(\d{4})\}", entry)[1] == claim[1]


# From dot product to MLP (C01 to C07 are held by tests/models/test_errata_mlp.py) -----------------------


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


def test_the_lessons_settings_are_those_that_won():
    """What the lesson trains with is what the recorded search chose on validation rows."""
    cells = lessons.read(lessons.ROOT / "chapters" / "01_mlp" / "dot_product_to_mlp.ipynb").cells
    (cell,) = (c.source for c in cells if c.cell_type == "code" and "\nchosen = {" in c.source)
    tree = ast.parse(cell)
    (value,) = (
        node.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "chosen"
    )
    names = {
        "dot product": "MatrixFactorization",
        "two towers": "TwoTowerMLP",
        "concatenation": "ConcatMLP",
    }
    trials = pd.read_csv(lessons.ROOT / "benchmarks" / "results" / "dot_or_mlp.csv")
    trials = trials[trials["stage"] == "choice"]
    for data, models in ast.literal_eval(value).items():
        for name, setting in models.items():
            mine = trials[(trials["data"] == data) & (trials["model"] == names[name])]
            best = mine.loc[mine["valid_auc"].idxmax()]
            assert {key: best[key] for key in setting} == setting, f"{name} on {data}"
            assert len(mine) >= 12, "every model has the same trials, and more where its best lay at an edge"


# Features ----------------------------------------------------------------------------------------------


class SideFeatures(nn.Module):
    """C12: the source's model, a table per feature column of user and item, without an id among them."""

    def __init__(self, schema, dim=8):
        super().__init__()
        self.columns = [field for field in schema.fields[2:] for _ in range(field.width)]
        self.tables = nn.ModuleList(nn.Embedding(field.size, dim) for field in self.columns)
        self.mlp = nn.Sequential(nn.Linear(dim * len(self.columns), 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, batch):
        ids = batch.ids()[:, 2:]  # (B, C)
        v = [table(ids[:, c]) for c, table in enumerate(self.tables)]  # C of (B, d)
        return self.mlp(torch.cat(v, 1))[:, 0]  # (B,)


def tells_twins_apart(model, schema) -> bool:
    """Trained on opposite labels, two users of equal features get different scores."""
    batch = make_batch(schema, B=2, user=[4, 7], item=[5, 5])
    batch.user_features = schema.user_table[[4, 4]]
    batch.label = torch.tensor([1.0, 0.0])
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(60):
        optimiser.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(model(batch), batch.label).backward()
        optimiser.step()
    liked, other = model(batch)
    return bool(liked - other > 1)


def test_c12_features_alone_make_twins_one_person():
    torch.manual_seed(0)
    schema = make_schema()
    assert not tells_twins_apart(SideFeatures(schema), schema)
    assert not tells_twins_apart(FeatureMLP(schema, ids=False), schema)
    assert tells_twins_apart(FeatureMLP(schema), schema)


class Overlapping(nn.Module):
    """R20: one joint table without joint indices; every field counts from 0."""

    def __init__(self, fields, dim):
        super().__init__()
        self.table = nn.Embedding(sum(field.size for field in fields), dim)

    def forward(self, ids):
        return self.table(ids)  # (B, F, d)


def fields_are_apart(layer, fields) -> bool:
    """What one field's vectors are taught changes no vector of another field."""
    ids = torch.stack([torch.arange(2, 5)] * len(fields), 1)  # (3, F) the same numbers in every field
    for mine in range(len(fields)):
        before = layer(ids).detach()  # (3, F, d)
        (gradient,) = torch.autograd.grad(layer(ids)[:, mine].sum(), layer.table.weight)
        with torch.no_grad():
            layer.table.weight += gradient
        moved = (layer(ids) != before).any(-1).any(0)  # (F,)
        if moved.nonzero().flatten().tolist() != [mine]:
            return False
    return True


def test_r20_the_ranges_of_a_joint_table_are_disjoint():
    fields = [Field("age", 5), Field("occupation", 7), Field("year", 6)]
    assert not fields_are_apart(Overlapping(fields, 4), fields)
    assert fields_are_apart(FeatureEmbedding(fields, 4), fields)


def genres_over_the_width(table, ids):
    """The mean that forgets its mask."""
    return table(ids).mean(1)


def padding_is_harmless(mean) -> bool:
    table = nn.Embedding(9, 4, padding_idx=0)
    ids = torch.tensor([[3, 5, 0], [4, 0, 0], [2, 6, 8]])
    return torch.allclose(mean(table, ids), mean(table, nn.functional.pad(ids, (0, 3))), atol=1e-6)


def test_the_mean_of_genres_leaves_padding_out():
    def ours(table, ids):
        layer = FeatureEmbedding([Field("genres", 9, ids.shape[1])], 4)
        with torch.no_grad():
            layer.table.weight.copy_(table.weight)
        return layer(ids)[:, 0]

    assert not padding_is_harmless(genres_over_the_width)
    assert padding_is_harmless(ours)


def clicks_on_this_kind(rows, asked):
    seen = rows.groupby(["user", "kind"])["label"].mean()
    return asked.set_index(["user", "kind"]).index.map(seen).to_series().fillna(0.5).to_numpy()


def test_a_score_above_the_ceiling_is_a_leak():
    world = planted("crosses", users=300)
    shown = world.impressions.merge(world.items[["item", "kind"]], on="item").sort_values(["user", "time"])
    place = shown.groupby("user").cumcount()
    test = shown[place >= 45]
    best = expected_auc(test["p"])

    def possible(rows) -> bool:
        return auc(test["label"].to_numpy(), clicks_on_this_kind(rows, test)) <= best.high

    assert not possible(shown), "a feature computed before the split"
    assert possible(shown[place < 40])
