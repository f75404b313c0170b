"""From ids to vectors. In every vocabulary id 0 is padding, 1 is unknown, real ids start at 2."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recbyhand import arguments
from recbyhand.data.batch import Field


def id_embedding(size: int, dim: int, *, std: float = 0.05) -> nn.Embedding:
    """A table of `size` vectors, ids (...) -> (..., dim), that starts small.

    Padding (row 0) is the zero vector and stays so. Unknown (row 1) starts at zero: as long as no training
    example shows an unknown id, it says nothing, rather than something random.
    """
    table = nn.Embedding(size, arguments.size("dim", dim), padding_idx=0)
    nn.init.normal_(table.weight, std=std)
    with torch.no_grad():
        table.weight[:2] = 0
    return table


def batch_aware_penalty(table: nn.Embedding, ids: Tensor, counts: Tensor) -> Tensor:
    r"""Mini-batch aware regularisation, $\frac12 \sum_{j \in batch} \|w_j\|^2 / n_j$, one number.

    Only the vectors that this batch reads are made smaller, a rare one more than a frequent one.

    ids         of any shape: what the batch looks up in `table`; repeated ids count once, the padding never
    counts      (size,): n_j, how often id j occurs in all training rows, such as `torch.bincount` gives it

    Add lambda times this to the loss. Raises ValueError where `counts` has another length than the table.
    Source: Zhou et al. 2018, Deep interest network, arXiv:1706.06978, section 5.1.
    """
    if counts.shape != table.weight.shape[:1]:
        raise ValueError(f"counts has shape {tuple(counts.shape)}; the table has {len(table.weight)} rows")
    some = ids.unique()
    if table.padding_idx is not None:
        some = some[some != table.padding_idx]  # (J,)
    length = table.weight[some].square().sum(1)  # (J,)
    return 0.5 * (length / counts[some].clamp(min=1)).sum()


class FieldColumns(nn.Module):
    """Knows which columns of ids belong to which field, and what each column counts."""

    field_of: Tensor  # (C,) the field of each column
    size_of: Tensor  # (C,) its vocabulary size

    def __init__(self, fields: Sequence[Field]):
        super().__init__()
        self.fields = tuple(fields)
        if not self.fields:
            raise ValueError("there are no fields to embed: the schema has no features")
        field_of = [f for f, field in enumerate(self.fields) for _ in range(field.width)]
        self.register_buffer("field_of", torch.tensor(field_of), persistent=False)
        size_of = [self.fields[f].size for f in field_of]
        self.register_buffer("size_of", torch.tensor(size_of), persistent=False)

    def values(self, ids: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """(B, C) ids -> (B, C) x: 1/n for each of the n values a field has, 0 for padding."""
        real = (ids > 0).to(dtype)  # (B, C)
        n = real.new_zeros(len(ids), len(self.fields)).index_add(1, self.field_of, real)  # (B, F)
        return real / n.clamp(min=1)[:, self.field_of]  # (B, C)

    def present(self, ids: Tensor) -> Tensor:
        """(B, C) ids -> (B, F) True where a field has a value at all."""
        count = torch.zeros(len(ids), len(self.fields), device=ids.device)  # (B, F)
        return count.index_add(1, self.field_of, (ids > 0).float()) > 0

    def rows_from(self, old: FieldColumns) -> Tensor:
        """For each row of this table the row of `old`, whose vocabularies may end earlier: new values are unknown."""
        starts = [0]
        for field in old.fields:
            starts.append(starts[-1] + field.size)
        rows = []
        for field, before, start in zip(self.fields, old.fields, starts, strict=False):
            ids = torch.arange(field.size)
            rows.append(start + torch.where(ids < before.size, ids, 1))
        return torch.cat(rows)

    def check(self, ids: Tensor) -> None:
        """Refuses ids outside their vocabulary, which would silently read another field's rows."""
        if ids.shape[1] != len(self.field_of):
            names = [f"{field.name} ({field.width})" for field in self.fields]
            raise ValueError(f"got {ids.shape[1]} columns of ids for the fields {', '.join(names)}")
        if ids.device.type == "cpu" and ((ids < 0) | (ids >= self.size_of)).any():
            column = ((ids < 0) | (ids >= self.size_of)).any(0).nonzero()[0, 0]
            field, top = self.fields[self.field_of[column]], ids[:, column].max()
            raise IndexError(f"field {field.name!r} has ids 0 to {field.size - 1}, got {top}")


class FeatureEmbedding(FieldColumns):
    r"""One vector per field: ids (B, C) -> (B, F, d), for C columns of ids of F fields.

    A field with n values gets their average, $v_f = \sum_k x_k v_k$ with $x_k = 1/n$; one without any gets
    the zero vector. All fields share one table, in which each has its own rows; row 0 is the padding of all.
    With dim=1 it holds the weights of a linear model. Raises IndexError for an id beyond its vocabulary.

    >>> FeatureEmbedding(schema.fields, dim=16)(batch.ids())    # (B, F, 16)
    """

    start_of: Tensor  # (C,) first row of each column's field

    def __init__(self, fields: Sequence[Field], dim: int, *, std: float = 0.05):
        super().__init__(fields)
        sizes = torch.tensor([field.size for field in self.fields])  # (F,)
        starts = sizes.cumsum(0) - sizes  # (F,)
        self.register_buffer("start_of", starts[self.field_of], persistent=False)
        self.table = id_embedding(int(sizes.sum()), dim, std=std)
        with torch.no_grad():
            self.table.weight[torch.cat([starts, starts + 1])] = 0  # padding and unknown of every field

    def forward(self, ids: Tensor) -> Tensor:
        self.check(ids)
        rows = torch.where(ids > 0, ids + self.start_of, 0)  # (B, C) padding of any field is row 0
        v = self.table(rows) if self.table.embedding_dim > 1 else self.numbers(rows)  # (B, C, d)
        if len(self.fields) == len(self.field_of):  # every field has one value
            return v  # (B, F, d)
        v = self.values(ids, v.dtype)[..., None] * v  # (B, C, d) x_k v_k
        return v.new_zeros(len(v), len(self.fields), v.shape[-1]).index_add(1, self.field_of, v)  # (B, F, d)

    def numbers(self, rows: Tensor) -> Tensor:
        """(B, C) rows of a table with d = 1 -> (B, C, 1): numbers are gathered faster than vectors of length 1."""
        w = self.table.weight.view(-1).take(rows)  # (B, C)
        return torch.where(rows > 0, w, 0)[..., None]  # padding learns nothing

    def vectors(self, name: str) -> Tensor:
        """(size, d): the vectors of the field called `name`, by id; padding and unknown first."""
        start = 0
        for field in self.fields:
            if field.name == name:
                return self.table.weight[start : start + field.size]
            start += field.size
        raise KeyError(f"no field {name!r}: there are {', '.join(field.name for field in self.fields)}")
