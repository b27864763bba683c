"""Runs of a Python function on a virtual clock: a runner like any other."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.execute.orders import Heard, command
from tests.execute.runner_conformance import RunnerConformance
from trialwright.errors import RunnerError
from trialwright.execute.runner import Finished, Order
from trialwright.execute.simulate import SimulatedRunner
from trialwright.space import Configuration
from trialwright.task import Limits

Point = tuple[float, Mapping[str, float]]


def behave(configuration: Configuration, seed: int) -> Iterator[Point]:
    """Do what the order's configuration asks for."""
    match configuration["what"]:
        case "quick":
            yield from ((float(step), {"y": float(step)}) for step in (1, 2, 3))
        case "failing":
            yield 1, {"y": 1.0}
            raise RuntimeError(f"seed {seed} is unlucky")
        case "endless":
            yield 1, {"y": 1.0}
            yield from ((step, {}) for step in itertools.count(2))


class SimulatedBench:
    """Orders for a simulated runner."""

    def __init__(self, folder: Path) -> None:
        self.runner = SimulatedRunner(behave, slots=2)
        self._folder = folder

    def quick(self, number: int = 0) -> Order:
        """Order a run that reports three times and ends well."""
        return self._order("quick", number)

    def failing(self, number: int = 0) -> Order:
        """Order a run that reports once and fails."""
        return self._order("failing", number)

    def endless(self, number: int = 0) -> Order:
        """Order a run that reports once and goes on."""
        return self._order("endless", number)

    def _order(self, what: str, number: int) -> Order:
        return command(self._folder, number=number, configuration={"what": what})


class TestConformance(RunnerConformance):
    """A simulated runner keeps the promises of every runner."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[SimulatedBench]:
        """Two slots."""
        bench = SimulatedBench(tmp_path)
        with bench.runner:
            yield bench


def order(folder: Path, number: int = 0, **changes: object) -> Order:
    """Order trial `number`, with x = number."""
    return command(folder, number=number, **{"configuration": {"x": number}, **changes})


def test_a_number_and_a_mapping(tmp_path: Path) -> None:
    """A function may return the objective alone, or metrics by name."""
    heard = Heard()
    with SimulatedRunner(lambda c, seed: float(c["x"]) + seed) as runner:  # type: ignore[arg-type]
        runner.start(order(tmp_path, 3), heard)
        assert heard.observation().value == 4.0
    with SimulatedRunner(lambda c, seed: {"y": 2, "z": 3}) as runner:
        runner.start(order(tmp_path), heard)
        assert heard.observation().metrics == {"y": 2.0, "z": 3.0}


def test_the_cause_of_a_failure_is_read_as_from_a_log(tmp_path: Path) -> None:
    """An exception has its cause and its traceback, as in a real run."""

    def train(configuration: Configuration, seed: int) -> float:
        raise MemoryError

    heard = Heard()
    with SimulatedRunner(train) as runner:
        runner.start(order(tmp_path), heard)
        observation = heard.observation()
    assert observation.cause == "out_of_memory_host"
    assert "in train" in observation.log_tail


@pytest.mark.parametrize("result", ["text", [1, 2], None, [(1, {"y": "high"})]])
def test_a_result_of_another_type_is_a_failed_run(tmp_path: Path, result: object) -> None:
    """It does not take the runner down."""
    heard = Heard()
    with SimulatedRunner(lambda c, seed: result) as runner:  # type: ignore[arg-type,return-value]
        runner.start(order(tmp_path), heard)
        assert heard.observation().outcome == "failed"
        runner.start(order(tmp_path, 1), heard)
        assert heard.observation().outcome == "failed"


def test_time_is_virtual(tmp_path: Path) -> None:
    """Hours pass in no time, in the order of the virtual clock, side by side."""
    heard = Heard()
    began = time.monotonic()
    all_there = threading.Event()
    with SimulatedRunner(
        # The clock stands until all three were started.
        lambda c, seed: float(all_there.wait(10)),
        slots=3,
        seconds=lambda c: 3600.0 * (3 - float(c["x"])),  # type: ignore[arg-type]
    ) as runner:
        for number in range(3):
            runner.start(order(tmp_path, number), heard)
        all_there.set()
        for _ in range(3):
            heard.observation()
        ends = [e.observation for e in heard.events if isinstance(e, Finished)]
        assert [o.run.trial for o in ends] == [2, 1, 0]
        assert [o.seconds for o in ends] == [3600.0, 7200.0, 10800.0]
        assert runner.clock_s == 10800.0
    assert time.monotonic() - began < 30


def test_a_time_limit_counts_virtual_seconds(tmp_path: Path) -> None:
    """A run that would take longer than its limit times out at it, with what it had reported."""
    heard = Heard()
    with SimulatedRunner(lambda c, seed: [(i, {"y": i}) for i in range(1, 9)]) as runner:
        runner.start(order(tmp_path, limits=Limits(run_s=3.5)), heard)
        observation = heard.observation()
    assert (observation.cause, observation.seconds) == ("timed_out", 3.5)
    assert observation.curve.steps == (1.0, 2.0, 3.0)


def test_a_pruned_run_computes_no_further(tmp_path: Path) -> None:
    """A generator is asked for the next point only after there was time to stop it."""
    computed = []

    def train(configuration: Configuration, seed: int) -> Iterator[Point]:
        for step in range(1, 10_000):
            computed.append(step)
            yield step, {"y": 1.0}

    heard = Heard()
    with SimulatedRunner(train) as runner:
        handle = runner.start(order(tmp_path), heard)
        heard.until(lambda event: getattr(event, "step", 0) == 5)
        handle.stop("pruned")
        assert heard.observation().outcome == "pruned"
    assert computed[-1] < 1000


def test_many_runs_are_quick(tmp_path: Path) -> None:
    """A thousand runs take seconds, not minutes: benchmarks of proposers live on it."""
    heard = Heard()
    began = time.process_time()
    with SimulatedRunner(lambda c, seed: 1.0) as runner:
        for number in range(1000):
            runner.start(order(tmp_path, number), heard)
            heard.observation()
    assert time.process_time() - began < 10


def test_needs_a_slot() -> None:
    """No slots are a mistake."""
    with pytest.raises(RunnerError, match="at least 1"):
        SimulatedRunner(lambda c, seed: 1.0, slots=0)
