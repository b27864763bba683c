"""The process that copies a running study to one tracker: told through a pipe, until that closes.

It says after each round what kept it from its end, as a line of JSON.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from trialwright.app.tracking.books import Shelf
from trialwright.app.tracking.copyist import Copyist
from trialwright.execute.runner import Reported
from trialwright.records import RunKey
from trialwright.store import Store
from trialwright.task import LedgerPlan
from trialwright.tracker import Tracker

MODULE = "trialwright.app.tracking.process"
"""What is started."""

EVERY_S = 1.0
"""Between two rounds."""

AGAIN_S, LONGEST_S = 5.0, 300.0
"""Before another attempt after a fault; each wait is twice the last one, up to the longest."""

Inbox = queue.SimpleQueue[str | None]
"""Lines as they come; None: there are no more."""


def plan(shelf: Shelf, store: Store) -> str:
    """Return the first line that the process is told: what to copy where."""
    tracker = shelf.tracker
    return json.dumps({
        "tracker": {
            "kind": tracker.kind, "uri": tracker.uri, "folder": tracker.folder,
            "experiment": tracker.experiment,
        },
        "name": shelf.name,
        "experiment": shelf.experiment,
        "place": str(shelf.place),
        "uri": shelf.uri,
        "folder": str(store.folder),
        "ledger": store.plan.url,
        "lease_s": store.plan.lease_s,
        "study": store.study,
    })  # fmt: skip


def _planned(text: str) -> Copyist:
    told = json.loads(text)
    shelf = Shelf(
        Tracker(**told["tracker"]),
        told["name"],
        told["experiment"],
        Path(told["place"]),
        told["uri"],
    )
    ledger = LedgerPlan(url=told["ledger"], lease_s=told["lease_s"])
    return Copyist(shelf, Store(Path(told["folder"]), ledger, told["study"], dict(os.environ)))


def follow(copyist: Copyist, inbox: Inbox) -> None:
    """Copy what is new, round by round, until the inbox ends; then once more."""
    wait_s, last = AGAIN_S, False
    pause_s, retry = 0.0, False
    while not last:
        lines = list(_gathered(inbox, pause_s, retry=retry))
        last = bool(lines) and lines[-1] is None
        try:
            copyist.catch_up(_points(lines))
        except Exception as error:  # noqa: BLE001  # a tracker's library may raise anything
            _say(copyist.shelf.fault(error))
            pause_s, wait_s, retry = wait_s, min(2 * wait_s, LONGEST_S), True
            _let_go(copyist)
        else:
            _say("")
            pause_s, wait_s, retry = EVERY_S, AGAIN_S, False
    _let_go(copyist)


def _gathered(inbox: Inbox, pause_s: float, *, retry: bool) -> Iterator[str | None]:
    """Yield what comes within the pause, and at least one line unless there is to be a `retry`."""
    until = time.monotonic() + pause_s
    while (left_s := until - time.monotonic()) > 0:
        try:
            text = inbox.get(timeout=left_s)
        except queue.Empty:
            break
        yield text
        if text is None:
            return
        retry = True
    if not retry:
        yield inbox.get()


def _points(lines: Sequence[str | None]) -> list[tuple[Reported, float]]:
    found = []
    for text in lines:
        if text and text.strip():
            told = json.loads(text)
            event = Reported(RunKey(*told["run"]), told["step"], told["metrics"])
            found.append((event, told["at"]))
    return found


def _let_go(copyist: Copyist) -> None:
    try:
        copyist.let_go()
    except Exception as error:  # noqa: BLE001  # as above
        _say(copyist.shelf.fault(error))


def _say(fault: str) -> None:
    sys.stdout.write(json.dumps({"fault": fault}) + "\n")
    sys.stdout.flush()


def _listen(inbox: Inbox) -> None:
    for text in sys.stdin:
        inbox.put(text)
    inbox.put(None)


def main() -> int:
    """Be the process."""
    copyist = _planned(sys.stdin.readline())
    inbox: Inbox = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(inbox,), name="pipe", daemon=True).start()
    try:
        follow(copyist, inbox)
    except BrokenPipeError:
        # Whoever ran the study is gone.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
