"""Features: the source's forms fail the properties that ours hold."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from recbyhand.data import Field, planted
from recbyhand.data.truth import expected_auc
from recbyhand.evaluation.metrics import auc
from recbyhand.layers import FeatureEmbedding
from recbyhand.models import FeatureMLP
from tests.errata import fails
from tests.factories import make_batch, make_schema

SCHEMA = make_schema()


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
    schema.user_table[7] = schema.user_table[4]
    batch = make_batch(schema, B=2, user=[4, 7], item=[5, 5])
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


def test_c12_two_users_of_equal_features_can_differ():
    def check(model):
        """Trained on opposite labels, two users with the same features get different scores."""
        schema = make_schema()
        schema.user_table[4] = schema.user_table[3]
        batch = make_batch(schema, B=2, user=[3, 4], item=[5, 5])
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
