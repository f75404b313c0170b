"""A claim holds, or the build stops with the sentence; data that stand in for others make no claims."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from recbyhand import claim


def test_what_holds_passes_and_what_does_not_is_named():
    for true in (True, np.bool_(True), torch.tensor(True)):
        claim("two and two are four", true)
    with pytest.raises(AssertionError, match="two and two are five"):
        claim("two and two are five", 2 + 2 == 5)


def test_neither_true_nor_false_is_refused():
    for odd in (0.3, None, torch.tensor(1.0)):
        with pytest.raises(TypeError, match="True or False"):
            claim("DIN is better", odd)


def test_a_stand_in_claims_nothing():
    claim("on MovieLens", False, data=SimpleNamespace(real=False))
    with pytest.raises(AssertionError):
        claim("on MovieLens", False, data=SimpleNamespace(real=True))
