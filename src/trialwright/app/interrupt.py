"""What signals do to a running study: the first Ctrl-C finishes the running trials, the second not.

SIGTERM and SIGHUP stop at once. Whatever happens, running the same command again resumes.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

FIRST = "finishing the running trials; press Ctrl-C again to stop them now"
SECOND = "stopping the running trials"


class Stoppable(Protocol):
    """What a signal stops: a study."""

    def stop(self, *, now: bool = False) -> None:
        """End after the running runs, or `now`."""
        ...


@contextmanager
def interrupts(study: Stoppable, say: Callable[[str], None]) -> Iterator[None]:
    """Stop `study` on signals while the block runs; `say` is told, within the signal handler."""
    times = 0

    def interrupt(number: int, _: object) -> None:
        nonlocal times
        times += 1
        now = times > 1 or number != signal.SIGINT
        # Before anything that might fail, such as writing to a terminal that has gone away.
        study.stop(now=now)
        say(SECOND if now else FIRST)

    caught = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = [(number, signal.signal(number, interrupt)) for number in caught]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def tell(text: str) -> None:
    """Write a line to standard error from within a signal handler, past Python's buffers."""
    try:
        os.write(2, f"\n{text}\n".encode())
    except OSError:
        return
