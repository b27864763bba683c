"""Trials kept ready: members asked side by side while runs go on, by simulated and real clocks."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trialwright.errors import ProposerError
from trialwright.execute.simulate import SimulatedRunner
from trialwright.history import History
from trialwright.propose.baselines import Random
from trialwright.propose.proposer import Proposer
from trialwright.propose.team import Team
from trialwright.records import Proposal
from trialwright.space import Choice, Float, Space
from trialwright.study import Study
from trialwright.task import Budget, Objective, RunnerPlan, Schedule, Task

SPACE = Space((Float("x", 0, 1),))


def task(*, trials: int, ahead: int | None, space: Space = SPACE, **schedule: int) -> Task:
    """A study of one parameter."""
    return Task(
        name="asking",
        objective=Objective(metric="y"),
        space=space,
        command=("true",),
        budget=Budget(trials=trials),
        runner=RunnerPlan(workers=2),
        schedule=Schedule(ahead=ahead, **schedule),
    )


@dataclass
class Member:
    """Chance under a name, that notes when it was asked for how much, and may fail."""

    name: str
    problem: Exception | None = None
    asked: list[int] = field(default_factory=list)
    known: list[int] = field(default_factory=list)

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Return random proposals, or raise."""
        self.asked.append(n)
        self.known.append(len(history.done()))
        if self.problem is not None:
            raise self.problem
        drawn = Random()(task, history, n, rng)
        return [Proposal(configuration=one.configuration, by=self.name) for one in drawn]


def simulated(
    folder: Path,
    what: Task,
    proposer: Proposer,
    thinking: Mapping[str, float],
    watch: Callable[[History, Any], None] | None = None,
) -> tuple[History, float]:
    """Run a study whose runs take 10 virtual seconds on 2 workers; return what it took."""
    runner = SimulatedRunner(
        lambda configuration, _: float(configuration.get("x", 0)),  # type: ignore[arg-type]
        slots=2,
        seconds=lambda _: 10.0,
        stepped=True,
        thinking=lambda name: thinking[name],
    )
    with runner:
        return Study(what, folder, runner=runner, proposer=proposer).run(watch), runner.clock_s


def test_workers_wait_for_nobody_once_trials_are_kept_ready(tmp_path: Path) -> None:
    """Thinking takes half of a run: 5 s are lost once with `ahead`, else before every run."""
    _, ready = simulated(tmp_path / "2", task(trials=20, ahead=2), Member("m"), {"m": 5.0})
    assert ready == 5 + 10 * 10
    _, late = simulated(tmp_path / "0", task(trials=20, ahead=0), Member("m"), {"m": 5.0})
    assert late >= 10 * (5 + 10)


def test_nobody_waits_for_a_slow_member(tmp_path: Path) -> None:
    """While one thinks for 200 s, the other fills the slots; what it says then is still taken."""
    team = Team([Member("slow"), Member("quick")])
    thinking = {"slow": 200.0, "quick": 1.0}
    history, clock = simulated(tmp_path, task(trials=60, ahead=2), team, thinking)
    by = [trial.proposal.by for trial in history.trials]
    assert "slow" in by
    assert Counter(by[: by.index("slow")])["quick"] >= 30
    assert clock == pytest.approx(300, abs=15)


def test_a_batch_is_asked_for_at_once(tmp_path: Path) -> None:
    """With `batch: 4` nobody is asked for less, but for what is left in the end."""
    member = Member("m")
    simulated(tmp_path, task(trials=18, ahead=4, batch=4), member, {"m": 1.0})
    assert all(n >= 4 for n in member.asked[:-1])
    assert sum(member.asked) == 18


def test_a_member_knows_what_had_ended_when_it_was_asked(tmp_path: Path) -> None:
    """Its history grows from question to question, and holds no result of later."""
    member = Member("m")
    simulated(tmp_path, task(trials=12, ahead=2), member, {"m": 5.0})
    assert member.known == sorted(member.known)
    assert member.known[0] == 0
    assert 6 <= member.known[-1] <= 10


