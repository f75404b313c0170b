"""Data: tables -> examples -> batches."""

from recbyhand.data.batch import Batch, Field, Schema
from recbyhand.data.ctr import Examples, Ranking, Task, ctr
from recbyhand.data.download import DataDamaged, DataUnavailable
from recbyhand.data.graph import Graph, graph
from recbyhand.data.movielens import movielens
from recbyhand.data.negatives import with_negatives
from recbyhand.data.parquet import from_parquet
from recbyhand.data.planted import Planted, planted
from recbyhand.data.tables import Tables, from_frames
from recbyhand.data.toy import toy, toy_schema

__all__ = [
    "Batch",
    "DataDamaged",
    "DataUnavailable",
    "Examples",
    "Field",
    "Graph",
    "Planted",
    "Ranking",
    "Schema",
    "Tables",
    "Task",
    "ctr",
    "from_frames",
    "from_parquet",
    "graph",
    "movielens",
    "planted",
    "toy",
    "toy_schema",
    "with_negatives",
]
