"""Data: tables -> examples -> batches."""

from recbyhand.data.batch import Batch, Field, Schema

__all__ = ["Batch", "Field", "Schema"]
