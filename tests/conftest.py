"""What all tests share: groups that stay in one worker, and what Hypothesis draws."""

from __future__ import annotations

import pytest
from _pytest.nodeid import NodeId
from hypothesis import settings

from tests.thoroughness import thorough

# At a desk every run looks elsewhere; whether a commit passes depends on the commit alone.
settings.register_profile("commit", derandomize=True)
if thorough():
    settings.load_profile("commit")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let `xdist_group` hold: xdist 3.8 writes a group where pytest 9.2 does not look for it.

    Without it each worker would start its own clusters and browsers, and make each module's
    studies again. Where both agree again, nothing is changed here.
    """
    if not getattr(config.option, "loadgroup", False):
        return
    # The longest first: a worker that is left with them at the end works alone for minutes.
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    for item in items:
        grouped = getattr(item, "_nodeid", item.nodeid)
        if grouped != item.nodeid:
            item._id = NodeId.parse(grouped)
