"""How each model is built for a test. A new model is added here, once: every general test then runs it.

`cases(WITH_HISTORY)` is what to parametrise with, `make(case, of)` builds one, `of` a schema or a task.
"""

from __future__ import annotations

import pytest
import torch

from recbyhand import models
from recbyhand.data import Graph, Schema, graph

WITHOUT_HISTORY = {
    "MatrixFactorization": ({}, {"biases": False}),
    "TwoTowerMLP": ({}, {"dropout": 0.5, "activation": "dice"}),
    "ConcatMLP": ({}, {"dropout": 0.5}),
    "FeatureMLP": ({"dropout": 0.5, "activation": "dice"}, {"ids": False}),
    "FeatureCNN": ({}, {"over": "dims", "kernel": 2}),
    "FM": ({},),
    "Poly2": ({}, {"pairs": []}, {"pairs": [["user", "genres"], ["gender", "age"]]}),
    "FNN": ({"dropout": 0.5}, {"frozen": True}),
    "NFM": ({}, {"dropout": 0.5, "batch_norm": True}),
    "WideDeep": ({"dropout": 0.5}, {"crosses": [["age", "genres"]]}),
    "DeepFM": ({"dropout": 0.5}, {"merge": "concat"}),
    "AFM": ({"dropout": 0.5}, {"attention_dim": 9}),
}
WITH_HISTORY = {
    "RNNRecommender": ({"cell": "rnn"}, {"cell": "lstm"}, {"cell": "gru"}),
    "RNNFactorization": ({}, {"cell": "lstm"}),
    "JointRNN": ({}, {"sampled": 5}),
    "PooledSequence": ({}, {"pooling": "sum", "head": "concat", "hidden": (), "features": True}),
    "DIN": ({}, {"users": True, "features": True, "normalise": True}),
    "DIEN": (
        {},
        {"evolution": "agru"},
        {"evolution": "aigru", "users": True, "features": True},
    ),
    "BST": (
        {},
        {"users": True, "features": True, "positions": "learned", "layers": 2, "norm": "pre"},
        {"positions": "none", "std": 1.0},
        {"positions": "learned", "layers": 2, "near": True},
    ),
    "SASRec": (
        {"dropout": 0.0},
        {"dropout": 0.0, "loss": "softmax", "norm": "post", "heads": 2},
        {"dropout": 0.0, "loss": "sampled", "negatives": 5},
        {"dropout": 0.0, "loss": "gbce", "negatives": 5},
    ),
    "Transformer4Rec": ({}, {"sampled": 5, "norm": "post", "layers": 2}, {"auxiliary": "label"}),
    "TwoTower": (
        {},
        {"users": True, "features": False, "shared": False, "loss": "sampled", "negatives": 5},
        {"features": False, "normalise": False, "loss": "bce"},
        {"pooling": "mean", "users": True, "loss": "bce"},
        {"loss": "full", "correct": "all", "hard": 3},
    ),
}
ON_A_GRAPH = {
    "LightGCN": ({}, {"layers": 3, "biases": True}),
    "GraphAttentionRecommender": (
        *({"attention": attention} for attention in ("dot", "gat", "gatv2", "mean")),
        {"layers": 2, "users": False, "heads": 4},
        {"features": False, "biases": False},
    ),
}
LEARNING = WITHOUT_HISTORY | WITH_HISTORY | ON_A_GRAPH
# They do not learn by gradients, and have no dim.
COUNTING = {"Popularity": ({},), "UserItemMean": ({},), "ItemNeighbours": ({},)}
EVERY = LEARNING | COUNTING


def cases(group: dict[str, tuple[dict, ...]]) -> list:
    """Each (name, settings) of a group, with an id that says what is set."""
    return [
        pytest.param((name, settings), id="-".join([name, *(f"{k}={v}" for k, v in settings.items())]))
        for name, variants in group.items()
        for settings in variants
    ]


def with_method(name: str) -> dict[str, tuple[dict, ...]]:
    """The models that have this method."""
    return {model: variants for model, variants in EVERY.items() if hasattr(getattr(models, model), name)}


def make(case: str | tuple[str, dict], of, **more) -> models.Recommender:
    """The model, from a name or a case, and from a schema, or a task: a graph is then that of the task's likes."""
    name, settings = (case, more) if isinstance(case, str) else (case[0], case[1] | more)
    schema = of if isinstance(of, Schema) else of.schema
    if name in COUNTING:
        return getattr(models, name)(of, **settings)
    if name in ON_A_GRAPH:
        settings["graph"] = random_graph(schema) if of is schema else graph(of)
    return getattr(models, name)(schema, **settings)


def random_graph(schema: Schema, n: int = 60, seed: int = 0) -> Graph:
    """n edges; the last user and the last item have none."""
    g = torch.Generator().manual_seed(seed)
    user = torch.randint(2, schema.n_users - 1, (n,), generator=g)
    item = torch.randint(2, schema.n_items - 1, (n,), generator=g)
    return Graph(user, item, torch.arange(n), schema.n_users, schema.n_items)
