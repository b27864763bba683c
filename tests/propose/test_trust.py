"""Beliefs are held against results: what is contradicted is given up, what is not stays."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.misled import optimum, trials_needed

from tests.propose.proposer_conformance import Journal, task_of
from trialwright.propose.expert import Expert
from trialwright.propose.trust import LEAST, trust
from trialwright.space import Choice, Float, Space

RNG = np.random.default_rng(0)
TERMS = -np.abs(RNG.normal(0, 1.2, (12, 4)))


def test_nothing_is_concluded_from_a_couple_of_results() -> None:
    """Beliefs are whole until there are enough results to doubt them."""
    few = TERMS[: LEAST - 1]
    assert trust(few, -few.sum(axis=1)).tolist() == [1.0] * 4


def test_beliefs_that_results_bear_out_stay() -> None:
    """Where results fall with distance from what is believed best, nothing is taken away."""
    assert trust(TERMS, TERMS.sum(axis=1)).min() > 0.9


def test_beliefs_that_results_contradict_are_given_up() -> None:
    """Where results rise with that distance, all are gone after a few results."""
    assert trust(TERMS[:6], -TERMS[:6].sum(axis=1)).max() < 0.2


def test_one_wrong_belief_takes_its_own_share() -> None:
    """Three are right and one is wrong: that one goes."""
    found = trust(TERMS, TERMS[:, :3].sum(axis=1) - 2 * TERMS[:, 3])
    assert found[3] < 0.2
    assert found[:3].mean() > 0.5


def test_only_the_order_of_results_counts() -> None:
    """A run that ended far below all others weighs no more than one a little below."""
    results = -TERMS.sum(axis=1)
    worst = int(np.argmin(results))
    far = results.copy()
    far[worst] = -1e9
    assert trust(TERMS, far) == pytest.approx(trust(TERMS, results))


def test_a_wrong_belief_costs_little_and_a_right_one_spares_much() -> None:
    """Whole studies: with the optimum where it is believed to be, the first trial is there."""
    right = [trials_needed(("network", False, True, seed), 3) for seed in range(2)]
    assert right == [1, 1]
    wrong = [trials_needed(("forest", True, True, seed), 30) for seed in range(3)]
    assert np.mean(wrong) <= 20


def test_the_corner_is_where_nobody_would_look() -> None:
    """The benchmark's wrong optimum is far from what the knowledge base begins with."""
    for name in ("network", "forest"):
        far, near = (optimum(name, wrong=wrong, seed=0) for wrong in (True, False))
        numbers = [key for key, place in near.items() if not float(place).is_integer()]
        assert min(abs(far[key] - near[key]) for key in numbers) > 0.3


def test_each_kind_of_model_is_looked_at_once() -> None:
    """Of a choice that decides more than all tuning every option gets its trial before long.

    The first is far better than the second and third, so that improvement alone would stay there.
    """
    kinds = tuple(f"backbone-{index}" for index in range(6))
    space = Space(
        (
            Choice("architecture", kinds),
            Choice("data", tuple(f"set-{index}" for index in range(12))),
            Float("lr", 1e-4, 1e-1, log=True),
        )
    )
    tried = []
    for seed in range(3):
        journal = Journal(task_of(space))
        for number in range(12):
            rng = np.random.default_rng([seed, number])
            [proposal] = Expert()(journal.task, journal.history, 1, rng)
            kind = kinds.index(str(proposal.configuration["architecture"]))
            journal.ended(proposal, [0.8, 0.5, 0.4, 0.4, 0.4, 0.9][kind] + 0.01 * rng.normal())
        tried.append({trial.configuration["architecture"] for trial in journal.history.trials})
    assert min(map(len, tried)) >= 5
