"""Runs on this machine: a guard process starts them, one thread watches them.

The thread reads logs as they grow, holds runs to their limits, and turns what is left of a run
into an observation. Which cause a failure has is decided elsewhere (`observe`); how a tree of
processes is ended, too (`process`).
"""

from __future__ import annotations

import contextlib
import select
import signal
import threading
import time
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Literal, Self

from trialwright.errors import RunnerError
from trialwright.execute.failures import Ending
from trialwright.execute.observe import observe
from trialwright.execute.room import room_for
from trialwright.execute.runlog import POINTS, keep_points, write_points
from trialwright.execute.runner import Finished, Inbox, Order
from trialwright.execute.slots import Machinery
from trialwright.execute.underway import (
    Breach,
    Exit,
    Underway,
    prepare,
    recovered,
    spawn_of,
)
from trialwright.process import tree
from trialwright.process.guard import PATIENCE_S, Exited, Guard, Reply, Started, Unstarted
from trialwright.records import Observation
from trialwright.task import RunnerPlan

TICK_S = 0.08
"""Seconds between looks at the runs: how late a metric or a breach may be noticed."""

SAMPLE_S = 0.25
"""Seconds between samples of memory where a run has a limit."""

IDLE_SAMPLE_S = 1.0
"""Seconds between samples where none has: for the record of the peak."""

AT_ONCE = 8 << 20
"""Bytes of a log that are read in one look, so that one talker does not hold up the others."""

STUDY = "TRIALWRIGHT_STUDY_FOLDER"
"""Environment variable of a run that names its study, by which leftovers are found."""

Stop = Literal["pruned", "cancelled"]
Budget = Literal["budget"]


@dataclass(frozen=True, slots=True)
class LocalHandle:
    """A run on this machine."""

    _runner: LocalRunner
    _number: int

    def stop(self, outcome: Stop) -> None:
        """Ask the run to end; its `Finished` follows. Harmless if it has ended."""
        self._runner._stop(self._number, outcome)


