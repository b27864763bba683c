"""Tells webhooks how a study goes, from threads of their own: a study never waits for them.

It watches a study as any watcher does. That somebody was told, or could not be, is appended to the
ledger as a notice, as a door does it; so each message is sent once, also over restarts.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from trialwright.app.door import append
from trialwright.app.posting import Pace, deliver
from trialwright.errors import LedgerError
from trialwright.execute.runner import Event, Finished, Reported
from trialwright.history import History
from trialwright.notify import (
    BEST_EVERY_S,
    Failures,
    Message,
    News,
    Told,
    abandoned,
    finished,
    news,
    notice,
    payload,
    tested,
)
from trialwright.records import Notice
from trialwright.store import Store
from trialwright.task import Task
from trialwright.webhook import Webhook, named

LAG = 100
"""More records than a session notes before it writes them."""


@dataclass(frozen=True, slots=True)
class Target:
    """A webhook, its address, and its name without secrets."""

    name: str
    url: str
    webhook: Webhook


class Notifier:
    """Tells a study's webhooks what is new, each message once; a watcher and a context manager.

    `say` gets a line where something can't be told any more through the ledger.
    """

    def __init__(
        self,
        task: Task,
        store: Store,
        say: Callable[[str], None],
        *,
        environ: Mapping[str, str] = os.environ,
        pace: Pace = Pace(),
        best_every_s: float = BEST_EVERY_S,
    ) -> None:
        self._task, self._say, self._best_every_s = task, say, best_every_s
        self._targets = targets(task, environ, say=say)
        self._patience_s = pace.patience_s
        self._over = threading.Event()
        self._records = Records(store)
        self._workers = [
            Worker(target, task.name, pace, self._over, self._answered) for target in self._targets
        ]
        self._failures: Failures | None = None
        self._told = Told()
        self._best_at = -float("inf")
        self._ended_at: float | None = None

    def __enter__(self) -> Self:
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Wait a little for what is on its way; what does not arrive is given up."""
        deadline = time.monotonic() + self._patience_s
        for worker in self._workers:
            worker.end(deadline)
        self._over.set()
        for worker in self._workers:
            for message in worker.left():
                self._answered(worker.target, message, "the study had ended, and it took too long")

    def __call__(self, history: History, event: Event | None) -> None:
        """Take note of a change; see `session.Watch`."""
        if not self._targets or isinstance(event, Reported):
            return
        if self._failures is None:
            self._failures = Failures(history)
            self._told = Told(history.notices)
        elif isinstance(event, Finished):
            self._failures.take(history.run(event.observation.run))
        self._ended_at = None if history.closed is None else history.updated_at
        self._records.seen(history)
        self._tell(news(history, self._failures, now=time.time()), ended=history.closed is not None)

    def finish(self, history: History, report: Path | None) -> None:
        """Tell how the session ended; `report` is the path of the report, if there is one."""
        if not self._targets or history.closed is None:
            return
        where = "" if report is None else str(report.absolute())
        end = finished(history, closed=history.closed, report=where, host=socket.gethostname())
        self._tell([end], ended=True)

    def abandon(self, history: History, why: str) -> None:
        """Tell that nobody goes on with the study, for reason `why`."""
        self._told = Told(history.notices)
        self._ended_at = history.updated_at or None
        self._records.seen(history)
        at = history.sequence
        end = abandoned(self._task.name, why=why, at=at, host=socket.gethostname())
        self._tell([end], ended=True)

    def _tell(self, found: Iterable[News], *, ended: bool) -> None:
        """Hand what is due to whoever wants it and was not told yet."""
        for one in found:
            due = [worker for worker in self._workers if self._wants(worker.target, one, ended)]
            if not due:
                continue
            if one.topic == "best":
                now = time.monotonic()
                if not ended and now - self._best_at < self._best_every_s:
                    continue
                self._best_at = now
            for worker in due:
                self._told.add(worker.target.name, one.key)
            try:
                message = one.write()
            except Exception as error:  # noqa: BLE001  # no study ends for want of words
                self._say(f"notify: {one.key} can't be put into words: {error!r}")
                continue
            for worker in due:
                worker.give(message)

    def _wants(self, target: Target, one: News, ended: bool) -> bool:
        if one.topic not in target.webhook.on or self._told.has(target.name, one.key):
            return False
        # The message of the end has the best in it.
        return not (one.topic == "best" and ended and "finished" in target.webhook.on)

    def _answered(self, target: Target, message: Message, fault: str) -> None:
        """Keep in the ledger what became of a message; called from the workers' threads."""
        record = notice(message.key, target.name, why=fault, trial=message.trial)
        ended_at = self._ended_at
        kept = self._records.append(record, at=ended_at)
        if not kept or (fault and ended_at is not None):
            self._say(f"notify: {record.text}")


