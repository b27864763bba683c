"""How seeds become one number: values by hand, errors by simulation, and what can't be meant."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from trialwright.robust import Robust, shared

SEEDS = (0.9, 0.8, 0.2, 0.7)

BY_HAND = [
    ("mean", 1, 0.65),
    ("mean - 2 sd", 1, 0.65 - 2 * np.std(SEEDS, ddof=1)),
    ("mean + 2 sd", -1, 0.65 + 2 * np.std(SEEDS, ddof=1)),
    ("worst", 1, 0.2),
    ("worst", -1, 0.9),
    ("quantile 0.25", 1, np.quantile(SEEDS, 0.25)),
    ("quantile 0.25", -1, np.quantile(SEEDS, 0.75)),
    ("success above 0.7", 1, 0.5),
    ("success below 0.7", -1, 0.75),
    ("cv", -1, np.std(SEEDS, ddof=1) / 0.65),
    ("cv", 1, 1 - np.std(SEEDS, ddof=1) / 0.65),
]


@pytest.mark.parametrize(("text", "sign", "value"), BY_HAND)
def test_each_objective_is_what_its_words_say_and_points_the_way_of_the_metric(
    text: str, sign: int, value: float
) -> None:
    """Values agree with NumPy's; a threshold itself is not beyond it; `text` reads back."""
    objective = Robust.parse(text, sign=sign)
    assert objective.value(SEEDS, sign=sign) == pytest.approx(value)
    assert objective.text(sign=sign) == text
    assert Robust.parse(objective.text(sign=sign), sign=sign) == objective


@pytest.mark.parametrize(("text", "sign"), sorted({(t, s) for t, s, _ in BY_HAND}))
def test_steadier_and_better_seeds_are_never_worth_less(text: str, sign: int) -> None:
    """Whichever way the metric points, the better trial has the better value."""
    objective = Robust.parse(text, sign=sign)
    good = [0.85, 0.86, 0.84, 0.85] if sign > 0 else [0.15, 0.16, 0.14, 0.15]
    bad = [0.9, 0.1, 0.5, 0.6]
    ours, theirs = (objective.value(seeds, sign=sign) for seeds in (good, bad))
    assert ours is not None
    assert theirs is not None
    if text == "cv":
        ours = Robust(kind="cv").value([v + 1 for v in good], sign=sign) or 0.0
    assert sign * (ours - theirs) > 0


@pytest.mark.parametrize("text", ["mean - 1 sd", "cv"])
def test_one_seed_has_no_spread_and_so_no_value(text: str) -> None:
    """An objective about spread waits for the second seed instead of taking 0 for it."""
    objective = Robust.parse(text, sign=1)
    assert objective.value([0.9], sign=1) is None
    assert objective.value([0.9, 0.9], sign=1) is not None


def test_a_mean_of_zero_gives_a_finite_variation() -> None:
    """A coefficient of variation stays a number that can be compared."""
    assert Robust(kind="cv").value([-1.0, 1.0], sign=-1) == 1000.0
    assert Robust(kind="cv").value([0.0, 0.0], sign=-1) == 0.0


@pytest.mark.parametrize("text", ["mean", "mean - 1 sd", "worst", "quantile 0.25", "cv"])
@pytest.mark.parametrize("seeds", [4, 12])
def test_the_standard_error_is_what_repetition_shows(text: str, seeds: int) -> None:
    """Over 20,000 draws of normal seeds the value scatters as told, to a fifth."""
    objective = Robust.parse(text, sign=1)
    draws = np.random.default_rng(5).normal(1.0, 0.1, (20_000, seeds))
    seen = float(np.std([objective.value(row.tolist(), sign=1) for row in draws]))
    assert objective.error(0.1, seeds=seeds, centre=1.0) == pytest.approx(seen, rel=0.2)


def test_four_of_four_successes_are_not_certain() -> None:
    """The error of a share never vanishes, however clean the seeds were."""
    objective = Robust(kind="success", amount=0.6)
    assert objective.error(0.0, seeds=4, centre=1.0) > 0.15


@pytest.mark.parametrize(
    ("text", "sign", "remedy"),
    [
        ("mean + 1 sd", 1, "write mean - 1 sd"),
        ("mean - 1 sd", -1, "write mean + 1 sd"),
        ("mean - 0 sd", 1, "above 0"),
        ("success below 0.6", 1, "write success above 0.6"),
        ("quantile 1", 1, "between 0 and 1"),
        ("median", -1, "write mean, mean + 1 sd, worst"),
    ],
)
def test_what_can_not_be_meant_is_refused_with_a_remedy(text: str, sign: int, remedy: str) -> None:
    """An objective that would reward failing seeds never gets through."""
    with pytest.raises(ValueError, match=remedy.replace("+", r"\+")):
        Robust.parse(text, sign=sign)


def test_seeds_that_move_both_sides_alike_are_compared_one_by_one() -> None:
    """Two confirmed sides: all seeds count where they scatter apart, the common ones where not."""
    theirs = {0: 0.1, 1: 0.9, 2: 0.4, 3: 0.6, 4: 2.0, 5: 2.0}
    alike = {seed: theirs[seed] + 0.05 for seed in range(4)}
    means = partial(shared, robust=Robust(), sign=1)
    assert means(alike, theirs, 4) == ([*alike.values()], [0.1, 0.9, 0.4, 0.6])
    apart = {0: 2.9, 1: 0.1, 2: 0.6, 3: 0.2}
    assert means(apart, theirs, 4) == ([2.9, 0.1, 0.6, 0.2], [0.1, 0.9, 0.4, 0.6, 2.0, 2.0])
    assert means(apart, theirs, 5) == ([2.9, 0.1, 0.6, 0.2], [0.1, 0.9, 0.4, 0.6])


def test_a_seed_that_collapsed_is_not_left_out() -> None:
    """The leader's seeds 6 to 9, one of them a failure, count though the rival has none of them."""
    first = [0.949, 0.954, 0.966, 0.880, 0.970, 0.968, 0.880, 0.921, 0.0, 0.931]
    leader = dict(enumerate(first))
    rival = dict(enumerate([0.919, 0.962, 0.960, 0.849, 0.969, 0.959]))
    spread = Robust(kind="spread", amount=1.0)
    for robust in (Robust(), spread):
        ours, theirs = shared(leader, rival, 6, robust=robust, sign=1)
        assert ours == first
        assert (robust.value(ours, sign=1) or 0) < (robust.value(theirs, sign=1) or 0)
    fine = {**leader, 8: 0.90}
    assert shared(fine, rival, 6, robust=Robust(), sign=1)[0] == first[:6]
    worse = {seed: 1 - value for seed, value in leader.items()}
    other = {seed: 1 - value for seed, value in rival.items()}
    assert len(shared(worse, other, 6, robust=Robust(), sign=-1)[0]) == 10
