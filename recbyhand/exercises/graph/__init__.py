"""Checks of chapter 6, graph: a module per lesson."""
