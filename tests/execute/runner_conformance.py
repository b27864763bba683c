"""What every runner must do, whatever it runs.

Subclass `RunnerConformance`, and give the fixture `bench`: a runner with two slots, and three kinds
of orders. `quick` reports y = 1, 2, 3 at steps 1, 2, 3 and ends well; `failing` reports y = 1 at
step 1 and fails; `endless` reports y = 1 at step 1 and goes on until it is stopped.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import pytest

from tests.execute.orders import Heard, ended
from trialwright.errors import RunnerError
from trialwright.execute.runner import Finished, Order, Reported, Runner


class Bench(Protocol):
    """A runner to test, with orders that it can execute; `number` is the trial's."""

    runner: Runner

    def quick(self, number: int = 0) -> Order:
        """Order a run that reports three times and ends well."""
        ...

    def failing(self, number: int = 0) -> Order:
        """Order a run that reports once and fails."""
        ...

    def endless(self, number: int = 0) -> Order:
        """Order a run that reports once and goes on."""
        ...


class RunnerConformance:
    """The promises of `Runner` and `Handle`."""

    def test_reports_in_order_then_finishes_once(self, bench: Bench) -> None:
        """A run's metrics arrive in order, before its only `Finished`."""
        heard = Heard()
        order = bench.quick()
        bench.runner.start(order, heard)
        heard.observation()
        *reported, last = heard.events
        points = [(e.run, e.step, dict(e.metrics)) for e in reported if isinstance(e, Reported)]
        assert points == [(order.run, step, {"y": step}) for step in (1.0, 2.0, 3.0)]
        assert len(points) == len(reported)
        assert isinstance(last, Finished)
        assert heard.drain() == []

    def test_observes_a_result(self, bench: Bench) -> None:
        """A run that ends well is done, with its value, its metrics and its curve."""
        heard = Heard()
        order = bench.quick(number=3)
        bench.runner.start(order, heard)
        observation = heard.observation()
        assert (observation.run, observation.outcome) == (order.run, "done")
        assert (observation.value, observation.metrics["y"]) == (3.0, 3.0)
        assert observation.curve.points("y") == [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]
        assert observation.seconds >= 0
        assert observation.cause is None

    def test_a_failure_is_data(self, bench: Bench) -> None:
        """A run that fails is observed as failed, with a cause, a detail and what it reported."""
        heard = Heard()
        bench.runner.start(bench.failing(), heard)
        observation = heard.observation()
        assert (observation.outcome, observation.value) == ("failed", None)
        assert observation.cause is not None
        assert observation.detail
        assert observation.curve.points("y") == [(1.0, 1.0)]

    @pytest.mark.parametrize("outcome", ["pruned", "cancelled"])
    def test_stops_when_asked(self, bench: Bench, outcome: str) -> None:
        """A run that is stopped ends with the outcome for which it was, and without a value."""
        heard = Heard()
        handle = bench.runner.start(bench.endless(), heard)
        heard.report()
        handle.stop(outcome)  # type: ignore[arg-type]
        observation = heard.observation()
        assert (observation.outcome, observation.value) == (outcome, None)

    def test_stopping_twice_or_late_is_harmless(self, bench: Bench) -> None:
        """`stop` may be called again, and after the end: the first call counts."""
        heard = Heard()
        handle = bench.runner.start(bench.endless(), heard)
        heard.report()
        handle.stop("pruned")
        handle.stop("cancelled")
        assert heard.observation().outcome == "pruned"
        handle.stop("cancelled")
        assert heard.drain() == []

    def test_a_run_is_done_when_it_has_had_its_time(self, bench: Bench) -> None:
        """What goes on for ever is ended by its time budget, and is worth what it reported."""
        order = bench.endless()
        limits = replace(order.limits, budget_s=1.0, budget_from="first_metric")
        observation = ended(bench.runner, replace(order, limits=limits))
        assert (observation.outcome, observation.given_s) == ("done", 1.0)
        assert observation.value is not None

    def test_a_slot_is_free_once_its_run_has_finished(self, bench: Bench) -> None:
        """Whoever hears `Finished` may start the next run at once."""
        heard = Heard()
        for number in range(6):
            bench.runner.start(bench.quick(number), heard)
            if number + 1 >= bench.runner.slots:
                heard.observation()
        for _ in range(bench.runner.slots - 1):
            heard.observation()
        finished = [event for event in heard.events if isinstance(event, Finished)]
        assert sorted(event.observation.run.trial for event in finished) == list(range(6))

    def test_runs_go_on_side_by_side(self, bench: Bench) -> None:
        """As many runs as there are slots go on at a time, and are stopped one by one."""
        heard = Heard()
        handles = [bench.runner.start(bench.endless(n), heard) for n in range(bench.runner.slots)]
        reporting = {heard.report().run.trial for _ in handles}
        assert reporting == set(range(bench.runner.slots))
        handles[-1].stop("pruned")
        assert heard.observation().run.trial == len(handles) - 1
        handles[0].stop("pruned")
        assert heard.observation().run.trial == 0

    def test_refuses_more_runs_than_slots(self, bench: Bench) -> None:
        """A run beyond the slots is a mistake of the caller's, and says so."""
        heard = Heard()
        for number in range(bench.runner.slots):
            bench.runner.start(bench.endless(number), heard)
        with pytest.raises(RunnerError, match="slots"):
            bench.runner.start(bench.quick(99), heard)

    def test_recovers_nothing_of_a_run_that_never_was(self, bench: Bench) -> None:
        """A run that left nothing has no observation to recover."""
        assert bench.runner.recover(bench.quick(number=77)) is None

    def test_closing_ends_what_runs(self, bench: Bench) -> None:
        """`close` returns with nothing running, and each run has its `Finished`; again, no harm."""
        heard = Heard()
        bench.runner.start(bench.endless(), heard)
        heard.report()
        bench.runner.close()
        finished = [event for event in heard.drain() if isinstance(event, Finished)]
        assert [event.observation.outcome for event in finished] == ["cancelled"]
        bench.runner.close()

    def test_a_closed_runner_starts_nothing(self, bench: Bench) -> None:
        """`start` after `close` is an error of the runner."""
        bench.runner.close()
        with pytest.raises(RunnerError, match="closed"):
            bench.runner.start(bench.quick(), Heard())
