"""Early stopping: each rule on streams, and on real processes that it really stops."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.execute.orders import Heard, command
from trialwright.analysis.pruning import Pruner
from trialwright.execute.local import LocalRunner
from trialwright.execute.runner import Finished, Reported
from trialwright.records import Outcome
from trialwright.task import Direction, Objective, Prune, RunnerPlan

RULES = ("asha", "median", "hyperband")
STEPS = 27


def pruner(rule: str, direction: Direction = "maximize", **changes: int) -> Pruner:
    """A pruner for runs of 27 steps."""
    prune = Prune(rule=rule, **{"last": STEPS, **changes})  # type: ignore[arg-type]
    return Pruner(prune, Objective(metric="y", direction=direction))


def length(judge: Pruner, trial: int, values: Sequence[float], steps: Sequence[float] = ()) -> int:
    """Report a trial's values until it is stopped; return how many were reported."""
    for count, (step, value) in enumerate(zip(steps or range(1, 999), values, strict=False), 1):
        if judge.report(trial, step, value):
            judge.finish(trial, completed=False)
            return count
    judge.finish(trial, completed=True)
    return len(values)


def curves(qualities: Sequence[float], *, seed: int = 0) -> list[list[float]]:
    """Learning curves that rise to their trial's quality, with a little noise."""
    rng = np.random.default_rng(seed)
    rise = 1 - 0.8 ** np.arange(1, STEPS + 1)
    return [list(quality * rise + rng.normal(0, 0.01, STEPS)) for quality in qualities]


@pytest.mark.parametrize("rule", RULES)
class TestEveryRule:
    """What all rules have in common."""

    def test_saves_steps_and_keeps_the_best(self, rule: str) -> None:
        """Of sixty trials many stop early, and the best runs to its end."""
        qualities = np.random.default_rng(1).random(60)
        qualities[40] = 1.2
        judge = pruner(rule)
        lengths = [length(judge, t, curve) for t, curve in enumerate(curves(qualities))]
        assert sum(lengths) < 0.7 * 60 * STEPS
        assert lengths[40] == STEPS

    def test_minimizes(self, rule: str) -> None:
        """The mirrored metric to be minimized stops the same trials at the same steps."""
        streams = curves(np.random.default_rng(2).random(30))
        up, down = pruner(rule), pruner(rule, "minimize")
        for trial, curve in enumerate(streams):
            mirrored = [-value for value in curve]
            assert length(up, trial, curve) == length(down, trial, mirrored)

    def test_a_lone_first_trial_is_never_stopped(self, rule: str) -> None:
        """There is nobody to compare it with, however bad it looks."""
        assert length(pruner(rule), 0, [-99.0] * STEPS) == STEPS

    def test_nan_is_the_worst(self, rule: str) -> None:
        """A trial that diverges is stopped where others are judged, even among diverged ones."""
        judge = pruner(rule)
        for trial, curve in enumerate(curves([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])):
            length(judge, trial, curve)
        assert length(judge, 6, [math.nan] * STEPS) < STEPS
        assert length(judge, 7, [-math.inf] * STEPS) < STEPS

    def test_nobody_is_judged_before_the_first_step(self, rule: str) -> None:
        """`first` is a grace period."""
        judge = pruner(rule, first=9)
        qualities = np.random.default_rng(3).random(40)
        lengths = [length(judge, t, curve) for t, curve in enumerate(curves(qualities))]
        assert min(lengths) == 9

    def test_sparse_and_fractional_steps(self, rule: str) -> None:
        """Trials that report every 2.5 steps are judged at the first report past a rung."""
        judge = pruner(rule)
        steps = [2.5 * i for i in range(1, 11)]
        qualities = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
        lengths = [length(judge, t, [q] * 10, steps) for t, q in enumerate(qualities)]
        assert lengths[0] == 10
        assert min(lengths) < 10

    def test_odd_steps_do_no_harm(self, rule: str) -> None:
        """Negative, repeated, falling, huge, infinite and NaN steps are survived."""
        judge = pruner(rule)
        for trial in range(8):
            for step in (-5, 0, 0, 3, 1, math.nan, math.inf, 1e15, 4):
                judge.report(trial, step, trial / 10)
            judge.finish(trial, completed=True)
        judge.finish(99, completed=True)

    def test_a_stopped_trial_stays_stopped(self, rule: str) -> None:
        """Reports that were on their way when a trial was stopped do not revive it."""
        judge = pruner(rule)
        for trial, curve in enumerate(curves([0.9, 0.8, 0.7, 0.6, 0.5])):
            length(judge, trial, curve)
        step = next(s for s in range(1, STEPS) if judge.report(5, s, -1.0))
        assert judge.report(5, step + 1, 99.0)

    def test_rebuilt_from_history_it_goes_on_the_same(self, rule: str) -> None:
        """Replaying the curves of ended trials, as a resume does, gives the same decisions."""
        qualities = np.random.default_rng(4).random(40)
        streams = curves(qualities)
        live = pruner(rule)
        lengths = [length(live, t, curve) for t, curve in enumerate(streams[:25])]
        resumed = pruner(rule)
        for trial, (curve, count) in enumerate(zip(streams, lengths, strict=False)):
            for step, value in enumerate(curve[:count], 1):
                resumed.report(trial, step, value)
            resumed.finish(trial, completed=count == STEPS)
        later = list(enumerate(streams))[25:]
        assert [length(live, *pair) for pair in later] == [length(resumed, *pair) for pair in later]

    def test_trials_side_by_side(self, rule: str) -> None:
        """Trials that report in turn, as on several workers, are told apart."""
        judge = pruner(rule, warmup=2)
        for trial, curve in enumerate(curves([0.9, 0.8, 0.7, 0.6])):
            length(judge, trial, curve)
        good, bad = curves([1.0, 0.05])
        stopped: set[int] = set()
        for step in range(STEPS):
            for trial, curve in ((4, good), (5, bad)):
                if trial not in stopped and judge.report(trial, step + 1, curve[step]):
                    stopped.add(trial)
        assert stopped == {5}


