"""The inquirer: experiments that nobody could bend, and claims that results suggest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trialwright.analysis.claims import standings
from trialwright.desk import Desk
from trialwright.execute.simulate import SimulatedRunner
from trialwright.history import History
from trialwright.propose.credit import INQUIRY, of_team
from trialwright.records import FAILURE, Claim, Extent
from trialwright.space import Choice, Configuration, Float, Space
from trialwright.study import Study
from trialwright.task import Budget, Objective, RunnerPlan, Seeds, Task

SPACE = Space(
    (
        Float("x", 0.0, 1.0, default=0.4),
        Float("y", 0.0, 1.0, default=0.4),
        Float("z", 0.0, 1.0, default=0.4),
        Choice("act", ("relu", "gelu")),
    )
)
UP = Claim(by="", text="x helps", what="direction", region=(Extent(parameter="x"),))
TOGETHER = Claim(
    by="",
    text="x and y fail together",
    what="interaction",
    region=(Extent(parameter="x", low=0.6), Extent(parameter="y", low=0.6)),
    metric=FAILURE,
)


def ran(
    folder: Path,
    value: Callable[[Configuration, np.random.Generator], float],
    *claims: Claim,
    trials: int = 40,
    team: tuple[str, ...] = ("inquirer",),
    slots: int = 1,
) -> History:
    """Run a simulated study in which an agent made claims before the first trial."""
    task = Task(
        name="t",
        objective=Objective(metric="score"),
        space=SPACE,
        command=("true",),
        budget=Budget(trials=trials),
        seeds=Seeds(screen=2, failure=-10.0),
        team=team,  # type: ignore[arg-type]
        runner=RunnerPlan(workers=slots),
    )
    rng = np.random.default_rng(3)
    with SimulatedRunner(lambda values, _: value(values, rng), slots=slots) as runner:
        study = Study(task, folder, runner=runner)
        for claim in claims:
            Desk(study, by="agent").claim(claim)
        return study.run()


def rises(values: Configuration, rng: np.random.Generator) -> float:
    """Larger x is better; noise."""
    return 5 * float(values["x"] or 0) + float(rng.normal())


@pytest.mark.parametrize("slots", [1, 3])
def test_an_experiment_takes_each_side_alike_but_for_the_claimed(
    tmp_path: Path, slots: int
) -> None:
    """Both sides share every other value, no two experiments do, and what is begun is finished."""
    history = ran(tmp_path, rises, UP, trials=26, slots=slots)
    tests = [trial for trial in history.trials if trial.proposal.tests == 0]
    groups: dict[tuple[object, ...], list[float]] = {}
    for trial in tests:
        rest = tuple(value for name, value in trial.configuration.items() if name != "x")
        groups.setdefault(rest, []).append(float(trial.configuration["x"] or 0))
    complete = [sorted(xs) for xs in groups.values() if len(xs) == 2]
    assert len(complete) >= len(groups) - slots
    assert len(complete) >= 5
    assert all(low < 0.5 < high for low, high in complete)
    [standing] = [one for one in standings(history) if one.number == 0]
    assert standing.comparisons == len(complete)
    second = next(t for t in tests if t.proposal.hypothesis is not None)
    assert "Tests claim 0: x helps" in second.proposal.rationale
    assert second.proposal.hypothesis is not None
    assert second.proposal.hypothesis.parameter == "x"


def test_an_interaction_is_tested_on_three_sides(tmp_path: Path) -> None:
    """Both together, and each alone, at the same values."""
    history = ran(tmp_path, lambda _, rng: float(rng.normal()), TOGETHER, trials=14)
    tests = [trial for trial in history.trials if trial.proposal.tests == 0][:3]
    inside = [
        (float(t.configuration["x"] or 0) >= 0.6, float(t.configuration["y"] or 0) >= 0.6)
        for t in tests
    ]
    assert inside == [(True, True), (True, False), (False, True)]
    assert tests[0].configuration["x"] == tests[1].configuration["x"]
    assert tests[0].configuration["y"] == tests[2].configuration["y"]


def test_what_has_nothing_for_it_is_left_alone(tmp_path: Path) -> None:
    """A claim without any truth gets some experiments, not all trials."""
    history = ran(tmp_path, lambda _, rng: float(rng.normal()), UP, trials=40)
    [standing, *_] = standings(history)
    assert standing.status not in ("supported", "established")
    assert sum(trial.proposal.tests == 0 for trial in history.trials) <= 24


def test_it_claims_what_the_results_suggest(tmp_path: Path) -> None:
    """Chance looks around; then x is claimed, tested by later trials, and established."""
    history = ran(tmp_path, rises, trials=90)
    [own, *_] = [one for one in standings(history) if one.claim.by == "inquirer"]
    assert own.claim.region[0].parameter == "x"
    assert own.claimed.trials >= 40
    assert own.status == "established"


def test_it_suspects_failures_that_take_two(tmp_path: Path) -> None:
    """Half of the seeds fail at large x and y: an interaction and its rate are claimed."""

    def value(values: Configuration, rng: np.random.Generator) -> float:
        both = float(values["x"] or 0) > 0.5 and float(values["y"] or 0) > 0.5
        return -50.0 if both and rng.random() < 0.5 else float(rng.normal())

    history = ran(tmp_path, value, trials=70)
    own = [one.claim for one in history.claims if one.claim.metric == FAILURE]
    assert [claim.what for claim in own[:2]] == ["interaction", "rate"]
    assert {extent.parameter for extent in own[0].region} == {"x", "y"}


def test_in_a_team_it_has_a_fixed_share(tmp_path: Path) -> None:
    """Who tests claims improves on nothing, and is not starved for it."""
    history = ran(tmp_path, rises, UP, trials=24, team=("expert", "random", "inquirer"))
    shares = {one.name: one.share for one in of_team(history.task, history)}
    assert shares["inquirer"] == INQUIRY
    assert sum(shares.values()) == pytest.approx(1)
    made = [trial.proposal.by for trial in history.trials]
    assert made[0] == "expert"
    assert 6 <= made.count("inquirer") <= 16
