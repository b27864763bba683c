"""How likely runs fail: where, how many, and how surely."""

from __future__ import annotations

import numpy as np

from trialwright.analysis.failing import Failing
from trialwright.space import Configuration, Float, Space

SPACE = Space((Float("x", 0.0, 1.0), Float("y", 0.0, 1.0)))


def runs(n: int) -> list[Configuration]:
    """Random places."""
    rng = np.random.default_rng(0)
    return [SPACE.sample(rng) for _ in range(n)]


def test_failures_lie_where_they_were() -> None:
    """With failures beyond x = 0.8, a run there fails more often than not, another hardly ever."""
    seen = runs(40)
    risk = Failing.fitted(SPACE, seen, [float(one["x"]) > 0.8 for one in seen]).draw(0.5)  # type: ignore[arg-type]
    assert risk.of({"x": 0.95, "y": 0.5}) > 0.6
    assert risk.of({"x": 0.3, "y": 0.5}) < 0.1


def test_a_share_without_failures_is_small_and_not_nothing() -> None:
    """After 30 runs that all ended well it is likely below 3 in 100; after none it may be any."""
    told = Failing.fitted(SPACE, runs(30), [False] * 30)
    assert 0.0 < told.draw(0.5).of({"x": 0.1, "y": 0.1}) < 0.03
    untold = Failing.fitted(SPACE, [], [])
    assert untold.draw(0.05).usual < 0.1
    assert untold.draw(0.95).usual > 0.9
