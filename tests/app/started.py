"""Commands that go on while a test looks at them: as much of `subprocess.Popen` as is needed.

They are forked like those of `tests.app.commands.ran`, each in a session of its own, and cost no
second of imports. A killed one is a zombie until it is polled, as below `Popen`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from io import TextIOWrapper
from pathlib import Path

from tests.app.commands import LIMIT_S, ask, environment

LOOK_S = 0.02
"""Between looks whether a command has ended."""


class Started:
    """A command that was started in a folder; what it says is in `stdout` and `stderr`.

    With `file` both go to the end of that file instead.
    """

    def __init__(self, folder: Path, *words: str, file: Path | None = None, **more: str) -> None:
        self.args = ["trialwright", *words]
        self.returncode: int | None = None
        self._place = Path(tempfile.mkdtemp())
        self._loaded = str(self._place / "loaded")
        pipes = [self._place / "out", self._place / "err"] if file is None else []
        for pipe in pipes:
            os.mkfifo(pipe)
        # Opened before there is a writer, which would else wait for them.
        readers = [os.open(pipe, os.O_RDONLY | os.O_NONBLOCK) for pipe in pipes]
        out, err = pipes or (file, file)
        wish = {"start": True, "folder": str(folder), "environment": environment(**more)}
        pid = ask(
            {**wish, "words": words, "out": str(out), "err": str(err), "loaded": self._loaded}
        )
        assert pid is not None
        self.pid = pid
        self.stdout, self.stderr = map(_stream, readers) if readers else (None, None)

    def poll(self) -> int | None:
        """Return its status if it has ended; negative for a signal."""
        if self.returncode is None:
            self.returncode = ask({"poll": self.pid, "loaded": self._loaded})
            if self.returncode is not None:
                shutil.rmtree(self._place)
        return self.returncode

    def wait(self, timeout: float = LIMIT_S) -> int:
        """Wait for its end, and return its status."""
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(LOOK_S)
        return status

    def communicate(self, timeout: float = LIMIT_S) -> tuple[str, str]:
        """Wait for its end, and return what it said that nobody has read."""
        assert self.stdout is not None
        assert self.stderr is not None
        with ThreadPoolExecutor(2) as pool:
            said = [pool.submit(stream.read) for stream in (self.stdout, self.stderr)]
            self.wait(timeout)
            return said[0].result(timeout), said[1].result(timeout)

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Kill it with its process group if it goes on, and leave nothing open."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()


def _stream(reader: int) -> TextIOWrapper:
    """What is written to a pipe, as text, which ends when the last writer is gone."""
    os.set_blocking(reader, True)
    return os.fdopen(reader)
