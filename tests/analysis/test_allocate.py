"""Who gets the next seed: rules by hand, and a race that finds the best of ten in fewer runs."""

from __future__ import annotations

import pytest

from trialwright.analysis.allocate import Arm, Rules, leader, promotion, settling
from trialwright.analysis.noise import Noise
from trialwright.robust import Robust

RULES = Rules(confirm=4, most=8, confidence=0.95, robust=Robust(), sign=1)
KNOWN = Noise(0.1, 20)


def arm(trial: int, *values: float, planned: int = 0, noise: Noise | None = KNOWN) -> Arm:
    """An arm with these values of its first seeds."""
    return Arm(trial, dict(enumerate(values)), max(planned, len(values)), noise)


def test_without_noise_only_the_leader_is_promoted() -> None:
    """Its seeds are what gives the first estimate; the others wait for it."""
    arms = [arm(0, 0.5, noise=None), arm(1, 0.7, noise=None), arm(2, 0.6, noise=None)]
    step = promotion(arms, RULES)
    assert step is not None
    assert (step.trial, step.seeds) == (1, 4)
    assert promotion([*arms[:1], arm(1, 0.7, planned=4, noise=None), arms[2]], RULES) is None


def test_a_contender_is_promoted_and_a_hopeless_trial_is_not() -> None:
    """Within the noise of the leader: yes, the likelier first; ten deviations behind: no."""
    arms = [arm(0, 0.9, 0.9, 0.9, 0.9), arm(1, 0.8), arm(2, 0.85), arm(3, -0.1)]
    step = promotion(arms, RULES)
    assert step is not None
    assert (step.trial, step.seeds) == (2, 2)
    assert "better with probability 0.33" in step.reason
    later = [arms[0], arms[1], arm(2, 0.85, planned=2), arms[3]]
    assert promotion(later, RULES).trial == 1  # type: ignore[union-attr]
    assert promotion([later[0], arm(1, 0.8, 0.2), later[2], arms[3]], RULES) is None


def test_where_smaller_is_better_the_smaller_leads() -> None:
    """The metric's direction is the race's."""
    arms = [arm(0, 0.5, 0.5), arm(1, 0.2, 0.2)]
    rules = Rules(confirm=2, most=4, confidence=0.95, robust=Robust(), sign=-1)
    assert leader(arms, rules).trial == 1


def test_the_seed_goes_to_leader_or_nearest_rival_by_who_has_fewer() -> None:
    """The leader is owed the root of the sum of the others' squares; then the rival is."""
    near, far = arm(1, 0.86, 0.84, 0.85, 0.85), arm(2, 0.70, 0.72, 0.71, 0.71)
    step = settling([arm(0, 0.9, 0.9, 0.9, 0.9), near, far], RULES)
    assert step is not None
    assert (step.trial, step.seeds) == (0, 5)
    assert "leads trial 1" in step.reason
    step = settling([arm(0, *[0.9] * 6), near, far], RULES)
    assert step is not None
    assert (step.trial, step.seeds) == (1, 5)
    assert "hardest to tell from trial 0" in step.reason


def test_it_ends_when_the_leader_is_sure_or_nobody_may_have_more() -> None:
    """No seed is spent on what is settled, nor beyond `max`, nor where seeds make no difference."""
    ahead = arm(0, *[0.9] * 4)
    assert settling([ahead, arm(1, *[0.1] * 4)], RULES) is None
    assert settling([ahead, arm(1, *[0.89] * 4)], RULES) is not None
    assert settling([arm(0, *[0.9] * 8), arm(1, *[0.89] * 8)], RULES) is None
    assert settling([ahead], RULES) is None
    still = Noise(0.0, 6)
    same = [arm(0, *[0.9] * 4, noise=still), arm(1, *[0.89] * 4, noise=still)]
    assert settling(same, RULES) is None


def test_seeds_under_way_are_counted() -> None:
    """Several slots do not all go to the same trial: what is planned counts as given."""
    arms = [arm(0, *[0.9] * 4), arm(1, *[0.88] * 4), arm(2, *[0.879] * 4)]
    given = []
    for _ in range(9):
        step = settling(arms, RULES)
        assert step is not None
        given.append(step.trial)
        arms[step.trial] = arm(step.trial, *arms[step.trial].values.values(), planned=step.seeds)
    assert set(given) == {0, 1, 2}
    assert max(a.planned for a in arms) <= 8


@pytest.mark.parametrize("kind", ["worst", "success", "cv", "spread", "quantile"])
def test_every_objective_can_be_raced(kind: str) -> None:
    """A steady arm and one that fails half of the time: the steady one leads, and it ends."""
    rules = Rules(
        confirm=4,
        most=8,
        confidence=0.95,
        robust=Robust(kind=kind, amount=0.5),  # type: ignore[arg-type]
        sign=1,
    )
    arms = [arm(0, 0.9, 0.1, 0.95, 0.2), arm(1, 0.8, 0.81, 0.79, 0.8)]
    assert leader(arms, rules).trial == 1
    while (step := settling(arms, rules)) is not None:
        values = [0.9, 0.1] * 4 if step.trial == 0 else [0.8, 0.81] * 4
        arms[step.trial] = arm(step.trial, *values[: step.seeds])
    assert leader(arms, rules).trial == 1
    assert max(len(a.values) for a in arms) <= 8
