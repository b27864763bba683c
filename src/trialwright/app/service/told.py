"""What `status` says of a study's service, and of messages that could not be sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from trialwright.app.documents import Document, plain
from trialwright.app.service import card
from trialwright.app.service.log import last_line
from trialwright.notify import last_failure
from trialwright.records import Entry


def service_document(folder: Path, entries: Sequence[Entry]) -> Document:
    """Return the service of a study and the last message that failed, for `--json`."""
    there, failure = card.read(folder), last_failure(entries)
    service: Document | None = None
    if there is not None:
        told = plain(there)
        assert isinstance(told, dict)
        service = {**told, "last_event": last_line(folder)}
    failed: Document | None = None
    if failure is not None:
        failed = {"at": failure[0], "why": failure[1]}
    return {"service": service, "notification_failed": failed}


def service_lines(folder: Path, entries: Sequence[Entry]) -> Iterator[str]:
    """Yield the same in lines for a terminal: of a service that is alive, or gave up."""
    there = card.read(folder)
    if there is not None and there.alive:
        process = f"process {there.pid} on {there.host}"
        if there.coordinator is not None:
            process += f", coordinator {there.coordinator}"
        yield f"it runs as a service since {_at(there.since)} ({process}): {there.state}"
        if there.restarts:
            yield f"its coordinator was started again {there.restarts} times"
        yield f"last event: {last_line(folder)}"
    elif there is not None and there.state == "abandoned":
        yield f"its service gave up: {last_line(folder)}"
    elif there is not None and there.state not in ("ended", "failed"):
        yield f"its service (process {there.pid}) is gone, without having ended in order"
    failure = last_failure(entries)
    if failure is not None:
        yield f"a notification last failed at {_at(failure[0])}: {failure[1]}"


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
