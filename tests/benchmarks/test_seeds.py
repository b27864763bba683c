"""The benchmark of seeds: its race is a study's, and it names the best with what it is given."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import seeds


def test_a_race_with_a_clear_winner_names_it_soon() -> None:
    """Ten deviations ahead, the best is named from its first seed on, and few runs are needed."""
    values = np.r_[10.0, np.zeros(9)]
    named = seeds.race(values, np.random.default_rng(0), runs=40)
    assert len(named) == 31
    assert set(named) == {0}


def test_equal_allocation_is_as_likely_right_as_theory_says() -> None:
    """Two-sided by symmetry: contenders that are all alike are named one time in ten."""
    alike = seeds.Landscape("alike", lambda _: np.zeros(10), 0.5)
    chance = seeds.equal(alike, most=3, studies=2000)
    assert chance == pytest.approx([0.1] * 3, abs=0.03)


def test_the_policy_needs_fewer_runs_than_equal_allocation() -> None:
    """A small form of the benchmark: on steps, well under equal allocation."""
    found = seeds.ratio(seeds.LANDSCAPES[0], studies=30, runs=110)
    assert found["ratio"] < 0.8
