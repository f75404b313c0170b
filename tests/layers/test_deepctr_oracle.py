"""Our layers give what deepctr-torch's give, where those agree with their papers (recorded: tests/oracles)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from recbyhand.data.batch import Field
from recbyhand.layers import AUGRUCell, FMInteraction, PairwiseInteraction, weighted_sum
from recbyhand.models import AFM
from tests.factories import make_schema

RECORDED = json.loads(
    (Path(__file__).parents[1] / "oracles" / "deepctr_torch.json").read_text(encoding="utf-8")
)


def recorded(value):
    return {k: recorded(x) for k, x in value.items()} if isinstance(value, dict) else torch.tensor(value)


@pytest.fixture(scope="module")
def theirs():
    return recorded({name: value for name, value in RECORDED.items() if name != "deepctr-torch"})


def test_pair_sum(theirs):
    ours = FMInteraction()(theirs["v"])  # (B, d) or (B,)
    scalar = ours.sum(-1) if ours.dim() == 2 else ours
    assert torch.allclose(scalar, theirs["fm"], atol=1e-5)


def test_bi_interaction(theirs):
    assert torch.allclose(PairwiseInteraction()(theirs["v"]).sum(1), theirs["bi_interaction"], atol=1e-5)


def test_afm_weights_and_logit(theirs):
    fields = tuple(Field(f"f{k}", 4) for k in range(3))  # with user and item five fields
    model = AFM(make_schema(user_fields=fields[:1], item_fields=fields[1:]), dim=3, attention_dim=4).eval()
    part = theirs["afm"]
    with torch.no_grad():
        for ours, value in ((model.W.weight, "W"), (model.W.bias, "b"), (model.h, "h"), (model.p, "p")):
            ours.copy_(part[value])
        e = model.products(theirs["v"])  # (B, P, d)
        a = model.weights(e, torch.full((4, 5), 2))  # (B, P) every field is there
    assert torch.allclose(a, part["weights"], atol=1e-5)
    assert torch.allclose((a[..., None] * e).sum(1) @ model.p, part["logit"], atol=1e-5)


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_pooling(theirs, mode):
    weights = theirs["mask"].float()  # (B, L)
    if mode == "mean":
        weights = weights / weights.sum(1, keepdim=True)  # (B, L)
    assert torch.allclose(weighted_sum(weights, theirs["v"]), theirs[f"pooled_{mode}"], atol=1e-5)


def test_augru(theirs):
    """Their gates stand in the order reset, update, proposal; ours begin with the update gate."""
    part = theirs["augru"]
    cell = AUGRUCell(3, 6)

    def reordered(rows):
        r, u, n = rows.chunk(3)
        return torch.cat([u, r, n])

    with torch.no_grad():
        for ours, name in (
            (cell.ih.weight, "weight_ih"),
            (cell.ih.bias, "bias_ih"),
            (cell.hh.weight, "weight_hh"),
            (cell.hh.bias, "bias_hh"),
        ):
            ours.copy_(reordered(part[name]))
        assert torch.allclose(cell(part["x"], part["h"], part["a"]), part["out"], atol=1e-5)
