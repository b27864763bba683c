"""Shares of seeds: intervals against SciPy's exact test, and the published figures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from trialwright.analysis import rates


@pytest.mark.parametrize(("count", "total"), [(0, 4), (1, 4), (4, 4), (3, 30), (0, 1), (17, 30)])
def test_intervals_are_the_exact_ones(count: int, total: int) -> None:
    """They agree with SciPy's Clopper and Pearson; 0 of 4 is 0 to 60 %."""
    low, high = rates.interval(count, total)
    exact = binomtest(count, total).proportion_ci(0.95, method="exact")
    assert (low, high) == (pytest.approx(exact.low), pytest.approx(exact.high))
    assert round(rates.interval(0, 4)[1], 2) == 0.60


def test_the_interval_covers_at_least_as_often_as_it_claims() -> None:
    """Over every possible outcome, weighted by its probability, at several true rates."""
    for rate in (0.02, 0.25, 0.5, 0.9):
        for total in (4, 12, 30):
            weights = [_binomial(count, total, rate) for count in range(total + 1)]
            covered = sum(
                weight
                for count, weight in enumerate(weights)
                if rates.interval(count, total)[0] <= rate <= rates.interval(count, total)[1]
            )
            assert covered >= 0.95


def test_clean_seeds_needed_are_the_published_ones() -> None:
    """To reject a failure rate of 25 %: 11 clean seeds one-sided, 13 two-sided."""
    assert rates.clean_needed(0.25, sides=1) == 11
    assert rates.clean_needed(0.25) == 13
    assert rates.interval(0, 13)[1] < 0.25 < rates.interval(0, 12)[1]


@pytest.mark.parametrize(("failures", "total"), [(0, 0), (0, 4), (1, 4), (2, 20), (0, 13)])
def test_what_is_still_needed_is_the_least_that_rules_the_rate_out(
    failures: int, total: int
) -> None:
    """With so many more clean seeds the interval ends below the rate; with one fewer it doesn't."""
    more = rates.still_needed(failures, total, 0.25)
    assert more is not None
    assert rates.interval(failures, total + more)[1] <= 0.25
    if more:
        assert total + more == 1 or rates.interval(failures, total + more - 1)[1] > 0.25


def test_a_rate_that_nothing_rules_out_has_no_number_of_seeds() -> None:
    """The search ends."""
    assert rates.still_needed(5, 5, 1e-6) is None


def test_the_better_share_agrees_with_a_simulation_of_the_posteriors() -> None:
    """3 of 4 against 1 of 4, from a million draws; alike shares are even."""
    rng = np.random.default_rng(0)
    drawn = float((rng.beta(4, 2, 10**6) > rng.beta(2, 4, 10**6)).mean())
    assert rates.better((3, 4), (1, 4)) == pytest.approx(drawn, abs=0.002)
    assert rates.better((2, 5), (2, 5)) == pytest.approx(0.5)


def test_a_share_that_is_none_is_refused() -> None:
    """More failures than seeds, or no seeds, is a mistake of the caller."""
    with pytest.raises(ValueError, match="5 of 4"):
        rates.interval(5, 4)
    with pytest.raises(ValueError, match="between 0 and 1"):
        rates.clean_needed(1.0)


def _binomial(count: int, total: int, rate: float) -> float:
    from math import comb

    return comb(total, count) * rate**count * (1 - rate) ** (total - count)
