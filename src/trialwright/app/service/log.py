"""The log of a service: one line per event, with its time; bounded, the older half set aside."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

NAME = "service.log"

LARGEST = 4 * 2**20
"""Bytes from which on the log is set aside as `service.log.1`, in place of the one before."""

LONGEST_LINE = 4000
"""Characters."""


class ServiceLog:
    """Appends lines to `service.log` in a study's folder; from any thread.

    `echo` is given each line, too. A log that can't be written loses lines, and nothing else.
    """

    def __init__(
        self, folder: Path, *, largest: int = LARGEST, echo: Callable[[str], None] | None = None
    ) -> None:
        self.path = folder / NAME
        self._largest, self._echo = largest, echo
        # A signal may want to say something while a line is being written.
        self._guard = threading.RLock()

    def __call__(self, text: str) -> None:
        """Write one line, with the time in UTC."""
        at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        line = f"{at} {_line(text)}"
        with self._guard:
            self._append(line)
            if self._echo is not None:
                try:
                    self._echo(line)
                except OSError:
                    # Who read along has gone.
                    self._echo = None

    def _append(self, line: str) -> None:
        # Opened for each line: it may be moved away, and lines are rare.
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(descriptor, f"{line}\n".encode(errors="replace"))
                full = os.fstat(descriptor).st_size > self._largest
            finally:
                os.close(descriptor)
            if full:
                self.path.replace(self.path.with_name(f"{NAME}.1"))
        except OSError:
            return


def _line(text: str) -> str:
    """Text as one line of printable characters, cut."""
    said = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return said[:LONGEST_LINE]


def last_line(folder: Path) -> str:
    """Return the last line of a service's log; '' if there is none."""
    for name in (NAME, f"{NAME}.1"):
        try:
            with (folder / name).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(size - 5 * LONGEST_LINE, 0))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            continue
        if lines:
            return lines[-1]
    return ""
