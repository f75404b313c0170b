"""`open_page` opens a page that holds some widgets."""

from __future__ import annotations

import pytest

from .harness import Opener


@pytest.fixture
def open_page(browser, tmp_path):
    opener = Opener(browser, tmp_path)
    yield opener
    opener.close()
