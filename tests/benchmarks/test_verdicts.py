"""The verdicts' benchmark: its truth is exact, and a study of it names what is planted."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import verdicts
from trialwright.records import FAILURE, Claim, Extent

LAND = verdicts.Landscape(
    failing=(("a", 0.5, True), ("b", 0.4, False)),
    cliff=("c", 0.6, True),
    effect=("d", 4.0),
    tiny={"e": 0.0, "f": 0.1, "g": 0.0, "h": -0.1},
)


def claim(what: str, *region: Extent, **more: object) -> Claim:
    """A claim in few words."""
    return Claim(by="x", text="t", what=what, region=region, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "true"),
    [
        (claim("direction", Extent(parameter="d")), True),
        (claim("direction", Extent(parameter="d"), sense="lower"), False),
        (claim("direction", Extent(parameter="d"), threshold=1.9), True),
        (claim("direction", Extent(parameter="d"), threshold=2.1), False),
        (claim("direction", Extent(parameter="e")), False),
        (claim("direction", Extent(parameter="f")), True),
        (claim("region", Extent(parameter="c", high=0.6), threshold=2.9), True),
        (claim("no_effect", Extent(parameter="e"), threshold=0.1), True),
        (claim("no_effect", Extent(parameter="d"), threshold=0.1), False),
    ],
)
def test_truth_is_told_from_the_formula(made: Claim, true: bool) -> None:
    """Effects at the bounds that are planted, on either side of what is claimed."""
    assert LAND.true(made) is true


def test_truth_of_failures() -> None:
    """Half of the seeds fail together, and none for one parameter alone."""
    both = (Extent(parameter="a", low=0.55), Extent(parameter="b", high=0.35))
    assert LAND.true(claim("interaction", *both, metric=FAILURE))
    assert LAND.true(claim("rate", *both, threshold=0.45))
    assert not LAND.true(claim("rate", *both, threshold=0.55))
    other = (Extent(parameter="a", low=0.55), Extent(parameter="e", high=0.35))
    assert not LAND.true(claim("interaction", *other, metric=FAILURE, threshold=0.3))


def test_a_short_study_says_nothing_false() -> None:
    """A study of the benchmark, cut short: the last line has its keys and targets."""
    played = verdicts.play(0, 90)
    assert all(true for _, true in played.established)
    found = verdicts.figures([played], trials=90)
    assert {"false_established", "power", "naive_false", "targets", "ok"} <= set(found)
    assert found["false_established"] == 0.0
    assert "together" in verdicts.table([played])
    runs = [
        LAND.run(dict.fromkeys("acdefgh", 0.9) | {"b": 0.1}, np.random.default_rng(i))
        for i in range(200)
    ]
    assert 70 <= sum(value < verdicts.LIMIT for value in runs) <= 130
