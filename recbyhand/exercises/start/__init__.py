"""Checks of chapter 0, how to start: a module per lesson."""