def test_no_trial_is_repeated_among_queued_running_and_finished(tmp_path: Path) -> None:
    """Two that draw from twelve configurations side by side: twelve trials, and then the end."""
    space = Space((Choice("a", (1, 2, 3, 4)), Choice("b", (1, 2, 3))))
    team = Team([Member("one"), Member("two")])
    what = task(trials=40, ahead=3, space=space)
    history, _ = simulated(tmp_path, what, team, {"one": 3.0, "two": 4.0})
    keys = [space.key(trial.configuration) for trial in history.trials]
    assert len(keys) == len(set(keys)) == 12
    assert history.closed is not None
    assert history.closed.reason == "exhausted"
    assert any("same configuration" in fault for r in history.refusals for fault in r.faults)


@pytest.mark.parametrize(
    "problem", [ProposerError("the cap is reached"), ZeroDivisionError("oops")]
)
def test_a_member_that_can_not_answer_is_left_alone(tmp_path: Path, problem: Exception) -> None:
    """It is asked ever more rarely, its reason is told once, and the study goes on."""
    bad = Member("bad", problem=problem)
    team = Team([bad, Member("good")])
    history, _ = simulated(tmp_path, task(trials=40, ahead=2), team, {"bad": 1.0, "good": 1.0})
    assert {trial.proposal.by for trial in history.trials} == {"good"}
    assert 2 <= len(bad.asked) <= 6
    said = [notice.text for notice in history.notices if "bad can't propose" in notice.text]
    assert len(said) == 1
    broken = [r for r in history.refusals if r.proposal.by == "bad"]
    assert bool(broken) == isinstance(problem, ZeroDivisionError)


def test_chance_takes_the_turns_of_a_team_that_can_not_answer(tmp_path: Path) -> None:
    """A study whose only member fails ends with all of its trials."""
    alone = Member("alone", problem=ProposerError("no key"))
    history, _ = simulated(tmp_path, task(trials=6, ahead=2), alone, {"alone": 1.0})
    assert [trial.proposal.by for trial in history.trials] == ["random"] * 6


def test_what_was_queued_is_run_on_resume_and_no_budget_exceeded(tmp_path: Path) -> None:
    """Stopped in mid-study with trials ready, it goes on with those: each is run once."""
    what, runs = task(trials=16, ahead=4), 0
    study: Study | None = None

    def count(configuration: Mapping[str, Any], _: int) -> float:
        nonlocal runs
        runs += 1
        if runs == 5 and study is not None:
            study.stop()
        return float(configuration["x"])

    for _ in range(2):
        with SimulatedRunner(count, slots=2, stepped=True, thinking=lambda _: 0.5) as runner:
            study = Study(what, tmp_path, runner=runner, proposer=Member("m"))
            history = study.run()
        if history.closed is not None and history.closed.reason == "stopped":
            assert len(history.pending()) >= 2
    assert len(history.trials) == len(history.done()) == runs == 16


def test_members_think_in_threads_of_their_own(tmp_path: Path) -> None:
    """One is held up until ten trials of the other are done, by a real clock."""
    ten = threading.Event()

    @dataclass
    class HeldUp(Member):
        def __call__(
            self, task: Task, history: History, n: int, rng: np.random.Generator
        ) -> list[Proposal]:
            assert ten.wait(60)
            return super().__call__(task, history, n, rng)

    def watch(history: History, _: object) -> None:
        if len(history.done()) >= 10:
            ten.set()

    with SimulatedRunner(lambda configuration, _: float(configuration["x"]), slots=2) as runner:  # type: ignore[arg-type]
        team = Team([HeldUp("slow"), Member("quick")])
        history = Study(task(trials=24, ahead=2), tmp_path, runner=runner, proposer=team).run(watch)
    by = [trial.proposal.by for trial in history.trials]
    assert set(by) == {"slow", "quick"}
    assert "slow" not in by[:10]
