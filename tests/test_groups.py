"""Tests of one group run in one worker."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("apart")
def test_the_scheduler_is_told_of_groups(request: pytest.FixtureRequest) -> None:
    """Among several workers, a test's group stands behind its name, where xdist looks for it."""
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("this is for several workers")
    assert request.node.nodeid.endswith("@apart")
