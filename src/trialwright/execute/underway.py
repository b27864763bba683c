"""One run on this machine, from its folder to its ending: what is laid out, read and written down.

It knows the run's files and metrics; the process itself is the guard's, the decisions are the
runner's.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from trialwright.execute.failures import Ending
from trialwright.execute.metrics import Collector
from trialwright.execute.observe import observe
from trialwright.execute.runlog import (
    POINTS,
    LogFiles,
    RunLog,
    keep_points,
    read_counted,
    replay,
    write,
    write_atomically,
    write_counted,
)
from trialwright.execute.runner import Inbox, Order, Reported, output_folder
from trialwright.execute.slots import Slot
from trialwright.process.checkout import lay_out
from trialwright.process.guard import Spawn
from trialwright.process.memory import Meter
from trialwright.process.sandbox import confined
from trialwright.records import Observation
from trialwright.task import MetricRoute

EXIT = "exit.json"

Breach = Literal["timed_out", "stalled", "out_of_memory_host"]


class Underway:
    """A run from its order to its end, as the watching thread sees it."""

    def __init__(self, number: int, order: Order, inbox: Inbox, slot: Slot) -> None:
        self.number = number
        self.order = order
        self.inbox = inbox
        self.slot = slot
        self.files = LogFiles(order.folder)
        self.collector = Collector(order.metrics, workdir=order.workdir, within=order.within)
        self.log = RunLog(self.files, cap=order.limits.log_bytes)
        self.meter = Meter(order.limits.memory_bytes)
        self.pid: int | None = None
        self.began = time.monotonic()
        self.heard_at = self.began
        """When it last gave a sign of life."""
        self.first_at: float | None = None
        """When it first reported a metric."""
        self.given_s: float | None = None
        """Its time, once it has had it: what it reports from then on does not count."""
        self.stopping = False
        self.fault: Exception | None = None
        """What kept the run's output from being read."""
        self.input = Input(order.stdin, order.folder) if order.stdin else None

    def read(self, *, most: int | None = None) -> None:
        """Take in new output and report the metrics in it."""
        points = []
        for chunk in self.log.grown(most):
            self.heard_at = time.monotonic()
            if self.given_s is None:
                points += self.collector.feed(chunk)
        if self.given_s is None:
            points += self.collector.poll()
        self._report(points)

    def read_rest(self) -> None:
        """Take in the last of the output, once nobody writes any more."""
        self.read()
        if self.given_s is None:
            self._report(self.collector.finish())

    def had_its_time(self, now: float) -> bool:
        """Whether it has had the time that every run is given."""
        limits = self.order.limits
        since = self.began if limits.budget_from == "start" else self.first_at
        return limits.budget_s is not None and since is not None and now - since > limits.budget_s

    def count(self) -> None:
        """Let what was reported until now be all that counts, also for who reads it again."""
        self.given_s = self.order.limits.budget_s
        with suppress(OSError):  # the disk may be full: then all that it prints has to do
            write_counted(self.files, self.collector)

    def breach(self, now: float) -> Breach | None:
        """Which limit of time the run has broken."""
        limits = self.order.limits
        if limits.run_s is not None and now - self.began > limits.run_s:
            return "timed_out"
        if limits.stall_s is not None and now - self.heard_at > limits.stall_s:
            return "stalled"
        return None

    def opened(self) -> None:
        """Take in that the run has its standard input, or could not be started."""
        if self.input is not None:
            self.input.release()
            self.input = None

    def _report(self, points: list[tuple[float, dict[str, float]]]) -> None:
        if points:
            self.heard_at = time.monotonic()
            self.first_at = self.first_at or self.heard_at
        for step, metrics in points:
            seconds = time.monotonic() - self.began
            self.inbox(Reported(self.order.run, step, metrics, seconds))


