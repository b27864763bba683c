"""The ends of logs, read while they grow: as text that is safe to show, line by line.

What a run left in its folder is not trusted: no link is followed, and nothing but a file is read.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from trialwright.analysis.heldout import veiled
from trialwright.errors import StudyError
from trialwright.history import History
from trialwright.report import words
from trialwright.task import Task

TAIL = 96 * 1024
"""Bytes of a log that a page begins with."""
AT_ONCE = 256 * 1024
"""Bytes that are read at a time."""
LONGEST = 2000
"""Characters of a line."""

_ENDS = re.compile(rb"\r\n|\n|\r(?!$)")


def hidden_from(history: History) -> Task | None:
    """Return the task if it holds a metric out that nobody may see yet; else None."""
    task = history.task
    return task if task.heldout is not None and not history.heldout() else None


@dataclass(slots=True)
class Tail:
    """A log, read on from where it was read to."""

    path: Path
    root: Path
    """The study's folder: nothing outside is read."""
    hidden: Task | None = None
    """Whose held-out metric is left out."""
    offset: int = -1
    """Bytes read so far; -1: nothing."""
    _rest: bytes = field(default=b"", repr=False)

    def more(self, *, ended: bool = False) -> list[str]:
        """Return the lines that came since; with `ended` also the last one, without its end.

        Raises:
            StudyError: it is there, and is no file of the study.
        """
        chunk = self._read()
        *whole, self._rest = _ENDS.split(self._rest + chunk)
        if ended or len(self._rest) > 8 * LONGEST:
            whole, self._rest = [*whole, *([self._rest] if self._rest else [])], b""
        return [self._shown(line) for line in whole]

    def _shown(self, line: bytes) -> str:
        text = line.decode("utf-8", "replace")
        if self.hidden is not None:
            text = veiled(text + "\n", self.hidden).rstrip("\n")
        return words.plain(text, most=LONGEST)

    def _read(self) -> bytes:
        descriptor = opened(self.path, self.root)
        if descriptor is None:
            return b""
        with os.fdopen(descriptor, "rb") as log:
            size = os.fstat(log.fileno()).st_size
            first = self.offset < 0
            if first or size < self.offset:
                self.offset, self._rest = (max(size - TAIL, 0), b"") if first else (0, b"")
            log.seek(self.offset)
            chunk = log.read(AT_ONCE)
            if first and self.offset:
                chunk = chunk.partition(b"\n")[2]  # the first line has lost its beginning
            self.offset = log.tell()
            return chunk


def last_line(path: Path, root: Path, hidden: Task | None) -> str:
    """Return the last line of a log that says something; '' without one."""
    try:
        lines = Tail(path, root, hidden).more(ended=hidden is None)
    except StudyError:
        return ""
    return next((words.line(line, most=200) for line in reversed(lines) if line.strip()), "")


def opened(path: Path, root: Path) -> int | None:
    """Open a file of a study for reading; None if it is not there.

    Raises:
        StudyError: it is a link, no file, or leads out of the study's folder.
    """
    strange = StudyError(f"{path.name} of this run is not a file of the study: it is not shown")
    if not path.parent.resolve().is_relative_to(root.resolve()):
        raise strange
    try:
        # Without waiting, since a pipe has no end.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError:
        raise strange from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise strange
    return descriptor


def text_of(path: Path, root: Path, *, most: int) -> str:
    """Return the first `most` bytes of a file of a study as text; '' if it is not there.

    Raises:
        StudyError: as for `opened`.
    """
    descriptor = opened(path, root)
    if descriptor is None:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        return words.plain(file.read(most).decode("utf-8", "replace"))
