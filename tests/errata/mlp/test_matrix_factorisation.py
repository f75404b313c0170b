"""Matrix factorisation: the source's table, its "ALS" and its date fail the properties that ours hold."""

from __future__ import annotations

import re

import lessons
import pytest
import torch

from recbyhand.models import als
from tests.errata import fails


def closed_form(R, V, reg):
    """C09: the users' vectors that a step of ALS must end on, for a full table."""
    return R @ V @ torch.linalg.inv(V.T @ V + reg * torch.eye(V.shape[1], dtype=V.dtype))


@pytest.mark.parametrize("lr", [1e-3, 1e-2, 3e-2])
def test_c09_a_gradient_step_is_no_als_step(lr):
    torch.manual_seed(0)
    R, reg = torch.randn(6, 5, dtype=torch.float64), 0.5
    user, item = torch.cartesian_prod(torch.arange(6), torch.arange(5)).T
    f = als(
        item, user, R.flatten(), dim=2, reg=reg, sweeps=3, biases=False
    )  # sides changed: users solved last
    assert torch.allclose(f.item, closed_form(R, f.user, reg))

    U, V = (torch.randn(n, 2, dtype=torch.float64, requires_grad=True) for n in (6, 5))
    optimiser = torch.optim.SGD([U, V], lr=lr)
    for _ in range(10):  # what the source calls ALS
        optimiser.zero_grad()
        ((R - U @ V.T).square().sum() + reg * (U.square().sum() + V.square().sum())).backward()
        optimiser.step()
        assert not torch.allclose(U, closed_form(R, V, reg), atol=1e-2)


def test_c09_alternating_least_squares_is_a_closed_form_and_gradient_descent_is_not():
    R = torch.randn(8, 6, dtype=torch.float64)
    user, item = torch.cartesian_prod(torch.arange(8), torch.arange(6)).T

    def check(factors):
        U, V = factors
        assert torch.allclose(V, R.T @ U @ torch.linalg.inv(U.T @ U + torch.eye(2)))

    f = als(user, item, R.flatten(), dim=2, reg=1.0, biases=False, sweeps=5)
    check((f.user, f.item))

    U, V = torch.randn(8, 2, dtype=torch.float64), torch.randn(6, 2, dtype=torch.float64)
    U.requires_grad_(), V.requires_grad_()
    optimiser = torch.optim.SGD([U, V], lr=0.01)
    for _ in range(20):
        optimiser.zero_grad()
        ((R - U @ V.T).pow(2).sum() + U.pow(2).sum() + V.pow(2).sum()).backward()
        optimiser.step()
    fails(check, (U.detach(), V.detach()))
    assert als(user, item, R.flatten(), dim=2, reg=1.0, biases=False).objective[-1] > 0


def possible(year: int) -> bool:
    """C10: item-based collaborative filtering was published in 2001, before Amazon's report of 2003."""
    return 2001 <= year < 2003


def test_c10_item_based_filtering_is_dated_by_its_paper():
    assert not possible(2003), "the source's date"
    cells = lessons.read(lessons.ROOT / "chapters" / "01_mlp" / "matrix_factorisation.ipynb").cells
    text = " ".join(" ".join(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
    claim = re.search(r"the research paper was published in (\d{4}) \{cite\}`(\w+)`", text)
    assert possible(int(claim[1]))
    bib = (lessons.ROOT / "book" / "references.bib").read_text(encoding="utf8")
    entry = bib[bib.index("{" + claim[2] + ",") :]
    assert re.search(r"year = \{(\d{4})\}", entry)[1] == claim[1]
