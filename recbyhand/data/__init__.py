"""Data: tables -> examples -> batches."""

from recbyhand.data.batch import Batch, Field, Schema
from recbyhand.data.tables import Dataset

__all__ = ["Batch", "Dataset", "Field", "Schema"]