class TestAsha:
    """Rungs at 1, 3, 9, 27."""

    def test_the_best_third_goes_on(self) -> None:
        """At each rung a trial goes on if it is among the best third of those that came there."""
        judge = pruner("asha")
        values = [0.5, 0.6, 0.4, 0.7, 0.65, 0.8, 0.1, 0.75, 0.9]
        # By hand: two pass unjudged; then rank at most n // 3, the trial itself counted.
        expected = [False, False, True, False, True, False, True, False, False]
        assert [judge.report(t, 1, v) for t, v in enumerate(values)] == expected

    def test_between_rungs_nobody_is_judged(self) -> None:
        """However bad a value is, it counts at the next rung only."""
        judge = pruner("asha")
        for trial in range(5):
            judge.report(trial, 1, 1.0)
            assert not judge.report(trial, 2, 0.0)

    def test_a_report_past_several_rungs_counts_at_the_highest(self) -> None:
        """A value of step 10 is not held against others' values of step 1."""
        judge = pruner("asha")
        for trial in range(6):
            judge.report(trial, 10, 0.9)
        assert not judge.report(6, 1, 0.5)
        assert judge.report(6, 10, 0.5)

    def test_ties_go_on(self) -> None:
        """Equal trials are not stopped for being equal."""
        judge = pruner("asha")
        assert not any(judge.report(trial, 1, 0.5) for trial in range(20))

    def test_costs_little_however_many_came_before(self) -> None:
        """A report after ten thousand trials costs what it cost after a hundred."""
        rng = np.random.default_rng(5)
        judge = pruner("asha")

        def cost(trials: range) -> float:
            values = rng.random(len(trials))
            began = time.process_time()
            for trial, value in zip(trials, values, strict=True):
                judge.report(trial, 1, float(value))
                judge.finish(trial, completed=False)
            return (time.process_time() - began) / len(trials)

        early = cost(range(2000))
        cost(range(2000, 18_000))
        assert cost(range(18_000, 20_000)) < 5 * early + 2e-5


