"""Starts commands in an instant: a process that has loaded everything forks one for each line.

Unlike `tests.app.warm` it does not wait for their end, so that several go on at once.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.app.commands import environment
from tests.app.warm import MODULES, be

ROOT = Path(__file__).parents[2]


class Starter:
    """A process that starts commands; close it, and end what it started by their ids."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.postgres.warm"], cwd=ROOT, env=environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def start(self, folder: Path, said: Path, *words: str) -> int:
        """Start a command in `folder`, what it says going to `said`; return its process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        wish = {
            "folder": str(folder),
            "environment": environment(),
            "out": str(said),
            "err": str(said) + ".err",
            "words": words,
        }
        self._process.stdin.write(json.dumps(wish) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """Let the process end."""
        self._process.communicate()


def main() -> None:
    """Serve until standard input ends."""
    for module in (*MODULES, "trialwright.postgres.ledger"):
        __import__(module)
    # Who has ended leaves no zombie.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            be(json.loads(line))
        print(pid, flush=True)


if __name__ == "__main__":
    main()
