"""Verdicts, and what is corrected for having looked at much."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.insight.made import BROAD, campaign
from trialwright.analysis.correlation import correlation
from trialwright.insight.discoveries import discovered, separation
from trialwright.insight.verdicts import extremes, judged


def test_extremes_hold_for_all_pairs_at_once() -> None:
    """Of three agents the interval of the widest ratio is at 1 - 0.05 / 3."""
    logs = {"a": (0.0, 0.1, math.inf), "b": (1.0, 0.1, math.inf), "c": (0.5, 0.1, math.inf)}
    found = extremes(logs)
    assert found is not None
    assert (found.most, found.least) == ("b", "a")
    half = 2.3940 * math.hypot(0.1, 0.1)
    assert (found.low, found.high) == pytest.approx((math.exp(1 - half), math.exp(1 + half)), 1e-3)
    assert extremes({"a": (0.0, 0.1, 3.0)}) is None


def test_few_degrees_widen_the_interval() -> None:
    """With Student's few degrees the interval is wider than the normal one."""
    normal = extremes({"a": (0.0, 0.1, math.inf), "b": (1.0, 0.1, math.inf)})
    few = extremes({"a": (0.0, 0.1, 3.0), "b": (1.0, 0.1, 3.0)})
    assert normal is not None
    assert few is not None
    assert few.low < normal.low < normal.high < few.high
    assert few.p > normal.p


def test_the_best_of_many_discoveries_is_not_taken_for_proof() -> None:
    """Of 60 that are pure luck the best looks sure alone, and is not once all are counted."""
    rng = np.random.default_rng(11)
    having = [{str(i): 1.0 for i in range(60) if rng.random() < 0.5} for _ in range(16)]
    goodness = rng.normal(size=16).tolist()
    found = separation(having, goodness, [""] * 16)
    assert found is not None
    alone = correlation([float(found.names[0] in one) for one in having], goodness)
    assert alone is not None
    assert alone.low is not None
    assert alone.low > 0
    assert alone.p < 0.05
    assert found.low is not None
    assert found.low < 0
    assert found.p > 0.05


def test_discoveries_are_what_kept_changes_differ_in() -> None:
    """The planted discovery is found by its setting and value; numbers go by their name alone."""
    found = discovered(campaign(BROAD, 0))
    assert "clip=True" in found
    assert "data" in found
    assert max(found, key=lambda name: found[name]) == "clip=True"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.01, 0.9, "supported"), (-0.01, 0.9, "can't tell"), (-0.9, -0.1, "contradicted"),
     (-0.2, 0.29, "contradicted"), (-0.2, 0.31, "can't tell"), (None, None, "can't tell")],
)  # fmt: skip
def test_no_verdict_is_stronger_than_its_interval(
    low: float | None, high: float | None, verdict: str
) -> None:
    """An interval over 0 supports nothing; one that leaves room contradicts nothing."""
    assert judged(low, high) == verdict
