"""Checks of chapter 5, transformer: a module per lesson."""
