"""The noise over seeds: shrinkage against simulated truth, and one wild trial among calm ones."""

from __future__ import annotations

import numpy as np
import pytest

from tests.analysis.test_compare import history_of
from trialwright.analysis.compare import compare
from trialwright.analysis.gains import Side, edge
from trialwright.analysis.noise import Noise, noise, scatter_of
from trialwright.robust import Robust

CALM = [[0.81, 0.79, 0.80, 0.805], [0.70, 0.71, 0.69, 0.70], [0.90, 0.91, 0.90, 0.885]]
WILD = [0.9, 0.2, 0.85, 0.1]


def test_one_wild_trial_does_not_inflate_everybody_elses_noise() -> None:
    """Pooled, its spread would be everyone's; shrunk, it stays its own."""
    history = history_of(*CALM, *[[v + 0.01 for v in group] for group in CALM], WILD)
    squares, degrees = history.spread(code="c")
    assert (squares / degrees) ** 0.5 > 0.1
    found = scatter_of(history)
    assert found is not None
    assert found.typical.sd < 0.02
    assert all(found.of(trial).sd < 0.02 for trial in range(6))
    assert found.of(6).sd > 0.25
    assert noise(history) == found.typical


def test_a_difference_between_calm_trials_is_told_in_spite_of_a_wild_one() -> None:
    """Two trials 0.1 apart, four seeds each, are told apart beside a trial that swings by 0.8."""
    history = history_of(*CALM, WILD)
    found = scatter_of(history)
    assert found is not None
    sides = [Side(CALM[trial], found.of(trial)) for trial in (0, 1)]
    probability = edge(sides[0], sides[1], Robust(), sign=1).probability
    assert probability is not None
    assert probability > 0.97


def test_trials_that_scatter_alike_share_one_pooled_noise() -> None:
    """Nothing is shrunk where nothing differs: the pooled deviation with all of its degrees."""
    history = history_of(*CALM)
    squares, degrees = history.spread(code="c")
    found = scatter_of(history)
    assert found is not None
    assert found.even
    assert found.of(1) == found.typical == Noise((squares / degrees) ** 0.5, degrees)


@pytest.mark.parametrize("uneven", [False, True])
def test_shrunk_noise_is_nearer_to_the_truth_than_each_trials_own(uneven: bool) -> None:
    """Over 60 simulated studies of 20 trials with 4 seeds, in the log of the deviation."""
    rng = np.random.default_rng(3)
    missed = {"own": 0.0, "pooled": 0.0, "shrunk": 0.0}
    for _ in range(60):
        true = np.exp(rng.normal(-3, 0.8 if uneven else 0.0, 20))
        groups = rng.normal(0, true[:, None], (20, 4))
        history = history_of(*groups.tolist())
        found = scatter_of(history)
        assert found is not None
        squares, degrees = history.spread(code="c")
        shrunk = np.array([found.of(trial).sd for trial in range(20)])
        missed["own"] += float(np.mean(np.log(np.std(groups, axis=1, ddof=1) / true) ** 2))
        missed["pooled"] += float(np.mean(np.log((squares / degrees) ** 0.5 / true) ** 2))
        missed["shrunk"] += float(np.mean(np.log(shrunk / true) ** 2))
    assert missed["shrunk"] < (0.9 if uneven else 0.4) * missed["own"]
    assert missed["shrunk"] < (0.7 if uneven else 1.6) * missed["pooled"]


def test_trials_without_any_spread_are_no_obstacle() -> None:
    """A deterministic trial among noisy ones has little noise, not none; all alike have none."""
    found = scatter_of(history_of(*CALM, [0.5] * 4))
    assert found is not None
    assert 0 < found.of(3).sd <= found.typical.sd
    assert scatter_of(history_of([0.5] * 3, [0.6] * 3)).typical.sd == 0  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["mean", "worst", "spread", "quantile"])
def test_the_probability_of_a_gain_is_as_often_right_as_it_says(kind: str) -> None:
    """Where it says 0.9 and more, of 3,000 comparisons at least nine in ten are truly better."""
    rng = np.random.default_rng(8)
    robust = Robust(kind=kind, amount=0.25 if kind == "quantile" else 1.0)  # type: ignore[arg-type]
    sure = right = 0
    for _ in range(3000):
        gap = rng.normal(0, 3.0)
        ours, theirs = rng.normal(gap, 1.0, 4).tolist(), rng.normal(0, 1.0, 4).tolist()
        known = Noise(1.0, 50)
        found = edge(Side(ours, known), Side(theirs, known), robust, sign=1)
        if found.probability is not None and found.probability > 0.9:
            sure += 1
            right += gap > 0
    assert sure > 300
    assert right / sure > 0.9


def test_shares_of_seeds_are_compared_exactly() -> None:
    """4 of 4 beyond the threshold against 0 of 4: the exact figure under uniform priors."""
    robust = Robust(kind="success", amount=0.6)
    known = Noise(0.1, 6)
    found = edge(Side([0.9] * 4, known), Side([0.5] * 4, known), robust, sign=1)
    assert found.values == (1.0, 0.0)
    assert found.probability == pytest.approx(0.99603, abs=1e-5)


def test_what_a_seed_brings_to_all_trials_alike_is_told_apart() -> None:
    """Where seeds move every trial alike a small difference is sure; where they don't it isn't."""
    rng = np.random.default_rng(4)
    seeds = rng.normal(0, 1.0, 6)
    alike = [(0.1 * trial + seeds + rng.normal(0, 0.01, 6)).tolist() for trial in range(4)]
    apart = [(0.1 * trial + rng.normal(0, 1.0, 6)).tolist() for trial in range(4)]
    found = {name: history_of(*groups) for name, groups in (("alike", alike), ("apart", apart))}
    common = {name: scatter_of(history) for name, history in found.items()}
    assert common["alike"].common > 0.98  # type: ignore[union-attr]
    assert common["apart"].common == 0.0  # type: ignore[union-attr]
    sure = {name: compare(h.trials[3], h.trials[0], h) for name, h in found.items()}
    assert sure["alike"].probability > 0.999  # type: ignore[union-attr, operator]
    assert sure["apart"].probability < 0.95  # type: ignore[union-attr, operator]


def test_seeds_that_share_nothing_are_seldom_taken_to() -> None:
    """Of 300 studies without any common part, at most 3 % count with one."""
    rng = np.random.default_rng(9)
    wrong = sum(
        scatter_of(history_of(*rng.normal(0, 1.0, (4, 4)).tolist())).common > 0  # type: ignore[union-attr]
        for _ in range(300)
    )
    assert wrong <= 9
