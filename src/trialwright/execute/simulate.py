"""Runs that take no time: a Python function answers for the script, on a clock of its own.

For benchmarks of proposers and for property tests of the study: the same seams as a real runner, no
processes. Functions run in this process, so a crash of the interpreter is everybody's.
"""

from __future__ import annotations

import heapq
import math
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Literal, Self, SupportsFloat

from trialwright.errors import RunnerError
from trialwright.execute.failures import Ending
from trialwright.execute.metrics import Collector
from trialwright.execute.observe import observe
from trialwright.execute.runner import Finished, Inbox, Order, Reported
from trialwright.records import Observation
from trialwright.space import Configuration
from trialwright.task import MetricRoute

Result = float | Mapping[str, float] | Iterable[tuple[float, Mapping[str, float]]]
"""The objective; or metrics; or (step, metrics) in turn, perhaps yielded one by one."""

Stop = Literal["pruned", "cancelled"]

Point = tuple[float | None, Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How one run is to go: what it reports, evenly over its time, and how it ends."""

    points: Sequence[Point] = ()
    seconds: float
    failure: str = ""
    """Its last words; '': it ends well."""


PATIENCE_S = 0.002
"""Real seconds after a point, and after an end, in which the study may stop a run or start one."""


@dataclass(slots=True)
class _Run:
    """A run between two of its points."""

    order: Order
    inbox: Inbox
    points: Iterator[Point]
    step_s: float
    """Virtual seconds from one point to the next."""
    began_s: float
    collector: Collector
    coming: Point | None = None
    """The point that is being worked on."""
    asked: threading.Event = field(default_factory=threading.Event)
    stopped: Stop | None = None
    first_s: float | None = None
    """When it first reported a metric."""

    @property
    def given_until_s(self) -> float:
        """When it has had the time that every run is given."""
        limits = self.order.limits
        since = self.began_s if limits.budget_from == "start" else self.first_s
        return math.inf if limits.budget_s is None or since is None else since + limits.budget_s


@dataclass(frozen=True, slots=True)
class SimulatedHandle:
    """A run that was started."""

    _run: _Run

    def stop(self, outcome: Stop) -> None:
        """Ask the run to end; its `Finished` follows. Harmless if it has ended."""
        self._run.stopped = self._run.stopped or outcome
        self._run.asked.set()


class SimulatedRunner:
    """Executes orders by calling `function(configuration, seed)`, `slots` at a time.

    A step, or a run without steps, takes `seconds(configuration)` virtual seconds; limits of time
    count them. An exception is a failed run. With `stepped` the clock stands still until `idle` is
    called: what the study does in between takes no virtual time, and all is exactly repeatable.

    >>> import queue
    >>> runner = SimulatedRunner(lambda configuration, seed: -configuration["x"] ** 2, slots=2)
    >>> runner.slots
    2
    >>> runner.close()
    """

    def __init__(
        self,
        function: Callable[[Configuration, int], Result],
        *,
        slots: int = 1,
        seconds: Callable[[Configuration], float] = lambda configuration: 1.0,  # noqa: ARG005
        stepped: bool = False,
        thinking: Callable[[str], float] | None = None,
    ) -> None:
        if slots < 1:
            raise RunnerError(f"{slots} slots can't run anything: give at least 1")
        self._script = _called(function, seconds)
        self._slots = slots
        self._stepped = stepped
        self.thinking = thinking
        """Virtual seconds that a member of a team takes to answer, where it is asked ahead."""
        self._clock_s = 0.0
        self._busy_s = 0.0
        self._due: list[tuple[float, int, _Run | Callable[[], None]]] = []
        self._count = 0
        self._going = 0
        self._changed = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None

    @classmethod
    def of_courses(
        cls,
        course: Callable[[Order], Course],
        *,
        slots: int = 1,
        thinking: Callable[[str], float] | None = None,
    ) -> Self:
        """Return a stepped runner whose runs go as `course` says, by order and not by function."""
        runner = cls(lambda configuration, seed: 0.0, slots=slots, stepped=True, thinking=thinking)  # noqa: ARG005
        runner._script = lambda order: _followed(course(order))
        return runner

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def slots(self) -> int:
        """How many runs can go on at a time."""
        return self._slots

    @property
    def clock_s(self) -> float:
        """Virtual seconds that have passed."""
        return self._clock_s

    def fits(self, order: Order) -> bool:  # noqa: ARG002  # all slots are alike
        """Say whether a slot is free."""
        with self._changed:
            return self._going < self._slots

    def start(self, order: Order, inbox: Inbox) -> SimulatedHandle:
        """Start a run.

        Raises:
            RunnerError: all slots are taken, or the runner is closed.
        """
        with self._changed:
            if self._closing:
                raise RunnerError("the runner is closed: make a new one")
            if self._going >= self._slots:
                raise RunnerError(f"all {self._slots} slots are taken: wait for a run to end")
            self._going += 1
            points, step_s = self._script(order)
            wait_s = max(self._busy_s - self._clock_s, 0.0)
            run = _Run(
                order=order,
                inbox=inbox,
                points=points,
                step_s=max(step_s, 0.0),
                began_s=self._clock_s + wait_s,
                collector=Collector(MetricRoute(), workdir=order.workdir),
            )
            self._plan(run, after_s=wait_s)
            if self._thread is None and not self._stepped:
                self._thread = threading.Thread(target=self._serve, name="simulated", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return SimulatedHandle(run)

    def idle(self) -> bool:
        """Bring the next thing about; say whether there was anything.

        Without `stepped`, time passes by itself.
        """
        return self._stepped and bool(self._due) and self._serve_next()

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have `call` called `seconds` virtual seconds from now."""
        self._plan(call, after_s=seconds)

    def busy(self, seconds: float) -> None:
        """Keep the study busy for so long: what it starts meanwhile begins only then.

        Runs that go on are not held up.
        """
        self._busy_s = max(self._busy_s, self._clock_s) + seconds

    def recover(self, order: Order) -> Observation | None:  # noqa: ARG002
        """Nothing of a simulated run survives its process."""
        return None

    def close(self) -> None:
        """Cancel what still runs."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        while self._stepped and self._due:
            self._serve_next()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    # -- on the runner's thread

    def _serve(self) -> None:
        """Bring every run to its next point, in the order of virtual time."""
        while self._serve_next():
            pass

    def _serve_next(self) -> bool:
        """Do what is due next; say whether there was anything."""
        match self._next():
            case None:
                return False
            case _Run() as run:
                if run.stopped or self._closing:
                    ending = Ending(exit_status=None, stopped=run.stopped or "cancelled")
                    self._finish(run, ending)
                elif run.coming is None:
                    self._work(run)
                else:
                    self._report(run, run.coming)
            case call:
                if not self._closing:
                    call()
        return True

    def _next(self) -> _Run | Callable[[], None] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._due or self._closing)
            if not self._due:
                return None
            at, _, due = heapq.heappop(self._due)
            self._clock_s = max(self._clock_s, at)
            return due

    def _plan(self, run: _Run | Callable[[], None], *, after_s: float) -> None:
        with self._changed:
            self._count += 1
            heapq.heappush(self._due, (self._clock_s + after_s, self._count, run))

    def _work(self, run: _Run) -> None:
        """Compute a run's next point, which is there a step later; or find that it is over."""
        try:
            run.coming = next(run.points, None)
        except (Exception, SystemExit):  # noqa: BLE001  # around one run
            tail = traceback.format_exc()
            self._finish(run, Ending(exit_status=1), tail=tail)
            return
        limits = run.order.limits
        left_s = math.inf if limits.run_s is None else run.began_s + limits.run_s - self._clock_s
        given_s = run.given_until_s - self._clock_s
        if run.coming is None:
            self._finish(run, Ending(exit_status=0))
        elif run.step_s > min(left_s, given_s):
            self._clock_s += max(min(left_s, given_s), 0.0)
            had = given_s <= left_s
            self._finish(
                run,
                Ending(exit_status=143, given_s=limits.budget_s)
                if had
                else Ending(exit_status=137, breach="timed_out"),
            )
        else:
            self._plan(run, after_s=run.step_s)

    def _report(self, run: _Run, point: Point) -> None:
        step, metrics = point
        run.coming = None
        fresh = run.collector.add(metrics, step=step)
        run.first_s = self._clock_s if run.first_s is None else run.first_s
        for at, values in fresh:
            run.inbox(Reported(run.order.run, at, values, self._clock_s - run.began_s))
        if step is not None and not self._stepped:
            run.asked.wait(PATIENCE_S)
        self._plan(run, after_s=0.0)

    def _finish(self, run: _Run, ending: Ending, *, tail: str = "") -> None:
        ending = replace(ending, seconds=self._clock_s - run.began_s)
        observation = observe(run.order, run.collector, ending, tail)
        with self._changed:
            self._going -= 1
            going = self._going
        run.inbox(Finished(observation))
        if self._stepped:
            return
        with self._changed:
            # What takes the slot should begin now by the virtual clock, not after other runs.
            self._changed.wait_for(lambda: self._going > going or self._closing, PATIENCE_S)


Script = Callable[[Order], tuple[Iterator[Point], float]]
"""What a run reports, and the virtual seconds of each point."""


def _called(
    function: Callable[[Configuration, int], Result], seconds: Callable[[Configuration], float]
) -> Script:
    return lambda order: (_points(function, order), float(seconds(order.configuration)))


def _followed(course: Course) -> tuple[Iterator[Point], float]:
    # A run that reports nothing takes its time all the same.
    points = course.points or ((None, {}),)

    def told() -> Iterator[Point]:
        yield from points
        if course.failure:
            raise RuntimeError(course.failure)

    return told(), course.seconds / len(points)


def _points(function: Callable[[Configuration, int], Result], order: Order) -> Iterator[Point]:
    result = function(order.configuration, order.seed)
    if isinstance(result, Mapping):
        yield None, result
    elif isinstance(result, SupportsFloat):
        yield None, {order.objective.metric: float(result)}
    else:
        for step, metrics in result:
            yield float(step), {name: float(value) for name, value in metrics.items()}
