"""Checks of chapter 3, the FM family: a module per lesson."""
