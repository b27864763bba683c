"""Wilcoxon's signed ranks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from trialwright.analysis.signed_ranks import EXACT, shift, signed_rank


@pytest.mark.parametrize("n", [5, 8, 15, 40])
def test_exact_p_is_scipys(n: int) -> None:
    """Without ties the p is SciPy's exact one."""
    apart = np.random.default_rng(n).normal(0.5, 1.0, n)
    assert signed_rank(apart.tolist()) == pytest.approx(
        float(stats.wilcoxon(apart, method="exact").pvalue)
    )


def test_ties_and_zeros() -> None:
    """With ties the p is that of all sign patterns of these ranks; zeros are left out."""
    apart = [1.0, -1.0, 2.0, 2.0, -2.0, -2.0, 3.0]
    ranks = stats.rankdata(np.abs(apart))
    seen = min(ranks[np.array(apart) > 0].sum(), ranks[np.array(apart) < 0].sum())
    signs = (np.arange(128)[:, None] >> np.arange(7)) & 1
    expected = min(1.0, 2 * float(np.mean(signs @ ranks <= seen)))
    assert signed_rank(apart) == pytest.approx(expected)
    assert signed_rank([*apart, 0.0, 0.0]) == pytest.approx(expected)


def test_many_differences_are_normal() -> None:
    """Beyond the exact range the p stays near SciPy's."""
    apart = np.random.default_rng(3).normal(0.2, 1.0, EXACT + 40)
    assert signed_rank(apart.tolist()) == pytest.approx(
        float(stats.wilcoxon(apart).pvalue), rel=0.05
    )


def test_shift_and_its_coverage() -> None:
    """The middle is Hodges and Lehmann's; 93 of 100 intervals at least hold the true shift."""
    assert shift([1.0, 2.0, 3.0, 10.0])[0] == 2.75
    rng = np.random.default_rng(5)
    ends = [shift(rng.normal(0.4, 1.0, 9).tolist()) for _ in range(200)]
    held = sum(low is not None and high is not None and low <= 0.4 <= high for _, low, high in ends)
    assert held >= 186
