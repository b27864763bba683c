"""Orders of real commands, and what became of them: for the tests of runners."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from trialwright.execute.runner import Event, Finished, Order, Reported, Runner
from trialwright.process import tree
from trialwright.records import Observation, RunKey
from trialwright.task import Limits, MetricRoute, Objective

PATIENCE_S = 60.0
"""Seconds until a test gives up on an event; far more than any needs on a busy machine."""

LITTER = """
import os, signal, sys, time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
LINGER = (
    "import os, time; file = open('pids', 'a'); print(os.getpid(), file=file, flush=True);"
    "time.sleep(120)"
)

def leave(*steps, cleared=False):
    if os.fork() == 0:
        for step in steps:
            if step == "setsid":
                os.setsid()
            elif os.fork() > 0:
                os._exit(0)
        environment = {} if cleared else dict(os.environ)
        os.execve(sys.executable, [sys.executable, "-S", "-E", "-c", LINGER], environment)

leave()
leave("setsid")
leave("setsid", "fork")
leave("setsid", "fork", cleared=True)
while not os.path.exists("pids") or len(open("pids").readlines()) < 4:
    time.sleep(0.01)
print('@trialwright {"step": 1, "y": 1.0}', flush=True)
"""
"""Leaves a child, a child in a session of its own, a daemon, and a daemon without environment; all
ignore SIGTERM, and write their pids to the file `pids`."""


@dataclass
class Heard:
    """An inbox that keeps what it hears, and can be waited on."""

    events: list[Event] = field(default_factory=list)
    _queue: queue.SimpleQueue[Event] = field(default_factory=queue.SimpleQueue)

    def __call__(self, event: Event) -> None:
        """Take an event, as runners hand it in."""
        self._queue.put(event)

    def until(self, wanted: Callable[[Event], bool], *, within_s: float = PATIENCE_S) -> Event:
        """Wait for an event."""
        deadline = time.monotonic() + within_s
        while True:
            event = self._queue.get(timeout=max(deadline - time.monotonic(), 0.001))
            self.events.append(event)
            if wanted(event):
                return event

    def report(self, run: RunKey | None = None) -> Reported:
        """Wait for a run (any run) to report."""
        event = self.until(lambda event: isinstance(event, Reported) and run in (None, event.run))
        assert isinstance(event, Reported)
        return event

    def observation(self, run: RunKey | None = None) -> Observation:
        """Wait for a run (any run) to end."""
        event = self.until(
            lambda event: isinstance(event, Finished) and run in (None, event.observation.run)
        )
        assert isinstance(event, Finished)
        return event.observation

    def drain(self) -> list[Event]:
        """Return what was heard since, without waiting."""
        found: list[Event] = []
        while not self._queue.empty():
            found.append(self._queue.get())
        return found


def command(folder: Path, *argv: str, number: int = 0, **changes: object) -> Order:
    """Order a command in `folder`, for trial `number`."""
    order: dict[str, object] = {
        "run": RunKey(number, 0, 0),
        "configuration": {"x": 0.5},
        "seed": 1,
        "objective": Objective(metric="y"),
        "command": argv,
        "environment": environment(folder),
        "workdir": folder,
        "folder": folder / "trials" / f"{number:04d}-0.0",
        "limits": Limits(grace_s=0.3),
        "metrics": MetricRoute(),
    }
    return Order(**{**order, **changes})  # type: ignore[arg-type]


def script(folder: Path, source: str, *, number: int = 0, **changes: object) -> Order:
    """Order a Python script, given as text; it starts without site-packages, so quickly."""
    return command(folder, sys.executable, "-S", "-c", source, number=number, **changes)


def environment(folder: Path) -> Mapping[str, str]:
    """This process's environment, marked as a run of the study in `folder`."""
    return {**os.environ, "TRIALWRIGHT_STUDY_FOLDER": str(folder), "TRIALWRIGHT_SEED": "1"}


def ended(runner: Runner, order: Order) -> Observation:
    """Run an order to its end."""
    heard = Heard()
    runner.start(order, heard)
    return heard.observation()


def pids(folder: Path, *, count: int = 1) -> list[int]:
    """Return the pids that a script wrote to the file `pids`, once there are `count`."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        lines = (folder / "pids").read_text().split() if (folder / "pids").exists() else []
        if len(lines) >= count:
            return [int(line) for line in lines]
        time.sleep(0.01)
    raise AssertionError(f"no {count} pids in {folder / 'pids'} after {PATIENCE_S} s")


def alive(found: list[int]) -> list[int]:
    """Return those of the processes that have not ended."""
    table = tree.processes()
    return [pid for pid in found if pid in table and not table[pid].zombie]


def guards(coordinator: int) -> list[psutil.Process]:
    """Return the guards among the children of a process, once there are any."""
    deadline = time.monotonic() + 10
    found: list[psutil.Process] = []
    while not found and time.monotonic() < deadline:
        for child in psutil.Process(coordinator).children():
            # A process has no command line for a moment while it is being started.
            with contextlib.suppress(psutil.NoSuchProcess):
                if "trialwright.process.parent" in " ".join(child.cmdline()):
                    found.append(child)
    return found


def in_background(folder: Path, source: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a script of a coordinator, with this environment's packages."""
    return subprocess.Popen(
        [sys.executable, "-c", source, str(folder), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