class LocalRunner:
    """Executes orders on this machine, as many at a time as `plan` and the machine allow.

    `lock` is an open descriptor that holds the study's lock. It is shared with the guard, so the
    lock is free only when no process of the study is left; and it entitles the runner to kill
    what an earlier coordinator and guard, both killed, left behind.

    Raises:
        RunnerError: the plan asks for what the machine lacks, or the guard can't be started.
    """

    def __init__(self, plan: RunnerPlan, *, lock: int | None = None) -> None:
        self._room = room_for(plan, Machinery.here())
        self._sweeps = lock is not None
        self._swept: set[str] = set()
        self._live: dict[int, Underway] = {}
        self._numbers = 0
        self._guarding = threading.Lock()
        """Held while `_live` and `_room` change."""
        self._grace_s = 0.0
        self._measure_at = 0.0
        self._closing = False
        self._broken = ""
        self._guard = Guard(lock=lock)
        self._watcher = threading.Thread(target=self._watch, name="runs", daemon=True)
        self._watcher.start()

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
        with self._guarding:
            return self._room.slots

    @property
    def guard_pid(self) -> int:
        """Of the process that is the parent of all runs."""
        return self._guard.pid

    def fits(self, order: Order) -> bool:
        """Say whether a slot is free, with the cores and GPUs that a run needs."""
        with self._guarding:
            return self._room.fits(order)

    def start(self, order: Order, inbox: Inbox) -> LocalHandle:
        """Start a run. A run that can't start is a failed one, not an exception.

        Raises:
            RunnerError: all slots are taken, the run's folder can't be written, or the guard is
                gone.
        """
        self._check()
        self._sweep(order)
        with self._guarding:
            slot = self._room.take(order)
            number = self._numbers
            self._numbers += 1
        try:
            live = prepare(number, order, inbox, slot)
        except OSError as error:
            with self._guarding:
                self._room.give(slot)
            raise RunnerError(f"run {order.run} can't be prepared: {error}") from error
        with self._guarding:
            self._live[number] = live
            self._grace_s = max(self._grace_s, order.limits.grace_s)
        self._guard.spawn(spawn_of(live))
        return LocalHandle(self, number)

    def idle(self) -> bool:
        """Nothing to do: time passes by itself."""
        return False

    def recover(self, order: Order) -> Observation | None:
        """Return what an interrupted coordinator's run showed, if it had finished; else None.

        It had if it ended by itself, was stopped for a limit or pruned, or had declared its result
        complete.
        """
        self._sweep(order)
        return recovered(order)

    def close(self) -> None:
        """Kill what still runs, and let go of everything."""
        if self._closing:
            return
        self._closing = True
        self._guard.close()
        self._watcher.join(self._grace_s + PATIENCE_S)
        if not self._broken:
            self._guard.wait()

    # -- on the caller's thread

    def _check(self) -> None:
        if self._broken:
            raise RunnerError(self._broken)
        if self._closing:
            raise RunnerError("the runner is closed: make a new one")

    def _sweep(self, order: Order) -> None:
        """Kill, once per study, what a coordinator and a guard that were both killed left."""
        study = order.environment.get(STUDY)
        if self._sweeps and study and study not in self._swept:
            self._swept.add(study)
            tree.sweep(STUDY, study)

    def _stop(
        self, number: int, why: Stop | Breach | Budget, *, grace_s: float | None = None
    ) -> None:
        with self._guarding:
            live = self._live.get(number)
            if live is None or live.stopping:
                return
            live.stopping = True
        limits = live.order.limits
        with contextlib.suppress(RunnerError):  # without a guard the watcher ends the run
            self._guard.stop(
                number, why=why, grace_s=limits.grace_s if grace_s is None else grace_s
            )

    # -- on the watching thread

    def _watch(self) -> None:
        try:
            self._serve()
        finally:
            if self._live or not self._closing:
                self._mourn()

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._guard.fileno(), select.POLLIN)
        look_at = time.monotonic() + TICK_S
        while not self._guard.gone:
            ready = poll.poll(TICK_S * 1000 if self._live else None)
            for reply in self._guard.replies() if ready else ():
                self._take(reply)
            if time.monotonic() >= look_at:
                self._look()
                look_at = time.monotonic() + TICK_S

    def _take(self, reply: Reply) -> None:
        live = self._live[reply.run]
        match reply:
            case Started(pid=pid):
                live.opened()
                live.pid = pid
                live.began = live.heard_at = time.monotonic()
            case Unstarted(error=error):
                self._finish(live, Ending(exit_status=None, start_error=error))
            case Exited(status=status, why=why, seconds=seconds, peak_memory_bytes=peak):
                peak = max(peak, live.meter.peak_bytes)
                exited = Exit(status, why, seconds, peak)
                self._finish(live, exited.ending())

    def _look(self) -> None:
        """Read what is new, and hold each run to its limits."""
        runs = [live for live in list(self._live.values()) if live.pid is not None]
        self._measure(runs)
        for live in runs:
            try:
                self._look_at(live)
            except Exception as error:  # noqa: BLE001  # one run's output must not end the others
                live.fault = live.fault or error
                self._stop(live.number, "cancelled")

    def _look_at(self, live: Underway) -> None:
        if live.log.too_long:
            self._cut(live)
        live.read(most=AT_ONCE)
        if live.had_its_time(time.monotonic()) and not live.stopping:
            live.count()
            self._stop(live.number, "budget")
        breach = live.breach(time.monotonic())
        if breach is not None:
            self._stop(live.number, breach)

    def _measure(self, runs: list[Underway]) -> None:
        """Sample the memory of all runs, as often as it is cheap."""
        began = time.monotonic()
        if began < self._measure_at or not runs:
            return
        trees = self._trees(tree.processes())
        for live in runs:
            if live.meter.take(trees.get(live.pid or 0, [])):
                # No grace: a tree that grows would take the machine down meanwhile.
                self._stop(live.number, "out_of_memory_host", grace_s=0.0)
        limited = any(live.order.limits.memory_bytes is not None for live in runs)
        now = time.monotonic()
        # On a machine with thousands of processes a pass takes tens of milliseconds.
        self._measure_at = now + max(SAMPLE_S if limited else IDLE_SAMPLE_S, 50 * (now - began))

    def _trees(self, table: tree.Table) -> dict[int, list[tree.Process]]:
        leaders = [
            tree.Leader(live.pid, self._guard.mark(live.number), table[live.pid].started_s)
            for live in list(self._live.values())
            if live.pid is not None and live.pid in table
        ]
        return tree.members(table, leaders, guard=self._guard.pid)

    def _cut(self, live: Underway) -> None:
        """Bring a log back within its bound, while nobody writes to it."""
        pid = live.pid or 0
        halted = tree.halt(lambda: self._trees(tree.processes()).get(pid, []))
        try:
            live.read()
            with contextlib.suppress(OSError):  # the disk may be full: it is tried again
                write_points(live.files, live.collector.curve(POINTS))
                live.log.cut(final=live.collector.final)
            live.heard_at = time.monotonic()
        finally:
            tree.send(halted, signal.SIGCONT)

    def _finish(self, live: Underway, ending: Ending) -> None:
        try:
            if live.fault is not None:
                raise live.fault
            live.read_rest()
            if live.given_s is not None:
                ending = replace(ending, stopped=None, breach=None, given_s=live.given_s)
            observation = observe(live.order, live.collector, ending, live.log.tail())
            curve = live.collector.curve(POINTS)
            if len(curve.steps) > 1:
                keep_points(live.files, curve)
            if live.log.too_long:
                with contextlib.suppress(OSError):  # the disk may be full: then it stays long
                    live.log.cut(final=live.collector.final)
        except Exception as error:  # noqa: BLE001  # around one run
            observation = Observation(
                run=live.order.run,
                outcome="failed",
                seconds=ending.seconds,
                exit_status=ending.exit_status,
                cause="other",
                detail=f"the output of this run can't be read: {error!r}; see {live.files.log}",
            )
        self._conclude(live, observation)

    def _conclude(self, live: Underway, observation: Observation) -> None:
        live.opened()
        live.log.close()
        with self._guarding:
            del self._live[live.number]
            self._room.give(live.slot)
        live.inbox(Finished(observation))

    def _mourn(self) -> None:
        """The guard is gone: end its runs, and give them back to be run again."""
        self._broken = "the guard of the runs is gone"
        said = self._guard.wait()
        self._broken = f"{said or self._broken}; the study can be resumed by running it again"
        self._kill_all()
        for live in list(self._live.values()):
            seconds = time.monotonic() - live.began
            ending = Ending(exit_status=None, stopped="cancelled", seconds=seconds)
            self._finish(live, ending)

    def _kill_all(self) -> None:
        for found in self._trees(tree.processes()).values():
            tree.kill_same(found)
        for live in list(self._live.values()):
            tree.kill_same(live.meter.tree)
        tree.sweep(tree.MARK, self._guard.mark(""), prefix=True)
