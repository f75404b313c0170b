"""A registry of its own for tests of the machinery, so that they do not meddle with the book's exercises."""

import pytest

from recbyhand.exercises import engine, quizzes


@pytest.fixture
def empty(monkeypatch):
    """No exercises and no quizzes, until the test registers some."""
    monkeypatch.setattr(engine, "EXERCISES", {})
    monkeypatch.setattr(quizzes, "QUIZZES", {})
    monkeypatch.setattr(engine, "load_all", lambda: engine.EXERCISES)
