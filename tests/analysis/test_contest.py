"""Agents compared over replicates: exact tests, intervals, and what is too few to tell."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from trialwright.analysis.contest import DRAWS, Mean, duels, flip_test, holm, needed
from trialwright.analysis.information import entropy


def test_a_mean_has_students_interval() -> None:
    """As SciPy's one-sample interval has it."""
    values = [1.0, 2.5, 2.0, 4.0]
    held = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    found = Mean.of(values)
    assert found.low == pytest.approx(held.low)
    assert found.high == pytest.approx(held.high)


def test_sign_flips_are_exact() -> None:
    """As SciPy's permutation test over all patterns of signs has it."""
    apart = [0.3, -0.1, 0.8, 0.5, 0.9, 0.2]

    def total(x: np.ndarray, axis: int) -> np.ndarray:
        return np.sum(x, axis=axis)

    held = stats.permutation_test(
        (np.array(apart),), total, permutation_type="samples", n_resamples=np.inf
    )
    assert flip_test(apart) == pytest.approx(held.pvalue)


@pytest.mark.parametrize("n", [1, 3, 5, 6, 8])
def test_fewer_replicates_than_needed_tell_nothing(n: int) -> None:
    """However far apart, p stays above 5 % below six replicates, and can be below from there."""
    apart = [1.0 + 0.01 * k for k in range(n)]
    assert flip_test(apart) == pytest.approx(2 / 2**n)
    assert (flip_test(apart) <= 0.05) == (n >= needed(2))


@pytest.mark.parametrize("agents", [2, 3, 4, 5])
def test_needed_is_what_the_correction_leaves(agents: int) -> None:
    """With as many replicates one pair can be told apart, with one fewer none."""
    pairs = agents * (agents - 1) // 2
    for n, told in ((needed(agents), True), (needed(agents) - 1, False)):
        assert (min(holm([2 / 2**n, *[1.0] * (pairs - 1)])) <= 0.05) is told


def test_many_replicates_are_drawn_and_stay_close() -> None:
    """Beyond what can be looked at whole, p is that of draws, and the same each time."""
    apart = list(np.random.default_rng(3).normal(0.4, 1.0, 30))
    p = flip_test(apart)
    assert p == flip_test(apart)
    held = stats.ttest_1samp(apart, 0.0).pvalue
    assert p == pytest.approx(held, abs=4 * math.sqrt(0.25 / DRAWS) + 0.02)


def test_duels_pair_replicates_and_point_the_right_way() -> None:
    """A smaller loss is better; replicates that one of them lacks do not count."""
    values = {"a": {1: 1.0, 2: 2.0, 3: 9.0}, "b": {1: 2.0, 2: 2.5}, "c": {4: 1.0}}
    (one,) = duels(values, sign=-1)
    assert (one.agent, one.against, one.replicates) == ("a", "b", 2)
    assert one.difference == pytest.approx(0.75)
    assert not one.told


def test_false_alarms_are_as_rare_as_promised() -> None:
    """Of three agents that are the same, some pair is told apart in at most 5 % of contests."""
    rng = np.random.default_rng(0)
    told = 0
    for _ in range(400):
        values = {name: dict(enumerate(rng.normal(size=8))) for name in "abc"}
        told += any(one.told for one in duels(values, sign=1))
    assert told / 400 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


def test_entropy_is_that_of_the_shares() -> None:
    """As SciPy has it, in bits."""
    assert entropy([3, 1, 4]) == pytest.approx(float(stats.entropy([3, 1, 4], base=2)))
