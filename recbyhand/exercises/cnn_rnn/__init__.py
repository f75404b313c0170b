"""Checks of chapter 2, convolution and recurrence: a module per lesson."""