class Worker:
    """Sends one target its messages, one after the other, from a thread of its own."""

    def __init__(
        self,
        target: Target,
        study: str,
        pace: Pace,
        over: threading.Event,
        answered: Callable[[Target, Message, str], None],
    ) -> None:
        self.target = target
        self._study, self._pace, self._over, self._answered = study, pace, over, answered
        self._inbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._waiting: list[Message] = []
        self._guard = threading.Lock()
        # A receiver that never answers must not keep the process.
        self._thread = threading.Thread(target=self._work, name="notify", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def give(self, message: Message) -> None:
        """Send a message, as soon as those before it are through."""
        with self._guard:
            self._waiting.append(message)
        self._inbox.put(message)

    def end(self, deadline: float) -> None:
        """Take no more, and wait until all are through, or for the deadline (monotonic)."""
        self._inbox.put(None)
        self._thread.join(max(deadline - time.monotonic(), 0.0))

    def left(self) -> list[Message]:
        """Take back what is not through: its end is told by whoever takes it."""
        with self._guard:
            left, self._waiting = self._waiting, []
        return left

    def _work(self) -> None:
        while (message := self._inbox.get()) is not None:
            document = payload(message, study=self._study, form=self.target.webhook.format)
            fault = deliver(self.target.url, document, self._pace, over=self._over)
            with self._guard:
                if message not in self._waiting:
                    return
                self._waiting.remove(message)
            self._answered(self.target, message, fault)


class Records:
    """Appends notices to a study's ledger beside the study itself, from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sequence = 0
        self._guard = threading.Lock()

    def seen(self, history: History) -> None:
        """Take note of how long the ledger is at least, so that little has to be read again."""
        # What a session has noted and not written yet is in its history already.
        self._sequence = max(self._sequence, history.sequence - LAG)

    def append(self, record: Notice, *, at: float | None) -> bool:
        """Append a notice; return whether that was possible.

        `at` is its time; None: now. After a session's end it is the end, which adds no seconds to
        the study.
        """
        try:
            with self._guard:
                append(self._store, record, after=self._sequence, at=at)
        except LedgerError:
            return False
        return True


def targets(task: Task, environ: Mapping[str, str], *, say: Callable[[str], None]) -> list[Target]:
    """Return whom a study tells; who can't be told, because a variable is not set, is said."""
    found = []
    for name, webhook in zip(named(task.notify), task.notify, strict=True):
        url = webhook.address(environ)
        if url is None:
            say(f"notify: {name} is not set here to an http:// or https:// address: it is not told")
        else:
            found.append(Target(name, url, webhook))
    return found


def test(task: Task, say: Callable[[str], None], *, environ: Mapping[str, str]) -> bool:
    """Send each webhook a message that is a test; return whether all of them took it."""
    message = tested(task.name, host=socket.gethostname())
    there = targets(task, environ, say=say)
    faults = 0
    for target in there:
        document = payload(message, study=task.name, form=target.webhook.format)
        fault = deliver(target.url, document, Pace(waits_s=()), over=threading.Event())
        say(f"notify: {target.name} {f'was not told: {fault}' if fault else 'was told'}")
        faults += bool(fault)
    if not task.notify:
        say("notify: the study file has no `notify`")
    return bool(task.notify) and not faults and len(there) == len(task.notify)
