"""Sentences of the book that are held by a computation."""

from __future__ import annotations


def claim(sentence: str, holds, data=None) -> None:
    """Assert what a sentence of the page says; the build of the book fails where it is not true.

    A lesson holds its claims in cells tagged `claim`, which the page does not show. Where `data` is the generated
    stand-in for MovieLens, nothing is asserted: the sentence speaks of MovieLens.

    Raises AssertionError with the sentence where `holds` is false, TypeError where it is neither true nor false.
    """
    if data is not None and not getattr(data, "real", True):
        return
    if not isinstance(getattr(holds, "item", lambda: holds)(), bool):
        raise TypeError(f"claim takes True or False, not {type(holds).__name__}: {sentence}")
    if not holds:
        raise AssertionError(f"No longer true: {sentence}")
