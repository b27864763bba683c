"""The time that every run is given: ended when it is over, worth what was reported by then."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.execute.orders import LITTER, Heard, alive, ended, environment, pids, script
from trialwright.analysis.curves import diagnose
from trialwright.execute.local import LocalRunner
from trialwright.execute.order import make_order
from trialwright.execute.simulate import SimulatedRunner
from trialwright.records import RunKey
from trialwright.space import Float
from trialwright.study import Study
from trialwright.task import Budget, Limits, Objective, Prune, RunnerPlan, Space, Task

FOR_EVER = """
import time
print('@trialwright {"step": 1, "y": 1.0}', flush=True)
print('@trialwright {"step": 2, "y": 2.0}', flush=True)
time.sleep(120)
"""

LAST_WORDS = """
import signal, sys, time
def leave(*_):
    print('@trialwright {"step": 9, "y": 99.0}', flush=True)
    print("left", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print('@trialwright {"step": 1, "y": 1.0}', flush=True)
time.sleep(120)
"""
"""Reports a better value when it is told to end."""


@pytest.fixture
def runner() -> Iterator[LocalRunner]:
    """Two slots on this machine."""
    with LocalRunner(RunnerPlan(workers=2)) as runner:
        yield runner


def test_a_run_is_worth_what_it_has_reported_in_its_time(
    runner: LocalRunner, tmp_path: Path
) -> None:
    """It is ended, and done with its last value; nothing warns, and its diagnosis says why."""
    observation = ended(runner, script(tmp_path, FOR_EVER, limits=Limits(budget_s=1, grace_s=0.3)))
    assert (observation.outcome, observation.value) == ("done", 2.0)
    assert (observation.given_s, observation.cause, observation.warnings) == (1, None, ())
    assert observation.seconds < 60
    said = diagnose(observation, Objective(metric="y")).sentence
    assert said == "y 2, ended after its 1 second, without a curve to read."


def test_the_whole_tree_is_ended(runner: LocalRunner, tmp_path: Path) -> None:
    """Children, daemons and whoever ignores SIGTERM are gone when the run's time is over."""
    limits = Limits(budget_s=1, budget_from="first_metric", grace_s=0.3)
    observation = ended(runner, script(tmp_path, LITTER + "time.sleep(120)\n", limits=limits))
    assert (observation.outcome, observation.value) == ("done", 1.0)
    assert alive(pids(tmp_path, count=4)) == []


def test_what_is_reported_afterwards_does_not_count(runner: LocalRunner, tmp_path: Path) -> None:
    """A value that comes with the run's last words is in its log, and nowhere else."""
    order = script(tmp_path, LAST_WORDS, limits=Limits(budget_s=1, grace_s=20))
    observation = ended(runner, order)
    assert "left" in (order.folder / "stdout.log").read_text()
    assert (observation.outcome, observation.value, observation.metrics) == ("done", 1.0, {"y": 1})
    # Nor does it for a coordinator that was killed and reads the run again.
    again = runner.recover(order)
    assert again is not None
    assert (again.outcome, again.value, again.given_s) == ("done", 1.0, 1)


def test_a_run_that_had_its_time_is_done_though_its_coordinator_was_killed(
    runner: LocalRunner, tmp_path: Path
) -> None:
    """What counts is on disk before the run is ended: it is not run again."""
    order = script(tmp_path, FOR_EVER, limits=Limits(budget_s=1, grace_s=0.3))
    ended(runner, order)
    left = json.loads((order.folder / "exit.json").read_text())
    (order.folder / "exit.json").write_text(json.dumps({**left, "why": "interrupted"}))
    again = runner.recover(order)
    assert again is not None
    assert (again.outcome, again.value) == ("done", 2.0)
    (order.folder / "counted.json").unlink()
    assert runner.recover(order) is None


def test_time_may_count_from_the_first_metric(runner: LocalRunner, tmp_path: Path) -> None:
    """What comes before the first metric, such as compiling, is not of the run's time."""
    source = "import time; time.sleep(1.5); " + FOR_EVER.strip().replace("\n", ";")
    source = source.replace("import time;import time", "import time")
    from_start = Limits(budget_s=0.7, grace_s=0.3)
    observation = ended(runner, script(tmp_path, source, limits=from_start))
    assert (observation.outcome, observation.cause) == ("failed", "no_metric")
    limits = Limits(budget_s=0.7, budget_from="first_metric", grace_s=0.3)
    observation = ended(runner, script(tmp_path, source, number=1, limits=limits))
    assert (observation.outcome, observation.value) == ("done", 2.0)
    assert observation.seconds >= 2.0


def test_without_a_metric_it_has_failed_and_says_so(runner: LocalRunner, tmp_path: Path) -> None:
    """Nothing reported in time is a failure whose detail names the budget and what to do."""
    order = script(tmp_path, "import time; time.sleep(120)", limits=Limits(budget_s=0.6, grace_s=0))
    observation = ended(runner, order)
    assert (observation.outcome, observation.cause) == ("failed", "no_metric")
    assert observation.detail.startswith("ended after its 0.6 seconds (`limits.budget`): it never")
    assert "before its time is over" in observation.detail


def test_other_limits_hold_beside_it(runner: LocalRunner, tmp_path: Path) -> None:
    """`limits.run` is the outer bound: a run that never reports does not go on for ever."""
    limits = Limits(budget_s=60, budget_from="first_metric", run_s=0.8, grace_s=0.3)
    observation = ended(runner, script(tmp_path, "import time; time.sleep(120)", limits=limits))
    assert (observation.outcome, observation.cause) == ("failed", "timed_out")


def test_a_run_that_ends_by_itself_is_not_touched(runner: LocalRunner, tmp_path: Path) -> None:
    """Within its time a run ends as ever, well or not."""
    limits = Limits(budget_s=60)
    well = ended(runner, script(tmp_path, "print('@trialwright {\"y\": 3}')", limits=limits))
    assert (well.outcome, well.value, well.given_s) == ("done", 3.0, None)
    broken = script(tmp_path, "print('@trialwright {\"y\": 3}'); 1 / 0", number=1, limits=limits)
    assert ended(runner, broken).outcome == "failed"


def test_a_pruned_run_stays_pruned(runner: LocalRunner, tmp_path: Path) -> None:
    """Who was stopped early was not given the rest of its time."""
    heard = Heard()
    handle = runner.start(script(tmp_path, FOR_EVER, limits=Limits(budget_s=60)), heard)
    heard.report()
    handle.stop("pruned")
    observation = heard.observation()
    assert (observation.outcome, observation.given_s) == ("pruned", None)


def test_a_script_is_told_its_time(tmp_path: Path) -> None:
    """`TRIALWRIGHT_BUDGET_S` is there where there is a budget, and else not."""

    def told(limits: Limits) -> str | None:
        task = Task(
            name="t", objective=Objective(metric="y"), space=Space(()), folder=str(tmp_path),
            command=(sys.executable, "x.py"), limits=limits,
        )  # fmt: skip
        order = make_order(
            task, run=RunKey(0, 0, 0), seed=1, configuration={}, study_folder=tmp_path,
            environ=environment(tmp_path),
        )  # fmt: skip
        return order.environment.get("TRIALWRIGHT_BUDGET_S")

    assert told(Limits(budget_s=300)) == "300"
    assert told(Limits()) is None


def test_a_simulated_run_has_its_time_by_the_virtual_clock(tmp_path: Path) -> None:
    """Points behind the budget's end are never reported, whatever the clock is made of."""

    def course(configuration: object, seed: int) -> Iterator[tuple[float, dict[str, float]]]:
        del configuration, seed
        for step in range(1, 11):
            yield float(step), {"y": float(step)}

    def best(limits: Limits) -> float | None:
        task = Task(
            name="t", objective=Objective(metric="y"), space=Space((Float("x", 0.0, 1.0),)),
            function=len, budget=Budget(trials=1), limits=limits, team=("random",),
        )  # fmt: skip
        with SimulatedRunner(course) as runner:
            folder = tmp_path / f"{limits.budget_s}{limits.budget_from}"
            return Study(task, folder, runner=runner).run().trials[0].value

    assert best(Limits(budget_s=4.5)) == 4.0
    assert best(Limits(budget_s=4.5, budget_from="first_metric")) == 5.0
    assert best(Limits(budget_s=40)) == 10.0


def test_it_goes_with_early_stopping(tmp_path: Path) -> None:
    """Of runs that may be stopped early, those that are not are done at the end of their time."""
    (tmp_path / "train.py").write_text(
        "import sys, time\n"
        "x = float(sys.argv[1])\n"
        "for step in range(1, 4):\n"
        '    print(\'@trialwright {"step": %d, "y": %f}\' % (step, x * step), flush=True)\n'
        "time.sleep(120)\n"
    )
    task = Task(
        name="t",
        objective=Objective(metric="y"),
        space=Space((Float("x", 0.0, 1.0, default=0.9),)),
        command=(sys.executable, "-S", "train.py", "{x}"),
        folder=str(tmp_path),
        start=({"x": 0.9}, {"x": 0.8}, {"x": 0.1}),
        budget=Budget(trials=3),
        limits=Limits(budget_s=1.5, grace_s=0.3),
        prune=Prune(rule="median", first=1, warmup=2),
        runner=RunnerPlan(workers=1),
        team=("random",),
    )
    history = Study(task, tmp_path / "study").run()
    assert [trial.state for trial in history.trials] == ["done", "done", "pruned"]
    assert [trial.value for trial in history.trials[:2]] == pytest.approx([2.7, 2.4])
