"""Guards of the errata: each runs the wrong form beside ours, and sees it fail. A file per lesson."""

import pytest


def fails(check, *wrong) -> None:
    """The check that ours passes must not pass for this."""
    with pytest.raises(AssertionError):
        check(*wrong)
