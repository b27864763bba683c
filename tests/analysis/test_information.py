"""Entropy and divergence in bits."""

from __future__ import annotations

import numpy as np
import pytest

from trialwright.analysis.information import (
    corrected,
    divergence,
    divergences,
    entropies,
    entropy,
    spread,
)


def test_entropy_of_published_backbones() -> None:
    """The reference entropy of the backbones of a published campaign comes out, in bits."""
    assert entropy([51, 50, 50, 24, 20]) == pytest.approx(2.222, abs=5e-4)


def test_correction_takes_away_most_of_the_bias() -> None:
    """Over many small samples the corrected entropy is nearer to the truth than the plain one."""
    rng = np.random.default_rng(1)
    shares = np.array([0.4, 0.3, 0.2, 0.1])
    truth = float(entropies(shares))
    samples = [rng.multinomial(20, shares).tolist() for _ in range(400)]
    plain = np.mean([entropy(one) for one in samples]) - truth
    better = np.mean([corrected(one) for one in samples]) - truth
    assert abs(better) < abs(plain) / 3


def test_interval_covers_the_true_entropy() -> None:
    """At least 88 of 100 intervals of 95 % hold the entropy that samples were drawn from."""
    rng = np.random.default_rng(2)
    shares = np.array([0.5, 0.3, 0.1, 0.1])
    truth = float(entropies(shares))
    ends = [spread(rng.multinomial(80, shares).tolist()) for _ in range(100)]
    assert sum(low <= truth <= high for low, high in ends) >= 88


def test_divergence_of_several_lists() -> None:
    """Equal lists are 0 apart; k lists with nothing in common are log2 k apart; weights scale."""
    same = np.array([[2.0, 2.0], [1.0, 1.0]])
    assert float(divergences(same)) == pytest.approx(0.0, abs=1e-12)
    assert float(divergences(np.eye(4))) == pytest.approx(2.0)
    assert divergence(np.array([0.5, 0.5]), np.array([1.0, 0.0])) == pytest.approx(0.3112781)
