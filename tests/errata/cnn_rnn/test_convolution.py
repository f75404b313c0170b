"""Chapter 2, convolution: dimensions of an embedding have no order, and a section is not based on itself."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from recbyhand.layers import MLP, Conv1d, FMInteraction
from recbyhand.models import FM, FeatureCNN, FeatureMLP
from tests.factories import make_batch, make_schema

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = make_schema()
FIELDS, DIM = len(SCHEMA.fields), 8


def order_is_nothing(layer) -> bool:
    """Writing the dimensions down in another order changes no output value, only their order."""
    torch.manual_seed(0)
    v, order = torch.randn(3, FIELDS, DIM), torch.randperm(DIM)
    before, after = layer(v), layer(v[:, :, order])
    return torch.allclose(before.flatten(1).sort().values, after.flatten(1).sort().values, atol=1e-5)


def test_c14_the_order_of_dimensions_is_nothing():
    assert order_is_nothing(FMInteraction())
    assert not order_is_nothing(Conv1d(FIELDS, 1, 3))  # the source's layout


def reordered(model, order):
    """Vectors in another order, and with them every weight that belongs to one dimension."""
    table = model.embed.table if isinstance(model, FeatureCNN) else model.embedding.table
    with torch.no_grad():
        table.weight.copy_(table.weight[:, order])
        if isinstance(model, FeatureMLP):
            W = model.mlp[0].weight
            W.copy_(W.view(len(W), FIELDS, DIM)[..., order].flatten(1))
        if isinstance(model, FeatureCNN) and model.over == "fields":
            model.conv.weight.copy_(model.conv.weight[:, order])


@pytest.mark.parametrize(
    ("make", "stands"),
    [
        (lambda: FM(SCHEMA, dim=DIM), True),
        (lambda: FeatureMLP(SCHEMA, dim=DIM), True),
        (lambda: FeatureCNN(SCHEMA, dim=DIM, over="fields"), True),
        (lambda: FeatureCNN(SCHEMA, dim=DIM, over="dims"), False),
    ],
)
def test_c14_models_that_stand_another_order(make, stands):
    torch.manual_seed(0)
    model, batch = make(), make_batch(SCHEMA)
    table = model.embed.table if isinstance(model, FeatureCNN) else model.embedding.table
    torch.nn.init.normal_(table.weight)
    before = model(batch)
    reordered(model, torch.randperm(DIM))
    assert torch.allclose(model(batch), before, atol=1e-4) == stands


def earlier(section: str, base: str) -> bool:
    """What a section is based on has been read before it."""
    return [int(n) for n in base.split(".")] < [int(n) for n in section.split(".")]


def test_c15_the_base_is_the_section_before():
    assert earlier("3.1.3", "3.1.2")
    assert not earlier("3.1.3", "3.1.3")  # what the source says
    with (ROOT / "book" / "source_map.csv").open(encoding="utf8", newline="") as file:
        lesson = {row["id"]: row["lesson"] for row in csv.DictReader(file)}
    toc = (ROOT / "_toc.yml").read_text(encoding="utf8")
    assert toc.index(lesson["A024"]) < toc.index(lesson["A027"])  # the listings of 3.1.2 and 3.1.3


def as_cnn(mlp: FeatureMLP) -> FeatureCNN:
    """A convolution of width 1 whose kernels hold v and -v: ReLU(v) - ReLU(-v) = v."""
    cnn = FeatureCNN(SCHEMA, dim=DIM, kernel=1, channels=2 * DIM)
    hidden = mlp.mlp[0].out_features
    cnn.head = MLP([2 * DIM * FIELDS, hidden, 1])
    with torch.no_grad():
        cnn.embed.load_state_dict(mlp.embedding.state_dict())
        cnn.conv.weight.copy_(torch.cat([torch.eye(DIM), -torch.eye(DIM)])[..., None])
        cnn.conv.bias.zero_()
        W = mlp.mlp[0].weight.view(hidden, FIELDS, DIM).transpose(1, 2)
        cnn.head[0].weight.copy_(torch.cat([W, -W], dim=1).flatten(1))
        cnn.head[0].bias.copy_(mlp.mlp[0].bias)
        cnn.head[-1].load_state_dict(mlp.mlp[-1].state_dict())
    return cnn


def test_c15_without_its_window_the_convolution_is_the_flat_network():
    torch.manual_seed(0)
    mlp, batch = FeatureMLP(SCHEMA, dim=DIM, hidden=(16,)), make_batch(SCHEMA)
    torch.nn.init.normal_(mlp.embedding.table.weight)
    cnn = as_cnn(mlp)
    assert torch.allclose(cnn(batch), mlp(batch), atol=1e-4)
    with torch.no_grad():
        cnn.conv.weight.mul_(0.5)
    assert not torch.allclose(cnn(batch), mlp(batch), atol=1e-4)
