"""Landscapes of known truth are named for what they are, and none where there is nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.analysis.landscapes import SPACE, Truth, drawn, narrowed, recorded
from trialwright.analysis.cliffs import steps
from trialwright.analysis.dependence import (
    INACTIVE,
    LEVEL,
    Dependence,
    cases,
    coarse,
    dependence,
    grouped,
    sides_of,
)
from trialwright.analysis.modes import modes
from trialwright.analysis.switches import Counts, switch
from trialwright.space import Configuration, Float, Ordinal

FAILURE = 0.6
NULL_STUDIES = 200


def interaction(configuration: Configuration, rng: np.random.Generator) -> float:
    """Half of the seeds fail where a large rate meets augmentation; else none."""
    rate, augmented = configuration["learning_rate"], configuration["augmentation"]
    assert isinstance(rate, float)
    if rate > 0.01 and augmented and rng.random() < 0.5:
        return float(0.4 + rng.normal(0, 0.05))
    return float(0.92 + rng.normal(0, 0.02))


def plateau(configuration: Configuration, rng: np.random.Generator) -> float:
    """Good for an omega between 7 and 30 only, and as bad beyond."""
    omega = configuration["omega"]
    assert isinstance(omega, float)
    return float((0.9 if 7 <= omega <= 30 else 0.45) + rng.normal(0, 0.04))


def divided(configuration: Configuration, rng: np.random.Generator) -> float:
    """Two fifths of the seeds end elsewhere if the net is deep."""
    depth = configuration["depth"]
    assert isinstance(depth, int)
    if depth > 4 and rng.random() < 0.4:
        return float(0.5 + rng.normal(0, 0.03))
    return float(0.95 + rng.normal(0, 0.01))


def main_effect(configuration: Configuration, rng: np.random.Generator) -> float:
    """A large rate alone makes three seeds of five fail."""
    rate = configuration["learning_rate"]
    assert isinstance(rate, float)
    failed = rate > 0.01 and rng.random() < 0.6
    return float(rng.normal(0.4, 0.05) if failed else rng.normal(0.92, 0.02))


def nothing(_: Configuration, rng: np.random.Generator) -> float:
    """Noise, with heavy tails."""
    return float(0.8 + 0.04 * rng.standard_t(4))


def lopsided(_: Configuration, rng: np.random.Generator) -> float:
    """Noise to one side, as near the top of an accuracy."""
    return float(1 - 0.05 * rng.exponential())


def looked(truth: Truth, *, trials: int, seeds: int, draw: int = 0) -> Dependence:
    """What is made of a study of random configurations."""
    history = recorded(truth, drawn(trials, draw=draw), seeds=seeds, draw=draw, failure=FAILURE)
    return dependence(history, failure=FAILURE)


def test_a_pair_that_switches_failure_on_is_named() -> None:
    """The pair, the sides, its rate with an exact interval, and that either alone does no harm."""
    found = looked(interaction, trials=60, seeds=4, draw=1)
    assert [pair.parameters for pair in found.pairs] == [("learning_rate", "augmentation")]
    switch = found.pairs[0].switch
    assert switch.sides[0].startswith("learning_rate >= ")
    assert switch.sides[1] == "augmentation = true"
    assert switch.both.low < 0.5 < switch.both.high
    assert switch.neither.failed == 0
    assert switch.second.rate < 0.15
    assert found.looked_at == 10


def test_most_studies_of_a_planted_interaction_find_it() -> None:
    """At 60 configurations of 4 seeds, in at least two of three studies; hardly any other pair."""
    found = [looked(interaction, trials=60, seeds=4, draw=draw).pairs for draw in range(12)]
    named = [pair.parameters for pairs in found for pair in pairs]
    planted = named.count(("learning_rate", "augmentation"))
    assert planted >= 8
    assert len(named) - planted <= 1


def test_a_parameter_that_matters_alone_makes_no_pairs() -> None:
    """Its failure rates are told by its values; it is no interaction with every other one."""
    for draw in range(8):
        found = looked(main_effect, trials=60, seeds=4, draw=draw)
        assert not found.pairs
        told = [rates for rates in found.rates if rates.told]
        assert told[0].parameter == "learning_rate"
        shares = told[0].shares
        assert shares[0].failed == 0
        assert shares[-1].rate > 0.4


def test_both_of_a_pair_have_to_matter() -> None:
    """Beside a parameter that matters alone, another looks like its partner once in twenty."""
    rate, called, tried = SPACE["learning_rate"], 0, 0
    for draw in range(30):
        history = recorded(main_effect, drawn(40, draw=draw), seeds=4, draw=draw, failure=FAILURE)
        found = cases(history, failure=FAILURE)
        counts = Counts(
            np.array([float(case.failed) for case in found]),
            np.array([float(case.runs) for case in found]),
        )
        for name in ("augmentation", "dropout", "depth", "omega"):
            two = (rate, SPACE[name])
            values = [[case.trial.configuration[p.name] for case in found] for p in two]
            one, other = (sides_of(p, v) for p, v in zip(two, values, strict=True))
            strata = (coarse(two[0], values[0]), coarse(two[1], values[1]))
            rng = np.random.default_rng(draw)
            seen = switch(counts, one, other, strata=strata, rng=rng)
            called += seen is not None and seen.p <= 0.05
            tried += 1
    # 6 of 120 are allowed. With either of the two tests alone it is three times as many as here.
    assert tried == 120
    assert called <= 4


def test_a_plateau_between_two_cliffs_is_measured() -> None:
    """Both cliffs lie between values that were tried, and width and drop are those planted."""
    found = looked(plateau, trials=60, seeds=2)
    assert [cliff.parameter for cliff in found.cliffs] == ["omega"]
    cliff = found.cliffs[0]
    assert cliff.low is not None
    assert cliff.high is not None
    assert [type(end) for end in (*cliff.low, *cliff.high)] == [float] * 4
    below, first = map(float, cliff.low)  # type: ignore[arg-type]
    last, above = map(float, cliff.high)  # type: ignore[arg-type]
    assert below < 7 <= first < last <= 30 < above
    assert cliff.width == pytest.approx(23 / 59, abs=0.04)
    assert cliff.level - cliff.beyond == pytest.approx(0.45, abs=0.04)


def test_a_late_collapse_is_a_cliff_though_its_runs_have_no_value() -> None:
    """Runs that diverge past a value count as the worst: the cliff is where they begin."""

    def collapsing(configuration: Configuration, rng: np.random.Generator) -> float:
        omega = configuration["omega"]
        assert isinstance(omega, float)
        return float("nan") if omega > 40 else float(0.9 + rng.normal(0, 0.03))

    found = looked(collapsing, trials=40, seeds=2)
    assert [cliff.parameter for cliff in found.cliffs] == ["omega"]
    high = found.cliffs[0].high
    assert high is not None
    assert float(high[0]) <= 40 < float(high[1])  # type: ignore[arg-type]
    assert found.total.failed == sum(case.failed for case in cases(
        recorded(collapsing, drawn(40), seeds=2, failure=FAILURE), failure=FAILURE
    ))  # fmt: skip


@pytest.mark.parametrize(
    "curve",
    [
        pytest.param(lambda x: x, id="a line"),
        pytest.param(lambda x: -((x - 0.4) ** 2), id="a parabola"),
        pytest.param(lambda x: np.exp(-((x - 0.5) ** 2) / 0.02), id="a narrow bump"),
        pytest.param(lambda x: 1 / (1 + np.exp(20 * (x - 0.6))), id="a slope of a fifth"),
    ],
)
def test_what_falls_smoothly_is_no_cliff(curve: Callable[[np.ndarray], np.ndarray]) -> None:
    """However surely it falls: of 20 draws at most one is called a cliff."""
    rng = np.random.default_rng(3)
    called = 0
    for _ in range(20):
        places = rng.random(60)
        values = curve(places)
        seen = steps(places, values + rng.normal(0, 0.05 * np.std(values), 60), rng=rng)
        called += seen is not None and seen.p < 0.01
    assert called <= 1


def test_configurations_whose_seeds_divide_are_named() -> None:
    """Nearly all that do and no other, each with the share of the worse group."""
    configurations = drawn(12, draw=2)
    history = recorded(divided, configurations, seeds=14, draw=2, failure=FAILURE)
    found = dependence(history, failure=FAILURE)
    deep = {i for i, one in enumerate(configurations) if int(one["depth"]) > 4}  # type: ignore[arg-type]
    named = {one.trial for one in found.divided}
    assert named <= deep
    assert len(named) >= len(deep) - 1 >= 3
    assert found.replicated == 12
    for one in found.divided:
        values = history.trials[one.trial].values.values()
        assert one.worse.failed == sum(value < FAILURE for value in values)
        assert one.worse.low < one.worse.failed / 14 < one.worse.high
        assert one.modes.low < FAILURE < one.modes.high


@pytest.mark.parametrize("seed", range(3))
def test_the_test_for_two_groups_is_honest_with_few_seeds(seed: int) -> None:
    """Of one group, whatever its shape, at most one in twenty looks divided at 5 percent."""
    rng = np.random.default_rng(seed)
    for count in (6, 8, 12):
        for values in (
            rng.normal(size=(400, count)),
            rng.exponential(size=(400, count)),
            rng.random((400, count)),
            rng.beta(8, 2, size=(400, count)),
        ):
            seen = [modes(list(row)) for row in values]
            assert sum(one is not None and one.p <= 0.05 for one in seen) <= 400 * 0.05 + 14


def test_few_or_equal_seeds_divide_into_nothing() -> None:
    """Five runs are too few to tell; equal ones have no groups; one alone is an outlier."""
    assert modes([0.9, 0.9, 0.1, 0.1, 0.1]) is None
    assert modes([0.9] * 12) is None
    outlier = modes([0.95, 0.94, 0.96, 0.95, 0.94, 0.95, 0.96, 0.2])
    assert outlier is not None
    assert outlier.p > 0.05
    assert modes([0.9] * 7 + [0.8] * 5, grain=0.1) is None


@pytest.mark.parametrize("truth", [nothing, lopsided])
def test_where_nothing_depends_on_anything_nothing_is_named(truth: Truth) -> None:
    """Over 200 null studies, at random and narrowing ones, at most one in twenty names anything."""
    alarms = 0
    for draw in range(NULL_STUDIES // 2):
        wide = draw % 2 == 0
        configurations = drawn(20, draw=draw) if wide else narrowed(14, draw=draw)
        seeds = 3 if wide else 8
        history = recorded(truth, configurations, seeds=seeds, draw=draw, failure=0.78)
        alarms += dependence(history, failure=0.78).found
    # 5 of 100 are allowed; 10 would happen once in 90 times by chance.
    assert alarms <= LEVEL * NULL_STUDIES / 2 + 4


def test_smaller_may_be_better() -> None:
    """Of a loss, the worse group is the upper one, and failure lies above the threshold."""

    def mirrored(configuration: Configuration, rng: np.random.Generator) -> float:
        return 1 - divided(configuration, rng)

    history = recorded(
        mirrored, drawn(12, draw=2), seeds=14, draw=2, direction="minimize", failure=0.4
    )
    found = dependence(history, failure=0.4)
    assert found.divided
    for one in found.divided:
        values = history.trials[one.trial].values.values()
        assert one.worse.failed == sum(value > 0.4 for value in values)
    assert 0 < found.total.rate < 0.4


def test_values_of_a_parameter_are_grouped_and_cut() -> None:
    """Few values stand for themselves, many by quartiles; what is inactive is a group."""
    few = Ordinal("batch", (16, 32, 64), default=32)
    groups, labels = grouped(few, [16, 64, 64, None, 32])
    assert labels == (INACTIVE, "16", "32", "64")
    assert groups.tolist() == [1, 3, 3, 0, 2]
    many = SPACE["dropout"]
    groups, labels = grouped(many, [i / 40 for i in range(20)])
    assert np.bincount(groups).tolist() == [5, 5, 5, 5]
    assert labels[0] == "0 to 0.1"
    rate = Float("x", 1e-4, 1.0, log=True)
    sides = sides_of(rate, [10.0**-k for k in range(5)])
    assert "x >= 0.01" in [side.label for side in sides]
    assert all(side.inside.any() and not side.inside.all() for side in sides)


def test_the_same_history_tells_the_same() -> None:
    """Permutations are drawn from the study's own seed: a report may be written again."""
    history = recorded(interaction, drawn(40), seeds=4, failure=FAILURE)
    first = dependence(history, failure=FAILURE)
    history.memo.clear()
    assert dependence(history, failure=FAILURE) == first
