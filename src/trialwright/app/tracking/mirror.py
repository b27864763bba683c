"""Copies a study's runs to its trackers while it goes on, each by a process of its own.

A study never waits for one: the process reads the ledger by itself, and is told through a pipe that
there is something new. Only points of runs that go on come from the study, and as many as fit: the
curve of a run that has ended is complete.

A process and not a thread: MLflow takes seconds to load, and while it does other threads see half
of the libraries that it shares with the reports.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Self

from trialwright.app.notifying import Records
from trialwright.app.tracking.books import Shelf
from trialwright.app.tracking.process import MODULE, plan
from trialwright.execute.runner import Event, Reported
from trialwright.history import History
from trialwright.records import Notice
from trialwright.report.words import line
from trialwright.store import Store

POINTS = 5000
"""Reported points that wait for a tracker, at most; the oldest go."""

PATIENCE_S = 30.0
"""What is waited for a tracker when the study has ended."""

TOPIC = "trackers"
"""Of the notice that a tracker can't be written."""


class Mirror:
    """Copies a study's runs to one tracker while it goes on; a watcher and a context manager.

    `say` gets a line where something can't be told any more through the ledger.
    """

    def __init__(
        self,
        shelf: Shelf,
        store: Store,
        say: Callable[[str], None],
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._shelf, self._store, self._say = shelf, store, say
        self._patience_s = patience_s
        self._records = Records(store)
        self._points: deque[str] = deque(maxlen=POINTS)
        self._news, self._over = threading.Event(), threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._threads = [
            threading.Thread(target=work, name="mirror", daemon=True)
            for work in (self._write, self._read)
        ]
        self._told = False
        self._fault = ""
        """What kept the latest round from its end; '': nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Wait a little until all is copied."""
        self._over.set()
        self._news.set()
        process = self._process
        if process is None:
            return
        try:
            process.wait(self._patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            self._fault = f"it took longer than {self._patience_s:g} s"
        for thread in self._threads:
            thread.join(self._patience_s)
        if self._fault:
            self._say(
                f"trackers: {self._shelf.name} is not up to date: {self._fault}; bring it up to"
                " date with `trialwright mirror`"
            )

    def __call__(self, history: History, event: Event | None) -> None:
        """Take note of a change; see `session.Watch`."""
        if isinstance(event, Reported):
            run = event.run
            told = {
                "run": [run.trial, run.seed, run.attempt],
                "step": event.step,
                "metrics": dict(event.metrics),
                "at": time.time(),
            }
            self._points.append(json.dumps(told))
        else:
            self._records.seen(history)
        if self._process is None:
            # Now there is a ledger.
            self._begin()
        self._news.set()

    def _begin(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # Ctrl-C is for the study: its end is this one's.
            start_new_session=True,
        )
        for thread in self._threads:
            thread.start()

    def _write(self) -> None:
        """Tell the process what is new; the pipe may be full for as long as it likes."""
        assert self._process is not None
        assert self._process.stdin is not None
        pipe = self._process.stdin
        try:
            with pipe:
                pipe.write(plan(self._shelf, self._store) + "\n")
                while not self._over.is_set() or self._points:
                    self._news.wait()
                    self._news.clear()
                    # An empty line: there is something in the ledger.
                    pipe.write("\n")
                    while self._points:
                        pipe.write(self._points.popleft() + "\n")
                    pipe.flush()
        except (OSError, ValueError):
            # It is gone, and its reader tells so.
            return

    def _read(self) -> None:
        """Take in what the process says, to its end."""
        assert self._process is not None
        assert self._process.stdout is not None
        said: deque[str] = deque(maxlen=3)
        with self._process.stdout as pipe:
            for text in pipe:
                try:
                    told = json.loads(text)
                    self._fault = str(told["fault"])
                except (ValueError, KeyError, TypeError):
                    said.append(line(text))
                    continue
                if self._fault:
                    self._tell()
        status = self._process.wait()
        if status and not self._over.is_set():
            self._fault = f"its process ended with status {status}: {' '.join(said)}"
            self._tell()

    def _tell(self) -> None:
        """Say once that a tracker can't be written; the study goes on."""
        if self._told or self._over.is_set():
            return
        self._told = True
        text = (
            f"{self._shelf.name} can't be written: {self._fault}; the study goes on, and it is"
            " tried again"
        )
        record = Notice(level="warning", topic=TOPIC, text=text)
        if not self._records.append(record, at=None):
            self._say(f"trackers: {text}")


class Mirrors:
    """All trackers of a study as one watcher."""

    def __init__(
        self,
        shelves: Sequence[Shelf],
        store: Store,
        say: Callable[[str], None],
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._mirrors = [Mirror(one, store, say, patience_s=patience_s) for one in shelves]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for mirror in self._mirrors:
            self._stack.enter_context(mirror)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __call__(self, history: History, event: Event | None) -> None:
        """Take note of a change; see `session.Watch`."""
        for mirror in self._mirrors:
            mirror(history, event)
