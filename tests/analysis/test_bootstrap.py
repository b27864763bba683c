"""Intervals of effects hold the truth as often as they claim, for few seeds and odd noise."""

from __future__ import annotations

import numpy as np
import pytest

from trialwright.analysis.bootstrap import effect
from trialwright.analysis.gains import Side
from trialwright.analysis.noise import Noise
from trialwright.robust import Robust, deviation


@pytest.mark.parametrize("seeds", [4, 8, 20])
@pytest.mark.parametrize("noise", ["normal", "skewed", "bimodal"])
def test_an_interval_holds_the_truth_as_often_as_it_says(seeds: int, noise: str) -> None:
    """At least 91 % of 300 intervals of a claimed 95 % (three standard errors of 300 below)."""
    rng = np.random.default_rng(seeds)
    held = 0
    for _ in range(300):
        ours, theirs = _drawn(rng, noise, seeds), _drawn(rng, noise, seeds)
        spread = (deviation(ours) ** 2 + deviation(theirs) ** 2) / 2
        known = Noise(spread**0.5, 2 * (seeds - 1))
        found = effect(Side(ours, known), Side(theirs, known), Robust(), sign=1, draws=400)
        assert found is not None
        held += found[0] <= 0 <= found[1]
    assert held / 300 >= 0.91


def test_what_seeds_share_cancels() -> None:
    """Sides that differ by the same in each seed have a narrow interval, if the noise is common."""
    rng = np.random.default_rng(1)
    theirs = rng.normal(0, 1.0, 12).tolist()
    ours = [value + 0.2 for value in theirs]
    known = Noise(1.0, 20)
    apart = effect(Side(ours, known), Side(theirs, known), Robust(), sign=1)
    paired = effect(Side(ours, known), Side(theirs, known), Robust(), sign=1, common=0.99)
    assert apart is not None
    assert paired is not None
    assert paired[0] > 0.1
    assert apart[0] < -0.2


def test_without_noise_there_is_no_interval() -> None:
    """Nothing is made up."""
    assert effect(Side([1.0], None), Side([0.5], None), Robust(), sign=1) is None


def test_where_smaller_is_better_a_smaller_value_is_a_gain() -> None:
    """The interval is of the gain, not of the metric."""
    known = Noise(0.01, 20)
    found = effect(Side([0.1] * 4, known), Side([0.5] * 4, known), Robust(), sign=-1)
    assert found is not None
    assert 0.3 < found[0] < 0.4 < found[1] < 0.5


def _drawn(rng: np.random.Generator, noise: str, n: int) -> list[float]:
    if noise == "skewed":
        return (1 - rng.exponential(1.0, n)).tolist()
    if noise == "bimodal":
        return (np.where(rng.random(n) < 0.25, -3.0, 1.0) + rng.normal(0, 0.3, n)).tolist()
    return rng.normal(0, 1.0, n).tolist()
