"""Correlations of few pairs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from trialwright.analysis.correlation import correlation, interval


def test_published_correlation_with_the_interval_it_deserves() -> None:
    """The five-agent study's r = -0.946 has an interval of [-1.00, -0.38] and at best p = 0.05."""
    found = correlation([5, 5, 5, 3, 2], [0.5757, 0.5794, 0.5802, 0.5848, 0.5923])
    assert found is not None
    assert found.r == pytest.approx(-0.946, abs=5e-4)
    assert (found.low, found.high) == pytest.approx((-0.9965, -0.3842), abs=1e-3)
    assert found.p == found.least_p == pytest.approx(6 / 120)


def test_agrees_with_scipy() -> None:
    """The value and the interval are SciPy's; the p by permutation is near Student's."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=25)
    y = 0.5 * x + rng.normal(size=25)
    found, theirs = correlation(x.tolist(), y.tolist()), stats.pearsonr(x, y)
    ends = theirs.confidence_interval(0.95)
    assert found is not None
    assert (found.r, found.low, found.high) == pytest.approx((theirs.statistic, *ends), abs=1e-9)
    assert found.p == pytest.approx(theirs.pvalue, abs=0.01)


def test_strata_are_no_evidence() -> None:
    """What only differs between strata gives no correlation; each stratum costs a pair."""
    x = [0.0, 1.0, 0.0, 10.0, 11.0, 10.0]
    y = [1.0, 0.9, 1.1, 5.0, 5.1, 4.9]
    pooled = correlation(x, y)
    within = correlation(x, y, strata=["a", "a", "a", "b", "b", "b"])
    assert pooled is not None
    assert within is not None
    assert pooled.r > 0.99
    assert abs(within.r) < 0.2
    assert (within.low, within.high) == interval(within.r, 5)


def test_no_correlation_without_variation_or_pairs() -> None:
    """A side that does not vary has no correlation; three pairs have no interval."""
    assert correlation([1, 1, 1, 1], [1, 2, 3, 4]) is None
    few = correlation([1, 2, 3], [1, 2, 4])
    assert few is not None
    assert (few.low, few.high) == (None, None)


def test_many_pairs_have_students_p() -> None:
    """Beyond the pairs that are permuted the p is SciPy's."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 900))
    found = correlation((x + 0.1 * y).tolist(), y.tolist())
    assert found is not None
    assert found.p == pytest.approx(float(stats.pearsonr(x + 0.1 * y, y).pvalue), rel=1e-6)