class TestMedian:
    """Best so far against the median of the earlier trials' best by then."""

    def test_by_hand(self) -> None:
        """Four trials set the bar; below the median stops, at or above it goes on."""
        judge = pruner("median", warmup=4)
        for trial, value in enumerate([0.1, 0.2, 0.3, 0.4]):
            length(judge, trial, [value] * 5)
        assert judge.report(4, 1, 0.24)
        assert not judge.report(5, 1, 0.25)

    def test_the_best_so_far_counts(self) -> None:
        """A dip does not stop a trial that was good before."""
        judge = pruner("median", warmup=2)
        for trial in range(3):
            length(judge, trial, [0.5] * 5)
        assert not judge.report(3, 1, 0.6)
        assert not judge.report(3, 2, 0.1)

    def test_warms_up(self) -> None:
        """Nobody is judged before `warmup` trials have ended."""
        judge = pruner("median", warmup=4)
        lengths = [length(judge, t, [1.0 - t / 10] * 5) for t in range(6)]
        assert lengths == [5, 5, 5, 5, 1, 1]

    def test_stopped_trials_lower_the_bar(self) -> None:
        """About half stop, not ever more: those stopped count with the best that they had."""
        qualities = np.random.default_rng(6).random(400)
        judge = pruner("median")
        lengths = [length(judge, t, curve) for t, curve in enumerate(curves(qualities))]
        stopped = [count < STEPS for count in lengths]
        assert 0.35 < np.mean(stopped[200:]) < 0.65

    def test_runs_of_different_length(self) -> None:
        """A shorter earlier run is held against later steps with the best that it reached."""
        judge = pruner("median", warmup=2)
        for trial in range(3):
            length(judge, trial, [0.5] * 3)
        length(judge, 3, [0.9] * 20)
        assert not judge.report(4, 2, 0.6)
        assert judge.report(5, 15, 0.4)


@given(
    rule=st.sampled_from(["asha", "median"]),
    reports=st.lists(
        st.tuples(st.integers(0, 5), st.floats(), st.floats(), st.booleans()), max_size=60
    ),
)
@settings(deadline=None, max_examples=200)
def test_any_stream_is_survived(rule: str, reports: list[tuple[int, float, float, bool]]) -> None:
    """Whatever comes in whatever order, a rule answers, and remembers whom it stopped."""
    judge = pruner(rule, warmup=1)
    stopped: set[int] = set()
    for trial, step, value, ends in reports:
        answer = judge.report(trial, step, value)
        assert answer or trial not in stopped
        if ends:
            judge.finish(trial, completed=not answer)
            stopped.discard(trial)
        elif answer:
            stopped.add(trial)


SCRIPT = """
import sys, time
quality = float(sys.argv[1])
for step in range(1, 28):
    print(f"epoch {step} score {quality * (1 - 0.8 ** step):.6f}", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def runner() -> Iterator[LocalRunner]:
    """A real runner with one slot."""
    with LocalRunner(RunnerPlan(workers=1)) as runner:
        yield runner


@pytest.mark.parametrize("rule", RULES)
def test_stops_real_processes(runner: LocalRunner, tmp_path: Path, rule: str) -> None:
    """A script that only prints, knowing nothing of us, is stopped when it falls behind."""
    from trialwright.task import MetricRoute

    route = MetricRoute(patterns=(r"epoch (?P<epoch>\d+) score (?P<y>\S+)",))
    judge = pruner(rule, warmup=3)
    outcomes: list[Outcome] = []
    for trial, quality in enumerate([0.9, 0.8, 0.85, 0.7, 0.1, 0.05, 1.0]):
        pause = "0" if trial < 4 else "0.1"
        order = command(
            tmp_path,
            *(sys.executable, "-S", "-c", SCRIPT, str(quality), pause),
            number=trial,
            metrics=route,
        )
        heard = Heard()
        handle = runner.start(order, heard)
        event = None
        while not isinstance(event, Finished):
            event = heard.until(lambda event: True)
            if isinstance(event, Reported) and judge.report(trial, event.step, event.metrics["y"]):
                handle.stop("pruned")
        judge.finish(trial, completed=event.observation.outcome == "done")
        outcomes.append(event.observation.outcome)
        assert (event.observation.value is None) == (event.observation.outcome == "pruned")
    assert "pruned" in outcomes[4:6]
    assert outcomes[6] == "done"
