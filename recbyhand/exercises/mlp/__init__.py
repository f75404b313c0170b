"""Checks of chapter 1, from factors to networks: a module per lesson."""
