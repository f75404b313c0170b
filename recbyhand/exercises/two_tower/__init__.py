"""Checks of chapter 7, two towers: a module per lesson."""
