"""Processes in an instant: one that has imported everything forks a session for each that is asked.

What is forked is a process of its own, in a session of its own, as if it had been started. A study
costs a fifth of a second like this, and seconds with its imports.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

ROOT = Path(__file__).resolve().parents[2]

PLAIN = ("trialwright.app.cli", "trialwright.app.running", "benchmarks.breaking.session")
REPORTS = ("trialwright.report.html", "trialwright.report.terminal", "scipy.stats")
SERVER = ("trialwright.postgres.ledger", "trialwright.postgres.lease")
MODELS = ("trialwright.llm.conversation", "pydantic_ai.models.openai")


class Process(Protocol):
    """A coordinator that goes on: as much of `subprocess.Popen` as is used."""

    pid: int

    def poll(self) -> int | None:
        """Return its status if it has ended; negative for a signal."""
        ...

    def send_signal(self, sig: int, /) -> None:
        """Send it a signal."""
        ...


@dataclass
class Forked:
    """A process that a starter forked."""

    pid: int
    starter: Starter
    status: int | None = None

    def poll(self) -> int | None:
        """Return its status if it has ended; negative for a signal."""
        if self.status is None:
            self.status = self.starter.ask({"poll": self.pid})
        return self.status

    def send_signal(self, sig: int, /) -> None:
        """Send it a signal, unless it has ended."""
        # Only `poll` takes the ending, so the number can't be somebody else's by now.
        if self.poll() is None:
            os.kill(self.pid, sig)


class Starter:
    """A process that has `modules` loaded, and forks sessions. For one thread; close it."""

    def __init__(self, modules: Sequence[str] = PLAIN) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.breaking.warm", *modules],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def start(
        self, words: Sequence[str], *, folder: Path, environment: Mapping[str, str], said: Path
    ) -> Forked:
        """Fork a session, or the command line with `run` as its first word."""
        wish = {"words": words, "folder": str(folder), "environment": dict(environment)}
        pid = self.ask({**wish, "said": str(said)})
        assert pid is not None
        return Forked(pid, self)

    def ask(self, wish: Mapping[str, object]) -> int | None:
        """Ask for a process, or how one ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(wish) + "\n")
        self._process.stdin.flush()
        answer: int | None = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """Let the process end."""
        self._process.communicate()


def wait(process: Process, *, within_s: float) -> int | None:
    """Return how a process ended; None if it goes on after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while (status := process.poll()) is None and time.monotonic() < deadline:
        time.sleep(0.005)
    return status


def kill(process: Process) -> int:
    """Kill a process, and return how it ended: it may have been faster."""
    process.send_signal(signal.SIGKILL)
    status = wait(process, within_s=60)
    assert status is not None
    return status


def main() -> None:
    """Serve until standard input ends."""
    for module in sys.argv[1:]:
        __import__(module)
    for line in sys.stdin:
        wish = json.loads(line)
        answer = _ended(wish["poll"]) if "poll" in wish else os.fork()
        if answer == 0 and "poll" not in wish:
            _become(wish)
        print(json.dumps(answer), flush=True)


def _ended(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _become(wish: dict[str, Any]) -> NoReturn:
    """Be the process that was asked for."""
    os.setsid()
    os.chdir(wish["folder"])
    os.environ.clear()
    os.environ.update(wish["environment"])
    null = os.open(os.devnull, os.O_RDWR)
    said = os.open(wish["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number, descriptor in enumerate((null, null, said)):
        os.dup2(descriptor, number)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, m) for n, m in enumerate("rww"))
    status = 1
    try:
        status = _done(wish["words"])
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001  # as the interpreter would
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _done(words: list[str]) -> int:
    if words[0] != "run":
        from benchmarks.breaking import session

        return session.run(*words)
    from trialwright.app.cli import main as command

    sys.argv = ["trialwright", *words]
    command()
    return 0


if __name__ == "__main__":
    main()
