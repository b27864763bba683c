"""The statistics behind the peers' table, on numbers that can be checked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from benchmarks.regret import Default, Mean, Scale, best_so_far, lead, over_tasks, regrets


def test_best_so_far_never_falls_and_skips_failures() -> None:
    """A failed trial keeps the best; before any value the worst one stands in."""
    assert best_so_far([None, 1.0, None, 0.5, 2.0], worst=-3.0) == [-3.0, 1.0, 1.0, 1.0, 2.0]


def test_regret_is_0_at_the_best_and_1_where_chance_begins() -> None:
    """The scale runs from random's mean first trial to the best value of anyone."""
    traces = {"random": [[0.0, 1.0], [2.0, 2.0]], "expert": [[1.0, 5.0], [3.0, 4.0]]}
    scale = Scale.of(traces)
    assert (scale.best, scale.chance, scale.worst) == (5.0, 1.0, 0.0)
    assert regrets(traces, scale, 1) == {"random": [1.25, 0.75], "expert": [1.0, 0.5]}
    assert regrets(traces, scale, 2)["expert"] == [0.0, 0.25]


def test_a_flat_task_has_no_regret() -> None:
    """When every trial of everyone gives the same, nothing is divided by zero."""
    traces = {"random": [[1.0]], "expert": [[1.0]]}
    assert regrets(traces, Scale.of(traces), 1) == {"random": [0.0], "expert": [0.0]}


def test_a_failed_first_trial_counts_as_the_worst_value() -> None:
    """A method that has nothing to show yet has the regret of the worst value seen."""
    traces = {"random": [[0.0, 4.0]], "expert": [[None, 4.0]]}
    scale = Scale.of(traces)
    assert scale.regret([None, 4.0], 1) == 1.0
    assert scale.regret([None, 4.0], 2) == 0.0


def test_leads_are_paired_and_positive_where_we_are_better() -> None:
    """Smaller regret is a lead; seeds are not mixed, and must be the same on both sides."""
    assert lead([0.1, 0.5], [0.3, 0.4]) == pytest.approx([0.2, -0.1])
    with pytest.raises(ValueError, match="argument 2"):
        lead([0.1], [0.2, 0.3])


def test_the_interval_over_tasks_covers_as_it_says() -> None:
    """Of 2,000 made-up benchmarks, 95 % of the intervals hold the true mean lead."""
    rng = np.random.default_rng(0)
    effects = np.array([0.3, 0.0, -0.1])
    held = 0
    for _ in range(2000):
        leads = effects[:, None] + rng.normal(0, [[0.5], [0.1], [0.2]], size=(3, 8))
        estimate = over_tasks(leads.tolist())
        held += estimate.low <= effects.mean() <= estimate.high
    assert held / 2000 == pytest.approx(0.95, abs=0.015)


def test_one_number_has_no_finite_interval() -> None:
    """A single seed proves nothing, and is shown so."""
    assert Mean.of([0.4]) == Mean(0.4, -math.inf, math.inf)
    assert not Mean.of([0.4]).positive


def test_a_default_is_the_optimum_only_within_noise() -> None:
    """What beats it by more than one training's noise, on average over seeds, opens the task."""
    noisy = Default.of([0.80, 0.80], [[0.79, 0.83], [0.80, 0.82]])
    assert noisy.is_optimum
    assert noisy.best == pytest.approx(0.81)
    quiet = Default.of([0.80, 0.80], [[0.809, 0.811], [0.80, 0.80]])
    assert not quiet.is_optimum
