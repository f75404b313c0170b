"""Checks of chapter 4, interest: a module per lesson."""
