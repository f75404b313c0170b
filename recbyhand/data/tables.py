"""The tables a task is made from: `Dataset`, and `from_frames` for a reader's own."""

from __future__ import annotations

import html
from dataclasses import dataclass

import pandas as pd


@dataclass(eq=False, repr=False, kw_only=True)
class Dataset:
    """Three tables and a name; what a click is and what a history is made of are derived from them.

    users     one row per user: `user` and feature columns (strings)
    items     one row per item: `item`, `title` and feature columns; a column of tuples holds several values
    ratings   `user`, `item`, `rating`, `time` (int64, seconds)
    note      where the tables came from, in one line
    licence   what may be done with them, and whom to cite
    like      a rating of at least this much counts as a click

    A data set knows how it wants to be split: `valid` and `test` are fractions of a user's targets, or,
    where they are whole numbers (1 or more), so many targets of each user.
    """

    name: str
    users: pd.DataFrame
    items: pd.DataFrame
    ratings: pd.DataFrame
    note: str = ""
    licence: str = ""
    like: float = 4
    valid: float = 0.1
    test: float = 0.1

    @property
    def targets(self) -> pd.DataFrame:
        """What a model is asked about: user, item, time and label (1 = liked)."""
        return self._labelled(self.like)

    @property
    def events(self) -> pd.DataFrame:
        """What histories are made of: user, item, time and label."""
        return self._labelled(self.like)

    def _labelled(self, like: float) -> pd.DataFrame:
        label = (self.ratings["rating"] >= like).astype("float32")
        return self.ratings[["user", "item", "time"]].assign(label=label)

    @property
    def user_columns(self) -> list[str]:
        """Names of the user features."""
        return [c for c in self.users.columns if c != "user"]

    @property
    def item_columns(self) -> list[str]:
        """Names of the item features."""
        return [c for c in self.items.columns if c not in ("item", "title")]

    def summary(self) -> dict[str, object]:
        """Counts for display: what there is to learn from."""
        targets = self.targets
        return {
            "users": len(self.users),
            "items": len(self.items),
            "examples": len(targets),
            "liked": f"{targets['label'].mean():.1%}" if len(targets) else "-",
            "user features": ", ".join(self.user_columns) or "none",
            "item features": ", ".join(self.item_columns) or "none",
        }

    def __repr__(self) -> str:
        counts = ", ".join(f"{key} {value}" for key, value in self.summary().items())
        return "\n".join(filter(None, (f"{type(self).__name__} {self.name!r}: {counts}", self.note, self.licence)))

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<span style='margin-right:1.2em;white-space:nowrap'>{html.escape(key)} "
            f"<b>{html.escape(f'{value:,}' if isinstance(value, int) else str(value))}</b></span>"
            for key, value in self.summary().items()
        )
        note = f"<div style='opacity:.75'>{html.escape(self.note)}</div>" if self.note else ""
        licence = f"<small style='opacity:.75'>{html.escape(self.licence)}</small>" if self.licence else ""
        return (
            "<div style='border-left:3px solid currentColor;padding:.3em .8em;margin:.4em 0'>"
            f"<b>{html.escape(self.name)}</b>{note}<div>{cells}</div>{licence}</div>"
        )