class Input:
    """What a run reads from its standard input, until it has opened it."""

    def __init__(self, content: bytes, folder: Path) -> None:
        self._memory: int | None = None
        if sys.platform == "linux":
            # In memory: a pickled function is not to lie on a disk.
            self._memory = os.memfd_create("input")
            with os.fdopen(os.dup(self._memory), "wb") as file:
                file.write(content)
            self.path = Path(f"/proc/{os.getpid()}/fd/{self._memory}")
        else:
            self.path = folder / ".stdin"
            write_atomically(self.path, content)

    def release(self) -> None:
        """Let go of it: the run has opened it, or never will."""
        if self._memory is not None:
            os.close(self._memory)
            self._memory = None
        else:
            self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Exit:
    """How a run ended, as the guard says or as it wrote down."""

    status: int | None
    why: str | None
    seconds: float
    peak_memory_bytes: int | None
    began_at: float | None = None

    def ending(self) -> Ending:
        """Return the same in the words of those who look for a cause."""
        ending = Ending(
            exit_status=self.status,
            seconds=self.seconds,
            peak_memory_bytes=self.peak_memory_bytes,
        )
        match self.why:
            case "pruned" | "cancelled":
                return replace(ending, stopped=self.why)
            case "timed_out" | "stalled" | "out_of_memory_host":
                return replace(ending, breach=self.why)
        return ending


def prepare(number: int, order: Order, inbox: Inbox, slot: Slot) -> Underway:
    """Lay out a run's folder and files, with nothing left of an earlier run of that name."""
    files = LogFiles(order.folder)
    try:
        order.folder.mkdir()
    except FileNotFoundError:
        order.folder.mkdir(parents=True)
    except FileExistsError:
        old = (files.log, files.metrics, files.cut, files.counted, order.folder / EXIT)
        for path in (*old, *order.files):
            path.unlink(missing_ok=True)
    if order.code is not None:
        lay_out(order.code)
        output_folder(order.folder).mkdir(exist_ok=True)
    for path, content in order.files.items():
        if path.parent != order.folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        write(path, content)
    return Underway(number, order, inbox, slot)


def spawn_of(live: Underway) -> Spawn:
    """Return what the guard is to start."""
    order = live.order
    environment = {**order.environment, **live.slot.environment(os.environ, order.environment)}
    argv = order.command
    if order.confinement is not None:
        argv = confined(argv, environment, order.confinement, order.workdir)
    return Spawn(
        run=live.number,
        argv=argv,
        environment=environment,
        workdir=order.workdir,
        log=live.files.log,
        exit=order.folder / EXIT,
        grace_s=order.limits.grace_s,
        stdin=live.input.path if live.input else None,
    )


def recovered(order: Order) -> Observation | None:
    """Observe a run again from its folder, if it had finished; else None.

    It had if it ended by itself, had had its time, was stopped for a limit or pruned, or had
    declared its result complete.
    """
    files = LogFiles(order.folder)
    if not files.log.exists():
        return None
    exited = recorded(order.folder) or guessed(order)
    collector = Collector(
        order.metrics, workdir=order.workdir, since=exited.began_at, within=order.within
    )
    counted = read_counted(files, collector)
    # What was printed after its time was over is there to be read, and does not count.
    reader = Collector(MetricRoute(), workdir=order.workdir) if counted else collector
    tail = replay(files, reader, cap=order.limits.log_bytes)
    reader.finish()
    ending = exited.ending()
    if counted or exited.why == "budget":
        ending = replace(ending, stopped=None, breach=None, given_s=order.limits.budget_s)
    elif exited.why in ("interrupted", "cancelled") and not collector.final:
        return None
    observation = observe(order, collector, ending, tail)
    keep_points(files, collector.curve(POINTS))
    return observation


def recorded(folder: Path) -> Exit | None:
    """Read how a run ended, as its guard wrote it down; None if it did not come to that."""
    try:
        found = json.loads((folder / EXIT).read_bytes())
        return Exit(
            int(found["status"]),
            found["why"],
            float(found["seconds"]),
            int(found["peak_memory_bytes"]),
            float(found["began_at"]),
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def guessed(order: Order) -> Exit:
    """What can be said of a run that was killed together with its guard."""
    # Its configuration was written when it began, and its log when it last said something.
    began_at = min(path.stat().st_mtime for path in (order.folder, *order.files) if path.exists())
    seconds = max(LogFiles(order.folder).log.stat().st_mtime - began_at, 0.0)
    return Exit(None, "interrupted", seconds, None, began_at)
