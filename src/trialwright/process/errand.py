"""One command run to its end while its caller waits: bounded in time, memory and words.

A guard of its own starts it and ends all that it started, also where this process is killed. It
knows no trial, and nothing of what the command is for.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trialwright.errors import RunnerError
from trialwright.process import tree
from trialwright.process.guard import Exited, Guard, Reply, Spawn, Started, Unstarted
from trialwright.process.memory import Meter

LOOK_S = 0.1
"""Seconds between looks at a command that goes on."""

SAMPLE_S = 0.5
"""Seconds between samples of its memory."""

LARGEST_OUTPUT = 32 << 20
"""Bytes that a command may print."""

GRACE_S = 2.0
"""Seconds between SIGTERM and SIGKILL."""

Stopped = Literal["timed_out", "memory", "output", "cancelled"]

_RUN = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A command, and what it may use up."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    workdir: Path
    output: Path
    """Takes standard output and standard error; out of reach of the command itself."""
    exit: Path
    """Where the guard writes how it ended."""
    stdin: Path | None = None
    time_s: float
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a command ended: nothing of it is left."""

    status: int | None
    """As the shell counts; None if it was never started."""
    stopped: Stopped | None = None
    """Why it was ended; None if it ended by itself."""
    error: str = ""
    """Why it could not be started."""
    seconds: float = 0.0


def run(errand: Errand, stopping: Callable[[], bool] = lambda: False) -> Done:
    """Run a command and wait until nothing of it is left.

    `stopping` is asked a few times a second whether to end it.

    Raises:
        RunnerError: there can be no guard, or it went away.
    """
    guard = Guard()
    try:
        return _Watch(guard, errand, stopping).wait()
    finally:
        guard.close()
        guard.wait()


class _Watch:
    """Waits for one command, and has it ended when it breaks a limit."""

    def __init__(self, guard: Guard, errand: Errand, stopping: Callable[[], bool]) -> None:
        self._guard = guard
        self._errand = errand
        self._stopping = stopping
        self._meter = Meter(errand.memory_bytes)
        self._sample_at = 0.0
        self._stopped: Stopped | None = None
        self._pid: int | None = None

    def wait(self) -> Done:
        errand = self._errand
        self._guard.spawn(
            Spawn(
                run=_RUN,
                argv=errand.argv,
                environment=errand.environment,
                workdir=errand.workdir,
                log=errand.output,
                exit=errand.exit,
                grace_s=GRACE_S,
                stdin=errand.stdin,
            )
        )
        poll = select.poll()
        poll.register(self._guard.fileno(), select.POLLIN)
        began = time.monotonic()
        while not self._guard.gone:
            for reply in self._guard.replies() if poll.poll(LOOK_S * 1000) else ():
                done = self._taken(reply)
                if done is not None:
                    return done
            if self._stopped is None:
                self._hold(time.monotonic() - began)
        raise RunnerError("the guard of the command is gone")

    def _taken(self, reply: Reply) -> Done | None:
        match reply:
            case Started(pid=pid):
                self._pid = pid
            case Unstarted(error=error):
                return Done(status=None, error=error)
            case Exited(status=status, seconds=seconds):
                return Done(status=status, stopped=self._stopped, seconds=seconds)
        return None

    def _hold(self, seconds: float) -> None:
        """End the command if it has broken a limit."""
        if self._stopping():
            self._end("cancelled")
        elif seconds > self._errand.time_s:
            self._end("timed_out")
        elif _size(self._errand.output) > LARGEST_OUTPUT:
            self._end("output", grace_s=0.0)
        elif self._outgrown():
            self._end("memory", grace_s=0.0)

    def _end(self, why: Stopped, *, grace_s: float = GRACE_S) -> None:
        self._stopped = why
        self._guard.stop(_RUN, why=why, grace_s=grace_s)

    def _outgrown(self) -> bool:
        if self._pid is None or time.monotonic() < self._sample_at:
            return False
        table = tree.processes()
        there = table.get(self._pid)
        if there is None:
            return False
        leader = tree.Leader(self._pid, self._guard.mark(_RUN), there.started_s)
        found = tree.members(table, [leader], guard=self._guard.pid).get(self._pid, [])
        self._sample_at = time.monotonic() + SAMPLE_S
        return self._meter.take(found)


def _size(path: Path) -> int:
    try:
        return os.stat(path, follow_symlinks=False).st_size  # noqa: PTH116
    except OSError:
        return 0
