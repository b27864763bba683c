"""The coordinator's side of a guard: start one, tell it what to run, hear what became of it.

It knows the guard's process (`parent`) and the messages to it; of runs only their numbers.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trialwright.errors import RunnerError
from trialwright.process import tree
from trialwright.process.wire import Reader, pack

PATIENCE_S = 30.0
"""Seconds that a guard may take to end after it was told to, beyond the grace of its runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawn:
    """A command to start, in a session of its own."""

    run: int
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    workdir: Path
    log: Path
    """Takes standard output and standard error, appended."""
    exit: Path
    """Where to write how it ended, once nothing of it is left."""
    grace_s: float
    """Seconds between SIGTERM and SIGKILL when this process is closing, or gone."""
    stdin: Path | None = None
    """Opened before the answer to `Guard.spawn`; None is an empty input."""


@dataclass(frozen=True, slots=True)
class Started:
    """A run's first process is there."""

    run: int
    pid: int


@dataclass(frozen=True, slots=True)
class Unstarted:
    """A run's command could not be started."""

    run: int
    error: str


@dataclass(frozen=True, slots=True)
class Exited:
    """A run's first process has ended, and nothing else of the run is left."""

    run: int
    status: int
    """As the shell counts: 128 + n after signal n."""
    why: str | None
    """The reason given to `stop`, `interrupted` if the guard had to go, None if it ended itself."""
    seconds: float
    peak_memory_bytes: int
    """Of its largest process."""


Reply = Started | Unstarted | Exited


class Guard:
    """A process that is the parent of all runs, and ends them when this process is gone.

    Raises:
        RunnerError: it can't be started.
    """

    def __init__(self, *, lock: int | None = None) -> None:
        self.token = secrets.token_hex(8)
        """Begins the mark of all runs of this guard."""
        self._sending = threading.Lock()
        ours, theirs = socket.socketpair()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the guard
        descriptors = [theirs.fileno(), *([] if lock is None else [lock])]
        try:
            self._process = subprocess.Popen(
                [*_command(), str(os.getpid()), *map(str, descriptors)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                pass_fds=descriptors,
                cwd="/",
                # A Ctrl-C in the terminal is for the coordinator to act on.
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            self._errors.close()
            raise RunnerError(
                f"{sys.executable} can't be started as a guard for runs: {error}"
            ) from error
        finally:
            theirs.close()
        self._socket = ours
        self._reader = Reader(ours)

    @property
    def pid(self) -> int:
        """Of the guard's process."""
        return self._process.pid

    def fileno(self) -> int:
        """Return the descriptor that is readable when `replies` has something to say."""
        return self._socket.fileno()

    def mark(self, run: int | Literal[""]) -> str:
        """Return what identifies a run's processes by their environment; '': how all begin."""
        return f"{self.token}.{run}"

    def spawn(self, spawn: Spawn) -> None:
        """Have a command started; `Started` or `Unstarted` is the answer.

        Raises:
            RunnerError: the guard is gone.
        """
        mark = self.mark(spawn.run)
        self._send(
            {
                "do": "spawn",
                "run": spawn.run,
                "argv": spawn.argv,
                "environment": {**spawn.environment, tree.MARK: mark},
                "workdir": str(spawn.workdir),
                "log": str(spawn.log),
                "exit": str(spawn.exit),
                "stdin": str(spawn.stdin) if spawn.stdin else None,
                "mark": mark,
                "grace_s": spawn.grace_s,
            }
        )

    def stop(self, run: int, *, why: str, grace_s: float) -> None:
        """Have a run's whole tree ended: SIGTERM, `grace_s` seconds, SIGKILL.

        Without grace it is SIGKILL at once. A run that has ended stays as it is.

        Raises:
            RunnerError: the guard is gone.
        """
        self._send({"do": "stop", "run": run, "why": why, "grace_s": grace_s})

    def replies(self) -> Iterable[Reply]:
        """Wait for the guard and return what it says; nothing once it is gone (see `gone`)."""
        return [_reply(message) for message in self._reader.read()]

    @property
    def gone(self) -> bool:
        """Whether the guard has closed its end: it has nothing more to say."""
        return self._reader.ended

    def close(self) -> None:
        """Have everything ended, without waiting: replies go on until the guard is `gone`."""
        with contextlib.suppress(RunnerError):
            self._send({"do": "close"})

    def wait(self) -> str:
        """Let go of the guard and wait until it has ended; return why, if not well, else ''."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            status = self._process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            status = self._process.wait()
        self._socket.close()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip()
        self._errors.close()
        if status == 0:
            return ""
        ended = f"signal {-status}" if status < 0 else f"status {status}"
        return f"the guard of the runs ended with {ended}" + (f":\n{said}" if said else "")

    def _send(self, message: Mapping[str, object]) -> None:
        try:
            with self._sending:
                self._socket.sendall(pack(message))
        except OSError as error:
            raise RunnerError(f"the guard of the runs is gone ({error}): run again") from error


def _command() -> list[str]:
    """A bare interpreter, quick to start, that sees this package and no site-packages."""
    root = str(Path(__file__).resolve().parents[2])
    code = (
        f"import sys; sys.path.insert(0, {root!r}); "
        "from trialwright.process.parent import main; main()"
    )
    # Elsewhere than on Linux the process table comes from psutil, in site-packages.
    bare = ["-S"] if sys.platform == "linux" else []
    return [sys.executable, "-E", "-s", *bare, "-c", code]


def _reply(message: Mapping[str, object]) -> Reply:
    match message:
        case {"say": "started", "run": int(run), "pid": int(pid)}:
            return Started(run, pid)
        case {"say": "unstarted", "run": int(run), "error": str(error)}:
            return Unstarted(run, error)
        case {
            "say": "exited",
            "run": int(run),
            "status": int(status),
            "why": str() | None as why,
            "seconds": int() | float() as seconds,
            "peak_memory_bytes": int(peak),
        }:
            return Exited(run, status, why, float(seconds), peak)
    raise RunnerError(f"the guard of the runs said {message!r}, which means nothing here")
